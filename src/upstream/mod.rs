//! The way out to Planet: pooled connections, what a proxy may pass on, and bodies that stream.
//!
//! Everything streams in constant memory, both ways. The order of a request is [`admit()`], then
//! whatever the guard decides, then [`Base::join`] and [`Pool::send`] inside [`Exchanges::detach`].

mod admit;
mod body;
mod caching;
mod collect;
mod count;
mod date;
mod detach;
mod headers;
mod hosts;
mod links;
mod login;
mod pool;
mod progress;
mod target;
#[cfg(test)]
mod tests;
mod ticket;

pub use admit::{Unforwardable, admit};
pub use body::{Body, BodyError, empty, from_wire, full};
pub use caching::{
    Directives, age, between, has_validator, lifetime, may_be_kept, may_be_shared, varies_by,
};
pub use collect::{CollectError, coding, collect, collect_request, overhear};
pub use count::{Passed, counted};
pub use date::http_date;
pub use detach::Exchanges;
pub use headers::Arrival;
pub use hosts::{FollowError, Hosts, Onward, redirect};
pub use links::{Form, HiddenKey, LinkError, Linked, Links, Rewrite, Rewriter, Sealing};
pub use login::{Login, LoginError};
pub use pool::{Pool, PoolError, SendError, SendLimits, Trust, on_the_way};
pub use target::{Base, TargetError};
pub use ticket::{Goal, Ticket};
