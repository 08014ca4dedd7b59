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
        let kept = aggregation.kept(period)?;
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
            simple: kept.intervals,
            period: Some(kept.period),
            split_days: kept.split_days,
        };
        let setting = Setting {
            area: Some((frame.extent, frame.ground)),
            sampling,
            known,
        };
        let sources = setting.sources(&self.input.data, &script, &mut notes)?;
        if sources
            .iter()
            .any(|source| source.samples == kept.intervals)
        {
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

    fn kept(&self, period: Period) -> Result<Kept, Misread> {
        let interval = self.aggregation_interval.as_ref();
        let of = interval
            .and_then(|interval| interval.of.as_deref())
            .unwrap_or_default();
        let last = interval
            .and_then(|interval| interval.last_interval_behavior)
            .unwrap_or_default();
        Step::read(of)?.kept(period, last).ok_or_else(|| {
            Misread::new(format!("'{of}' does not divide the period; write a shorter aggregationInterval.of such as P1D"))
        })
    }
}

/// The intervals that samples are taken for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Kept {
    intervals: u64,
    /// All of them together; a last one that is extended reaches past what was asked.
    period: Period,
    /// Days that fall into two of them.
    split_days: u64,
}

/// The length of an interval: so many months of the calendar, so many seconds, or both.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    Months(i64),
    Seconds(i64),
    Both { months: i64, seconds: i64 },
}

/// The last day that every month has.
const EVERY_MONTHS_DAYS: i8 = 28;
const DAY_SECONDS: i64 = 86_400;
const SHORTEST_MONTH: i64 = 28 * DAY_SECONDS;
const LONGEST_MONTH: i64 = 31 * DAY_SECONDS;

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
            (1.., 1..) => Ok(Self::Both { months, seconds }),
            _ => Err(wrong()),
        }
    }

    /// `None` past the calendar's end.
    fn kept(self, period: Period, last: Last) -> Option<Kept> {
        let (whole, end) = self.whole(period)?;
        let is_cut_short = end < period.to.as_second();
        let rest = is_cut_short && last != Last::Skip;
        let reaches = if is_cut_short && last == Last::Extend {
            let end = period.to.as_second().checked_add(self.longest())?;
            UtcTime::from_second(end).ok()?
        } else {
            period.to
        };
        let intervals = u64::try_from(whole + i64::from(rest)).ok()?;
        let whole_days = self.is_of_days() && period.from.as_second() % DAY_SECONDS == 0;
        Some(Kept {
            intervals,
            period: Period {
                from: period.from,
                to: reaches,
            },
            split_days: if whole_days {
                0
            } else {
                intervals.saturating_sub(1)
            },
        })
    }

    /// How many whole intervals the period holds at most, and the second that the last of them ends with. Where
    /// months and seconds stand together, months count as the shortest, which makes the intervals more; so does a
    /// day that not every month has: whether it stays lost after a short month, nobody says.
    fn whole(self, period: Period) -> Option<(i64, i64)> {
        let (from, to) = (utc(period.from), utc(period.to));
        match self {
            Self::Months(step) => {
                let months = |at: &Zoned| i64::from(at.year()) * 12 + i64::from(at.month());
                let most = (months(&to) - months(&from)) / step;
                let early = from
                    .with()
                    .day(from.day().min(EVERY_MONTHS_DAYS))
                    .build()
                    .ok()?;
                let after = |whole: i64| {
                    let begun = if whole == 0 { &from } else { &early };
                    Some(begun.checked_add((whole * step).months()).ok()?.timestamp())
                };
                let whole = if after(most)? > period.to {
                    most - 1
                } else {
                    most
                };
                Some((whole, after(whole)?.as_second()))
            }
            Self::Seconds(_) | Self::Both { .. } => {
                let step = self.shortest();
                let whole = (period.to.as_second() - period.from.as_second()) / step;
                Some((whole, period.from.as_second() + whole * step))
            }
        }
    }

    /// In seconds.
    const fn shortest(self) -> i64 {
        self.seconds(SHORTEST_MONTH)
    }

    const fn longest(self) -> i64 {
        self.seconds(LONGEST_MONTH)
    }

    const fn seconds(self, month: i64) -> i64 {
        match self {
            Self::Months(months) => months.saturating_mul(month),
            Self::Seconds(seconds) => seconds,
            Self::Both { months, seconds } => months.saturating_mul(month).saturating_add(seconds),
        }
    }

    /// Whether intervals that begin at midnight end at midnight.
    const fn is_of_days(self) -> bool {
        match self {
            Self::Months(_) => true,
            Self::Seconds(seconds) | Self::Both { seconds, .. } => seconds % DAY_SECONDS == 0,
        }
    }
}

fn utc(instant: UtcTime) -> Zoned {
    instant.to_zoned(TimeZone::UTC)
}

#[cfg(test)]
mod tests;
