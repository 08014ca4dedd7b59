//! Classification of one call: the canonical path, then the table. Both should stay under 1 µs together.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use http::Method;
use quota_guard::planet::{Target, UpstreamKind, classify};

/// The first and the last rows of the table, a call it does not hold, and a path that must be rewritten.
const CALLS: [(&str, UpstreamKind, Method, &str); 6] = [
    (
        "assets",
        UpstreamKind::Planet,
        Method::GET,
        "/data/v1/item-types/PSScene/items/20260601_101500_11_24f1/assets",
    ),
    (
        "order",
        UpstreamKind::Planet,
        Method::POST,
        "/compute/ops/orders/v2",
    ),
    (
        "process",
        UpstreamKind::SentinelHub,
        Method::POST,
        "/api/v1/process",
    ),
    (
        "wms",
        UpstreamKind::SentinelHub,
        Method::GET,
        "/ogc/wms/0b1c0b1c-0b1c-4b1c-8b1c-0b1c0b1c0b1c?SERVICE=WMS&REQUEST=GetMap&WIDTH=512&HEIGHT=512",
    ),
    (
        "unknown",
        UpstreamKind::SentinelHub,
        Method::GET,
        "/api/v1/byoc/collections/7/elsewhere",
    ),
    (
        "rewritten",
        UpstreamKind::Planet,
        Method::POST,
        "//compute/ops/%6Frders/v2/",
    ),
];

fn classification(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("classify");
    for (name, kind, method, origin_form) in &CALLS {
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                let target = Target::parse(black_box(origin_form));
                target.map(|target| classify(*kind, black_box(method), target.path()))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, classification);
criterion_main!(benches);
