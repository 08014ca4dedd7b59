//! The lives of replicas: begun, left, given up; and what is left open when one ends.

use std::collections::BTreeSet;

use super::{Desk, Line};
use crate::ledger::{
    AccountKey, Begun, EntryKind, Epoch, Evidence, LedgerError, Marks, Proof, Record, ReplicaId,
    RequestId, State, gave_up,
};
use crate::store::tables::Life;
use crate::units::{Amount, UtcTime};

impl Desk {
    pub(in crate::store) fn begin(
        &mut self,
        proof: Option<&Proof>,
        now: UtcTime,
    ) -> Result<Begun, LedgerError> {
        let keys = self.every_row();
        self.whole(&keys, |desk| desk.begin_anew(proof, now))
    }

    pub(in crate::store) fn leave(&mut self, now: UtcTime) -> Result<(), LedgerError> {
        let me = self.must_live()?;
        let keys = self.every_row();
        self.whole(&keys, |desk| {
            desk.bury(me, Some(&Marks::new()), now).map(drop)
        })
    }

    pub(in crate::store) fn give_up(
        &mut self,
        silent_since: UtcTime,
        now: UtcTime,
    ) -> Result<Vec<ReplicaId>, LedgerError> {
        let me = self.must_live()?;
        let lives = self.context()?.lives.iter();
        let silent = lives
            .filter(|(epoch, life)| **epoch != me && !life.over && life.seen_at < silent_since);
        let silent: Vec<_> = silent.map(|(epoch, life)| (*epoch, life.replica)).collect();
        if silent.is_empty() {
            return Ok(Vec::new());
        }
        let keys = self.every_row();
        self.whole(&keys, |desk| {
            for (epoch, replica) in &silent {
                desk.bury(*epoch, None, now)?;
                let own = desk.replica.to_string();
                desk.note(&own, gave_up(*replica), now);
            }
            Ok(())
        })?;
        Ok(silent.into_iter().map(|(_, replica)| replica).collect())
    }

    /// The life that this replica leads; an error when the books have closed it.
    pub(super) fn must_live(&self) -> Result<Epoch, LedgerError> {
        let lives = &self.context()?.lives;
        let living = self
            .me
            .filter(|me| lives.get(me).is_some_and(|life| life.is_of(self.replica)));
        living.ok_or(LedgerError::Fenced)
    }

    fn begin_anew(&mut self, proof: Option<&Proof>, now: UtcTime) -> Result<Begun, LedgerError> {
        let replica = self.replica;
        if let Some(proof) = proof {
            let known = self.context()?.lives.get(&proof.epoch);
            let seen = known.is_some_and(|l| l.replica == replica && l.reported >= proof.reported);
            seen.then_some(()).ok_or(LedgerError::Restored)?;
            self.clear_up(proof, now)?;
        }
        let lives = &self.context()?.lives;
        let earlier = match proof {
            Some(proof) => lives.get(&proof.epoch),
            None => lives.values().rfind(|life| life.replica == replica),
        };
        let reported = earlier.map_or(0, |life| life.reported);
        let unclosed = lives.iter().filter(|(_, life)| life.is_of(replica));
        let mut unclosed: Vec<Epoch> = unclosed.map(|(epoch, _)| *epoch).collect();
        if self
            .holders
            .values()
            .any(|holder| *holder == Epoch::default())
        {
            unclosed.push(Epoch::default()); // held before lives were counted
        }
        let mut in_doubt = 0;
        for epoch in unclosed {
            let marks = proof
                .filter(|proof| proof.epoch == epoch)
                .and_then(|proof| proof.marks.as_ref());
            in_doubt += self.bury(epoch, marks, now)?;
        }
        let context = self.context_mut()?;
        let epoch = Epoch::from_number(context.last_life.number() + 1);
        let life = Life {
            seen_at: context.heard_at(now),
            ..Life::new(replica, now)
        };
        context.last_life = epoch;
        context.lives.insert(epoch, life);
        self.changed.lives.insert(epoch);
        self.me = Some(epoch);
        Ok(Begun {
            epoch,
            in_doubt,
            reported,
        })
    }

    /// Ends a life. What it held is unknown, and of its leases what `marks` do not show to be unspent.
    fn bury(
        &mut self,
        epoch: Epoch,
        marks: Option<&Marks>,
        now: UtcTime,
    ) -> Result<u64, LedgerError> {
        let mut in_doubt = 0;
        let held = self.holders.iter().filter(|(_, holder)| **holder == epoch);
        let held: Vec<RequestId> = held.map(|(request, _)| *request).collect();
        for request in held {
            let record = self.must_find(request)?;
            if record.state == State::Held {
                let record = record.entering(State::stopped(), now);
                self.enter(record, &[EntryKind::Unknown], false, now)?;
                in_doubt += 1;
            }
        }
        for key in self.leased_by(epoch) {
            let slice = self.row(&key)?.slice(epoch);
            let spent = |marks: &Marks| {
                let mark = marks.get(&key).copied().unwrap_or_default();
                mark.minus(slice.spent).min(slice.amount)
            };
            let lost = marks.map_or(slice.amount, spent);
            in_doubt += u64::from(!lost.is_zero());
            self.lose(epoch, &key, lost, marks.is_some(), now)?;
        }
        if let Some(life) = self.context_mut()?.lives.get_mut(&epoch) {
            life.over = true;
            self.changed.lives.insert(epoch);
        }
        Ok(in_doubt)
    }

    /// Of a lease, what may have been spent is unknown and the rest is free. What had been reported is
    /// kept, for a journal that turns up later.
    fn lose(
        &mut self,
        epoch: Epoch,
        key: &AccountKey,
        lost: Amount,
        proven: bool,
        now: UtcTime,
    ) -> Result<(), LedgerError> {
        let began_at = self
            .context()?
            .lives
            .get(&epoch)
            .map_or(now, |life| life.began_at);
        let row = self.row_mut(key)?;
        let account = row.balance.account.clone();
        let slice = row.leases.entry(epoch).or_default();
        let rest = slice.amount.minus(lost);
        slice.amount = Amount::ZERO;
        self.changed.accounts.insert(key.clone());
        if !lost.is_zero() {
            let record = Record::of_lost_lease(epoch, began_at, &account, lost, proven, now);
            self.enter(record, &[EntryKind::Doubt], false, now)?;
        }
        self.write(key, Line::of_lease(EntryKind::Return, rest, None), now)
    }

    /// What the journal of a life that was given up shows: no more than that can have been spent. How much
    /// of that was spent stays in doubt.
    fn clear_up(&mut self, proof: &Proof, now: UtcTime) -> Result<(), LedgerError> {
        let over = self
            .context()?
            .lives
            .get(&proof.epoch)
            .filter(|life| life.over);
        let began_at = over.map(|life| life.began_at);
        let (Some(began_at), Some(marks)) = (began_at, &proof.marks) else {
            return Ok(());
        };
        for key in self.leased_by(proof.epoch) {
            let row = self.row_mut(&key)?;
            let spent = row.leases.remove(&proof.epoch).unwrap_or_default().spent;
            self.changed.accounts.insert(key.clone());
            let request = RequestId::of_lease(proof.epoch, began_at, &key);
            let mark = marks.get(&key).copied().unwrap_or_default();
            let doubted = self.find(request)?.filter(|record| record.is_unknown());
            if let Some(record) = doubted.cloned() {
                self.lessen(&key, record, mark.minus(spent), now)?;
            }
        }
        Ok(())
    }

    /// Leaves no more than `most` of a lost lease in doubt.
    fn lessen(
        &mut self,
        key: &AccountKey,
        record: Record,
        most: Amount,
        now: UtcTime,
    ) -> Result<(), LedgerError> {
        let Some(claim) = record.claims.first().cloned() else {
            return Ok(());
        };
        let (request, unspent) = (record.request, claim.amount.minus(most));
        let evidence = Evidence::of_journal(&claim.account);
        if most.is_zero() {
            return self.reconcile(request, &evidence, now).map(drop);
        }
        if unspent.is_zero() {
            return Ok(());
        }
        self.put(record.lessened(most));
        let line = Line {
            request: Some(request),
            kind: EntryKind::Reconcile,
            reserved: unspent,
            charged: Amount::ZERO,
            note: State::Reconciled(evidence).note(),
            limit: self.limit(&claim)?,
        };
        self.write(key, line, now)
    }

    fn leased_by(&self, epoch: Epoch) -> BTreeSet<AccountKey> {
        let leased = self
            .rows
            .iter()
            .filter(|(_, row)| row.leases.contains_key(&epoch));
        leased.map(|(key, _)| key.clone()).collect()
    }

    fn every_row(&self) -> BTreeSet<AccountKey> {
        self.rows.keys().cloned().collect()
    }
}
