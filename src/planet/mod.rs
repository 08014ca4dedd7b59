//! Planet's API as values: which call this is, what it asks for, what Planet says back.
//!
//! Pure: bytes in, values out. Nothing here knows a price, a team or a clock; where a reading depends on
//! the present, `now` is an argument. What is classified and read here must be what upstream will see;
//! when the two could differ, reading fails and nothing is forwarded.

pub mod answer;
mod api;
mod ask;
pub mod basemaps;
pub mod batch;
pub mod bundles;
pub mod catalog;
pub mod collections;
mod correction;
pub mod counts;
mod course;
pub mod data;
pub mod document;
pub mod downloads;
mod drawn;
pub mod evalscript;
mod extent;
pub mod features;
mod format;
mod found;
mod frame;
pub mod geometry;
mod imagery;
pub mod jobs;
pub mod json;
mod land;
mod made;
mod mount;
mod number;
pub mod ogc;
pub mod orders;
mod outline;
mod path;
mod period;
pub mod process;
mod query;
pub mod quota;
mod read;
mod resolve;
pub mod route;
mod sources;
mod spelling;
pub mod statistics;
pub mod subscriptions;
pub mod tools;

#[cfg(test)]
pub(crate) mod wild;

pub use api::{Api, UpstreamKind};
pub use ask::{Ask, Misread, Reading, Unbounded};
pub use batch::BatchAsk;
pub use catalog::SearchAsk;
pub use collections::Deployment;
pub use course::{Course, End};
pub use found::{Found, Shown, questions};
pub use imagery::{Correction, Declared, Format, Imagery, Known, Source};
pub use jobs::AsyncAsk;
pub use made::{Kind, Made};
pub use mount::{Mount, longest_mount};
pub use path::Target;
pub use query::Query;
pub use read::{Asked, read};
pub use resolve::Outlines;
pub use route::{Operation, Route, classify};
