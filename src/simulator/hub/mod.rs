//! services.sentinel-hub.com, in the old style of its paths and the new.

mod body;
pub(super) mod byoc;
mod catalog;
mod grids;
pub(super) mod jobs;
mod ogc;
mod price;
mod process;
mod script;
mod statistics;
pub(super) mod token;

use serde_json::{Value, json};

use super::answer::Answer;
use super::call::{Call, Site};
use super::refusal::Refusal;
use super::world::World;

pub(super) fn answer(call: &Call, segments: &[&str], world: &mut World) -> Result<Answer, Refusal> {
    match segments {
        ["oauth", ..] | ["auth", "realms", ..] => token::answer(call, segments, world),
        ["process", "v1"] | ["api", "v1", "process"] => process::answer(call),
        ["statistics", "v1"] | ["api", "v1", "statistics"] => statistics::answer(call),
        ["async", "v1", "process", rest @ ..] | ["api", "v1", "async", "process", rest @ ..] => {
            jobs::answer_async(call, rest, world)
        }
        ["batch", "v1" | "v2", "process", rest @ ..]
        | ["api", "v1" | "v2", "batch", "process", rest @ ..] => {
            jobs::answer_batch(call, rest, world, jobs::Kind::Batch)
        }
        ["batch", "v2", "tilinggrids", rest @ ..]
        | ["api", "v1" | "v2", "batch", "tilinggrids", rest @ ..] => grids::answer(call, rest),
        ["statistics", "batch", "v1", rest @ ..]
        | ["api", "v1", "statistics", "batch", rest @ ..] => {
            jobs::answer_batch(call, rest, world, jobs::Kind::BatchStatistics)
        }
        ["catalog", "v1", rest @ ..]
        | ["api", "v1", "catalog", "1.0.0", rest @ ..]
        | ["api", "v1", "catalog", rest @ ..] => catalog::answer(call, rest),
        ["byoc", "v1", rest @ ..] | ["api", "v1", "byoc", rest @ ..] => {
            byoc::answer(call, rest, world, "byoc")
        }
        ["zarr", "v1", rest @ ..] | ["api", "v1", "zarr", rest @ ..] => {
            byoc::answer(call, rest, world, "zarr")
        }
        ["ogc", service, instance, ..] => ogc::answer(call, service, instance),
        ["configuration", "v1", ..] | ["api", "v2", "configuration", ..] => {
            Ok(Answer::json(&json!([])))
        }
        _ => Err(Refusal::no_route()),
    }
}

/// A page of a list, and the token that stands for the next one where there is more.
fn listed(call: &Call, all: &[Value]) -> Answer {
    const MAX_PAGE: usize = 100;
    let size = call.number("count").unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
    let start = call.number("viewtoken").unwrap_or_default().min(all.len());
    let end = start.saturating_add(size).min(all.len());
    let address = call.link(Site::SentinelHub, &call.path);
    let mut links = json!({"@id": address});
    if end < all.len() {
        links["nextToken"] = end.to_string().into();
        links["next"] = format!("{address}?count={size}&viewtoken={end}").into();
    }
    let shown = all.get(start..end).unwrap_or_default();
    Answer::json(&json!({"data": shown, "links": links}))
}
