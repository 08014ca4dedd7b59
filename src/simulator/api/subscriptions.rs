//! The Subscriptions API: the past is charged at once, and every further day when it has passed.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Value, json};

use super::page;
use super::subscription::Subscription;
use super::subscription_price::Cost;
use crate::simulator::answer::Answer;
use crate::simulator::bill::Charge;
use crate::simulator::call::{Call, Site};
use crate::simulator::refusal::Refusal;
use crate::simulator::world::{MAX_KEPT, World};
use crate::units::UtcTime;

const DEFAULT_PAGE: usize = 20;
const STATES: [&str; 8] = [
    "preparing",
    "pending",
    "running",
    "completed",
    "cancelled",
    "suspended",
    "failed",
    "invalid",
];

#[derive(Default)]
pub(in crate::simulator) struct State(BTreeMap<String, Subscription>);

pub(in crate::simulator) fn answer(
    call: &Call,
    rest: &[&str],
    world: &mut World,
) -> Result<Answer, Refusal> {
    match (call.method.as_str(), rest) {
        ("POST", []) => create(call, &call.json()?, world).map(|(_, answer)| answer),
        ("POST", ["bulk"]) => create_many(call, world),
        ("GET", []) => Ok(list(call, world)),
        ("GET", ["summary"]) => Ok(summary(call, world)),
        ("GET", ["spec"]) => Ok(Answer::json(&json!({"openapi": "3.0.0"}))),
        ("POST", ["suspend"]) => change_many(call, world, Some("suspended")),
        ("POST", ["reactivate"]) => change_many(call, world, None),
        ("GET", [id]) => {
            let subscription = world.subscription(id)?;
            subscription.polled = true;
            Ok(Answer::json(&subscription.to_json(call, id)))
        }
        ("PUT" | "PATCH", [id]) => update(call, id, world),
        ("POST", [id, "cancel"]) => change(call, id, world, Some("cancelled")),
        ("POST", [id, "suspend"]) => change(call, id, world, Some("suspended")),
        ("POST", [id, "reactivate"]) => change(call, id, world, None),
        ("GET", [id, "results"]) => results(call, id, world),
        ("GET", [id, "summary"]) => {
            let subscription = world.subscription(id)?;
            let status = subscription.status(call.now);
            Ok(Answer::json(&json!({
                "results": {"created": 0, "queued": 0, "processing": 0, "failed": 0,
                    "success": subscription.scenes},
                "subscription": {"status": status},
            })))
        }
        _ => Err(Refusal::no_route()),
    }
}

/// Charges each whole day that has passed for what still runs, at the moment when it was over.
pub(in crate::simulator) fn accrue(world: &mut World, now: UtcTime) {
    let mut charges = Vec::new();
    for (id, subscription) in &mut world.subscriptions.0 {
        if subscription.stopped.is_some() {
            continue;
        }
        while let Some((over, cost)) = subscription.pay_a_day(now) {
            if cost.pu.amount().is_zero() && cost.aum.amount().is_zero() {
                continue;
            }
            let mut charge = charge(id, "forward fill", cost);
            charge.time = over;
            "-".clone_into(&mut charge.method);
            charge.path = format!("/subscriptions/v1/{id}");
            charges.push(charge);
        }
    }
    charges.sort_by_key(|charge| charge.time);
    world.bill.charges.extend(charges);
}

impl State {
    /// Ends a subscription before it has delivered anything; whether there is one of that id.
    pub(in crate::simulator) fn decide(&mut self, id: &str, state: &str) -> bool {
        let known = STATES.iter().find(|known| **known == state);
        let (Some(subscription), Some(known)) = (self.0.get_mut(id), known) else {
            return false;
        };
        subscription.stopped = Some(known);
        subscription.scenes = 0;
        true
    }
}

impl World {
    fn subscription(&mut self, id: &str) -> Result<&mut Subscription, Refusal> {
        let subscription = self.subscriptions.0.get_mut(id);
        subscription.ok_or_else(|| Refusal::not_found(format!("subscription {id}")))
    }

    /// A geometry, or the one that a reference stands for.
    fn resolve(&self, call: &Call, geometry: &Value) -> Result<Value, Refusal> {
        if geometry["type"] != "ref" {
            return Ok(geometry.clone());
        }
        let reference = geometry["content"].as_str().unwrap_or_default();
        let found = self.features.geometry(call, reference);
        found.ok_or_else(|| Refusal::bad(format!("feature reference '{reference}' was not found")))
    }
}

fn charge(id: &str, what: &str, cost: Cost) -> Charge {
    let what = format!("{what} of subscription {id}: {} scenes", cost.scenes);
    Charge::of("subscriptions", what).pu(cost.pu).aum(cost.aum)
}

fn create(call: &Call, request: &Value, world: &mut World) -> Result<(String, Answer), Refusal> {
    let geometry = world.resolve(call, &request["source"]["parameters"]["geometry"])?;
    let mut subscription = Subscription::read(request, geometry, call.now)?;
    let cost = subscription.pay(call.now)?;
    let id = world.next_id();
    let shown = subscription.to_json(call, &id);
    if world.subscriptions.0.len() >= MAX_KEPT {
        world.subscriptions.0.pop_first();
    }
    world.subscriptions.0.insert(id.clone(), subscription);
    let answer = Answer::json(&shown).charging(charge(&id, "backfill", cost));
    Ok((id, answer))
}

/// All or none; a reference to a collection makes one subscription of each of its features.
fn create_many(call: &Call, world: &mut World) -> Result<Answer, Refusal> {
    let body = call.json()?;
    let requests = body["subscriptions"]
        .as_array()
        .filter(|list| !list.is_empty());
    let requests = requests.ok_or_else(|| Refusal::bad("subscriptions must be a list"))?;
    let mut single = Vec::new();
    for request in requests {
        let geometry = &request["source"]["parameters"]["geometry"];
        let reference = geometry["content"]
            .as_str()
            .filter(|_| geometry["type"] == "ref");
        let features = reference.map(|reference| world.features.references_in(call, reference));
        match features {
            Some(features) if !features.is_empty() => {
                let pointing_at = |feature: String| {
                    let mut request = request.clone();
                    request["source"]["parameters"]["geometry"]["content"] = feature.into();
                    request
                };
                single.extend(features.into_iter().map(pointing_at));
            }
            _ => single.push(request.clone()),
        }
    }
    for request in &single {
        let geometry = world.resolve(call, &request["source"]["parameters"]["geometry"])?;
        Subscription::read(request, geometry, call.now)?.pay(call.now)?;
    }
    let list = format!("/subscriptions/v1?created={}", call.now);
    let mut answer = Answer::json(&json!({"_links": {"list": call.link(Site::Api, &list)}}));
    for request in &single {
        let (_, created) = create(call, request, world)?;
        answer.charges.extend(created.charges);
    }
    Ok(answer)
}

fn list(call: &Call, world: &World) -> Answer {
    let wanted: Vec<&str> = call
        .query
        .iter()
        .filter(|(name, _)| name == "status")
        .map(|(_, value)| value.as_str())
        .collect();
    let all: Vec<Value> = world
        .subscriptions
        .0
        .iter()
        .filter(|(_, one)| wanted.is_empty() || wanted.contains(&one.status(call.now)))
        .map(|(id, one)| one.to_json(call, id))
        .collect();
    let (shown, next) = page(call, &all, DEFAULT_PAGE, ["page_size", "page_marker"]);
    let mut links = json!({"_self": call.link(Site::Api, "/subscriptions/v1")});
    if let Some(next) = next {
        links["next"] = next.into();
    }
    Answer::json(&json!({"_links": links, "subscriptions": shown}))
}

fn summary(call: &Call, world: &World) -> Answer {
    let mut counts: BTreeMap<&str, u64> = STATES.into_iter().map(|state| (state, 0)).collect();
    for subscription in world.subscriptions.0.values() {
        *counts.entry(subscription.status(call.now)).or_default() += 1;
    }
    Answer::json(&json!({"subscriptions": counts}))
}

/// What is wholly past cannot be edited, and a start that has passed cannot be moved.
fn update(call: &Call, id: &str, world: &mut World) -> Result<Answer, Refusal> {
    let changes = call.json()?;
    let old = world.subscription(id)?;
    if old.end.is_some_and(|end| end <= call.now) {
        return Err(Refusal::bad(
            "a subscription that has ended cannot be edited",
        ));
    }
    let mut request = if call.method == "PUT" {
        changes.clone()
    } else {
        old.request.clone()
    };
    if call.method == "PATCH" {
        merge(&mut request, &changes, 0);
    }
    let geometry = world.resolve(call, &request["source"]["parameters"]["geometry"])?;
    let mut new = Subscription::read(&request, geometry, call.now)?;
    let old = world.subscription(id)?;
    if old.start <= call.now && new.start != old.start {
        return Err(Refusal::bad("start_time has passed and cannot be edited"));
    }
    new.created = old.created;
    new.polled = old.polled;
    new.stopped = old.stopped;
    new.scenes = old.scenes;
    new.paid_until = if old.start <= call.now {
        old.paid_until
    } else {
        new.start
    };
    let cost = if new.stopped.is_none() {
        new.pay(call.now)?
    } else {
        Cost::default()
    };
    let answer = Answer::json(&new.to_json(call, id)).charging(charge(id, "edit", cost));
    *old = new;
    Ok(answer)
}

fn merge(target: &mut Value, changes: &Value, depth: u8) {
    match (target, changes) {
        (Value::Object(target), Value::Object(changes)) if depth < 8 => {
            for (name, change) in changes {
                merge(
                    target.entry(name.clone()).or_insert(Value::Null),
                    change,
                    depth + 1,
                );
            }
        }
        (target, change) => *target = change.clone(),
    }
}

/// Cancelled is for ever; what was suspended starts again from now, and is not paid for the pause.
fn change(
    call: &Call,
    id: &str,
    world: &mut World,
    stopped: Option<&'static str>,
) -> Result<Answer, Refusal> {
    let subscription = world.subscription(id)?;
    if subscription.stopped == Some("cancelled") {
        let message = "the subscription is cancelled";
        return Err(Refusal::new(StatusCode::CONFLICT, message));
    }
    if stopped.is_none() && subscription.stopped.is_some() {
        subscription.paid_until = subscription.paid_until.max(call.now);
    }
    subscription.stopped = stopped;
    subscription.updated = call.now;
    subscription.polled = true;
    let shown = subscription.to_json(call, id);
    let status = if stopped == Some("cancelled") {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    Ok(Answer::json(&shown).with_status(status))
}

/// The listed ones, or, without a list, all.
fn change_many(
    call: &Call,
    world: &mut World,
    stopped: Option<&'static str>,
) -> Result<Answer, Refusal> {
    let body = if call.body.is_empty() {
        Value::Null
    } else {
        call.json()?
    };
    let ids: Vec<String> = match body["subscription_ids"].as_array() {
        Some(ids) => ids
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        None => world.subscriptions.0.keys().cloned().collect(),
    };
    for id in ids {
        _ = change(call, &id, world, stopped);
    }
    Ok(Answer::json(&json!({})).with_status(StatusCode::ACCEPTED))
}

fn results(call: &Call, id: &str, world: &mut World) -> Result<Answer, Refusal> {
    let subscription = world.subscription(id)?;
    let kind = subscription.request["source"]["parameters"]["item_types"].clone();
    let created = subscription.created.to_string();
    let all: Vec<Value> = (0..subscription.scenes.min(10_000))
        .map(|number| {
            json!({
                "id": format!("{id}-{number}"), "status": "success", "errors": {},
                "properties": {"item_id": format!("2026_{number}"), "item_types": kind},
                "created": created, "updated": created, "completed": created,
                "outputs": [format!("{id}/{number}.tif")],
            })
        })
        .collect();
    if call.parameter("format") == Some("csv") {
        let rows = all.iter().map(|row| {
            format!(
                "{},success,{created}\n",
                row["id"].as_str().unwrap_or_default()
            )
        });
        let text = std::iter::once("id,status,created\n".to_owned())
            .chain(rows)
            .collect::<String>();
        return Ok(Answer::bytes("text/csv", text));
    }
    let (shown, next) = page(call, &all, DEFAULT_PAGE, ["page_size", "page_marker"]);
    let mut links =
        json!({"_self": call.link(Site::Api, &format!("/subscriptions/v1/{id}/results"))});
    if let Some(next) = next {
        links["next"] = next.into();
    }
    Ok(Answer::json(&json!({"_links": links, "results": shown})))
}
