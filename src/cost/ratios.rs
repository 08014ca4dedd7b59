//! How much more than predicted requests of one kind have cost of late, and the factor that would have
//! been enough for all but one in a hundred.
//!
//! The factor is one of the ratios themselves. Of `n` ratios of like requests, the number that reaches the
//! value which 1 % of all requests exceed is binomial; the `k` largest all reach it with a probability that
//! falls as `k` grows. The `k`-th largest is taken, for the largest `k` at which it still does so in 95 of
//! 100 cases, whatever the ratios' distribution. With fewer than 299 of them not even the largest does, so
//! then the largest stands: from the published rule, 1, the factor only rises.

use std::collections::VecDeque;

use super::Factor;

/// Ratios that are looked at: the latest.
const WINDOW: usize = 1000;
/// With so many ratios the first, second, … largest is high enough: the least `n` for which
/// `P(Binomial(n, 1 %) < k) ≤ 5 %`.
const ENOUGH: [usize; 5] = [299, 473, 628, 773, 913];

/// The ratios of late and what follows from them.
#[derive(Clone, Debug)]
pub struct Ratios {
    recent: VecDeque<Factor>,
    factor: Factor,
}

impl Default for Ratios {
    fn default() -> Self {
        Self {
            recent: VecDeque::new(),
            factor: Factor::ONE,
        }
    }
}

impl Ratios {
    /// Adds one; the oldest goes when there are more than `WINDOW`.
    pub fn add(&mut self, ratio: Factor) {
        let before = left_out(self.recent.len());
        let full = self.recent.len() == WINDOW;
        let forgotten = if full { self.recent.pop_front() } else { None };
        self.recent.push_back(ratio);
        let moved = forgotten.is_some_and(|old| old >= self.factor && old != ratio)
            || ratio > self.factor
            || left_out(self.recent.len()) != before;
        if moved {
            self.factor = self.high_enough().min(Factor::MOST_LEARNED);
        }
    }

    /// What predictions are to be multiplied by; 1 before anything is known.
    pub const fn factor(&self) -> Factor {
        self.factor
    }

    fn high_enough(&self) -> Factor {
        let may_be_above = left_out(self.recent.len());
        let mut ratios: Vec<Factor> = self.recent.iter().copied().collect();
        let (_, ratio, _) =
            ratios.select_nth_unstable_by(may_be_above, |one, other| other.cmp(one));
        *ratio
    }
}

/// How many of `count` ratios may lie above the one that is taken.
fn left_out(count: usize) -> usize {
    let proven = ENOUGH.iter().filter(|enough| **enough <= count).count();
    proven.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::units::Amount;

    fn factor(micros: i64) -> Factor {
        Factor::new(Amount::from_micros(micros).unwrap()).unwrap()
    }

    fn learned(ratios: impl IntoIterator<Item = i64>) -> Factor {
        let mut all = Ratios::default();
        ratios
            .into_iter()
            .for_each(|micros| all.add(factor(micros)));
        all.factor()
    }

    #[test]
    fn it_starts_from_the_published_rule_and_with_few_ratios_only_rises() {
        assert_eq!(Ratios::default().factor(), Factor::ONE);
        let mut few = Ratios::default();
        let mut last = Factor::ONE;
        for micros in [1_000_000, 1_300_000, 1_100_000, 1_000_000, 1_400_000]
            .into_iter()
            .chain([1_000_000; 290])
        {
            few.add(factor(micros));
            assert!(few.factor() >= last);
            last = few.factor();
        }
        assert_eq!(last, factor(1_400_000));
    }

    #[test]
    fn with_enough_of_them_the_very_largest_are_let_go() {
        let with_outliers = |outliers: usize, count: usize| {
            let high = (0..outliers).map(|_| 3_000_000);
            learned(high.chain((outliers..count).map(|_| 1_050_000)))
        };
        for (count, let_go) in [(472, 0), (473, 1), (628, 2), (773, 3), (913, 4), (1000, 4)] {
            assert_eq!(with_outliers(let_go, count), factor(1_050_000), "{count}");
            assert_eq!(
                with_outliers(let_go + 1, count),
                factor(3_000_000),
                "{count}"
            );
        }
    }

    #[test]
    fn what_was_long_ago_is_forgotten_and_nothing_is_learned_without_bound() {
        let once = (0..10).map(|_| 2_000_000);
        let since = |count| (0..count).map(|_| 1_000_000);
        assert_eq!(learned(once.clone().chain(since(990))), factor(2_000_000));
        assert_eq!(learned(once.chain(since(1000))), Factor::ONE);
        assert_eq!(learned([99_000_000]), Factor::MOST_LEARNED);
    }

    /// `P(Binomial(n, 1 %) < k)`.
    #[expect(clippy::float_arithmetic, reason = "a probability, in a test")]
    fn at_most(n: usize, k: usize) -> f64 {
        let real = |number: usize| f64::from(u32::try_from(number).unwrap());
        let mut term = 0.99_f64.powi(i32::try_from(n).unwrap());
        let mut sum = 0.0;
        for successes in 0..k {
            sum += term;
            term *= (real(n) - real(successes)) / (real(successes) + 1.0) * (0.01 / 0.99);
        }
        sum
    }

    #[test]
    fn the_table_is_the_least_that_the_binomial_bound_allows() {
        for (k, enough) in (1..).zip(ENOUGH) {
            assert!(at_most(enough, k) <= 0.05, "{enough}");
            assert!(at_most(enough - 1, k) > 0.05, "{enough}");
        }
        assert!(
            at_most(WINDOW, ENOUGH.len() + 1) > 0.05,
            "the table is whole"
        );
    }

    /// Requests whose ratio grows with a number that is drawn evenly: a long tail, and most below 1.
    fn ratio(drawn: u64) -> Factor {
        const DRAWS: u64 = 1 << 16;
        let tail = drawn * drawn / DRAWS * drawn / DRAWS; // the cube
        factor(i64::try_from(900_000 + tail * 20).unwrap().max(1_000_000))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        #[test]
        fn it_is_the_same_whether_or_not_all_are_looked_at_again(
            ratios in vec(prop_oneof![9 => Just(1_000_000), 1 => 1_000_000_i64..12_000_000], 1..2200)
        ) {
            let mut all = Ratios::default();
            for micros in ratios {
                all.add(factor(micros));
                prop_assert_eq!(all.factor(), all.high_enough().min(Factor::MOST_LEARNED));
            }
        }
    }

    #[test]
    fn of_a_hundred_requests_that_come_after_at_most_one_costs_more_nearly_always() {
        let mut state = 7_u64;
        let mut draw = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state >> 48
        };
        let all: Vec<Factor> = (0..1_u64 << 16).map(ratio).collect();
        for count in [299, 628, 1000] {
            let too_low = (0..400).filter(|_| {
                let mut seen = Ratios::default();
                (0..count).for_each(|_| seen.add(ratio(draw())));
                let covered = all.partition_point(|ratio| *ratio <= seen.factor());
                (all.len() - covered) * 100 > all.len()
            });
            // 5 % of 400 are 20; more than 34 would come once in a thousand such tests
            assert!(too_low.count() <= 34, "{count}");
        }
    }
}
