//! Batches and asynchronous images.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_batch_costs_more_than_predicted_is_overrun() {
    let bench = Bench::start_with(idle(), ROOMY, |base| base).await;
    let id = bench.start_task().await;
    let predicted = bench.pu().await;
    let cost = predicted.saturating_add(pu(75));
    let dear = Fate {
        cost_pu: cost.to_string().parse().ok(),
        ..fate("DONE")
    };
    bench.ends(&id, &dear);
    bench.pass(FIRST);
    until("it is seen", || async {
        bench.asked(&format!("/batch/v2/process/{id}")) == 2
    })
    .await;
    assert_eq!(bench.pu().await, predicted, "the figure may still move");
    bench.pass(SECOND);
    until("the figure counts", || async { bench.pu().await == cost }).await;
    let overrun = "quota_guard_budget_overrun{budget=\"org-pu\",partition=\"\",unit=\"pu\"}";
    assert_eq!(bench.metric(overrun).await, pu(75));
    let more = "quota_guard_charged_total{api=\"batch-process\",source=\"reconciled\",\
        team=\"agriculture\",unit=\"pu\"}";
    assert_eq!(bench.metric(more).await, pu(75));
    assert_eq!(bench.billed(), cost);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_stopped_and_resumed_costs_each_start_its_part() {
    let bench = Bench::start_with(idle(), ROOMY, |base| base).await;
    let id = bench.start_task().await;
    let cost = |cost_pu: f64, state: &str| Fate {
        cost_pu: Some(cost_pu),
        ..fate(state)
    };
    bench.ends(&id, &cost(110.0, "STOPPED"));
    for pause in [FIRST, SECOND] {
        bench.pass(pause);
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    until("the first part is known", || async {
        bench.pu().await == pu(110)
    })
    .await;
    bench.pass(Duration::from_hours(1));
    bench.start_again(&id).await;
    bench.ends(&id, &cost(150.0, "DONE"));
    for pause in [FIRST, SECOND] {
        bench.pass(pause);
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    until("the second part is known", || async {
        bench.pu().await == pu(150)
    })
    .await;
    assert_eq!(bench.billed(), pu(150));
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asynchronous_image_ends_without_a_figure() {
    let bench = Bench::start(ROOMY).await;
    let job = json!({
        "input": {"bounds": {"bbox": [14.0, 46.0, 14.1, 46.1]}, "data": [{"type": "sentinel-2-l2a"}]},
        "output": {"width": 2000, "height": 2000, "delivery": {"s3": {"url": "s3://b"}}},
        "evalscript": "//VERSION=3\nfunction setup() { return { input: ['B04'], output: { bands: 1 } } }",
    });
    let made = bench.post("/sentinel-hub/api/v1/async/process", &job).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text());
    let predicted = bench.pu().await;
    bench.pass(Duration::from_mins(2));
    until("the end is written down", || async {
        let said = bench.events().await.join("\n");
        said.contains("in the customer's bucket alone")
    })
    .await;
    assert_eq!(bench.pu().await, predicted);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_failed_before_it_delivered_anything_takes_no_pu() {
    let bench = Bench::start_with(idle(), ROOMY, |base| base).await;
    let field = json!({"type": "Polygon", "coordinates":
        [[[14.0, 46.0], [14.01, 46.0], [14.01, 46.01], [14.0, 46.01], [14.0, 46.0]]]});
    let subscription = json!({"name": "s", "source": {"parameters": {"item_types": ["PSScene"],
            "asset_types": ["ortho_visual"], "geometry": field,
            "start_time": "2026-10-01T00:00:00Z", "end_time": "2026-10-11T00:00:00Z"}},
        "delivery": {"type": "amazon_s3", "parameters": {}}});
    let made = bench.post("/subscriptions/v1", &subscription).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text());
    let id = made.json()["id"].as_str().expect("an id").to_owned();
    let aum = bench.spent("org-aum", Unit::Aum).await;
    assert!(!bench.pu().await.is_zero() && !aum.is_zero());
    bench.ends(&id, &fate("failed"));
    bench.pass(FIRST);
    until("its PU are given back", || async {
        bench.pu().await.is_zero()
    })
    .await;
    assert_eq!(bench.spent("org-aum", Unit::Aum).await, aum);
    bench.stop().await;
}
