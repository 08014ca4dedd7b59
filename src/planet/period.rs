//! Periods of time as requests state them, and the days in them that can hold an acquisition.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::Misread;
use crate::units::UtcTime;

/// From one instant to another, both included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Period {
    pub(super) from: UtcTime,
    pub(super) to: UtcTime,
}

/// `{"from": …, "to": …}` as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct RawPeriod {
    from: Option<String>,
    to: Option<String>,
}

impl RawPeriod {
    /// `None` when an end is open. `place` names the field for the sentence.
    pub(super) fn read(&self, place: &str) -> Result<Option<Period>, Misread> {
        let (Some(from), Some(to)) = (&self.from, &self.to) else {
            return Ok(None);
        };
        let period = Period::between(from, to, place)?;
        if period.from == period.to {
            return Err(Misread::new(format!(
                "{place} starts and ends at {from}, so it is empty; end it at least a second later"
            )));
        }
        Ok(Some(period))
    }
}

impl Period {
    pub(super) fn between(from: &str, to: &str, place: &str) -> Result<Self, Misread> {
        let period = Self {
            from: instant(from, End::First, place)?,
            to: instant(to, End::Last, place)?,
        };
        if period.to < period.from {
            return Err(Misread::new(format!(
                "{place} ends at {to}, before it starts at {from}; write the earlier time first"
            )));
        }
        Ok(period)
    }

    /// The calendar days in UTC that the period touches.
    pub(super) fn days(&self) -> u64 {
        let utc_day = |instant: UtcTime| instant.to_zoned(TimeZone::UTC).date();
        let days = utc_day(self.from)
            .duration_until(utc_day(self.to))
            .as_hours()
            / 24;
        u64::try_from(days).unwrap_or(0) + 1
    }
}

/// Which instant of a whole day is meant where only the day is written.
#[derive(Clone, Copy)]
pub(super) enum End {
    First,
    Last,
}

/// An instant, a time without a zone (UTC), or a day.
pub(super) fn instant(text: &str, end: End, place: &str) -> Result<UtcTime, Misread> {
    let wrong = |why: &str| {
        let shown: String = text.chars().take(40).collect();
        Misread::new(format!(
            "{place} holds '{shown}', {why}; write it like 2026-03-01T00:00:00Z"
        ))
    };
    let utc = |time: DateTime| {
        time.to_zoned(TimeZone::UTC)
            .ok()
            .map(|zoned| zoned.timestamp())
    };
    let parsed = if text.contains(['T', 't', ' ']) {
        let zoned: Option<UtcTime> = text.parse().ok();
        zoned.or_else(|| utc(text.parse().ok()?))
    } else {
        let day: Option<Date> = text.parse().ok();
        day.and_then(|day| match end {
            End::First => utc(day.at(0, 0, 0, 0)),
            End::Last => utc(day.at(23, 59, 59, 0)),
        })
    };
    let instant = parsed.ok_or_else(|| wrong("which is not a time"))?;
    if instant.to_zoned(TimeZone::UTC).year() < 1 {
        return Err(wrong("which is before the year 1"));
    }
    Ok(instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(from: &str, to: &str) -> Result<Period, Misread> {
        Period::between(from, to, "timeRange")
    }

    #[test]
    fn both_ends_count_as_days() {
        for (from, to, days) in [
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", 1),
            ("2026-01-01T23:59:59Z", "2026-01-02T00:00:00Z", 2),
            ("2024-01-01T00:00:00Z", "2025-12-30T23:59:59Z", 730),
            ("2026-01-01T01:00:00+02:00", "2026-01-01T12:00:00Z", 2),
            ("2026-01-01", "2026-01-31", 31),
            ("2026-01-01T00:00:00", "2026-01-02T00:00:00", 2),
        ] {
            assert_eq!(period(from, to).unwrap().days(), days, "{from} {to}");
        }
    }

    #[test]
    fn a_time_that_cannot_be_meant_is_refused_with_what_to_write() {
        for (from, to, word) in [
            ("yesterday", "2026-01-01T00:00:00Z", "yesterday"),
            ("", "2026-01-01T00:00:00Z", "not a time"),
            ("2026-02-30T00:00:00Z", "2026-03-01T00:00:00Z", "not a time"),
            (
                "0000-01-01T00:00:00Z",
                "2026-01-01T00:00:00Z",
                "before the year 1",
            ),
            (
                "2026-01-02T00:00:00Z",
                "2026-01-01T00:00:00Z",
                "earlier time first",
            ),
        ] {
            let sentence = period(from, to).unwrap_err().sentence;
            assert!(
                sentence.contains(word) && sentence.contains("write"),
                "{sentence}"
            );
        }
    }

    #[test]
    fn an_open_end_is_no_period() {
        let open = RawPeriod {
            from: Some("2026-01-01T00:00:00Z".into()),
            to: None,
        };
        assert_eq!(open.read("timeRange"), Ok(None));
    }
}
