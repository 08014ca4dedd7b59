//! The Statistical API: one entry for every interval that holds data.

use jiff::Span;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::body::Source;
use super::script::{Mosaicking, Script};
use super::{body, price, process};
use crate::simulator::answer::Answer;
use crate::simulator::call::Call;
use crate::simulator::figures::float;
use crate::simulator::geo::Bounds;
use crate::simulator::refusal::Refusal;
use crate::units::UtcTime;

const MAX_SIDE: u32 = 2_500;
const MAX_INTERVALS: usize = 50_000;

type Interval = (UtcTime, UtcTime);

pub(super) fn answer(call: &Call) -> Result<Answer, Refusal> {
    if call.method != "POST" {
        return Err(Refusal::no_route());
    }
    let body = body::read(call, "/aggregation/evalscript")?;
    let (input, aggregation) = (&body.json["input"], &body.json["aggregation"]);
    let script = Script::read(&body.script);
    let planar = body::planar_box(input)?;
    let size = body::size(aggregation, planar, MAX_SIDE)?;
    let sources = body::sources(input, &script)?;
    let intervals = intervals(aggregation)?;
    let place = body::place(input, planar);
    let samples: Vec<f64> = sources
        .iter()
        .map(|source| samples(source, place, &intervals))
        .collect();
    let floats = if script.floats.unwrap_or(true) {
        2.0
    } else {
        1.0
    };
    let raw = price::area(size) * price::content(&sources, &samples) * floats;
    let held = intervals.iter().filter(|interval| {
        let holds =
            |source: &Source<'_>| !price::seen(source, place, interval.0, interval.1).is_empty();
        sources.iter().any(holds)
    });
    let data: Vec<Value> = held
        .map(|interval| entry(interval, &script, size))
        .collect();
    let pixels = u64::from(size.0) * u64::from(size.1);
    let what = format!(
        "{} intervals of {}",
        data.len(),
        process::sources_text(&sources)
    );
    let body = json!({"data": data, "status": "OK", "geometryPixelCount": pixels});
    let answer = Answer::chunked("application/json", body.to_string());
    Ok(answer.spending("statistics", raw.max(price::LEAST_STATISTICS), what))
}

/// The intervals that are kept: a last one that is too short is dropped unless it is to be bent.
fn intervals(aggregation: &Value) -> Result<Vec<Interval>, Refusal> {
    let range = &aggregation["timeRange"];
    if !range.is_object() {
        return Err(Refusal::bad("aggregation.timeRange is required"));
    }
    let (from, to) = body::time_range(range, UtcTime::MAX)?;
    let interval = &aggregation["aggregationInterval"];
    let text = interval["of"].as_str().unwrap_or_default();
    let step: Span = text
        .parse()
        .map_err(|_| Refusal::bad(format!("aggregationInterval.of '{text}' is not a duration")))?;
    let behavior = interval["lastIntervalBehavior"].as_str().unwrap_or("SKIP");
    let mut kept = Vec::new();
    let mut start = from;
    while start < to {
        let zoned = start.to_zoned(TimeZone::UTC);
        let end = zoned.checked_add(step).map(|end| end.timestamp()).ok();
        let end = end.filter(|end| *end > start);
        let end = end.ok_or_else(|| Refusal::bad("aggregationInterval.of must move time on"))?;
        match (end <= to, behavior) {
            (true, _) | (false, "EXTEND") => kept.push((start, end)),
            (false, "SHORTEN") => kept.push((start, to)),
            (false, _) => {}
        }
        if kept.len() > MAX_INTERVALS {
            return Err(Refusal::bad(format!("more than {MAX_INTERVALS} intervals")));
        }
        start = end;
    }
    Ok(kept)
}

/// The samples of all kept intervals together.
fn samples(source: &Source<'_>, place: Bounds, intervals: &[Interval]) -> f64 {
    let count: usize = intervals
        .iter()
        .map(|(from, to)| {
            let seen = price::seen(source, place, *from, *to);
            match source.mosaicking {
                Mosaicking::Simple => usize::from(!seen.is_empty()),
                Mosaicking::Orbit => price::days(&seen),
                Mosaicking::Tile => seen.len(),
            }
        })
        .sum();
    float(count.max(1))
}

fn entry((from, to): &Interval, script: &Script, size: (u32, u32)) -> Value {
    let pixels = u64::from(size.0) * u64::from(size.1);
    let stats = json!({"stats": {
        "min": 0.1, "max": 0.9, "mean": 0.5, "stDev": 0.1, "sampleCount": pixels, "noDataCount": 0,
    }});
    let named = script.outputs.iter().filter(|id| *id != "dataMask");
    let outputs: Map<String, Value> = named
        .map(|id| (id.clone(), json!({"bands": {"B0": stats}})))
        .collect();
    json!({"interval": {"from": from.to_string(), "to": to.to_string()}, "outputs": outputs})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(from: &str, to: &str, of: &str, last: &str) -> usize {
        let aggregation = json!({"timeRange": {"from": from, "to": to},
            "aggregationInterval": {"of": of, "lastIntervalBehavior": last}});
        intervals(&aggregation).unwrap().len()
    }

    #[test]
    fn a_last_interval_that_is_a_second_short_is_dropped() {
        let (from, to) = ("2026-06-01T00:00:00Z", "2026-06-03T23:59:59Z");
        assert_eq!(kept(from, to, "P1D", "SKIP"), 2);
        assert_eq!(kept(from, to, "P1D", "SHORTEN"), 3);
        assert_eq!(kept(from, to, "P10D", "EXTEND"), 1);
        assert_eq!(kept(from, "2026-09-01T00:00:00Z", "P1M", "SKIP"), 3);
    }

    #[test]
    fn an_interval_that_does_not_move_is_refused() {
        for of in ["P0D", "", "one day", "-P1D", "PT0.001S"] {
            let aggregation = json!({"timeRange": {"from": "2026-01-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"},
                "aggregationInterval": {"of": of}});
            assert!(intervals(&aggregation).is_err(), "{of}");
        }
    }
}
