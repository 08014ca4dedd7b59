//! The life of one request: identify → read → consult → estimate → judge → reserve → forward → settle.
//!
//! `pipeline` tells it in one function; the other files are the steps, which do not know each other.

mod activated;
mod advise;
mod answer;
mod consult;
mod deliver;
mod downloads;
mod exchange;
mod haste;
mod land;
mod look_up;
mod margins;
mod meter;
mod pace;
mod pipeline;
mod places;
mod predict;
mod probe;
mod read_back;
mod refusal;
mod rehearse;
mod relay;
mod repeat;
mod resent;
mod revising;
mod room;
mod service;
mod settle;
mod shared;
mod token;
mod weigh;
mod wishes;

pub use answer::{Answer, Dialect, Notes, Provenance, Reply, RetryUnit};
pub use consult::{Consultant, LiveError, rehearse_live};
pub use downloads::Downloads;
pub use margins::{Margins, PastCharge};
pub use pace::Pacer;
pub use pipeline::Guard;
pub use places::{PlaceError, Places};
pub use predict::{Predicted, Understood, predict, understand};
pub use probe::{Probe, probe};
pub use refusal::{Problem, Refusal};
pub use rehearse::{BudgetReport, Rehearsal, Report, rehearse};
pub use relay::Relay;
pub use resent::Resends;
pub use revising::Revising;
pub use shared::Sharing;
pub use token::{TokenError, TokenRefusal};
