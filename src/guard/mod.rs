//! The life of one request: identify → read → estimate → judge → reserve → forward → settle.
//!
//! `pipeline` tells it in one function; the other files are the steps, which do not know each other.

mod advise;
mod answer;
mod exchange;
mod haste;
mod margins;
mod pace;
mod pipeline;
mod places;
mod predict;
mod refusal;
mod rehearse;
mod relay;
mod repeat;
mod resent;
mod service;
mod settle;
mod shared;
mod token;
mod weigh;
mod wishes;

pub use answer::{Answer, Dialect, Notes, Provenance, Reply, RetryUnit};
pub use margins::{Margins, PastCharge};
pub use pace::Pacer;
pub use pipeline::Guard;
pub use places::{PlaceError, Places};
pub use predict::{Predicted, predict};
pub use refusal::{Problem, Refusal};
pub use rehearse::{BudgetReport, Rehearsal, Report, rehearse};
pub use relay::Relay;
pub use resent::Resends;
pub use shared::Sharing;
pub use token::{TokenError, TokenRefusal};
