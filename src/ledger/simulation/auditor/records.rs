//! What the books keep of each request is what its guard said, and what Planet did.

use super::{Audited, Auditor, Promise, Truth, violation};
use crate::ledger::{AccountKey, Evidence, Record, RequestId, State};
use crate::policy::Claim;

impl Auditor {
    /// Compares the record of a request with what is true of it. Lost leases are no requests.
    pub(super) fn record_agrees(&mut self, request: RequestId) -> Audited<()> {
        let record = self.record(request);
        let Some(truth) = self.truths.get_mut(&request) else {
            return Ok(());
        };
        let Some(record) = record else {
            let what = format!("{request} is not in the books: {truth:?}");
            let may_be_missing = truth.from_lease;
            return may_be_missing
                .then_some(())
                .ok_or_else(|| violation(Promise::Actuals, what));
        };
        truth.booked = Some(record.state.clone());
        truth.agrees(&record)
    }

    pub(super) fn records_agree(&mut self) -> Audited<()> {
        let all: Vec<RequestId> = self.truths.keys().copied().collect();
        all.into_iter()
            .try_for_each(|request| self.record_agrees(request))
    }
}

impl Truth {
    fn agrees(&self, record: &Record) -> Audited<()> {
        let set = |claims: &[Claim]| -> Vec<_> {
            let part = |claim: &Claim| (AccountKey::from(&claim.account), claim.amount);
            claims.iter().map(part).collect()
        };
        let claims = set(&record.claims) == set(&self.claims);
        let said = self.said.as_ref().map(crate::ledger::Outcome::state);
        let (promise, agrees) = match &record.state {
            _ if !claims => (Promise::SameSet, false),
            State::Held => (Promise::Once, said.is_none() && !self.from_lease),
            state @ (State::Settled(_) | State::Voided) => {
                (Promise::Actuals, said.as_ref() == Some(state))
            }
            State::Unknown { .. } => (Promise::NoAmnesia, true),
            State::Reconciled(evidence) => (Promise::NoAmnesia, self.shows(evidence)),
        };
        let what = || format!("the books say {record:#?}, and the truth is {self:#?}");
        agrees
            .then_some(())
            .ok_or_else(|| violation(promise, what()))
    }

    /// Whether evidence says what Planet has really billed.
    fn shows(&self, evidence: &Evidence) -> bool {
        let shown = |claim: &Claim| {
            let amount = evidence.amounts.get(claim.account.unit);
            amount.unwrap_or(claim.amount) == self.billed(claim)
        };
        self.done && self.claims.iter().all(shown)
    }
}
