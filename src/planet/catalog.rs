//! Searches: the Catalog in its POST and GET forms, and features by WFS.
//!
//! A query costs by the area of its box and the length of its period, and never more than a maximum, so
//! whatever cannot be read counts as the whole world and all time.

use std::sync::Arc;

use serde::Deserialize;

use super::collections::Collection;
use super::document::Document;
use super::extent::Extent;
use super::imagery::distinct;
use super::outline::RawGeometry;
use super::period::{End, Period, instant};
use super::{Ask, Misread, Query, Reading, json};
use crate::units::SquareKm;

/// A query, in the quantities that Planet charges for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SearchAsk {
    /// `None`: the whole world.
    pub area: Option<SquareKm>,
    /// Days that the period touches; `None`: all time.
    pub days: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct RawSearch {
    collections: Option<Vec<String>>,
    bbox: Option<Vec<f64>>,
    intersects: Option<RawGeometry>,
    datetime: Option<String>,
}

/// `POST …/search`
pub fn search(document: &Document<'_>) -> Result<Reading, Misread> {
    json::read_checked::<RawSearch>(document.json)?.reading()
}

/// `GET …/search`
pub fn search_by_query(query: Query<'_>) -> Result<Reading, Misread> {
    let collections = query.single("collections")?;
    RawSearch::of_query(query, collections.as_deref())?.reading()
}

/// `GET …/collections/{id}/items`
pub fn items(collection: &str, query: Query<'_>) -> Result<Reading, Misread> {
    RawSearch::of_query(query, Some(collection))?.reading()
}

/// `GET …/collections/{id}/items/{feature}`: one item of a small place.
pub fn item(collection: &str) -> Reading {
    let ask = SearchAsk {
        area: Some(SquareKm::ZERO),
        days: Some(1),
    };
    Reading {
        ask: Ask::Search(ask),
        products: vec![product(collection)],
    }
}

fn product(name: &str) -> Arc<str> {
    Collection::named(name).map_or_else(|| name.into(), |collection| collection.name.into())
}

impl RawSearch {
    fn of_query(query: Query<'_>, collections: Option<&str>) -> Result<Self, Misread> {
        let bbox = query
            .single("bbox")?
            .map(|text| numbers(&text, "bbox"))
            .transpose()?;
        let intersects = query
            .single("intersects")?
            .map(|text| json::read(text.as_bytes()))
            .transpose()?;
        Ok(Self {
            collections: collections.map(|names| names.split(',').map(str::to_owned).collect()),
            bbox,
            intersects,
            datetime: query.single("datetime")?.map(std::borrow::Cow::into_owned),
        })
    }

    fn reading(&self) -> Result<Reading, Misread> {
        let days = self.datetime.as_deref().map_or(Ok(None), days)?;
        let ask = SearchAsk {
            area: self.area()?,
            days,
        };
        let names = self.collections.iter().flatten();
        Ok(Reading {
            ask: Ask::Search(ask),
            products: distinct(names.map(|name| product(name))),
        })
    }

    fn area(&self) -> Result<Option<SquareKm>, Misread> {
        let extent = match (&self.bbox, &self.intersects) {
            (Some(_), Some(_)) => {
                return Err(Misread::new(
                    "bbox and intersects stand together; write one of them",
                ));
            }
            (Some(bbox), None) => Some(geographic(bbox)?),
            (None, Some(geometry)) => geometry.any("intersects", None).ok(),
            (None, None) => None,
        };
        Ok(extent.and_then(|extent| extent.area()))
    }
}

/// A box of degrees, with heights or without. It may cross the 180th meridian.
fn geographic(bbox: &[f64]) -> Result<Extent, Misread> {
    let ([west, south, east, north] | [west, south, _, east, north, _]) = *bbox else {
        return Err(Misread::new(format!(
            "bbox has {} numbers; write four: [west, south, east, north]",
            bbox.len()
        )));
    };
    if south > north {
        return Err(Misread::new(format!(
            "bbox has its south at {south}, above its north at {north}; write [west, south, east, north]"
        )));
    }
    Ok(Extent {
        west,
        south,
        east,
        north,
    })
}

/// Comma-separated numbers, all finite.
pub(super) fn numbers(text: &str, place: &str) -> Result<Vec<f64>, Misread> {
    let number = |text: &str| {
        text.trim()
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
    };
    text.split(',')
        .map(number)
        .collect::<Option<_>>()
        .ok_or_else(|| {
            let shown: String = text.chars().take(80).collect();
            Misread::new(format!(
                "{place} is '{shown}'; write numbers separated by commas"
            ))
        })
}

/// An instant, or `from/to`, of which `..` or nothing leaves an end open.
fn days(datetime: &str) -> Result<Option<u64>, Misread> {
    let open = |end: &str| end.is_empty() || end == "..";
    match datetime.split_once('/') {
        None if open(datetime) => Ok(None),
        None => instant(datetime, End::First, "datetime").map(|_| Some(1)),
        Some((from, to)) if open(from) || open(to) => Ok(None),
        Some((from, to)) => Ok(Some(Period::between(from, to, "datetime")?.days())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn posted(body: &str) -> Result<SearchAsk, String> {
        let document = Document {
            json: body.as_bytes(),
            script: None,
        };
        ask(search(&document))
    }

    fn ask(reading: Result<Reading, Misread>) -> Result<SearchAsk, String> {
        match reading.map_err(|misread| misread.sentence)?.ask {
            Ask::Search(ask) => Ok(ask),
            other => panic!("{other:?}"),
        }
    }

    fn km2(ask: SearchAsk) -> Option<i64> {
        ask.area.map(|area| area.micros() / 1_000_000)
    }

    #[test]
    fn a_search_is_its_box_and_its_days() {
        let body = r#"{"collections":["sentinel-2-l2a"],"bbox":[0,0,1,1],"datetime":"2026-01-01T00:00:00Z/2026-01-31T23:59:59Z","limit":100}"#;
        let read = posted(body).unwrap();
        assert_eq!((km2(read), read.days), (Some(12_363), Some(31)));
        let query = Query::new(Some(
            "collections=sentinel-2-l2a&bbox=0,0,1,1&datetime=2026-01-01T00%3A00%3A00Z%2F2026-01-31T23%3A59%3A59Z",
        ));
        assert_eq!(ask(search_by_query(query)), Ok(read));
        let with_heights =
            posted(r#"{"bbox":[0,0,-10,1,1,10],"datetime":"2026-01-01T00:00:00Z"}"#).unwrap();
        assert_eq!(
            (km2(with_heights), with_heights.days),
            (Some(12_363), Some(1))
        );
        let across = posted(r#"{"bbox":[179.5,0,-179.5,1],"datetime":"../.."}"#).unwrap();
        assert_eq!((km2(across), across.days), (Some(12_363), None));
        let around =
            posted(r#"{"intersects":{"type":"LineString","coordinates":[[0,0],[1,1]]}}"#).unwrap();
        assert_eq!(km2(around), Some(12_363));
    }

    #[test]
    fn what_is_not_stated_is_the_whole_world_and_all_time() {
        let everything = SearchAsk {
            area: None,
            days: None,
        };
        assert_eq!(posted("{}"), Ok(everything));
        assert_eq!(
            posted(
                r#"{"intersects":{"type":"GeometryCollection","geometries":[]},"datetime":"2026-01-01T00:00:00Z/.."}"#
            ),
            Ok(everything)
        );
        assert_eq!(
            ask(items("sentinel-2-l2a", Query::default())),
            Ok(everything)
        );
    }

    #[test]
    fn collections_are_the_products() {
        let reading = items("S2L2A", Query::new(Some("limit=1"))).unwrap();
        assert_eq!(reading.products, [Arc::from("sentinel-2-l2a")]);
        let reading = search_by_query(Query::new(Some("collections=a,b,a"))).unwrap();
        assert_eq!(reading.products, [Arc::from("a"), Arc::from("b")]);
        assert_eq!(item("dem").products, [Arc::from("dem")]);
    }

    #[test]
    fn searches_that_upstream_would_refuse_are_answered_with_what_to_write() {
        for body in [
            r#"{"bbox":[0,0,1]}"#,
            r#"{"bbox":[0,2,1,1]}"#,
            r#"{"bbox":[0,0,1,1],"intersects":{"type":"Point","coordinates":[0,0]}}"#,
            r#"{"datetime":"2026-01-02T00:00:00Z/2026-01-01T00:00:00Z"}"#,
            r#"{"datetime":"tomorrow"}"#,
            r#"{"datetime":"0000-01-01T00:00:00Z/2026-01-01T00:00:00Z"}"#,
            r#"{"collections":"sentinel-2-l2a"}"#,
            "[]",
        ] {
            assert!(posted(body).is_err(), "{body}");
        }
        for query in [
            "bbox=0,0,1,1&bbox=0,0,2,2",
            "bbox=0,0,NaN,1",
            "bbox=a",
            "intersects={",
            "datetime=x",
        ] {
            assert!(search_by_query(Query::new(Some(query))).is_err(), "{query}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(body in any::<Vec<u8>>(), query in any::<String>()) {
            let _ = search(&Document { json: &body, script: None });
            let _ = search_by_query(Query::new(Some(&query)));
        }
    }
}
