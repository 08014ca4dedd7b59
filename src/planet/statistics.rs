//! The Statistical API: figures for each interval of a period, without images.

use jiff::tz::TimeZone;
use jiff::{Span, ToSpan, Zoned};
use serde::Deserialize;

use super::document::Document;
use super::format::{Unstated, Wanted};
use super::frame::{RawSize, Side, SizeRule};
use super::imagery::{Imagery, Known, Notes, Unread, reading};
use super::period::{Period, RawPeriod};
use super::process::{self, RawInput};
use super::sources::{Sampling, Setting, products};
use super::{Ask, Misread, Reading, correction, format, json};
use crate::units::UtcTime;

const SIZE: SizeRule = SizeRule {
    place: "aggregation",
    most: process::MAX_SIDE,
    default: Some(process::DEFAULT_SIDE),
};

#[derive(Debug, Deserialize)]
struct RawStatistics {
    input: RawInput,
    aggregation: RawAggregation,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawAggregation {
    time_range: Option<RawPeriod>,
    aggregation_interval: Option<RawInterval>,
    width: Option<Side>,
    height: Option<Side>,
    resx: Option<f64>,
    resy: Option<f64>,
    evalscript: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawInterval {
    of: Option<String>,
    last_interval_behavior: Option<Last>,
}

/// What becomes of a last interval that the period does not fill.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
enum Last {
    #[default]
    Skip,
    Shorten,
    Extend,
}

/// Reads the body of a statistics request.
pub fn read(document: &Document<'_>, known: &Known<'_>) -> Result<Reading, Misread> {
    let raw: RawStatistics = json::read_checked(document.json)?;
    let products = products(&raw.input.data)?;
    reading(raw.imagery(document, known).map(Ask::Statistics), products)
}

impl RawStatistics {
    fn imagery(&self, document: &Document<'_>, known: &Known<'_>) -> Result<Imagery, Unread> {
        let mut notes = Notes::default();
        let aggregation = &self.aggregation;
        let period = aggregation.period()?;
        let intervals = aggregation.intervals(period)?;
        let script = process::script(
            aggregation.evalscript.as_deref(),
            document.script,
            false,
            known,
        )?;
        let frame = aggregation
            .size()
            .frame(self.input.bounds.as_ref(), SIZE, &mut notes)?;
        let sampling = Sampling {
            simple: intervals,
            period: Some(period),
        };
        let setting = Setting {
            area: Some((frame.extent, frame.ground)),
            sampling,
            known,
        };
        let sources = setting.sources(&self.input.data, &script, &mut notes)?;
        if sources.iter().any(|source| source.samples == intervals) {
            notes.add("an interval without data costs nothing");
        }
        let (correction, speckle_filter) = correction::read(&self.input.data, &mut notes)?;
        let format = format::read(
            &script,
            Wanted::default(),
            Unstated::Float32,
            known.declared,
            &mut notes,
        );
        Ok(Imagery {
            width: frame.width,
            height: frame.height,
            sources,
            format,
            correction,
            speckle_filter,
            bounded: notes.into_clauses(),
        })
    }
}

impl RawAggregation {
    fn size(&self) -> RawSize {
        RawSize {
            width: self.width,
            height: self.height,
            resx: self.resx,
            resy: self.resy,
        }
    }

    fn period(&self) -> Result<Period, Misread> {
        let range = self.time_range.as_ref();
        let period = range.map_or(Ok(None), |range| range.read("aggregation.timeRange"))?;
        period.ok_or_else(|| {
            Misread::new("aggregation.timeRange is missing; write it with from and to")
        })
    }

    fn intervals(&self, period: Period) -> Result<u64, Misread> {
        let interval = self.aggregation_interval.as_ref();
        let of = interval
            .and_then(|interval| interval.of.as_deref())
            .unwrap_or_default();
        let last = interval
            .and_then(|interval| interval.last_interval_behavior)
            .unwrap_or_default();
        Step::read(of)?.intervals(period, last).ok_or_else(|| {
            Misread::new(format!("'{of}' does not divide the period; write a shorter aggregationInterval.of such as P1D"))
        })
    }
}

/// The length of an interval: so many months of the calendar, or so many seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    Months(i64),
    Seconds(i64),
}

const DAY_SECONDS: i64 = 86_400;

impl Step {
    fn read(of: &str) -> Result<Self, Misread> {
        let wrong = || {
            let shown: String = of.chars().take(40).collect();
            Misread::new(format!(
                "aggregation.aggregationInterval.of is '{shown}'; write an ISO 8601 duration of a day or longer, such as P1D or P1M"
            ))
        };
        let span: Span = of
            .strip_prefix('P')
            .and(of.parse().ok())
            .ok_or_else(wrong)?;
        let months = i64::from(span.get_years()) * 12 + i64::from(span.get_months());
        let days = i64::from(span.get_weeks()) * 7 + i64::from(span.get_days());
        let time = i64::from(span.get_hours()) * 3600 + span.get_minutes().saturating_mul(60);
        let seconds = time
            .saturating_add(span.get_seconds())
            .saturating_add(days * DAY_SECONDS);
        match (months, seconds) {
            (1.., 0) => Ok(Self::Months(months)),
            (0, DAY_SECONDS..) => Ok(Self::Seconds(seconds)),
            // A month has 28 days at least, which makes the intervals at least as many as they are.
            (1.., 1..) => Ok(Self::Seconds(
                seconds.saturating_add(months * 28 * DAY_SECONDS),
            )),
            _ => Err(wrong()),
        }
    }

    /// How many intervals the period holds; `None` past the calendar's end.
    fn intervals(self, period: Period, last: Last) -> Option<u64> {
        let (from, to) = (utc(period.from), utc(period.to));
        let (whole, end) = match self {
            Self::Seconds(step) => {
                let whole = (period.to.as_second() - period.from.as_second()) / step;
                (whole, period.from.as_second() + whole * step)
            }
            Self::Months(step) => {
                let months = |at: &Zoned| i64::from(at.year()) * 12 + i64::from(at.month());
                let most = (months(&to) - months(&from)) / step;
                let after =
                    |whole: i64| Some(from.checked_add((whole * step).months()).ok()?.timestamp());
                let whole = if after(most)? > period.to {
                    most - 1
                } else {
                    most
                };
                (whole, after(whole)?.as_second())
            }
        };
        let rest = last != Last::Skip && end < period.to.as_second();
        u64::try_from(whole + i64::from(rest)).ok()
    }
}

fn utc(instant: UtcTime) -> Zoned {
    instant.to_zoned(TimeZone::UTC)
}

#[cfg(test)]
mod tests;
