//! GeoJSON as it stands in a body, before anything in it is believed.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess};

/// Any GeoJSON object, or Planet's `{"type": "ref", "content": "pl:features/…"}`.
#[derive(Clone, Debug, Deserialize)]
pub struct RawGeometry {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) coordinates: Option<Coordinates>,
    pub(super) geometries: Option<Vec<RawGeometry>>,
    pub(super) geometry: Option<Box<RawGeometry>>,
    pub(super) features: Option<Vec<RawGeometry>>,
    pub(super) content: Option<String>,
    pub(super) crs: Option<serde_json::Value>,
}

/// Numbers in lists in lists, as deep as they come.
#[derive(Clone, Debug)]
pub(super) enum Coordinates {
    Number(f64),
    List(Vec<Coordinates>),
}

impl<'de> Deserialize<'de> for Coordinates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Coordinates;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a list of coordinates")
            }

            fn visit_f64<E>(self, number: f64) -> Result<Coordinates, E> {
                Ok(Coordinates::Number(number))
            }

            #[expect(clippy::cast_precision_loss, reason = "past 2^53 it is no coordinate")]
            fn visit_u64<E>(self, number: u64) -> Result<Coordinates, E> {
                Ok(Coordinates::Number(number as f64))
            }

            #[expect(clippy::cast_precision_loss, reason = "past 2^53 it is no coordinate")]
            fn visit_i64<E>(self, number: i64) -> Result<Coordinates, E> {
                Ok(Coordinates::Number(number as f64))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Coordinates, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Coordinates::List(list))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl Coordinates {
    pub(super) fn list(&self) -> Option<&[Coordinates]> {
        match self {
            Self::List(list) => Some(list),
            Self::Number(_) => None,
        }
    }

    /// Longitude and latitude of a position; a height behind them is passed over.
    pub(super) fn position(&self) -> Option<(f64, f64)> {
        match self.list()? {
            [Self::Number(longitude), Self::Number(latitude)]
            | [
                Self::Number(longitude),
                Self::Number(latitude),
                Self::Number(_),
            ] => Some((*longitude, *latitude)),
            _ => None,
        }
    }
}

impl RawGeometry {
    /// Whether a `crs` member names anything but WGS 84: an old habit that upstream may or may not heed.
    pub(super) fn has_foreign_crs(&self) -> bool {
        let Some(crs) = &self.crs else {
            return false;
        };
        let name = crs
            .pointer("/properties/name")
            .and_then(|name| name.as_str());
        !(crs.is_null()
            || name.is_some_and(|name| name.ends_with("CRS84") || name.ends_with(":4326")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> RawGeometry {
        serde_json::from_str(text).expect(text)
    }

    #[test]
    fn a_position_is_two_numbers_and_perhaps_a_height() {
        for (text, position) in [
            ("[14, 46.5]", Some((14.0, 46.5))),
            ("[-14, 46, 300]", Some((-14.0, 46.0))),
            ("[14]", None),
            ("[14, 46, 0, 0]", None),
            ("[[14, 46]]", None),
            ("14", None),
        ] {
            let coordinates: Coordinates = serde_json::from_str(text).expect(text);
            assert_eq!(coordinates.position(), position, "{text}");
        }
        assert!(serde_json::from_str::<Coordinates>(r#"["14", 46]"#).is_err());
    }

    #[test]
    fn only_wgs_84_is_no_foreign_crs() {
        let with = |crs: &str| read(&format!(r#"{{"type":"Polygon","crs":{crs}}}"#));
        for crs in [
            "null",
            r#"{"type":"name","properties":{"name":"urn:ogc:def:crs:OGC:1.3:CRS84"}}"#,
            r#"{"type":"name","properties":{"name":"EPSG:4326"}}"#,
        ] {
            assert!(!with(crs).has_foreign_crs(), "{crs}");
        }
        for crs in [
            "{}",
            "3857",
            r#"{"type":"name","properties":{"name":"EPSG:3857"}}"#,
        ] {
            assert!(with(crs).has_foreign_crs(), "{crs}");
        }
    }
}
