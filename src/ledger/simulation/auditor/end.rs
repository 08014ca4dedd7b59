//! When all replicas have stopped well: nothing is held or leased, and the books say what Planet billed,
//! plus what is listed as unknown, to the last millionth.

use std::collections::BTreeMap;

use super::{Audited, Auditor, Promise, Truth, now, violation};
use crate::ledger::{AccountKey, Epoch, Evidence, Ledger, Record, RequestId, State, replay};
use crate::policy::Claim;
use crate::units::{Amount, Amounts};

impl Auditor {
    pub(in crate::ledger::simulation) fn all_have_stopped(&mut self) -> Audited<()> {
        self.records_agree()?;
        self.replays()?;
        let listed = self.listed();
        let mut unknown: BTreeMap<AccountKey, Amount> = BTreeMap::new();
        for claim in listed.iter().flat_map(|record| &record.claims) {
            add(&mut unknown, claim, claim.amount);
        }
        let mut settled: BTreeMap<AccountKey, Amount> = BTreeMap::new();
        for truth in self.truths.values() {
            for (key, claim) in truth.parts() {
                add(&mut settled, claim, self.settles(truth, key, claim));
            }
        }
        for (key, row) in &self.rows {
            let of =
                |sums: &BTreeMap<AccountKey, Amount>| sums.get(key).copied().unwrap_or_default();
            let charged = row.settled.saturating_add(row.overrun);
            let agrees = row.held.is_zero()
                && row.leased.is_zero()
                && charged == of(&settled)
                && row.unknown == of(&unknown);
            if !agrees {
                let (settled, unknown) = (of(&settled), of(&unknown));
                let what = format!("{settled} is known, {unknown} is listed, the row is {row:?}");
                return Err(violation(Promise::Actuals, what));
            }
        }
        Ok(())
    }

    /// All that is in doubt, with the evidence for it once it can be seen at Planet. Of the leases of lives
    /// that still go on in some replica's memory nothing can be said yet.
    pub(in crate::ledger::simulation) fn doubts(
        &self,
        going_on: &[Epoch],
    ) -> Vec<(RequestId, Evidence)> {
        let listed = self.listed();
        let doubted = listed.iter().filter_map(|record| {
            let amounts = self.seen_at_planet(record, going_on)?;
            Some((record.request, amounts))
        });
        let predicted = self.truths.iter().filter(|(_, truth)| {
            let booked = truth.booked.as_ref();
            booked.is_some_and(State::is_only_predicted)
        });
        let predicted =
            predicted.filter_map(|(request, truth)| Some((*request, truth.evidence()?)));
        let all = doubted.chain(predicted);
        all.map(|(request, amounts)| {
            let evidence = Evidence {
                amounts,
                by: "ops".into(),
                why: "seen in the account's usage".into(),
            };
            (request, evidence)
        })
        .collect()
    }

    /// The evidence has been taken for everything: the books are the bill.
    pub(in crate::ledger::simulation) fn all_is_cleared_up(&mut self) -> Audited<()> {
        self.all_have_stopped()?;
        for (key, row) in &self.rows {
            let claims = self.truths.values().flat_map(|truth| {
                let own = |claim: &&Claim| key.is_of(&claim.account);
                let claims = truth.claims.iter().filter(own);
                claims.map(|claim| truth.billed(claim))
            });
            let billed = claims.fold(Amount::ZERO, Amount::saturating_add);
            if row.used() != Some(billed) || !row.unknown.is_zero() {
                let what = format!("{billed} was billed, and in the end the row is {row:?}");
                return Err(violation(Promise::Actuals, what));
            }
        }
        Ok(())
    }

    fn listed(&self) -> Vec<Record> {
        now(self.books.unknowns(None, u32::MAX))
    }

    fn replays(&self) -> Audited<()> {
        let replayed = replay(&now(self.books.entries(0, u32::MAX)));
        let rows = now(self.books.balances());
        let same = replayed.is_ok_and(|replayed| replayed == rows);
        let same = same && self.rows.values().eq(&rows);
        let what = || violation(Promise::Journal, "the journal does not replay to the rows");
        same.then_some(()).ok_or_else(what)
    }

    /// What the books must have settled of a claim by now.
    fn settles(&self, truth: &Truth, key: &AccountKey, claim: &Claim) -> Amount {
        let predicted = truth.booked.as_ref().is_some_and(State::is_only_predicted);
        if predicted {
            claim.amount
        } else if self.is_known(truth, key) {
            truth.billed(claim)
        } else {
            Amount::ZERO
        }
    }

    /// What was billed for a request in doubt, or for all that was admitted from a lost lease.
    fn seen_at_planet(&self, record: &Record, going_on: &[Epoch]) -> Option<Amounts> {
        if let Some(truth) = self.truths.get(&record.request) {
            return truth.evidence();
        }
        let claim = record.claims.first()?;
        let key = AccountKey::from(&claim.account);
        let lost = |life: &&Epoch| self.lost_lease(**life, &key) == record.request;
        let life = self.lives.keys().find(lost).expect("a lease of a life");
        if going_on.contains(life) {
            return None;
        }
        let mut sum = Amount::ZERO;
        for truth in self.truths.values().filter(|truth| truth.booked.is_none()) {
            let own = |claim: &&Claim| key.is_of(&claim.account);
            let of_lease = truth.life == *life;
            if let (true, Some(claim)) = (of_lease, truth.claims.iter().find(own)) {
                truth.done.then_some(())?;
                sum = sum.saturating_add(truth.billed(claim));
            }
        }
        Some(Amounts::of(key.unit, sum))
    }
}

fn add(sums: &mut BTreeMap<AccountKey, Amount>, claim: &Claim, amount: Amount) {
    let sum = sums.entry(AccountKey::from(&claim.account)).or_default();
    *sum = sum.saturating_add(amount);
}
