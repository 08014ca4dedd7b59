//! What Sentinel Hub charges, by the rules that Planet publishes for processing units.

use std::collections::BTreeSet;

use serde_json::Value;

use super::body::{self, Source};
use super::script::Mosaicking;
use crate::simulator::figures::float;
use crate::simulator::geo::{self, Bounds};
use crate::simulator::sky::{self, Revisit, Scene};
use crate::units::UtcTime;

/// One unit of area: 512 by 512 pixels; less than a hundredth of it counts as that.
const PIXELS: f64 = 262_144.0;
const LEAST_AREA: f64 = 0.01;

pub(super) const LEAST_PROCESS: f64 = 0.005;
pub(super) const LEAST_STATISTICS: f64 = 0.01;
pub(super) const LEAST_ASYNC: f64 = 10.0;
pub(super) const LEAST_BATCH: f64 = 100.0;

pub(super) fn area((width, height): (u32, u32)) -> f64 {
    (f64::from(width) * f64::from(height) / PIXELS).max(LEAST_AREA)
}

/// Bands times samples, over three, of all collections together; those kept elsewhere count double.
pub(super) fn content(sources: &[Source<'_>], samples: &[f64]) -> f64 {
    let bands: f64 = sources
        .iter()
        .zip(samples)
        .map(|(source, samples)| float(source.bands) * samples)
        .sum();
    let fusion: f64 = match sources {
        [_] => 1.0,
        _ => sources
            .iter()
            .map(|source| distance(source.collection))
            .sum(),
    };
    let radar = sources
        .iter()
        .map(|source| radar(source.data))
        .fold(1.0, f64::max);
    bands / 3.0 * fusion * radar
}

/// How many samples each pixel of a picture is made of.
pub(super) fn samples(source: &Source<'_>, place: Bounds, range: (UtcTime, UtcTime)) -> f64 {
    let seen = seen(source, place, range.0, range.1);
    let count = match source.mosaicking {
        Mosaicking::Simple => 1,
        Mosaicking::Orbit => days(&seen),
        Mosaicking::Tile => seen.len(),
    };
    float(count.max(1))
}

/// What a collection saw of a place, without what is too cloudy; both ends count.
pub(super) fn seen(source: &Source<'_>, place: Bounds, from: UtcTime, to: UtcTime) -> Vec<Scene> {
    let filter = &source.data["dataFilter"];
    let max_cloud = filter["maxCloudCoverage"].as_f64().unwrap_or(100.0);
    sky::scenes(Revisit::of(source.collection), place, from, to)
        .filter(|scene| f64::from(scene.cloud) <= max_cloud)
        .collect()
}

pub(super) fn days(scenes: &[Scene]) -> usize {
    let days: BTreeSet<i64> = scenes
        .iter()
        .map(|scene| sky::day_number(scene.at))
        .collect();
    days.len()
}

/// Formats that are dear: floats in a TIFF count double, raw bytes half again as much.
pub(super) fn format(media_type: &str, floats: bool) -> f64 {
    let raw = media_type.starts_with("application/octet-stream");
    let tiff = media_type.starts_with("image/tiff");
    match (raw, floats) {
        (true, true) => 2.8,
        (true, false) => 1.4,
        (false, true) if tiff => 2.0,
        _ => 1.0,
    }
}

/// Searching costs by the area and the months that are searched, from a hundredth to one.
pub(super) fn search(place: Option<Bounds>, range: Option<(UtcTime, UtcTime)>) -> f64 {
    const SECONDS_PER_MONTH: f64 = 30.0 * 86_400.0;
    let Some((from, to)) = range else {
        return 1.0;
    };
    let seconds = to.duration_since(from).as_secs_f64().max(0.0);
    let months = (seconds / SECONDS_PER_MONTH).ceil().max(1.0);
    let km2 = geo::box_km2(place.unwrap_or(geo::WORLD));
    ((km2 / 1e6).max(0.01) * months).clamp(0.01, 1.0)
}

/// The price of a picture from its body, before discounts and minimums.
pub(super) fn picture(
    input: &Value,
    sources: &[Source<'_>],
    size: (u32, u32),
    planar: Bounds,
    now: UtcTime,
) -> Result<f64, crate::simulator::refusal::Refusal> {
    let place = body::place(input, planar);
    let samples: Result<Vec<f64>, _> = sources
        .iter()
        .map(|source| {
            let range = body::time_range(&source.data["dataFilter"]["timeRange"], now)?;
            Ok(samples(source, place, range))
        })
        .collect();
    Ok(area(size) * content(sources, &samples?))
}

/// Collections that are kept in another deployment than the main one.
fn distance(collection: &str) -> f64 {
    const ELSEWHERE: [&str; 5] = ["landsat", "modis", "hls", "sentinel-3", "sentinel-5p"];
    let elsewhere = ELSEWHERE.iter().any(|name| collection.starts_with(name));
    if elsewhere { 2.0 } else { 1.0 }
}

fn radar(data: &Value) -> f64 {
    let processing = &data["processing"];
    let yes = &processing["orthorectify"];
    let orthorectified = yes.as_bool().unwrap_or_default()
        || yes
            .as_str()
            .is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let terrain = processing["backCoeff"].as_str() == Some("GAMMA0_TERRAIN");
    let corrected = match (orthorectified, terrain) {
        (true, true) => 2.5,
        (true, false) => 2.0,
        _ => 1.0,
    };
    let speckle = processing["speckleFilter"]["type"].as_str() == Some("LEE");
    corrected * if speckle { 2.0 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn source(data: &Value, bands: usize) -> Source<'_> {
        Source {
            collection: data["type"].as_str().unwrap(),
            data,
            bands,
            mosaicking: Mosaicking::Simple,
        }
    }

    #[test]
    fn planets_own_examples_come_out() {
        let data = json!({"type": "sentinel-1-grd", "processing": {"orthorectify": true}});
        let cost = area((1024, 1024)) * content(&[source(&data, 4)], &[2.0]) * 2.0;
        assert!((cost - 42.666_667).abs() < 1e-5, "{cost}");
        let data = json!({"type": "sentinel-2-l2a"});
        let cost = area((20, 20)) * content(&[source(&data, 2)], &[1.0]);
        assert!((cost - 0.006_666_7).abs() < 1e-6, "{cost}");
        let cost = area((424, 424)) * content(&[source(&data, 5)], &[730.0]);
        assert!((cost - 834.379).abs() < 1e-3, "{cost}");
    }

    #[test]
    fn fusion_counts_what_is_elsewhere_twice() {
        let (near, far) = (
            json!({"type": "sentinel-2-l1c"}),
            json!({"type": "landsat-ot-l2"}),
        );
        let both = [source(&near, 3), source(&near, 3), source(&far, 3)];
        assert!((content(&both, &[1.0, 1.0, 1.0]) - 12.0).abs() < 1e-9);
    }

    #[test]
    fn formats_and_corrections_have_their_factors() {
        assert!((format("image/tiff", true) - 2.0).abs() < 1e-9);
        assert!((format("image/png", true) - 1.0).abs() < 1e-9);
        assert!((format("application/octet-stream", false) - 1.4).abs() < 1e-9);
        let terrain = json!({"processing": {"orthorectify": "TRUE", "backCoeff": "GAMMA0_TERRAIN",
            "speckleFilter": {"type": "LEE"}}});
        assert!((radar(&terrain) - 5.0).abs() < 1e-9);
    }

    #[test]
    fn a_search_costs_between_a_hundredth_and_one() {
        let at = |text: &str| text.parse::<UtcTime>().unwrap();
        let year = Some((at("2025-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z")));
        assert!((search(Some([14.0, 46.0, 14.1, 46.1]), year) - 0.13).abs() < 1e-9);
        assert!((search(None, year) - 1.0).abs() < 1e-9);
        assert!((search(Some([14.0, 46.0, 14.1, 46.1]), None) - 1.0).abs() < 1e-9);
    }
}
