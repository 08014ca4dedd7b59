//! Batches of each version: their tiles, their grids, and what has no bound.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::planet::collections::Deployment;
use crate::planet::{Declared, evalscript};

fn read_value(body: &Value) -> Result<Ask, Misread> {
    let analysed = |script: &str| Arc::new(evalscript::read(script));
    let known = Known {
        deployment: Deployment::Main,
        accept: None,
        declared: Declared::default(),
        scripts: &analysed,
    };
    let body = body.to_string();
    Ok(read(
        &Document {
            json: body.as_bytes(),
            script: None,
        },
        &known,
    )?
    .ask)
}

fn request(input: &Value, bbox: &Value) -> Value {
    json!({
        "processRequest": {
            "input": {"bounds": {"bbox": bbox}, "data": [{"type": "sentinel-2-l2a"}]},
            "output": {"responses": [{"identifier": "default", "format": {"type": "image/tiff"}}]},
            "evalscript": "//VERSION=3\nfunction setup() { return {input: ['B04', 'B08', 'B02'], output: {bands: 3}} }",
        },
        "input": input,
        "output": {"type": "raster", "delivery": {"s3": {"url": "s3://b", "secretAccessKey": "S"}}},
    })
}

#[track_caller]
fn batch(input: &Value, bbox: &Value) -> BatchAsk {
    match read_value(&request(input, bbox)).unwrap() {
        Ask::Batch(batch) => batch,
        other => panic!("{other:?}"),
    }
}

#[test]
fn tiles_have_the_pixels_of_their_edge_and_both_buffers() {
    let grid =
        json!({"type": "tiling-grid", "id": 0, "resolution": 10.0, "bufferX": 50, "bufferY": 0});
    let batch = batch(&grid, &json!([13.0, 45.0, 13.1, 45.1]));
    assert_eq!(
        (
            batch.tile.width,
            batch.tile.height,
            batch.tile.sources[0].bands
        ),
        (2104, 2004, 3)
    );
    assert_eq!(
        batch.tiles, 9,
        "a corner of the grid, and the border of a zone, were it there"
    );
}

#[test]
fn what_leaves_the_region_is_counted_over_all_tiles() {
    let leaving = |region: Option<&str>, output: &str| {
        let grid = json!({"type": "tiling-grid", "id": 0, "resolution": 10.0});
        let mut body = request(&grid, &json!([13.0, 45.0, 13.1, 45.1]));
        body["output"]["delivery"]["s3"]["region"] = json!(region);
        body["processRequest"]["evalscript"] = json!(format!(
            "function setup() {{ return {{input: ['B04'], output: {output}}} }}"
        ));
        match read_value(&body).unwrap() {
            Ask::Batch(batch) => batch.leaving,
            other => panic!("{other:?}"),
        }
    };
    let three = "{bands: 3, sampleType: 'UINT16'}";
    assert_eq!(leaving(Some("eu-central-1"), "bands()"), Leaving::Nothing);
    let all = Leaving::Bytes(9 * 2004 * 2004 * 6);
    assert_eq!(leaving(Some("us-west-2"), three), all);
    assert_eq!(leaving(None, three), all);
    let unknown = leaving(None, "bands()");
    assert!(matches!(unknown, Leaving::Unknown(_)), "{unknown:?}");
}

#[test]
fn a_larger_area_touches_more_tiles() {
    let tiles = |bbox: Value| batch(&json!({"id": 3, "resolution": 0.0001}), &bbox).tiles;
    assert_eq!(tiles(json!([0.5, 0.5, 1.5, 1.5])), 9);
    assert_eq!(tiles(json!([0.0, 0.0, 10.0, 5.0])), 84);
}

#[test]
fn what_lies_in_a_bucket_or_on_an_unknown_grid_is_unbounded() {
    let bbox = json!([13.0, 45.0, 13.1, 45.1]);
    for input in [
        json!({"type": "geopackage", "features": {}}),
        json!({"type": "tiling-grid", "id": 99, "resolution": 10}),
    ] {
        assert!(
            matches!(read_value(&request(&input, &bbox)), Ok(Ask::Unbounded(_))),
            "{input}"
        );
    }
}

#[test]
fn the_first_version_keeps_its_grid_elsewhere() {
    let mut old = request(&json!(null), &json!([13.0, 45.0, 13.1, 45.1]));
    old["tilingGrid"] = json!({"id": 1, "resolution": 20.0});
    let Ok(Ask::Batch(batch)) = read_value(&old) else {
        panic!("bounded")
    };
    assert_eq!((batch.tile.width, batch.tile.height), (500, 500));
    assert!(!format!("{batch:?}").contains("s3://"));
}

#[test]
fn the_first_versions_oldest_spelling_of_a_grid_is_read_too() {
    let mut old = request(&json!(null), &json!([13.0, 45.0, 13.1, 45.1]));
    (old["tilingGridId"], old["resolution"]) = (json!(1), json!(20.0));
    let Ok(Ask::Batch(batch)) = read_value(&old) else {
        panic!("bounded")
    };
    assert_eq!((batch.tile.width, batch.tile.height), (500, 500));
    old["tilingGrid"] = json!({"id": 1, "resolution": 10.0});
    assert!(read_value(&old).unwrap_err().sentence.contains("twice"));
}

#[test]
fn batches_that_upstream_would_refuse_are_answered_with_what_to_write() {
    let bbox = json!([13.0, 45.0, 13.1, 45.1]);
    for input in [
        json!(null),
        json!({"id": 0}),
        json!({"id": 0, "resolution": 0}),
        json!({"id": 0, "resolution": -10}),
        json!({"id": "0"}),
    ] {
        assert!(
            !matches!(read_value(&request(&input, &bbox)), Ok(Ask::Batch(_))),
            "{input}"
        );
    }
    assert!(
        read_value(&request(
            &json!({"id": 0, "resolution": 10}),
            &json!([1, 1, 0, 0])
        ))
        .is_err()
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(body in any::<Vec<u8>>()) {
        let analysed = |script: &str| Arc::new(evalscript::read(script));
        let known = Known { deployment: Deployment::Main, accept: None, declared: Declared::default(), scripts: &analysed };
        let _ = read(&Document { json: &body, script: None }, &known);
    }
}
