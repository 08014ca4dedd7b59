//! Which API a call belongs to. This table was written from Planet's documents alone, so that it finds
//! what another reading of them missed.

use super::answer::Answer;
use super::auth;
use super::call::Call;
use super::refusal::{Refusal, Style};
use super::world::World;
use super::{api, hub, storage};

pub(super) fn answer(call: &Call, world: &mut World) -> Answer {
    api::subscriptions::accrue(world, call.now);
    let answered = auth::admit(call, world).and_then(|()| route(call, world));
    answered.unwrap_or_else(|refusal| refusal.into_answer(Style::of(&call.segments())))
}

fn route(call: &Call, world: &mut World) -> Result<Answer, Refusal> {
    let segments = call.segments();
    match segments.as_slice() {
        ["_storage", rest @ ..] => storage::answer(call, rest, world),
        ["data", "v1", rest @ ..] => api::data::answer(call, rest, world),
        ["compute", "ops", rest @ ..] => api::orders::answer(call, rest, world),
        ["orders", "v2", "download"] => storage::follow_token(call, world),
        ["subscriptions", "v1", rest @ ..] => api::subscriptions::answer(call, rest, world),
        ["features", "v0" | "v1", "ogc", rest @ ..] => api::features::answer(call, rest, world),
        ["basemaps", "v1", rest @ ..] => api::basemaps::answer(call, rest, world),
        ["account", "v1", rest @ ..] | ["auth", "v1", "experimental", "public", rest @ ..] => {
            api::account::answer(call, rest, world)
        }
        ["destinations" | "tasking" | "analytics" | "reports", ..] => {
            api::others::answer(call, &segments, world)
        }
        _ => hub::answer(call, &segments, world),
    }
}
