//! What goes to the books, and what their answer changes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::slice::Lease;
use super::{LeaseBook, MOST_RECORDS, Place, READY};
use crate::ledger::{AccountKey, Leased, Record, Report, Want};
use crate::units::{Amount, UtcTime};

/// The books hear at least this often from a replica, so that they do not give it up.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// After the books had less to give than was wanted, they are not asked for more for so long.
const PAUSE: Duration = Duration::from_millis(500);

impl LeaseBook {
    /// The report that is due, if any. One that was not answered is the same until it is.
    pub fn report_due(&mut self, now: UtcTime) -> Option<Report> {
        if self.report.is_none() {
            self.report = self.plan(now);
        }
        self.report.clone()
    }

    /// Whether there is anything that the books have not been told.
    pub fn has_news(&self) -> bool {
        self.report.is_some() || !self.ended.is_empty()
    }

    /// Makes the next report give back what is not needed of these accounts. Says whether that is anything.
    pub fn give_back<'a>(&mut self, accounts: impl Iterator<Item = &'a AccountKey>) -> bool {
        let mut any = false;
        for key in accounts {
            let place = self.places.get(key).copied();
            if let Some(lease) = place.and_then(|place| self.lease_mut(place)) {
                lease.recalled = true;
                any |= !lease.unspent().is_zero();
            }
        }
        any
    }

    /// The same of all accounts, before this life ends. One more report is due, whatever there is to say:
    /// books that have not seen it were put back to an earlier moment.
    pub fn give_back_all(&mut self) {
        self.heard_at = UtcTime::UNIX_EPOCH;
        for lease in self.leases.iter_mut().flatten() {
            lease.recalled = true;
        }
    }

    /// The books have taken the report, and this is what they said.
    pub fn acknowledge(&mut self, number: u64, answer: &[Leased]) {
        let Some(report) = self.report.take_if(|report| report.number == number) else {
            return;
        };
        self.reported = number;
        self.heard_at = self.planned_at;
        for record in &report.ended {
            self.forget(record);
        }
        let retry_at = self
            .planned_at
            .saturating_add(PAUSE)
            .unwrap_or(UtcTime::MAX);
        for (want, leased) in report.wants.iter().zip(answer) {
            let place = self.places.get(&AccountKey::from(&leased.account)).copied();
            if let Some(lease) = place.and_then(|place| self.lease_mut(place)) {
                lease.hear(want, leased, retry_at);
            }
        }
        self.drop_what_is_over();
    }

    fn plan(&mut self, now: UtcTime) -> Option<Report> {
        let elapsed = now.duration_since(self.planned_at);
        let elapsed = if elapsed.is_negative() {
            Duration::ZERO
        } else {
            elapsed.unsigned_abs()
        };
        self.planned_at = now;
        let (ended, leaving) = self.take_ended();
        let mut wants = Vec::new();
        for (place, slot) in self.leases.iter_mut().enumerate() {
            if let Some(lease) = slot {
                lease.demand.settle(elapsed);
                wants.extend(lease.want(leaving.get(&place).copied(), now));
            }
        }
        let silence = now.duration_since(self.heard_at).unsigned_abs();
        let due = !ended.is_empty() || !wants.is_empty() || silence >= HEARTBEAT;
        due.then(|| Report {
            number: self.reported + 1,
            ended,
            wants,
        })
    }

    /// The next requests that the books should know of, and what they take out of which lease.
    fn take_ended(&mut self) -> (Vec<Record>, BTreeMap<Place, Amount>) {
        let batch = self.ended.len().min(MOST_RECORDS);
        let (mut ended, mut leaving) = (Vec::with_capacity(batch), BTreeMap::new());
        for id in self.ended.drain(..batch) {
            let Some(known) = self.requests.get(&id) else {
                continue;
            };
            for (place, claim) in known.places.iter().zip(&known.record.claims) {
                let sum: &mut Amount = leaving.entry(*place).or_default();
                *sum = sum.saturating_add(known.record.taken(claim));
            }
            ended.push(known.record.clone());
        }
        (ended, leaving)
    }

    /// A request is in the books now.
    fn forget(&mut self, record: &Record) {
        let Some(known) = self.requests.remove(&record.request) else {
            return;
        };
        for (place, claim) in known.places.iter().zip(&record.claims) {
            if let Some(lease) = self.lease_mut(*place) {
                lease.acknowledge(record.taken(claim));
            }
        }
    }

    fn drop_what_is_over(&mut self) {
        for (place, slot) in self.leases.iter_mut().enumerate() {
            if let Some(lease) = slot.take_if(|lease| lease.is_over()) {
                self.places.remove(&AccountKey::from(&lease.account));
                self.vacant.push(place);
            }
        }
    }
}

impl Lease {
    /// What the books should know or change of it. The report that is being made takes `leaving` out of it.
    fn want(&mut self, leaving: Option<Amount>, now: UtcTime) -> Option<Want> {
        let gone = leaving.unwrap_or_default();
        let staying = self.taken().minus(gone);
        let ready = if self.recalled {
            Amount::ZERO
        } else {
            self.demand.over(READY)
        };
        let left = self.unspent();
        let short = left < ready.part_floor(2) && !self.waits(now);
        let plenty = left > ready.saturating_add(ready) || (self.recalled && !left.is_zero());
        let keep = if short || plenty { ready } else { left };
        self.leaving = left.minus(keep);
        let due = leaving.is_some() || short || plenty || self.recalled;
        due.then(|| Want {
            account: self.account.clone(),
            limit: self.limit,
            amount: staying.saturating_add(keep),
            yields: self.recalled,
        })
    }

    /// Whether the books had less to give a moment ago. One that lies far ahead was noted by another clock.
    fn waits(&self, now: UtcTime) -> bool {
        let wait = self.retry_at.duration_since(now);
        wait.is_positive() && wait.unsigned_abs() <= PAUSE
    }

    fn hear(&mut self, want: &Want, answer: &Leased, retry_at: UtcTime) {
        let refused = answer.amount < want.amount;
        if refused {
            self.retry_at = retry_at;
        }
        self.held = answer.amount;
        self.leaving = Amount::ZERO;
        self.remaining = answer.remaining;
        self.recalled = answer.recalled || (self.recalled && !want.yields);
        if self.held.is_zero() {
            // the books have forgotten the lease, and count anew with the next
            (self.acknowledged, self.mark, self.marking) = (Amount::ZERO, Amount::ZERO, None);
        }
    }

    fn acknowledge(&mut self, taken: Amount) {
        self.spent = self.spent.minus(taken);
        self.held = self.held.minus(taken);
        self.acknowledged = self.acknowledged.saturating_add(taken);
    }
}
