//! What a body asks for, in the parts that process, statistics, async and batch have in common.

use serde_json::Value;

use super::script::Script;
use crate::simulator::call::Call;
use crate::simulator::figures::nearest;
use crate::simulator::geo::{self, Bounds};
use crate::simulator::refusal::Refusal;
use crate::units::UtcTime;

const DEFAULT_SIDE: u32 = 256;

/// The JSON of a request, and its script.
pub(super) struct Body {
    pub(super) json: Value,
    pub(super) script: String,
}

/// Reads JSON with an `evalscript` member under `holder`, or the parts `request` and `evalscript`.
pub(super) fn read(call: &Call, holder: &str) -> Result<Body, Refusal> {
    let kind = call.header("content-type").unwrap_or_default();
    let (json, script) = match kind.split_once("boundary=") {
        Some((_, boundary)) if kind.starts_with("multipart/form-data") => {
            let boundary = boundary
                .split(';')
                .next()
                .unwrap_or_default()
                .trim_matches('"');
            let text = String::from_utf8_lossy(&call.body).into_owned();
            let request = part(&text, boundary, "request")
                .ok_or_else(|| Refusal::bad("the part 'request' is missing"))?;
            let json = serde_json::from_str(request).map_err(|error| {
                Refusal::bad(format!("the part 'request' is not JSON: {error}"))
            })?;
            (json, part(&text, boundary, "evalscript").map(str::to_owned))
        }
        _ => (call.json()?, None),
    };
    let inline = json
        .pointer(holder)
        .and_then(Value::as_str)
        .map(str::to_owned);
    let referenced = json.pointer(&format!("{holder}Reference")).is_some();
    match script.or(inline) {
        Some(script) => Ok(Body { json, script }),
        None if referenced => Ok(Body {
            json,
            script: String::new(),
        }),
        None => Err(Refusal::bad("an evalscript is required")),
    }
}

/// The box of `bounds` in its own coordinates; a geometry alone stands for its box.
pub(super) fn planar_box(input: &Value) -> Result<Bounds, Refusal> {
    let bounds = &input["bounds"];
    let found = match &bounds["bbox"] {
        Value::Null => geo::bounds(&bounds["geometry"]),
        bbox => geo::bbox(bbox),
    };
    found.ok_or_else(|| Refusal::bad("input.bounds needs a bbox of four numbers or a geometry"))
}

/// About where the box lies, in degrees: enough to know the calendar of the place.
pub(super) fn place(input: &Value, planar: Bounds) -> Bounds {
    let crs = input["bounds"]["properties"]["crs"]
        .as_str()
        .unwrap_or("CRS84");
    let code = crs
        .rsplit('/')
        .next()
        .and_then(|code| code.parse::<u32>().ok());
    let degrees = |[west, south, east, north]: Bounds, at: &dyn Fn(f64, f64) -> (f64, f64)| {
        let ((west, south), (east, north)) = (at(west, south), at(east, north));
        [west, south, east, north]
    };
    match code {
        Some(3857) => degrees(planar, &|x, y| {
            const HALF_WORLD: f64 = 20_037_508.342_789_244;
            let latitude = (y / HALF_WORLD * std::f64::consts::PI).sinh().atan();
            (x / HALF_WORLD * 180.0, latitude.to_degrees())
        }),
        Some(code @ (32_601..=32_660 | 32_701..=32_760)) => degrees(planar, &|x, y| {
            let south = code > 32_700;
            let latitude = if south { y - 10_000_000.0 } else { y } / 110_574.0;
            let middle = f64::from(code % 100) * 6.0 - 183.0;
            let width = 111_320.0 * latitude.to_radians().cos().max(0.01);
            (middle + (x - 500_000.0) / width, latitude)
        }),
        _ => planar,
    }
}

/// Width and height in pixels, from themselves or from a resolution.
pub(super) fn size(spec: &Value, planar: Bounds, max: u32) -> Result<(u32, u32), Refusal> {
    let [west, south, east, north] = planar;
    let side =
        |pixels: &str, resolution: &str, length: f64| match (&spec[pixels], &spec[resolution]) {
            (Value::Null, Value::Null) => Ok(None),
            (Value::Null, step) => {
                let step = step.as_f64().filter(|step| *step > 0.0);
                let step =
                    step.ok_or_else(|| Refusal::bad(format!("{resolution} must be above 0")))?;
                Ok(Some(nearest(length.abs() / step).max(1)))
            }
            (count, Value::Null) => {
                let count = count.as_u64().and_then(|count| u32::try_from(count).ok());
                let count = count.filter(|count| *count > 0);
                let message = || Refusal::bad(format!("{pixels} must be a whole number above 0"));
                count.map(Some).ok_or_else(message)
            }
            _ => Err(Refusal::bad(format!(
                "give either {pixels} or {resolution}"
            ))),
        };
    let width = side("width", "resx", east - west)?;
    let height = side("height", "resy", north - south)?;
    let (width, height) = match (width, height) {
        (None, None) => (DEFAULT_SIDE, DEFAULT_SIDE),
        (Some(width), Some(height)) => (width, height),
        _ => return Err(Refusal::bad("width and height must be given together")),
    };
    if width > max || height > max {
        let message = format!("{width} x {height} is more than {max} pixels on a side");
        return Err(Refusal::bad(message));
    }
    Ok((width, height))
}

/// The collections that are asked, each with its bands and mosaicking.
pub(super) struct Source<'a> {
    pub(super) collection: &'a str,
    pub(super) data: &'a Value,
    pub(super) bands: usize,
    pub(super) mosaicking: super::script::Mosaicking,
}

pub(super) fn sources<'a>(input: &'a Value, script: &Script) -> Result<Vec<Source<'a>>, Refusal> {
    let data = input["data"].as_array().filter(|data| !data.is_empty());
    let data = data.ok_or_else(|| Refusal::bad("input.data needs at least one collection"))?;
    let several = data.len() > 1;
    data.iter()
        .map(|data| {
            let collection = data["type"].as_str();
            let collection =
                collection.ok_or_else(|| Refusal::bad("input.data[].type is missing"))?;
            let read = script.input_for(data["id"].as_str(), several);
            Ok(Source {
                collection,
                data,
                bands: read.billable_bands(),
                mosaicking: read.mosaicking,
            })
        })
        .collect()
}

/// The start and end of a `timeRange`; the whole archive when there is none.
pub(super) fn time_range(range: &Value, now: UtcTime) -> Result<(UtcTime, UtcTime), Refusal> {
    const ARCHIVE_START: i64 = 1_420_070_400; // 2015
    let instant = |name: &str, default: UtcTime| match &range[name] {
        Value::Null => Ok(default),
        text => {
            let parsed = text.as_str().and_then(|text| text.parse::<UtcTime>().ok());
            parsed
                .ok_or_else(|| Refusal::bad(format!("timeRange.{name} is not a date-time: {text}")))
        }
    };
    let start = UtcTime::from_second(ARCHIVE_START).unwrap_or_default();
    let (from, to) = (instant("from", start)?, instant("to", now)?);
    if to < from {
        return Err(Refusal::bad("timeRange ends before it starts"));
    }
    Ok((from, to))
}

fn part<'a>(text: &'a str, boundary: &str, name: &str) -> Option<&'a str> {
    let wanted = format!("name=\"{name}\"");
    let line = format!("--{boundary}");
    let mut parts = text
        .split(line.as_str())
        .map(|part| part.split_once("\r\n\r\n").unwrap_or((part, "")));
    let (_, content) = parts.find(|(head, _)| head.contains(&wanted))?;
    Some(content.strip_suffix("\r\n").unwrap_or(content))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_resolution_is_rounded_to_the_nearest_pixel() {
        let spec = json!({"resx": 10, "resy": 10});
        assert_eq!(
            size(&spec, [0.0, 0.0, 104.0, 106.0], 2_500).unwrap(),
            (10, 11)
        );
        assert_eq!(size(&json!({}), [0.0; 4], 2_500).unwrap(), (256, 256));
        for wrong in [
            json!({"width": 10}),
            json!({"width": 0, "height": 5}),
            json!({"width": 2501, "height": 5}),
            json!({"width": 10, "resx": 5, "height": 1}),
            json!({"resx": 0, "resy": 1}),
            json!({"resx": 1e-300, "resy": 1}),
        ] {
            assert!(
                size(&wrong, [0.0, 0.0, 100.0, 100.0], 2_500).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn parts_of_a_form_are_found_by_their_names() {
        let text = "--xx\r\nContent-Disposition: form-data; name=\"request\"\r\n\r\n{}\r\n\
                    --xx\r\nContent-Disposition: form-data; name=\"evalscript\"\r\n\r\n//V\r\nx\r\n--xx--";
        assert_eq!(part(text, "xx", "request"), Some("{}"));
        assert_eq!(part(text, "xx", "evalscript"), Some("//V\r\nx"));
        assert_eq!(part(text, "xx", "other"), None);
    }

    #[test]
    fn metres_are_placed_by_their_system() {
        let input = json!({"bounds": {"properties": {"crs": "http://www.opengis.net/def/crs/EPSG/0/32633"}}});
        let [west, south, ..] = place(&input, [500_000.0, 5_000_000.0, 510_000.0, 5_010_000.0]);
        assert!(
            (west - 15.0).abs() < 0.01 && (south - 45.2).abs() < 0.1,
            "{west} {south}"
        );
    }
}
