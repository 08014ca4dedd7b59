//! services.sentinel-hub.com, in the old style of its paths and the new.

mod body;
pub(super) mod byoc;
mod catalog;
pub(super) mod jobs;
mod ogc;
mod price;
mod process;
mod script;
mod statistics;
pub(super) mod token;

use serde_json::json;

use super::answer::Answer;
use super::call::Call;
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
        ["batch", "v2", "tilinggrids", ..] | ["api", "v1" | "v2", "batch", "tilinggrids", ..] => {
            Ok(Answer::json(&json!({"data": []})))
        }
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
