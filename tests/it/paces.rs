//! Requests that come too fast are told when to come again, in the unit that their client reads.

use http::StatusCode;
use quota_guard::units::Amount;

use crate::harness::{KEY, World, get};

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
