//! What cannot be understood is answered with a sentence, and never forwarded.

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{KEY, Reply, World, call, get};

const ROOMY: &str = r#"
[[budgets]]
name = "org-pu"
unit = "pu"
limit = 1000000
window = "month"
"#;
const PROCESS: &str = "/sentinel-hub/api/v1/process";
const STATISTICS: &str = "/sentinel-hub/api/v1/statistics";
const ORDERS: &str = "/compute/ops/orders/v2";
const SUBSCRIPTIONS: &str = "/subscriptions/v1";

async fn send(world: &World, path: &str, body: Bytes, more: &[(&str, &str)]) -> Reply {
    let authorization = format!("api-key {KEY}");
    let mut headers = vec![("authorization", &*authorization)];
    if !more.iter().any(|(name, _)| *name == "content-type") {
        headers.push(("content-type", "application/json"));
    }
    headers.extend(more);
    call(
        Method::POST,
        &format!("{}{path}", world.guard.url),
        &headers,
        body,
    )
    .await
}

/// A refusal of the caller's mistake: 4xx, a sentence, and upstream has heard nothing.
async fn assert_refused(
    world: &World,
    what: &str,
    path: &str,
    body: Bytes,
    headers: &[(&str, &str)],
) {
    let reply = send(world, path, body, headers).await;
    assert!(
        reply.status.is_client_error(),
        "{what}: {} {}",
        reply.status,
        reply.text()
    );
    assert_ne!(reply.status, StatusCode::UNAUTHORIZED, "{what}");
    let problem = reply.json();
    let sentence = problem["message"].as_str().unwrap_or_default();
    assert!(sentence.len() > 20, "{what}: {sentence}");
    assert_eq!(world.simulator.requests().len(), 0, "{what} was forwarded");
}

fn process(change: impl FnOnce(&mut Value)) -> Bytes {
    let mut body = json!({
        "input": {
            "bounds": {"bbox": [14.0, 46.0, 14.1, 46.1]},
            "data": [{"type": "sentinel-2-l2a", "dataFilter": {"timeRange":
                {"from": "2026-06-01T00:00:00Z", "to": "2026-06-30T23:59:59Z"}}}]},
        "output": {"width": 512, "height": 512},
        "evalscript": "//VERSION=3\nfunction setup() { return { input: [\"B02\"], output: { bands: 1 } } }"
    });
    change(&mut body);
    body.to_string().into()
}

fn statistics(from: &str, to: &str) -> Bytes {
    let body = json!({
        "input": {"bounds": {"bbox": [14.0, 46.0, 14.1, 46.1]}, "data": [{"type": "sentinel-2-l2a"}]},
        "aggregation": {
            "timeRange": {"from": from, "to": to}, "aggregationInterval": {"of": "P1D"},
            "evalscript": "//VERSION=3\nfunction setup() { return { input: [\"B02\"], \
                           output: [{id: \"a\", bands: 1}] } }"}
    });
    body.to_string().into()
}

fn subscription(change: impl FnOnce(&mut Value)) -> Bytes {
    let mut body = json!({
        "name": "field",
        "source": {"type": "catalog", "parameters": {
            "item_types": ["PSScene"], "asset_types": ["ortho_analytic_8b_sr"],
            "geometry": {"type": "Polygon", "coordinates":
                [[[14.5, 46.0], [14.6, 46.0], [14.6, 46.1], [14.5, 46.1], [14.5, 46.0]]]},
            "start_time": "2026-06-01T00:00:00Z", "end_time": "2026-07-01T00:00:00Z"}},
        "delivery": {"type": "google_cloud_storage", "parameters": {"bucket": "b", "credentials": "c"}}
    });
    change(&mut body["source"]["parameters"]);
    body.to_string().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_not_the_json_of_the_api_are_refused() {
    let world = World::start(ROOMY).await;
    let whole = process(|_| ());
    let text = String::from_utf8(whole.to_vec()).expect("text");
    let doubled = text.replacen("{\"evalscript\"", "{\"evalscript\":\"\",\"evalscript\"", 1);
    assert_ne!(doubled, text);
    let bodies: [(&str, Bytes); 9] = [
        ("no body", Bytes::new()),
        ("no JSON", "width=512&height=512".into()),
        ("truncated", whole.slice(..whole.len() / 2)),
        ("two documents", format!("{text}{text}").into()),
        ("a key twice", doubled.into()),
        (
            "deep nesting",
            format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)).into(),
        ),
        ("NaN", text.replace("512", "NaN").into()),
        ("1e999", text.replace("512", "1e999").into()),
        (
            "a wrong type",
            process(|body| body["output"] = json!([512, 512])),
        ),
    ];
    for path in [PROCESS, ORDERS, SUBSCRIPTIONS, STATISTICS] {
        for (what, body) in &bodies {
            assert_refused(
                &world,
                &format!("{what} to {path}"),
                path,
                body.clone(),
                &[],
            )
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_too_large_or_compressed_are_refused_unread() {
    let world = World::start(ROOMY).await;
    let large = Bytes::from(vec![b' '; 100 << 20]);
    let reply = send(&world, ORDERS, large, &[]).await;
    assert_eq!(
        reply.status,
        StatusCode::PAYLOAD_TOO_LARGE,
        "{}",
        reply.text()
    );
    let bomb = send(&world, ORDERS, gzip_bomb(), &[("content-encoding", "gzip")]).await;
    assert_eq!(
        bomb.status,
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "{}",
        bomb.text()
    );
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/xml",
    ] {
        let more = [("content-type", content_type)];
        assert_refused(&world, content_type, PROCESS, process(|_| ()), &more).await;
    }
    assert_eq!(world.simulator.requests().len(), 0);
}

/// 64 MiB of zeros in 64 KiB.
fn gzip_bomb() -> Bytes {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        encoder.write_all(&vec![0; 1 << 20]).expect("it fits");
    }
    encoder.finish().expect("a bomb").into()
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_boxes_and_times_that_make_no_sense_are_refused() {
    let world = World::start(ROOMY).await;
    let time = |from: &str, to: &str| {
        let range = json!({"from": from, "to": to});
        process(|body| body["input"]["data"][0]["dataFilter"]["timeRange"] = range)
    };
    let cases: [(&str, Bytes); 9] = [
        (
            "a negative width",
            process(|body| body["output"]["width"] = json!(-1)),
        ),
        (
            "no width at all",
            process(|body| body["output"]["width"] = json!(0)),
        ),
        (
            "a fraction of a pixel",
            process(|body| body["output"]["width"] = json!(0.5)),
        ),
        (
            "a huge width",
            process(|body| body["output"]["width"] = json!(1_000_000_000)),
        ),
        (
            "a box inside out",
            process(|body| body["input"]["bounds"]["bbox"] = json!([14.1, 46, 14.0, 46.1])),
        ),
        (
            "a box of three",
            process(|body| body["input"]["bounds"]["bbox"] = json!([14.1, 46, 14.0])),
        ),
        (
            "the end before the start",
            time("2026-06-30T00:00:00Z", "2026-06-01T00:00:00Z"),
        ),
        (
            "the year 0",
            time("0000-01-01T00:00:00Z", "2026-06-01T00:00:00Z"),
        ),
        ("no time", time("", "")),
    ];
    for (what, body) in cases {
        assert_refused(&world, what, PROCESS, body, &[]).await;
    }
    let empty = statistics("2026-06-01T00:00:00Z", "2026-06-01T00:00:00Z");
    assert_refused(&world, "an empty range", STATISTICS, empty, &[]).await;
    let backwards = statistics("2026-06-02T00:00:00Z", "2026-06-01T00:00:00Z");
    assert_refused(&world, "backwards", STATISTICS, backwards, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn areas_and_dates_of_subscriptions_that_make_no_sense_are_refused() {
    let world = World::start(ROOMY).await;
    let ring = |ring: Value| {
        subscription(|parameters| {
            parameters["geometry"] = json!({"type": "Polygon", "coordinates": [ring]});
        })
    };
    let date = |name: &'static str, value: &'static str| {
        subscription(move |parameters| parameters[name] = json!(value))
    };
    let cases = [
        (
            "a bow tie",
            ring(json!([[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]])),
        ),
        (
            "across the antimeridian",
            ring(json!([[179, 0], [-179, 0], [-179, 1], [179, 1], [179, 0]])),
        ),
        ("a line", ring(json!([[0, 0], [1, 1], [0, 0]]))),
        (
            "an open ring",
            ring(json!([[0, 0], [1, 0], [1, 1], [0, 1]])),
        ),
        (
            "past the pole",
            ring(json!([[0, 80], [1, 80], [1, 100], [0, 100], [0, 80]])),
        ),
        ("the year 0", date("start_time", "0000-01-01T00:00:00Z")),
        (
            "the end before the start",
            date("end_time", "2020-01-01T00:00:00Z"),
        ),
        ("an empty window", date("end_time", "2026-06-01T00:00:00Z")),
        ("no date", date("start_time", "last spring")),
        (
            "no start",
            subscription(|parameters| {
                parameters
                    .as_object_mut()
                    .expect("an object")
                    .remove("start_time");
            }),
        ),
        (
            "no item type",
            subscription(|parameters| parameters["item_types"] = json!([])),
        ),
    ];
    for (what, body) in cases {
        assert_refused(&world, what, SUBSCRIPTIONS, body, &[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_rule_knows_or_bounds_is_refused_with_the_reason() {
    let world = World::start(ROOMY).await;
    let cases = [
        (
            "an unknown call",
            "/data/v9/everything",
            Bytes::from("{}"),
            "not-classified",
        ),
        (
            "another case",
            "/Compute/Ops/Orders/v2",
            Bytes::from("{}"),
            "not-classified",
        ),
        (
            "a legacy login",
            "/v0/auth/login",
            Bytes::from("{}"),
            "not-classified",
        ),
        (
            "an unknown bundle",
            ORDERS,
            order("everything"),
            "cost-not-predictable",
        ),
    ];
    for (what, path, body, problem) in cases {
        let reply = send(&world, path, body, &[]).await;
        assert_eq!(
            reply.status,
            StatusCode::FORBIDDEN,
            "{what}: {}",
            reply.text()
        );
        let kind = reply.json()["type"]
            .as_str()
            .map(ToOwned::to_owned)
            .unwrap_or_default();
        assert!(kind.ends_with(problem), "{what}: {kind}");
        let page = get(&kind, &[]).await;
        assert_eq!(page.status, StatusCode::OK, "{kind} explains itself");
    }
    assert_eq!(world.simulator.requests().len(), 0);
}

fn order(bundle: &str) -> Bytes {
    let body = json!({"name": "o", "products": [
        {"item_ids": ["20260601_101500_11_24f1"], "item_type": "PSScene", "product_bundle": bundle}]});
    body.to_string().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_that_servers_could_read_differently_are_refused() {
    let world = World::start(ROOMY).await;
    let authorization = format!("api-key {KEY}");
    for path in [
        "/data/v1/../../compute/ops/orders/v2",
        "/data/v1/%2e%2e/orders",
        "/compute%2Fops/orders/v2",
        "/compute/ops/orders%252Fv2",
        "/compute/ops/orders;v=1/v2",
        "/compute/ops/orders/v2%00",
    ] {
        let url = format!("{}{path}", world.guard.url);
        let reply = get(&url, &[("authorization", &authorization)]).await;
        assert!(reply.status.is_client_error(), "{path}: {}", reply.status);
    }
    assert_eq!(world.simulator.requests().len(), 0);
    let doubled = format!("{}//compute//ops//orders//v2", world.guard.url);
    let reply = get(&doubled, &[("authorization", &authorization)]).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    assert_eq!(
        world.simulator.requests()[0]["path"],
        "/compute/ops/orders/v2"
    );
}
