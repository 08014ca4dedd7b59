//! [`Rate`]: what a subscription goes on to cost, small enough to be kept when its request is long gone.
//!
//! Scenes come so many a day and each costs the same, so any stretch of days can be priced from a few whole
//! numbers, as exactly as [`subscriptions::during`](super::subscriptions::during) prices it.

use std::num::NonZeroU128;

use jiff::ToSpan;
use jiff::tz::TimeZone;

use super::sightings::Stretch;
use crate::units::{Amount, Amounts, Unit, UtcTime};

/// How often something comes: so many times in so many days.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pace {
    pub times: u128,
    pub days: NonZeroU128,
}

/// What comes at a pace, and what each costs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Term {
    pub pace: Pace,
    pub each: Amounts,
}

/// What a subscription costs, for any stretch of its time.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rate {
    pub terms: Vec<Term>,
    /// For every stretch, however long: tools that are priced by the request.
    pub each_time: Amounts,
    /// What is locked for a year from its first use, and not charged again in it. Where days are charged in
    /// the same unit, the larger of both counts.
    pub each_year: Amounts,
}

impl Pace {
    /// Once a day.
    pub const DAILY: Self = Self {
        times: 1,
        days: NonZeroU128::MIN,
    };

    /// How often at most in so many days; `None` when past counting.
    pub fn within(self, days: u64) -> Option<u64> {
        let times = self.times.checked_mul(days.into())?;
        u64::try_from(times.div_ceil(self.days.get())).ok()
    }
}

impl Rate {
    /// What is charged at most for images from `from` up to `to`, of an area that was first used at `since`;
    /// `None` when past counting.
    pub fn between(&self, since: UtcTime, from: UtcTime, to: UtcTime) -> Option<Amounts> {
        let Some(stretch) = Stretch::between(from, to) else {
            return Some(Amounts::default());
        };
        let mut sum = self.each_time.clone();
        for term in &self.terms {
            let times = term.pace.within(stretch.days())?;
            for (unit, each) in term.each.iter() {
                sum.add(unit, each.checked_mul(times)?)?;
            }
        }
        if has_anniversary(since, from, to) {
            for (unit, locked) in self.each_year.iter() {
                let daily = sum.get(unit).unwrap_or_default();
                sum.set(unit, daily.max(locked));
            }
        }
        Some(sum)
    }

    /// Of what is charged from `from` up to `to`, what comes on `then` or later: no more than is certain
    /// to be saved when nothing comes any more. What was locked stays so.
    pub fn saved(&self, from: UtcTime, then: UtcTime, to: UtcTime) -> Option<Amounts> {
        let daily = Self {
            each_year: Amounts::default(),
            ..self.clone()
        };
        let whole = daily.between(from, from, to)?;
        let until_then = daily.between(from, from, then.min(to))?;
        let saved = whole.iter().map(|(unit, amount)| {
            let needed = until_then.get(unit).unwrap_or_default();
            (unit, amount.minus(needed))
        });
        Some(saved.filter(|(_, saved)| !saved.is_zero()).collect())
    }

    /// Both, one beside the other.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.terms.extend(other.terms.iter().cloned());
        for (sum, more) in [
            (&mut both.each_time, &other.each_time),
            (&mut both.each_year, &other.each_year),
        ] {
            for (unit, amount) in more.iter() {
                let before = sum.get(unit).unwrap_or_default();
                sum.set(unit, before.saturating_add(amount));
            }
        }
        both
    }

    /// Whether a unit costs anything, whatever the stretch.
    pub fn counts(&self, unit: Unit) -> bool {
        let terms = self.terms.iter().map(|term| &term.each);
        let all = terms.chain([&self.each_time, &self.each_year]);
        let counted = |amounts: &Amounts| amounts.get(unit).is_some_and(|it| it > Amount::ZERO);
        all.into_iter().any(counted)
    }
}

/// Whether `since`, or a day some years after it, lies from `from` up to and without `to`.
fn has_anniversary(since: UtcTime, from: UtcTime, to: UtcTime) -> bool {
    let first = since.to_zoned(TimeZone::UTC);
    let years = i64::from(from.to_zoned(TimeZone::UTC).year()) - i64::from(first.year());
    let near = years.max(0);
    (near - 1..=near + 1)
        .filter(|years| *years >= 0)
        .filter_map(|years| first.checked_add(years.years()).ok())
        .any(|day| from <= day.timestamp() && day.timestamp() < to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UtcTime {
        text.parse().expect(text)
    }

    fn amount(whole: u64) -> Amount {
        Amount::from_whole(whole).unwrap()
    }

    /// Five scenes in two days at 10 PU, and 3 km² a day of which 40 km² are locked.
    fn rate() -> Rate {
        let term = |times, days: u128, each| Term {
            pace: Pace {
                times,
                days: NonZeroU128::new(days).unwrap(),
            },
            each,
        };
        Rate {
            terms: vec![
                term(5, 2, Amounts::of(Unit::Pu, amount(10))),
                term(1, 1, Amounts::of(Unit::Aum, amount(3))),
            ],
            each_time: Amounts::default(),
            each_year: Amounts::of(Unit::Aum, amount(40)),
        }
    }

    fn between(since: &str, from: &str, to: &str) -> (u64, u64) {
        let cost = rate().between(at(since), at(from), at(to)).unwrap();
        let whole = |unit| {
            let amount: Amount = cost.get(unit).unwrap_or_default();
            u64::try_from(amount.whole_floor()).unwrap()
        };
        (whole(Unit::Pu), whole(Unit::Aum))
    }

    #[test]
    fn days_are_whole_and_scenes_are_rounded_up_once() {
        let since = "2020-06-01T00:00:00Z";
        for (from, to, pu, aum) in [
            ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", 30, 3),
            ("2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z", 80, 9),
            ("2026-01-01T23:00:00Z", "2026-01-02T01:00:00Z", 50, 6),
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", 0, 0),
            ("2026-02-01T00:00:00Z", "2026-01-01T00:00:00Z", 0, 0),
        ] {
            assert_eq!(between(since, from, to), (pu, aum), "{from} {to}");
        }
    }

    #[test]
    fn what_is_locked_counts_when_it_is_locked_and_again_a_year_later() {
        let since = "2026-01-10T08:00:00Z";
        for (from, to, aum) in [
            ("2026-01-10T08:00:00Z", "2026-02-01T00:00:00Z", 66),
            ("2026-01-10T08:00:00Z", "2026-01-12T00:00:00Z", 40),
            ("2026-02-01T00:00:00Z", "2026-02-03T00:00:00Z", 6),
            ("2027-01-10T00:00:00Z", "2027-01-11T00:00:00Z", 40),
            ("2027-01-11T00:00:00Z", "2027-01-12T00:00:00Z", 3),
            ("2025-12-01T00:00:00Z", "2025-12-02T00:00:00Z", 3),
        ] {
            assert_eq!(between(since, from, to).1, aum, "{from} {to}");
        }
        let leap = "2024-02-29T00:00:00Z";
        assert_eq!(
            between(leap, "2025-02-28T00:00:00Z", "2025-03-01T00:00:00Z").1,
            40
        );
    }

    #[test]
    fn only_days_that_do_not_come_are_saved() {
        let (from, to) = (at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"));
        let saved = |then: &str| rate().saved(from, at(then), to).unwrap();
        let some = saved("2026-01-22T00:00:00Z");
        // 31 days are 78 scenes, 21 days are 53
        assert_eq!(some.get(Unit::Pu), Some(amount(250)));
        assert_eq!(some.get(Unit::Aum), Some(amount(30)));
        assert!(saved("2026-02-01T00:00:00Z").is_empty());
        assert!(saved("2026-03-01T00:00:00Z").is_empty());
    }

    #[test]
    fn what_is_past_counting_is_said_and_never_wrapped() {
        let term = Term {
            pace: Pace {
                times: u128::MAX,
                ..Pace::DAILY
            },
            each: Amounts::of(Unit::Pu, amount(1)),
        };
        let rate = Rate {
            terms: vec![term],
            ..Rate::default()
        };
        let (from, to) = (at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"));
        assert_eq!(rate.between(from, from, to), None);
    }
}
