//! The rest of Planet's surface: features, quota, basemaps, tiles, jobs, collections and OGC.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::{Bench, Options, field, process_body, subscription_body};

async fn feature(bench: &Bench) -> (String, String) {
    let collection = bench
        .post(
            "/features/v1/ogc/my/collections",
            &json!({"title": "Fields"}),
        )
        .await
        .json();
    let collection = collection["id"].as_str().unwrap().to_owned();
    let body = json!({"type": "Feature", "geometry": field(), "properties": {}});
    let path = format!("/features/v1/ogc/my/collections/{collection}/items");
    let references = bench.post(&path, &body).await.json();
    (collection, references[0].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_reference_to_a_feature_stands_for_its_area() {
    let bench = Bench::new().await;
    let (collection, reference) = feature(&bench).await;
    let mut body = subscription_body("2026-06-01T00:00:00Z", None);
    body["source"]["parameters"]["geometry"] = json!({"type": "ref", "content": reference});
    let created = bench.post("/subscriptions/v1", &body).await.json();
    assert_eq!(
        created["source"]["parameters"]["geom_ref"],
        json!(reference)
    );
    assert_eq!(
        created["source"]["parameters"]["geometry"]["type"],
        "Polygon"
    );
    let one = bench.simulator.bill().total_aum().amount().micros();
    body["source"]["parameters"]["geometry"]["content"] =
        json!(format!("pl:features/my/{collection}"));
    let bulk = bench
        .post(
            "/subscriptions/v1/bulk",
            &json!({"subscriptions": [body, body]}),
        )
        .await;
    assert!(bulk.json()["_links"]["list"].is_string());
    assert_eq!(
        bench.simulator.bill().total_aum().amount().micros(),
        3 * one
    );
}

#[tokio::test]
async fn a_collection_is_its_makers_until_it_is_shared() {
    let bench = Bench::new().await;
    let (collection, reference) = feature(&bench).await;
    let collection = format!("/features/v1/ogc/my/collections/{collection}");
    let stranger = [("authorization", "api-key another")];
    let seen = || async {
        let shown = bench.send("GET", &collection, &stranger, "").await;
        shown.unwrap().status
    };
    let mut body = subscription_body("2026-06-01T00:00:00Z", None);
    body["source"]["parameters"]["geometry"] = json!({"type": "ref", "content": reference});
    let theirs = bench
        .send("POST", "/subscriptions/v1", &stranger, body.to_string())
        .await;
    assert_eq!(theirs.unwrap().status, StatusCode::BAD_REQUEST);
    assert_eq!(seen().await, StatusCode::NOT_FOUND);
    let permission = format!("{collection}/permission");
    bench.post(&permission, &json!({})).await;
    assert_eq!(seen().await, StatusCode::OK);
}

#[tokio::test]
async fn scenes_are_found_once_they_are_published_and_by_their_stage() {
    let bench = Bench::with(Options {
        publication_lag: Duration::from_hours(5 * 24),
        ..Options::default()
    })
    .await;
    let count = |from: &'static str, stage: Value| {
        let bench = &bench;
        let filter = json!({"type": "AndFilter", "config": [stage,
            {"type": "GeometryFilter", "field_name": "geometry", "config": field()},
            {"type": "DateRangeFilter", "field_name": "acquired", "config": {"gte": from}}]});
        let body = json!({"item_types": ["PSScene"], "interval": "day", "filter": filter});
        async move {
            let answer = bench.post("/data/v1/stats", &body).await.json();
            let buckets = answer["buckets"].as_array().unwrap().iter();
            buckets
                .map(|bucket| bucket["count"].as_u64().unwrap())
                .sum::<u64>()
        }
    };
    let stage = |name: &str| json!({"type": "StringInFilter", "field_name": "publishing_stage", "config": [name]});
    let any = json!({"type": "StringInFilter", "field_name": "instrument", "config": ["PSB.SD"]});
    assert_eq!(count("2026-06-11T00:00:00Z", any.clone()).await, 0);
    let month = "2026-05-15T00:00:00Z";
    let (standard, finalized) = (
        count(month, stage("standard")).await,
        count(month, stage("finalized")).await,
    );
    assert!(standard > 0 && finalized > 10, "{standard} {finalized}");
    assert_eq!(count(month, any).await, standard + finalized);
}

#[tokio::test]
async fn a_small_area_takes_the_least_that_can_be_reserved_in_planets_mixed_units() {
    let bench = Bench::new().await;
    let (_, reference) = feature(&bench).await;
    let body = json!({"product_id": 290_378, "aoi_refs": [reference]});
    let estimate = bench
        .post("/account/v1/quota-reservations/estimate", &body)
        .await
        .json();
    assert_eq!(
        (&estimate["quota_units"], &estimate["total_cost"]),
        (&json!("sqkm"), &json!(25.0))
    );
    assert_eq!(bench.simulator.bill().total_quota().to_string(), "0");
    let made = bench
        .post("/auth/v1/experimental/public/quota-reservations/", &body)
        .await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_eq!(made.json()["quota_remaining"], "99975000000.0");
    let bulk = bench
        .post("/account/v1/quota-reservations/bulk-reserve", &body)
        .await
        .json();
    let job = bulk["job_id"].as_str().unwrap();
    let job = bench
        .get(&format!("/account/v1/quota-reservations/jobs/{job}"))
        .await
        .json();
    assert_eq!(job["id"].as_u64(), Some(8_000));
    assert_eq!(
        (&job["processed_items"], &job["total_items"]),
        (&json!(0), &json!(1)),
        "a job passes over what is reserved"
    );
    assert_eq!(bench.simulator.bill().total_quota().to_string(), "25");
    let again = bench.post("/account/v1/quota-reservations/", &body).await;
    assert_eq!(again.status, StatusCode::CREATED);
    assert_eq!(bench.simulator.bill().total_quota().to_string(), "50");
    let other = bench
        .get("/account/v1/quota-reservations?product_id=1")
        .await
        .json();
    assert_eq!(other["meta"]["count"], json!(0));
    let listed = bench
        .get("/account/v1/quota-reservations?limit=1")
        .await
        .json();
    assert_eq!(
        (&listed["meta"]["count"], &listed["results"][0]["amount"]),
        (&json!(2), &json!(25.0))
    );
    assert!(
        listed["meta"]["next"]
            .as_str()
            .unwrap()
            .starts_with("http://")
    );
}

#[tokio::test]
async fn basemap_links_carry_the_key_that_was_presented() {
    let bench = Bench::new().await;
    let mosaics = bench
        .get("/basemaps/v1/mosaics?name__contains=2026_07")
        .await
        .json();
    let quads = mosaics["mosaics"][0]["_links"]["quads"].as_str().unwrap();
    assert!(
        quads.contains("api_key=team-key") && quads.ends_with("{lx},{ly},{ux},{uy}"),
        "{quads}"
    );
    let quads = quads.replace("{lx},{ly},{ux},{uy}", "14.0,46.0,14.1,46.1");
    let quads = bench.get(&quads).await.json();
    let download = quads["items"][0]["_links"]["download"].as_str().unwrap();
    let redirect = bench.get(download).await;
    assert_eq!(redirect.status, StatusCode::FOUND);
    assert_eq!(bench.pu(), "1500");
}

#[tokio::test]
async fn tiles_are_counted_and_basemap_tiles_cost_one() {
    let bench = Bench::new().await;
    for path in [
        "/basemaps/v1/planet-tiles/global_monthly_2026_07_mosaic/gmap/3/4/2.png?api_key=K",
        "/data/v1/PSScene/20260601_1/3/4/2.png",
        "/data/v1/layers/abc/3/4/2.png",
    ] {
        let tile = bench.get(path).await;
        assert!(tile.bytes.starts_with(b"\x89PNG"), "{path}");
    }
    let bill = bench.simulator.bill();
    assert_eq!(
        (bill.total_tiles(), bill.total_pu().to_string()),
        (3, "1".to_owned())
    );
}

#[tokio::test]
async fn an_async_picture_is_charged_when_it_is_asked_for_and_gone_when_it_is_done() {
    let bench = Bench::new().await;
    let mut body = process_body();
    body["output"]["delivery"] = json!({"s3": {"url": "s3://bucket"}});
    let job = bench.post("/api/v1/async/process", &body).await.json();
    assert_eq!(
        (&job["status"], bench.pu()),
        (&json!("RUNNING"), "10".to_owned())
    );
    let path = format!("/async/v1/process/{}", job["id"].as_str().unwrap());
    assert_eq!(bench.get(&path).await.status, StatusCode::OK);
    assert_eq!(bench.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_batch_is_charged_by_its_start_and_again_when_it_is_resumed() {
    let bench = Bench::new().await;
    let body = json!({"processRequest": process_body(), "input": {"type": "tiling-grid", "id": 0, "resolution": 10},
        "output": {"type": "raster"}});
    for path in [
        "/api/v2/batch/process",
        "/batch/v2/process",
        "/api/v1/batch/process",
    ] {
        bench.simulator.shared.world().bill.charges.clear();
        let created = bench.post(path, &body).await;
        assert_eq!(created.status, StatusCode::CREATED);
        let task = format!("{path}/{}", created.json()["id"].as_str().unwrap());
        let act = async |action: &str| {
            bench
                .send("POST", &format!("{task}/{action}"), &[], "")
                .await
                .unwrap()
                .status
        };
        assert_eq!(act("analyse").await, StatusCode::NO_CONTENT);
        assert_eq!(bench.pu(), "0");
        assert_eq!(act("start").await, StatusCode::NO_CONTENT);
        let once = bench.simulator.bill().total_pu().micros();
        assert!(once >= 100_000_000);
        assert_eq!(act("start").await, StatusCode::BAD_REQUEST);
        bench.get(&task).await;
        let done: Value = bench.get(&task).await.json();
        assert_eq!(done["status"], "DONE");
        assert!(done["costPU"].as_f64().unwrap() >= 100.0);
        assert_eq!(act("stop").await, StatusCode::NO_CONTENT);
        assert_eq!(act("start").await, StatusCode::NO_CONTENT);
        assert_eq!(bench.simulator.bill().total_pu().micros(), 2 * once);
    }
}

#[tokio::test]
async fn writing_to_a_collection_costs_one_and_reading_nothing() {
    let bench = Bench::new().await;
    let body = json!({"name": "mine", "s3Bucket": "b"});
    let made = bench.post("/api/v1/byoc/collections", &body).await.json();
    let path = format!(
        "/byoc/v1/collections/{}",
        made["data"]["id"].as_str().unwrap()
    );
    assert_eq!(bench.get(&path).await.json()["data"]["name"], "mine");
    let tile = bench
        .post(&format!("{path}/tiles"), &json!({"path": "a/b"}))
        .await;
    assert_eq!(tile.status, StatusCode::CREATED);
    let gone = bench.send("DELETE", &path, &[], "").await.unwrap();
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(bench.get(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(bench.pu(), "3");
}

#[tokio::test]
async fn ogc_needs_no_key_and_costs_by_its_picture() {
    let bench = Bench::new().await;
    let at = |tail: &str| format!("/ogc/wms/abc-1?SERVICE=WMS&{tail}");
    let request = http::Request::get(bench.url(&at(
        "request=getmap&LAYERS=X&WIDTH=512&HEIGHT=512&BBOX=14,46,15,47&CRS=CRS:84",
    )))
    .body(http_body_util::Full::default())
    .unwrap();
    let map = bench.client.request(request).await.unwrap();
    assert_eq!(map.headers()["x-processunits"], "1");
    let tile = "/ogc/wmts/abc-1?REQUEST=GetTile&TILEMATRIXSET=PopularWebMercator256&TILEMATRIX=10&TILECOL=1&TILEROW=1";
    assert_eq!(bench.get(tile).await.headers["x-processunits"], "0.25");
    let coverage = "/ogc/wcs/abc-1?REQUEST=GetCoverage&COVERAGE=X&RESX=10m&RESY=10m&CRS=EPSG:3857\
                    &BBOX=1558000,5780000,1563120,5785120";
    assert_eq!(bench.get(coverage).await.headers["x-processunits"], "1");
    let wrong = bench.get(&at("REQUEST=GetMap&WIDTH=2501&HEIGHT=5")).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(String::from_utf8_lossy(&wrong.bytes).contains("<ServiceException>"));
    let features = "/ogc/wfs/abc-1?REQUEST=GetFeature&TYPENAMES=DSS2&BBOX=46,14,46.1,14.1&SRSNAME=EPSG:4326\
                    &TIME=2026-05-01/2026-05-31&MAXFEATURES=3";
    assert_eq!(
        bench.get(features).await.json()["features"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let capabilities = bench.get(&at("REQUEST=GetCapabilities")).await;
    assert!(String::from_utf8_lossy(&capabilities.bytes).contains(&bench.url("/ogc/wms/abc-1")));
    assert_eq!(bench.simulator.bill().charges.len(), 4);
}

#[tokio::test]
async fn unknown_routes_are_not_found_in_every_family() {
    let bench = Bench::new().await;
    for path in [
        "/",
        "/data/v2",
        "/compute/ops/clips/v1",
        "/api/v1/dataimport/orders",
        "/v0/auth/login",
    ] {
        assert_eq!(
            bench.get(path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}
