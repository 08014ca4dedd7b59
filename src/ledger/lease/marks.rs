//! What the journal must say before more of a lease may be spent.

use std::collections::BTreeMap;

use super::slice::Lease;
use super::{LeaseBook, STEP};
use crate::ledger::{AccountKey, Proof};
use crate::units::Amount;

/// Marks to write, each the most that may have been spent of a lease since it was granted.
pub type Marks = BTreeMap<AccountKey, Amount>;

impl LeaseBook {
    /// The marks that must be raised, ahead of need; they count once they are [`marked`](Self::marked).
    pub fn marks_due(&mut self) -> Marks {
        let mut due = Marks::new();
        for lease in self.leases.iter_mut().flatten() {
            if let Some(mark) = lease.next_mark() {
                lease.marking = Some(mark);
                due.insert(AccountKey::from(&lease.account), mark);
            }
        }
        due
    }

    /// These marks are on the disk.
    pub fn marked(&mut self, marks: &Marks) {
        for (key, mark) in marks {
            let place = self.places.get(key).copied();
            let lease = place.and_then(|place| self.lease_mut(place));
            if let Some(lease) = lease.filter(|lease| lease.marking == Some(*mark)) {
                (lease.mark, lease.marking) = (*mark, None);
            }
        }
    }

    /// The disk did not take the marks: nothing more is spent than it knows of.
    pub fn not_marked(&mut self) {
        for lease in self.leases.iter_mut().flatten() {
            lease.marking = None;
        }
    }

    /// What this life can show to the books when they have closed it. Nothing is admitted any more after
    /// that: what it shows is all that it can have spent, although its answer may be lost.
    pub fn proof(&mut self) -> Proof {
        self.shown = true;
        Proof {
            epoch: self.epoch,
            reported: self.reported,
            marks: Some(self.marks()),
        }
    }

    /// Every mark that counts now: what the journal must still say after it was written anew.
    pub fn marks(&self) -> Marks {
        let marked = self
            .leases
            .iter()
            .flatten()
            .filter(|lease| !lease.mark.is_zero());
        marked
            .map(|lease| (AccountKey::from(&lease.account), lease.mark))
            .collect()
    }
}

impl Lease {
    pub(super) fn runs_short(&self) -> bool {
        self.next_mark().is_some()
    }

    /// A higher mark, when what the present one still allows runs short.
    fn next_mark(&self) -> Option<Amount> {
        let step = self.demand.over(STEP).max(self.demand.largest());
        let spent = self.acknowledged.saturating_add(self.taken());
        let room = self.mark.minus(spent);
        let most = self.acknowledged.saturating_add(self.held);
        let next = spent.saturating_add(step).min(most);
        let due = self.marking.is_none() && room < step.part_floor(2).max(self.demand.largest());
        (due && next > self.mark).then_some(next)
    }
}
