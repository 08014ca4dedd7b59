//! The box that a request is about, and how large it is on the ground.

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use std::fmt;

use super::{Misread, number};
use crate::units::SquareKm;

/// `[min x, min y, max x, max y]` in whatever units the coordinates are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Extent {
    pub(super) west: f64,
    pub(super) south: f64,
    pub(super) east: f64,
    pub(super) north: f64,
}

/// What the numbers of an [`Extent`] are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Ground {
    #[default]
    Degrees,
    Metres,
}

/// A GeoJSON `Polygon` or `MultiPolygon`, of which only the box is kept.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct RawGeometry {
    r#type: String,
    coordinates: Option<Coordinates>,
}

/// Nested lists of positions: the box around them, and how deep they nest.
#[derive(Clone, Copy, Debug)]
struct Coordinates {
    extent: Option<Extent>,
    depth: u32,
}

impl Ground {
    /// From a CRS as a URI or a code: longitude and latitude, or metres.
    pub(super) fn of_crs(crs: &str) -> Self {
        let name = crs.rsplit(['/', ':']).next().unwrap_or(crs);
        match name {
            "CRS84" | "84" | "4326" => Self::Degrees,
            _ => Self::Metres,
        }
    }
}

impl Extent {
    /// A box of four numbers whose sides are longer than nothing.
    pub(super) fn read(bbox: &[f64], place: &str) -> Result<Self, Misread> {
        let [west, south, east, north] = *bbox else {
            return Err(Misread::new(format!(
                "{place} has {} numbers; write four: [min x, min y, max x, max y]",
                bbox.len()
            )));
        };
        if west >= east || south >= north {
            return Err(Misread::new(format!(
                "{place} is empty or reversed: [{west}, {south}, {east}, {north}]; write [min x, min y, max x, max y], \
                 and split an area that crosses the 180th meridian in two"
            )));
        }
        Ok(Self {
            west,
            south,
            east,
            north,
        })
    }

    pub(super) fn width(&self) -> f64 {
        self.east - self.west
    }

    pub(super) fn height(&self) -> f64 {
        self.north - self.south
    }

    /// Width and height in km at most: a degree of longitude counts as one at the equator.
    pub(super) fn km(&self, ground: Ground) -> (f64, f64) {
        const KM_PER_DEGREE: f64 = 111.7;
        let scale = match ground {
            Ground::Degrees => KM_PER_DEGREE,
            Ground::Metres => 0.001,
        };
        (self.width() * scale, self.height() * scale)
    }

    /// The area of a box of degrees on the sphere. A box that is wider than the world counts as the world,
    /// and one whose east lies west of its west crosses the 180th meridian.
    pub(super) fn area(&self) -> Option<SquareKm> {
        const EARTH_RADIUS_KM: f64 = 6371.0088;
        const MICROS: f64 = 1e6;
        let width = if self.east < self.west {
            self.width() + 360.0
        } else {
            self.width()
        };
        let latitude = |degrees: f64| degrees.clamp(-90.0, 90.0).to_radians().sin();
        let km2 = EARTH_RADIUS_KM.powi(2)
            * (latitude(self.north) - latitude(self.south)).abs()
            * width.clamp(0.0, 360.0).to_radians();
        SquareKm::from_micros(i64::try_from(number::ceil(km2 * MICROS)?).ok()?)
    }

    /// The area of a box of metres on a map, which may show it smaller than it is by less than 2 %.
    pub(super) fn flat_area(&self) -> Option<SquareKm> {
        let square_metres = number::ceil(self.width() * self.height() * 1.02)?;
        SquareKm::from_micros(i64::try_from(square_metres).ok()?)
    }

    /// The box that these numbers are where the other axis comes first.
    pub(super) fn swapped(self) -> Self {
        Self {
            west: self.south,
            south: self.west,
            east: self.north,
            north: self.east,
        }
    }

    fn around(self, other: Self) -> Self {
        Self {
            west: self.west.min(other.west),
            south: self.south.min(other.south),
            east: self.east.max(other.east),
            north: self.north.max(other.north),
        }
    }
}

impl RawGeometry {
    /// The box around an area. A position may carry a height, which is left out.
    pub(super) fn area(&self, place: &str) -> Result<Extent, Misread> {
        let depth = match self.r#type.as_str() {
            "Polygon" => 3,
            "MultiPolygon" => 4,
            other => {
                let other: String = other.chars().take(40).collect();
                return Err(Misread::new(format!(
                    "{place} is a '{other}', and only areas have pixels; write a Polygon or a MultiPolygon"
                )));
            }
        };
        let extent = self.any(place, Some(depth))?;
        Extent::read(
            &[extent.west, extent.south, extent.east, extent.north],
            place,
        )
    }

    /// The box around any geometry, were it a point.
    pub(super) fn any(&self, place: &str, depth: Option<u32>) -> Result<Extent, Misread> {
        let wrong = || {
            Misread::new(format!(
                "{place} has no proper coordinates; write them as lists of [x, y] positions, nested as GeoJSON asks of a {}",
                self.r#type.chars().take(40).collect::<String>()
            ))
        };
        let found = self.coordinates.ok_or_else(wrong)?;
        if depth.is_some_and(|depth| depth != found.depth) {
            return Err(wrong());
        }
        found.extent.ok_or_else(wrong)
    }
}

impl<'de> Deserialize<'de> for Coordinates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Node::deserialize(deserializer)? {
            Node::List(list) => Ok(list),
            Node::Number(_) => Err(de::Error::custom("coordinates are a list")),
        }
    }
}

enum Node {
    Number(f64),
    List(Coordinates),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or a list of coordinates")
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "no coordinate on Earth needs more than 53 bits"
    )]
    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Number(number as f64))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "no coordinate on Earth needs more than 53 bits"
    )]
    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
        Ok(Node::Number(number))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut position = Vec::new();
        let mut list = Coordinates {
            extent: None,
            depth: 0,
        };
        while let Some(item) = items.next_element::<Node>()? {
            match item {
                Node::Number(number) => position.push(number),
                Node::List(inner) => list.take(inner).map_err(de::Error::custom)?,
            }
        }
        match (position.as_slice(), list.depth) {
            ([], _) => Ok(Node::List(Coordinates {
                depth: list.depth + 1,
                ..list
            })),
            ([x, y] | [x, y, _], 0) => Ok(Node::List(Coordinates {
                extent: Some(Extent {
                    west: *x,
                    south: *y,
                    east: *x,
                    north: *y,
                }),
                depth: 1,
            })),
            _ => Err(de::Error::custom("a position is [x, y]")),
        }
    }
}

impl Coordinates {
    fn take(&mut self, inner: Self) -> Result<(), &'static str> {
        if self.depth != 0 && self.depth != inner.depth {
            return Err("coordinates nest unevenly");
        }
        self.depth = inner.depth;
        self.extent = match (self.extent, inner.extent) {
            (Some(mine), Some(theirs)) => Some(mine.around(theirs)),
            (mine, theirs) => mine.or(theirs),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(geometry: &str) -> Result<Extent, String> {
        let raw: RawGeometry = serde_json::from_str(geometry).map_err(|error| error.to_string())?;
        raw.area("geometry").map_err(|misread| misread.sentence)
    }

    #[test]
    fn a_geometry_is_its_bounding_box() {
        let expected = Ok(Extent {
            west: 0.0,
            south: -1.0,
            east: 3.0,
            north: 2.0,
        });
        assert_eq!(
            area(r#"{"type":"Polygon","coordinates":[[[0,-1],[3,0,99],[1,2],[0,-1]]]}"#),
            expected
        );
        assert_eq!(
            area(
                r#"{"type":"MultiPolygon","coordinates":[[[[0,-1],[1,0],[0,0]]],[[[2,2],[3,0],[2,0]]]]}"#
            ),
            expected
        );
        let bow_tie =
            area(r#"{"type":"Polygon","coordinates":[[[0,-1],[3,2],[3,-1],[0,2],[0,-1]]]}"#);
        assert_eq!(bow_tie, expected, "crossing itself changes nothing");
    }

    #[test]
    fn what_is_no_area_is_refused() {
        for geometry in [
            r#"{"type":"Point","coordinates":[1,2]}"#,
            r#"{"type":"Polygon","coordinates":[]}"#,
            r#"{"type":"Polygon","coordinates":[[]]}"#,
            r#"{"type":"Polygon","coordinates":[[1,2],[3,4]]}"#,
            r#"{"type":"Polygon","coordinates":[[[1,2],[[3,4]]]]}"#,
            r#"{"type":"Polygon","coordinates":[[[1,2,3,4]]]}"#,
            r#"{"type":"Polygon","coordinates":[[["1","2"]]]}"#,
            r#"{"type":"Polygon","coordinates":[[[1,2],[1,2]]]}"#,
            r#"{"type":"Polygon"}"#,
            r#"{"type":"GeometryCollection","geometries":[]}"#,
        ] {
            assert!(area(geometry).is_err(), "{geometry}");
        }
    }

    #[test]
    fn a_box_of_other_than_four_numbers_or_without_inside_is_refused() {
        for bbox in [
            &[0.0, 0.0, 0.0, 1.0, 1.0, 1.0][..],
            &[1.0, 0.0, 0.0, 1.0],
            &[0.0, 0.0, 0.0, 1.0],
            &[],
        ] {
            assert!(Extent::read(bbox, "bbox").is_err(), "{bbox:?}");
        }
        assert!(
            Extent::read(&[170.0, -10.0, -170.0, 10.0], "bbox")
                .unwrap_err()
                .sentence
                .contains("180th")
        );
    }

    #[test]
    fn the_world_and_a_degree_have_their_known_areas() {
        let km2 = |west, south, east, north| {
            Extent {
                west,
                south,
                east,
                north,
            }
            .area()
            .unwrap()
            .micros()
                / 1_000_000
        };
        assert_eq!(km2(-180.0, -90.0, 180.0, 90.0), 510_065_880);
        assert_eq!(km2(0.0, 0.0, 1.0, 1.0), 12_363);
        assert_eq!(
            km2(179.0, 0.0, -180.0, 1.0),
            12_363,
            "across the 180th meridian"
        );
    }
}
