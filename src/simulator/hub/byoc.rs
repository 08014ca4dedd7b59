//! Collections that users bring, and Zarr ones: every write costs one unit.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Value, json};

use super::listed;
use crate::simulator::answer::Answer;
use crate::simulator::bill::Charge;
use crate::simulator::call::Call;
use crate::simulator::figures;
use crate::simulator::refusal::Refusal;
use crate::simulator::world::{MAX_KEPT, World};

/// Collections and tiles by their paths below the API.
pub(in crate::simulator) type State = BTreeMap<String, Value>;

pub(super) fn answer(
    call: &Call,
    rest: &[&str],
    world: &mut World,
    api: &'static str,
) -> Result<Answer, Refusal> {
    if rest.first() != Some(&"collections") {
        return Err(Refusal::no_route());
    }
    let key = format!("{api}/{}", rest.join("/"));
    let method = call.method.as_str();
    if matches!(method, "GET" | "HEAD") {
        return read(call, rest, &key, world);
    }
    let answer = write(call, rest, &key, world)?;
    let charge = Charge::of(api, format!("{method} {}", rest.join("/")));
    Ok(answer.charging(charge.pu(figures::whole_pu(1))))
}

fn read(call: &Call, rest: &[&str], key: &str, world: &World) -> Result<Answer, Refusal> {
    match rest {
        ["collections"] | ["collections", _, "tiles"] => {
            let prefix = format!("{key}/");
            let children = world.collections.iter().filter(|(path, _)| {
                path.strip_prefix(&prefix)
                    .is_some_and(|tail| !tail.contains('/'))
            });
            let data: Vec<Value> = children.map(|(_, value)| value.clone()).collect();
            Ok(listed(call, &data))
        }
        ["collections", _, "tiles", _, "files", ..] | ["collections", _, "arrays", ..] => {
            Ok(Answer::json(&json!({"data": []})))
        }
        _ => match world.collections.get(key) {
            Some(value) => Ok(Answer::json(&json!({"data": value}))),
            None => Err(Refusal::not_found(key)),
        },
    }
}

fn write(call: &Call, rest: &[&str], key: &str, world: &mut World) -> Result<Answer, Refusal> {
    match (call.method.as_str(), rest) {
        ("POST", ["collections"] | ["collections", _, "tiles"]) => {
            let mut value = call.json()?;
            if !value.is_object() {
                return Err(Refusal::bad("a JSON object is needed"));
            }
            let id = world.next_id();
            value["id"] = id.clone().into();
            value["created"] = call.now.to_string().into();
            value["status"] = "INGESTED".into();
            if world.collections.len() >= MAX_KEPT {
                world.collections.pop_first();
            }
            world
                .collections
                .insert(format!("{key}/{id}"), value.clone());
            Ok(Answer::created(&json!({"data": value})))
        }
        ("PUT", ["collections", _] | ["collections", _, "tiles", _]) => {
            let value = world.collections.get_mut(key);
            let value = value.ok_or_else(|| Refusal::not_found(key))?;
            if let Value::Object(changes) = call.json()? {
                for (name, change) in changes {
                    value[name] = change;
                }
            }
            Ok(Answer::empty(StatusCode::NO_CONTENT))
        }
        ("DELETE", ["collections", _] | ["collections", _, "tiles", _]) => {
            let gone = world.collections.remove(key);
            gone.ok_or_else(|| Refusal::not_found(key))?;
            Ok(Answer::empty(StatusCode::NO_CONTENT))
        }
        ("POST", ["collections", _, "copyTiles"] | ["collections", _, "tiles", _, "reingest"]) => {
            Ok(Answer::empty(StatusCode::NO_CONTENT))
        }
        ("PUT", ["collections", _, "reingest"]) => Ok(Answer::json(&json!({"data": {}}))),
        _ => Err(Refusal::no_route()),
    }
}
