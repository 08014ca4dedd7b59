//! How much is asked of an account: what a lease of it should have ready.

use std::time::Duration;

use crate::units::Amount;

/// Over how long demand is smoothed.
const MEMORY: Duration = Duration::from_secs(1);

/// What was asked of one account lately, whether or not a lease could give it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Demand {
    /// Since the last look.
    fresh: Amount,
    /// About what was asked in the last second.
    level: Amount,
    /// The largest request since demand began.
    largest: Amount,
}

impl Demand {
    pub(super) fn ask(&mut self, amount: Amount) {
        self.fresh = self.fresh.saturating_add(amount);
        self.largest = self.largest.max(amount);
    }

    /// Takes what is fresh into account and lets go of what is old.
    pub(super) fn settle(&mut self, elapsed: Duration) {
        let forgotten = scaled(self.level, elapsed.min(MEMORY));
        self.level = self.level.minus(forgotten).saturating_add(self.fresh);
        self.fresh = Amount::ZERO;
        if self.level < self.largest.part_floor(8) {
            *self = Self::default();
        }
    }

    /// What would be asked in a time as long as `span`.
    pub(super) fn over(&self, span: Duration) -> Amount {
        scaled(self.level, span)
    }

    pub(super) const fn largest(&self) -> Amount {
        self.largest
    }

    pub(super) const fn is_over(&self) -> bool {
        self.level.is_zero() && self.fresh.is_zero()
    }
}

/// `level` for each [`MEMORY`] of `span`.
fn scaled(level: Amount, span: Duration) -> Amount {
    let over = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    let under = std::num::NonZeroU128::new(MEMORY.as_micros());
    under
        .and_then(|under| level.checked_scale_ceil(over, under))
        .unwrap_or(Amount::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_demand_is_found_and_an_end_of_it_too() {
        let mut demand = Demand::default();
        for _ in 0..100 {
            for _ in 0..5 {
                demand.ask(Amount::ONE);
            }
            demand.settle(Duration::from_millis(50));
        }
        let in_five_seconds = demand.over(Duration::from_secs(5)).whole_floor();
        assert!((450..=550).contains(&in_five_seconds), "{in_five_seconds}");
        for _ in 0..200 {
            demand.settle(Duration::from_millis(50));
        }
        assert!(demand.is_over());
    }
}
