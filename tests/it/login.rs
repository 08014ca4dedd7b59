//! The guard logs in with Sentinel Hub as a client of its own.

use std::collections::BTreeSet;

use http::StatusCode;
use quota_guard::simulator::Fault;
use quota_guard::units::Amount;
use serde_json::{Value, json};

use crate::harness::{KEY, UPSTREAM_KEY, World, post};

const ROOMY: &str =
    "[[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = 500\nwindow = \"month\"\n";

/// A world whose Sentinel Hub upstream is logged in with, at `token_url` or at the simulator's.
async fn world(token_url: Option<&str>) -> World {
    World::start_changed(ROOMY, |base| {
        let mount = "mount = \"/sentinel-hub\"\n";
        let (before, _) = base.split_once(mount).expect("the mount");
        let url = before.rsplit_once("url = \"").expect("its address").1;
        let host = url.split('"').next().unwrap_or_default();
        let token_url = token_url.map_or_else(|| format!("{host}/oauth/token"), ToOwned::to_owned);
        let credential = format!(
            "{mount}credential = {{ client_id = {{ env = \"TEST_CLIENT_ID\" }}, \
             client_secret = {{ env = \"TEST_CLIENT_SECRET\" }}, token_url = \"{token_url}\" }}\n"
        );
        base.replace(mount, &credential)
    })
    .await
}

fn image() -> Value {
    json!({
        "input": {
            "bounds": { "bbox": [14.50, 46.00, 14.51, 46.01] },
            "data": [{ "type": "sentinel-2-l2a", "dataFilter": { "timeRange": {
                "from": "2026-06-01T00:00:00Z", "to": "2026-06-30T00:00:00Z" } } }]
        },
        "output": { "width": 512, "height": 512 },
        "evalscript": "//VERSION=3\nfunction setup() { return { input: ['B04'], output: { bands: 1 } } }\nfunction evaluatePixel(s) { return [s.B04] }"
    })
}

fn process(world: &World) -> String {
    format!("{}/sentinel-hub/api/v1/process", world.guard.url)
}

/// The credential that a request showed upstream.
fn authorization(request: &Value) -> String {
    let headers = request["headers"].as_array().into_iter().flatten();
    let mut values = headers.filter(|header| header[0] == "authorization");
    let value = values.next().and_then(|header| header[1].as_str());
    value.unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_token_serves_every_call_and_no_key_goes_upstream() {
    let world = world(None).await;
    for _ in 0..3 {
        let reply = post(&process(&world), &image()).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    }
    assert_eq!(world.simulator.bill().requests_to("POST /oauth/token"), 1);
    assert_eq!(world.booked("org-pu").await, world.billed());
    let arrived = world.simulator.requests();
    let images = arrived
        .iter()
        .filter(|request| request.to_string().contains("/process"));
    let shown: BTreeSet<String> = images.map(authorization).collect();
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert!(
        shown.iter().all(|value| value.starts_with("Bearer ")),
        "{shown:?}"
    );
    for request in &arrived {
        let seen = request.to_string();
        assert!(!seen.contains(KEY), "{seen}");
        assert!(
            !seen.contains(UPSTREAM_KEY) || seen.contains("oauth"),
            "{seen}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_nothing_is_sent_and_nothing_stays_held() {
    // port 9 discards; nothing listens there
    let world = world(Some("http://127.0.0.1:9/token")).await;
    let reply = post(&process(&world), &image()).await;
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY, "{}", reply.text());
    let text = reply.text();
    assert!(
        text.contains("no access token") && text.contains("nothing was charged"),
        "{text}"
    );
    assert!(!text.contains(UPSTREAM_KEY));
    assert!(world.simulator.requests().is_empty());
    assert_eq!(world.booked("org-pu").await, Amount::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_upstream_refuses_is_fetched_anew_for_the_next_call() {
    let world = world(None).await;
    assert_eq!(
        post(&process(&world), &image()).await.status,
        StatusCode::OK
    );
    let fault = Fault::new(None, "/api/v1/process", 1, "status=401").expect("a fault");
    world.simulator.inject(fault);
    let refused = post(&process(&world), &image()).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        world.simulator.bill().requests_to("POST /oauth/token"),
        1,
        "nothing is sent again"
    );
    assert_eq!(
        post(&process(&world), &image()).await.status,
        StatusCode::OK
    );
    assert_eq!(world.simulator.bill().requests_to("POST /oauth/token"), 2);
}
