//! Area and extent on the WGS 84 ellipsoid. Planet's own areas are ellipsoidal with geodesic edges.
//!
//! Solving the inverse geodesic problem for each edge takes about a microsecond, which is too long for
//! gigantic outlines. A short edge needs none of it: the area below the straight line on a map of
//! longitude and latitude is an integral, and the sliver between that line and the geodesic has a
//! closed form whose error at [`SHORT_EDGE_M`] is under a square metre.

use geo::{Coord, GeodesicArea, LineString, Polygon};

const EQUATORIAL_RADIUS_M: f64 = 6_378_137.0;
const ECCENTRICITY_SQUARED: f64 = 0.006_694_379_990_141_316;
/// Up to here the sliver's closed form is used.
const SHORT_EDGE_M: f64 = 20_000.0;
/// From here on "a straight edge" means different things on a map and on the ground, and nothing says
/// which of them upstream means: the larger area counts.
const LONG_EDGE_DEGREES: f64 = 5.0;
/// The longest metre counts of a degree, at a pole and at the equator.
const METRES_PER_DEGREE_NORTH: f64 = 111_694.0;
const METRES_PER_DEGREE_EAST: f64 = 111_320.0;
/// A quarter of the planet: a ring below it is measured by what it encloses, whichever way it winds.
const QUARTER_PLANET_M2: f64 = 1.275e14;

/// What a closed ring encloses, in m²; the way it winds does not matter.
pub(super) fn enclosed_m2(ring: &[Coord<f64>]) -> f64 {
    let edges = || ring.iter().zip(ring.iter().skip(1));
    let on_map = || {
        edges()
            .map(|(from, to)| below_map_line(*from, *to))
            .sum::<f64>()
            .abs()
    };
    if edges().all(|(from, to)| Edge::between(*from, *to).length_squared() <= SHORT_EDGE_M.powi(2))
    {
        return edges()
            .map(|(from, to)| Edge::between(*from, *to).area_below())
            .sum::<f64>()
            .abs();
    }
    let on_map = on_map();
    let polygon = Polygon::new(LineString::new(ring.to_vec()), Vec::new());
    let signed = polygon.geodesic_area_signed();
    let geodesic = if on_map < QUARTER_PLANET_M2 {
        signed.abs()
    } else {
        // Past half the planet the sign tells nothing any more: take what cannot be too little.
        polygon.geodesic_area_unsigned().max(signed.abs())
    };
    if edges().any(|(from, to)| (to.x - from.x).abs() > LONG_EDGE_DEGREES) {
        geodesic.max(on_map)
    } else {
        geodesic
    }
}

/// What a closed ring encloses at least, in m², wherever its corners lie within `blur` degrees of where they
/// are said to lie, and whether its edges are straight on a map or on the ground; 0 where that is not known.
pub(super) fn surely_enclosed_m2(ring: &[Coord<f64>], blur: f64) -> f64 {
    let edges = || ring.iter().zip(ring.iter().skip(1));
    let far = |from: f64, to: f64| (to - from).abs() > LONG_EDGE_DEGREES;
    if edges().any(|(from, to)| far(from.x, to.x) || far(from.y, to.y)) {
        return 0.0;
    }
    let on_map = edges().map(|(from, to)| below_map_line(*from, *to));
    (on_map.sum::<f64>().abs() - doubtful_m2(ring, blur)).max(0.0)
}

/// How much of what lies along a ring's edges may lie on either side of them.
pub(super) fn doubtful_m2(ring: &[Coord<f64>], blur: f64) -> f64 {
    let blur_m = blur * METRES_PER_DEGREE_NORTH;
    let edges = ring.iter().zip(ring.iter().skip(1));
    let doubts = edges.map(|(from, to)| {
        let edge = Edge::between(*from, *to);
        let length_squared = edge.length_squared();
        // the closed form is within a per cent of the sliver up to LONG_EDGE_DEGREES
        let sliver = (edge.turn() * length_squared / 12.0).abs() * 1.1;
        sliver + (length_squared.sqrt() + blur_m) * blur_m
    });
    doubts.sum()
}

/// East-west and north-south extent in metres, of a box in degrees; never too little.
pub(super) fn extent_m(min: Coord<f64>, max: Coord<f64>) -> (f64, f64) {
    let nearest_equator = if min.y <= 0.0 && max.y >= 0.0 {
        0.0
    } else {
        min.y.abs().min(max.y.abs())
    };
    // A parallel is up to 0.34 % longer than on a sphere.
    let east = METRES_PER_DEGREE_EAST * nearest_equator.to_radians().cos() * 1.0034;
    (
        (max.x - min.x) * east,
        (max.y - min.y) * METRES_PER_DEGREE_NORTH,
    )
}

/// A straight line on the map, in radians, and the ellipsoid's two radii of curvature at its middle.
struct Edge {
    south: f64,
    middle: f64,
    north: f64,
    east: f64,
    meridian_radius: f64,
    prime_radius: f64,
}

impl Edge {
    fn between(from: Coord<f64>, to: Coord<f64>) -> Self {
        let (start, end) = (from.y.to_radians(), to.y.to_radians());
        let middle = f64::midpoint(start, end);
        let flattening = 1.0 - ECCENTRICITY_SQUARED * middle.sin().powi(2);
        let prime_radius = EQUATORIAL_RADIUS_M / flattening.sqrt();
        Self {
            south: start,
            middle,
            north: end,
            east: (to.x - from.x).to_radians(),
            meridian_radius: prime_radius * (1.0 - ECCENTRICITY_SQUARED) / flattening,
            prime_radius,
        }
    }

    fn length_squared(&self) -> f64 {
        let east = self.prime_radius * self.middle.cos() * self.east;
        let north = self.meridian_radius * (self.north - self.south);
        east.powi(2) + north.powi(2)
    }

    /// The area between the geodesic and the equator, negative for one that runs west.
    fn area_below(&self) -> f64 {
        let mean =
            (quadrature(self.south) + 4.0 * quadrature(self.middle) + quadrature(self.north)) / 6.0;
        self.east * mean - self.turn() * self.length_squared() / 12.0
    }

    /// How far the map's line turns right of the geodesic over its length, in radians.
    fn turn(&self) -> f64 {
        let length_squared = self.length_squared();
        if length_squared == 0.0 {
            return 0.0;
        }
        let (sine, cosine) = self.middle.sin_cos();
        let flattening = 1.0 - ECCENTRICITY_SQUARED * sine.powi(2);
        let meridian_slope =
            3.0 * ECCENTRICITY_SQUARED * sine * cosine * self.meridian_radius / flattening;
        let bend =
            self.meridian_radius.powi(2) * sine + self.prime_radius * cosine * meridian_slope;
        let north = self.north - self.south;
        -self.east * (north.powi(2) * bend / length_squared + sine)
    }
}

/// The area between a line that is straight on the map and the equator.
fn below_map_line(from: Coord<f64>, to: Coord<f64>) -> f64 {
    const STEP_DEGREES: f64 = 1.0;
    let mut steps = 1.0;
    while (to.y - from.y).abs() / steps > STEP_DEGREES {
        steps *= 2.0;
    }
    let east = (to.x - from.x).to_radians() / steps;
    let north = (to.y - from.y).to_radians() / steps;
    let mut latitude = from.y.to_radians();
    let mut area = 0.0;
    let mut step = 0.0;
    while step < steps {
        let mean = quadrature(latitude)
            + 4.0 * quadrature(latitude + north / 2.0)
            + quadrature(latitude + north);
        area += east * mean / 6.0;
        latitude += north;
        step += 1.0;
    }
    area
}

/// The area from the equator to a latitude, for one radian of longitude.
fn quadrature(latitude: f64) -> f64 {
    let eccentricity = ECCENTRICITY_SQUARED.sqrt();
    let sine = latitude.sin();
    let minor_squared = EQUATORIAL_RADIUS_M.powi(2) * (1.0 - ECCENTRICITY_SQUARED);
    let ratio = sine / (1.0 - ECCENTRICITY_SQUARED * sine.powi(2));
    minor_squared / 2.0 * (ratio + (eccentricity * sine).atanh() / eccentricity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn star(x: f64, y: f64, radius: f64, corners: u32) -> Vec<Coord<f64>> {
        (0..=corners)
            .map(|corner| {
                let angle =
                    f64::from(corner % corners) / f64::from(corners) * std::f64::consts::TAU;
                let radius = radius * (1.0 + 0.3 * (angle * 5.0).sin());
                Coord {
                    x: x + radius * angle.cos(),
                    y: y + radius * angle.sin(),
                }
            })
            .collect()
    }

    fn reference_m2(ring: &[Coord<f64>]) -> f64 {
        Polygon::new(LineString::new(ring.to_vec()), Vec::new())
            .geodesic_area_signed()
            .abs()
    }

    proptest! {
        #[test]
        fn short_edges_measure_what_the_inverse_problem_says(
            x in -170.0..170.0, y in -80.0..80.0, radius in 0.0001..1.5, corners in 40u32..300,
        ) {
            let ring = star(x, y, radius, corners);
            let (ours, reference) = (enclosed_m2(&ring), reference_m2(&ring));
            prop_assert!((ours - reference).abs() <= 0.01 + reference * 1e-8, "{ours} {reference}");
        }

        #[test]
        fn winding_does_not_matter(
            x in -90.0..90.0, y in -50.0..50.0, radius in 0.0001..30.0, corners in 3u32..50,
        ) {
            let mut ring = star(x, y, radius, corners);
            let one_way = enclosed_m2(&ring);
            ring.reverse();
            let other_way = enclosed_m2(&ring);
            prop_assert!((one_way - other_way).abs() <= 0.01 + one_way * 1e-9);
        }
    }

    fn rectangle(west: f64, south: f64, east: f64, north: f64) -> Vec<Coord<f64>> {
        [
            (west, south),
            (east, south),
            (east, north),
            (west, north),
            (west, south),
        ]
        .map(|(x, y)| Coord { x, y })
        .to_vec()
    }

    #[test]
    fn very_long_edges_count_as_the_larger_of_both_readings() {
        let band = rectangle(0.0, 60.0, 90.0, 61.0);
        let on_map =
            (quadrature(61f64.to_radians()) - quadrature(60f64.to_radians())) * 90f64.to_radians();
        assert!(enclosed_m2(&band) >= on_map * (1.0 - 1e-9));
        assert!(enclosed_m2(&band) >= reference_m2(&band));
    }

    #[test]
    fn most_of_the_planet_is_not_mistaken_for_the_rest_of_it() {
        let mut ring = Vec::new();
        for west in [-179.0, -90.0, 0.0, 90.0, 179.0] {
            ring.push(Coord { x: west, y: -85.0 });
        }
        for east in [179.0, 90.0, 0.0, -90.0, -179.0] {
            ring.push(Coord { x: east, y: 85.0 });
        }
        ring.push(ring[0]);
        assert!(enclosed_m2(&ring) > 4.5e14);
    }

    #[test]
    fn extents_are_never_too_short() {
        let (east, north) = extent_m(Coord { x: 14.0, y: 46.0 }, Coord { x: 15.0, y: 47.0 });
        assert!((77_400.0..78_000.0).contains(&east), "{east}");
        assert!((111_000.0..112_000.0).contains(&north), "{north}");
        let (across, _) = extent_m(Coord { x: 0.0, y: -60.0 }, Coord { x: 1.0, y: 10.0 });
        assert!(across >= 111_319.0);
    }
}
