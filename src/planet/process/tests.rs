//! Requests as clients send them, and what must be read from each.

mod odd;

use serde_json::{Value, json};

use super::*;
use crate::planet::collections::Deployment;
use crate::planet::{Correction, Declared, Format, Source, Unbounded, document, evalscript};

const NDVI: &str = "//VERSION=3\nfunction setup() { return {input: ['B04', 'B08', 'dataMask'], output: {bands: 1}} }";

fn script(setup: &str) -> String {
    format!("//VERSION=3\nfunction setup() {{ return {setup} }}")
}

fn request(collection: &str, evalscript: &str) -> Value {
    json!({
        "input": {
            "bounds": {"bbox": [13.0, 45.0, 13.1, 45.1]},
            "data": [{"type": collection, "dataFilter": {
                "timeRange": {"from": "2026-01-01T00:00:00Z", "to": "2026-01-10T23:59:59Z"}}}],
        },
        "output": {"width": 512, "height": 300},
        "evalscript": evalscript,
    })
}

fn read_with(request: &Value, known: &Known<'_>) -> Result<Reading, Misread> {
    let body = request.to_string();
    read(&document::read(None, None, body.as_bytes())?, known)
}

fn analysed(script: &str) -> Arc<Script> {
    Arc::new(evalscript::read(script))
}

const KNOWN: Known<'static> = Known {
    deployment: Deployment::Main,
    accept: None,
    declared: Declared {
        bands: None,
        float32: None,
        samples: None,
    },
    scripts: &analysed,
};

#[track_caller]
fn imagery(request: &Value) -> Imagery {
    match read_with(request, &KNOWN).unwrap().ask {
        Ask::Process(imagery) => imagery,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn unbounded(request: &Value) -> String {
    match read_with(request, &KNOWN).unwrap().ask {
        Ask::Unbounded(Unbounded { why }) => why,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn misread(request: &Value) -> String {
    read_with(request, &KNOWN).unwrap_err().sentence
}

/// Bands and samples of each source.
fn drawn(imagery: &Imagery) -> Vec<(u64, u64)> {
    imagery
        .sources
        .iter()
        .map(|source| (source.bands, source.samples))
        .collect()
}

#[test]
fn a_plain_request_is_read_exactly() {
    let read = imagery(&request("sentinel-2-l2a", NDVI));
    let expected = Imagery {
        width: 512,
        height: 300,
        sources: vec![Source {
            collection: "sentinel-2-l2a".into(),
            bands: 2,
            samples: 1,
            remote: false,
        }],
        format: Format::UpTo16Bit,
        correction: Correction::None,
        speckle_filter: false,
        bounded: vec![],
    };
    assert_eq!(read, expected);
}

#[test]
fn products_are_named_even_when_the_cost_is_not_known() {
    let unknown = request("byoc-1234", &script("pick()"));
    let reading = read_with(&unknown, &KNOWN).unwrap();
    assert_eq!(reading.products, [Arc::from("byoc-1234")]);
    assert!(matches!(reading.ask, Ask::Unbounded(_)));
    let older = read_with(&request("S2L1C", NDVI), &KNOWN).unwrap();
    assert_eq!(older.products, [Arc::from("sentinel-2-l1c")]);
}

#[test]
fn mosaicking_decides_the_samples() {
    for (setup, collection, samples) in [
        ("{input: ['B04']}", "sentinel-2-l2a", 1),
        (
            "{input: ['B04'], mosaicking: 'ORBIT'}",
            "sentinel-2-l2a",
            10,
        ),
        (
            "{input: [{bands: ['B04'], mosaicking: 'ORBIT'}]}",
            "sentinel-2-l2a",
            10,
        ),
        (
            "{input: ['B04'], mosaicking: 'TILE'}",
            "sentinel-2-l2a",
            160,
        ),
        ("{input: ['blue'], mosaicking: 'ORBIT'}", "byoc-1234", 10),
        ("{input: ['DEM'], mosaicking: 'TILE'}", "dem", 1),
    ] {
        let read = imagery(&request(collection, &script(setup)));
        assert_eq!(drawn(&read), [(1, samples)], "{setup}");
        assert_eq!(read.bounded.is_empty(), samples == 1, "{setup}");
    }
}

#[test]
fn a_mask_counts_only_when_it_stands_alone_and_a_repeated_band_counts_again() {
    for (bands, counted) in [
        ("['dataMask']", 1),
        ("['B04', 'dataMask']", 1),
        ("['B04', 'SCL', 'CLM']", 3),
        ("['B04', 'B04']", 2),
    ] {
        let read = imagery(&request(
            "sentinel-2-l2a",
            &script(&format!("{{input: {bands}}}")),
        ));
        assert_eq!(drawn(&read), [(counted, 1)], "{bands}");
    }
}

#[test]
fn scripts_without_setup_use_bands_as_variables() {
    let ndvi = "let v = (B08 - B04) / (B08 + B04); return [v, Math.abs(v)]";
    assert_eq!(drawn(&imagery(&request("sentinel-2-l2a", ndvi))), [(2, 1)]);
    assert_eq!(
        drawn(&imagery(&request("byoc-1234", "return [red, nir]"))),
        [(2, 1)]
    );
    let none = imagery(&request("sentinel-5p-l2", "return [1]"));
    assert_eq!(drawn(&none), [(14, 1)]);
    assert!(!none.bounded.is_empty());
}

#[test]
fn an_unreadable_script_is_bounded_by_the_bands_of_its_collection() {
    let read = imagery(&request("sentinel-2-l2a", &script("pick()")));
    assert_eq!(drawn(&read), [(22, 160)]);
    assert_eq!(read.format, Format::Float32);
    assert!(read.bounded[0].contains("computed"), "{:?}", read.bounded);
    let mut stored = request("modis", "");
    stored["evalscriptReference"] = json!({"s3": {"url": "s3://bucket/script.js"}});
    assert!(imagery(&stored).bounded[0].contains("stored elsewhere"));
}

#[test]
fn what_has_no_bound_says_why() {
    let mut endless = request(
        "sentinel-2-l2a",
        &script("{input: ['B04'], mosaicking: 'ORBIT'}"),
    );
    endless["input"]["data"][0]["dataFilter"] =
        json!({"timeRange": {"from": "2026-01-01T00:00:00Z"}});
    assert!(unbounded(&endless).contains("add a timeRange"));
    assert!(unbounded(&request("byoc-1234", &script("{input: pick()}"))).contains("byoc-1234"));
    let tiles = request(
        "byoc-1234",
        &script("{input: ['blue'], mosaicking: 'TILE'}"),
    );
    assert!(unbounded(&tiles).contains("every scene"));
}

#[test]
fn what_the_policy_declares_stands_in_for_what_the_request_hides() {
    let declared = Declared {
        bands: Some(4),
        float32: Some(false),
        samples: Some(3),
    };
    let known = Known { declared, ..KNOWN };
    let Ask::Process(read) = read_with(&request("byoc-1234", &script("pick()")), &known)
        .unwrap()
        .ask
    else {
        panic!("declared, so bounded");
    };
    assert_eq!(
        (drawn(&read), read.format),
        (vec![(4, 3)], Format::UpTo16Bit)
    );
    let Ask::Process(shown) = read_with(&request("sentinel-2-l2a", NDVI), &known)
        .unwrap()
        .ask
    else {
        panic!("shown, so bounded");
    };
    assert_eq!(
        drawn(&shown),
        [(2, 1)],
        "what the request shows is not overridden"
    );
}

#[test]
fn fused_collections_are_matched_with_the_inputs_of_the_script_and_told_local_from_remote() {
    let mut fused = request(
        "sentinel-2-l2a",
        &script(
            "{input: [{datasource: 's2', bands: ['B04', 'B08']}, {datasource: 'l8', bands: ['B02'], mosaicking: 'ORBIT'}]}",
        ),
    );
    let period = fused["input"]["data"][0]["dataFilter"].clone();
    fused["input"]["data"] = json!([
        {"id": "s2", "type": "sentinel-2-l2a", "dataFilter": period},
        {"id": "l8", "type": "landsat-ot-l1", "dataFilter": period},
        {"id": "own", "type": "byoc-1", "dataFilter": period},
    ]);
    let read = imagery(&fused);
    assert_eq!(drawn(&read), [(2, 1), (1, 10), (3, 10)]);
    let remote: Vec<bool> = read.sources.iter().map(|source| source.remote).collect();
    assert_eq!(
        remote,
        [false, true, true],
        "where own data lie is not known, so they count as remote"
    );
    let west = Known {
        deployment: Deployment::UsWest2,
        ..KNOWN
    };
    let Ask::Process(read) = read_with(&fused, &west).unwrap().ask else {
        panic!("bounded")
    };
    assert_eq!(
        read.sources
            .iter()
            .map(|source| source.remote)
            .collect::<Vec<_>>(),
        [true, false, true]
    );
}

#[test]
fn radar_corrections_and_formats_are_read() {
    let mut radar = request(
        "sentinel-1-grd",
        &script("{input: ['VV', 'VH'], output: {bands: 2, sampleType: 'FLOAT32'}}"),
    );
    radar["input"]["data"][0]["processing"] = json!({"orthorectify": "true", "backCoeff": "GAMMA0_TERRAIN", "speckleFilter": {"type": "LEE", "windowSizeX": 3, "windowSizeY": 3}});
    radar["output"]["responses"] =
        json!([{"identifier": "default", "format": {"type": "image/tiff"}}]);
    let read = imagery(&radar);
    assert_eq!(
        (read.format, read.correction, read.speckle_filter),
        (Format::Float32, Correction::RadiometricTerrain, true)
    );
    assert!(read.bounded.is_empty(), "{:?}", read.bounded);
    let octets = Known {
        accept: Some("application/octet-stream"),
        ..KNOWN
    };
    let Ask::Process(read) = read_with(&radar, &octets).unwrap().ask else {
        panic!("bounded")
    };
    assert_eq!(
        read.format,
        Format::Float32OctetStream,
        "the header may win"
    );
}

#[test]
fn a_form_carries_the_script_in_a_part_of_its_own() {
    let mut body = request("sentinel-2-l2a", "");
    body.as_object_mut().unwrap().remove("evalscript");
    let json = body.to_string();
    let document = Document {
        json: json.as_bytes(),
        script: Some(NDVI),
    };
    assert!(matches!(
        read(&document, &KNOWN).unwrap().ask,
        Ask::Process(_)
    ));
    let both = request("sentinel-2-l2a", NDVI).to_string();
    let document = Document {
        json: both.as_bytes(),
        script: Some(NDVI),
    };
    assert!(
        read(&document, &KNOWN)
            .unwrap_err()
            .sentence
            .contains("send it once")
    );
}

#[test]
fn fields_that_nobody_documents_change_nothing() {
    let mut odd = request("sentinel-2-l2a", NDVI);
    odd["instanceType"] = json!("normal");
    odd["output"]["unknown"] = json!([1]);
    odd["input"]["data"][0]["dataFilter"]["maxCloudCoverage"] = json!(30);
    assert_eq!(imagery(&odd), imagery(&request("sentinel-2-l2a", NDVI)));
}
