//! What is left of a life that the books have closed while its replica went on.
//!
//! The books count the whole of its leases as unknown. Only the replica knows better: once the last
//! request of that life has ended, it says what was really spent.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{LeaseBook, Request};
use crate::ledger::{AccountKey, Epoch, Evidence, Outcome, Record, RequestId, State};
use crate::units::{Amount, Amounts, UtcTime};

/// Requests of a life that is over, and what they spent of its leases.
#[derive(Debug)]
pub struct Orphans {
    epoch: Epoch,
    began_at: UtcTime,
    under_way: HashMap<RequestId, Record>,
    /// What was charged of each lease and is not in the books.
    charged: BTreeMap<AccountKey, Amount>,
    /// Leases of which nobody knows all that was charged.
    in_doubt: BTreeSet<AccountKey>,
}

impl LeaseBook {
    /// Begins anew as `epoch`, which the books have begun with the [`proof`](Self::proof) of this life.
    /// `taken` is its last report that they have taken: the answer may have been lost.
    pub fn begin_anew(&mut self, epoch: Epoch, taken: u64, now: UtcTime) -> Orphans {
        if self
            .report
            .as_ref()
            .is_some_and(|report| report.number <= taken)
        {
            self.acknowledge(taken, &[]);
        }
        let old = std::mem::replace(self, Self::new(epoch, now));
        Orphans::of(old)
    }
}

impl Orphans {
    fn of(book: LeaseBook) -> Self {
        let mut orphans = Self {
            epoch: book.epoch,
            began_at: book.began_at,
            under_way: HashMap::new(),
            charged: BTreeMap::new(),
            in_doubt: BTreeSet::new(),
        };
        for lease in book.leases.iter().flatten() {
            orphans
                .charged
                .insert(AccountKey::from(&lease.account), Amount::ZERO);
        }
        for (request, Request { record, .. }) in book.requests {
            if record.state == State::Held {
                orphans.under_way.insert(request, record);
            } else {
                orphans.count(&record);
            }
        }
        orphans
    }

    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Ends one of them; whether it was one.
    pub fn close(&mut self, request: RequestId, outcome: &Outcome, now: UtcTime) -> bool {
        let Some(record) = self.under_way.remove(&request) else {
            return false;
        };
        self.count(&record.entering(outcome.state(), now));
        true
    }

    /// What the books count as unknown of each lease, and what it came to; `None` until all have ended. A
    /// lease of which that is not known stays in doubt.
    pub fn evidence(&self) -> Option<Vec<(RequestId, Evidence)>> {
        let evidence = |(key, charged): (&AccountKey, &Amount)| {
            let evidence = Evidence {
                amounts: Amounts::of(key.unit, *charged),
                by: "guard".into(),
                why: "the guard that had the lease has answered".into(),
            };
            (
                RequestId::of_lease(self.epoch, self.began_at, key),
                evidence,
            )
        };
        let known = |(key, _): &(&AccountKey, &Amount)| !self.in_doubt.contains(*key);
        let all = || self.charged.iter().filter(known).map(evidence).collect();
        self.under_way.is_empty().then(all)
    }

    /// A prediction is no evidence, and neither is an outcome that nobody knows.
    fn count(&mut self, record: &Record) {
        for claim in &record.claims {
            let key = AccountKey::from(&claim.account);
            match record.state.charged(claim) {
                Some(charged) if !record.state.is_only_predicted() => {
                    let sum = self.charged.entry(key).or_default();
                    *sum = sum.saturating_add(charged);
                }
                _ => drop(self.in_doubt.insert(key)),
            }
        }
    }
}
