//! The task of a batch as Planet shows it: what the call that starts it will render.
//!
//! Version 2 shows the request that created a task under `request`, version 1 spreads it out. What cannot be
//! understood of it is no mistake of the caller's: it leaves the start without a bound.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{RawBatch, Stored};
use crate::planet::document::Document;
use crate::planet::imagery::{Known, Unread, reading};
use crate::planet::sources::{RawData, products};
use crate::planet::{Ask, Misread, Reading, Unbounded, json};

const FEATURES: &str = "the features of the batch lie in a bucket, and neither their number nor their size can be \
     seen; have the most that a task may cost declared under [[bounds]]";

#[derive(Deserialize)]
struct RawTask<'a> {
    #[serde(borrow)]
    request: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawStatistics {
    input: RawFeatures,
}

#[derive(Deserialize)]
struct RawFeatures {
    data: Vec<RawData>,
}

/// What starting the task will render.
pub fn read_task(text: &[u8], known: &Known<'_>) -> Reading {
    as_shown(text, |definition| {
        let raw: RawBatch = json::read_checked(definition)?;
        let products = products(&raw.process_request.input.data)?;
        let document = Document {
            json: definition,
            script: None,
        };
        let ask = raw.ask(&document, Stored::Elsewhere, known);
        reading(ask.map(Ask::Batch).map_err(not_the_callers), products)
    })
}

/// What starting a batch of statistics will work on: its collections are seen, its features are not.
pub fn read_statistics_task(text: &[u8]) -> Reading {
    as_shown(text, |definition| {
        let raw: RawStatistics = json::read_checked(definition)?;
        Ok(Reading {
            ask: Ask::Unbounded(Unbounded {
                why: FEATURES.into(),
            }),
            products: products(&raw.input.data)?,
        })
    })
}

fn as_shown(text: &[u8], read: impl FnOnce(&[u8]) -> Result<Reading, Misread>) -> Reading {
    let read = json::read_borrowed(text).and_then(|task: RawTask<'_>| {
        read(
            task.request
                .map_or(text, |request| request.get().as_bytes()),
        )
    });
    read.unwrap_or_else(|misread| Reading {
        ask: Ask::Unbounded(not_understood(&misread)),
        products: Vec::new(),
    })
}

fn not_the_callers(unread: Unread) -> Unread {
    match unread {
        Unread::Wrong(misread) => Unread::Unbounded(not_understood(&misread)),
        unbounded @ Unread::Unbounded(_) => unbounded,
    }
}

fn not_understood(misread: &Misread) -> Unbounded {
    Unbounded {
        why: format!("the task as Planet shows it cannot be understood: {misread}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::planet::{Declared, Deployment, evalscript};

    fn known<T>(read: impl FnOnce(&Known<'_>) -> T) -> T {
        let analysed = |script: &str| Arc::new(evalscript::read(script));
        read(&Known {
            deployment: Deployment::Main,
            accept: None,
            declared: Declared::default(),
            scripts: &analysed,
        })
    }

    fn definition() -> Value {
        json!({
            "processRequest": {
                "input": {"bounds": {"bbox": [13.0, 45.0, 13.1, 45.1]}, "data": [{"type": "S2L2A"}]},
                "evalscript": "//VERSION=3\nfunction setup() { return {input: ['B04', 'B08', 'B02'], output: {bands: 3}} }",
            },
            "input": {"type": "tiling-grid", "id": 0, "resolution": 10.0},
            "output": {"type": "raster", "delivery": {"s3": {"url": "s3://b", "secretAccessKey": "S"}}},
        })
    }

    fn started(task: &Value) -> Reading {
        known(|known| read_task(task.to_string().as_bytes(), known))
    }

    #[test]
    fn a_task_is_read_wrapped_or_spread_out() {
        let wrapped = json!({"id": "7", "status": "CREATED", "request": definition()});
        let mut spread = definition();
        (spread["id"], spread["status"]) = (json!("7"), json!("ANALYSIS_DONE"));
        let tiling = spread.as_object_mut().unwrap().remove("input").unwrap();
        spread["tilingGrid"] = tiling;
        for task in [wrapped, spread] {
            let reading = started(&task);
            let Ask::Batch(batch) = &reading.ask else {
                panic!("{reading:?}")
            };
            let bands = batch.tile.sources[0].bands;
            assert_eq!((batch.tile.width, batch.tiles, bands), (2004, 9, 3));
            assert_eq!(reading.products, [Arc::from("sentinel-2-l2a")]);
            let shown = format!("{reading:?}");
            assert!(!shown.contains("s3://"), "keys of buckets are not kept");
        }
    }

    #[test]
    fn a_task_that_is_shown_without_its_script_may_ask_for_anything() {
        let mut task = json!({"request": definition()});
        let request = task["request"]["processRequest"].as_object_mut().unwrap();
        request.remove("evalscript");
        request["input"]["data"][0]["dataFilter"] =
            json!({"timeRange": {"from": "2026-06-01T00:00:00Z", "to": "2026-06-30T23:59:59Z"}});
        let Ask::Batch(batch) = started(&task).ask else {
            panic!("bounded by the collection's bands")
        };
        assert!(batch.tile.sources[0].bands > 12, "{batch:?}");
        assert!(batch.tile.sources[0].samples >= 30, "{batch:?}");
        let says_so = |why: &std::borrow::Cow<'_, str>| why.contains("cannot be seen");
        assert!(batch.tile.bounded.iter().any(says_so), "{batch:?}");
    }

    #[test]
    fn what_cannot_be_understood_is_no_mistake_of_the_callers() {
        for task in [
            json!({}),
            json!([]),
            json!({"request": {}}),
            json!({"request": {"processRequest": 7}}),
        ] {
            let Ask::Unbounded(why) = started(&task).ask else {
                panic!("{task}")
            };
            assert!(why.why.contains("as Planet shows it"), "{why}");
        }
        let mut reversed = json!({"request": definition()});
        reversed["request"]["processRequest"]["input"]["bounds"]["bbox"] = json!([1, 1, 0, 0]);
        let reading = started(&reversed);
        assert!(matches!(reading.ask, Ask::Unbounded(_)));
        assert_eq!(reading.products.len(), 1, "its collections are known");
    }

    #[test]
    fn statistics_are_of_known_collections_and_unknown_features() {
        let task = json!({"id": "7", "request": {
            "input": {"features": {"s3": {"url": "s3://b"}}, "data": [{"type": "sentinel-1-grd"}]},
            "aggregation": {"evalscript": "x"}}});
        let reading = read_statistics_task(task.to_string().as_bytes());
        assert_eq!(reading.products, [Arc::from("sentinel-1-grd")]);
        let Ask::Unbounded(why) = reading.ask else {
            panic!("unbounded")
        };
        assert!(why.why.contains("[[bounds]]"), "{why}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(text in any::<Vec<u8>>()) {
            let _ = known(|known| read_task(&text, known));
            let _ = read_statistics_task(&text);
        }
    }
}
