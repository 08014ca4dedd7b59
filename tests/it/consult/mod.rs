//! What Planet is asked before a request is priced: areas by reference, scenes of the past, reservations.

mod areas;
mod counting;
mod land;
mod quads;
mod reservations;

use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use quota_guard::clock::{Clock, SystemClock};
use quota_guard::simulator::{Fault, Options};
use quota_guard::units::Amount;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{KEY, Reply, World, call, post, try_call};

const FEATURES: &str = "/features/v1/ogc/my/collections";
const SUBSCRIPTIONS: &str = "/subscriptions/v1";
const RESERVATIONS: &str = "/account/v1/quota-reservations/";
/// The product that the pretend Planet lets reserve.
const PRODUCT: u64 = 290_378;
/// A key of team `forest`.
const OTHER_KEY: &str = "qg_forest";

const ROOMY: &str = r#"
[[budgets]]
name = "org-pu"
unit = "pu"
limit = 5000000
window = "month"
[[budgets]]
name = "org-aum"
unit = "aum"
limit = 5000000
window = "year"
"#;
const LIVE: &str = "[policy]\nlive_estimates = true\n";

/// Everybody's own key goes upstream, and the pretend Planet takes any.
fn passing_through(base: &str) -> String {
    let hash = quota_guard::identity::hash(OTHER_KEY);
    let own = "credential = { api_key = { env = \"TEST_PLANET_KEY\" } }";
    let forest =
        format!("[[teams]]\nname = \"forest\"\nkeys = [{{ id = \"fo\", sha256 = \"{hash}\" }}]\n");
    base.replace(own, "credential = \"pass-through\"") + &forest
}

async fn send(
    world: &World,
    key: &str,
    method: Method,
    path: &str,
    body: &Value,
    more: &[(&str, &str)],
) -> Reply {
    let authorization = format!("api-key {key}");
    let mut headers = vec![
        ("authorization", &*authorization),
        ("content-type", "application/json"),
    ];
    headers.extend_from_slice(more);
    let url = format!("{}{path}", world.guard.url);
    call(method, &url, &headers, Bytes::from(body.to_string())).await
}

async fn dry_run(world: &World, path: &str, body: &Value) -> Value {
    let told = send(
        world,
        KEY,
        Method::POST,
        path,
        body,
        &[("quota-guard-dry-run", "1")],
    )
    .await;
    assert_eq!(told.status, StatusCode::OK, "{}", told.text());
    told.json()
}

/// A square field in Slovenia, or many of them a good way apart.
fn fields(many: u32, side_degrees: f64) -> Value {
    let field = |number: u32| {
        let west = 14.0 + f64::from(number % 20) * 0.02;
        let south = 46.0 + f64::from(number / 20) * 0.02;
        let (east, north) = (west + side_degrees, south + side_degrees);
        json!([[
            [west, south],
            [east, south],
            [east, north],
            [west, north],
            [west, south]
        ]])
    };
    json!({"type": "MultiPolygon", "coordinates": (0..many).map(field).collect::<Vec<_>>()})
}

/// Makes a collection through the guard; answers the references to it and to its features.
async fn collection(world: &World, key: &str, geometries: &[Value]) -> (String, Vec<String>) {
    let made = send(
        world,
        key,
        Method::POST,
        FEATURES,
        &json!({"title": "Fields"}),
        &[],
    )
    .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let id = made.json()["id"].as_str().expect("an id").to_owned();
    let features: Vec<_> = geometries
        .iter()
        .map(|geometry| json!({"type": "Feature", "geometry": geometry, "properties": {}}))
        .collect();
    let items = format!("{FEATURES}/{id}/items");
    let made = send(
        world,
        key,
        Method::POST,
        &items,
        &json!({"features": features}),
        &[],
    )
    .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let references = made.json().as_array().expect("references").clone();
    let references = references
        .iter()
        .map(|one| one.as_str().expect("a reference").to_owned());
    (format!("pl:features/my/{id}"), references.collect())
}

fn reference(to: &str) -> Value {
    json!({"type": "ref", "content": to})
}

fn days_ago(days: i64) -> String {
    (SystemClock.now() - SignedDuration::from_hours(24 * days)).to_string()
}

fn subscription(geometry: &Value, start: &str, end: Option<&str>) -> Value {
    json!({"name": "s", "source": {"parameters": {"item_types": ["PSScene"],
            "asset_types": ["ortho_analytic_8b_sr", "ortho_udm2"], "geometry": geometry,
            "start_time": start, "end_time": end}},
        "tools": [{"type": "clip", "parameters": {}}, {"type": "harmonize"}],
        "delivery": {"type": "amazon_s3", "parameters": {}}})
}

fn arps(geometry: &Value) -> Value {
    json!({"name": "arps", "source": {"parameters": {"id": "PS_ARD_SR_DAILY",
            "geometry": geometry, "start_time": days_ago(10), "end_time": days_ago(1)}},
        "hosting": {"type": "sentinel_hub", "parameters": {"create_configuration": true}}})
}

fn amount(report: &Value, unit: &str) -> Amount {
    let written = &report["estimate"][unit];
    if written.is_null() {
        return Amount::ZERO;
    }
    Amount::parse_ceil(&written.to_string()).expect("an amount")
}

fn suffer(world: &World, path: &str, times: u32, fault: &str) {
    let fault = Fault::new(None, path, times, fault).expect("a fault");
    world.simulator.inject(fault);
}

/// How often the pretend Planet was asked for something under this path.
fn asked(world: &World, method: &str, prefix: &str) -> usize {
    let meant = |request: &&Value| {
        request["method"] == method
            && request["path"]
                .as_str()
                .is_some_and(|path| path.starts_with(prefix))
    };
    world.simulator.requests().iter().filter(meant).count()
}
