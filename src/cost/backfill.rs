//! How much of the past a subscription asks for, and the start that would ask for less.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan};

use crate::planet::subscriptions::SubscriptionAsk;
use crate::units::UtcTime;

/// A start that is suggested must still pass when somebody has written it down and sent it.
const TIME_TO_SEND: SignedDuration = SignedDuration::from_hours(1);

/// More of the past than somebody allows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TooLong {
    pub start: UtcTime,
    /// The end, or now.
    pub end: UtcTime,
    /// The earliest start that would do, at a midnight where there is one.
    pub suggested: UtcTime,
}

/// Whether the backfill, from its start to its end or to `now`, is longer than `most`.
pub fn too_long(ask: &SubscriptionAsk, most: Duration, now: UtcTime) -> Option<TooLong> {
    let end = ask.end.map_or(now, |end| end.min(now));
    let earliest = end.checked_sub(most).ok()?;
    if ask.start >= earliest {
        return None;
    }
    let moves = end == now;
    let safe = if moves {
        earliest
            .checked_add(TIME_TO_SEND)
            .map_or(earliest, |safe| safe.min(end))
    } else {
        earliest
    };
    let midnight = next_midnight(safe).filter(|midnight| *midnight < end);
    Some(TooLong {
        start: ask.start,
        end,
        suggested: midnight.or_else(|| whole_second(safe)).unwrap_or(safe),
    })
}

impl TooLong {
    /// Whole days, rounded up.
    pub fn days(&self) -> i64 {
        let hours = self.end.duration_since(self.start).as_hours();
        hours
            .div_euclid(24)
            .saturating_add(i64::from(hours.rem_euclid(24) > 0))
    }
}

/// The first midnight in UTC that does not lie before `time`.
fn next_midnight(time: UtcTime) -> Option<UtcTime> {
    let date = time.to_zoned(TimeZone::UTC).date();
    let today = date.to_zoned(TimeZone::UTC).ok()?.timestamp();
    if today >= time {
        return Some(today);
    }
    let tomorrow = date.checked_add(1.day()).ok()?;
    Some(tomorrow.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn whole_second(time: UtcTime) -> Option<UtcTime> {
    let more = i64::from(time.subsec_nanosecond() > 0);
    UtcTime::from_second(time.as_second().checked_add(more)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planet::geometry::samples::square;
    use proptest::prelude::*;
    use serde_json::json;

    const NOW: &str = "2026-11-22T12:00:00Z";
    const DAY: u64 = 24;

    fn at(text: &str) -> UtcTime {
        text.parse().expect(text)
    }

    fn ask(start: UtcTime, end: Option<UtcTime>) -> SubscriptionAsk {
        let body = json!({"source": {"parameters": {"item_types": ["PSScene"],
            "asset_types": ["ortho_visual"], "geometry": square(7_200),
            "start_time": start.to_string(), "end_time": end.map(|end| end.to_string())}}});
        crate::planet::subscriptions::read(body.to_string().as_bytes()).expect("a subscription")
    }

    fn suggested(start: &str, end: Option<&str>, hours: u64) -> Option<String> {
        let ask = ask(at(start), end.map(at));
        let most = Duration::from_hours(hours);
        too_long(&ask, most, at(NOW)).map(|long| long.suggested.to_string())
    }

    #[test]
    fn what_is_longer_than_allowed_is_told_a_midnight_from_which_it_is_not() {
        for (start, end, hours, expected) in [
            (
                "2016-01-01T00:00:00Z",
                None,
                90 * DAY,
                Some("2026-08-25T00:00:00Z"),
            ),
            ("2026-08-24T12:00:00Z", None, 90 * DAY, None),
            (
                "2026-08-24T11:59:59Z",
                None,
                90 * DAY,
                Some("2026-08-25T00:00:00Z"),
            ),
            ("2027-01-01T00:00:00Z", None, 1, None),
            // what has ended is as long as it is, however long ago
            (
                "2016-01-01T00:00:00Z",
                Some("2016-02-01T00:00:00Z"),
                31 * DAY,
                None,
            ),
            (
                "2016-01-01T00:00:00Z",
                Some("2016-02-01T00:00:00Z"),
                30 * DAY,
                Some("2016-01-02T00:00:00Z"),
            ),
            // less than a day holds no midnight
            (
                "2026-11-22T00:00:00Z",
                None,
                3,
                Some("2026-11-22T10:00:00Z"),
            ),
        ] {
            let found = suggested(start, end, hours);
            assert_eq!(found.as_deref(), expected, "{start} {end:?} {hours}");
        }
    }

    #[test]
    fn days_are_whole_and_none_is_lost() {
        let ten_years = ask(at("2016-11-22T11:00:00Z"), None);
        let long = too_long(&ten_years, Duration::from_hours(24), at(NOW)).unwrap();
        assert_eq!(long.days(), 3_653);
    }

    proptest! {
        #[test]
        fn what_is_suggested_passes_while_it_is_being_sent(
            back in 1i64..90_000, length in 1i64..90_000, hours in 1u64..90_000, minutes in 0i64..60,
        ) {
            let now = at(NOW);
            let start = now - SignedDuration::from_hours(back);
            let end = start + SignedDuration::from_hours(length);
            let most = Duration::from_hours(hours);
            if let Some(long) = too_long(&ask(start, Some(end)), most, now) {
                prop_assert!(long.suggested > start && long.suggested <= long.end);
                if long.suggested < end {
                    let again = ask(long.suggested, Some(end));
                    let later = now + SignedDuration::from_mins(minutes);
                    prop_assert_eq!(too_long(&again, most, later), None);
                }
            }
        }
    }
}
