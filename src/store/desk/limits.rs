//! What an account allows: the lowest limit in force, and the top-ups beyond it.

use super::{Desk, Line};
use crate::ledger::{
    AccountKey, Balance, Breach, Cap, EntryKind, LedgerError, NewTopUp, Standing, TopUp, changes,
    drawn, left, redraw,
};
use crate::policy::Claim;
use crate::units::{Amount, UtcTime};

impl Desk {
    pub(in crate::store) fn top_up(
        &mut self,
        new: &NewTopUp,
        now: UtcTime,
    ) -> Result<TopUp, LedgerError> {
        let context = self.context_mut()?;
        if let Some(before) = TopUp::given_before(new, context.top_ups.values())? {
            return Ok(before.clone());
        }
        let id = context.last_top_up + 1;
        context.last_top_up = id;
        let top_up = TopUp::of(new.clone(), id, now);
        context.top_ups.insert(id, top_up.clone());
        self.changed.top_ups.insert(id);
        self.note(&top_up.by, top_up.event(), now);
        Ok(top_up)
    }

    pub(in crate::store) fn publish(
        &mut self,
        caps: &[Cap],
        now: UtcTime,
    ) -> Result<(), LedgerError> {
        self.must_live()?;
        let replica = self.replica;
        let before = self.context_mut()?.caps.insert(replica, caps.to_vec());
        let said = before
            .map(|before| changes(&before, caps))
            .unwrap_or_default();
        for change in said {
            self.note(&replica.to_string(), change, now);
        }
        self.changed.caps = Some(caps.to_vec());
        Ok(())
    }

    /// The lowest limit that any policy in force sets; `None` where nothing refuses.
    pub(super) fn limit(&self, claim: &Claim) -> Result<Option<Amount>, LedgerError> {
        let context = self.context()?;
        let account = &claim.account;
        let others = context.caps.iter().filter(|(replica, _)| {
            **replica != self.replica && context.lives.values().any(|life| life.is_of(**replica))
        });
        let caps = others.flat_map(|(_, caps)| caps);
        let theirs = caps.filter(|cap| cap.budget == account.budget && cap.unit == account.unit);
        let theirs = theirs.filter_map(|cap| cap.limit);
        Ok(theirs.chain(claim.limit.filter(|_| claim.enforced)).min())
    }

    pub(super) fn breach(
        &self,
        claim: &Claim,
        now: UtcTime,
    ) -> Result<Option<Breach>, LedgerError> {
        let key = AccountKey::from(&claim.account);
        let row = self.row(&key)?;
        let after = row
            .balance
            .after(EntryKind::Reserve, claim.amount, Amount::ZERO);
        let Some(limit) = self.limit(claim)? else {
            return after.map(|_| None);
        };
        let most = self.most(limit, &row.balance, now)?;
        let fits = after.is_ok_and(|after| after.used().is_some_and(|used| used <= most));
        if fits {
            return Ok(None);
        }
        Ok(Some(Breach {
            account: claim.account.clone(),
            needed: claim.amount,
            remaining: self.remaining(limit, &row.balance, now)?,
            limit,
            elsewhere: row.leased_elsewhere(self.me),
            lent: row.lent_to(self.me),
        }))
    }

    pub(super) fn standings(
        &self,
        claims: &[Claim],
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        let standing = |claim: &Claim| {
            let row = self.row(&AccountKey::from(&claim.account))?;
            let limit = self.limit(claim)?.or(claim.limit);
            let left = limit.map(|limit| self.remaining(limit, &row.balance, now));
            Ok(Standing {
                account: claim.account.clone(),
                limit,
                remaining: left.transpose()?,
                lent: row.lent_to(self.me),
            })
        };
        claims.iter().map(standing).collect()
    }

    /// What the limit and all top-ups leave.
    pub(super) fn remaining(
        &self,
        limit: Amount,
        balance: &Balance,
        now: UtcTime,
    ) -> Result<Amount, LedgerError> {
        let used = balance.used().unwrap_or(Amount::MAX);
        Ok(self.most(limit, balance, now)?.minus(used))
    }

    pub(super) fn most(
        &self,
        limit: Amount,
        balance: &Balance,
        now: UtcTime,
    ) -> Result<Amount, LedgerError> {
        let top_ups = self.context()?.top_ups.values();
        let own = top_ups.filter(|top_up| top_up.is_for(&balance.account));
        Ok(limit
            .saturating_add(balance.drawn)
            .saturating_add(left(own, now)))
    }

    /// Draws from the top-ups what the window uses beyond `limit`, and says so in lines.
    pub(super) fn redraw(
        &mut self,
        key: &AccountKey,
        limit: Amount,
        now: UtcTime,
    ) -> Result<Vec<Line>, LedgerError> {
        let Some(context) = &mut self.context else {
            return Err(super::not_loaded());
        };
        let row = self.rows.get_mut(key).ok_or_else(|| super::no_row(key))?;
        let account = &row.balance.account;
        let mut own: Vec<&mut TopUp> = context.top_ups.values_mut().collect();
        own.retain(|top_up| top_up.is_for(account));
        if own.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = row.balance.used().unwrap_or(Amount::MAX).minus(limit);
        let before = row.balance.drawn;
        redraw(&mut own, &mut row.draws, wanted, now);
        let after = drawn(&row.draws);
        if before != after {
            self.changed
                .top_ups
                .extend(own.iter().map(|top_up| top_up.id));
        }
        let lines = [
            Line::of_lease(EntryKind::Draw, after.minus(before), None),
            Line::of_lease(EntryKind::Undraw, before.minus(after), None),
        ];
        Ok(lines
            .into_iter()
            .filter(|line| !line.says_nothing())
            .collect())
    }
}
