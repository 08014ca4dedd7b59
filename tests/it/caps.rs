//! The cap holds: through concurrency, hang-ups, faults of upstream and a power cut.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use quota_guard::units::Amount;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{KEY, World, call, post, try_call};

const FIFTY: &str =
    "[[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = 50\nwindow = \"month\"\n";

/// An image that costs exactly one PU: 512 × 512 px, three bands, one sample.
pub(crate) fn one_pu() -> Value {
    json!({
        "input": {
            "bounds": {"bbox": [14.0, 46.0, 14.1, 46.1]},
            "data": [{"type": "sentinel-2-l2a", "dataFilter": {"timeRange":
                {"from": "2026-06-01T00:00:00Z", "to": "2026-06-30T23:59:59Z"}}}]},
        "output": {"width": 512, "height": 512,
                   "responses": [{"identifier": "default", "format": {"type": "image/png"}}]},
        "evalscript": "//VERSION=3\nfunction setup() { return { input: [\"B02\", \"B03\", \"B04\"], \
                       output: { bands: 3 } } }\nfunction evaluatePixel(s) { return [s.B04, s.B03, s.B02] }"
    })
}

fn whole(units: u64) -> Amount {
    Amount::from_whole(units).expect("an amount")
}

pub(crate) fn process_url(world: &World) -> String {
    format!("{}/sentinel-hub/api/v1/process", world.guard.url)
}

/// Sends the image with a fault for the simulator; `None` when the connection broke.
async fn process_with(world_url: String, fault: &'static str) -> Option<StatusCode> {
    let authorization = format!("Bearer {KEY}");
    let headers = [
        ("authorization", &*authorization),
        ("content-type", "application/json"),
        ("simulator-fault", fault),
    ];
    let body = Bytes::from(one_pu().to_string());
    Some(
        try_call(Method::POST, &world_url, &headers, body)
            .await?
            .status,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_at_once_against_a_cap_of_fifty_admit_exactly_fifty() {
    let world = World::start(FIFTY).await;
    let mut calls = JoinSet::new();
    for _ in 0..200 {
        calls.spawn(process_with(process_url(&world), ""));
    }
    let statuses = calls.join_all().await;
    let count = |status| {
        statuses
            .iter()
            .filter(|seen| **seen == Some(status))
            .count()
    };
    assert_eq!(count(StatusCode::OK), 50, "{statuses:?}");
    assert_eq!(count(StatusCode::FORBIDDEN), 150);
    assert_eq!(world.billed(), whole(50));
    assert_eq!(world.booked("org-pu").await, whole(50));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_says_what_was_predicted_charged_and_left() {
    let world = World::start(FIFTY).await;
    let reply = post(&process_url(&world), &one_pu()).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    assert_eq!(reply.header("quota-guard-estimate"), "pu=1");
    assert_eq!(reply.header("quota-guard-charge"), "pu=1");
    assert!(
        reply.header("ratelimit").starts_with("\"org-pu\";r=49;t="),
        "{:?}",
        reply.headers
    );
    assert!(
        reply
            .header("ratelimit-policy")
            .starts_with("\"org-pu\";q=50;w=")
    );
    assert_eq!(reply.header("quota-guard-request").len(), 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_takes_nothing() {
    let world = World::start(FIFTY).await;
    let mut large = one_pu();
    large["output"]["width"] = json!(2500);
    large["output"]["height"] = json!(2500);
    large["evalscript"] = json!(large["evalscript"].as_str().expect("a script").replace(
        "\"B04\"]",
        "\"B04\", \"B05\", \"B06\", \"B07\", \"B08\", \"B11\", \"B12\"]"
    ));
    let reply = post(&process_url(&world), &large).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN, "{}", reply.text());
    let problem = reply.json();
    assert_eq!(problem["violated-policies"], json!(["org-pu"]));
    assert_eq!(problem["breaches"][0]["remaining"], json!(50));
    assert_eq!(problem["message"], problem["error"]["message"]);
    assert!(world.billed().is_zero() && world.booked("org-pu").await.is_zero());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_metered_apis_is_free_and_silence_is_unknown() {
    let world = World::start(FIFTY).await;
    let url = process_url(&world);
    for fault in ["status=500", "status=429", "status=400"] {
        assert!(
            process_with(url.clone(), fault)
                .await
                .is_some_and(|status| !status.is_success())
        );
        assert!(world.booked("org-pu").await.is_zero(), "{fault}");
    }
    for (fault, unknown) in [
        ("reset-before-charge", 1),
        ("reset-after-charge", 2),
        ("stall", 3),
    ] {
        let status = process_with(url.clone(), fault).await;
        assert_eq!(status, Some(StatusCode::GATEWAY_TIMEOUT), "{fault}");
        let series = "quota_guard_budget_unknown{budget=\"org-pu\",partition=\"\",unit=\"pu\"}";
        assert_eq!(world.metric(series).await, whole(unknown), "{fault}");
    }
    assert!(world.booked("org-pu").await >= world.billed());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_header_a_call_settles_at_its_prediction_and_under_either_name_at_its_charge() {
    let world = World::start(FIFTY).await;
    let url = process_url(&world);
    assert_eq!(
        process_with(url.clone(), "no-cost-header").await,
        Some(StatusCode::OK)
    );
    assert_eq!(world.booked("org-pu").await, whole(1));
    let other_name = "cost-header=x-processingunits-spent";
    assert_eq!(
        process_with(url.clone(), other_name).await,
        Some(StatusCode::OK)
    );
    assert_eq!(world.booked("org-pu").await, whole(2));
    let by_header = "quota_guard_charged_total{api=\"process\",source=\"header\",team=\"agriculture\",unit=\"pu\"}";
    assert_eq!(world.metric(by_header).await, whole(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_is_charged_all_the_same() {
    let world = World::start(FIFTY).await;
    let call = process_with(process_url(&world), "delay=500ms");
    assert!(
        tokio::time::timeout(Duration::from_millis(200), call)
            .await
            .is_err(),
        "it hangs up"
    );
    settled(&world, whole(1)).await;
    assert_eq!(world.billed(), whole(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_power_cut_the_books_hold_at_least_what_was_billed() {
    let mut world = World::start(FIFTY).await;
    let mut calls = JoinSet::new();
    for number in 0..40 {
        let fault = if number % 2 == 0 { "" } else { "delay=400ms" };
        calls.spawn(process_with(process_url(&world), fault));
    }
    while calls.join_next().await.is_some_and(|first| first.is_err()) {}
    world.kill_and_restart();
    calls.join_all().await;
    let booked = world.booked("org-pu").await;
    assert!(
        booked >= world.billed(),
        "{booked} booked, {} billed",
        world.billed()
    );
    let mut calls = JoinSet::new();
    for _ in 0..80 {
        calls.spawn(process_with(process_url(&world), ""));
    }
    calls.join_all().await;
    assert!(
        world.billed() <= whole(50),
        "{} billed past the cap",
        world.billed()
    );
    assert!(world.booked("org-pu").await >= world.billed());
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_of_teams_and_of_requests_bind_beside_the_organisations() {
    let more = "[[budgets]]\nname = \"calls\"\nunit = \"requests\"\nlimit = 2\nwindow = \"day\"\nper = [\"team\"]\nstatus = 429\n";
    let world = World::start(&format!("{FIFTY}{more}")).await;
    let url = process_url(&world);
    for _ in 0..2 {
        assert_eq!(post(&url, &one_pu()).await.status, StatusCode::OK);
    }
    let third = post(&url, &one_pu()).await;
    assert_eq!(third.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(third.json()["violated-policies"], json!(["calls"]));
    assert!(
        third.header("retry-after").parse::<u64>().is_ok(),
        "{:?}",
        third.headers
    );
    assert_eq!(
        world.booked("org-pu").await,
        whole(2),
        "all budgets or none"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_is_loaded_is_checked() {
    for shape in [
        "unit = \"pu\"\nwindow = \"forever\"",
        "unit = \"requests\"\nwindow = \"day\"",
        "unit = \"pu\"\nwindow = \"year\"\nper = [\"key\"]",
        "unit = \"pu\"\nwindow = \"month\"\nper = [\"team\", \"api\", \"product\"]",
        "unit = \"pu\"\nwindow = \"month\"\nmatch = { teams = [\"agriculture\"], apis = [\"process\"] }",
        "unit = \"pu\"\nwindow = \"month\"\nmatch = { keys = [\"ag\"] }",
        "unit = \"pu\"\nwindow = \"month\"\nmatch = { products = [\"sentinel-2-l2a\"] }",
    ] {
        let shut = format!("{FIFTY}[[budgets]]\nname = \"shut\"\nlimit = 0\n{shape}\n");
        let world = World::start(&shut).await;
        let reply = post(&process_url(&world), &one_pu()).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{shape}");
        assert_eq!(
            reply.json()["violated-policies"],
            json!(["shut"]),
            "{shape}"
        );
        assert!(world.billed().is_zero() && world.booked("org-pu").await.is_zero());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowing_budget_counts_past_its_limit() {
    let overage = "[[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = 1\nwindow = \"month\"\non_breach = \"allow\"\n";
    let world = World::start(overage).await;
    for _ in 0..3 {
        assert_eq!(
            post(&process_url(&world), &one_pu()).await.status,
            StatusCode::OK
        );
    }
    assert_eq!(world.booked("org-pu").await, whole(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zero_limit_lets_nothing_pass_and_reading_stays_free() {
    let zero = "[[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = 0\nwindow = \"month\"\n";
    let world = World::start(zero).await;
    assert_eq!(
        post(&process_url(&world), &one_pu()).await.status,
        StatusCode::FORBIDDEN
    );
    let authorization = format!("api-key {KEY}");
    let list = format!("{}/compute/ops/orders/v2", world.guard.url);
    let reply = call(
        Method::GET,
        &list,
        &[("authorization", &authorization)],
        Bytes::new(),
    )
    .await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
}

/// Waits until the guard has booked `amount` as settled.
async fn settled(world: &World, amount: Amount) {
    let series = "quota_guard_budget_settled{budget=\"org-pu\",partition=\"\",unit=\"pu\"}";
    for _ in 0..200 {
        if world.metric(series).await == amount {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{amount} was never settled");
}
