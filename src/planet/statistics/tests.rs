//! Statistics as clients ask for them: intervals, samples, and the size nobody states.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::planet::collections::Deployment;
use crate::planet::evalscript::{self, Script};
use crate::planet::{Declared, Format};

fn script(mosaicking: &str, sample_type: &str) -> String {
    format!(
        "//VERSION=3\nfunction setup() {{ return {{input: ['red', 'nir', 'dataMask'], mosaicking: '{mosaicking}', \
         output: [{{id: 'ndvi', bands: 1{sample_type}}}]}} }}"
    )
}

fn request(from: &str, to: &str, of: &str, evalscript: &str) -> Value {
    json!({
        "input": {
            "bounds": {"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [424, 0], [424, 424], [0, 0]]]},
                       "properties": {"crs": "http://www.opengis.net/def/crs/EPSG/0/32633"}},
            "data": [{"type": "byoc-1234"}],
        },
        "aggregation": {
            "timeRange": {"from": from, "to": to},
            "aggregationInterval": {"of": of},
            "evalscript": evalscript,
        },
    })
}

fn analysed(script: &str) -> Arc<Script> {
    Arc::new(evalscript::read(script))
}

fn read_value(request: &Value) -> Result<Imagery, Misread> {
    let known = Known {
        deployment: Deployment::Main,
        accept: None,
        declared: Declared::default(),
        scripts: &analysed,
    };
    let body = request.to_string();
    match read(
        &Document {
            json: body.as_bytes(),
            script: None,
        },
        &known,
    )?
    .ask
    {
        Ask::Statistics(imagery) => Ok(imagery),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn samples(from: &str, to: &str, of: &str, last: &str, mosaicking: &str) -> u64 {
    let mut request = request(from, to, of, &script(mosaicking, ""));
    request["aggregation"]["aggregationInterval"]["lastIntervalBehavior"] = json!(last);
    read_value(&request).unwrap().sources[0].samples
}

#[test]
fn simple_mosaicking_takes_one_sample_for_each_interval() {
    for (to, of, last, intervals) in [
        ("2026-01-31T00:00:00Z", "P1D", "SKIP", 30),
        ("2026-01-30T23:59:59Z", "P1D", "SKIP", 29), // the last day is a second short
        ("2026-01-30T23:59:59Z", "P1D", "SHORTEN", 30),
        ("2026-01-30T23:59:59Z", "P1D", "EXTEND", 30),
        ("2026-01-31T00:00:00Z", "P10D", "SHORTEN", 3),
        ("2026-01-31T00:00:00Z", "PT24H", "SKIP", 30),
        ("2026-01-31T00:00:00Z", "P1W", "SKIP", 4),
        ("2026-04-01T00:00:00Z", "P1M", "SKIP", 3),
        ("2026-03-31T23:59:59Z", "P1M", "SKIP", 2),
        ("2026-03-31T23:59:59Z", "P1M", "SHORTEN", 3),
        ("2028-01-01T00:00:00Z", "P1Y", "SKIP", 2),
        ("2026-01-02T00:00:00Z", "P1Y", "SKIP", 1), // nothing is asked, and one sample is the bound
    ] {
        assert_eq!(
            samples("2026-01-01T00:00:00Z", to, of, last, "SIMPLE"),
            intervals,
            "{to} {of} {last}"
        );
    }
    assert_eq!(
        samples(
            "2026-01-31T00:00:00Z",
            "2026-02-28T00:00:00Z",
            "P1M",
            "SKIP",
            "SIMPLE"
        ),
        1,
        "a short month"
    );
    // a day that February does not have may be the 28th from then on
    let (from, to) = ("2024-11-29T00:00:00Z", "2025-04-28T23:59:59Z");
    for (last, intervals) in [("SKIP", 5), ("SHORTEN", 6), ("EXTEND", 6)] {
        assert_eq!(
            samples(from, to, "P1M", last, "SIMPLE"),
            intervals,
            "{last}"
        );
    }
}

#[test]
fn an_interval_that_is_extended_counts_with_all_its_days() {
    let (from, to) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
    let orbit = |of, last| samples(from, to, of, last, "ORBIT");
    assert_eq!(orbit("P1Y", "SHORTEN"), 2, "what is asked, both ends");
    assert!(orbit("P1Y", "EXTEND") >= 366, "all of the year");
    assert!(orbit("P1M", "EXTEND") >= 32);
    assert!(orbit("P1M2D", "EXTEND") >= 34);
    assert_eq!(orbit("P1D", "EXTEND"), 2, "it comes out even");
    assert_eq!(samples(from, to, "P1Y", "EXTEND", "SIMPLE"), 1);
}

#[test]
fn a_day_that_two_intervals_share_may_be_a_sample_of_both() {
    let (noon, to) = ("2026-01-01T12:00:00Z", "2026-01-11T12:00:00Z");
    assert_eq!(samples(noon, to, "P1D", "SKIP", "ORBIT"), 11 + 9);
    assert_eq!(samples(noon, to, "P10D", "SKIP", "ORBIT"), 11);
    let midnight = "2026-01-01T00:00:00Z";
    assert_eq!(samples(midnight, to, "P1D", "SKIP", "ORBIT"), 11);
    assert_eq!(samples(midnight, to, "PT36H", "SKIP", "ORBIT"), 11 + 6);
}

#[test]
fn orbit_mosaicking_takes_one_sample_for_each_day_however_long_the_intervals() {
    for of in ["P1D", "P10D", "P1M"] {
        assert_eq!(
            samples(
                "2024-01-01T00:00:00Z",
                "2025-12-30T23:59:59Z",
                of,
                "SKIP",
                "ORBIT"
            ),
            730,
            "{of}"
        );
    }
}

#[test]
fn the_size_nobody_states_is_256_and_the_type_nobody_states_is_bounded_by_float32() {
    let of = |sample_type: &str| {
        let script = script("SIMPLE", sample_type);
        read_value(&request(
            "2026-01-01T00:00:00Z",
            "2026-01-03T00:00:00Z",
            "P1D",
            &script,
        ))
        .unwrap()
    };
    let unstated = of("");
    assert_eq!((unstated.width, unstated.height), (256, 256));
    assert_eq!(
        (unstated.format, unstated.sources[0].bands),
        (Format::Float32, 2)
    );
    assert_eq!(of(", sampleType: 'UINT8'").format, Format::UpTo16Bit);
    assert!(
        !of(", sampleType: 'UINT8'").bounded.is_empty(),
        "intervals may turn out to hold no data"
    );
}

#[test]
fn resolutions_count_in_the_units_of_the_crs() {
    let mut request = request(
        "2026-01-01T00:00:00Z",
        "2026-01-03T00:00:00Z",
        "P1D",
        &script("SIMPLE", ""),
    );
    request["aggregation"]["resx"] = json!(1);
    request["aggregation"]["resy"] = json!(10.5);
    let read = read_value(&request).unwrap();
    assert_eq!((read.width, read.height), (424, 41));
}

#[test]
fn intervals_that_upstream_would_refuse_are_answered_with_what_to_write() {
    for of in [
        "",
        "1 day",
        "PT12H",
        "P0D",
        "-P1D",
        "P1DT",
        "P-1D",
        "P99999999999Y",
        "P1M-40D",
    ] {
        let bad = request(
            "2026-01-01T00:00:00Z",
            "2026-01-03T00:00:00Z",
            of,
            &script("SIMPLE", ""),
        );
        let sentence = read_value(&bad).unwrap_err().sentence;
        assert!(sentence.contains("such as P1D"), "{of}: {sentence}");
    }
    let good = request(
        "2026-01-01T00:00:00Z",
        "2026-01-03T00:00:00Z",
        "P1D",
        &script("SIMPLE", ""),
    );
    for (pointer, value) in [
        (
            "/aggregation/timeRange",
            json!({"from": "2026-01-01T00:00:00Z"}),
        ),
        ("/aggregation/timeRange", json!(null)),
        ("/aggregation/aggregationInterval", json!(null)),
        ("/aggregation", json!({})),
        ("/aggregation/evalscript", json!(null)),
        ("/input/data", json!([])),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        assert!(read_value(&bad).is_err(), "{pointer}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(body in any::<Vec<u8>>()) {
        let known = Known { deployment: Deployment::Main, accept: None, declared: Declared::default(), scripts: &analysed };
        let _ = read(&Document { json: &body, script: None }, &known);
    }

    #[test]
    fn any_period_and_interval_are_read_without_a_panic(
        from in "[0-9]{4}-0[1-9]-[0-2][0-9]T00:00:00Z", to in "[0-9]{4}-1[0-2]-[0-2][0-9]T12:00:00Z", of in "P[0-9]{0,12}[YMWD](T[0-9]{1,20}[HMS])?"
    ) {
        let request = request(&from, &to, &of, &script("SIMPLE", ""));
        if let Ok(read) = read_value(&request) {
            prop_assert!(read.sources[0].samples >= 1);
        }
    }
}
