//! The stretch of time that a budget's limit is for: a row of the books is keyed by where it starts.

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// An instant. Only [`crate::clock`] makes one out of nothing.
pub type UtcTime = jiff::Timestamp;

/// Where windows begin and end in a calendar.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WindowKind {
    Day,
    Month,
    Year,
    Forever,
    /// A fixed term; outside it the budget is not in force.
    Term {
        start: UtcTime,
        end: UtcTime,
    },
}

/// A kind of window in a place's own time.
#[derive(Clone, Debug)]
pub struct Window {
    pub kind: WindowKind,
    pub zone: TimeZone,
}

/// One window: from `start` up to and without `end`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Span {
    pub start: UtcTime,
    pub end: Option<UtcTime>,
}

impl Window {
    /// The window that `now` falls in; `None` outside a fixed term.
    pub fn at(&self, now: UtcTime) -> Option<Span> {
        let today = now.to_zoned(self.zone.clone()).date();
        match self.kind {
            WindowKind::Day => self.between(today, today.checked_add(1.day()).ok()),
            WindowKind::Month => {
                let first = today.first_of_month();
                self.between(first, first.checked_add(1.month()).ok())
            }
            WindowKind::Year => {
                let first = today.first_of_year();
                self.between(first, first.checked_add(1.year()).ok())
            }
            WindowKind::Forever => Some(Span {
                start: UtcTime::UNIX_EPOCH,
                end: None,
            }),
            WindowKind::Term { start, end } => (start <= now && now < end).then_some(Span {
                start,
                end: Some(end),
            }),
        }
    }

    /// Midnight, in the zone, of `first` up to that of `next`; a day without a midnight starts with
    /// its first instant.
    fn between(&self, first: Date, next: Option<Date>) -> Option<Span> {
        let instant = |day: Date| Some(day.to_zoned(self.zone.clone()).ok()?.timestamp());
        Some(Span {
            start: instant(first)?,
            end: next.and_then(instant),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UtcTime {
        text.parse().expect(text)
    }

    fn window(kind: WindowKind, zone: &str) -> Window {
        Window {
            kind,
            zone: TimeZone::get(zone).expect(zone),
        }
    }

    #[track_caller]
    fn assert_span(window: &Window, now: &str, start: &str, end: &str) {
        let expected = Span {
            start: at(start),
            end: Some(at(end)),
        };
        assert_eq!(window.at(at(now)), Some(expected), "at {now}");
    }

    #[test]
    fn a_month_is_the_calendars_month_in_its_own_zone() {
        let utc = window(WindowKind::Month, "UTC");
        assert_span(
            &utc,
            "2026-02-28T23:59:59Z",
            "2026-02-01T00:00:00Z",
            "2026-03-01T00:00:00Z",
        );
        assert_span(
            &utc,
            "2026-03-01T00:00:00Z",
            "2026-03-01T00:00:00Z",
            "2026-04-01T00:00:00Z",
        );
        let berlin = window(WindowKind::Month, "Europe/Berlin");
        assert_span(
            &berlin,
            "2026-02-28T23:30:00Z",
            "2026-02-28T23:00:00Z",
            "2026-03-31T22:00:00Z",
        );
    }

    #[test]
    fn a_day_of_the_clock_change_is_23_or_25_hours_long() {
        let berlin = window(WindowKind::Day, "Europe/Berlin");
        assert_span(
            &berlin,
            "2026-03-29T12:00:00Z",
            "2026-03-28T23:00:00Z",
            "2026-03-29T22:00:00Z",
        );
        assert_span(
            &berlin,
            "2026-10-25T12:00:00Z",
            "2026-10-24T22:00:00Z",
            "2026-10-25T23:00:00Z",
        );
    }

    #[test]
    fn a_term_is_in_force_from_its_start_up_to_its_end() {
        let (start, end) = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
        let term = window(WindowKind::Term { start, end }, "UTC");
        assert_eq!(term.at(at("2025-12-31T23:59:59Z")), None);
        assert_eq!(
            term.at(start),
            Some(Span {
                start,
                end: Some(end)
            })
        );
        assert_eq!(term.at(end), None);
    }
}
