//! `/_simulator/…`: the bill, the requests and the faults, for tests that run in another process.

use http::StatusCode;
use serde_json::json;

use super::answer::Answer;
use super::call::Call;
use super::faults::Fault;
use super::refusal::{Refusal, Style};
use super::world::World;

pub(super) fn answer(call: &Call, world: &mut World) -> Answer {
    let segments = call.segments();
    let rest = segments.get(1..).unwrap_or_default();
    match (call.method.as_str(), rest) {
        ("GET", ["bill"]) => Answer::json(&world.bill.to_json()),
        ("GET", ["requests"]) => Answer::json(&json!({"requests": world.seen})),
        ("POST", ["faults"]) => add_faults(call, world),
        ("POST", ["fates"]) => done(world.read_fate(&call.body)),
        ("POST", ["elsewhere"]) => done(world.read_elsewhere(&call.body)),
        ("DELETE", ["faults"]) => {
            world.faults.clear();
            Answer::empty(StatusCode::NO_CONTENT)
        }
        ("POST", ["reset"]) => {
            *world = World::new(world.options.clone());
            Answer::empty(StatusCode::NO_CONTENT)
        }
        _ => Refusal::no_route().into_answer(Style::Plain),
    }
}

fn done(answer: Result<(), Refusal>) -> Answer {
    match answer {
        Ok(()) => Answer::empty(StatusCode::NO_CONTENT),
        Err(refusal) => refusal.into_answer(Style::Plain),
    }
}

fn add_faults(call: &Call, world: &mut World) -> Answer {
    match Fault::read(&call.body) {
        Ok(faults) => {
            world.faults.extend(faults);
            Answer::empty(StatusCode::NO_CONTENT)
        }
        Err(error) => Refusal::bad(error.to_string()).into_answer(Style::Plain),
    }
}
