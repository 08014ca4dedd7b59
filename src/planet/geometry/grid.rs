//! How many squares of a map's grid an area can touch: of the plane that the web's maps are drawn in.

use geo::Coord;

use super::{Bounds, Part, Shape};

/// Half the width of the map.
const HALF_MAP_M: f64 = 20_037_508.342_789_244;
/// The map ends here.
const LAST_LATITUDE: f64 = 85.06;
/// A grid that divides the map into whole squares to this share of one begins at its edge.
const WHOLE: f64 = 1e-6;
/// What touches a square by less than this share of its side may touch it.
const NEARLY: f64 = 1e-6;
/// Beyond this nobody orders, and a count is worth nothing.
const MOST_SQUARES: f64 = 1e12;

impl Shape {
    /// The most squares of a side of `side_m` on the map that the area can touch. Each part touches no more
    /// than the box around it; where two parts touch one square, it may count twice.
    pub fn most_squares(&self, side_m: f64) -> Option<u64> {
        let across = 2.0 * HALF_MAP_M / side_m;
        if !(side_m.is_finite() && side_m > 0.0 && across * across <= MOST_SQUARES) {
            return None;
        }
        let apart = self
            .parts
            .iter()
            .map(|part: &Part| squares(part.bounds, side_m));
        let together = squares(self.bounds(), side_m);
        Some(counted(apart.sum::<f64>().min(together)))
    }
}

fn squares(bounds: Bounds, side_m: f64) -> f64 {
    let (low, high) = (on_map(bounds.min), on_map(widened(bounds)));
    let low = Coord {
        y: low.y - (high.y - on_map(bounds.max).y),
        ..low
    };
    touched(low.x, high.x, side_m) * touched(low.y, high.y, side_m)
}

/// The north-eastern corner, as far north as an edge along the box may bend if it is straight on the ground.
fn widened(Bounds { min, max }: Bounds) -> Coord<f64> {
    let wide = (max.x - min.x).to_radians();
    let steepest = min.y.abs().max(max.y.abs()).min(LAST_LATITUDE).to_radians();
    let bend = wide * wide * steepest.sin() / 8.0;
    Coord {
        y: max.y + bend.to_degrees(),
        ..max
    }
}

/// How many of a row's squares lie from one place to another.
fn touched(from: f64, to: f64, side_m: f64) -> f64 {
    let across = 2.0 * HALF_MAP_M / side_m;
    if (across - across.round()).abs() > WHOLE {
        // nothing says where the grid begins
        return ((to - from) / side_m).floor() + 2.0;
    }
    let place = |at: f64| (at + HALF_MAP_M) / side_m;
    let last = (place(to) + NEARLY).floor().min(across.round() - 1.0);
    let first = (place(from) - NEARLY).floor().max(0.0);
    (last - first + 1.0).max(1.0)
}

fn on_map(Coord { x, y }: Coord<f64>) -> Coord<f64> {
    let latitude = y.clamp(-LAST_LATITUDE, LAST_LATITUDE).to_radians();
    Coord {
        x: x / 180.0 * HALF_MAP_M,
        y: latitude.tan().asinh() / std::f64::consts::PI * HALF_MAP_M,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and counts are never negative"
)]
fn counted(squares: f64) -> u64 {
    squares.ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::super::samples::{shape, square, squares, ten_fields};
    use serde_json::json;

    /// Of 4096 pixels at the map's resolution of 4.8 m: 2048 across the world.
    const QUAD_M: f64 = 19_567.879_241_005_12;

    fn boxed(west: f64, south: f64, east: f64, north: f64) -> Option<u64> {
        let ring = json!([
            [west, south],
            [east, south],
            [east, north],
            [west, north],
            [west, south]
        ]);
        shape(json!({"type": "Polygon", "coordinates": [ring]})).most_squares(QUAD_M)
    }

    #[test]
    fn squares_are_counted_from_the_edge_of_the_map() {
        // a quad is 0.17578125 degrees wide, and column 1106 begins at 14.4140625
        assert_eq!(boxed(14.42, 46.0, 14.58, 46.05), Some(1));
        assert_eq!(boxed(14.40, 46.0, 14.42, 46.05), Some(2));
        assert_eq!(boxed(14.0, 46.0, 14.5, 46.2), Some(4 * 3));
        assert_eq!(boxed(-179.0, -85.0, -1.0, 85.0), Some(1014 * 2048));
    }

    #[test]
    fn what_ends_on_an_edge_touches_the_square_behind_it() {
        assert_eq!(boxed(14.42, 46.0, 14.589_843_75, 46.05), Some(2));
    }

    #[test]
    fn far_flung_parts_are_counted_apart_and_near_ones_together() {
        assert_eq!(shape(ten_fields()).most_squares(QUAD_M), Some(2));
        let far = shape(squares(&[(0, 1_000), (9_000_000, 1_000)]));
        assert_eq!(far.most_squares(QUAD_M), Some(2));
    }

    #[test]
    fn a_grid_of_unknown_origin_counts_one_more_each_way() {
        let field = shape(square(20_000));
        assert_eq!(field.most_squares(20_000.0), Some(4));
        for odd in [0.0, -1.0, f64::NAN, f64::INFINITY, 1.0] {
            assert_eq!(field.most_squares(odd), None, "{odd}");
        }
    }
}
