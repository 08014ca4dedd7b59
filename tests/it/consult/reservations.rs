//! Reservations of quota.

use super::*;

const QUOTA: &str = r#"
[[budgets]]
name = "arps"
unit = "quota"
limit = 60
window = "forever"
match = { products = ["PS_ARD_SR_DAILY"] }
"#;

/// The address that Planet's own answers still show.
const OLD_ALIAS: &str = "/auth/v1/experimental/public/quota-reservations/";

async fn quota_left(world: &World) -> String {
    let daily = send(
        world,
        KEY,
        Method::GET,
        "/quota-guard/v1/quota/daily",
        &Value::Null,
        &[],
    )
    .await;
    daily.json()["quota"]["arps"]["remaining"].to_string()
}

async fn reserve(world: &World, path: &str, body: &Value) -> Reply {
    send(world, KEY, Method::POST, path, body, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn reservations_take_what_planet_says_and_what_is_reserved_is_not_counted_twice() {
    for in_square_metres in [false, true] {
        let options = Options {
            estimate_in_square_metres: in_square_metres,
            ..Options::default()
        };
        let world = World::start_with(options, QUOTA, |base| base).await;
        let three = vec![fields(1, 0.01); 3];
        let (whole, features) = collection(&world, KEY, &three).await;
        let one = json!({"product_id": PRODUCT, "aoi_refs": [features[0]]});
        let path = if in_square_metres {
            OLD_ALIAS
        } else {
            RESERVATIONS
        };
        let made = reserve(&world, path, &one).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        assert_eq!(quota_left(&world).await, "35", "a field counts as 25 km²");

        // what is subscribed to is reserved already
        let subscribed = dry_run(&world, SUBSCRIPTIONS, &arps(&reference(&features[0]))).await;
        assert_eq!(amount(&subscribed, "quota"), Amount::ZERO, "{subscribed}");
        let unreserved = dry_run(&world, SUBSCRIPTIONS, &arps(&reference(&features[1]))).await;
        assert_eq!(
            amount(&unreserved, "quota").to_string(),
            "25",
            "{unreserved}"
        );

        let bulk = format!("{RESERVATIONS}bulk-reserve");
        let all = json!({"product_id": PRODUCT, "collection_id": whole});
        let refused = reserve(&world, &bulk, &all).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
        assert_eq!(
            refused.json()["breaches"][0]["needed"],
            50,
            "{}",
            refused.text()
        );
        let two = json!({"product_id": PRODUCT, "aoi_refs": [features[0], features[1]]});
        let made = reserve(&world, &bulk, &two).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        assert_eq!(quota_left(&world).await, "10");
        let billed: Amount = world.simulator.bill().total_quota().into();
        assert_eq!(billed.to_string(), "50");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_that_planet_cannot_estimate_is_not_made() {
    let world = World::start_changed(QUOTA, |base| base.replace("\"3s\"", "\"1s\"")).await;
    let (_, features) = collection(&world, KEY, &[fields(1, 0.01)]).await;
    let body = json!({"product_id": PRODUCT, "aoi_refs": [features[0]]});
    let estimate = format!("{RESERVATIONS}estimate");
    for (path, fault) in [
        ("/account/v1/my/products", "status=403"),
        (&*estimate, "stall"),
        (&*estimate, "status=500"),
    ] {
        suffer(&world, path, 1, fault);
        let refused = reserve(&world, RESERVATIONS, &body).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
        assert!(
            refused.text().contains("Planet's own estimate"),
            "{}",
            refused.text()
        );
    }
    let not_ours = json!({"product_id": 1, "aoi_refs": [features[0]]});
    let refused = reserve(&world, RESERVATIONS, &not_ours).await;
    assert!(
        refused.text().contains("the product 1 is not among"),
        "{}",
        refused.text()
    );
    assert_eq!(quota_left(&world).await, "60");
    assert!(world.simulator.bill().charges.is_empty());
}
