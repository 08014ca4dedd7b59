//! What is locked already of an area that is asked for: Planet counts land once, however often it is asked
//! for in a term.
//!
//! What counts as locked is never too much. Land lies in two areas where they overlap on the map, less all
//! that may lie on either side of an edge: by the grid that overlaps are computed on, and because nothing
//! says whether an edge is straight on the map or on the ground. An area that was asked for before, corner
//! for corner, is locked whole.

use std::sync::Arc;

use geo::orient::{Direction, Orient};
use geo::{BooleanOps, MultiPolygon, Polygon, unary_union};

use super::{Bounds, Part, Shape, area};
use crate::units::SquareKm;

/// With no more positions of other areas than this is one part compared; what lies behind counts as not
/// locked.
const MOST_COMPARED: usize = 50_000;
/// Corners that lie no further apart than this, in degrees, are one: a tenth of a micrometre, which numbers
/// lose on their way through JSON.
const SAME: f64 = 1e-12;
/// Overlaps are computed on a grid of no fewer steps than this across all that is compared.
const GRID: f64 = 268_435_456.0;
/// How many of these a corner may be moved, if several edges cross near it.
const STEPS_MOVED: f64 = 4.0;

/// Areas that are locked, the latest last.
#[derive(Clone, Debug, Default)]
pub struct Locked {
    parts: Vec<Part>,
}

/// What of one part of a shape is locked already.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Covered {
    /// At least.
    pub area: SquareKm,
    /// Whether the rest is only what cannot be measured.
    pub wholly: bool,
}

/// A box in millionths of a degree, no smaller than what it is around.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sector {
    pub west: i32,
    pub south: i32,
    pub east: i32,
    pub north: i32,
}

impl Locked {
    pub fn add(&mut self, shape: &Shape) {
        self.parts.extend(shape.parts.iter().cloned());
    }

    /// What is covered of each part of `shape`, which is locked from here on: the parts one by one, so that
    /// what two of them share counts once.
    pub fn cover(&mut self, shape: &Shape) -> Arc<[Covered]> {
        let covered = shape.parts.iter().map(|part| {
            let covered = self.covers(part);
            self.parts.push(part.clone());
            covered
        });
        covered.collect()
    }

    fn covers(&self, part: &Part) -> Covered {
        let mut others = Vec::new();
        let mut positions = 0;
        for other in self.parts.iter().rev().filter(|other| other.meets(part)) {
            if other.is_same(part) {
                return Covered {
                    area: part.area,
                    wholly: true,
                };
            }
            positions += other.positions();
            if positions > MOST_COMPARED {
                break;
            }
            others.push(other);
        }
        if others.is_empty() || !part.proven {
            return Covered::default();
        }
        shared(part, &others)
    }
}

/// What `part` has in common with all the others together.
fn shared(part: &Part, others: &[&Part]) -> Covered {
    let around = others.iter().map(|other| other.bounds);
    let Bounds { min, max } = around.fold(part.bounds, Bounds::around);
    let blur = (max.x - min.x).max(max.y - min.y) / GRID * STEPS_MOVED;
    let proven = others.iter().filter(|other| other.proven);
    let oriented: Vec<Polygon<f64>> = proven
        .map(|other| other.polygon.orient(Direction::Default))
        .collect();
    let common: MultiPolygon<f64> = unary_union(&oriented).intersection(&part.polygon);
    let mut surely = 0.0;
    let mut doubtful = 0.0;
    for piece in &common {
        let outline = &piece.exterior().0;
        let holes = piece.interiors().iter().map(|hole| {
            let doubts = area::doubtful_m2(&hole.0, blur);
            area::enclosed_m2(&hole.0) + doubts
        });
        surely += (area::surely_enclosed_m2(outline, blur) - holes.sum::<f64>()).max(0.0);
        doubtful += area::doubtful_m2(outline, blur);
    }
    let area = SquareKm::from_micros(whole_down(surely)).unwrap_or_default();
    let area = area.min(part.area);
    let rest = part.area.micros().saturating_sub(area.micros());
    Covered {
        area,
        // twice the doubt: it was taken off once already, and the part was measured with it
        wholly: area > SquareKm::ZERO && rest <= whole_down(doubtful * 2.0).saturating_add(2),
    }
}

impl Shape {
    /// Where it lies.
    pub fn sector(&self) -> Sector {
        let Bounds { min, max } = self.bounds();
        Sector {
            west: micro_degrees(min.x.next_down(), f64::floor),
            south: micro_degrees(min.y.next_down(), f64::floor),
            east: micro_degrees(max.x.next_up(), f64::ceil),
            north: micro_degrees(max.y.next_up(), f64::ceil),
        }
    }

    /// Those of its parts that are not locked whole; `None` where all of them are.
    #[must_use]
    pub fn uncovered(&self, covered: &[Covered]) -> Option<Self> {
        let wholly = |place: usize| covered.get(place).is_some_and(|covered| covered.wholly);
        let parts = self.parts.iter().enumerate();
        let parts: Vec<_> = parts
            .filter(|(place, _)| !wholly(*place))
            .map(|(_, part)| part.clone())
            .collect();
        let exact = self.exact;
        (!parts.is_empty()).then(|| Self {
            parts: parts.into(),
            exact,
        })
    }
}

impl Part {
    fn meets(&self, other: &Self) -> bool {
        self.bounds.meets(other.bounds)
    }

    fn is_same(&self, other: &Self) -> bool {
        let near = |one: f64, other: f64| (one - other).abs() <= SAME;
        self.polygon.interiors().len() == other.polygon.interiors().len()
            && self.rings().zip(other.rings()).all(|(one, other)| {
                one.0.len() == other.0.len()
                    && one
                        .coords()
                        .zip(other.coords())
                        .all(|(one, other)| near(one.x, other.x) && near(one.y, other.y))
            })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the cast saturates, and the planet has 180 degrees"
)]
fn micro_degrees(degrees: f64, rounded: fn(f64) -> f64) -> i32 {
    rounded(degrees * 1e6) as i32
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the cast saturates, and the planet has 5e14 square metres"
)]
fn whole_down(measure: f64) -> i64 {
    measure.floor() as i64
}

#[cfg(test)]
mod tests {
    use super::super::samples::{shape, square, square_east, squares, ten_fields};
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn cover(locked: &mut Locked, shape: &Shape) -> i64 {
        let covered = locked.cover(shape);
        covered.iter().map(|covered| covered.area.micros()).sum()
    }

    fn new_area(locked: &mut Locked, shape: &Shape) -> i64 {
        shape.area().micros() - cover(locked, shape)
    }

    #[test]
    fn the_same_area_again_adds_nothing_and_another_adds_all_of_it() {
        let mut locked = Locked::default();
        for _ in 0..2 {
            let fields = shape(ten_fields());
            let first = locked.parts.is_empty();
            let covered = locked.cover(&fields);
            assert!(covered.iter().all(|covered| covered.wholly != first));
            assert_eq!(fields.uncovered(&covered).is_none(), !first);
        }
        let elsewhere = shape(square_east(900_000, 20_000));
        assert_eq!(locked.cover(&elsewhere)[..], [Covered::default()]);
    }

    #[test]
    fn what_lies_in_a_locked_area_adds_only_what_cannot_be_measured() {
        let mut locked = Locked::default();
        locked.add(&shape(square(20_000)));
        let inner = shape(json!({"type": "Polygon", "coordinates": [[
            [14.505, 46.005], [14.515, 46.005], [14.515, 46.015], [14.505, 46.015], [14.505, 46.005]]]}));
        let covered = locked.cover(&inner)[0];
        assert!(covered.wholly, "{covered:?}");
        let rest = inner.area().micros() - covered.area.micros();
        assert!((1..100).contains(&rest), "{rest} m²");
    }

    #[test]
    fn half_an_overlap_is_half_locked() {
        let mut locked = Locked::default();
        locked.add(&shape(square(20_000)));
        let half = shape(square_east(10_000, 20_000));
        let covered = locked.cover(&half)[0];
        assert!(!covered.wholly);
        let expected = half.area().micros() / 2;
        let short = expected - covered.area.micros();
        assert!((0..300).contains(&short), "{short} m² of {expected}");
    }

    #[test]
    fn parts_that_overlap_count_once() {
        let twice = shape(squares(&[(0, 20_000), (10_000, 20_000)]));
        let covered = Locked::default().cover(&twice);
        assert!(covered[0].area == SquareKm::ZERO);
        assert!(covered[1].area.micros() > 1_500_000, "{covered:?}");
    }

    #[test]
    fn a_hole_is_not_locked() {
        let ring = |west: f64, side: f64| {
            json!([
                [west, 46.0 + west - 14.0],
                [west + side, 46.0 + west - 14.0],
                [west + side, 46.0 + west - 14.0 + side],
                [west, 46.0 + west - 14.0 + side],
                [west, 46.0 + west - 14.0]
            ])
        };
        let holed =
            shape(json!({"type": "Polygon", "coordinates": [ring(14.0, 0.3), ring(14.1, 0.1)]}));
        let mut locked = Locked::default();
        locked.add(&holed);
        let hole = shape(json!({"type": "Polygon", "coordinates": [ring(14.1, 0.1)]}));
        assert_eq!(cover(&mut locked, &hole), 0);
        let all = shape(json!({"type": "Polygon", "coordinates": [ring(14.0, 0.3)]}));
        let mut locked = Locked::default();
        locked.add(&holed);
        let rest = new_area(&mut locked, &all);
        let hole = hole.area().micros();
        assert!(rest >= hole && rest < hole + hole / 100, "{rest} {hole}");
    }

    #[test]
    fn very_long_edges_prove_nothing_but_themselves() {
        let wide = |west: f64| {
            shape(
                json!({"type": "Polygon", "coordinates": [[[west, 40.0], [30.0, 40.0], [30.0, 60.0],
                [west, 60.0], [west, 40.0]]]}),
            )
        };
        let mut locked = Locked::default();
        locked.add(&wide(-10.0));
        assert!(locked.cover(&wide(-10.0))[0].wholly);
        assert_eq!(cover(&mut locked, &wide(-9.0)), 0);
    }

    #[test]
    fn a_sector_holds_its_shape() {
        let sector = shape(square(20_000)).sector();
        let expected = [14_499_999, 45_999_999, 14_520_001, 46_020_001];
        let Sector {
            west,
            south,
            east,
            north,
        } = sector;
        for (side, expected) in [west, south, east, north].into_iter().zip(expected) {
            assert!((side - expected).abs() <= 1, "{side} {expected}");
        }
        assert!(west <= 14_500_000 && east >= 14_520_000);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_union_is_no_less_than_each_part_and_no_more_than_their_sum(
            squares in prop::collection::vec((0u32..60_000, 1_000u32..60_000), 1..8),
        ) {
            let sums = |order: &mut dyn Iterator<Item = &(u32, u32)>| {
                let mut locked = Locked::default();
                order.map(|(east, side)| new_area(&mut locked, &shape(square_east(*east, *side)))).sum::<i64>()
            };
            let union = sums(&mut squares.iter());
            let backwards = sums(&mut squares.iter().rev());
            let alone: Vec<_> = squares.iter()
                .map(|(east, side)| shape(square_east(*east, *side)).area().micros()).collect();
            // they all stand on one line, so that their union is as wide as their sides cover and has a measure
            let measured = skyline(&squares);
            prop_assert!(union >= alone.iter().copied().max().unwrap());
            prop_assert!(union <= alone.iter().sum::<i64>());
            for sum in [union, backwards] {
                prop_assert!(sum >= measured, "{sum} m² of {measured}");
                prop_assert!(sum <= measured + measured / 200 + 2_000, "{sum} m² of {measured}");
            }
        }
    }

    /// The area below the highest of the squares, cut into strips.
    fn skyline(squares: &[(u32, u32)]) -> i64 {
        let mut cuts: Vec<u32> = squares
            .iter()
            .flat_map(|(east, side)| [*east, east + side])
            .collect();
        cuts.sort_unstable();
        cuts.dedup();
        let strip = |cut: &[u32]| {
            let (from, to) = (cut[0], cut[1]);
            let over = squares
                .iter()
                .filter(|(east, side)| *east <= from && east + side >= to);
            let height = over.map(|(_, side)| *side).max()?;
            let at = |micros: u32| f64::from(micros) * 1e-6;
            let (west, east, north) = (14.5 + at(from), 14.5 + at(to), 46.0 + at(height));
            let ring = [
                (west, 46.0),
                (east, 46.0),
                (east, north),
                (west, north),
                (west, 46.0),
            ];
            let ring = ring.map(|(x, y)| geo::Coord { x, y });
            Some(area::surely_enclosed_m2(&ring, 0.0))
        };
        let strips: f64 = cuts.windows(2).filter_map(strip).sum();
        whole_down(strips)
    }
}
