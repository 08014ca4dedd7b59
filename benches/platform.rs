//! Reading and pricing an order of 500 items (under 200 µs), and measuring an outline of 10,000
//! vertices (under 5 ms).

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use quota_guard::cost::{self, Plan, Prices};
use quota_guard::planet::geometry::{Geometry, RawGeometry};
use quota_guard::planet::orders;
use serde_json::json;

fn order(c: &mut Criterion) {
    let items: Vec<_> = (0..500)
        .map(|item| format!("20260601_101500_{item:03}_24f1"))
        .collect();
    let body = json!({"name": "farm-7 june", "products": [{"item_ids": items,
            "item_type": "PSScene", "product_bundle": "analytic_8b_sr_udm2,analytic_sr_udm2"}],
        "tools": [
            {"clip": {"aoi": {"type": "Polygon", "coordinates": [
                [[14.5, 46.0], [14.52, 46.0], [14.52, 46.02], [14.5, 46.02], [14.5, 46.0]]]}}},
            {"harmonize": {"target_sensor": "Sentinel-2"}}],
        "delivery": {"destination": {"ref": "pl:destinations/default"}}})
    .to_string();
    let (prices, plan) = (Prices::default(), Plan::default());
    c.bench_function("order of 500 items, read and priced", |b| {
        b.iter(|| {
            let ask = orders::read(black_box(body.as_bytes())).expect("an order");
            cost::orders::estimate(&ask, &prices, &plan).expect("a price")
        });
    });
}

fn outline(c: &mut Criterion) {
    let ring: Vec<_> = (0..=10_000u32)
        .map(|corner| {
            let angle = f64::from(corner % 10_000) / 10_000.0 * std::f64::consts::TAU;
            let radius = 0.5 + 0.05 * (angle * 37.0).sin();
            [14.5 + radius * angle.cos(), 46.0 + radius * angle.sin()]
        })
        .collect();
    let body = json!({"type": "Polygon", "coordinates": [ring]});
    let raw: RawGeometry = serde_json::from_value(body).expect("GeoJSON");
    c.bench_function("outline of 10,000 vertices, proven and measured", |b| {
        b.iter(|| Geometry::read(black_box(&raw), "geometry").expect("a geometry"));
    });
}

criterion_group!(benches, order, outline);
criterion_main!(benches);
