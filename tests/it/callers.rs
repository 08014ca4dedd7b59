//! What callers can ask of the guard: to be told a cost beforehand, to be kept under a ceiling of their
//! own, to have a label kept.

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{KEY, Reply, World, call, get, post};

const THOUSAND: &str = r#"
[[budgets]]
name = "org-pu"
unit = "pu"
limit = 1000
window = "month"
"#;

/// An order of two scenes, four assets each.
fn order() -> Value {
    json!({"name": "o", "products": [{
        "item_ids": ["20260601_101500_11_24f1", "20260602_101733_48_24c9"],
        "item_type": "PSScene", "product_bundle": "analytic_8b_sr_udm2"}]})
}

async fn ask(world: &World, body: &Value, more: &[(&str, &str)]) -> Reply {
    let authorization = format!("api-key {KEY}");
    let mut headers = vec![
        ("authorization", &*authorization),
        ("content-type", "application/json"),
    ];
    headers.extend_from_slice(more);
    let url = format!("{}/compute/ops/orders/v2", world.guard.url);
    call(Method::POST, &url, &headers, Bytes::from(body.to_string())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_the_cost_and_what_is_left_and_sends_nothing() {
    let world = World::start(THOUSAND).await;
    let mut order = order();
    let items = (0..14).map(|item| format!("20260601_1015{item:02}_11_24f1"));
    order["products"][0]["item_ids"] = items.collect();
    let real = ask(&world, &order, &[("quota-guard-tag", "campaign-7")]).await;
    assert_eq!(real.status, StatusCode::ACCEPTED, "{}", real.text());
    let (billed, booked) = (world.billed(), world.booked("org-pu").await);

    let told = ask(&world, &order, &[("quota-guard-dry-run", "1")]).await;
    assert_eq!(told.status, StatusCode::OK, "{}", told.text());
    let report = told.json();
    let cost = report["estimate"]["pu"].as_f64().expect("a cost");
    let left = report["budgets"][0]["remaining"].as_f64().expect("a rest");
    assert!(cost > 500.0 && left < 500.0, "{report}");
    assert_eq!(report["decision"], "reject", "{report}");
    let reason = report["reason"].as_str().expect("a sentence");
    assert!(reason.contains("org-pu"), "{reason}");
    assert!(!report["lines"].as_array().expect("lines").is_empty());

    assert_eq!(
        (world.billed(), world.booked("org-pu").await),
        (billed, booked)
    );
    assert_eq!(
        world.simulator.requests().len(),
        1,
        "only the real one went on"
    );
    let series =
        "quota_guard_requests_total{api=\"orders\",decision=\"dry_run\",team=\"agriculture\"}";
    assert_eq!(world.metric(series).await.to_string(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_that_does_not_fit_says_what_would() {
    let world = World::start(THOUSAND).await;
    let mut large = order();
    let items: Vec<_> = (0..40)
        .map(|item| format!("20260601_1015{item:02}_11_24f1"))
        .collect();
    large["products"][0]["item_ids"] = json!(items);
    let report = ask(&world, &large, &[("quota-guard-dry-run", "1")])
        .await
        .json();
    assert_eq!(report["decision"], "reject");
    assert!(
        report["suggestion"]["items"].as_u64() >= Some(1),
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_of_the_policy_is_an_answer_to_a_dry_run_and_a_mistake_is_not() {
    let world = World::start(THOUSAND).await;
    let authorization = format!("api-key {KEY}");
    let headers = [
        ("authorization", &*authorization),
        ("quota-guard-dry-run", "1"),
    ];
    let url = format!("{}/never/heard/of", world.guard.url);
    let told = call(Method::GET, &url, &headers, Bytes::new()).await;
    assert_eq!(told.status, StatusCode::OK, "{}", told.text());
    assert_eq!(told.json()["decision"], "reject");

    let mistaken = ask(
        &world,
        &json!({"products": 3}),
        &[("quota-guard-dry-run", "1")],
    )
    .await;
    assert_eq!(
        mistaken.status,
        StatusCode::BAD_REQUEST,
        "{}",
        mistaken.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ceiling_of_the_callers_own_holds() {
    let world = World::start(THOUSAND).await;
    let refused = ask(&world, &order(), &[("quota-guard-max", "pu=10, aum=50")]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let problem = refused.json();
    assert!(
        problem["type"]
            .as_str()
            .is_some_and(|uri| uri.ends_with("/ceiling-exceeded")),
        "{problem}"
    );
    assert!(world.simulator.requests().is_empty() && world.booked("org-pu").await.is_zero());

    let passed = ask(&world, &order(), &[("quota-guard-max", "pu=1000")]).await;
    assert_eq!(passed.status, StatusCode::ACCEPTED, "{}", passed.text());
    let seen = format!("{:?}", world.simulator.requests());
    assert!(!seen.contains("quota-guard-max"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_writes_wrong_is_refused_by_name() {
    let world = World::start(THOUSAND).await;
    for (name, value) in [
        ("quota-guard-max", "a lot"),
        ("quota-guard-dry-run", "perhaps"),
        ("quota-guard-tag", "two words"),
    ] {
        let refused = ask(&world, &order(), &[(name, value)]).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{name}");
        assert!(refused.text().contains(name), "{}", refused.text());
    }
    assert!(world.simulator.requests().is_empty());
}

async fn own_page(world: &World, page: &str) -> Reply {
    let authorization = format!("api-key {KEY}");
    let url = format!("{}/quota-guard/v1/{page}", world.guard.url);
    get(&url, &[("authorization", &authorization)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_looks_up_its_own_quota() {
    let more = "[[budgets]]\nname = \"mine\"\nunit = \"requests\"\nlimit = 9\nwindow = \"day\"\n\
                per = [\"team\"]\n";
    let world = World::start(&format!("{THOUSAND}{more}")).await;
    let untouched = own_page(&world, "quota/daily").await.json();
    assert_eq!(
        untouched["quota"]["mine"],
        json!({"count": 0, "total": 9, "remaining": 9, "held": 0}),
        "{untouched}"
    );
    assert_eq!(
        ask(&world, &order(), &[]).await.status,
        StatusCode::ACCEPTED
    );

    let limits = own_page(&world, "quota").await;
    assert_eq!(limits.json(), json!({"quota": {"org-pu": 1000, "mine": 9}}));
    let daily = own_page(&world, "quota/daily").await.json();
    assert_eq!(
        daily["quota"]["mine"],
        json!({"count": 1, "total": 9, "remaining": 8, "held": 0})
    );
    assert!(
        daily["quota"]["org-pu"]["count"].as_f64() > Some(0.0),
        "{daily}"
    );
    assert_eq!(daily["day"].as_str().map(str::len), Some(10), "{daily}");
    let history = own_page(&world, "quota/history").await.json();
    assert_eq!(
        history["history"].as_array().map(Vec::len),
        Some(2),
        "{history}"
    );

    let stranger = get(&format!("{}/quota-guard/v1/quota", world.guard.url), &[]).await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        own_page(&world, "secrets").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        world.simulator.requests().len(),
        1,
        "only the order went on"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_asks_what_a_request_would_cost() {
    let world = World::start(THOUSAND).await;
    let url = format!("{}/quota-guard/v1/estimate", world.guard.url);
    let question = json!({"method": "POST", "path": "/compute/ops/orders/v2", "body": order()});
    let told = post(&url, &question).await;
    assert_eq!(told.status, StatusCode::OK, "{}", told.text());
    let report = told.json();
    assert_eq!(
        (&report["api"], &report["decision"]),
        (&json!("orders"), &json!("forward"))
    );
    assert_eq!(report["budgets"][0]["remaining"], 1000, "{report}");
    let dry = ask(&world, &order(), &[("quota-guard-dry-run", "1")]).await;
    assert_eq!(dry.json(), report, "one document, however it is asked for");

    let unknown = post(&url, &json!({"method": "GET", "path": "/never/heard/of"})).await;
    assert_eq!(unknown.json()["decision"], "reject");
    for wrong in [
        json!({}),
        json!({"method": "a b", "path": "/"}),
        json!({"method": "GET"}),
    ] {
        assert_eq!(
            post(&url, &wrong).await.status,
            StatusCode::BAD_REQUEST,
            "{wrong}"
        );
    }
    assert!(world.simulator.requests().is_empty());
}
