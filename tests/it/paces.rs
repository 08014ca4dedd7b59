//! Requests that come too fast are told when to come again, in the unit that their client reads.

use http::StatusCode;
use quota_guard::simulator::Fault;
use quota_guard::units::Amount;

use crate::harness::{KEY, World, get};
use crate::sdk::tell;

const SLOW: &str = r#"
[[paces]]
name = "slow"
per = "key"
rate = "2/m"
burst = 1
[[budgets]]
name = "calls"
unit = "requests"
limit = 100
window = "day"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn haste_is_refused_before_anything_is_reserved() {
    let world = World::start(SLOW).await;
    let bearer = format!("Bearer {KEY}");
    let authorization = ("authorization", &*bearer);
    let planet = format!("{}/data/v1/item-types", world.guard.url);
    assert_eq!(get(&planet, &[authorization]).await.status, StatusCode::OK);
    let refused = get(&planet, &[authorization]).await;
    assert_eq!(
        refused.status,
        StatusCode::TOO_MANY_REQUESTS,
        "{}",
        refused.text()
    );
    assert!(
        refused.json()["type"]
            .as_str()
            .is_some_and(|uri| uri.ends_with("/problems/too-fast"))
    );
    let seconds: u64 = refused
        .header("retry-after")
        .parse()
        .expect("whole seconds");
    assert!((20..=30).contains(&seconds), "{seconds}");
    let hub = format!(
        "{}/sentinel-hub/api/v1/catalog/1.0.0/collections",
        world.guard.url
    );
    let sdk = ("user-agent", "sentinelhub-py/v3.12.0");
    let refused = get(&hub, &[authorization, sdk]).await;
    let milliseconds: u64 = refused.header("retry-after").parse().expect("milliseconds");
    assert!((20_000..=30_000).contains(&milliseconds), "{milliseconds}");
    assert_eq!(world.simulator.requests().len(), 1);
    let settled = "quota_guard_budget_settled{budget=\"calls\",partition=\"\",unit=\"requests\"}";
    assert_eq!(world.metric(settled).await, Amount::ONE);
    let page = format!("{}/quota-guard/v1/problems/too-fast", world.guard.url);
    assert_eq!(get(&page, &[]).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstreams_own_haste_is_told_in_the_unit_that_each_client_reads() {
    let world = World::start("").await;
    let bearer = format!("Bearer {KEY}");
    // what upstream says of the whole organisation is nobody's business here
    let fault = "status=429; header=x-ratelimit-remaining: 3; header=ratelimit: \"org\"; \
                 header=x-processingunits-remaining: 7; header=x-rate-limit-limit: 9";
    let sdk = "sentinelhub-py/v3.12.0";
    for (path, agent, wait) in [
        (
            "/sentinel-hub/api/v1/catalog/1.0.0/collections",
            sdk,
            "1000",
        ),
        (
            "/sentinel-hub/api/v1/catalog/1.0.0/collections",
            "curl/8",
            "1",
        ),
        ("/data/v1/item-types", "planet-client-python/3", "1"),
        ("/data/v1/item-types", sdk, "1"),
    ] {
        let headers = [
            ("authorization", &*bearer),
            ("user-agent", agent),
            ("simulator-fault", fault),
        ];
        let refused = get(&format!("{}{path}", world.guard.url), &headers).await;
        let status = refused.status;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.text());
        assert_eq!(refused.header("retry-after"), wait, "{agent} at {path}");
        for name in [
            "x-ratelimit-remaining",
            "ratelimit",
            "x-processingunits-remaining",
            "x-rate-limit-limit",
        ] {
            assert_eq!(refused.header(name), "", "{name} at {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_clients_wait_as_long_as_upstream_asked_them_to() {
    let world = World::start("").await;
    for story in ["hurried", "hurried_without_sdk"] {
        let fault = Fault::new(None, "/", 1, "status=429").expect("a fault");
        world.simulator.inject(fault);
        let base = format!("{}/sentinel-hub", world.guard.url);
        let told = tell("sentinelhub_stories.py", story, base, KEY).await;
        let seconds = told["seconds"].as_f64().expect("a time");
        assert!((1.0..20.0).contains(&seconds), "{story}: {told}");
    }
}
