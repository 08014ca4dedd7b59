//! Orders of basemap quads by an area.

use super::*;

const ORDERS: &str = "/compute/ops/orders/v2";
const MOSAICS: &str = "/basemaps/v1/mosaics";

fn order(geometry: &Value) -> Value {
    json!({"name": "q", "source_type": "basemaps", "delivery": {"amazon_s3": {}}, "products":
        [{"mosaic_name": "global_monthly_2026_07_mosaic", "geometry": geometry}]})
}

fn area() -> Value {
    json!({"type": "Polygon", "coordinates": [[[14.40, 46.0], [14.45, 46.0], [14.45, 46.05], [14.40, 46.05],
        [14.40, 46.0]]]})
}

fn quad_line(report: &Value) -> String {
    let lines = report["lines"].as_array().expect("lines");
    let line = lines
        .iter()
        .find(|line| line["rule"] == "quad-visual")
        .expect("quads");
    line["quantity"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_by_an_area_costs_what_planet_counts_or_the_grid_allows() {
    let world = World::start(ROOMY).await;
    let told = dry_run(&world, ORDERS, &order(&area())).await;
    assert!(
        quad_line(&told).contains("2 quads") && quad_line(&told).contains("counted by Planet"),
        "{told}"
    );
    suffer(
        &world,
        "/basemaps/v1/mosaics/09462e5a-0001-4000-8000-000000000001/quads",
        1,
        "status=500",
    );
    let bounded = dry_run(&world, ORDERS, &order(&area())).await;
    assert!(
        quad_line(&bounded).contains("at most, by the mosaic's grid"),
        "{bounded}"
    );
    assert!(amount(&bounded, "pu") >= amount(&told, "pu"));

    let reply = send(&world, KEY, Method::POST, ORDERS, &order(&area()), &[]).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED, "{}", reply.text());
    assert!(!world.billed().is_zero());
    assert!(world.booked("org-pu").await >= world.billed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_area_by_its_reference_is_an_area() {
    let world = World::start(ROOMY).await;
    let (_, features) = collection(&world, KEY, &[area()]).await;
    let named = dry_run(&world, ORDERS, &order(&reference(&features[0]))).await;
    let drawn = dry_run(&world, ORDERS, &order(&area())).await;
    assert_eq!(named["estimate"], drawn["estimate"], "{named}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_says_how_many_quads_there_are_nothing_is_forwarded() {
    let world = World::start(ROOMY).await;
    suffer(&world, MOSAICS, 1, "status=500");
    let refused = send(&world, KEY, Method::POST, ORDERS, &order(&area()), &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
    assert!(
        refused.text().contains("list quad_ids"),
        "{}",
        refused.text()
    );
    let mut nowhere = order(&area());
    nowhere["products"][0]["mosaic_name"] = "not_there_2026_07_mosaic".into();
    let refused = send(&world, KEY, Method::POST, ORDERS, &nowhere, &[]).await;
    assert!(
        refused.text().contains("does not list one mosaic"),
        "{}",
        refused.text()
    );
    assert_eq!(asked(&world, "POST", ORDERS), 0);
}
