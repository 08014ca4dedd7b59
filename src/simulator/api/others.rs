//! Destinations, Tasking, Analytics and Reports: things that are kept, listed and given back.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Value, json};

use crate::simulator::answer::Answer;
use crate::simulator::bill::Charge;
use crate::simulator::call::{Call, Site};
use crate::simulator::refusal::Refusal;
use crate::simulator::world::{MAX_KEPT, World};

/// Things by their paths.
pub(in crate::simulator) type State = BTreeMap<String, Value>;

pub(in crate::simulator) fn answer(
    call: &Call,
    segments: &[&str],
    world: &mut World,
) -> Result<Answer, Refusal> {
    let key = segments.join("/");
    match (call.method.as_str(), segments) {
        ("GET", ["destinations", "v1", "default"]) => match world.things.get(&key) {
            Some(default) => Ok(Answer::json(default)),
            None => Err(Refusal::not_found("a default destination")),
        },
        ("PUT", ["destinations", "v1", "default"]) => {
            let default = call.json()?;
            world.things.insert(key, default.clone());
            Ok(Answer::json(&default))
        }
        ("DELETE", ["destinations", "v1", "default"]) => {
            world.things.remove(&key);
            Ok(Answer::empty(StatusCode::NO_CONTENT))
        }
        ("GET", ["destinations", "v1"]) => {
            let archived = call
                .parameter("archived")
                .is_some_and(|text| text == "true");
            let wanted = |thing: &Value| archived != thing["archived"].is_null();
            Ok(list(&key, "destinations", world, wanted))
        }
        ("GET", ["tasking", "v2", "orders" | "captures"]) => {
            Ok(list(&key, "results", world, |_| true))
        }
        ("GET", ["analytics", ..]) => Ok(Answer::json(&json!({"data": [], "links": []}))),
        ("GET", ["reports", _, ..]) => Ok(Answer::json(&json!({"_links": {}, "reports": []}))),
        ("POST", ["destinations", "v1"]) => create(call, &key, world),
        ("POST", ["tasking", "v2", "orders" | "bulk"]) => {
            let charge = Charge::of("tasking", "tasking order");
            create(call, &key, world).map(|answer| answer.charging(charge))
        }
        ("POST", ["tasking", "v2", "imaging-windows", "search"]) => {
            Ok(Answer::json(&json!({"imaging_windows": []})))
        }
        ("GET", _) => known(&key, world).map(|thing| Answer::json(thing)),
        ("PATCH" | "PUT", _) => {
            let changes = call.json()?;
            let thing = known(&key, world)?;
            for (name, change) in changes.as_object().into_iter().flatten() {
                let (name, change) = match (name.as_str(), change) {
                    ("archive", Value::Bool(true)) => ("archived", call.now.to_string().into()),
                    ("archive", _) => ("archived", Value::Null),
                    (name, change) => (name, change.clone()),
                };
                thing[name] = change;
            }
            Ok(Answer::json(thing))
        }
        ("DELETE", ["tasking", ..]) => {
            known(&key, world)?;
            world.things.remove(&key);
            Ok(Answer::empty(StatusCode::NO_CONTENT))
        }
        _ => Err(Refusal::no_route()),
    }
}

fn known<'a>(key: &str, world: &'a mut World) -> Result<&'a mut Value, Refusal> {
    let thing = world.things.get_mut(key);
    thing.ok_or_else(|| Refusal::not_found(key))
}

fn list(key: &str, name: &str, world: &World, wanted: impl Fn(&Value) -> bool) -> Answer {
    let prefix = format!("{key}/");
    let things = world
        .things
        .iter()
        .filter(|(path, _)| path.starts_with(&prefix));
    let listed: Vec<&Value> = things
        .filter(|(path, _)| !path.ends_with("/default"))
        .map(|(_, thing)| thing)
        .filter(|thing| wanted(thing))
        .collect();
    Answer::json(&json!({"_links": {}, name: listed}))
}

/// Cloud credentials are not given back.
fn create(call: &Call, key: &str, world: &mut World) -> Result<Answer, Refusal> {
    let mut thing = call.json()?;
    if !thing.is_object() {
        return Err(Refusal::bad("a JSON object is needed"));
    }
    let id = world.next_id();
    thing["id"] = id.clone().into();
    thing["created"] = call.now.to_string().into();
    if thing["parameters"].is_object() {
        thing["parameters"]["credentials"] = "<REDACTED>".into();
    }
    let link = call.link(Site::Api, &format!("/{key}/{id}"));
    thing["_links"] = json!({"_self": link});
    if key.starts_with("destinations") {
        thing["pl:ref"] = format!("pl:destinations/{id}").into();
    }
    if world.things.len() >= MAX_KEPT {
        world.things.pop_first();
    }
    world.things.insert(format!("{key}/{id}"), thing.clone());
    Ok(Answer::created(&thing))
}
