//! What is reserved beyond a prediction: a number of the policy's, or what the charges of late have taught.

use bytes::Bytes;
use http::{Method, StatusCode};
use quota_guard::units::Amount;
use serde_json::{Value, json};

use crate::harness::{KEY, Reply, World, call, post};

const OTHER_KEY: &str = "qg_forestry";

/// Ten PU, this margin, and a second team.
fn policy(margin: &str) -> String {
    let hash = quota_guard::identity::hash(OTHER_KEY);
    format!(
        "[[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = 10\nwindow = \"month\"\n\
         [policy]\nsafety_margin = {margin}\n\
         [[teams]]\nname = \"forestry\"\nkeys = [{{ id = \"fo\", sha256 = \"{hash}\" }}]\n"
    )
}

/// An image of so many pixels by 512; of 512 it costs exactly one PU.
fn image(width: u32) -> Value {
    json!({
        "input": {
            "bounds": {"bbox": [14.0, 46.0, 14.1, 46.1]},
            "data": [{"type": "sentinel-2-l2a", "dataFilter": {"timeRange":
                {"from": "2026-06-01T00:00:00Z", "to": "2026-06-30T23:59:59Z"}}}]},
        "output": {"width": width, "height": 512,
                   "responses": [{"identifier": "default", "format": {"type": "image/png"}}]},
        "evalscript": "//VERSION=3\nfunction setup() { return { input: [\"B02\", \"B03\", \"B04\"], \
                       output: { bands: 3 } } }\nfunction evaluatePixel(s) { return [s.B04, s.B03, s.B02] }"
    })
}

async fn process(world: &World, key: &str, width: u32, more: &[(&str, &str)]) -> Reply {
    let authorization = format!("Bearer {key}");
    let mut headers = vec![
        ("authorization", &*authorization),
        ("content-type", "application/json"),
    ];
    headers.extend_from_slice(more);
    let url = format!("{}/sentinel-hub/api/v1/process", world.guard.url);
    let body = Bytes::from(image(width).to_string());
    call(Method::POST, &url, &headers, body).await
}

fn pu(text: &str) -> Amount {
    text.parse().expect(text)
}

async fn overrun(world: &World) -> Amount {
    let series = "quota_guard_budget_overrun{budget=\"org-pu\",partition=\"\",unit=\"pu\"}";
    world.metric(series).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_margin_is_shown_reserved_and_given_back() {
    let world = World::start(&policy("1.5")).await;
    let told = process(&world, KEY, 512, &[("quota-guard-dry-run", "1")]).await;
    let report = told.json();
    assert_eq!(report["estimate"]["pu"], json!(1.5), "{report}");
    let lines = report["lines"].as_array().expect("lines");
    let sum: f64 = lines
        .iter()
        .filter_map(|line| line["amount"].as_f64())
        .sum();
    assert!((sum - 1.5).abs() < 1e-9, "{report}");
    assert_eq!(lines[1]["rule"], "safety-margin", "{report}");

    let reply = process(&world, KEY, 512, &[]).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    assert_eq!(reply.header("quota-guard-estimate"), "pu=1.5");
    assert_eq!(reply.header("quota-guard-charge"), "pu=1");
    assert_eq!(world.booked("org-pu").await, pu("1"));

    let unsaid = process(&world, KEY, 512, &[("simulator-fault", "no-cost-header")]).await;
    assert_eq!(unsaid.status, StatusCode::OK);
    assert_eq!(
        world.booked("org-pu").await,
        pu("2"),
        "it was a margin, no charge"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fits_only_without_its_margin_does_not_pass() {
    let world = World::start(&policy("1.5")).await;
    for _ in 0..8 {
        assert_eq!(process(&world, KEY, 512, &[]).await.status, StatusCode::OK);
    }
    let refused = process(&world, KEY, 1024, &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
    let problem = refused.json();
    assert_eq!(problem["breaches"][0]["needed"], json!(3));
    assert_eq!(problem["breaches"][0]["remaining"], json!(2));
    let ceiling = process(&world, KEY, 512, &[("quota-guard-max", "pu=1.2")]).await;
    assert_eq!(ceiling.status, StatusCode::FORBIDDEN, "{}", ceiling.text());
    assert_eq!(world.billed(), pu("8"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_learned_margin_begins_at_the_rule_and_grows_with_what_was_charged() {
    let world = World::start(&policy("\"learned\"")).await;
    let dearer = [("simulator-fault", "dearer=120")];
    let first = process(&world, KEY, 512, &dearer).await;
    assert_eq!(first.header("quota-guard-estimate"), "pu=1");
    // upstream counts in single precision
    assert_eq!(first.header("quota-guard-charge"), "pu=1.200001");
    assert_eq!(overrun(&world).await, pu("0.200001"));

    for _ in 0..3 {
        let later = process(&world, KEY, 512, &dearer).await;
        assert_eq!(later.header("quota-guard-estimate"), "pu=1.200001");
    }
    assert_eq!(
        overrun(&world).await,
        pu("0.200001"),
        "the later ones were covered"
    );
    assert_eq!(world.booked("org-pu").await, world.billed());
    let margin = "quota_guard_safety_margin{api=\"process\",team=\"agriculture\"}";
    assert_eq!(world.metric(margin).await, pu("1.200001"));

    let theirs = process(&world, OTHER_KEY, 512, &[]).await;
    assert_eq!(
        theirs.header("quota-guard-estimate"),
        "pu=1",
        "another team's is its own"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_learned_outlives_the_guard() {
    let mut world = World::start(&policy("\"learned\"")).await;
    process(&world, KEY, 512, &[("simulator-fault", "dearer=150")]).await;
    for kill in [true, false] {
        if kill {
            // what was admitted from a lease is in the books 50 ms later
            while world.metric(SETTLED).await < pu("1") {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            world.kill_and_restart();
        } else {
            world.stop_and_restart();
        }
        let margin = "quota_guard_safety_margin{api=\"process\",team=\"agriculture\"}";
        assert_eq!(world.metric(margin).await, pu("1.5"));
        let told = process(&world, KEY, 512, &[("quota-guard-dry-run", "1")]).await;
        assert_eq!(told.json()["estimate"]["pu"], json!(1.5), "{}", told.text());
    }
}

const SETTLED: &str = "quota_guard_budget_settled{budget=\"org-pu\",partition=\"\",unit=\"pu\"}";

#[tokio::test(flavor = "multi_thread")]
async fn the_histogram_tells_what_was_charged_of_what_was_reserved() {
    let world = World::start(&policy("2")).await;
    process(&world, KEY, 512, &[]).await;
    process(&world, KEY, 512, &[("simulator-fault", "dearer=300")]).await;
    process(&world, KEY, 512, &[("simulator-fault", "no-cost-header")]).await;
    let count = |series: &'static str| world.metric(series);
    let half = count("quota_guard_prediction_ratio_bucket{api=\"process\",le=\"0.5\"}").await;
    let all = count("quota_guard_prediction_ratio_count{api=\"process\"}").await;
    let covered = count("quota_guard_prediction_ratio_bucket{api=\"process\",le=\"1\"}").await;
    assert_eq!((half, covered, all), (pu("1"), pu("1"), pu("2")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suggestion_leaves_room_for_the_margin() {
    let roomy = policy("2").replace("limit = 10", "limit = 2000");
    let world = World::start(&roomy).await;
    let order = async |items: u64| {
        let ids: Vec<_> = (0..items)
            .map(|item| format!("20260601_1015{item:02}_11_24f1"))
            .collect();
        let body = json!({"name": "o", "products": [{"item_ids": ids, "item_type": "PSScene",
            "product_bundle": "analytic_8b_sr_udm2"}]});
        post(&format!("{}/compute/ops/orders/v2", world.guard.url), &body).await
    };
    let refused = order(40).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
    let fits = refused.json()["suggestion"]["items"]
        .as_u64()
        .expect("a number");
    assert_eq!(order(fits + 1).await.status, StatusCode::FORBIDDEN);
    let reply = order(fits).await;
    assert_eq!(
        reply.status,
        StatusCode::ACCEPTED,
        "{fits}: {}",
        reply.text()
    );
}
