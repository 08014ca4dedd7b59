//! Shapes for tests of other rooms, which calculate with no floats.

use serde_json::{Value, json};

use super::{Geometry, Shape};

const MICRO: f64 = 1e-6;

/// A square in Slovenia; its side is in millionths of a degree.
pub(crate) fn square(side: u32) -> Value {
    json!({"type": "Polygon", "coordinates": square_at(0, side)})
}

/// Ten fields of about a tenth of a square kilometre, a kilometre apart.
pub(crate) fn ten_fields() -> Value {
    let fields: Vec<_> = (0..10)
        .map(|field| square_at(field * 13_000, 3_500))
        .collect();
    json!({"type": "MultiPolygon", "coordinates": fields})
}

pub(crate) fn shape(geojson: Value) -> Shape {
    let raw = serde_json::from_value(geojson).expect("GeoJSON");
    let geometry = Geometry::read(&raw, "geometry").expect("a geometry");
    geometry.shape().expect("a shape").clone()
}

/// A square so many millionths of a degree east of [`square`]'s.
pub(crate) fn square_east(east: u32, side: u32) -> Value {
    json!({"type": "Polygon", "coordinates": square_at(east, side)})
}

/// Several such squares as one shape: how far east, and their sides.
pub(crate) fn squares(each: &[(u32, u32)]) -> Value {
    let squares: Vec<_> = each
        .iter()
        .map(|(east, side)| square_at(*east, *side))
        .collect();
    json!({"type": "MultiPolygon", "coordinates": squares})
}

fn square_at(east: u32, side: u32) -> Value {
    let (west, south) = (14.5 + f64::from(east) * MICRO, 46.0);
    let side = f64::from(side) * MICRO;
    json!([[
        [west, south],
        [west + side, south],
        [west + side, south + side],
        [west, south + side],
        [west, south]
    ]])
}
