//! The lines of the journal, as they are written: which step may write which, and how a hold ends once.

use std::collections::{BTreeMap, BTreeSet};

use super::{Audited, Auditor, Promise, Step, violation};
use crate::ledger::simulation::calls::{Answer, Answered, Call};
use crate::ledger::{
    AccountKey, Balance, Entry, EntryKind, ReplicaId, Report, RequestId, Reserved,
};
use crate::policy::{Account, Claim};
use crate::units::{Amount, UtcTime};

/// Where one claim of a request, or a lost lease, is in its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Hold {
    Held,
    Closed,
    Doubted,
    Reopened,
    Cleared,
}

impl EntryKind {
    /// Whether it takes an amount from a column that counts.
    pub(super) const fn frees(self) -> bool {
        matches!(self, Self::Void | Self::Return | Self::Reconcile)
    }
}

pub(super) fn permits(call: &Call, kind: EntryKind) -> bool {
    use EntryKind::{
        Doubt, Draw, Lease, Reconcile, Reopen, Reserve, Return, Settle, Spend, Undraw, Unknown,
        Void,
    };
    let permitted: &[EntryKind] = match call {
        Call::Begin(None) | Call::GiveUp(_) => &[Unknown, Doubt],
        Call::Begin(Some(_)) => &[Unknown, Doubt, Return, Reconcile, Draw, Undraw],
        Call::Leave => &[Unknown, Return],
        Call::Reserve(_) => &[Reserve, Draw, Undraw],
        Call::Close(..) => &[Settle, Void, Unknown, Reconcile, Draw, Undraw],
        Call::Reconcile(..) => &[Reopen, Reconcile, Draw, Undraw],
        Call::Report(_) => &[Spend, Doubt, Lease, Return, Draw, Undraw],
        Call::Recall(_) | Call::Publish(_) | Call::TopUp(_) => &[],
    };
    permitted.contains(&kind)
}

impl Auditor {
    /// Adds the lines up. Gives the rows that they change, as they were before.
    pub(super) fn read_lines(&mut self, lines: &[Entry]) -> Audited<BTreeMap<AccountKey, Balance>> {
        let mut before = BTreeMap::new();
        for line in lines {
            let key = AccountKey::from(&line.account);
            let row = self.rows.entry(key.clone());
            let row = row.or_insert_with(|| Balance::empty(line.account.clone()));
            let next = row.after(line.kind, line.reserved, line.charged);
            let next = next.map_err(|error| {
                let what = format!("{line:?} cannot follow {row:?}: {error}");
                violation(Promise::Journal, what)
            })?;
            let old = std::mem::replace(row, next);
            before.entry(key.clone()).or_insert(old);
            if let Some(request) = line.request {
                self.moves(request, key, line)?;
            }
        }
        Ok(before)
    }

    fn moves(&mut self, request: RequestId, key: AccountKey, line: &Entry) -> Audited<()> {
        let hold = self.holds.get(&(request, key.clone())).copied();
        let next = match (hold, line.kind) {
            (None, EntryKind::Reserve) => Hold::Held,
            (Some(Hold::Held), EntryKind::Settle | EntryKind::Void) => Hold::Closed,
            (Some(Hold::Held), EntryKind::Unknown) | (None, EntryKind::Doubt) => Hold::Doubted,
            (None | Some(Hold::Closed), EntryKind::Reopen) => Hold::Reopened,
            (Some(Hold::Doubted | Hold::Reopened), EntryKind::Reconcile) => {
                let in_doubt = self.record(request).is_some_and(|r| r.is_unknown());
                if in_doubt {
                    Hold::Doubted
                } else {
                    Hold::Cleared
                }
            }
            (was, _) => {
                let what = format!("{line:?} follows {was:?}");
                return Err(violation(Promise::Once, what));
            }
        };
        self.holds.insert((request, key), next);
        Ok(())
    }

    /// The lines of a step are about the accounts and the amounts that the step named.
    pub(super) fn lines_agree(
        &self,
        step: Step<'_>,
        answered: &Answered,
        lines: &[Entry],
    ) -> Audited<()> {
        match (step.call, answered) {
            (Call::Reserve(new), Ok(Answer::Reserved(Reserved::Granted(_)))) => {
                let known = self.truths.contains_key(&new.request);
                if known {
                    Ok(())
                } else {
                    of_all(lines, &new.claims)
                }
            }
            (Call::Close(request, _) | Call::Reconcile(request, _), Ok(_)) => {
                let truth = self.truths.get(request);
                let own = truth.filter(|_| lines.iter().any(|line| line.request.is_some()));
                own.map_or(Ok(()), |truth| of_all(lines, &truth.claims))
            }
            (Call::Report(report), Ok(_)) => self.report_agrees(step, report, lines),
            _ => Ok(()),
        }
    }

    /// What a report says was spent is what it moves; nothing when it was taken before.
    fn report_agrees(&self, step: Step<'_>, report: &Report, lines: &[Entry]) -> Audited<()> {
        let life = step.epoch.and_then(|epoch| self.lives.get(&epoch));
        let known = life.is_some_and(|life| report.number <= life.reported);
        if let (true, Some(line)) = (known, lines.first()) {
            let what = format!("report {} is taken again: {line:?}", report.number);
            return Err(violation(Promise::Once, what));
        }
        if known {
            return Ok(());
        }
        let mut said: BTreeMap<AccountKey, Amount> = BTreeMap::new();
        for record in &report.ended {
            for claim in &record.claims {
                let charged = record.state.charged(claim).unwrap_or_default();
                add(&mut said, &claim.account, charged);
            }
        }
        let mut booked = BTreeMap::new();
        for line in lines.iter().filter(|line| line.kind == EntryKind::Spend) {
            add(&mut booked, &line.account, line.charged);
        }
        said.retain(|_, charged| !charged.is_zero());
        booked.retain(|_, charged: &mut Amount| !charged.is_zero());
        let same_set = said.keys().eq(booked.keys());
        let promise = if same_set {
            Promise::Actuals
        } else {
            Promise::SameSet
        };
        let what = || format!("a report says {said:#?} and the books take {booked:#?}");
        (said == booked)
            .then_some(())
            .ok_or_else(|| violation(promise, what()))
    }

    /// I1, and that nothing else than a debit or an overrun makes an account fuller.
    pub(super) fn debits_fit(
        &mut self,
        step: Step<'_>,
        lines: &[Entry],
        before: &BTreeMap<AccountKey, Balance>,
    ) -> Audited<()> {
        for (key, old) in before {
            let row = &self.rows[key];
            let debit = |line: &&Entry| {
                matches!(line.kind, EntryKind::Reserve | EntryKind::Lease)
                    && key.is_of(&line.account)
                    && !line.reserved.is_zero()
            };
            let used = row.used().expect("countable");
            let Some(line) = lines.iter().find(debit) else {
                let grown = used.minus(old.used().expect("countable"));
                if grown > row.overrun.minus(old.overrun) {
                    let what = format!("{:?} makes {old:?} fuller: {row:?}", step.call);
                    return Err(violation(Promise::Actuals, what));
                }
                continue;
            };
            let limit = self.limit(step, &line.account);
            let most = limit.map_or(Amount::MAX, |limit| limit.saturating_add(row.drawn));
            if used > most {
                let what = format!("{limit:?} is the limit of {row:?} after {line:?}");
                return Err(violation(Promise::Cap, what));
            }
            let highest = self.highest.entry(key.clone()).or_default();
            *highest = most.max(*highest);
        }
        Ok(())
    }

    /// Whether an account is used beyond what it may be, with all that top-ups would allow.
    pub(super) fn is_beyond(&self, step: Step<'_>, account: &Account) -> bool {
        let top_ups = super::now(crate::ledger::Ledger::top_ups(&*self.books));
        let own = top_ups.iter().filter(|top_up| top_up.is_for(account));
        let left = crate::ledger::left(own, step.now);
        let row = self.rows.get(&AccountKey::from(account));
        let limit = self.limit(step, account);
        row.zip(limit).is_some_and(|(row, limit)| {
            let most = limit.saturating_add(row.drawn).saturating_add(left);
            row.used().expect("countable") > most
        })
    }

    /// What the acting policy and those of all other living replicas allow together.
    fn limit(&self, step: Step<'_>, account: &Account) -> Option<Amount> {
        let of_claim = |claim: &Claim| {
            let own = AccountKey::from(account).is_of(&claim.account);
            claim.limit.filter(|_| own && claim.enforced)
        };
        let own = match step.call {
            Call::Reserve(new) => new.claims.iter().find_map(of_claim),
            Call::Report(report) => {
                let mut claims = report.wants.iter().map(crate::ledger::Want::claim);
                claims.find_map(|claim| of_claim(&claim))
            }
            _ => None,
        };
        let living = |replica: &ReplicaId| {
            let mut lives = self.lives.values();
            lives.any(|life| life.replica == *replica && !life.over)
        };
        let others = self.caps.iter();
        let others = others.filter(|(replica, _)| **replica != step.by && living(replica));
        let caps = others.flat_map(|(_, caps)| caps);
        let same = caps.filter(|cap| cap.budget == account.budget && cap.unit == account.unit);
        same.filter_map(|cap| cap.limit).chain(own).min()
    }

    /// What windows draw is what top-ups give, none of them more than it has, nor after its end.
    pub(super) fn top_ups_agree(&mut self, now: UtcTime) -> Audited<()> {
        let top_ups = super::now(crate::ledger::Ledger::top_ups(&*self.books));
        for top_up in &top_ups {
            let of_it = self.rows.values().filter(|row| top_up.is_for(&row.account));
            let drawn: i64 = of_it.map(|row| row.drawn.micros()).sum();
            let twins = top_ups.iter().filter(|twin| {
                (&twin.budget, &twin.partition, twin.unit)
                    == (&top_up.budget, &top_up.partition, top_up.unit)
            });
            let given: i64 = twins.map(|twin| twin.drawn.micros()).sum();
            let old = self
                .drawn
                .insert(top_up.id, top_up.drawn)
                .unwrap_or_default();
            let late = top_up.drawn > old && top_up.expires_at.is_some_and(|end| end <= now);
            if drawn != given || top_up.drawn > top_up.amount || late {
                let what = format!("{top_up:?} does not give the {drawn} that windows draw");
                return Err(violation(Promise::Cap, what));
            }
        }
        Ok(())
    }
}

/// The lines are about these accounts, all of them.
fn of_all(lines: &[Entry], claims: &[Claim]) -> Audited<()> {
    let own = lines.iter().filter(|line| line.request.is_some());
    let lines: BTreeSet<AccountKey> = own.map(|line| AccountKey::from(&line.account)).collect();
    let claimed = claims.iter().map(|claim| AccountKey::from(&claim.account));
    let claimed: BTreeSet<AccountKey> = claimed.collect();
    let what = || format!("the budgets are {claimed:#?}, and those that were written {lines:#?}");
    (lines == claimed)
        .then_some(())
        .ok_or_else(|| violation(Promise::SameSet, what()))
}

fn add(sums: &mut BTreeMap<AccountKey, Amount>, account: &Account, amount: Amount) {
    let sum = sums.entry(AccountKey::from(account)).or_default();
    *sum = sum.saturating_add(amount);
}
