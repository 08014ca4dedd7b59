//! The real Python SDKs, with nothing changed but base URL and key.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{KEY, UPSTREAM_KEY, World};

const ROOMY: &str = r#"
[[budgets]]
name = "org-pu"
unit = "pu"
limit = 50000
window = "month"
[[budgets]]
name = "org-aum"
unit = "aum"
limit = 1000
window = "year"
"#;

/// Runs a story of `tests/sdk` in the SDKs' own Python and reads the JSON that it prints.
pub(crate) async fn tell(
    file: &'static str,
    story: &'static str,
    base: String,
    key: &'static str,
) -> Value {
    let python = std::env::var("QUOTA_GUARD_TEST_PYTHON").expect(
        "QUOTA_GUARD_TEST_PYTHON names a Python with the SDKs of tests/sdk/requirements.txt; \
         tests/run sets both up",
    );
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/sdk")
        .join(file);
    let ca = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls/ca.pem");
    let output = tokio::task::spawn_blocking(move || {
        let home = tempfile::tempdir().expect("a folder");
        Command::new(python)
            .arg(script)
            .args([story, &base, key])
            .env("HOME", home.path())
            .env("REQUESTS_CA_BUNDLE", ca)
            .output()
            .expect("Python runs")
    })
    .await
    .expect("the story ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{story}: {errors}");
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{story}: {error}: {errors}"))
}

async fn planet(world: &World, story: &'static str) -> Value {
    tell("planet_stories.py", story, world.guard.url.clone(), KEY).await
}

async fn sentinel_hub(world: &World, story: &'static str) -> Value {
    let base = format!("{}/sentinel-hub", world.guard.url);
    tell("sentinelhub_stories.py", story, base, KEY).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_planet_sdk_searches_page_after_page() {
    let world = World::start(ROOMY).await;
    let told = planet(&world, "search").await;
    assert_eq!(
        (&told["items"], &told["distinct"]),
        (&600.into(), &600.into())
    );
    let arrived = world.simulator.requests();
    let searched = |request: &Value| {
        request["path"]
            .as_str()
            .is_some_and(|path| path.contains("quick-search"))
    };
    assert!(arrived.iter().any(searched));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_planet_sdk_orders_waits_and_downloads() {
    let world = World::start(ROOMY).await;
    let told = planet(&world, "order").await;
    assert_eq!(told["listed"], true);
    assert!(
        told["files"].as_u64() > Some(0) && told["bytes"].as_u64() > Some(0),
        "{told}"
    );
    all_settled(&world).await;
    assert_eq!(world.booked("org-pu").await, world.billed());
    let egress = told["bytes"].as_u64().expect("bytes").div_ceil(5);
    let billed = world.simulator.bill().pu_of("egress").micros();
    assert!(billed.unsigned_abs() >= egress, "{billed} for {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_planet_sdk_downloads_an_asset() {
    let world = World::start(ROOMY).await;
    let told = planet(&world, "asset").await;
    assert_eq!(told["bytes"], 1 << 20, "{told}");
    assert_eq!(told["name"], "20260601_101500_11_24f1_ortho_visual.tif");
    let location = told["location"].as_str().expect("a location");
    assert!(location.starts_with(&world.guard.url), "{told}");
    all_settled(&world).await;
    assert_eq!(world.booked("org-pu").await, world.billed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_planet_sdk_downloads_quads() {
    let world = World::start(ROOMY).await;
    let told = planet(&world, "quads").await;
    let sizes = told["sizes"].as_array().expect("sizes");
    assert_eq!(told["listed"], sizes.len(), "{told}");
    assert!(sizes.iter().all(|size| *size == 1 << 20), "{told}");
    let links = told["links"].as_str().expect("links");
    assert!(!links.contains(UPSTREAM_KEY) && links.contains(KEY));
    all_settled(&world).await;
    // by its id nobody can tell that a mosaic is not of the dearest
    assert!(world.booked("org-pu").await >= world.billed());
}

/// Waits until what was downloaded is settled.
async fn all_settled(world: &World) {
    let held = "quota_guard_budget_held{budget=\"org-pu\",partition=\"\",unit=\"pu\"}";
    while !world.metric(held).await.is_zero() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_planet_sdk_subscribes() {
    let world = World::start(ROOMY).await;
    let told = planet(&world, "subscription").await;
    assert_eq!(told["listed"], true);
    assert!(world.booked("org-pu").await >= world.billed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_planet_sdk_changes_a_subscription_and_lets_it_go_on() {
    let world = World::start(ROOMY).await;
    let told = planet(&world, "revised").await;
    assert_eq!(
        (&told["name"], &told["end"], &told["status"]),
        (&"block".into(), &true.into(), &"running".into()),
        "{told}"
    );
    let refused = told["refused"].as_str().expect("a sentence");
    assert!(refused.contains("subscription_ids"), "{refused}");
    assert!(world.booked("org-pu").await >= world.billed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_planet_sdk_activates_an_asset_twice_and_it_is_charged_once() {
    let world = World::start(ROOMY).await;
    let told = planet(&world, "activated").await;
    assert_eq!(told["status"], "active");
    let booked = world.booked("org-pu").await;
    assert_eq!(
        (booked, world.billed().to_string()),
        (world.billed(), "20".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sentinelhub_sdk_starts_a_batch() {
    let world = World::start(ROOMY).await;
    let told = sentinel_hub(&world, "batch").await;
    assert!(
        ["PROCESSING", "DONE"].contains(&told["status"].as_str().unwrap_or_default()),
        "{told}"
    );
    assert!(!world.billed().is_zero());
    assert!(world.booked("org-pu").await >= world.billed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_of_ten_years_is_refused_in_a_sentence() {
    let world = World::start(ROOMY).await;
    let told = planet(&world, "ten_years").await;
    assert_eq!(told["exception"], "NoPermission");
    let text = told["text"].as_str().expect("a text");
    for part in [
        "would cost",
        "org-aum",
        "1000",
        "2027-01-01",
        "would pass with start_time",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert!(world.billed().is_zero(), "nothing was forwarded");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_planet_sdk_reserves_and_subscribes_by_reference() {
    let quota = "[[budgets]]\nname = \"arps\"\nunit = \"quota\"\nlimit = 30\nwindow = \"year\"\n";
    let world = World::start(&format!("{ROOMY}{quota}")).await;
    let told = planet(&world, "by_reference").await;
    let expected = json!({"cost": 25.0, "reserved": "reserved", "processed": 0,
        "subscription": "preparing"});
    assert_eq!(
        told, expected,
        "what is reserved once fits into the budget once"
    );
    assert_eq!(world.simulator.bill().total_quota().to_string(), "25");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_named_as_such_by_the_planet_sdk() {
    let world = World::start(ROOMY).await;
    let told = tell(
        "planet_stories.py",
        "refused",
        world.guard.url.clone(),
        "qg_nobody",
    )
    .await;
    assert_eq!(told["exception"], "InvalidAPIKey");
    assert!(
        told["text"]
            .as_str()
            .is_some_and(|text| text.contains("key")),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sentinelhub_sdk_processes_images() {
    let world = World::start(ROOMY).await;
    // the simulator's pictures are small, whatever their price
    let told = sentinel_hub(&world, "process").await;
    assert!(
        told["shape"]
            .as_array()
            .is_some_and(|shape| shape.len() >= 2),
        "{told}"
    );
    assert!(!world.billed().is_zero());
    assert_eq!(world.booked("org-pu").await, world.billed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sentinelhub_sdk_exchanges_client_id_and_secret() {
    let world = World::start_over_tls(ROOMY).await;
    let told = sentinel_hub(&world, "exchanged").await;
    assert!(told["expires_in"].as_i64() > Some(3500), "{told}");
    assert!(!world.billed().is_zero());
    assert_eq!(world.booked("org-pu").await, world.billed());
    let arrived = world.simulator.requests();
    let asked_for_a_token = |request: &Value| request.to_string().contains("openid-connect");
    assert!(
        !arrived.iter().any(asked_for_a_token),
        "the exchange stays here"
    );
    let base = format!("{}/sentinel-hub", world.guard.url);
    let told = tell("sentinelhub_stories.py", "exchanged", base, "qg_nobody").await;
    let text = told["text"].as_str().expect("a text");
    assert!(text.contains("nobody here has this client_id"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sentinelhub_sdk_asks_for_statistics() {
    let world = World::start(ROOMY).await;
    let told = sentinel_hub(&world, "statistical").await;
    assert_eq!(told["status"], "OK");
    assert!(told["intervals"].as_u64() > Some(0), "{told}");
    assert_eq!(world.booked("org-pu").await, world.billed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sentinelhub_sdk_searches_the_catalogue() {
    let world = World::start(ROOMY).await;
    let told = sentinel_hub(&world, "catalog").await;
    assert!(
        told["items"].as_u64() > Some(100),
        "more than one page: {told}"
    );
    assert_eq!(told["items"], told["distinct"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sentinelhub_sdk_prints_the_refusal() {
    let tight = "[[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = 2\nwindow = \"month\"\n";
    let world = World::start(tight).await;
    let told = sentinel_hub(&world, "refused").await;
    assert_eq!(told["exception"], "DownloadFailedException");
    let text = told["text"].as_str().expect("a text");
    assert!(
        text.contains("would cost up to") && text.contains("org-pu"),
        "{text}"
    );
    assert!(world.billed().is_zero());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_teams_key_never_reaches_upstream() {
    let world = World::start(ROOMY).await;
    planet(&world, "search").await;
    for request in world.simulator.requests() {
        let seen = format!("{request:?}");
        assert!(!seen.contains(KEY), "{seen}");
        assert!(seen.contains(UPSTREAM_KEY), "{seen}");
    }
}
