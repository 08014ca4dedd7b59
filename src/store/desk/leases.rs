//! Reports of what was spent of leases, and what each lease should hold from then on.

use std::collections::BTreeSet;

use super::{Desk, Line};
use crate::ledger::{
    AccountKey, EntryKind, Epoch, Leased, LedgerError, Report, Want, is_quiet, portion,
};
use crate::policy::Account;
use crate::store::tables::{Recall, Slice};
use crate::units::{Amount, UtcTime};

impl Desk {
    pub(in crate::store) fn report(
        &mut self,
        report: &Report,
        now: UtcTime,
    ) -> Result<Vec<Leased>, LedgerError> {
        let me = self.must_live()?;
        self.whole(&report.accounts(), |desk| {
            let last = desk
                .context()?
                .lives
                .get(&me)
                .map_or(0, |life| life.reported);
            if report.number > last.saturating_add(1) {
                return Err(LedgerError::Restored);
            }
            let news = report.number > last;
            if news {
                desk.book(me, report, now)?;
                let mut wants: Vec<&Want> = report.wants.iter().collect();
                wants.sort_by_key(|want| AccountKey::from(&want.account));
                for want in wants {
                    desk.lease(me, want, now)?;
                }
            }
            let context = desk.context_mut()?;
            let seen_at = context.heard_at(now);
            if let Some(life) = context.lives.get_mut(&me) {
                life.seen_at = seen_at;
                life.reported = life.reported.max(report.number);
            }
            desk.changed.lives.insert(me);
            let leased = report.wants.iter().map(|want| desk.leased(me, want, now));
            let leased = leased.collect::<Result<Vec<_>, _>>()?;
            if news {
                report
                    .ended
                    .iter()
                    .for_each(|record| desk.put(record.clone()));
            }
            Ok(leased)
        })
    }

    pub(in crate::store) fn recall(
        &mut self,
        accounts: &[Account],
        now: UtcTime,
    ) -> Result<(), LedgerError> {
        let me = self.must_live()?;
        for key in accounts.iter().map(AccountKey::from) {
            let row = self.row_mut(&key)?;
            let others = row
                .leases
                .iter_mut()
                .filter(|(epoch, slice)| **epoch != me && !slice.amount.is_zero());
            let mut any = false;
            for (_, slice) in others {
                any = true;
                if slice.recall == Recall::No {
                    slice.recall = Recall::Asked;
                }
            }
            if any {
                row.recalled_at = Some(now);
                self.changed.accounts.insert(key);
            }
        }
        Ok(())
    }

    /// Moves what was spent out of the leases, all requests of an account in one line; what is in doubt
    /// has a line of its own.
    fn book(&mut self, me: Epoch, report: &Report, now: UtcTime) -> Result<(), LedgerError> {
        for record in &report.ended {
            if self.find(record.request)?.is_some() {
                return Err(LedgerError::Reused(record.request));
            }
        }
        let spent = report.spent()?;
        for (key, sum) in &spent {
            self.take_out(me, key, sum.taken)?;
        }
        for (_, claim) in report.doubtful() {
            self.take_out(me, &AccountKey::from(&claim.account), claim.amount)?;
        }
        for (key, sum) in &spent {
            let line = Line {
                request: None,
                kind: EntryKind::Spend,
                reserved: sum.taken,
                charged: sum.charged,
                note: "".into(),
                limit: self.limit(sum.claim)?,
            };
            self.write(key, line, now)?;
        }
        for (record, claim) in report.doubtful() {
            let line = Line {
                request: Some(record.request),
                kind: EntryKind::Doubt,
                reserved: claim.amount,
                charged: Amount::ZERO,
                note: record.state.note(),
                limit: self.limit(claim)?,
            };
            self.write(&AccountKey::from(&claim.account), line, now)?;
        }
        Ok(())
    }

    fn take_out(&mut self, me: Epoch, key: &AccountKey, amount: Amount) -> Result<(), LedgerError> {
        if amount.is_zero() {
            return Ok(());
        }
        let slice = self.row_mut(key)?.leases.get_mut(&me);
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
        let key = AccountKey::from(&want.account);
        let limit = self.limit(&want.claim())?;
        let granted = self.grantable(&key, limit, now)?;
        let row = self.row_mut(&key)?;
        let mut slice = row.slice(me);
        if want.yields {
            slice.recall = Recall::Answered;
        }
        let more = want.amount.minus(slice.amount).min(granted);
        let back = slice.amount.minus(want.amount);
        if !more.is_zero() {
            slice.recall = Recall::No;
        }
        slice.amount = slice.amount.saturating_add(more).minus(back);
        let before = if slice.amount.is_zero() {
            row.leases.remove(&me)
        } else {
            row.leases.insert(me, slice)
        };
        if before != row.leases.get(&me).copied() {
            self.changed.accounts.insert(key.clone());
        }
        self.write(&key, Line::of_lease(EntryKind::Lease, more, limit), now)?;
        self.write(&key, Line::of_lease(EntryKind::Return, back, limit), now)
    }

    /// Half of what is left, shared between all that live; nothing for a while after a recall.
    fn grantable(
        &self,
        key: &AccountKey,
        limit: Option<Amount>,
        now: UtcTime,
    ) -> Result<Amount, LedgerError> {
        let row = self.row(key)?;
        if row.recalled_at.is_some_and(|at| is_quiet(at, now)) {
            return Ok(Amount::ZERO);
        }
        let Some(limit) = limit else {
            let used = row.balance.used().unwrap_or(Amount::MAX);
            return Ok(Amount::MAX.minus(used));
        };
        let living = self
            .context()?
            .lives
            .values()
            .filter(|life| !life.over)
            .count();
        Ok(portion(self.remaining(limit, &row.balance, now)?, living))
    }

    fn leased(&self, me: Epoch, want: &Want, now: UtcTime) -> Result<Leased, LedgerError> {
        let row = self.row(&AccountKey::from(&want.account))?;
        let Slice { amount, recall, .. } = row.slice(me);
        let limit = self.limit(&want.claim())?;
        let remaining = limit.map(|limit| self.remaining(limit, &row.balance, now));
        let most = limit.map(|limit| self.most(limit, &row.balance, now));
        let beyond = most.transpose()?.is_some_and(|most| {
            let used = row.balance.used();
            used.is_none_or(|used| used > most)
        });
        Ok(Leased {
            account: want.account.clone(),
            amount,
            remaining: remaining.transpose()?,
            recalled: row.leases.contains_key(&me) && (beyond || recall == Recall::Asked),
        })
    }
}

impl Report {
    /// Every account that the report moves.
    pub(in crate::store) fn accounts(&self) -> BTreeSet<AccountKey> {
        let claims = self.ended.iter().flat_map(|record| &record.claims);
        let claimed = claims.map(|claim| &claim.account);
        let wanted = self.wants.iter().map(|want| &want.account);
        claimed.chain(wanted).map(AccountKey::from).collect()
    }
}
