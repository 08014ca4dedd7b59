//! GeoJSON as far as requests for pixels need it: the box around a geometry.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

use super::Misread;
use super::extent::Extent;

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

const NO_POSITION: &str = "a position is [x, y] or [x, y, height]";

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
        // x, y and perhaps a height; without a heap, as there may be many
        let mut position = [0.0; 3];
        let mut numbers = 0;
        let mut list = Coordinates {
            extent: None,
            depth: 0,
        };
        while let Some(item) = items.next_element::<Node>()? {
            match item {
                Node::Number(number) => {
                    let place = position.get_mut(numbers);
                    *place.ok_or_else(|| de::Error::custom(NO_POSITION))? = number;
                    numbers += 1;
                }
                Node::List(inner) => list.take(inner).map_err(de::Error::custom)?,
            }
        }
        let [x, y, _] = position;
        match (numbers, list.depth) {
            (0, _) => Ok(Node::List(Coordinates {
                depth: list.depth + 1,
                ..list
            })),
            (2 | 3, 0) => Ok(Node::List(Coordinates {
                extent: Some(Extent {
                    west: x,
                    south: y,
                    east: x,
                    north: y,
                }),
                depth: 1,
            })),
            _ => Err(de::Error::custom(NO_POSITION)),
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
}
