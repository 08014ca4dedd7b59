//! The life of one request: identify → read → estimate → judge → reserve → forward → settle.
//!
//! `pipeline` tells it in one function; the other files are the steps, which do not know each other.

mod advise;
mod answer;
mod deliver;
mod downloads;
mod exchange;
mod meter;
mod pace;
mod pipeline;
mod places;
mod predict;
mod refusal;
mod rehearse;
mod relay;
mod repeat;
mod resent;
mod room;
mod service;
mod settle;
mod token;
mod weigh;
mod wishes;

pub use answer::{Answer, Dialect, Notes, Reply, RetryUnit};
pub use downloads::Downloads;
pub use pace::Pacer;
pub use pipeline::Guard;
pub use places::{PlaceError, Places};
pub use predict::{Predicted, predict};
pub use refusal::{Problem, Refusal};
pub use rehearse::{BudgetReport, Rehearsal, Report, rehearse};
pub use relay::Relay;
pub use resent::Resends;
pub use token::{TokenError, TokenRefusal};
