//! What Planet is asked before a request is priced: areas by reference, scenes of the past, reservations.

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

#[tokio::test(flavor = "multi_thread")]
async fn an_area_by_its_reference_costs_what_it_costs_drawn() {
    let calls = "[[budgets]]\nname = \"calls\"\nunit = \"requests\"\nlimit = 5\nwindow = \"day\"\n";
    let world = World::start(&format!("{ROOMY}{calls}")).await;
    let field = fields(1, 0.01);
    let (_, features) = collection(&world, KEY, std::slice::from_ref(&field)).await;
    let (start, end) = (days_ago(100), days_ago(40));
    let drawn = dry_run(
        &world,
        SUBSCRIPTIONS,
        &subscription(&field, &start, Some(&end)),
    )
    .await;
    let body = subscription(&reference(&features[0]), &start, Some(&end));
    let named = dry_run(&world, SUBSCRIPTIONS, &body).await;
    assert_eq!(named["estimate"], drawn["estimate"], "{named}");
    assert_eq!(named["decision"], "forward");

    let real = send(&world, KEY, Method::POST, SUBSCRIPTIONS, &body, &[]).await;
    assert_eq!(real.status, StatusCode::OK, "{}", real.text());
    assert!(!world.billed().is_zero());
    assert!(world.booked("org-pu").await >= world.billed());
    assert_eq!(
        asked(&world, "GET", FEATURES),
        1,
        "remembered from the dry run"
    );
    let daily = send(
        &world,
        KEY,
        Method::GET,
        "/quota-guard/v1/quota/daily",
        &Value::Null,
        &[],
    )
    .await;
    assert_eq!(
        daily.json()["quota"]["calls"]["count"],
        3,
        "the guard's own calls are nobody's"
    );
    let series = "quota_guard_questions_total{api=\"features\",result=\"answered\"}";
    assert_eq!(world.metric(series).await, Amount::ONE);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_callers_reference_is_refused_to_another() {
    let world = World::start_before(Options::default(), ROOMY, |base| passing_through(&base)).await;
    let (whole, features) = collection(&world, KEY, &[fields(1, 0.01)]).await;
    for reference_to in [&features[0], &whole] {
        let body = subscription(
            &reference(reference_to),
            &days_ago(100),
            Some(&days_ago(40)),
        );
        let bulk = json!({"subscriptions": [body]});
        let path = format!("{SUBSCRIPTIONS}/bulk");
        let own = send(&world, KEY, Method::POST, &path, &bulk, &[]).await;
        assert_eq!(own.status, StatusCode::OK, "{}", own.text());
        let (billed, booked) = (world.billed(), world.booked("org-pu").await);

        let theirs = send(&world, OTHER_KEY, Method::POST, &path, &bulk, &[]).await;
        assert_eq!(theirs.status, StatusCode::BAD_REQUEST, "{}", theirs.text());
        let text = theirs.text();
        assert!(
            text.contains(&**reference_to) && text.contains("may see"),
            "{text}"
        );
        assert_eq!(
            (world.billed(), world.booked("org-pu").await),
            (billed, booked)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_to_nothing_goes_no_further() {
    let world = World::start(&format!("{ROOMY}[policy]\nunpredictable = \"allow\"\n")).await;
    let body = subscription(
        &reference("pl:features/my/nowhere-1/none-2"),
        &days_ago(9),
        None,
    );
    let refused = send(&world, KEY, Method::POST, SUBSCRIPTIONS, &body, &[]).await;
    assert_eq!(
        refused.status,
        StatusCode::BAD_REQUEST,
        "{}",
        refused.text()
    );
    assert!(refused.text().contains("nowhere-1/none-2"));
    assert_eq!(asked(&world, "POST", SUBSCRIPTIONS), 0);
    assert!(world.booked("org-pu").await.is_zero());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_grows_through_the_guard_costs_more_at_once() {
    let world = World::start(ROOMY).await;
    let (whole, features) = collection(&world, KEY, &[fields(1, 0.001)]).await;
    let body = subscription(
        &reference(&features[0]),
        &days_ago(100),
        Some(&days_ago(40)),
    );
    let before = amount(&dry_run(&world, SUBSCRIPTIONS, &body).await, "aum");
    let feature = features[0].rsplit('/').next().expect("a name");
    let id = whole.rsplit('/').next().expect("a name");
    let path = format!("{FEATURES}/{id}/items/{feature}");
    let larger = json!({"type": "Feature", "geometry": fields(1, 0.1), "properties": {}});
    let changed = send(&world, KEY, Method::PUT, &path, &larger, &[]).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
    let after = amount(&dry_run(&world, SUBSCRIPTIONS, &body).await, "aum");
    assert!(
        after > before.checked_mul(9_000).expect("an amount"),
        "{before} {after}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_in_bulk_is_charged_for_each_of_its_fields() {
    let world = World::start(ROOMY).await;
    let each: Vec<Value> = (1..=30).map(|_| fields(1, 0.01)).collect();
    let (whole, _) = collection(&world, KEY, &each).await;
    let body = subscription(&reference(&whole), &days_ago(60), Some(&days_ago(40)));
    let bulk = json!({"subscriptions": [body]});
    let path = format!("{SUBSCRIPTIONS}/bulk");
    let predicted = amount(&dry_run(&world, &path, &bulk).await, "pu");
    let made = send(&world, KEY, Method::POST, &path, &bulk, &[]).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text());
    assert!(predicted >= world.billed() && !world.billed().is_zero());
    let aum: Amount = world.simulator.bill().total_aum().into();
    assert!(amount(&dry_run(&world, &path, &bulk).await, "aum") >= aum);
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_areas_are_measured_or_refused_and_nobody_waits_long() {
    let world = World::start(ROOMY).await;
    let (_, features) = collection(&world, KEY, &[fields(299, 0.01)]).await;
    let body = subscription(&reference(&features[0]), &days_ago(60), Some(&days_ago(40)));
    let predicted = amount(&dry_run(&world, SUBSCRIPTIONS, &body).await, "pu");
    let made = send(&world, KEY, Method::POST, SUBSCRIPTIONS, &body, &[]).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text());
    assert!(predicted >= world.billed() && !world.billed().is_zero());

    let many = vec![fields(1, 0.001); 1_200];
    let (whole, _) = collection(&world, KEY, &many).await;
    let body = subscription(&reference(&whole), &days_ago(60), Some(&days_ago(40)));
    let refused = send(&world, KEY, Method::POST, SUBSCRIPTIONS, &body, &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
    assert!(
        refused.text().contains("more than 1000 features"),
        "{}",
        refused.text()
    );
    let named: Vec<Value> = (0..101)
        .map(|number| {
            subscription(
                &reference(&format!("pl:features/my/a/{number}")),
                &days_ago(60),
                None,
            )
        })
        .collect();
    let path = format!("{SUBSCRIPTIONS}/bulk");
    let before = world.simulator.requests().len();
    let bulk = json!({"subscriptions": named});
    let refused = send(&world, KEY, Method::POST, &path, &bulk, &[]).await;
    assert!(refused.text().contains("101 areas"), "{}", refused.text());
    assert_eq!(
        world.simulator.requests().len(),
        before,
        "none of them is looked up"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_stalls_keeps_nobody_waiting_and_makes_nothing_free() {
    let world = World::start_changed(ROOMY, |base| base.replace("\"3s\"", "\"1s\"")).await;
    let (_, features) = collection(&world, KEY, &[fields(1, 0.01)]).await;
    let body = subscription(
        &reference(&features[0]),
        &days_ago(100),
        Some(&days_ago(40)),
    );
    for fault in ["stall", "slow-body=30s", "status=503"] {
        suffer(&world, FEATURES, 1, fault);
        let started = Instant::now();
        let refused = send(&world, KEY, Method::POST, SUBSCRIPTIONS, &body, &[]).await;
        assert!(started.elapsed() < Duration::from_secs(4), "{fault}");
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
        let kind = refused.json()["type"].as_str().expect("a type").to_owned();
        assert!(kind.ends_with("/cost-not-predictable"), "{kind}");
        assert!(refused.text().contains(&features[0]), "{}", refused.text());
    }
    assert_eq!(asked(&world, "POST", SUBSCRIPTIONS), 0);
    let passed = send(&world, KEY, Method::POST, SUBSCRIPTIONS, &body, &[]).await;
    assert_eq!(passed.status, StatusCode::OK, "{}", passed.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_sent_again_gets_the_first_ones_answer_whether_or_not_planet_can_be_asked() {
    let world = World::start_changed(ROOMY, |base| base.replace("\"3s\"", "\"2s\"")).await;
    let (_, features) = collection(&world, KEY, &[fields(1, 0.01)]).await;
    let body = subscription(
        &reference(&features[0]),
        &days_ago(100),
        Some(&days_ago(40)),
    );
    let url = format!("{}{SUBSCRIPTIONS}", world.guard.url);
    suffer(&world, SUBSCRIPTIONS, 1, "delay=700ms");
    let authorization = format!("api-key {KEY}");
    let text = Bytes::from(body.to_string());
    let impatient = {
        let (url, authorization) = (url.clone(), authorization.clone());
        tokio::spawn(async move {
            let headers = [
                ("authorization", &*authorization),
                ("content-type", "application/json"),
            ];
            try_call(Method::POST, &url, &headers, text).await
        })
    };
    while asked(&world, "POST", SUBSCRIPTIONS) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    impatient.abort();
    // its area is not remembered any more, and cannot be had
    let touched = send(
        &world,
        KEY,
        Method::POST,
        FEATURES,
        &json!({"title": "Other"}),
        &[],
    )
    .await;
    assert_eq!(touched.status, StatusCode::CREATED);
    suffer(&world, FEATURES, 10, "status=500");
    let again = post(&url, &body).await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.text());
    assert_eq!(again.header("quota-guard-replayed").len(), 32);
    assert_eq!(asked(&world, "POST", SUBSCRIPTIONS), 1);
}

/// A subscription that has ended, in all the ways that a count may depend on.
fn ended_subscription() -> impl Strategy<Value = Value> {
    let length = prop_oneof![2i64..12, 12i64..1_500];
    let times = (length, 0i64..60).prop_map(|(length, ended)| (length + ended, ended));
    let stages = prop::sample::select(vec![
        Value::Null,
        json!(["finalized"]),
        json!(["standard", "finalized"]),
        json!(["preview", "standard", "finalized"]),
    ]);
    let rules = prop::sample::select(vec![Value::Null, json!("FREQ=MONTHLY;BYMONTH=3,4,5")]);
    let cloud = prop::option::of(0.05f64..1.0);
    (times, 1u32..12, 0.001f64..0.05, stages, rules, cloud, any::<bool>()).prop_map(
        |((from, to), many, side, stages, rules, cloud, by_link)| {
            let mut body = subscription(&fields(many, side), &days_ago(from), Some(&days_ago(to)));
            let parameters = &mut body["source"]["parameters"];
            parameters["publishing_stages"] = stages;
            parameters["rrule"] = rules;
            if let Some(cloud) = cloud {
                parameters["filter"] = json!({"type": "AndFilter", "config": [
                    {"type": "RangeFilter", "field_name": "cloud_cover", "config": {"lte": cloud}}]});
            }
            if by_link {
                body["hosting"] = json!({"type": "sentinel_hub", "parameters": {}});
                body.as_object_mut().expect("an object").remove("delivery");
            }
            body
        },
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_count_never_falls_short_of_the_bill_and_is_never_above_the_bound() {
    let late = Options {
        publication_lag: Duration::from_hours(20 * 24),
        ..Options::default()
    };
    let live = World::start_before(late, &format!("{ROOMY}{LIVE}"), |base| base).await;
    let plain = World::start(ROOMY).await;
    let mut runner = TestRunner::deterministic();
    let (mut counted, mut bounded) = (0, 0);
    for _ in 0..40 {
        let body = ended_subscription()
            .new_tree(&mut runner)
            .expect("a body")
            .current();
        let report = dry_run(&live, SUBSCRIPTIONS, &body).await;
        let predicted = amount(&report, "pu");
        let before = live.billed();
        let made = send(&live, KEY, Method::POST, SUBSCRIPTIONS, &body, &[]).await;
        assert_eq!(made.status, StatusCode::OK, "{}", made.text());
        let billed = live
            .billed()
            .checked_sub(before)
            .expect("a bill only grows");
        assert!(
            predicted >= billed,
            "{predicted} predicted, {billed} billed: {body}"
        );
        let bound = amount(&dry_run(&plain, SUBSCRIPTIONS, &body).await, "pu");
        assert!(
            predicted <= bound,
            "{predicted} counted, {bound} bound: {body}"
        );
        let lines = report["lines"].as_array().expect("lines");
        let by_planet = lines.iter().any(|line| {
            line["source"]
                .as_str()
                .is_some_and(|source| source.contains("as counted by Planet"))
        });
        counted += u32::from(by_planet);
        bounded += u32::from(!by_planet);
    }
    assert!(
        counted > 15 && bounded > 3,
        "{counted} counted, {bounded} bounded"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_without_clouds_is_counted_far_below_its_bound() {
    let world = World::start(&format!("{ROOMY}{LIVE}")).await;
    let mut body = subscription(&fields(1, 0.01), &days_ago(405), Some(&days_ago(40)));
    let clear = json!({"type": "RangeFilter", "field_name": "cloud_cover", "config": {"lte": 0.1}});
    body["source"]["parameters"]["filter"] = clear;
    let report = dry_run(&world, SUBSCRIPTIONS, &body).await;
    let line = &report["lines"][0];
    let quantity = line["quantity"].as_str().expect("a quantity");
    assert!(quantity.contains("counted by Planet in 36"), "{line}");
    suffer(&world, "/data/v1/stats", 9, "stall");
    body["name"] = "another, which is asked about anew".into();
    body["source"]["parameters"]["start_time"] = days_ago(406).into();
    let started = Instant::now();
    let fallen_back = dry_run(&world, SUBSCRIPTIONS, &body).await;
    assert!(started.elapsed() < Duration::from_secs(6));
    let line = &fallen_back["lines"][0];
    assert!(
        line["source"]
            .as_str()
            .expect("a source")
            .contains("by the bound"),
        "{line}"
    );
    assert!(
        line["quantity"]
            .as_str()
            .expect("a quantity")
            .contains("did not answer"),
        "{line}"
    );
    let (counted, bound) = (amount(&report, "pu"), amount(&fallen_back, "pu"));
    assert!(
        counted.checked_mul(10).expect("an amount") < bound,
        "{counted} {bound}"
    );
    let series = "quota_guard_questions_total{api=\"data\",result=\"failed\"}";
    assert_eq!(world.metric(series).await.to_string(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_in_the_past_has_a_price_once_it_is_counted() {
    let mut body = subscription(&fields(1, 0.01), &days_ago(60), Some(&days_ago(40)));
    body["source"]["parameters"]["time_range_type"] = "published".into();
    let plain = World::start(ROOMY).await;
    assert_eq!(
        dry_run(&plain, SUBSCRIPTIONS, &body).await["decision"],
        "reject"
    );
    let live = World::start(&format!("{ROOMY}{LIVE}")).await;
    let report = dry_run(&live, SUBSCRIPTIONS, &body).await;
    assert_eq!(report["decision"], "forward", "{report}");
    let made = send(&live, KEY, Method::POST, SUBSCRIPTIONS, &body, &[]).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text());
    assert!(amount(&report, "pu") >= live.billed() && !live.billed().is_zero());
    body["source"]["parameters"]["end_time"] = Value::Null;
    assert_eq!(
        dry_run(&live, SUBSCRIPTIONS, &body).await["decision"],
        "reject"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_that_is_too_long_is_told_a_start_that_passes() {
    let world = World::start(&format!("{ROOMY}[policy]\nmax_backfill = \"90d\"\n")).await;
    let mut body = subscription(&fields(1, 0.01), &days_ago(3_650), None);
    let refused = send(&world, KEY, Method::POST, SUBSCRIPTIONS, &body, &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let problem = refused.json();
    let kind = problem["type"].as_str().expect("a type");
    assert!(
        kind.ends_with("/quota-guard/v1/problems/backfill-too-long"),
        "{kind}"
    );
    let told = dry_run(&world, SUBSCRIPTIONS, &body).await;
    assert_eq!(told["decision"], "reject");
    assert_eq!(told["suggestion"], problem["suggestion"]);
    assert_eq!(asked(&world, "POST", "/"), 0);
    let page = format!(
        "{}/quota-guard/v1/problems/backfill-too-long",
        world.guard.url
    );
    let page = call(Method::GET, &page, &[], Bytes::new()).await;
    assert!(page.text().contains("max_backfill"), "{}", page.text());

    body["source"]["parameters"]["start_time"] = problem["suggestion"]["start_time"].clone();
    let passed = send(&world, KEY, Method::POST, SUBSCRIPTIONS, &body, &[]).await;
    assert_eq!(passed.status, StatusCode::OK, "{}", passed.text());
}

const QUOTA: &str = r#"
[[budgets]]
name = "arps"
unit = "quota"
limit = 60
window = "forever"
match = { products = ["PS_ARD_SR_DAILY"] }
"#;

async fn quota_left(world: &World) -> String {
    let daily = send(
        world,
        KEY,
        Method::GET,
        "/quota-guard/v1/quota/daily",
        &Value::Null,
        &[],
    )
    .await;
    daily.json()["quota"]["arps"]["remaining"].to_string()
}

async fn reserve(world: &World, path: &str, body: &Value) -> Reply {
    send(world, KEY, Method::POST, path, body, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn reservations_take_what_planet_says_and_what_is_reserved_is_not_counted_twice() {
    for in_square_metres in [false, true] {
        let options = Options {
            estimate_in_square_metres: in_square_metres,
            ..Options::default()
        };
        let world = World::start_before(options, QUOTA, |base| base).await;
        let three = vec![fields(1, 0.01); 3];
        let (whole, features) = collection(&world, KEY, &three).await;
        let one = json!({"product_id": PRODUCT, "aoi_refs": [features[0]]});
        let made = reserve(&world, RESERVATIONS, &one).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        assert_eq!(quota_left(&world).await, "35", "a field counts as 25 km²");

        // what is subscribed to is reserved already
        let subscribed = dry_run(&world, SUBSCRIPTIONS, &arps(&reference(&features[0]))).await;
        assert_eq!(amount(&subscribed, "quota"), Amount::ZERO, "{subscribed}");
        let unreserved = dry_run(&world, SUBSCRIPTIONS, &arps(&reference(&features[1]))).await;
        assert_eq!(
            amount(&unreserved, "quota").to_string(),
            "25",
            "{unreserved}"
        );

        let bulk = format!("{RESERVATIONS}bulk-reserve");
        let all = json!({"product_id": PRODUCT, "collection_id": whole});
        let refused = reserve(&world, &bulk, &all).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
        assert_eq!(
            refused.json()["breaches"][0]["needed"],
            50,
            "{}",
            refused.text()
        );
        let two = json!({"product_id": PRODUCT, "aoi_refs": [features[0], features[1]]});
        let made = reserve(&world, &bulk, &two).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        assert_eq!(quota_left(&world).await, "10");
        let billed: Amount = world.simulator.bill().total_quota().into();
        assert_eq!(billed.to_string(), "50");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_that_planet_cannot_estimate_is_not_made() {
    let world = World::start_changed(QUOTA, |base| base.replace("\"3s\"", "\"1s\"")).await;
    let (_, features) = collection(&world, KEY, &[fields(1, 0.01)]).await;
    let body = json!({"product_id": PRODUCT, "aoi_refs": [features[0]]});
    let estimate = format!("{RESERVATIONS}estimate");
    for (path, fault) in [
        ("/account/v1/my/products", "status=403"),
        (&*estimate, "stall"),
        (&*estimate, "status=500"),
    ] {
        suffer(&world, path, 1, fault);
        let refused = reserve(&world, RESERVATIONS, &body).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
        assert!(
            refused.text().contains("Planet's own estimate"),
            "{}",
            refused.text()
        );
    }
    let not_ours = json!({"product_id": 1, "aoi_refs": [features[0]]});
    let refused = reserve(&world, RESERVATIONS, &not_ours).await;
    assert!(
        refused.text().contains("the product 1 is not among"),
        "{}",
        refused.text()
    );
    assert_eq!(quota_left(&world).await, "60");
    assert!(world.simulator.bill().charges.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_and_operators_can_ask_live() {
    let world = World::start_before(Options::default(), ROOMY, |base| passing_through(&base)).await;
    let (_, features) = collection(&world, KEY, &[fields(1, 0.01)]).await;
    let body = subscription(
        &reference(&features[0]),
        &days_ago(405),
        Some(&days_ago(40)),
    );
    let question = json!({"method": "POST", "path": SUBSCRIPTIONS, "body": body});
    let told = send(
        &world,
        KEY,
        Method::POST,
        "/quota-guard/v1/estimate",
        &question,
        &[],
    )
    .await;
    assert_eq!(told.status, StatusCode::OK, "{}", told.text());
    assert_eq!(told.json()["decision"], "forward", "{}", told.text());

    let file = world.folder.path().join("body.json");
    std::fs::write(&file, body.to_string()).expect("a file");
    let estimate = |more: &'static [&'static str]| {
        let (policy, file) = (world.policy_file(), file.clone());
        async move {
            tokio::task::spawn_blocking(move || {
                Command::new(env!("CARGO_BIN_EXE_quota-guard"))
                    .args([
                        "estimate",
                        "--method",
                        "POST",
                        "--path",
                        SUBSCRIPTIONS,
                        "--config",
                    ])
                    .arg(policy)
                    .arg("--body")
                    .arg(file)
                    .args(more)
                    .output()
                    .expect("the command runs")
            })
            .await
            .expect("it ends")
        }
    };
    let credential = format!("Authorization: api-key {KEY}");
    let with_key: &'static str = Box::leak(credential.into_boxed_str());
    let arrived = world.simulator.requests().len();
    let told = estimate(&["--team", "agriculture"]).await;
    let report: Value = serde_json::from_slice(&told.stdout).expect("a report");
    assert_eq!(report["decision"], "reject", "nobody is asked: {report}");
    let told = estimate(&["--team", "agriculture", "--live"]).await;
    assert!(!told.status.success());
    assert!(String::from_utf8_lossy(&told.stderr).contains("--header"));
    assert_eq!(world.simulator.requests().len(), arrived);

    let arguments: &'static [&'static str] = Box::leak(Box::new(["--live", "--header", with_key]));
    let told = estimate(arguments).await;
    let errors = String::from_utf8_lossy(&told.stderr);
    let report: Value = serde_json::from_slice(&told.stdout).unwrap_or_else(|_| panic!("{errors}"));
    assert_eq!(report["decision"], "forward", "{report}");
    let source = report["lines"][0]["source"].as_str().expect("a source");
    assert!(source.contains("counted by Planet"), "{report}");
    assert!(!errors.contains(KEY), "{errors}");
    assert_eq!(asked(&world, "POST", SUBSCRIPTIONS), 0);
}
