//! Any GeoJSON: an area that was accepted is a real one, and is the same when it is written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quota_guard::planet::geometry::{Geometry, RawGeometry};

fn read(text: &[u8]) -> Option<Geometry> {
    let raw: RawGeometry = serde_json::from_slice(text).ok()?;
    Geometry::read(&raw, "geometry").ok()
}

fuzz_target!(|text: &[u8]| {
    let Some(geometry) = read(text) else {
        return;
    };
    let Some(shape) = geometry.shape() else {
        return;
    };
    assert!(shape.area().micros() >= 0);
    let again = read(shape.to_geojson().to_string().as_bytes()).expect("what was written is read");
    assert_eq!(again.shape().expect("a shape").area(), shape.area());
});
