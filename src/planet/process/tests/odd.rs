//! Requests that nobody should send.

use proptest::prelude::*;

use super::*;

#[test]
fn requests_that_upstream_would_refuse_are_answered_with_what_to_write() {
    let good = request("sentinel-2-l2a", NDVI);
    for (pointer, value, word) in [
        ("/output/width", json!(0), "from 1 to 2500"),
        ("/output/width", json!(-1), "whole number"),
        ("/output/width", json!("512"), "whole number"),
        ("/output/width", json!(1_000_000_000), "from 1 to 2500"),
        ("/input/bounds/bbox", json!([1, 2, 3, 4, 5, 6]), "four"),
        (
            "/input/bounds/bbox",
            json!([179.0, 0.0, -179.0, 1.0]),
            "180th meridian",
        ),
        ("/input/bounds/bbox", json!(["1", 2, 3, 4]), "bbox[0]"),
        ("/input/bounds", json!({}), "bbox"),
        ("/input/data", json!([]), "at least one"),
        ("/input/data/0/type", json!(""), "sentinel-2-l2a"),
        (
            "/input/data/0/dataFilter/timeRange/to",
            json!("2025-12-31T00:00:00Z"),
            "earlier time first",
        ),
        (
            "/input/data/0/dataFilter/timeRange/to",
            json!(""),
            "not a time",
        ),
        (
            "/input/data/0/dataFilter/timeRange/from",
            json!("0000-01-01T00:00:00Z"),
            "before the year 1",
        ),
        ("/evalscript", json!(""), "send one"),
        ("/evalscript", json!(7), "evalscript"),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        let sentence = misread(&bad);
        assert!(sentence.contains(word), "{pointer}: {sentence}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(body in any::<Vec<u8>>(), script in any::<Option<String>>()) {
        let _ = read(&Document { json: &body, script: script.as_deref() }, &KNOWN);
    }

    #[test]
    fn any_value_in_any_place_is_read_without_a_panic(
        pointer in prop::sample::select(vec![
            "/input", "/input/bounds", "/input/bounds/bbox", "/input/data", "/input/data/0", "/input/data/0/type",
            "/input/data/0/dataFilter/timeRange", "/input/data/0/dataFilter/timeRange/from", "/output", "/output/width", "/evalscript",
        ]),
        value in prop::sample::select(vec![
            json!(null), json!(true), json!(-1), json!(1e300), json!(u64::MAX), json!(""), json!("9999-12-31T23:59:59Z"), json!([]),
            json!([null]), json!([1e308, -1e308, 1e308, 1e308]), json!({}), json!([[[[1, 2]]]]),
        ])
    ) {
        let mut odd = request("sentinel-2-l2a", &script("{input: ['B04'], mosaicking: 'TILE'}"));
        *odd.pointer_mut(pointer).unwrap() = value;
        let _ = read_with(&odd, &KNOWN);
    }

    #[test]
    fn a_longer_period_never_holds_fewer_samples(days in 1i64..4000, more in 1i64..400, mosaicking in prop::sample::select(vec!["ORBIT", "TILE"])) {
        let samples = |days: i64| {
            let from: crate::units::UtcTime = "2010-01-01T00:00:00Z".parse().unwrap();
            let to = from + jiff::SignedDuration::from_hours(24 * days);
            let mut request = request("sentinel-2-l2a", &script(&format!("{{input: ['B04'], mosaicking: '{mosaicking}'}}")));
            request["input"]["data"][0]["dataFilter"] = json!({"timeRange": {"from": from.to_string(), "to": to.to_string()}});
            imagery(&request).sources[0].samples
        };
        prop_assert!(samples(days + more) >= samples(days));
    }
}
