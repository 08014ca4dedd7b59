//! Subscriptions that are there already: a change costs what it adds, and what goes on again costs what is left.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use jiff::ToSpan;
use quota_guard::clock::{Clock, SystemClock};
use quota_guard::simulator::Fault;
use quota_guard::units::Amount;
use serde_json::{Value, json};

use crate::harness::{KEY, World, call, post, send};

const ROOMY: &str = "[[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = 5000000\nwindow = \"forever\"\n\
                     [[budgets]]\nname = \"org-aum\"\nunit = \"aum\"\nlimit = 1000\nwindow = \"forever\"\n";

/// So many days from now, at midnight.
fn day(days: i64) -> String {
    let today = SystemClock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    format!(
        "{}T00:00:00Z",
        today.checked_add(days.days()).expect("a date")
    )
}

/// A field of about a square kilometre for each `size`.
fn field(size: f64) -> Value {
    let east = 14.0 + 0.0129 * size;
    json!({"type": "Polygon", "coordinates":
        [[[14.0, 46.0], [east, 46.0], [east, 46.009], [14.0, 46.009], [14.0, 46.0]]]})
}

fn subscription(size: f64, from: i64, to: i64) -> Value {
    json!({"name": "s", "source": {"type": "catalog", "parameters": {
            "item_types": ["PSScene"], "asset_types": ["ortho_analytic_8b_sr"],
            "geometry": field(size), "start_time": day(from), "end_time": day(to)}},
        "tools": [{"type": "clip", "parameters": {}}],
        "hosting": {"type": "sentinel_hub", "parameters": {}}})
}

async fn create(world: &World, body: &Value) -> String {
    let url = format!("{}/subscriptions/v1", world.guard.url);
    let created = post(&url, body).await;
    assert!(created.status.is_success(), "{}", created.text());
    let id = created.json()["id"].as_str().expect("an id").to_owned();
    let url = format!("{url}/{id}");
    send(Method::GET, &url, &json!(null)).await; // it was looked at, and runs
    url
}

async fn aum(world: &World) -> i64 {
    let mut sum = Amount::ZERO;
    for part in ["settled", "overrun", "unknown", "held"] {
        let series =
            format!("quota_guard_budget_{part}{{budget=\"org-aum\",partition=\"\",unit=\"aum\"}}");
        sum = sum.saturating_add(world.metric(&series).await);
    }
    sum.whole_floor()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_running_subscription_reserves_what_it_adds() {
    let world = World::start(ROOMY).await;
    let url = create(&world, &subscription(1.0, -10, 30)).await;
    let created = aum(&world).await;
    assert!(
        (39..=42).contains(&created),
        "a square kilometre for forty days: {created}"
    );

    let renamed = send(Method::PATCH, &url, &json!({"name": "new"})).await;
    assert_eq!(renamed.status, StatusCode::OK, "{}", renamed.text());
    assert_eq!(aum(&world).await, created, "a name is free");

    let longer = json!({"source": {"parameters": {"end_time": day(60)}}});
    let longer = send(Method::PATCH, &url, &longer).await;
    assert_eq!(longer.status, StatusCode::OK, "{}", longer.text());
    let added = aum(&world).await - created;
    assert!(
        (30..=32).contains(&added),
        "thirty days more, and today: {added}"
    );

    let before = aum(&world).await;
    let wider = send(Method::PUT, &url, &subscription(3.0, -10, 60)).await;
    assert_eq!(wider.status, StatusCode::OK, "{}", wider.text());
    let added = aum(&world).await - before;
    assert!(
        (119..=126).contains(&added),
        "two square kilometres more for sixty days: {added}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_does_not_fit_is_refused_and_never_sent() {
    let world = World::start(ROOMY).await;
    let url = create(&world, &subscription(1.0, -10, 30)).await;
    let endless = json!({"source": {"parameters": {"geometry": field(40.0)}}});
    let refused = send(Method::PATCH, &url, &endless).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
    let text = refused.text();
    assert!(text.contains("org-aum"), "{text}");
    assert!(text.contains("The rule 'aum-area-x-days' counts"), "{text}");
    let path = url.strip_prefix(&world.guard.url).unwrap();
    assert_eq!(
        world.simulator.bill().requests_to(&format!("PATCH {path}")),
        0
    );
    let shown = send(Method::GET, &url, &json!(null)).await.json();
    assert_eq!(shown["source"]["parameters"]["geometry"], field(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_cannot_be_read_back_is_not_changed() {
    let world = World::start(ROOMY).await;
    let url = create(&world, &subscription(1.0, -10, 30)).await;
    let longer = json!({"source": {"parameters": {"end_time": day(60)}}});
    for fault in ["status=500", "status=429", "truncate"] {
        world
            .simulator
            .inject(Fault::new(Some("GET"), "/subscriptions/v1/", 1, fault).unwrap());
        let refused = send(Method::PATCH, &url, &longer).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{fault}");
        assert!(
            refused.text().contains("cost-not-predictable"),
            "{fault}: {}",
            refused.text()
        );
    }
    let reference = json!({"source": {"parameters": {"geometry":
        {"type": "ref", "content": "pl:features/my/a/b"}}}});
    let refused = send(Method::PATCH, &url, &reference).await;
    assert!(
        refused.text().contains("cost-not-predictable"),
        "{}",
        refused.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_changes_at_once_one_is_told_to_wait() {
    let world = World::start(ROOMY).await;
    let url = create(&world, &subscription(1.0, -10, 30)).await;
    world
        .simulator
        .inject(Fault::new(Some("PATCH"), "/subscriptions/v1/", 1, "delay=1s").unwrap());
    let longer = json!({"source": {"parameters": {"end_time": day(60)}}});
    let first = tokio::spawn({
        let (url, longer) = (url.clone(), longer.clone());
        async move { send(Method::PATCH, &url, &longer).await }
    });
    let path = url.strip_prefix(&world.guard.url).unwrap().to_owned();
    while world.simulator.bill().requests_to(&format!("PATCH {path}")) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let wider = json!({"source": {"parameters": {"geometry": field(3.0)}}});
    let second = send(Method::PATCH, &url, &wider).await;
    assert_eq!(
        second.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{}",
        second.text()
    );
    assert_eq!(first.await.unwrap().status, StatusCode::OK);
    let again = send(Method::PATCH, &url, &wider).await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stood_still_and_goes_on_reserves_what_is_left() {
    let world = World::start(ROOMY).await;
    let url = create(&world, &subscription(1.0, -10, 30)).await;
    let created = aum(&world).await;
    let running = send(Method::POST, &format!("{url}/reactivate"), &json!(null)).await;
    assert_eq!(running.status, StatusCode::ACCEPTED, "{}", running.text());
    assert_eq!(aum(&world).await, created, "it never stood still");

    send(Method::POST, &format!("{url}/suspend"), &json!(null)).await;
    let suspended = aum(&world).await;
    let given_back = created - suspended;
    assert!(
        (28..=31).contains(&given_back),
        "the days to come: {given_back}"
    );
    let reactivated = send(Method::POST, &format!("{url}/reactivate"), &json!(null)).await;
    assert_eq!(
        reactivated.status,
        StatusCode::ACCEPTED,
        "{}",
        reactivated.text()
    );
    let added = aum(&world).await - suspended;
    assert!((29..=32).contains(&added), "thirty days and today: {added}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_call_lets_go_on_what_it_names_and_never_all() {
    let world = World::start(ROOMY).await;
    let urls = [
        create(&world, &subscription(1.0, -10, 30)).await,
        create(&world, &subscription(2.0, -10, 30)).await,
    ];
    let all = format!("{}/subscriptions/v1", world.guard.url);
    let mut ids = Vec::new();
    for url in &urls {
        send(Method::POST, &format!("{url}/suspend"), &json!(null)).await;
        ids.push(url.rsplit('/').next().unwrap().to_owned());
    }
    let before = aum(&world).await;
    for everything in [json!(null), json!({}), json!({"subscription_ids": []})] {
        let refused = send(Method::POST, &format!("{all}/reactivate"), &everything).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert!(
            refused.text().contains("subscription_ids"),
            "{}",
            refused.text()
        );
    }
    let named = json!({"subscription_ids": ids});
    let everybody = send(
        Method::POST,
        &format!("{all}/reactivate?user_id=all"),
        &named,
    )
    .await;
    assert_eq!(
        everybody.status,
        StatusCode::FORBIDDEN,
        "{}",
        everybody.text()
    );
    let reactivated = send(Method::POST, &format!("{all}/reactivate"), &named).await;
    assert_eq!(
        reactivated.status,
        StatusCode::ACCEPTED,
        "{}",
        reactivated.text()
    );
    let added = aum(&world).await - before;
    assert!(
        (87..=96).contains(&added),
        "three square kilometres for a month: {added}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_estimate_looks_up_the_subscription_as_a_dry_run_does() {
    let world = World::start(ROOMY).await;
    let url = create(&world, &subscription(1.0, -3, 30)).await;
    let body = subscription(2.0, -3, 30);
    let authorization = format!("api-key {KEY}");
    let headers = [
        ("authorization", &*authorization),
        ("content-type", "application/json"),
        ("quota-guard-dry-run", "1"),
    ];
    let dry = call(Method::PUT, &url, &headers, Bytes::from(body.to_string()))
        .await
        .json();
    let path = url.strip_prefix(&world.guard.url).expect("a path");
    let question = json!({"method": "PUT", "path": path, "body": body});
    let estimate = format!("{}/quota-guard/v1/estimate", world.guard.url);
    for _ in 0..2 {
        let told = post(&estimate, &question).await.json();
        assert_eq!(told["estimate"], dry["estimate"], "{told}");
        assert_eq!(told["decision"], "forward");
    }
}
