//! The grids that a batch cuts its area into.

use serde_json::{Value, json};

use super::listed;
use crate::simulator::answer::Answer;
use crate::simulator::call::Call;
use crate::simulator::refusal::Refusal;

/// In degrees, unlike the others.
const ONE_DEGREE: u64 = 3;
const METRES_PER_DEGREE: f64 = 111_320.0;

/// Id, name, and the metres along a tile's edge.
const GRIDS: [(u64, &str, f64); 5] = [
    (0, "UTM 20km grid", 20_000.0),
    (1, "UTM 10km grid", 10_000.0),
    (2, "UTM 100km grid", 100_000.0),
    (ONE_DEGREE, "WGS84 1 degree grid", METRES_PER_DEGREE),
    (6, "LAEA 100km grid", 100_000.0),
];

pub(super) fn answer(call: &Call, rest: &[&str]) -> Result<Answer, Refusal> {
    match (call.method.as_str(), rest) {
        ("GET", []) => Ok(listed(call, &GRIDS.map(shown))),
        ("GET", [id]) => {
            let found = GRIDS
                .into_iter()
                .find(|(known, ..)| known.to_string() == *id);
            let found = found.ok_or_else(|| Refusal::not_found(format!("tiling grid {id}")))?;
            Ok(Answer::json(&shown(found)))
        }
        _ => Err(Refusal::no_route()),
    }
}

fn shown((id, name, edge): (u64, &str, f64)) -> Value {
    json!({"id": id, "name": name, "properties": {
        "unit": if id == ONE_DEGREE { "DEGREES" } else { "METERS" },
        "tileWidth": edge, "tileHeight": edge,
    }})
}

/// How many tiles of a grid a box touches, each in multiples of a picture of `side` by `side` pixels.
pub(super) fn tiles(grid: &Value, [west, south, east, north]: [f64; 4], side: u32) -> f64 {
    let id = grid["id"].as_u64();
    let known = GRIDS.iter().find(|(known, ..)| Some(*known) == id);
    let (_, _, edge) = known.copied().unwrap_or(GRIDS[0]);
    let resolution = grid["resolution"]
        .as_f64()
        .filter(|step| *step > 0.0)
        .unwrap_or(10.0);
    let resolution = if id == Some(ONE_DEGREE) {
        resolution * METRES_PER_DEGREE
    } else {
        resolution
    };
    let shrunk = f64::midpoint(north, south).to_radians().cos().abs();
    let across = ((east - west).abs() * shrunk * METRES_PER_DEGREE / edge)
        .ceil()
        .max(1.0);
    let down = ((north - south).abs() * METRES_PER_DEGREE / edge)
        .ceil()
        .max(1.0);
    let sides = |buffer: &str| {
        let buffer = grid[buffer].as_f64().unwrap_or_default();
        (edge / resolution + 2.0 * buffer) / f64::from(side)
    };
    across * down * sides("bufferX") * sides("bufferY")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_covered_by_whole_tiles() {
        let field = [14.5, 46.0, 14.51, 46.01];
        let of = |grid: Value| tiles(&grid, field, 1_000);
        for (grid, expected) in [
            (json!({"id": 0, "resolution": 10.0}), 4.0),
            (json!({"id": 1, "resolution": 10.0}), 1.0),
            (json!({"id": 1, "resolution": 10.0, "bufferX": 500}), 2.0),
            (json!({"id": 99}), 4.0),
        ] {
            assert!((of(grid.clone()) - expected).abs() < 1e-9, "{grid}");
        }
        let wide = [14.0, 46.0, 14.1, 46.5];
        assert!((tiles(&json!({"id": 1}), wide, 1_000) - 6.0).abs() < 1e-9);
    }
}
