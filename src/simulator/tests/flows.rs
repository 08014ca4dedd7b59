//! The flows that teams live by: pictures, statistics, searches, orders and subscriptions.

use http::StatusCode;
use serde_json::json;

use super::{Bench, field, order_body, process_body, subscription_body};
use crate::simulator::{LinkOrigins, Options};

#[tokio::test]
async fn a_picture_comes_in_chunks_with_its_cost_in_single_precision() {
    let bench = Bench::new().await;
    for path in ["/api/v1/process", "/process/v1", "//process/v1/"] {
        let picture = bench.post(path, &process_body()).await;
        assert_eq!(picture.headers["content-type"], "image/tiff");
        assert_eq!(picture.headers["transfer-encoding"], "chunked");
        assert_eq!(picture.headers["x-processunits"], "1.3333333730697632");
        assert!(picture.bytes.starts_with(b"II*\0"));
    }
    assert_eq!(bench.pu(), "4.000002");
    assert_eq!(
        bench.simulator.bill().requests_to("POST /api/v1/process"),
        1
    );
}

#[tokio::test]
async fn a_form_in_two_parts_costs_what_the_json_costs() {
    let bench = Bench::new().await;
    let mut request = process_body();
    let script = request["evalscript"].take();
    request.as_object_mut().unwrap().remove("evalscript");
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"request\"\r\n\r\n{request}\r\n--b\r\n\
         Content-Disposition: form-data; name=\"evalscript\"\r\n\r\n{}\r\n--b--\r\n",
        script.as_str().unwrap()
    );
    let headers = [("content-type", "multipart/form-data; boundary=b")];
    let picture = bench
        .send("POST", "/process/v1", &headers, body)
        .await
        .unwrap();
    assert_eq!(picture.headers["x-processunits"], "1.3333333730697632");
}

#[tokio::test]
async fn statistics_are_charged_for_the_days_that_were_seen() {
    let bench = Bench::new().await;
    let body = json!({
        "input": process_body()["input"],
        "aggregation": {
            "timeRange": {"from": "2026-05-01T00:00:00Z", "to": "2026-05-31T00:00:00Z"},
            "aggregationInterval": {"of": "P1D"}, "width": 512, "height": 512,
            "evalscript": "//VERSION=3\nfunction setup() { return { input: ['B04', 'B08', 'SCL', 'dataMask'], \
                output: [{ id: 'ndvi', bands: 1, sampleType: 'UINT8' }, { id: 'dataMask', bands: 1 }] } }",
        },
    });
    let answer = bench.post("/api/v1/statistics", &body).await;
    let statistics = answer.json();
    assert_eq!(statistics["status"], "OK");
    assert_eq!(statistics["data"].as_array().unwrap().len(), 6);
    assert!(statistics["data"][0]["outputs"]["ndvi"]["bands"]["B0"]["stats"].is_object());
    assert_eq!(answer.headers["x-processunits"], "6");
}

#[tokio::test]
async fn a_catalog_search_is_paged_by_a_number_and_by_links() {
    let bench = Bench::new().await;
    let mut body = json!({"collections": ["sentinel-2-l2a"], "bbox": [14.0, 46.0, 14.1, 46.1],
        "datetime": "2026-01-01T00:00:00Z/2026-04-01T00:00:00Z", "limit": 10});
    let first = bench.post("/api/v1/catalog/1.0.0/search", &body).await;
    assert_eq!(first.headers["x-processunits"], "0.029999999329447746");
    let first = first.json();
    assert_eq!(first["features"].as_array().unwrap().len(), 10);
    let next = first["links"]
        .as_array()
        .unwrap()
        .iter()
        .find(|link| link["rel"] == "next")
        .unwrap();
    assert_eq!(next["href"], bench.url("/catalog/v1/search"));
    body["next"] = first["context"]["next"].clone();
    let second = bench.post("/catalog/v1/search", &body).await.json();
    assert_eq!(second["features"].as_array().unwrap().len(), 8);
    assert!(second["context"]["next"].is_null());
}

#[tokio::test]
async fn a_token_is_given_for_a_secret_and_expires() {
    let options = Options {
        accepted_keys: Some(["planet-key".to_owned()].into()),
        clients: Some([("id".to_owned(), "secret".to_owned())].into()),
        ..Options::default()
    };
    let bench = Bench::with(options).await;
    let path = "/auth/realms/main/protocol/openid-connect/token";
    let form =
        |secret: &str| format!("grant_type=client_credentials&client_id=id&client_secret={secret}");
    let refused = bench.send("POST", path, &[], form("wrong")).await.unwrap();
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let token = bench
        .send("POST", path, &[], form("secret"))
        .await
        .unwrap()
        .json();
    assert_eq!(token["expires_in"], 3_600);
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let status = async || {
        let request = http::Request::get(bench.url("/api/v1/byoc/collections"))
            .header("authorization", bearer.as_str())
            .body(http_body_util::Full::default())
            .unwrap();
        bench.client.request(request).await.unwrap().status()
    };
    assert_eq!(status().await, StatusCode::OK);
    bench.wait(1);
    assert_eq!(status().await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_search_is_paged_by_absolute_links_to_its_end() {
    let bench = Bench::new().await;
    let body = json!({"item_types": ["PSScene"], "filter": {"type": "DateRangeFilter", "field_name": "acquired",
        "config": {"gte": "2026-01-01T00:00:00Z", "lt": "2026-03-01T00:00:00Z"}}});
    let mut page = bench
        .post("/data/v1/quick-search?_page_size=20", &body)
        .await
        .json();
    let mut ids = Vec::new();
    loop {
        let features = page["features"].as_array().unwrap().iter();
        ids.extend(features.map(|feature| feature["id"].to_string()));
        let Some(next) = page["_links"]["_next"].as_str() else {
            break;
        };
        page = bench.get(next).await.json();
    }
    let stats = bench
        .post(
            "/data/v1/stats",
            &json!({"interval": "month", "item_types": ["PSScene"],
        "filter": body["filter"]}),
        )
        .await
        .json();
    let counted: u64 = stats["buckets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bucket| bucket["count"].as_u64().unwrap())
        .sum();
    assert_eq!(u64::try_from(ids.len()).unwrap(), counted);
    ids.sort();
    ids.dedup();
    assert_eq!(u64::try_from(ids.len()).unwrap(), counted);
    assert_eq!(bench.pu(), "0");
}

#[tokio::test]
async fn an_asset_is_activated_once_a_day_and_downloaded_by_its_location() {
    let bench = Bench::new().await;
    let path = "/data/v1/item-types/PSScene/items/20260601_101500_11_24f1/assets";
    let asset = bench.get(path).await.json()["ortho_visual"].clone();
    assert_eq!(asset["status"], "inactive");
    let activate = asset["_links"]["activate"].as_str().unwrap();
    assert_eq!(bench.get(activate).await.status, StatusCode::ACCEPTED);
    assert_eq!(bench.get(activate).await.status, StatusCode::ACCEPTED);
    assert_eq!(bench.get(activate).await.status, StatusCode::NO_CONTENT);
    assert_eq!(bench.pu(), "20");
    let active = bench
        .get(asset["_links"]["_self"].as_str().unwrap())
        .await
        .json();
    assert_eq!(active["status"], "active");
    let redirect = bench.get(active["location"].as_str().unwrap()).await;
    assert_eq!(redirect.status, StatusCode::FOUND);
    let file = bench
        .get(redirect.headers["location"].to_str().unwrap())
        .await;
    assert_eq!(file.headers["content-length"], "1048576");
    assert_eq!(bench.pu(), "20.209716"); // 1 MiB at 200 PU for 10⁹ bytes
    bench.wait(24);
    assert_eq!(bench.get(activate).await.status, StatusCode::ACCEPTED);
    assert_eq!(bench.pu(), "40.209716");
}

#[tokio::test]
async fn an_order_is_charged_when_it_is_placed_and_delivers_when_it_is_done() {
    let bench = Bench::new().await;
    let placed = bench
        .post("/compute/ops/orders/v2", &order_body())
        .await
        .json();
    assert_eq!(placed["state"], "queued");
    assert_eq!(bench.pu(), "40");
    let link = placed["_links"]["_self"].as_str().unwrap();
    assert_eq!(bench.get(link).await.json()["state"], "running");
    let late = bench.send("PUT", link, &[], "").await.unwrap();
    assert_eq!(late.status, StatusCode::CONFLICT);
    let done = bench.get(link).await.json();
    assert_eq!(done["state"], "success");
    let results = done["_links"]["results"].as_array().unwrap();
    assert_eq!(results.len(), 4); // three files and the manifest
    let redirect = bench.get(results[0]["location"].as_str().unwrap()).await;
    let storage = redirect.headers["location"].to_str().unwrap();
    assert!(
        storage.contains("/_storage/compute-orders-live/"),
        "{storage}"
    );
    let ranged = bench
        .send("GET", storage, &[("range", "bytes=10-19")], "")
        .await
        .unwrap();
    assert_eq!(
        (ranged.status, ranged.bytes.len()),
        (StatusCode::PARTIAL_CONTENT, 10)
    );
    assert_eq!(ranged.headers["content-range"], "bytes 10-19/1048576");
}

#[tokio::test]
async fn the_manifest_of_an_order_holds_the_digests_of_its_files() {
    let options = Options {
        asset_bytes: 3,
        polls_until_done: 0,
        ..Options::default()
    };
    let bench = Bench::with(options).await;
    let placed = bench
        .post("/compute/ops/orders/v2", &order_body())
        .await
        .json();
    let order = bench.get(placed["_links"]["_self"].as_str().unwrap()).await;
    let order = order.json();
    let results = order["_links"]["results"].as_array().unwrap();
    let manifest = results.last().unwrap()["location"].as_str().unwrap();
    let redirect = bench.get(manifest).await;
    let manifest = bench
        .get(redirect.headers["location"].to_str().unwrap())
        .await;
    // SHA-256 of the bytes 0, 1 and 2.
    let digest = "ae4b3280e56e2faf83f414a6e3dabe9d5fbe18976544c05fed121accb85b53fc";
    assert_eq!(manifest.json()["files"][0]["digests"]["sha256"], digest);
}

#[tokio::test]
async fn an_address_in_storage_is_good_as_it_is_written_and_for_an_hour() {
    let options = Options {
        polls_until_done: 0,
        bare_locations: true,
        ..Options::default()
    };
    let bench = Bench::with(options).await;
    let placed = bench
        .post("/compute/ops/orders/v2", &order_body())
        .await
        .json();
    let order = bench.get(placed["_links"]["_self"].as_str().unwrap()).await;
    let address = order.json()["_links"]["results"][0]["location"].clone();
    let address = address.as_str().unwrap();
    let status = async |address: &str| bench.get(address).await.status;
    assert_eq!(status(address).await, StatusCode::OK);
    let tampered = [
        address.replace("bytes=1048576", "bytes=1048577"),
        address.replace("%7e", "~"),
        address.replace("%2F", "/"),
        address
            .split("&X-Goog-Signature")
            .next()
            .unwrap()
            .to_owned(),
    ];
    for tampered in tampered {
        assert_eq!(status(&tampered).await, StatusCode::FORBIDDEN, "{tampered}");
    }
    bench.wait(1);
    assert_eq!(status(address).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn http_2_is_spoken_as_well() {
    let bench = Bench::new().await;
    let mut builder =
        hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new());
    let client = builder.http2_only(true).build_http();
    let request = http::Request::get(bench.url("/_storage/blob?bytes=300000"))
        .body(http_body_util::Full::<bytes::Bytes>::default())
        .unwrap();
    let answer = client.request(request).await.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
    assert_eq!(answer.headers()["content-length"], "300000");
    let body = http_body_util::BodyExt::collect(answer.into_body())
        .await
        .unwrap();
    assert_eq!(body.to_bytes().len(), 300_000);
}

#[tokio::test]
async fn a_wrong_order_is_refused_in_planets_shape_and_costs_nothing() {
    let bench = Bench::new().await;
    let mut body = order_body();
    body["products"][0]["item_type"] = "NoSuchType".into();
    let refused = bench.post("/compute/ops/orders/v2", &body).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let error: serde_json::Value = serde_json::from_slice(&refused.bytes).unwrap();
    assert!(error["field"]["Products"][0]["message"].is_string());
    assert_eq!(error["general"][0]["message"], "Unable to accept order");
    assert_eq!(bench.pu(), "0");
}

#[tokio::test]
async fn queued_orders_are_listed_by_page_and_cancelled() {
    let bench = Bench::new().await;
    for _ in 0..5 {
        bench.post("/compute/ops/orders/v2", &order_body()).await;
    }
    let first = bench
        .get("/compute/ops/orders/v2?page_size=3&state=queued")
        .await
        .json();
    assert_eq!(first["orders"].as_array().unwrap().len(), 3);
    let second = bench
        .get(first["_links"]["next"].as_str().unwrap())
        .await
        .json();
    assert_eq!(second["orders"].as_array().unwrap().len(), 2);
    let cancelled = bench
        .post("/compute/ops/bulk/orders/v2/cancel", &json!({}))
        .await
        .json();
    assert_eq!(cancelled["result"]["succeeded"]["count"], 5);
}

#[tokio::test]
async fn a_subscription_pays_its_past_at_once_and_its_future_day_by_day() {
    let bench = Bench::new().await;
    let body = subscription_body("2026-06-01T00:00:00Z", None);
    let created = bench.post("/subscriptions/v1", &body).await.json();
    assert_eq!(created["status"], "preparing");
    let bill = bench.simulator.bill();
    let day = bill.total_aum().amount().micros() / 14; // whole days only
    assert_eq!(bill.total_aum().amount().micros(), 14 * day);
    assert!((850_000..870_000).contains(&day), "{day} m²");
    assert!(bill.total_pu().amount().whole_floor() >= 20);
    bench.wait(48);
    let link = created["_links"]["_self"].as_str().unwrap();
    assert_eq!(bench.get(link).await.json()["status"], "running");
    assert_eq!(
        bench.simulator.bill().total_aum().amount().micros(),
        16 * day
    );
    let cancelled = bench.post(&format!("{link}/cancel"), &json!({})).await;
    assert_eq!(cancelled.status, StatusCode::OK);
    bench.wait(240);
    bench.get(link).await;
    assert_eq!(
        bench.simulator.bill().total_aum().amount().micros(),
        16 * day
    );
}

#[tokio::test]
async fn a_past_subscription_completes_and_cannot_be_edited() {
    let bench = Bench::new().await;
    let body = subscription_body("2026-01-01T00:00:00Z", Some("2026-01-31T00:00:00Z"));
    let created = bench.post("/subscriptions/v1/", &body).await.json();
    let link = created["_links"]["_self"].as_str().unwrap();
    assert_eq!(bench.get(link).await.json()["status"], "completed");
    let edit = bench
        .send("PUT", link, &[], body.to_string())
        .await
        .unwrap();
    assert_eq!(edit.status, StatusCode::BAD_REQUEST);
    let results = bench
        .get(&format!("{link}/results?page_size=5"))
        .await
        .json();
    assert!(
        results["results"]
            .as_array()
            .is_some_and(|results| results.len() == 5)
    );
    let before = bench.pu();
    bench.wait(24);
    bench.get(link).await;
    assert_eq!(bench.pu(), before);
}

#[tokio::test]
async fn links_can_pretend_to_be_planets_own() {
    let link_origins = LinkOrigins::of_planet();
    let options = Options {
        link_origins,
        ..Options::default()
    };
    let bench = Bench::with(options).await;
    let placed = bench
        .post("/compute/ops/orders/v2", &order_body())
        .await
        .json();
    let link = placed["_links"]["_self"].as_str().unwrap();
    assert!(
        link.starts_with("https://api.planet.com/compute/ops/orders/v2/"),
        "{link}"
    );
    let body = json!({"item_types": ["PSScene"], "filter": {}, "geometry": field()});
    let found = bench.post("/data/v1/quick-search", &body).await.json();
    let thumbnail = found["features"][0]["_links"]["thumbnail"]
        .as_str()
        .unwrap();
    assert!(
        thumbnail.starts_with("https://tiles.planet.com/data/v1/"),
        "{thumbnail}"
    );
}
