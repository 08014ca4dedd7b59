//! What is reserved beyond a prediction, so that requests seldom cost more than was set aside for them.

use std::fmt;
use std::num::NonZeroU128;

use super::{Estimate, Line};
use crate::units::{Amount, Amounts, Unit};

const MILLION: NonZeroU128 = NonZeroU128::MIN.saturating_add(999_999);

/// A number from 1 up, in millionths, by which a prediction is multiplied.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Factor(u64);

impl Factor {
    pub const ONE: Self = Self(1_000_000);
    /// Whoever needs more has the wrong prices.
    pub const MOST: Self = Self(100_000_000);
    /// What is learned goes no further: a slip of Planet's must not lock a budget up.
    pub const MOST_LEARNED: Self = Self(10_000_000);

    /// `None` outside of 1 to 100.
    pub fn new(number: Amount) -> Option<Self> {
        let factor = Self(number.micros().unsigned_abs());
        (Self::ONE..=Self::MOST).contains(&factor).then_some(factor)
    }

    /// How many times `predicted` has been `charged`, rounded up; 1 where it was not more, and
    /// [`Self::MOST`] where it was more than that.
    pub fn of(charged: Amount, predicted: Amount) -> Self {
        let predicted = u128::from(predicted.micros().unsigned_abs());
        let ratio = NonZeroU128::new(predicted).map_or(u128::MAX, |predicted| {
            let micros = u128::from(charged.micros().unsigned_abs()) * MILLION.get();
            micros.div_ceil(predicted.get())
        });
        let ratio = u64::try_from(ratio).unwrap_or(u64::MAX);
        Self(ratio).clamp(Self::ONE, Self::MOST)
    }

    /// So many times `amount`, rounded up; `None` when it is too large to count.
    pub fn times(self, amount: Amount) -> Option<Amount> {
        amount.checked_scale_ceil(self.0, MILLION)
    }

    /// The most that is `amount` at most once it has been multiplied.
    pub fn undone(self, amount: Amount) -> Amount {
        let micros = u128::from(amount.micros().unsigned_abs()) * MILLION.get();
        let micros = micros / u128::from(self.0);
        let micros = i64::try_from(micros).ok().and_then(Amount::from_micros);
        micros.unwrap_or(amount) // a quotient by 1 or more is never the larger
    }
}

impl From<Factor> for Amount {
    fn from(factor: Factor) -> Self {
        let micros = i64::try_from(factor.0).ok().and_then(Self::from_micros);
        micros.unwrap_or(Self::MAX)
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Amount::from(*self).fmt(f)
    }
}

/// What the predictions of one request are multiplied by before they are reserved.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Margin {
    pu: Factor,
    others: Factor,
    source: &'static str,
}

impl Margin {
    pub const NONE: Self = Self::fixed(Factor::ONE);

    /// The same in every unit.
    pub const fn fixed(factor: Factor) -> Self {
        Self {
            pu: factor,
            others: factor,
            source: "policy.safety_margin",
        }
    }

    /// Learned from what upstream said it had charged, which it says in PU alone.
    pub const fn learned(pu: Factor) -> Self {
        Self {
            pu,
            others: Factor::ONE,
            source: "policy.safety_margin, learned from what was charged",
        }
    }

    /// The estimate with a line for what is reserved beyond it; `None` when that is too large to count.
    pub fn over(self, mut estimate: Estimate) -> Option<Estimate> {
        for (unit, total) in estimate.totals()?.iter() {
            let factor = self.of(unit);
            let beyond = factor.times(total)?.minus(total);
            if !beyond.is_zero() {
                estimate.lines.push(Line {
                    rule: "safety-margin",
                    unit,
                    amount: beyond,
                    quantity: format!("{factor} × {total} {}", unit.label()),
                    source: self.source,
                    exact: false,
                });
            }
        }
        Some(estimate)
    }

    /// What a prediction may come to at most, so that there is as much `left` as will be reserved.
    pub fn within(self, left: &Amounts) -> Amounts {
        left.iter()
            .map(|(unit, amount)| (unit, self.of(unit).undone(amount)))
            .collect()
    }

    fn of(self, unit: Unit) -> Factor {
        match unit {
            Unit::Pu => self.pu,
            _ => self.others,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn amount(text: &str) -> Amount {
        text.parse().unwrap()
    }

    fn factor(text: &str) -> Factor {
        Factor::new(amount(text)).unwrap()
    }

    fn line(unit: Unit, cost: &str) -> Line {
        Line {
            rule: "process",
            unit,
            amount: amount(cost),
            quantity: String::new(),
            source: "",
            exact: true,
        }
    }

    fn both() -> Estimate {
        Estimate {
            lines: vec![
                line(Unit::Pu, "1"),
                line(Unit::Tiles, "3"),
                line(Unit::Pu, "0.000001"),
            ],
        }
    }

    #[test]
    fn a_factor_is_a_number_from_1_to_100() {
        for good in ["1", "1.000001", "1.25", "100"] {
            assert_eq!(factor(good).to_string(), good);
        }
        for bad in ["0", "0.999999", "100.000001", "9000000000000"] {
            assert_eq!(Factor::new(amount(bad)), None, "{bad}");
        }
    }

    #[test]
    fn a_ratio_is_rounded_up_and_never_below_1() {
        for (charged, predicted, ratio) in [
            ("3", "2", "1.5"),
            ("1", "3", "1"),
            ("0", "1", "1"),
            ("1.000001", "3", "1"),
            ("4", "3", "1.333334"),
            ("5000", "1", "100"),
            ("1", "0", "100"),
        ] {
            let found = Factor::of(amount(charged), amount(predicted));
            assert_eq!(found, factor(ratio), "{charged} of {predicted}");
        }
    }

    #[test]
    fn the_lines_still_sum_up_to_what_is_reserved() {
        let told = |margin: Margin| {
            let estimate = margin.over(both()).unwrap();
            let more: Vec<_> = estimate.lines[3..].iter().map(|line| line.unit).collect();
            (estimate.totals().unwrap().to_string(), more)
        };
        let fixed = told(Margin::fixed(factor("1.2")));
        assert_eq!(
            fixed,
            ("pu=1.200002, tiles=3.6".into(), vec![Unit::Pu, Unit::Tiles])
        );
        let learned = told(Margin::learned(factor("1.2")));
        assert_eq!(learned, ("pu=1.200002, tiles=3".into(), vec![Unit::Pu]));
        let estimate = Margin::fixed(factor("1.2")).over(both()).unwrap();
        assert!(!estimate.is_exact());
        assert_eq!(estimate.lines[3].quantity, "1.2 × 1.000001 PU");
        assert_eq!(Margin::NONE.over(both()), Some(both()), "1 adds no line");
    }

    #[test]
    fn what_is_too_large_to_count_is_said() {
        let all = Estimate {
            lines: vec![line(Unit::Pu, "9223372036854")],
        };
        assert_eq!(Margin::fixed(factor("1.1")).over(all), None);
    }

    proptest! {
        #[test]
        fn what_fits_within_what_is_left_is_reserved_within_it(
            micros in 0i64..=i64::MAX, over in 1_000_000i64..=100_000_000, less in 0i64..5
        ) {
            let factor = Factor::new(Amount::from_micros(over).unwrap()).unwrap();
            let left = Amount::from_micros(micros).unwrap();
            let most = factor.undone(left);
            let fits = most.minus(Amount::from_micros(less).unwrap());
            prop_assert!(factor.times(fits).unwrap() <= left);
            let more = most.checked_add(Amount::from_micros(1).unwrap());
            let more = more.and_then(|more| factor.times(more));
            prop_assert!(more.is_none_or(|more| more > left), "{more:?} would have fitted too");
        }

        #[test]
        fn a_margin_never_takes_away_and_a_ratio_covers_its_charge(
            charged in 0i64..=1_000_000_000_000, predicted in 1i64..=1_000_000_000_000
        ) {
            let [charged, predicted] = [charged, predicted].map(|micros| Amount::from_micros(micros).unwrap());
            let factor = Factor::of(charged, predicted);
            let reserved = factor.times(predicted).unwrap();
            prop_assert!(reserved >= predicted);
            prop_assert!(reserved >= charged || factor == Factor::MOST);
        }
    }
}
