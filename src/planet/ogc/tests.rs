//! OGC requests as maps and scripts send them.

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;
use crate::planet::collections::Deployment;
use crate::planet::{Declared, evalscript};

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

const NDVI: &str =
    "//VERSION=3\nfunction setup() { return {input: ['B04', 'B08'], output: {bands: 1}} }";

fn with_script(query: &str, script: &str) -> String {
    let encoded = BASE64_STANDARD.encode(script);
    form_urlencoded::Serializer::new(format!("{query}&"))
        .append_pair("EvalScript", &encoded)
        .finish()
}

fn ask(query: &str) -> Result<Ask, String> {
    read(Query::new(Some(query)), &KNOWN)
        .map(|reading| reading.ask)
        .map_err(|misread| misread.sentence)
}

#[track_caller]
fn image(query: &str) -> Imagery {
    match ask(query) {
        Ok(Ask::OgcImage(imagery)) => imagery,
        other => panic!("{other:?}"),
    }
}

const MAP: &str = "service=WMS&Request=GetMap&LAYERS=NDVI&BBOX=0,0,1000,500&width=512&HEIGHT=256";

#[test]
fn a_map_with_its_own_script_is_read() {
    let read = image(&with_script(MAP, NDVI));
    assert_eq!(
        (
            read.width,
            read.height,
            read.sources[0].bands,
            read.sources[0].samples
        ),
        (512, 256, 2, 1)
    );
    assert!(read.bounded.is_empty(), "{:?}", read.bounded);
    let url_safe = format!("{MAP}&EVALSCRIPT={}", BASE64_URL_SAFE_NO_PAD.encode(NDVI));
    assert_eq!(image(&url_safe), read);
}

#[test]
fn what_a_layer_shows_is_unbounded_until_it_is_declared() {
    for query in [
        MAP.to_owned(),
        format!("{MAP}&EVALSCRIPTURL=https%3A%2F%2Fexample.com%2Fs.js"),
    ] {
        let Ok(Ask::Unbounded(unbounded)) = ask(&query) else {
            panic!("{query}")
        };
        assert!(unbounded.why.contains("[[bounds]]"), "{unbounded}");
    }
    let declared = Declared {
        bands: Some(4),
        float32: Some(false),
        samples: Some(1),
    };
    let reading = read(Query::new(Some(MAP)), &Known { declared, ..KNOWN }).unwrap();
    let Ask::OgcImage(imagery) = reading.ask else {
        panic!("declared")
    };
    assert_eq!(
        (
            imagery.sources[0].bands,
            imagery.sources[0].samples,
            imagery.format
        ),
        (4, 1, Format::UpTo16Bit)
    );
}

#[test]
fn sizes_come_from_pixels_resolutions_or_the_most_there_can_be() {
    for (size, expected) in [
        ("WIDTH=512&HEIGHT=256", (512, 256)),
        ("WIDTH=512", (512, 2500)),
        ("RESX=10m&RESY=10", (100, 50)),
        ("RESX=10", (100, 2500)),
        ("", (2500, 2500)),
    ] {
        let read = image(&with_script(
            &format!("REQUEST=GetCoverage&COVERAGE=A&BBOX=0,0,1000,500&{size}"),
            NDVI,
        ));
        assert_eq!((read.width, read.height), expected, "{size}");
    }
    let degrees = image(&with_script(
        "REQUEST=GetMap&CRS=EPSG:4326&BBOX=45,13,45.01,13.01&RESX=10m&RESY=10m",
        NDVI,
    ));
    assert_eq!((degrees.width, degrees.height), (112, 112));
}

#[test]
fn tiles_have_the_side_of_their_matrix_set() {
    for (set, side, exact) in [
        ("PopularWebMercator256", 256, true),
        ("PopularWebMercator512", 512, true),
        ("Other", 512, false),
    ] {
        let query = format!(
            "REQUEST=GetTile&LAYER=A&TILEMATRIXSET={set}&TILEMATRIX=14&TILECOL=1&TILEROW=2"
        );
        let read = image(&with_script(&query, NDVI));
        assert_eq!(
            (read.width, read.height, read.bounded.is_empty()),
            (side, side, exact),
            "{set}"
        );
    }
}

#[test]
fn times_of_reduced_precision_count_every_day_they_may_mean() {
    let orbit = NDVI.replace("output", "mosaicking: 'ORBIT', output");
    for (time, days) in [
        ("2026-01-01/2026-01-31", 31),
        ("2026-01/2026-02", 59),
        ("2024/2024", 366),
        ("2026-01-01T00:00:00Z/2026-01-01T12:00:00Z", 1),
        ("2026-07-01", 185),
    ] {
        let read = image(&with_script(&format!("{MAP}&TIME={time}"), &orbit));
        assert_eq!(read.sources[0].samples, days, "{time}");
    }
    assert!(
        matches!(ask(&with_script(MAP, &orbit)), Ok(Ask::Unbounded(_))),
        "all time"
    );
}

#[test]
fn radar_and_depth_are_bounded_by_what_the_layer_may_be() {
    let radar = image(&with_script(MAP, "return [VV, VH]"));
    assert_eq!(
        (radar.correction, radar.speckle_filter),
        (Correction::RadiometricTerrain, true)
    );
    let deep = image(&with_script(
        &format!("{MAP}&FORMAT=image/tiff;depth=32f"),
        "return [B04]",
    ));
    assert_eq!(deep.format, Format::Float32);
}

#[test]
fn one_point_counts_as_one_pixel_and_descriptions_are_free() {
    let info = image(&with_script(
        "REQUEST=GetFeatureInfo&QUERY_LAYERS=A&WIDTH=500&HEIGHT=500&I=1&J=1",
        NDVI,
    ));
    assert_eq!((info.width, info.height), (1, 1));
    assert_eq!(ask("SERVICE=WMS&REQUEST=GetCapabilities"), Ok(Ask::Nothing));
}

#[test]
fn features_are_a_query() {
    let reading = read(
        Query::new(Some("REQUEST=GetFeature&TYPENAMES=DSS2&SRSNAME=CRS:84&BBOX=0,0,1,1&TIME=2026-01-01/2026-01-31")),
        &KNOWN,
    )
    .unwrap();
    let Ask::Search(search) = reading.ask else {
        panic!("a query")
    };
    assert_eq!(
        (
            search.area.map(|area| area.micros() / 1_000_000),
            search.days
        ),
        (Some(12_363), Some(31))
    );
    assert_eq!(reading.products, [Arc::from("sentinel-2-l2a")]);
    let Ok(Ask::Search(everything)) = ask("REQUEST=GetFeature&TYPENAMES=byoc-1") else {
        panic!("a query")
    };
    assert_eq!(
        everything,
        SearchAsk {
            area: None,
            days: None
        }
    );
}

#[test]
fn a_form_is_read_like_a_query_but_not_beside_one() {
    let form_type = Some("application/x-www-form-urlencoded");
    let query = form(form_type, Query::default(), b"REQUEST=GetCapabilities").unwrap();
    assert!(read(query, &KNOWN).is_ok());
    let keyed = Query::new(Some("api_key=K"));
    assert!(form(form_type, keyed, b"REQUEST=GetCapabilities").is_ok());
    assert!(
        form(
            form_type,
            Query::new(Some("REQUEST=GetMap")),
            b"REQUEST=GetCapabilities"
        )
        .is_err()
    );
    assert!(form(Some("text/xml"), Query::default(), b"<GetFeature/>").is_err());
    assert!(form(form_type, Query::default(), b"").is_err());
}

#[test]
fn parameters_that_upstream_would_refuse_are_answered_with_what_to_write() {
    for bad in [
        "width=512", // a second one
        "TIME=2026-02-01/2026-01-01",
        "TIME=whenever",
        "EVALSCRIPT=!!!",
        "RESX=wide",
    ] {
        assert!(ask(&format!("{MAP}&{bad}")).is_err(), "{bad}");
    }
    for bad in [
        "WIDTH=0&HEIGHT=1",
        "WIDTH=-1&HEIGHT=1",
        "WIDTH=2501&HEIGHT=1",
        "WIDTH=1e2",
        "BBOX=1,1,0,0",
        "BBOX=a,b,c,d",
        "BBOX=0,0,1",
    ] {
        assert!(
            ask(&with_script(&format!("REQUEST=GetMap&{bad}"), NDVI)).is_err(),
            "{bad}"
        );
    }
}

proptest! {
    #[test]
    fn any_query_is_read_without_a_panic(
        pairs in prop::collection::vec((
            prop::sample::select(vec!["REQUEST", "BBOX", "WIDTH", "RESX", "TIME", "EVALSCRIPT", "CRS", "TILEMATRIXSET", "FORMAT", "TYPENAMES"]),
            any::<String>(),
        ), 0..8),
        request in prop::sample::select(vec!["GetMap", "GetTile", "GetFeature", "GetFeatureInfo"]),
    ) {
        let mut query = form_urlencoded::Serializer::new(format!("REQUEST={request}&"));
        let query = query.extend_pairs(pairs.iter().filter(|(name, _)| *name != "REQUEST")).finish();
        let _ = ask(&query);
    }
}
