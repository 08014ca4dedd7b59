//! Random requests that Planet would take, for promises that must hold of any of them.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use quota_guard::planet::UpstreamKind;
use serde_json::{Value, json};

/// One request, as it would be sent to its host.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) kind: UpstreamKind,
    pub(crate) method: &'static str,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) accept: Option<&'static str>,
    pub(crate) body: Option<Value>,
}

impl Sent {
    pub(crate) fn new(kind: UpstreamKind, method: &'static str, target: impl Into<String>) -> Self {
        Self {
            kind,
            method,
            target: target.into(),
            accept: None,
            body: None,
        }
    }

    pub(crate) fn with(self, body: Value) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }

    pub(crate) fn text(&self) -> String {
        self.body.as_ref().map(Value::to_string).unwrap_or_default()
    }
}

const COLLECTIONS: [(&str, &[&str]); 7] = [
    (
        "sentinel-2-l2a",
        &["B01", "B02", "B03", "B04", "B08", "B12", "SCL"],
    ),
    ("sentinel-2-l1c", &["B02", "B03", "B04", "B10"]),
    ("sentinel-1-grd", &["VV", "VH"]),
    ("landsat-ot-l2", &["B01", "B02", "B05", "B10"]),
    ("hls", &["Red", "Green", "Blue", "QA"]),
    ("dem", &["DEM"]),
    ("byoc-1234", &["red", "nir", "blue", "clear"]),
];

/// A collection as a request draws on it.
#[derive(Clone, Debug)]
struct Drawn {
    collection: &'static str,
    bands: Vec<&'static str>,
    mask: bool,
    mosaicking: Option<&'static str>,
    processing: Option<Value>,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let processing = prop::option::weighted(0.5, radar_processing());
    (
        select(&COLLECTIONS[..]),
        any::<bool>(),
        mosaicking(),
        processing,
    )
        .prop_flat_map(|((collection, bands), mask, mosaicking, processing)| {
            subsequence(bands, 1..=bands.len()).prop_map(move |bands| Drawn {
                collection,
                bands,
                mask,
                mosaicking,
                processing: processing
                    .clone()
                    .filter(|_| collection == "sentinel-1-grd"),
            })
        })
}

fn mosaicking() -> impl Strategy<Value = Option<&'static str>> {
    prop::option::of(select(vec!["SIMPLE", "ORBIT", "TILE"]))
}

fn radar_processing() -> impl Strategy<Value = Value> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(ortho, terrain, lee)| {
        json!({"orthorectify": ortho || terrain,
            "backCoeff": if terrain { "GAMMA0_TERRAIN" } else { "GAMMA0_ELLIPSOID" },
            "speckleFilter": {"type": if lee { "LEE" } else { "NONE" }, "windowSizeX": 3, "windowSizeY": 3}})
    })
}

/// The script that draws on them, and the `input.data` that it is sent with.
fn script(sources: &[Drawn], sample_type: Option<&str>, range: &Value) -> (String, Value) {
    let inputs: Vec<String> = sources
        .iter()
        .enumerate()
        .map(|(place, source)| {
            let mut bands = source.bands.clone();
            if source.mask {
                bands.push("dataMask");
            }
            let own = source.mosaicking.map_or(String::new(), |mosaicking| {
                format!(", mosaicking: \"{mosaicking}\"")
            });
            let datasource = if sources.len() > 1 {
                format!("datasource: \"d{place}\", ")
            } else {
                String::new()
            };
            format!("{{{datasource}bands: {}{own}}}", json!(bands))
        })
        .collect();
    let output = sample_type.map_or(String::new(), |kind| format!(", sampleType: \"{kind}\""));
    let script = format!(
        "//VERSION=3\nfunction setup() {{ return {{ input: [{}], output: {{ id: \"default\", bands: 1{output} }} }} }}\n\
         function evaluatePixel(s) {{ return [1] }}",
        inputs.join(", ")
    );
    let data = sources.iter().enumerate().map(|(place, source)| {
        let mut data = json!({"type": source.collection, "id": format!("d{place}"),
            "dataFilter": {"timeRange": range}});
        if let Some(processing) = &source.processing {
            data["processing"] = processing.clone();
        }
        data
    });
    (script, data.collect())
}

fn sample_type() -> impl Strategy<Value = Option<&'static str>> {
    prop::option::of(select(vec!["UINT8", "UINT16", "FLOAT32", "AUTO"]))
}

/// From and to, some days apart, not always at midnight.
fn range() -> impl Strategy<Value = Value> {
    (
        0u64..1500,
        1u64..200,
        select(vec![0u64, 0, 12 * 3600 + 7]),
        any::<bool>(),
    )
        .prop_map(|(start, days, second, whole)| {
            let at = |seconds: u64| {
                let start = "2021-01-01T00:00:00Z"
                    .parse::<jiff::Timestamp>()
                    .expect("a time");
                let by = jiff::SignedDuration::from_secs(seconds.try_into().expect("seconds"));
                start.checked_add(by).expect("a time").to_string()
            };
            let from = start * 86_400 + second;
            let to = from + days * 86_400 - u64::from(whole);
            json!({"from": at(from), "to": at(to)})
        })
}

/// Bounds, and a size that suits them.
fn place_and_size(most: u32) -> impl Strategy<Value = (Value, Value)> {
    let degrees = (
        -170.0..160.0f64,
        -70.0..65.0f64,
        0.001..2.0f64,
        0.001..2.0f64,
    );
    let size = prop_oneof![
        Just(json!({})),
        (1..most, 1..most).prop_map(|(width, height)| json!({"width": width, "height": height})),
        (1u32..400, 1u32..400)
            .prop_map(|(across, along)| json!({"across": across, "along": along})),
    ];
    (degrees, any::<bool>(), size).prop_map(|((west, south, width, height), metres, mut size)| {
        let (west, south, width, height, crs) = if metres {
            let (width, height) = (width * 50_000.0, height * 50_000.0);
            (500_000.0, 5_000_000.0, width, height, "EPSG/0/32633")
        } else {
            (west, south, width, height, "OGC/1.3/CRS84")
        };
        let bounds = json!({"bbox": [west, south, west + width, south + height],
            "properties": {"crs": format!("http://www.opengis.net/def/crs/{crs}")}});
        // a pixel of so much, which need not divide the box
        if let (Some(across), Some(along)) = (size["across"].as_f64(), size["along"].as_f64()) {
            size = json!({"resx": width / (across + 0.4), "resy": height / (along + 0.6)});
        }
        (bounds, size)
    })
}

fn merged(mut one: Value, other: &Value) -> Value {
    for (name, value) in other.as_object().expect("an object") {
        one[name] = value.clone();
    }
    one
}

/// `POST …/process`, or one for a bucket.
pub(crate) fn image() -> impl Strategy<Value = Sent> {
    let sources = prop::collection::vec(drawn(), 1..4);
    let media = select(vec![
        "image/tiff",
        "image/png",
        "application/octet-stream",
        "application/json",
    ]);
    let accept = prop::option::of(select(vec![
        "image/tiff",
        "image/png",
        "application/octet-stream",
        "*/*",
    ]));
    let path = select(vec![
        "/api/v1/process",
        "/process/v1",
        "/async/v1/process",
        "/api/v1/async/process",
    ]);
    (sources, sample_type(), range(), place_and_size(600), media, accept, path).prop_map(
        |(sources, kind, range, (bounds, size), media, accept, path)| {
            let (script, data) = script(&sources, kind, &range);
            let responses = json!({"responses": [{"identifier": "default", "format": {"type": media}}]});
            let mut output = merged(responses, &size);
            if path.contains("async") {
                output["delivery"] = json!({"s3": {"url": "s3://b", "region": "eu-central-1"}});
                output = merged(output, &json!({"width": 900, "height": 700}));
                let sides = output.as_object_mut().expect("an object");
                sides.retain(|name, _| !name.starts_with("res") || name == "responses");
            }
            Sent {
                accept: accept.filter(|_| !path.contains("async")),
                ..Sent::new(UpstreamKind::SentinelHub, "POST", path)
            }
            .with(json!({"input": {"bounds": bounds, "data": data}, "output": output, "evalscript": script}))
        },
    )
}

/// `POST …/statistics`
pub(crate) fn figures() -> impl Strategy<Value = Sent> {
    let sources = prop::collection::vec(drawn(), 1..3);
    let of = select(vec!["P1D", "P5D", "P1W", "P1M", "P1Y", "PT36H", "P1M2D"]);
    let last = prop::option::of(select(vec!["SKIP", "SHORTEN", "EXTEND"]));
    let path = select(vec!["/api/v1/statistics", "/statistics/v1"]);
    (sources, sample_type(), range(), place_and_size(600), of, last, path).prop_map(
        |(sources, kind, range, (bounds, size), of, last, path)| {
            let (script, data) = script(&sources, kind, &range);
            let mut interval = json!({"of": of});
            if let Some(last) = last {
                interval["lastIntervalBehavior"] = json!(last);
            }
            let aggregation = json!({"timeRange": range, "aggregationInterval": interval, "evalscript": script});
            Sent::new(UpstreamKind::SentinelHub, "POST", path).with(json!({
                "input": {"bounds": bounds, "data": data}, "aggregation": merged(aggregation, &size)}))
        },
    )
}

/// The body that creates a batch of a tiling grid, and where.
pub(crate) fn batch() -> impl Strategy<Value = Sent> {
    let sources = prop::collection::vec(drawn(), 1..3);
    let grid = select(vec![
        (0, 10.0),
        (0, 60.0),
        (1, 20.0),
        (2, 120.0),
        (3, 0.0002),
        (6, 100.0),
        (7, 10.0),
    ]);
    let place = (-20.0..30.0f64, 36.0..60.0f64, 0.01..1.5f64, 0.01..1.5f64);
    (sources, sample_type(), range(), grid, place, 0u64..200, any::<bool>()).prop_map(
        |(sources, kind, range, (id, resolution), (west, south, width, height), buffer, old)| {
            let (script, data) = script(&sources, kind, &range);
            let bounds = json!({"bbox": [west, south, west + width, south + height]});
            let mut body = json!({
                "processRequest": {"input": {"bounds": bounds, "data": data}, "evalscript": script,
                    "output": {"responses": [{"identifier": "default", "format": {"type": "image/tiff"}}]}},
                "output": {"type": "raster"}});
            body[if old { "tilingGrid" } else { "input" }] = json!({"type": "tiling-grid", "id": id,
                "resolution": resolution, "bufferX": buffer, "bufferY": buffer / 2});
            let path = if old { "/batch/v1/process" } else { "/batch/v2/process" };
            Sent::new(UpstreamKind::SentinelHub, "POST", path).with(body)
        },
    )
}

/// Searches of the Catalog and by WFS, and changes to collections.
pub(crate) fn query() -> impl Strategy<Value = Sent> {
    let place = (
        -170.0..150.0f64,
        -80.0..70.0f64,
        0.001..20.0f64,
        0.001..9.0f64,
    );
    (place, range(), 0..5).prop_map(|((west, south, width, height), range, which)| {
        let hub = |method, target: String| Sent::new(UpstreamKind::SentinelHub, method, target);
        let (east, north) = (west + width, south + height);
        let (from, to) = (
            range["from"].as_str().expect("from"),
            range["to"].as_str().expect("to"),
        );
        match which {
            0 => hub("POST", "/api/v1/catalog/1.0.0/search".into()).with(json!({
                "collections": ["sentinel-2-l2a"], "bbox": [west, south, east, north],
                "datetime": format!("{from}/{to}"), "limit": 5})),
            1 => hub("POST", "/catalog/v1/search".into())
                .with(json!({"collections": ["hls"], "datetime": format!("{from}/..")})),
            2 => hub(
                "GET",
                format!(
                    "/catalog/v1/collections/sentinel-2-l2a/items?limit=2&datetime={from}/{to}"
                ),
            ),
            3 => hub(
                "GET",
                format!(
                    "/ogc/wfs/abc?SERVICE=WFS&REQUEST=GetFeature&TYPENAMES=DSS2&SRSNAME=CRS:84\
                     &BBOX={west},{south},{east},{north}&TIME={from}/{to}"
                ),
            ),
            _ => hub("POST", "/byoc/v1/collections".into())
                .with(json!({"name": "n", "s3Bucket": "b"})),
        }
    })
}

/// Images by OGC that bring their own script; some tiles, and some descriptions.
pub(crate) fn ogc() -> impl Strategy<Value = Sent> {
    let source = drawn().prop_filter("radar may be corrected", |drawn| drawn.processing.is_none());
    let service = select(vec![
        ("wms", "GetMap", "&LAYERS=L&WIDTH=40&HEIGHT=30"),
        ("wcs", "GetCoverage", "&COVERAGE=L&RESX=50m&RESY=40m"),
        (
            "wmts",
            "GetTile",
            "&LAYER=L&TILEMATRIXSET=PopularWebMercator256&TILEMATRIX=1&TILECOL=0&TILEROW=0",
        ),
        (
            "wms",
            "GetFeatureInfo",
            "&LAYERS=L&WIDTH=40&HEIGHT=30&I=1&J=1",
        ),
        ("wfs", "GetFeature", "&TYPENAMES=DSS2"),
        ("wms", "GetCapabilities", ""),
    ]);
    let format = select(vec!["image/png", "image/tiff", "image/tiff;depth=32f"]);
    (source, sample_type(), range(), service, format).prop_map(
        |(source, kind, range, (service, request, rest), format)| {
            let (script, _) = script(&[source], kind, &range);
            let time = |end: &str| range[end].as_str().expect("a time").to_owned();
            let query: String = form_urlencoded::Serializer::new(String::new())
                .append_pair("SERVICE", service)
                .append_pair("REQUEST", request)
                .append_pair("FORMAT", format)
                .append_pair("CRS", "EPSG:3857")
                .append_pair("BBOX", "1500000,5700000,1501000,5701000")
                .append_pair("TIME", &format!("{}/{}", time("from"), time("to")))
                .append_pair("EVALSCRIPT", &STANDARD.encode(script))
                .finish();
            Sent::new(
                UpstreamKind::SentinelHub,
                "GET",
                format!("/ogc/{service}/abc?{query}{rest}"),
            )
        },
    )
}

fn square(side: f64) -> Value {
    let (west, south) = (14.0, 46.0);
    json!({"type": "Polygon", "coordinates": [[[west, south], [west + side, south],
        [west + side, south + side], [west, south + side], [west, south]]]})
}

fn delivery() -> impl Strategy<Value = Value> {
    select(vec![
        json!({}),
        json!({"delivery": {"amazon_s3": {"bucket": "b"}}}),
        json!({"delivery": {"destination": {"ref": "pl:destinations/default"}}}),
        json!({"hosting": {"sentinel_hub": {}}}),
    ])
}

/// `POST /compute/ops/orders/v2`, of scenes or of quads.
pub(crate) fn order() -> impl Strategy<Value = Sent> {
    const BUNDLES: [(&str, &str); 8] = [
        ("PSScene", "analytic_8b_sr_udm2"),
        ("PSScene", "analytic_udm2"),
        ("PSScene", "visual"),
        ("PSScene", "basic_analytic_udm2"),
        ("SkySatScene", "analytic_udm2"),
        ("SkySatCollect", "analytic_sr_udm2"),
        ("SkySatScene", "pansharpened_udm2"),
        ("PSScene", "analytic_3b_udm2"),
    ];
    const TOOLS: [&str; 8] = [
        "harmonize",
        "toar",
        "reproject",
        "tile",
        "bandmath",
        "file_format",
        "composite",
        "coregister",
    ];
    let scenes = prop::collection::vec((select(&BUNDLES[..]), 1usize..30), 1..3);
    let mosaic = select(vec![
        "global_monthly_2026_07_mosaic",
        "ps_monthly_sr_2026_07_mosaic",
        "global_quarterly_2026q2_mosaic",
        "weekly_normalized_analytic_2026_07",
    ]);
    let clip = prop::option::of(0.001..0.9f64);
    let tools = subsequence(&TOOLS[..], 0..4);
    (
        scenes,
        mosaic,
        1usize..20,
        any::<bool>(),
        clip,
        tools,
        delivery(),
    )
        .prop_map(|(scenes, mosaic, quads, basemaps, clip, tools, delivery)| {
            let mut steps: Vec<Value> = tools.iter().map(|tool| json!({*tool: {}})).collect();
            let products: Vec<Value> = if basemaps {
                steps.push(json!({"merge": {}}));
                let quads: Vec<_> = (0..quads).map(|quad| format!("12{quad:02}-1103")).collect();
                vec![json!({"mosaic_name": mosaic, "quad_ids": quads})]
            } else {
                steps.extend(clip.map(|side| json!({"clip": {"aoi": square(side)}})));
                let product = |(place, ((kind, bundle), count)): (usize, ((&str, &str), usize))| {
                    let items: Vec<_> = (0..count)
                        .map(|item| format!("2026_{place}_{item}"))
                        .collect();
                    json!({"item_ids": items, "item_type": kind, "product_bundle": bundle})
                };
                scenes.into_iter().enumerate().map(product).collect()
            };
            let source = if basemaps { "basemaps" } else { "scenes" };
            let order =
                json!({"name": "o", "source_type": source, "products": products, "tools": steps});
            Sent::new(UpstreamKind::Planet, "POST", "/compute/ops/orders/v2")
                .with(merged(order, &delivery))
        })
}

/// Activations, downloads, quads and tiles: calls that spend by their address alone.
pub(crate) fn address() -> impl Strategy<Value = Sent> {
    const ASSETS: [&str; 4] = [
        "ortho_analytic_8b",
        "ortho_udm2",
        "ortho_visual",
        "ortho_analytic_8b_xml",
    ];
    (0..6, select(&ASSETS[..]), 0u32..1000).prop_map(|(which, asset, number)| {
        let planet = |method, target: String| Sent::new(UpstreamKind::Planet, method, target);
        let tiles = |target: String| Sent::new(UpstreamKind::Tiles, "GET", target);
        let item = format!("2026_{number}");
        let id = json!({"i": item, "c": "PSScene", "t": asset, "ct": "item-type"}).to_string();
        let claims = json!({"item_type_id": "PSScene", "item_id": item, "asset_type": asset, "exp": 99_999_999_999u64});
        let quad = format!("/basemaps/v1/mosaics/09462e5a-0001-4000-8000-000000000003/quads/{number}-7/full");
        match which {
            0 => planet("GET", format!("/data/v1/assets/{}/activate", URL_SAFE_NO_PAD.encode(id))),
            1 => {
                let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
                planet("GET", format!("/data/v1/download?token=e30.{claims}.c2ln"))
            }
            2 => planet("GET", quad),
            3 => tiles(format!("/basemaps/v1/planet-tiles/global_monthly_2026_07_mosaic/gmap/15/{number}/7.png")),
            4 => tiles(format!("/data/v1/PSScene/{item}/15/{number}/7.png")),
            _ => tiles(format!(
                "/data/v1/layers/wmts/abc?REQUEST=GetTile&TILEMATRIX=15&TILECOL={number}&TILEROW=7&LAYER=abc"
            )),
        }
    })
}

/// The body of a subscription around `now`, in days.
pub(crate) fn subscription(now: jiff::Timestamp) -> impl Strategy<Value = Value> {
    const ASSETS: [&str; 4] = [
        "ortho_analytic_8b_sr",
        "ortho_udm2",
        "ortho_analytic_8b_xml",
        "ortho_visual",
    ];
    let assets = subsequence(&ASSETS[..], 1..=4);
    let tools = subsequence(
        vec!["harmonize", "toar", "clip", "reproject", "cloud_filter"],
        0..=4,
    );
    let delivery = select(vec![
        json!({"delivery": {"type": "google_cloud_storage", "parameters": {}}}),
        json!({"hosting": {"type": "sentinel_hub", "parameters": {}}}),
    ]);
    let kind = select(vec!["PSScene", "SkySatCollect"]);
    (assets, tools, delivery, kind, (-300i64..30, 1i64..300), 0.001..1.0f64).prop_map(
        move |(assets, tools, delivery, kind, (start, days), side)| {
            let at = |days: i64| (now + jiff::SignedDuration::from_hours(24 * days)).to_string();
            let tools: Vec<_> = tools.iter().map(|tool| json!({"type": tool, "parameters": {}})).collect();
            let body = json!({"name": "s", "tools": tools, "source": {"type": "catalog", "parameters": {
                "item_types": [kind], "asset_types": assets, "geometry": square(side),
                "start_time": at(start), "end_time": at(start + days)}}});
            merged(body, &delivery)
        },
    )
}
