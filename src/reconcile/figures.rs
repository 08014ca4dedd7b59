//! One of Planet's figures beside ours: pure.
//!
//! All is counted from the first reading of a term on, so that a figure which lags behind by a day evens out. What
//! Planet has more than the books was spent elsewhere. What it has less gives nothing back: its figures may be late,
//! and predictions may have been too high.

use std::sync::Arc;
use std::time::Duration;

use crate::ledger::Meter;
use crate::units::{Amount, Unit, UtcTime};

/// Of what Planet counts, so much must have passed through the guard, in percent; below it people are told.
pub(super) const LEAST_CAPTURED: u64 = 95;
/// A figure that stands still for longer while the books grow is stale.
const STALE: Duration = Duration::from_hours(24);
/// Planet brings what was downloaded up to date every night: what was spent on the day before a first reading may
/// come after it.
const LAG_OF_DOWNLOADS: Duration = Duration::from_hours(24);
/// Requests that arrived longer ago are not corrected any more; they are added up once.
const CORRECTED_FOR: Duration = Duration::from_hours(7 * 24);

/// What a reading shows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Shown {
    pub(super) meter: Meter,
    /// What was spent elsewhere and is not in the books yet.
    pub(super) external: Amount,
    /// More escaped, and too much has.
    pub(super) low: bool,
    pub(super) stale: bool,
}

/// What the books have: `settled` of requests that arrived before `until` and are not corrected any more, and
/// `recent` of those since.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ours {
    pub(super) settled: Amount,
    pub(super) recent: Amount,
    pub(super) until: UtcTime,
}

/// A meter that is read for the first time in its term.
pub(super) fn begin(of: (&Arc<str>, &str, Unit), theirs: Amount, now: UtcTime) -> Meter {
    let (upstream, product, unit) = of;
    let lag = match unit {
        Unit::Km2 => LAG_OF_DOWNLOADS,
        _ => Duration::ZERO,
    };
    Meter {
        upstream: Arc::clone(upstream),
        product: product.into(),
        unit,
        since: now,
        first: theirs,
        last: theirs,
        read_at: now,
        moved_at: now,
        counted: Amount::ZERO,
        counted_until: now.saturating_sub(lag).unwrap_or(UtcTime::MIN),
        ours: Amount::ZERO,
        adjusted: Amount::ZERO,
    }
}

/// Up to when requests are added up for good.
pub(super) fn settled_until(meter: &Meter, now: UtcTime) -> UtcTime {
    let old = now.saturating_sub(CORRECTED_FOR).unwrap_or(UtcTime::MIN);
    old.max(meter.counted_until)
}

/// Reads a meter again. A figure that has fallen is that of a new term, in which nothing is known yet.
pub(super) fn compare(before: &Meter, theirs: Amount, ours: Ours, now: UtcTime) -> Shown {
    let counted = before.counted.saturating_add(ours.settled);
    let all_ours = counted.saturating_add(ours.recent);
    let mut meter = Meter {
        last: theirs,
        read_at: now,
        moved_at: if theirs == before.last {
            before.moved_at
        } else {
            now
        },
        counted,
        counted_until: ours.until,
        ours: all_ours,
        ..before.clone()
    };
    let external = meter
        .growth()
        .minus(all_ours.saturating_add(before.adjusted));
    meter.adjusted = before.adjusted.saturating_add(external);
    let still = now.duration_since(meter.moved_at);
    let stale = all_ours > before.ours && !still.is_negative() && still.unsigned_abs() > STALE;
    Shown {
        external,
        low: !external.is_zero() && captures_too_little(&meter),
        stale,
        meter,
    }
}

/// Less than [`LEAST_CAPTURED`] of what Planet counts is known to the books as theirs.
fn captures_too_little(meter: &Meter) -> bool {
    let (ours, theirs) = (meter.ours.micros(), meter.growth().micros());
    i128::from(ours) * 100 < i128::from(theirs) * i128::from(LEAST_CAPTURED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(days: u64) -> UtcTime {
        UtcTime::UNIX_EPOCH + Duration::from_hours(24 * (days + 100))
    }

    fn units(whole: u64) -> Amount {
        Amount::from_whole(whole).unwrap()
    }

    fn first(theirs: u64) -> Meter {
        begin((&"planet".into(), "PS", Unit::Quota), units(theirs), at(0))
    }

    fn ours(recent: u64) -> Ours {
        Ours {
            settled: Amount::ZERO,
            recent: units(recent),
            until: at(0),
        }
    }

    fn read(before: &Meter, theirs: u64, recent: u64, day: u64) -> Shown {
        compare(before, units(theirs), ours(recent), at(day))
    }

    #[test]
    fn what_planet_has_more_was_spent_elsewhere_and_is_entered_once() {
        let shown = read(&first(1000), 1300, 200, 1);
        assert_eq!((shown.external, shown.low), (units(100), true));
        let again = read(&shown.meter, 1300, 200, 2);
        assert_eq!(again.external, Amount::ZERO);
        let more = read(&again.meter, 1350, 200, 3);
        assert_eq!(
            (more.external, more.meter.adjusted),
            (units(50), units(150))
        );
    }

    #[test]
    fn a_figure_that_comes_a_day_late_is_not_taken_for_somebody_elses() {
        let late = read(&first(1000), 1000, 300, 1);
        assert_eq!((late.external, late.stale), (Amount::ZERO, false));
        let there = read(&late.meter, 1300, 300, 2);
        assert_eq!((there.external, there.low), (Amount::ZERO, false));
    }

    #[test]
    fn a_figure_that_stands_still_while_we_spend_is_stale_and_changes_nothing() {
        let shown = read(&read(&first(1000), 1000, 300, 1).meter, 1000, 400, 2);
        assert_eq!(
            (shown.external, shown.low, shown.stale),
            (Amount::ZERO, false, true)
        );
        let idle = read(&first(1000), 1000, 0, 5);
        assert!(!idle.stale && !idle.low);
    }

    #[test]
    fn a_figure_smaller_than_ours_gives_nothing_back() {
        let adjusted = read(&first(1000), 1100, 0, 1).meter;
        let smaller = read(&adjusted, 1100, 500, 2);
        assert_eq!(
            (smaller.external, smaller.meter.adjusted),
            (Amount::ZERO, units(100))
        );
    }

    #[test]
    fn what_is_corrected_downwards_makes_room_for_what_was_spent_elsewhere() {
        let before = read(&first(1000), 1400, 400, 1).meter;
        let corrected = read(&before, 1400, 300, 2);
        assert_eq!(corrected.external, units(100));
    }

    #[test]
    fn a_figure_that_lags_begins_with_what_was_spent_the_day_before() {
        let downloads = begin((&"planet".into(), "all", Unit::Km2), units(5), at(3));
        assert_eq!((downloads.counted_until, downloads.since), (at(2), at(3)));
        assert_eq!(first(5).counted_until, at(0));
    }

    #[test]
    fn old_requests_are_added_up_once_and_never_before_the_term() {
        assert_eq!(settled_until(&first(0), at(3)), at(0));
        assert_eq!(settled_until(&first(0), at(10)), at(3));
        let ours = Ours {
            settled: units(70),
            recent: units(5),
            until: at(3),
        };
        let shown = compare(&first(0), units(75), ours, at(10));
        assert_eq!(
            (shown.meter.counted, shown.meter.ours),
            (units(70), units(75))
        );
        assert_eq!(shown.meter.counted_until, at(3));
        assert_eq!(shown.external, Amount::ZERO);
    }
}
