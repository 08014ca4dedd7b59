//! Steps on one reservation: made, ended, cleared up, delivered.

use std::collections::BTreeSet;

use super::{Desk, Line, NewLand};
use crate::ledger::{
    AccountKey, EntryKind, Evidence, Land, LedgerError, MOST_OUTLINE_BYTES, NewReservation,
    Outcome, Record, RequestId, Reserved, Standing, State,
};
use crate::units::UtcTime;

impl Desk {
    pub(in crate::store) fn reserve(
        &mut self,
        new: &NewReservation,
        now: UtcTime,
    ) -> Result<Reserved, LedgerError> {
        self.must_live()?;
        if let Some(record) = self.find(new.request)? {
            let repeats = new.repeats(record);
            let repeated = repeats.then(|| self.standings(&new.claims, now));
            return repeated
                .ok_or(LedgerError::Reused(new.request))?
                .map(Reserved::Granted);
        }
        new.check_claims()?;
        let mut breaches = Vec::new();
        for claim in &new.claims {
            breaches.extend(self.breach(claim, now)?);
        }
        if !breaches.is_empty() {
            return Ok(Reserved::Full(breaches));
        }
        self.enter(new.held(now), &[EntryKind::Reserve], true, now)?;
        self.standings(&new.claims, now).map(Reserved::Granted)
    }

    pub(in crate::store) fn close(
        &mut self,
        request: RequestId,
        outcome: &Outcome,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        self.must_live()?;
        let record = self.must_find(request)?;
        if record.state == State::stopped()
            && let Some(evidence) = Evidence::of_the_guard_itself(outcome)
        {
            return self.reconcile(request, &evidence, now);
        }
        let claims = record.claims.clone();
        if record.state == State::Held {
            let kind = match outcome {
                Outcome::Settled(_) => EntryKind::Settle,
                Outcome::Voided => EntryKind::Void,
                Outcome::Unknown { .. } => EntryKind::Unknown,
            };
            self.enter(record.entering(outcome.state(), now), &[kind], true, now)?;
        }
        self.standings(&claims, now)
    }

    pub(in crate::store) fn reconcile(
        &mut self,
        request: RequestId,
        evidence: &Evidence,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        let record = self.must_find(request)?;
        let claims = record.claims.clone();
        let frees_land = evidence.frees_land(&record);
        let kinds: &[EntryKind] = match record.state {
            State::Unknown { .. } => &[EntryKind::Reconcile],
            ref state if state.is_only_predicted() => &[EntryKind::Reopen, EntryKind::Reconcile],
            State::Reconciled(_) => return self.standings(&claims, now),
            State::Held | State::Settled(_) | State::Voided => {
                return Err(LedgerError::NotInDoubt(request));
            }
        };
        let state = State::Reconciled(evidence.clone());
        self.enter(record.entering(state, now), kinds, true, now)?;
        self.note(&evidence.by, evidence.event(request), now);
        if frees_land {
            self.changed.freed.push(request);
        }
        self.standings(&claims, now)
    }

    pub(in crate::store) fn lock_land(&mut self, land: &Land) -> Result<bool, LedgerError> {
        self.must_live()?;
        let record = self.must_find(land.request)?;
        let number = |account| Ok(self.row(&AccountKey::from(account))?.id);
        let accounts = record.land_accounts().into_iter().map(number);
        let account_ids = accounts.collect::<Result<Vec<_>, LedgerError>>()?;
        if account_ids.is_empty() || land.outline.len() > MOST_OUTLINE_BYTES {
            return Ok(false);
        }
        self.changed.land.push(NewLand {
            land: land.clone(),
            account_ids,
        });
        Ok(true)
    }

    pub(in crate::store) fn deliver(&mut self, request: RequestId) -> Result<(), LedgerError> {
        self.must_live()?;
        let mut record = self.must_find(request)?;
        if record.fingerprint.take().is_some() {
            self.put(record);
        }
        Ok(())
    }

    pub(super) fn must_find(&self, request: RequestId) -> Result<Record, LedgerError> {
        let record = self.find(request)?.cloned();
        record.ok_or(LedgerError::NotReserved(request))
    }

    /// Puts a record in its new state, with a line for each claim and kind. Top-ups are left alone where
    /// what is used stays the same.
    pub(super) fn enter(
        &mut self,
        record: Record,
        kinds: &[EntryKind],
        redraws: bool,
        now: UtcTime,
    ) -> Result<(), LedgerError> {
        let before = self
            .records
            .get(&record.request)
            .map(|old| old.state.clone());
        let keys: BTreeSet<_> = record
            .claims
            .iter()
            .map(|claim| AccountKey::from(&claim.account))
            .collect();
        self.whole(&keys, |desk| {
            for claim in &record.claims {
                for kind in kinds {
                    let state = match (kind, &before) {
                        (EntryKind::Reserve, _) => &State::Held,
                        (EntryKind::Reopen, Some(before)) => before,
                        _ => &record.state,
                    };
                    let line = Line {
                        request: Some(record.request),
                        kind: *kind,
                        reserved: claim.amount,
                        charged: state.charged(claim).unwrap_or_default(),
                        note: state.note(),
                        limit: if redraws { desk.limit(claim)? } else { None },
                    };
                    desk.write(&AccountKey::from(&claim.account), line, now)?;
                }
            }
            Ok(())
        })?;
        self.put(record);
        Ok(())
    }
}
