//! The stretch of time that a budget's limit is for: a row of the books is keyed by where it starts.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// An instant. Only [`crate::clock`] makes one out of nothing.
pub type UtcTime = jiff::Timestamp;

/// The last midnight in UTC.
pub fn today(now: UtcTime) -> UtcTime {
    let midnight = now.to_zoned(TimeZone::UTC).start_of_day();
    midnight.map_or(UtcTime::MIN, |midnight| midnight.timestamp())
}

/// The next midnight in UTC, at which Planet's days end: what today still brings may be charged.
pub fn tomorrow(now: UtcTime) -> UtcTime {
    let today = now.to_zoned(TimeZone::UTC).date();
    let next = today
        .checked_add(1.day())
        .and_then(|day| day.to_zoned(TimeZone::UTC));
    next.map_or(UtcTime::MAX, |midnight| midnight.timestamp())
}

/// Where windows begin and end in a calendar.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WindowKind {
    Day,
    /// From this day of the week.
    Week(Weekday),
    /// From this day of the month, or its last where it has no such day.
    Month(i8),
    /// From this day of this month.
    Year(i8, i8),
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
            WindowKind::Week(starts) => {
                let gone = today.weekday().since(starts);
                let first = today.checked_sub(i64::from(gone).days()).ok()?;
                self.between(first, first.checked_add(7.days()).ok())
            }
            WindowKind::Month(day) => self.around(today, |month| anchored(month, day), 1.month()),
            WindowKind::Year(month, day) => {
                let in_year = |date: Date| anchored(Date::new(date.year(), month, 1).ok()?, day);
                self.around(today, in_year, 1.year())
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

    /// The window around `today` of those that begin where `anchor` puts them in each `step`.
    fn around(
        &self,
        today: Date,
        anchor: impl Fn(Date) -> Option<Date>,
        step: jiff::Span,
    ) -> Option<Span> {
        let first = today.first_of_month();
        let here = anchor(first)?;
        if here <= today {
            let next = first.checked_add(step).ok().and_then(anchor);
            return self.between(here, next);
        }
        let before = anchor(first.checked_sub(step).ok()?)?;
        self.between(before, Some(here))
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

/// The day in the month of `date`, or its last.
fn anchored(date: Date, day: i8) -> Option<Date> {
    let day = day.min(date.days_in_month());
    Date::new(date.year(), date.month(), day).ok()
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
        let utc = window(WindowKind::Month(1), "UTC");
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
        let berlin = window(WindowKind::Month(1), "Europe/Berlin");
        assert_span(
            &berlin,
            "2026-02-28T23:30:00Z",
            "2026-02-28T23:00:00Z",
            "2026-03-31T22:00:00Z",
        );
    }

    #[test]
    fn a_week_and_a_month_begin_where_they_are_anchored() {
        let week = window(WindowKind::Week(Weekday::Wednesday), "Europe/Berlin");
        let (start, end) = ("2026-03-24T23:00:00Z", "2026-03-31T22:00:00Z");
        for now in [start, "2026-03-29T00:30:00Z", "2026-03-31T21:59:59Z"] {
            assert_span(&week, now, start, end);
        }
        let month = window(WindowKind::Month(31), "UTC");
        for (now, start, end) in [
            (
                "2026-02-27T12:00:00Z",
                "2026-01-31T00:00:00Z",
                "2026-02-28T00:00:00Z",
            ),
            (
                "2026-02-28T00:00:00Z",
                "2026-02-28T00:00:00Z",
                "2026-03-31T00:00:00Z",
            ),
            (
                "2026-05-01T00:00:00Z",
                "2026-04-30T00:00:00Z",
                "2026-05-31T00:00:00Z",
            ),
        ] {
            assert_span(&month, now, start, end);
        }
        let middle = window(WindowKind::Month(15), "UTC");
        assert_span(
            &middle,
            "2026-01-01T00:00:00Z",
            "2025-12-15T00:00:00Z",
            "2026-01-15T00:00:00Z",
        );
    }

    #[test]
    fn a_year_begins_where_it_is_anchored() {
        let fiscal = window(WindowKind::Year(4, 1), "UTC");
        assert_span(
            &fiscal,
            "2026-03-31T23:59:59Z",
            "2025-04-01T00:00:00Z",
            "2026-04-01T00:00:00Z",
        );
        assert_span(
            &fiscal,
            "2026-04-01T00:00:00Z",
            "2026-04-01T00:00:00Z",
            "2027-04-01T00:00:00Z",
        );
        assert_span(
            &fiscal,
            "2026-12-31T12:00:00Z",
            "2026-04-01T00:00:00Z",
            "2027-04-01T00:00:00Z",
        );
        let leap = window(WindowKind::Year(2, 29), "UTC");
        assert_span(
            &leap,
            "2026-02-28T00:00:00Z",
            "2026-02-28T00:00:00Z",
            "2027-02-28T00:00:00Z",
        );
    }

    #[test]
    fn windows_follow_each_other_without_a_gap() {
        let kinds = [
            WindowKind::Day,
            WindowKind::Week(Weekday::Sunday),
            WindowKind::Month(1),
            WindowKind::Month(30),
            WindowKind::Year(2, 29),
            WindowKind::Year(7, 1),
        ];
        for kind in kinds {
            let window = window(kind, "America/New_York");
            let mut now = at("2023-12-15T12:00:00Z");
            for _ in 0..800 {
                let here = window.at(now).expect("a window");
                let end = here.end.expect("an end");
                assert!(here.start <= now && now < end, "{kind:?} at {now}");
                assert_eq!(window.at(end).map(|next| next.start), Some(end), "{kind:?}");
                now += jiff::SignedDuration::from_hours(27);
            }
        }
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

    #[test]
    fn tomorrow_begins_at_the_next_midnight_in_utc() {
        for (now, next) in [
            ("2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"),
            ("2026-12-31T23:59:59.999999Z", "2027-01-01T00:00:00Z"),
        ] {
            assert_eq!(tomorrow(at(now)), at(next), "{now}");
            assert_eq!(tomorrow(today(at(now))), at(next), "{now}");
        }
        assert_eq!(tomorrow(UtcTime::MAX), UtcTime::MAX);
    }
}
