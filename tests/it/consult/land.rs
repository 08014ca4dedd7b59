//! Land that was locked in a term counts once in it, and that is in the books.

use super::*;

const UNION: &str = "[plan]\naum = \"union\"\n";
const ORDERS: &str = "/compute/ops/orders/v2";

fn square(west: f64, side: f64) -> Value {
    let (south, east, north) = (46.0, west + side, 46.0 + side);
    json!({"type": "Polygon", "coordinates": [[[west, south], [east, south], [east, north],
        [west, north], [west, south]]]})
}

fn watching(area: &Value) -> Value {
    subscription(area, &days_ago(9), Some(&days_ago(2)))
}

fn clipped_order(area: &Value) -> Value {
    json!({"name": "o", "products": [{"item_type": "PSScene", "product_bundle": "visual",
        "item_ids": ["20260601_101500_11_24f1"]}], "tools": [{"clip": {"aoi": area}}]})
}

async fn succeed(world: &World, key: &str, path: &str, body: &Value) {
    let reply = send(world, key, Method::POST, path, body, &[]).await;
    assert!(reply.status.is_success(), "{}", reply.text());
}

/// The area that a call would add, and the line that says so.
async fn adds(world: &World, key: &str, path: &str, body: &Value) -> (Amount, String) {
    let dry = [("quota-guard-dry-run", "1")];
    let told = send(world, key, Method::POST, path, body, &dry).await;
    let report = told.json();
    let lines = report["lines"].as_array().expect("lines");
    let line = lines
        .iter()
        .find(|line| line["unit"] == "aum")
        .expect("an area");
    assert_eq!(line["exact"], false);
    (amount(&report, "aum"), line["quantity"].to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn land_counts_once_in_a_term_whoever_asks_for_it_again() {
    let mut world = World::start(&format!("{ROOMY}{UNION}")).await;
    let field = square(14.0, 0.02);
    let (whole, line) = adds(&world, KEY, SUBSCRIPTIONS, &watching(&field)).await;
    assert!(
        whole > Amount::from_whole(3).unwrap() && line.contains("km², once"),
        "{line}"
    );
    succeed(&world, KEY, SUBSCRIPTIONS, &watching(&field)).await;
    assert_eq!(world.metric(SETTLED).await, whole);

    let (again, line) = adds(&world, KEY, SUBSCRIPTIONS, &watching(&field)).await;
    assert!(
        again.is_zero() && line.contains("count already: 0 km² are new"),
        "{line}"
    );
    let (order, _) = adds(&world, KEY, ORDERS, &clipped_order(&field)).await;
    assert!(order.is_zero());
    let half = square(14.01, 0.02);
    let (new, line) = adds(&world, KEY, ORDERS, &clipped_order(&half)).await;
    let exactly = whole.part_floor(2);
    assert!(
        new >= exactly && new < exactly.saturating_add(Amount::from_micros(9_000).unwrap()),
        "{line}"
    );

    succeed(&world, KEY, ORDERS, &clipped_order(&half)).await;
    world.kill_and_restart();
    for area in [&field, &half] {
        succeed(&world, KEY, SUBSCRIPTIONS, &watching(area)).await;
    }
    let settled = world.metric(SETTLED).await;
    assert_eq!(
        settled,
        whole.saturating_add(new),
        "nothing since counts, and it is in the books"
    );
}

const SETTLED: &str = "quota_guard_budget_settled{budget=\"org-aum\",partition=\"\",unit=\"aum\"}";

#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_succeed_locks_nothing() {
    let world = World::start(&format!("{ROOMY}{UNION}")).await;
    let field = watching(&square(14.0, 0.02));
    let (whole, _) = adds(&world, KEY, SUBSCRIPTIONS, &field).await;
    for fault in ["status=400", "status=500"] {
        suffer(&world, SUBSCRIPTIONS, 1, fault);
        let failed = send(&world, KEY, Method::POST, SUBSCRIPTIONS, &field, &[]).await;
        assert!(!failed.status.is_success(), "{}", failed.text());
        assert_eq!(
            adds(&world, KEY, SUBSCRIPTIONS, &field).await.0,
            whole,
            "{fault}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_team_has_locked_counts_for_another_with_a_budget_of_its_own() {
    let hash = quota_guard::identity::hash(OTHER_KEY);
    let forest =
        format!("[[teams]]\nname = \"forest\"\nkeys = [{{ id = \"fo\", sha256 = \"{hash}\" }}]\n");
    let apart = ROOMY.replace("window = \"year\"", "window = \"year\"\nper = [\"team\"]");
    for (budgets, shared) in [(ROOMY, true), (&apart, false)] {
        let world = World::start(&format!("{budgets}{UNION}{forest}")).await;
        let field = watching(&square(14.0, 0.02));
        succeed(&world, KEY, SUBSCRIPTIONS, &field).await;
        assert!(adds(&world, KEY, SUBSCRIPTIONS, &field).await.0.is_zero());
        let theirs = adds(&world, OTHER_KEY, SUBSCRIPTIONS, &field).await.0;
        assert_eq!(theirs.is_zero(), shared);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_caller_has_land_of_its_own_where_their_keys_go_upstream() {
    let world = World::start_with(Options::default(), &format!("{ROOMY}{UNION}"), |base| {
        passing_through(&base)
    })
    .await;
    let field = watching(&square(14.0, 0.02));
    succeed(&world, KEY, SUBSCRIPTIONS, &field).await;
    assert!(adds(&world, KEY, SUBSCRIPTIONS, &field).await.0.is_zero());
    assert!(
        !adds(&world, OTHER_KEY, SUBSCRIPTIONS, &field)
            .await
            .0
            .is_zero()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn area_by_days_counts_every_day_of_every_request() {
    let world = World::start(&format!("{ROOMY}[plan]\naum = \"area-x-days\"\n")).await;
    let field = watching(&square(14.0, 0.02));
    let (whole, _) = adds(&world, KEY, SUBSCRIPTIONS, &field).await;
    succeed(&world, KEY, SUBSCRIPTIONS, &field).await;
    assert_eq!(adds(&world, KEY, SUBSCRIPTIONS, &field).await.0, whole);
}
