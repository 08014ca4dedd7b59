//! Activating an asset is charged once within 24 hours, whoever asks; the books remember it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Method, StatusCode};
use quota_guard::units::Amount;
use serde_json::json;

use crate::harness::{KEY, Reply, World, call, post};

const SIXTY: &str =
    "[[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = 60\nwindow = \"month\"\n";
const OTHER_KEY: &str = "qg_forestry";

fn forestry() -> String {
    let hash = quota_guard::identity::hash(OTHER_KEY);
    format!("[[teams]]\nname = \"forestry\"\nkeys = [{{ id = \"fo\", sha256 = \"{hash}\" }}]\n")
}

fn asset(item: &str) -> String {
    let id = json!({"i": item, "c": "PSScene", "t": "ortho_analytic_8b", "ct": "item-type"});
    URL_SAFE_NO_PAD.encode(id.to_string())
}

async fn activate(world: &World, key: &str, item: &str) -> Reply {
    let authorization = format!("api-key {key}");
    let url = format!(
        "{}/data/v1/assets/{}/activate",
        world.guard.url,
        asset(item)
    );
    let headers = [("authorization", &*authorization)];
    call(Method::GET, &url, &headers, Bytes::new()).await
}

fn pu(units: u64) -> Amount {
    Amount::from_whole(units).expect("an amount")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asset_that_somebody_has_activated_costs_nobody_again() {
    let mut world = World::start(&format!("{SIXTY}{}", forestry())).await;
    let first = activate(&world, KEY, "a").await;
    assert_eq!(first.status, StatusCode::ACCEPTED, "{}", first.text());
    assert_eq!(first.header("quota-guard-estimate"), "pu=20");
    for key in [KEY, OTHER_KEY] {
        let again = activate(&world, key, "a").await;
        assert!(again.status.is_success(), "{}", again.text());
        assert_eq!(again.header("quota-guard-estimate"), "pu=0", "{key}");
    }
    assert_eq!(
        (world.booked("org-pu").await, world.billed()),
        (pu(20), pu(20))
    );
    world.kill_and_restart();
    let after = activate(&world, OTHER_KEY, "a").await;
    assert_eq!(
        after.header("quota-guard-estimate"),
        "pu=0",
        "the books remember it"
    );
    activate(&world, KEY, "b").await;
    assert_eq!(
        (world.booked("org-pu").await, world.billed()),
        (pu(40), pu(40))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_order_activated_pays_for_no_day_of_its_own() {
    let world = World::start(
        "[[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = 50000\nwindow = \"month\"\n",
    )
    .await;
    let order = json!({"name": "o", "products": [{"item_ids": ["a"], "item_type": "PSScene",
        "product_bundle": "analytic_8b_udm2"}]});
    let url = format!("{}/compute/ops/orders/v2", world.guard.url);
    assert_eq!(post(&url, &order).await.status, StatusCode::ACCEPTED);
    let billed = world.billed();
    for _ in 0..4 {
        // active already: charged as a precaution, and no proof for the next
        let told = activate(&world, KEY, "a").await;
        assert_eq!(
            told.header("quota-guard-estimate"),
            "pu=20",
            "{}",
            told.status
        );
        if told.status == StatusCode::ACCEPTED {
            break;
        }
    }
    assert_eq!(world.billed(), billed, "the order had paid for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activation_that_failed_pays_for_nobody() {
    let world = World::start(&format!(
        "{SIXTY}[[budgets]]\nname = \"calls\"\nunit = \"requests\"\nlimit = 100\nwindow = \"month\"\n"
    ))
    .await;
    let failed = activate(&world, KEY, "missing").await;
    assert_eq!(failed.status, StatusCode::NOT_FOUND);
    let again = activate(&world, KEY, "missing").await;
    assert_eq!(again.header("quota-guard-estimate"), "pu=20");
    assert!(world.booked("org-pu").await.is_zero());
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_who_bring_their_own_keys_pay_each_for_themselves() {
    let own = |base: String| {
        base.replacen(
            "credential = { api_key = { env = \"TEST_PLANET_KEY\" } }",
            "credential = \"pass-through\"",
            1,
        )
    };
    let world = World::start_changed(&format!("{SIXTY}{}", forestry()), own).await;
    for (key, estimate) in [(KEY, "pu=20"), (KEY, "pu=0"), (OTHER_KEY, "pu=20")] {
        let told = activate(&world, key, "a").await;
        assert_eq!(
            told.header("quota-guard-estimate"),
            estimate,
            "{key}: {}",
            told.text()
        );
    }
}
