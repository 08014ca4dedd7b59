//! The lives of replicas, and the leases that each of them has.

use super::books::{Books, Line, overflow};
use crate::ledger::{
    AccountKey, Begun, EntryKind, Epoch, Evidence, Leased, LedgerError, Marks, Proof, Record,
    ReplicaId, Report, RequestId, State, Want, gave_up, heard_at, is_quiet, portion,
};
use crate::policy::Account;
use crate::units::{Amount, UtcTime};

#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) replica: ReplicaId,
    began_at: UtcTime,
    seen_at: UtcTime,
    over: bool,
    /// The last report that was taken.
    reported: u64,
}

/// What one life leases of one account.
#[derive(Clone, Debug)]
pub(super) struct Slice {
    account: Account,
    /// Not reported as spent.
    pub(super) amount: Amount,
    /// Reported as spent since it was first granted.
    spent: Amount,
    recall: Recall,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Recall {
    No,
    Asked,
    Answered,
}

impl Life {
    /// Whether this is how `replica` lives now.
    pub(super) fn is_of(&self, replica: ReplicaId) -> bool {
        self.replica == replica && !self.over
    }
}

impl Books {
    pub(super) fn must_live(&self, me: Epoch) -> Result<(), LedgerError> {
        let lives = self.lives.get(&me).is_some_and(|life| !life.over);
        lives.then_some(()).ok_or(LedgerError::Fenced)
    }

    pub(super) fn begin(
        &mut self,
        replica: ReplicaId,
        proof: Option<&Proof>,
        now: UtcTime,
    ) -> Result<Begun, LedgerError> {
        if let Some(proof) = proof {
            let known = self.lives.get(&proof.epoch);
            let seen = known.is_some_and(|l| l.replica == replica && l.reported >= proof.reported);
            seen.then_some(()).ok_or(LedgerError::Restored)?;
            self.clear_up(proof, now)?;
        }
        let earlier = match proof {
            Some(proof) => self.lives.get(&proof.epoch),
            None => self.lives.values().rfind(|life| life.replica == replica),
        };
        let reported = earlier.map_or(0, |life| life.reported);
        let unclosed = self.lives.iter().filter(|(_, life)| life.is_of(replica));
        let unclosed: Vec<Epoch> = unclosed.map(|(epoch, _)| *epoch).collect();
        let mut in_doubt = 0;
        for epoch in unclosed {
            let own = proof.filter(|proof| proof.epoch == epoch);
            let marks = own.and_then(|proof| proof.marks.as_ref());
            in_doubt += self.bury(epoch, marks, now)?;
        }
        let last = self
            .lives
            .keys()
            .next_back()
            .map_or(0, |last| last.number());
        let epoch = Epoch::from_number(last + 1);
        let life = Life {
            replica,
            began_at: now,
            seen_at: self.heard_at(now),
            over: false,
            reported: 0,
        };
        self.lives.insert(epoch, life);
        Ok(Begun {
            epoch,
            in_doubt,
            reported,
        })
    }

    fn heard_at(&self, now: UtcTime) -> UtcTime {
        let living = self.lives.values().filter(|life| !life.over);
        heard_at(now, living.map(|life| life.seen_at))
    }

    pub(super) fn leave(&mut self, me: Epoch, now: UtcTime) -> Result<(), LedgerError> {
        self.bury(me, Some(&Marks::new()), now).map(drop)
    }

    pub(super) fn give_up(
        &mut self,
        me: Epoch,
        silent_since: UtcTime,
        now: UtcTime,
    ) -> Result<Vec<ReplicaId>, LedgerError> {
        let silent = self
            .lives
            .iter()
            .filter(|(epoch, life)| **epoch != me && !life.over && life.seen_at < silent_since);
        let silent: Vec<_> = silent.map(|(epoch, life)| (*epoch, life.replica)).collect();
        for (epoch, replica) in &silent {
            self.bury(*epoch, None, now)?;
            let own = self.lives.get(&me).map(|life| life.replica.to_string());
            self.note(&own.unwrap_or_default(), gave_up(*replica), now);
        }
        Ok(silent.into_iter().map(|(_, replica)| replica).collect())
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
            self.holders.remove(&request);
            let record = self.find(request)?.entering(State::stopped(), now);
            self.enter(None, &record, &[EntryKind::Unknown], now)?;
            in_doubt += 1;
        }
        let leases = self.slices.iter().filter(|((of, _), _)| *of == epoch);
        let leases: Vec<_> = leases
            .map(|((_, key), slice)| (key.clone(), slice.clone()))
            .collect();
        for (key, slice) in leases {
            let spent = |marks: &Marks| {
                let mark = marks.get(&key).copied().unwrap_or_default();
                mark.minus(slice.spent).min(slice.amount)
            };
            let lost = marks.map_or(slice.amount, spent);
            in_doubt += u64::from(!lost.is_zero());
            self.lose(epoch, &key, lost, marks.is_some(), now)?;
        }
        if let Some(life) = self.lives.get_mut(&epoch) {
            life.over = true;
        }
        Ok(in_doubt)
    }

    /// Of a lease, what may have been spent is unknown and the rest is free.
    fn lose(
        &mut self,
        epoch: Epoch,
        key: &AccountKey,
        lost: Amount,
        proven: bool,
        now: UtcTime,
    ) -> Result<(), LedgerError> {
        let began_at = self.lives.get(&epoch).map_or(now, |life| life.began_at);
        let Some(slice) = self.slices.get_mut(&(epoch, key.clone())) else {
            return Ok(());
        };
        let (account, rest) = (slice.account.clone(), slice.amount.minus(lost));
        slice.amount = rest;
        if !lost.is_zero() {
            let record = Record::of_lost_lease(epoch, began_at, &account, lost, proven, now);
            self.enter(None, &record, &[EntryKind::Doubt], now)?;
        }
        if let Some(slice) = self.slices.get_mut(&(epoch, key.clone())) {
            slice.amount = Amount::ZERO;
        }
        self.write(Line::of_lease(&account, EntryKind::Return, rest, None), now)
    }

    /// What the journal of a life that was given up shows: no more than that can have been spent. How much
    /// of that was spent stays in doubt.
    fn clear_up(&mut self, proof: &Proof, now: UtcTime) -> Result<(), LedgerError> {
        let over = self.lives.get(&proof.epoch).filter(|life| life.over);
        let began_at = over.map(|life| life.began_at);
        let (Some(began_at), Some(marks)) = (began_at, &proof.marks) else {
            return Ok(());
        };
        let leases = self.slices.iter().filter(|((of, _), _)| *of == proof.epoch);
        let spent: Vec<_> = leases
            .map(|((_, key), slice)| (key.clone(), slice.spent))
            .collect();
        for (key, spent) in spent {
            let request = RequestId::of_lease(proof.epoch, began_at, &key);
            let mark = marks.get(&key).copied().unwrap_or_default();
            self.slices.remove(&(proof.epoch, key));
            let doubted = self.records.get(&request).filter(|r| r.is_unknown());
            if let Some(record) = doubted.cloned() {
                self.lessen(proof.epoch, record, mark.minus(spent), now)?;
            }
        }
        Ok(())
    }

    /// Leaves no more than `most` of a lost lease in doubt.
    fn lessen(
        &mut self,
        me: Epoch,
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
            return self.reconcile(me, request, &evidence, now).map(drop);
        }
        if unspent.is_zero() {
            return Ok(());
        }
        self.records.insert(request, record.lessened(most));
        let line = Line {
            request: Some(request),
            account: &claim.account,
            kind: EntryKind::Reconcile,
            reserved: unspent,
            charged: Amount::ZERO,
            note: State::Reconciled(evidence).note(),
            limit: self.limit(me, &claim),
        };
        self.write(line, now)
    }

    pub(super) fn report(
        &mut self,
        me: Epoch,
        report: &Report,
        now: UtcTime,
    ) -> Result<Vec<Leased>, LedgerError> {
        let seen_at = self.heard_at(now);
        let life = self.lives.get_mut(&me).ok_or(LedgerError::Fenced)?;
        if report.number > life.reported.saturating_add(1) {
            return Err(LedgerError::Restored);
        }
        life.seen_at = seen_at;
        if report.number > life.reported {
            life.reported = report.number;
            self.book(me, report, now)?;
            let mut wants: Vec<&Want> = report.wants.iter().collect();
            wants.sort_by_key(|want| AccountKey::from(&want.account));
            for want in wants {
                self.lease(me, want, now)?;
            }
        }
        let leased = report.wants.iter().map(|want| self.leased(me, want, now));
        leased.collect()
    }

    fn book(&mut self, me: Epoch, report: &Report, now: UtcTime) -> Result<(), LedgerError> {
        for record in &report.ended {
            if self.records.contains_key(&record.request) {
                return Err(LedgerError::Reused(record.request));
            }
        }
        let spent = report.spent()?;
        for (key, sum) in &spent {
            self.take(me, key, sum.taken)?;
        }
        for (_, claim) in report.doubtful() {
            self.take(me, &AccountKey::from(&claim.account), claim.amount)?;
        }
        for record in &report.ended {
            self.records.insert(record.request, record.clone());
        }
        for sum in spent.values() {
            let line = Line {
                request: None,
                account: &sum.claim.account,
                kind: EntryKind::Spend,
                reserved: sum.taken,
                charged: sum.charged,
                note: "".into(),
                limit: self.limit(me, sum.claim),
            };
            self.write(line, now)?;
        }
        for (record, claim) in report.doubtful() {
            let line = Line {
                request: Some(record.request),
                account: &claim.account,
                kind: EntryKind::Doubt,
                reserved: claim.amount,
                charged: Amount::ZERO,
                note: record.state.note(),
                limit: self.limit(me, claim),
            };
            self.write(line, now)?;
        }
        Ok(())
    }

    fn take(&mut self, me: Epoch, key: &AccountKey, amount: Amount) -> Result<(), LedgerError> {
        if amount.is_zero() {
            return Ok(());
        }
        let slice = self.slices.get_mut(&(me, key.clone()));
        let taken = slice.and_then(|slice| {
            slice.spent = slice.spent.checked_add(amount)?;
            slice.amount = slice.amount.checked_sub(amount)?;
            Some(())
        });
        taken.ok_or_else(|| LedgerError::Corrupt {
            what: format!(
                "more was spent of a lease of budget {} than it held",
                key.budget
            ),
        })
    }

    /// Brings a lease to what is wanted of it, as far as the account allows.
    fn lease(&mut self, me: Epoch, want: &Want, now: UtcTime) -> Result<(), LedgerError> {
        let place = (me, AccountKey::from(&want.account));
        let granted = self.grantable(me, want, now)?;
        let limit = self.limit(me, &want.claim());
        let slice = self.slices.entry(place.clone()).or_insert_with(|| Slice {
            account: want.account.clone(),
            amount: Amount::ZERO,
            spent: Amount::ZERO,
            recall: Recall::No,
        });
        if want.yields {
            slice.recall = Recall::Answered;
        }
        let more = want.amount.minus(slice.amount).min(granted);
        let back = slice.amount.minus(want.amount);
        if !more.is_zero() {
            slice.recall = Recall::No;
        }
        slice.amount = slice.amount.saturating_add(more).minus(back);
        if slice.amount.is_zero() {
            self.slices.remove(&place);
        }
        self.write(
            Line::of_lease(&want.account, EntryKind::Lease, more, limit),
            now,
        )?;
        self.write(
            Line::of_lease(&want.account, EntryKind::Return, back, limit),
            now,
        )
    }

    /// Half of what is left, shared between all that live; nothing for a while after a recall.
    fn grantable(&self, me: Epoch, want: &Want, now: UtcTime) -> Result<Amount, LedgerError> {
        let recalled = self.recalls.get(&AccountKey::from(&want.account));
        if recalled.is_some_and(|at| is_quiet(*at, now)) {
            return Ok(Amount::ZERO);
        }
        let balance = self.balance(&want.account)?;
        let used = balance.used().ok_or_else(|| overflow(&want.account))?;
        let Some(limit) = self.limit(me, &want.claim()) else {
            return Ok(Amount::MAX.minus(used));
        };
        let living = self.lives.values().filter(|life| !life.over).count();
        Ok(portion(self.remaining(limit, &balance, now), living))
    }

    fn leased(&self, me: Epoch, want: &Want, now: UtcTime) -> Result<Leased, LedgerError> {
        let slice = self.slices.get(&(me, AccountKey::from(&want.account)));
        let balance = self.balance(&want.account)?;
        let limit = self.limit(me, &want.claim());
        let used = balance.used().ok_or_else(|| overflow(&want.account))?;
        let beyond = limit.is_some_and(|limit| used > self.most(limit, &balance, now));
        Ok(Leased {
            account: want.account.clone(),
            amount: slice.map_or(Amount::ZERO, |slice| slice.amount),
            remaining: limit.map(|limit| self.remaining(limit, &balance, now)),
            recalled: slice.is_some_and(|slice| beyond || slice.recall == Recall::Asked),
        })
    }

    pub(super) fn recall(&mut self, me: Epoch, accounts: &[Account], now: UtcTime) {
        for key in accounts.iter().map(AccountKey::from) {
            let others = self.slices.iter_mut().filter(|((epoch, leased), slice)| {
                *epoch != me && *leased == key && !slice.amount.is_zero()
            });
            let mut any = false;
            for (_, slice) in others {
                any = true;
                if slice.recall == Recall::No {
                    slice.recall = Recall::Asked;
                }
            }
            if any {
                self.recalls.insert(key, now);
            }
        }
    }

    /// What this life was lent of an account: what it leases, and what it has told to be spent.
    pub(super) fn lent(&self, me: Epoch, account: &Account) -> Amount {
        let slice = self.slices.get(&(me, AccountKey::from(account)));
        slice.map_or(Amount::ZERO, |slice| {
            slice.amount.saturating_add(slice.spent)
        })
    }

    /// What others lease of an account and have not yet been asked for in vain.
    pub(super) fn elsewhere(&self, me: Epoch, account: &Account) -> Amount {
        let key = AccountKey::from(account);
        let others = self.slices.iter().filter(|((epoch, leased), slice)| {
            *epoch != me && *leased == key && slice.recall != Recall::Answered
        });
        others.fold(Amount::ZERO, |sum, (_, slice)| {
            sum.saturating_add(slice.amount)
        })
    }
}
