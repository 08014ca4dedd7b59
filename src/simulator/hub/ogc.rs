//! WMS, WMTS, WCS and WFS. Every layer here shows three bands of Sentinel-2, unless a script comes along.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::body::Source;
use super::price;
use super::script::{Mosaicking, Script};
use crate::simulator::answer::Answer;
use crate::simulator::call::{Call, Site};
use crate::simulator::figures;
use crate::simulator::geo::{self, Bounds};
use crate::simulator::picture::{self, Depth, Shape};
use crate::simulator::refusal::Refusal;
use crate::simulator::sky::{self, Revisit};
use crate::units::UtcTime;

const MAX_SIDE: u32 = 2_500;
const LAYER_BANDS: usize = 3;
const COLLECTION: &str = "sentinel-2-l2a";

pub(super) fn answer(call: &Call, service: &str, instance: &str) -> Result<Answer, Refusal> {
    let asked = parameter(call, "request").unwrap_or_default();
    match (service, asked.to_ascii_lowercase().as_str()) {
        ("wms", "getmap") | ("wcs", "getcoverage") => {
            let size = (
                side(call, "width", "resx", 0),
                side(call, "height", "resy", 1),
            );
            image(call, service, size)
        }
        ("wmts", "gettile") => {
            let set = parameter(call, "tilematrixset").unwrap_or_default();
            let side = if set.ends_with("256") { 256 } else { 512 };
            image(call, service, (side, side))
        }
        ("wms" | "wmts", "getfeatureinfo") => Ok(Answer::json(&json!({"features": []})).spending(
            "ogc",
            price::LEAST_PROCESS,
            "feature info",
        )),
        ("wfs", "getfeature") => features(call),
        (
            _,
            "getcapabilities" | "describecoverage" | "describefeaturetype" | "getlegendgraphic",
        ) => Ok(capabilities(call, service, instance)),
        _ => Err(Refusal::bad(format!(
            "request '{asked}' is not known to {service}"
        ))),
    }
}

/// From the address, or from a form that was posted.
fn parameter(call: &Call, name: &str) -> Option<String> {
    let in_query = call.ogc_parameter(name).map(str::to_owned);
    in_query.or_else(|| {
        let mut form = call.form().into_iter();
        form.find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    })
}

/// A side in pixels, or from a resolution in metres (`10m`) or in units of the box.
fn side(call: &Call, pixels: &str, resolution: &str, axis: usize) -> u32 {
    const DEFAULT_SIDE: u32 = 256;
    const METRES_PER_DEGREE: f64 = 111_320.0;
    if let Some(text) = parameter(call, pixels) {
        return text.parse().unwrap_or_default();
    }
    let step = parameter(call, resolution);
    let Some((step, corners)) = step.zip(corners(call)) else {
        return DEFAULT_SIDE;
    };
    let length = (corners[axis + 2] - corners[axis]).abs();
    let is_degrees = corners.iter().all(|corner| corner.abs() <= 360.0);
    let (step, factor) = match step.strip_suffix('m') {
        Some(metres) if is_degrees => (metres.to_owned(), METRES_PER_DEGREE),
        Some(metres) => (metres.to_owned(), 1.0),
        None => (step, 1.0),
    };
    let step: Option<f64> = step.parse().ok().filter(|step| *step > 0.0);
    step.map_or(0, |step| figures::nearest(length * factor / step).max(1))
}

fn image(call: &Call, service: &str, size: (u32, u32)) -> Result<Answer, Refusal> {
    if size.0 == 0 || size.1 == 0 || size.0 > MAX_SIDE || size.1 > MAX_SIDE {
        return Err(Refusal::bad(format!(
            "WIDTH and HEIGHT must be from 1 to {MAX_SIDE}"
        )));
    }
    let script = parameter(call, "evalscript").map(|text| decoded(&text));
    let script = script.map(|text| Script::read(&text));
    let input = script.as_ref().map(|script| script.input_for(None, false));
    let place = place(call).unwrap_or(geo::WORLD);
    let range = time(call)?;
    let data = json!({"type": COLLECTION});
    let source = Source {
        collection: COLLECTION,
        data: &data,
        bands: input
            .as_ref()
            .map_or(LAYER_BANDS, super::script::Input::billable_bands),
        mosaicking: input.map_or(Mosaicking::Simple, |input| input.mosaicking),
    };
    let samples = price::samples(&source, place, range);
    let kind = parameter(call, "format").unwrap_or_else(|| "image/png".to_owned());
    let floats = script.is_some_and(|script| script.floats.unwrap_or_default());
    let raw =
        price::area(size) * price::content(&[source], &[samples]) * price::format(&kind, floats);
    let shape = Shape {
        width: size.0,
        height: size.1,
        bands: 3,
        depth: if floats { Depth::Float } else { Depth::Byte },
    };
    let what = format!("{service} image of {} x {} pixels", size.0, size.1);
    let answer = Answer::chunked(&kind, picture::of_type(&kind, shape));
    Ok(answer.spending("ogc", raw.max(price::LEAST_PROCESS), what))
}

fn features(call: &Call) -> Result<Answer, Refusal> {
    let place = place(call);
    let range = time(call)?;
    let count = |name: &str, default: usize| {
        parameter(call, name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let found = sky::scenes(
        Revisit::of(COLLECTION),
        place.unwrap_or(geo::WORLD),
        range.0,
        range.1,
    );
    let page = found
        .skip(count("feature_offset", 0))
        .take(count("maxfeatures", 100).min(100));
    let shape = geo::rectangle(place.unwrap_or(geo::WORLD));
    let features: Vec<Value> = page
        .map(|scene| {
            let text = scene.at.to_string();
            let (date, time) = text.split_once('T').unwrap_or((&text, ""));
            json!({"type": "Feature", "geometry": shape, "properties": {
                "id": format!("S2_{}", scene.at.as_second()), "date": date,
                "time": time.trim_end_matches('Z'), "cloudCoverPercentage": scene.cloud,
                "path": format!("s3://pretended/tiles/33/T/WM/{}/0", date.replace('-', "/")), "crs": "EPSG:4326"}})
        })
        .collect();
    let asked = parameter(call, "time").map(|_| range);
    let what = format!("{} features", features.len());
    let body = json!({"type": "FeatureCollection", "features": features});
    Ok(Answer::json(&body).spending("ogc", price::search(place, asked), what))
}

fn corners(call: &Call) -> Option<Bounds> {
    let text = parameter(call, "bbox")?;
    let numbers = text.split(',').take(4).map(|part| part.trim().parse().ok());
    numbers.collect::<Option<Vec<f64>>>()?.try_into().ok()
}

/// The box in degrees; with EPSG:4326 its latitudes come first.
fn place(call: &Call) -> Option<Bounds> {
    let [a, b, c, d] = corners(call)?;
    let system = ["crs", "srs", "srsname"]
        .iter()
        .find_map(|name| parameter(call, name));
    let code = system
        .unwrap_or_else(|| "EPSG:3857".to_owned())
        .to_ascii_uppercase();
    if code.ends_with("4326") {
        return Some([b, a, d, c]);
    }
    let code = code
        .rsplit([':', '/'])
        .next()
        .unwrap_or_default()
        .to_owned();
    let input = json!({"bounds": {"properties": {"crs": format!("EPSG/0/{code}")}}});
    Some(super::body::place(&input, [a, b, c, d]))
}

fn time(call: &Call) -> Result<(UtcTime, UtcTime), Refusal> {
    let Some(text) = parameter(call, "time") else {
        return super::body::time_range(&Value::Null, call.now);
    };
    let (from, to) = text.split_once('/').unwrap_or((&text, &text));
    let (from, to) = (instant(from, "T00:00:00Z"), instant(to, "T23:59:59Z"));
    let range = from.zip(to).filter(|(from, to)| from <= to);
    range.ok_or_else(|| Refusal::bad(format!("TIME '{text}' is not a period")))
}

/// A date stands for its beginning or its end.
fn instant(text: &str, rest_of_day: &str) -> Option<UtcTime> {
    let whole = text.parse().ok();
    whole
        .or_else(|| format!("{text}{rest_of_day}").parse().ok())
        .or_else(|| format!("{text}Z").parse().ok())
}

fn decoded(script: &str) -> String {
    let text = percent_decode_str(script)
        .decode_utf8_lossy()
        .replace(' ', "+");
    let bytes = STANDARD.decode(text.trim()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn capabilities(call: &Call, service: &str, instance: &str) -> Answer {
    let instance: String = instance
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    let address = call.link(Site::SentinelHub, &format!("/ogc/{service}/{instance}"));
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Capabilities service=\"{service}\" \
         xmlns:xlink=\"http://www.w3.org/1999/xlink\">\n<OnlineResource xlink:href=\"{address}?\"/>\n\
         <Layer><Name>TRUE_COLOR</Name><Title>True colour</Title></Layer>\n</Capabilities>\n"
    );
    Answer::bytes("application/xml", body)
}
