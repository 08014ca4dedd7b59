//! What fails on request, what is refused, and what the bill says of it.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::{Bench, order_body, process_body};
use crate::simulator::{Fault, Options};

#[tokio::test]
async fn a_reset_comes_before_or_after_the_charge_as_it_was_asked() {
    let bench = Bench::new().await;
    for (fault, charged) in [
        ("reset-before-charge", "0"),
        ("reset-after-charge", "1.333334"),
    ] {
        let headers = [("simulator-fault", fault)];
        let body = process_body().to_string();
        let sent = bench.send("POST", "/api/v1/process", &headers, body).await;
        assert!(sent.is_err(), "{fault}");
        assert_eq!(bench.pu(), charged, "{fault}");
    }
}

#[tokio::test]
async fn a_refusal_on_request_is_not_charged_and_speaks_the_apis_own_language() {
    let bench = Bench::new().await;
    let headers = [("simulator-fault", "status=429")];
    let body = process_body().to_string();
    let refused = bench
        .send("POST", "/api/v1/process", &headers, body)
        .await
        .unwrap();
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers["retry-after"], "1000");
    let error: Value = serde_json::from_slice(&refused.bytes).unwrap();
    assert_eq!(error["error"]["code"], "RATE_LIMIT_EXCEEDED");
    assert_eq!(bench.pu(), "0");
}

#[tokio::test]
async fn a_stalled_request_is_charged_and_never_answered() {
    let bench = Bench::new().await;
    let headers = [("simulator-fault", "stall")];
    let sent = bench.send(
        "POST",
        "/api/v1/process",
        &headers,
        process_body().to_string(),
    );
    let waited = tokio::time::timeout(Duration::from_millis(300), sent).await;
    assert!(waited.is_err(), "it was answered");
    assert_eq!(bench.pu(), "1.333334");
}

#[tokio::test]
async fn queued_faults_strike_in_turn_and_can_be_cleared() {
    let bench = Bench::new().await;
    let fault =
        json!({"method": "POST", "path": "/compute/ops/orders", "times": 1, "fault": "status=502"});
    assert_eq!(
        bench.post("/_simulator/faults", &fault).await.status,
        StatusCode::NO_CONTENT
    );
    let first = bench.post("/compute/ops/orders/v2", &order_body()).await;
    assert_eq!(first.status, StatusCode::BAD_GATEWAY);
    let second = bench.post("/compute/ops/orders/v2", &order_body()).await;
    assert_eq!(second.status, StatusCode::ACCEPTED);
    bench
        .simulator
        .inject(Fault::new(None, "/", 9, "status=500").unwrap());
    let cleared = bench
        .send("DELETE", "/_simulator/faults", &[], "")
        .await
        .unwrap();
    assert_eq!(cleared.status, StatusCode::NO_CONTENT);
    assert_eq!(
        bench.get("/compute/ops/orders/v2").await.status,
        StatusCode::OK
    );
    let wrong = bench
        .post("/_simulator/faults", &json!({"fault": "explode"}))
        .await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_truncated_answer_breaks_and_a_slow_one_takes_its_time() {
    let bench = Bench::new().await;
    let broken = [("simulator-fault", "truncate")];
    let sent = bench
        .send("GET", "/_storage/blob?bytes=100000", &broken, "")
        .await;
    assert!(sent.is_err(), "it was whole");
    let slow = [("simulator-fault", "slow-body=320ms")];
    let watch = crate::clock::Stopwatch::start();
    let sent = bench
        .send("GET", "/compute/ops/bundles/spec", &slow, "")
        .await
        .unwrap();
    assert!(sent.json()["bundles"].is_object());
    assert!(watch.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_call_leads_elsewhere_or_hides_its_length_when_asked_to() {
    let bench = Bench::new().await;
    let elsewhere = [("simulator-fault", "redirect=http://169.254.169.254/x?a=b")];
    let sent = bench
        .send("GET", "/data/v1/item-types", &elsewhere, "")
        .await
        .unwrap();
    assert_eq!(sent.status, StatusCode::FOUND);
    assert_eq!(sent.headers["location"], "http://169.254.169.254/x?a=b");
    let hidden = [("simulator-fault", "no-length")];
    let sent = bench
        .send("GET", "/_storage/blob?bytes=1000", &hidden, "")
        .await
        .unwrap();
    assert_eq!(sent.bytes.len(), 1000);
    assert!(!sent.headers.contains_key("content-length"));
}

#[tokio::test]
async fn compressed_answers_say_so() {
    let options = Options {
        gzip: true,
        ..Options::default()
    };
    let bench = Bench::with(options).await;
    let accepting = [("accept-encoding", "gzip, deflate")];
    let packed = bench
        .send("GET", "/data/v1/item-types", &accepting, "")
        .await
        .unwrap();
    assert_eq!(packed.headers["content-encoding"], "gzip");
    assert!(packed.bytes.starts_with(b"\x1f\x8b"));
    assert!(bench.get("/data/v1/item-types").await.json()["item_types"].is_array());
}

#[tokio::test]
async fn without_a_known_key_nothing_is_answered_or_charged() {
    let accepted_keys = Some(["planet-key".to_owned()].into());
    let options = Options {
        accepted_keys,
        ..Options::default()
    };
    let bench = Bench::with(options).await;
    let refused = bench.post("/compute/ops/orders/v2", &order_body()).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let refused = bench.post("/api/v1/process", &process_body()).await;
    let error: Value = serde_json::from_slice(&refused.bytes).unwrap();
    assert_eq!(error["error"]["status"], 401);
    assert_eq!(bench.pu(), "0");
}

#[tokio::test]
async fn the_log_shows_what_arrived_credentials_and_all() {
    let bench = Bench::new().await;
    bench.get("/data/v1/item-types?a=b").await;
    let seen = bench.get("/_simulator/requests").await.json();
    let request = &seen["requests"][0];
    assert_eq!(
        (&request["path"], &request["query"]),
        (&json!("/data/v1/item-types"), &json!("a=b"))
    );
    let headers = request["headers"].as_array().unwrap();
    assert!(
        headers.contains(&json!(["authorization", "api-key team-key"])),
        "{headers:?}"
    );
}

#[tokio::test]
async fn nothing_that_comes_over_the_wire_brings_it_down() {
    let bench = Bench::new().await;
    let bodies = [
        "",
        "null",
        "[]",
        "{",
        "\"x\"",
        "{\"products\": 3}",
        "{\"input\": {\"bounds\": {\"bbox\": [1, 2]}}}",
        "{\"source\": {\"parameters\": {\"geometry\": {\"type\": \"Polygon\", \"coordinates\": [[[]]]}}}}",
        "{\"name\": \"x\", \"products\": [{\"mosaic_name\": 1, \"quad_ids\": {}}], \"tools\": [1]}",
    ];
    let paths = [
        "/compute/ops/orders/v2",
        "/subscriptions/v1",
        "/subscriptions/v1/bulk",
        "/data/v1/quick-search",
        "/data/v1/stats",
        "/api/v1/process",
        "/api/v1/statistics",
        "/api/v1/async/process",
        "/api/v2/batch/process",
        "/api/v1/catalog/1.0.0/search",
        "/api/v1/byoc/collections",
        "/account/v1/quota-reservations/",
        "/features/v1/ogc/my/collections",
        "/oauth/token",
        "/destinations/v1",
        "/ogc/wms/x?request=GetMap&width=x&bbox=1,2",
        "/basemaps/v1/mosaics/x/quads/search",
        "/data/v1/download?token=a.b.c",
        "/%ff/%00//..",
        "/_simulator/faults",
    ];
    for path in paths {
        for body in bodies {
            let answer = bench.send("POST", path, &[], body).await.unwrap();
            assert!(
                !answer.status.is_server_error(),
                "{path} {body} {}",
                answer.status
            );
        }
    }
    assert_eq!(
        bench.get("/_simulator/bill").await.json()["totals"]["km2"],
        "0"
    );
}
