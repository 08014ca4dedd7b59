//! The Orders API: charged when an order is placed, done after it was asked for a few times.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use sha2::Sha256;

use super::order_price::{self, Priced};
use super::{bundles, page};
use crate::simulator::answer::Answer;
use crate::simulator::bill::Charge;
use crate::simulator::call::{Call, Site};
use crate::simulator::fate::Fate;
use crate::simulator::figures;
use crate::simulator::options::Options;
use crate::simulator::refusal::Refusal;
use crate::simulator::storage;
use crate::simulator::world::{MAX_KEPT, Progress, Stage, World, later};
use crate::units::UtcTime;

const DEFAULT_PAGE: usize = 20;
const LINK_LASTS: Duration = Duration::from_hours(24);

#[derive(Default)]
pub(in crate::simulator) struct State(BTreeMap<String, Order>);

struct Order {
    request: Value,
    created: UtcTime,
    progress: Progress,
    /// Where somebody has decided it: how it ended.
    ended: Option<String>,
    files: Vec<String>,
}

pub(in crate::simulator) fn answer(
    call: &Call,
    rest: &[&str],
    world: &mut World,
) -> Result<Answer, Refusal> {
    match (call.method.as_str(), rest) {
        ("POST", ["orders", "v2"]) => create(call, world),
        ("GET", ["orders", "v2"]) => Ok(list(call, world)),
        ("GET", ["orders", "v2", id]) => {
            let options = world.options.clone();
            let order = world.order(id)?;
            order.progress.poll(&options, call.now);
            Ok(Answer::json(&order.to_json(call, id, &options)))
        }
        ("PUT", ["orders", "v2", id]) => cancel(call, id, world),
        ("POST", ["bulk", "orders", "v2", "cancel"]) => cancel_many(call, world),
        ("GET", ["stats", "orders", "v2"]) => Ok(stats(call, world)),
        ("GET", ["bundles", "spec"]) => Ok(Answer::json(&bundles::spec())),
        ("GET" | "HEAD", ["download"]) => storage::follow_token(call, world),
        _ => Err(Refusal::no_route()),
    }
}

impl State {
    /// Ends an order; answers how much of it was done.
    pub(in crate::simulator) fn decide(&mut self, id: &str, fate: &Fate) -> Option<f64> {
        let order = self.0.get_mut(id)?;
        order.ended = Some(fate.state.clone());
        let ordered = order.files.len();
        if !matches!(&*fate.state, "success" | "partial") {
            return Some(0.0);
        }
        let missing = |file: &String| fate.missing.iter().any(|item| file.starts_with(item));
        order.files.retain(|file| !missing(file));
        Some(figures::float(order.files.len()) / figures::float(ordered).max(1.0))
    }
}

impl World {
    fn order(&mut self, id: &str) -> Result<&mut Order, Refusal> {
        let order = self.orders.0.get_mut(id);
        order.ok_or_else(|| Refusal::not_found(format!("order {id}")))
    }
}

impl Order {
    fn state(&self, options: &Options, now: UtcTime) -> &str {
        if let Some(ended) = &self.ended {
            return ended;
        }
        match self.progress.stage(options, now) {
            Stage::Queued => "queued",
            Stage::Running => "running",
            Stage::Done => "success",
        }
    }

    fn to_json(&self, call: &Call, id: &str, options: &Options) -> Value {
        let state = self.state(options, call.now);
        let mut order = json!({
            "_links": {"_self": call.link(Site::Api, &format!("/compute/ops/orders/v2/{id}"))},
            "id": id, "name": self.request["name"], "state": state,
            "products": self.request["products"], "created_on": self.created.to_string(),
            "last_modified": self.created.to_string(), "error_hints": [],
            "last_message": if state == "success" { "Manifest delivery completed" } else { "Preparing order" },
        });
        for member in [
            "tools",
            "source_type",
            "order_type",
            "notifications",
            "metadata",
        ] {
            if !self.request[member].is_null() {
                order[member] = self.request[member].clone();
            }
        }
        if !self.request["hosting"].is_null() {
            order["hosting"] = json!({"sentinel_hub": {"collection_id": id}});
        }
        if matches!(state, "success" | "partial") && self.request["hosting"].is_null() {
            order["_links"]["results"] = self.results(call, id, options).into();
        }
        order
    }

    fn results(&self, call: &Call, id: &str, options: &Options) -> Vec<Value> {
        let expires = later(call.now, LINK_LASTS);
        let manifest = "manifest.json".to_owned();
        let files = self.files.iter().chain(std::iter::once(&manifest));
        files
            .map(|file| {
                let path = format!("compute-orders-live/{id}/{file}");
                let url = storage::address(call, &path, options.asset_bytes);
                let token = storage::token(&json!({
                    "exp": expires.as_second(), "token_type": "download-asset-stack", "url": url,
                }));
                let location = if options.bare_locations {
                    url
                } else {
                    call.link(Site::Api, &format!("/compute/ops/download/?token={token}"))
                };
                json!({
                    "delivery": "success", "name": format!("{id}/{file}"),
                    "location": location, "expires_at": expires.to_string(),
                })
            })
            .collect()
    }
}

/// The list of an order's files with their digests, as it lies in storage beside them.
pub(in crate::simulator) fn manifest(id: &str, world: &World) -> Result<Answer, Refusal> {
    let order = world.orders.0.get(id);
    let order = order.ok_or_else(|| Refusal::not_found(format!("order {id}")))?;
    let size = world.options.asset_bytes;
    let digest = storage::digest::<Sha256>(size);
    let files: Vec<Value> = order
        .files
        .iter()
        .map(|file| json!({"path": file, "size": size, "digests": {"sha256": digest}}))
        .collect();
    Ok(Answer::json(&json!({"name": "", "files": files})))
}

fn create(call: &Call, world: &mut World) -> Result<Answer, Refusal> {
    let request = call.json()?;
    if request["name"].as_str().is_none_or(str::is_empty) {
        return Err(Refusal::bad_field("Name", "a name is needed"));
    }
    let Priced {
        pu,
        km2,
        items,
        files,
        ..
    } = order_price::price(&request, world, call.now)?;
    let id = world.next_id();
    let order = Order {
        request,
        created: call.now,
        progress: Progress::starting(call.now),
        ended: None,
        files,
    };
    let shown = order.to_json(call, &id, &world.options);
    let orders = &mut world.orders.0;
    if orders.len() >= MAX_KEPT {
        orders.pop_first();
    }
    orders.insert(id.clone(), order);
    let charge = Charge::of("orders", format!("order {id} of {items} items"))
        .pu(pu)
        .km2(km2);
    Ok(Answer::json(&shown)
        .with_status(StatusCode::ACCEPTED)
        .charging(charge))
}

fn list(call: &Call, world: &World) -> Answer {
    let options = &world.options;
    let wanted = call.parameter("state");
    let mut orders: Vec<(&String, &Order)> = world.orders.0.iter().collect();
    orders.sort_by(|(one, a), (other, b)| b.created.cmp(&a.created).then(one.cmp(other)));
    let orders: Vec<Value> = orders
        .into_iter()
        .filter(|(_, order)| wanted.is_none_or(|wanted| wanted == order.state(options, call.now)))
        .map(|(id, order)| order.to_json(call, id, options))
        .collect();
    let (shown, next) = page(call, &orders, DEFAULT_PAGE, ["page_size", "page_marker"]);
    let mut links = json!({"_self": call.link(Site::Api, "/compute/ops/orders/v2")});
    if let Some(next) = next {
        links["next"] = next.into();
    }
    Answer::json(&json!({"_links": links, "orders": shown}))
}

fn cancel(call: &Call, id: &str, world: &mut World) -> Result<Answer, Refusal> {
    let options = world.options.clone();
    let order = world.order(id)?;
    if order.state(&options, call.now) != "queued" {
        let message = "Order not in cancellable state";
        return Err(Refusal::new(StatusCode::CONFLICT, message));
    }
    order.ended = Some("cancelled".to_owned());
    let shown = order.to_json(call, id, &options);
    world.bill.reprice(&format!("order {id} of"), |_| 0.0); // nothing was done of it yet
    Ok(Answer::json(&shown))
}

/// A list of ids, or, without one, everything that is still queued.
fn cancel_many(call: &Call, world: &mut World) -> Result<Answer, Refusal> {
    let body = call.json()?;
    let ids = match body["order_ids"].as_array() {
        Some(ids) => ids
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        None => queued(call, world),
    };
    let mut failures = Vec::new();
    let mut succeeded = 0;
    for id in ids {
        match cancel(call, &id, world) {
            Ok(_) => succeeded += 1,
            Err(refusal) => failures.push(json!({"order_id": id, "message": refusal.message})),
        }
    }
    Ok(Answer::json(&json!({"result": {
        "succeeded": {"count": succeeded},
        "failed": {"count": failures.len(), "failures": failures},
    }})))
}

fn queued(call: &Call, world: &World) -> Vec<String> {
    let orders = world.orders.0.iter();
    let queued = orders.filter(|(_, order)| order.state(&world.options, call.now) == "queued");
    queued.map(|(id, _)| id.clone()).collect()
}

fn stats(call: &Call, world: &World) -> Answer {
    let count = |state: &str| {
        let orders = world.orders.0.values();
        orders
            .filter(|order| order.state(&world.options, call.now) == state)
            .count()
    };
    Answer::json(&json!({
        "organization": {"queued_orders": count("queued"), "running_orders": count("running")},
        "user": {"queued_orders": count("queued"), "running_orders": count("running")},
    }))
}
