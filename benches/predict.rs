//! How long it takes to say what a request will cost: `cargo bench --bench predict`.
//!
//! The promises: a processing request of 10 KiB in under 50 µs, an evalscript of 20 KiB in under 1 ms.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use quota_guard::cost::{self, Prices};
use quota_guard::planet::evalscript::{self, Script};
use quota_guard::planet::{Ask, Declared, Deployment, Known, document, process};

const SETUP: &str = "//VERSION=3\nfunction setup() {\n  return {input: [{bands: ['B02', 'B03', 'B04', 'B08', 'SCL', 'dataMask']}],\n          \
    output: {bands: 4, sampleType: SampleType.FLOAT32}, mosaicking: Mosaicking.ORBIT};\n}\n";

/// A script of `bytes`, most of it the statements that people write.
fn script(bytes: usize) -> String {
    const PIXEL: &str = "  var index = (samples.B08 - samples.B04) / (samples.B08 + samples.B04);\n  \
        if (index > 0.3 && samples.SCL !== 3) { colour = [0.1, index * 2.5, 0.2]; } // healthy\n";
    let body = PIXEL.repeat((bytes.saturating_sub(SETUP.len() + 60)) / PIXEL.len());
    format!("{SETUP}function evaluatePixel(samples) {{\n{body}  return colour;\n}}\n")
}

/// A request whose area has so many corners that it is `bytes` long with its script.
fn request(bytes: usize, script: &str) -> String {
    let corners: Vec<String> = (0..)
        .map(|corner| format!("[13.{corner:06}, 45.{corner:06}]"))
        .take(bytes.saturating_sub(script.len() + 600) / 24)
        .collect();
    let script = serde_json::Value::from(script);
    format!(
        r#"{{"input": {{"bounds": {{"geometry": {{"type": "Polygon", "coordinates": [[{}]]}}}},
        "data": [{{"type": "sentinel-2-l2a", "dataFilter": {{"timeRange":
        {{"from": "2026-01-01T00:00:00Z", "to": "2026-03-31T23:59:59Z"}}}}}}]}},
        "output": {{"width": 512, "height": 512, "responses": [{{"identifier": "default", "format": {{"type": "image/tiff"}}}}]}},
        "evalscript": {script}}}"#,
        corners.join(", ")
    )
}

fn predict(body: &str, scripts: &dyn Fn(&str) -> Arc<Script>) -> cost::Line {
    let known = Known {
        deployment: Deployment::Main,
        accept: None,
        declared: Declared::default(),
        scripts,
    };
    let document = document::read(Some("application/json"), None, body.as_bytes()).expect("JSON");
    match process::read(&document, &known).expect("a request").ask {
        Ask::Process(imagery) => {
            cost::imagery::process(&imagery, &Prices::default()).expect("a price")
        }
        other => panic!("{other:?}"),
    }
}

fn benches(criterion: &mut Criterion) {
    let fresh = |script: &str| Arc::new(evalscript::read(script));
    let seen = fresh(&script(1024));
    let remembered = |_: &str| Arc::clone(&seen);
    let small_script = request(10 * 1024, &script(1024));
    let large_script = request(10 * 1024, &script(9 * 1024));
    criterion.bench_function("process request of 10 KiB, script of 1 KiB", |bencher| {
        bencher.iter(|| predict(black_box(&small_script), &fresh));
    });
    criterion.bench_function(
        "process request of 10 KiB, script of 1 KiB seen before",
        |bencher| {
            bencher.iter(|| predict(black_box(&small_script), &remembered));
        },
    );
    criterion.bench_function("process request of 10 KiB, script of 9 KiB", |bencher| {
        bencher.iter(|| predict(black_box(&large_script), &fresh));
    });
    let long = script(20 * 1024);
    criterion.bench_function("evalscript of 20 KiB", |bencher| {
        bencher.iter(|| evalscript::read(black_box(&long)));
    });
}

criterion_group!(all, benches);
criterion_main!(all);
