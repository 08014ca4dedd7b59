//! True spending against the books: whatever was or may be billed is settled, held, leased or unknown.

use std::collections::BTreeMap;

use super::{Audited, Auditor, Promise, Truth, violation};
use crate::ledger::{AccountKey, Epoch, Record, RequestId, State};
use crate::units::Amount;

/// What the requests of one life take of its lease of one account that are not in the books.
#[derive(Debug, Default)]
struct Unreported {
    taken: Amount,
    possible: Amount,
    billed: Amount,
    done: bool,
}

impl Auditor {
    pub(in crate::ledger::simulation) fn spending_is_covered(&self) -> Audited<()> {
        self.leases_cover()?;
        let mut sums: BTreeMap<&AccountKey, (Amount, Amount)> = BTreeMap::new();
        for truth in self.truths.values() {
            for (key, claim) in truth.parts() {
                let beyond = truth.billed(claim).minus(claim.amount);
                let unseen = !beyond.is_zero() && !self.is_known(truth, key);
                let (billed, hidden) = sums.entry(key).or_default();
                *billed = billed.saturating_add(truth.billed(claim));
                if unseen {
                    *hidden = hidden.saturating_add(beyond);
                }
            }
        }
        for (key, (billed, hidden)) in sums {
            let Some(row) = self.rows.get(key) else {
                let what =
                    format!("{billed} was billed on {key:?}, of which the books know nothing");
                return Err(violation(Promise::Actuals, what));
            };
            let known = row.used().expect("countable").saturating_add(hidden);
            let highest = self.highest.get(key).copied().unwrap_or_default();
            let allowed = highest.saturating_add(row.overrun).saturating_add(hidden);
            if billed > known {
                let what =
                    format!("{billed} was billed, {hidden} of it unseen, and the row is {row:?}");
                return Err(violation(Promise::Actuals, what));
            }
            if billed > allowed {
                let what = format!("{billed} was billed, {highest} was the cap of {row:?}");
                return Err(violation(Promise::Cap, what));
            }
        }
        Ok(())
    }

    /// What was admitted from leases, and is not in the books, is leased there or in doubt.
    fn leases_cover(&self) -> Audited<()> {
        let mut needed: BTreeMap<&AccountKey, Amount> = BTreeMap::new();
        for ((life, key), unreported) in self.unreported() {
            if self.lives[&life].over {
                self.lost_lease_covers(life, key, &unreported)?;
            } else {
                let sum = needed.entry(key).or_default();
                *sum = sum.saturating_add(unreported.taken);
            }
        }
        for (key, needed) in needed {
            let held = self.rows.get(key).map_or(Amount::ZERO, |row| row.leased);
            if held < needed {
                let what = format!("{needed} was admitted from leases of {held}: {key:?}");
                return Err(violation(Promise::Cap, what));
            }
        }
        Ok(())
    }

    fn unreported(&self) -> BTreeMap<(Epoch, &AccountKey), Unreported> {
        let mut sums: BTreeMap<_, Unreported> = BTreeMap::new();
        let unbooked = self.truths.values().filter(|truth| truth.booked.is_none());
        for truth in unbooked {
            for (key, claim) in truth.parts() {
                let sum = sums.entry((truth.life, key)).or_insert_with(|| Unreported {
                    done: true,
                    ..Unreported::default()
                });
                sum.taken = sum.taken.saturating_add(truth.taken(claim));
                sum.possible = sum.possible.saturating_add(truth.possible(claim));
                sum.billed = sum.billed.saturating_add(truth.billed(claim));
                sum.done &= truth.done;
            }
        }
        sums
    }

    fn lost_lease_covers(
        &self,
        life: Epoch,
        key: &AccountKey,
        unreported: &Unreported,
    ) -> Audited<()> {
        let record = self.record(self.lost_lease(life, key));
        let covers = match &record {
            None => unreported.possible.is_zero(),
            Some(Record { state, claims, .. }) => {
                let amount = claims.first().map_or(Amount::ZERO, |claim| claim.amount);
                match state {
                    State::Reconciled(evidence) => {
                        let shown = evidence.amounts.get(key.unit).unwrap_or(amount);
                        unreported.done && shown == unreported.billed
                    }
                    State::Unknown { .. } => amount >= unreported.possible,
                    _ => false,
                }
            }
        };
        let what = || format!("of a lost lease of {key:?} there is {unreported:?}: {record:#?}");
        covers
            .then_some(())
            .ok_or_else(|| violation(Promise::NoAmnesia, what()))
    }

    /// The name of what stands in the worklist for a lease of a life that is over.
    pub(super) fn lost_lease(&self, life: Epoch, key: &AccountKey) -> RequestId {
        RequestId::of_lease(life, self.lives[&life].began_at, key)
    }

    /// Whether the books know for good what a claim cost.
    pub(super) fn is_known(&self, truth: &Truth, key: &AccountKey) -> bool {
        truth.is_final() || self.lost_lease_is_cleared(truth, key)
    }

    /// Whether it was spent of a lost lease that somebody has cleared up.
    pub(super) fn lost_lease_is_cleared(&self, truth: &Truth, key: &AccountKey) -> bool {
        if truth.booked.is_some() || !self.lives[&truth.life].over {
            return false;
        }
        let place = self.lost_lease(truth.life, key);
        let record = self.record(place);
        record.is_some_and(|record| matches!(record.state, State::Reconciled(_)))
    }
}
