//! The Features API: which calls show an area that a request only names, and what they answer.

use serde::Deserialize;
use serde_json::Value;

use super::answer::Doubt;
use super::geometry::{FeatureRef, RawGeometry, Shape};
use crate::units::Amount;

/// Features of one page: with as many corners as Planet takes, each is some 60 KB.
const PAGE: usize = 100;
/// Planet's own areas and ours agree to a millionth; one that is larger by more than this share was not
/// measured of the same shape.
const TOLERANCE: i64 = 1_000;

/// An area that Planet keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    pub reference: FeatureRef,
    pub shape: Shape,
}

/// A part of a collection.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    pub features: Vec<Feature>,
    /// How many features the whole collection has, where Planet says so.
    pub total: Option<usize>,
    /// Whether there are further pages.
    pub more: bool,
}

#[derive(Deserialize)]
struct RawPage {
    features: Vec<RawFeature>,
    #[serde(rename = "numberMatched")]
    total: Option<usize>,
    #[serde(default)]
    links: Vec<Link>,
}

#[derive(Deserialize)]
struct Link {
    rel: Option<String>,
}

#[derive(Deserialize)]
struct RawFeature {
    geometry: Option<RawGeometry>,
    #[serde(default)]
    properties: Properties,
}

#[derive(Default, Deserialize)]
struct Properties {
    #[serde(rename = "pl:ref")]
    reference: Option<String>,
    /// In square metres, as Planet measures it.
    #[serde(rename = "pl:area")]
    area: Option<Value>,
}

/// Where one feature is read.
pub fn feature_path(collection: &str, feature: &str) -> String {
    format!("/features/v1/ogc/my/collections/{collection}/items/{feature}")
}

/// Where the features of a collection are read from the one after `offset`.
pub fn page_path(collection: &str, offset: usize) -> String {
    format!("/features/v1/ogc/my/collections/{collection}/items?limit={PAGE}&offset={offset}")
}

/// Reads the feature that was asked for by `reference`.
pub fn read_feature(answer: &[u8], reference: &FeatureRef) -> Result<Feature, Doubt> {
    let raw: RawFeature = read(answer)?;
    let shape = raw.shape(reference)?;
    Ok(Feature {
        reference: reference.clone(),
        shape,
    })
}

/// Reads one page of a collection.
pub fn read_page(answer: &[u8]) -> Result<Page, Doubt> {
    let RawPage {
        features,
        total,
        links,
    } = read(answer)?;
    let features = features.into_iter().map(|raw| {
        let name = raw.properties.reference.as_deref();
        let reference = FeatureRef::read(name, "pl:ref").map_err(|_| {
            Doubt::new("it lists a feature without its reference, so nobody can tell which it is")
        })?;
        let shape = raw.shape(&reference)?;
        Ok(Feature { reference, shape })
    });
    Ok(Page {
        features: features.collect::<Result<_, Doubt>>()?,
        total,
        more: links.iter().any(|link| link.rel.as_deref() == Some("next")),
    })
}

impl RawFeature {
    fn shape(&self, reference: &FeatureRef) -> Result<Shape, Doubt> {
        let name = reference.as_str();
        let geometry = self
            .geometry
            .as_ref()
            .ok_or_else(|| Doubt::new(format!("{name} has no geometry")))?;
        let shape = Shape::read(geometry, name).map_err(|misread| Doubt::new(misread.sentence))?;
        let Some(planets) = &self.properties.area else {
            return Ok(shape);
        };
        let planets = square_metres(planets)
            .ok_or_else(|| Doubt::new(format!("the area that it gives for {name} is none")))?;
        let ours = shape.area().micros(); // a millionth of a square kilometre is a square metre
        if planets > ours.saturating_add(ours / TOLERANCE).saturating_add(1) {
            return Err(Doubt::new(format!(
                "{name} covers {planets} m² by Planet's own word and {ours} m² by its outline"
            )));
        }
        Ok(shape)
    }
}

fn square_metres(area: &Value) -> Option<i64> {
    let text = match area {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    Amount::parse_ceil(&text).ok().map(Amount::whole_floor)
}

fn read<T: serde::de::DeserializeOwned>(answer: &[u8]) -> Result<T, Doubt> {
    serde_json::from_slice(answer)
        .map_err(|error| Doubt::new(format!("it is not what the Features API answers: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planet::geometry::samples::square;
    use proptest::prelude::*;
    use serde_json::json;

    fn reference(text: &str) -> FeatureRef {
        FeatureRef::read(Some(text), "here").expect(text)
    }

    fn feature(area: &Value) -> Value {
        json!({"type": "Feature", "id": "12", "geometry": square(20_000), "properties":
            {"name": "block 12", "pl:ref": "pl:features/my/blocks-8v/12-am", "pl:area": area}})
    }

    fn read_one(answer: &Value) -> Result<Feature, Doubt> {
        let asked = reference("pl:features/my/blocks-8v/12-am");
        read_feature(answer.to_string().as_bytes(), &asked)
    }

    #[test]
    fn a_feature_has_its_outline_and_an_area_that_agrees_with_it() {
        let ours = read_one(&feature(&Value::Null)).unwrap().shape.area();
        for agreeing in [
            json!(ours.micros()),
            json!(format!("{}.5", ours.micros())),
            json!(0),
        ] {
            let shape = read_one(&feature(&agreeing)).unwrap().shape;
            assert_eq!(shape.area(), ours, "{agreeing}");
        }
        for doubtful in [
            json!(ours.micros() * 2),
            json!(-1),
            json!([]),
            json!("a lot"),
        ] {
            assert!(read_one(&feature(&doubtful)).is_err(), "{doubtful}");
        }
    }

    #[test]
    fn a_page_says_whether_it_is_the_last() {
        let page = |links: Value| {
            let answer =
                json!({"features": [feature(&Value::Null)], "numberMatched": 1, "links": links});
            read_page(answer.to_string().as_bytes()).unwrap()
        };
        let last = page(json!([{"rel": "self", "href": "x"}]));
        assert_eq!(
            (last.features.len(), last.total, last.more),
            (1, Some(1), false)
        );
        assert!(page(json!([{"rel": "next"}])).more);
        let nameless = json!({"features": [{"geometry": square(100), "properties": {}}]});
        let why = read_page(nameless.to_string().as_bytes()).unwrap_err().why;
        assert!(why.contains("without its reference"), "{why}");
    }

    #[test]
    fn a_feature_without_an_area_is_none() {
        for geometry in [
            Value::Null,
            json!({"type": "Point", "coordinates": [14, 46]}),
            json!({"type": "Polygon", "coordinates": []}),
        ] {
            let answer = json!({"type": "Feature", "geometry": geometry});
            assert!(read_one(&answer).is_err(), "{answer}");
        }
    }

    proptest! {
        #[test]
        fn whatever_planet_answers_is_an_area_or_a_doubt(
            answer in crate::planet::wild::variations(json!({"features": [feature(&json!(1))],
                "numberMatched": 1, "links": [{"rel": "next"}]})),
            bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            _ = read_page(answer.to_string().as_bytes());
            _ = read_one(&answer["features"][0]);
            prop_assert!(read_page(&bytes).is_err());
        }
    }
}
