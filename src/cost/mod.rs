//! What an ask will cost: Planet's published tables and formulas as pure functions.
//!
//! Multiply exactly, round once, at the end, and up. Every figure comes from [`Prices`], whose defaults
//! are Planet's; every line of an [`Estimate`] names the rule and the page it came from.
#![deny(clippy::float_arithmetic, clippy::as_conversions)]

pub mod aum;
pub mod basemaps;
mod batch;
pub mod data;
mod estimate;
pub mod imagery;
pub mod jobs;
pub mod orders;
mod plan;
mod prices;
pub mod query;
mod scenes;
pub mod subscriptions;
pub mod suggestion;

pub use estimate::{Estimate, Line};
pub use plan::{AumRule, BillableAssets, Charged, Plan, QuotaStyle};
pub use prices::Prices;
pub use scenes::{SceneFigures, SceneTable};
