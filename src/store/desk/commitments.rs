//! Steps on commitments: how each goes on, with what it takes and gives back.

use std::collections::BTreeSet;

use super::{Desk, Line};
use crate::ledger::{
    AccountKey, Commitment, EntryKind, GUARD, Kept, LedgerError, NewReservation, Record, RequestId,
    Turn,
};
use crate::policy::Account;
use crate::units::{Amount, UtcTime};

impl Desk {
    /// One after the other. The first that fails ends the step; those before it stand, and are found done when
    /// they are repeated.
    pub(in crate::store) fn keep(
        &mut self,
        turns: &[Turn],
        now: UtcTime,
    ) -> Result<Vec<Kept>, LedgerError> {
        self.must_live()?;
        turns.iter().map(|turn| self.take_turn(turn, now)).collect()
    }

    fn take_turn(&mut self, turn: &Turn, now: UtcTime) -> Result<Kept, LedgerError> {
        let next = &turn.commitment;
        let known = self.commitments.get(&next.id);
        if known == Some(next) {
            return Ok(Kept::Kept(Vec::new()));
        }
        if next.version != known.map_or(1, |known| known.version + 1) {
            return Ok(Kept::Overtaken(known.cloned().map(Box::new)));
        }
        let mut short = Vec::new();
        if let Some(takes) = &turn.takes {
            takes.check_claims()?;
            if self.find(takes.request)?.is_some() {
                return Err(LedgerError::Reused(takes.request));
            }
            for claim in &takes.claims {
                short.extend(self.breach(claim, now)?);
            }
        }
        self.whole(&accounts(turn), |desk| desk.move_amounts(turn, now))?;
        for what in short.iter().map(|breach| turn.short(breach)) {
            self.note(GUARD, what, now);
        }
        if let Some(why) = &turn.why {
            self.note(GUARD, why.clone(), now);
        }
        if turn.frees_land() {
            self.changed.freed.push(next.id.request);
        }
        self.put_commitment(next.clone());
        Ok(Kept::Kept(short))
    }

    /// What is given back goes first: it may have been taken by the very same turn.
    fn move_amounts(&mut self, turn: &Turn, now: UtcTime) -> Result<(), LedgerError> {
        for (account, amount) in &turn.gives_back {
            self.give_back(account, *amount, turn, now)?;
        }
        if !turn.gives_back.is_empty() {
            self.keep_from_correction(turn.commitment.id.request)?;
        }
        match &turn.takes {
            Some(takes) => self.settle(takes, now),
            None => Ok(()),
        }
    }

    /// Settles what was never asked for.
    fn settle(&mut self, takes: &NewReservation, now: UtcTime) -> Result<(), LedgerError> {
        let kinds = [EntryKind::Reserve, EntryKind::Settle];
        self.enter(takes.settled(now), &kinds, true, now)
    }

    /// What made a commitment is not given back as a whole once some of it was.
    fn keep_from_correction(&mut self, request: RequestId) -> Result<(), LedgerError> {
        let Some(record) = self.find(request)? else {
            return Ok(());
        };
        if let Some(state) = record.state.partly_given_back() {
            let record = Record {
                state,
                ..record.clone()
            };
            self.put(record);
        }
        Ok(())
    }

    /// No more than is settled there.
    fn give_back(
        &mut self,
        account: &Account,
        amount: Amount,
        turn: &Turn,
        now: UtcTime,
    ) -> Result<(), LedgerError> {
        let key = AccountKey::from(account);
        let amount = amount.min(self.row(&key)?.balance.settled);
        for (kind, charged) in [
            (EntryKind::Reopen, amount),
            (EntryKind::Reconcile, Amount::ZERO),
        ] {
            let line = Line {
                charged,
                note: turn.why.as_deref().unwrap_or_default().into(),
                ..Line::of_lease(kind, amount, None)
            };
            self.write(&key, line, now)?;
        }
        Ok(())
    }

    fn put_commitment(&mut self, next: Commitment) {
        self.changed.commitments.insert(next.id);
        self.commitments.insert(next.id, next);
    }
}

fn accounts(turn: &Turn) -> BTreeSet<AccountKey> {
    let taken = turn.takes.iter().flat_map(|takes| &takes.claims);
    let taken = taken.map(|claim| AccountKey::from(&claim.account));
    let given = turn.gives_back.iter();
    taken
        .chain(given.map(|(account, _)| AccountKey::from(account)))
        .collect()
}
