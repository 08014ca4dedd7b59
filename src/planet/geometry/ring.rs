//! One ring: closed, on the globe, and crossing neither itself nor the antimeridian.

use geo::{Coord, Intersects, Line};

use super::geojson::Coordinates;
use crate::planet::Misread;

/// Reads one ring. `at` says where it stands, for the error.
pub(super) fn read(raw: &Coordinates, at: &str) -> Result<Vec<Coord<f64>>, Misread> {
    let positions = raw
        .list()
        .ok_or_else(|| Misread::new(format!("{at} is not a list of positions")))?;
    let mut ring = Vec::with_capacity(positions.len());
    for (place, position) in positions.iter().enumerate() {
        let position = coordinate(position)
            .map_err(|wrong| Misread::new(format!("{at}, position {place}: {wrong}")))?;
        if ring.last() != Some(&position) {
            ring.push(position);
        }
    }
    prove(&ring, at)?;
    Ok(ring)
}

fn coordinate(raw: &Coordinates) -> Result<Coord<f64>, String> {
    let (x, y) = raw
        .position()
        .ok_or("a position is [longitude, latitude]")?;
    if !(x.is_finite() && y.is_finite()) {
        return Err("a coordinate is not a finite number".into());
    }
    if y.abs() > 90.0 {
        return Err(format!(
            "the latitude {y} lies outside -90 to 90; positions are [longitude, latitude] in degrees"
        ));
    }
    if x.abs() > 180.0 {
        return Err(format!(
            "the longitude {x} lies outside -180 to 180; split a shape that crosses the antimeridian into \
             one polygon on each side"
        ));
    }
    Ok(Coord { x, y })
}

fn prove(ring: &[Coord<f64>], at: &str) -> Result<(), Misread> {
    if ring.first() != ring.last() {
        return Err(Misread::new(format!(
            "{at} is not closed; repeat its first position as its last"
        )));
    }
    if ring.len() < 4 {
        return Err(Misread::new(format!(
            "{at} has too few points; a ring needs three different positions and the first of them again"
        )));
    }
    for (from, to) in ring.iter().zip(ring.iter().skip(1)) {
        if (to.x - from.x).abs() >= 180.0 {
            return Err(Misread::new(format!(
                "{at} has an edge from longitude {} to {}: it crosses the antimeridian or half the globe; \
                 split the shape at longitude 180 into one polygon on each side",
                from.x, to.x
            )));
        }
    }
    if let Some(crossing) = self_crossing(ring) {
        return Err(Misread::new(format!(
            "{at} crosses or touches itself near longitude {}, latitude {}; repair the shape, for \
             example with shapely's make_valid",
            crossing.x, crossing.y
        )));
    }
    Ok(())
}

/// Where the ring first meets itself, if it does.
fn self_crossing(ring: &[Coord<f64>]) -> Option<Coord<f64>> {
    let edges: Vec<_> = edges(ring).collect();
    let last = edges.len() - 1;
    meeting(&edges, |one, other| {
        let gap = one.abs_diff(other);
        gap > 1 && gap < last
    })
}

/// Whether any two of the rings have a point in common.
pub(super) fn touch(rings: &[Vec<Coord<f64>>]) -> bool {
    let mut all = Vec::new();
    let mut owners = Vec::new();
    for (owner, ring) in rings.iter().enumerate() {
        all.extend(edges(ring));
        owners.resize(all.len(), owner);
    }
    meeting(&all, |one, other| owners.get(one) != owners.get(other)).is_some()
}

fn edges(ring: &[Coord<f64>]) -> impl Iterator<Item = Line<f64>> + '_ {
    ring.iter()
        .zip(ring.iter().skip(1))
        .map(|(from, to)| Line::new(*from, *to))
}

/// The start of some edge that meets another one; only pairs that `counts` accepts, by their places, do.
///
/// A sweep along whichever axis the edges are shorter on: linear for real outlines, and still only a
/// comparison of numbers for each pair of the worst.
fn meeting(edges: &[Line<f64>], counts: impl Fn(usize, usize) -> bool) -> Option<Coord<f64>> {
    let spread = |of: fn(&Line<f64>) -> f64| edges.iter().map(of).sum::<f64>();
    let (across, along): (Axis, Axis) =
        if spread(|edge| edge.dx().abs()) <= spread(|edge| edge.dy().abs()) {
            (
                |edge| ordered(edge.start.x, edge.end.x),
                |edge| ordered(edge.start.y, edge.end.y),
            )
        } else {
            (
                |edge| ordered(edge.start.y, edge.end.y),
                |edge| ordered(edge.start.x, edge.end.x),
            )
        };
    let mut order: Vec<_> = (0..edges.len()).collect();
    order.sort_by(|one, other| across(&edges[*one]).0.total_cmp(&across(&edges[*other]).0));
    let mut open: Vec<usize> = Vec::new();
    for place in order {
        let edge = &edges[place];
        let ((begins, _), (low, high)) = (across(edge), along(edge));
        open.retain(|other| across(&edges[*other]).1 >= begins);
        for other in &open {
            let (other_low, other_high) = along(&edges[*other]);
            let apart = other_low > high || low > other_high;
            if !apart && counts(place, *other) && edge.intersects(&edges[*other]) {
                return Some(edge.start);
            }
        }
        open.push(place);
    }
    None
}

type Axis = fn(&Line<f64>) -> (f64, f64);

fn ordered(one: f64, other: f64) -> (f64, f64) {
    (one.min(other), one.max(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(text: &str) -> String {
        let raw: Coordinates = serde_json::from_str(text).expect(text);
        read(&raw, "the ring").expect_err(text).sentence
    }

    #[test]
    fn a_ring_that_is_wrong_is_refused_with_what_to_do() {
        for (text, expected) in [
            ("7", "not a list"),
            ("[[0,0],[1,0],7,[0,0]]", "position 2"),
            ("[[0,0],[1,0],[1,1]]", "not closed; repeat"),
            ("[]", "too few points"),
            ("[[0,0],[1,0],[0,0]]", "too few points"),
            ("[[0,0],[0,0],[0,0],[0,0]]", "too few points"),
            ("[[0,0],[1,0],[1,91],[0,0]]", "latitude 91"),
            ("[[179,0],[181,0],[181,1],[179,0]]", "split"),
            (
                "[[179,0],[-179,0],[-179,1],[179,1],[179,0]]",
                "antimeridian",
            ),
            (
                "[[0,0],[1,1],[1,0],[0,1],[0,0]]",
                "crosses or touches itself",
            ),
            (
                "[[0,0],[2,0],[2,2],[1,0],[0,2],[0,0]]",
                "crosses or touches itself",
            ),
        ] {
            let sentence = sentence(text);
            assert!(sentence.contains(expected), "{text}: {sentence}");
        }
    }

    #[test]
    fn repeated_positions_and_either_winding_are_fine() {
        let raw = serde_json::from_str("[[0,0],[0,1],[0,1],[1,1],[1,0],[0,0]]").unwrap();
        assert_eq!(read(&raw, "the ring").unwrap().len(), 5);
    }

    #[test]
    fn a_comb_of_ten_thousand_teeth_is_proven_without_comparing_every_pair() {
        let mut ring: Vec<_> = (0..5_000)
            .flat_map(|tooth| {
                let y = f64::from(tooth) / 100.0;
                let (near, far) = if tooth % 2 == 0 {
                    (1.0, 60.0)
                } else {
                    (60.0, 1.0)
                };
                [Coord { x: near, y }, Coord { x: far, y }]
            })
            .collect();
        ring.push(Coord { x: 0.0, y: 50.0 });
        ring.push(Coord { x: 0.0, y: 0.0 });
        ring.push(ring[0]);
        assert_eq!(self_crossing(&ring), None);
        ring[5_001].y -= 30.0;
        assert!(self_crossing(&ring).is_some());
    }

    #[test]
    fn rings_apart_do_not_touch() {
        let square = |x: f64, y: f64| {
            [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.0, 0.0)]
                .map(|(dx, dy)| Coord {
                    x: x + dx,
                    y: y + dy,
                })
                .to_vec()
        };
        assert!(!touch(&[square(0.0, 0.0), square(2.0, 0.0)]));
        assert!(touch(&[square(0.0, 0.0), square(1.0, 1.0)]));
        assert!(touch(&[
            square(0.0, 0.0),
            square(5.0, 5.0),
            square(0.5, 0.5)
        ]));
    }
}
