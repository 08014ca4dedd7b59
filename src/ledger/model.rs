//! The whole of the books in memory, and nothing but the rules: it keeps what was reserved and how that
//! ended, and works out every balance from scratch. Slow and obviously right, it is the measure for the
//! stores, and serves the tests of every room below.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{
    AccountKey, Balance, Breach, Entry, EntryKind, Evidence, Fingerprint, Ledger, LedgerError,
    NewReservation, Outcome, Record, RequestId, Reserved, Standing, State,
};
use crate::policy::{Account, Claim};
use crate::units::{Amount, UtcTime};

#[derive(Debug, Default)]
pub struct Model(Mutex<Books>);

#[derive(Debug, Default)]
struct Books {
    accounts: BTreeMap<AccountKey, Account>,
    records: BTreeMap<RequestId, Record>,
    entries: Vec<Entry>,
}

impl Model {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Ledger for Model {
    async fn reserve(&self, new: &NewReservation, now: UtcTime) -> Result<Reserved, LedgerError> {
        self.books().reserve(new, now)
    }

    async fn close(
        &self,
        request: RequestId,
        outcome: &Outcome,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        self.books().close(request, outcome, now)
    }

    async fn reconcile(
        &self,
        request: RequestId,
        evidence: &Evidence,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        self.books().reconcile(request, evidence, now)
    }

    async fn delivered(&self, request: RequestId, _now: UtcTime) -> Result<(), LedgerError> {
        let mut books = self.books();
        let record = books.records.get_mut(&request);
        record.ok_or(LedgerError::NotReserved(request))?.fingerprint = None;
        Ok(())
    }

    async fn undelivered(
        &self,
        fingerprint: Fingerprint,
        since: UtcTime,
    ) -> Result<Option<Record>, LedgerError> {
        let books = self.books();
        let mut latest_first = books.records.values().rev();
        let found = latest_first.find(|record| {
            record.fingerprint == Some(fingerprint)
                && record.reserved_at >= since
                && !matches!(record.state, State::Voided | State::Reconciled(_))
        });
        Ok(found.cloned())
    }

    async fn balances(&self) -> Result<Vec<Balance>, LedgerError> {
        let books = self.books();
        let rows = books.accounts.values();
        rows.map(|account| books.balance(account)).collect()
    }

    async fn balance(&self, account: &Account) -> Result<Balance, LedgerError> {
        self.books().balance(account)
    }

    async fn entries(&self, after: u64, limit: u32) -> Result<Vec<Entry>, LedgerError> {
        let books = self.books();
        let wanted = books.entries.iter().filter(|entry| entry.sequence > after);
        Ok(wanted
            .zip(0..limit)
            .map(|(entry, _)| entry.clone())
            .collect())
    }

    async fn record(&self, request: RequestId) -> Result<Option<Record>, LedgerError> {
        Ok(self.books().records.get(&request).cloned())
    }

    async fn unknowns(
        &self,
        after: Option<RequestId>,
        limit: u32,
    ) -> Result<Vec<Record>, LedgerError> {
        let books = self.books();
        let in_doubt = books.records.values().filter(|record| {
            matches!(record.state, State::Unknown { .. }) && Some(record.request) > after
        });
        Ok(in_doubt
            .zip(0..limit)
            .map(|(record, _)| record.clone())
            .collect())
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        Ok(())
    }
}

impl Books {
    fn reserve(&mut self, new: &NewReservation, now: UtcTime) -> Result<Reserved, LedgerError> {
        if let Some(record) = self.records.get(&new.request) {
            return if new.repeats(record) {
                self.standings(&new.claims).map(Reserved::Granted)
            } else {
                Err(LedgerError::Reused(new.request))
            };
        }
        new.check_claims()?;
        let mut breaches = Vec::new();
        for claim in &new.claims {
            breaches.extend(self.breach(claim)?);
        }
        if !breaches.is_empty() {
            return Ok(Reserved::Full(breaches));
        }
        let record = new.held(now);
        self.write(record, EntryKind::Reserve, now);
        self.standings(&new.claims).map(Reserved::Granted)
    }

    fn close(
        &mut self,
        request: RequestId,
        outcome: &Outcome,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        let record = self.find(request)?;
        if record.state == State::Held {
            let kind = match outcome {
                Outcome::Settled(_) => EntryKind::Settle,
                Outcome::Voided => EntryKind::Void,
                Outcome::Unknown { .. } => EntryKind::Unknown,
            };
            self.enter(record.clone(), outcome.state(), kind, now)?;
        }
        self.standings(&record.claims)
    }

    fn reconcile(
        &mut self,
        request: RequestId,
        evidence: &Evidence,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        let record = self.find(request)?;
        match record.state {
            State::Unknown { .. } => {
                let state = State::Reconciled(evidence.clone());
                self.enter(record.clone(), state, EntryKind::Reconcile, now)?;
            }
            State::Reconciled(_) => {}
            State::Held | State::Settled(_) | State::Voided => {
                return Err(LedgerError::NotInDoubt(request));
            }
        }
        self.standings(&record.claims)
    }

    fn find(&self, request: RequestId) -> Result<Record, LedgerError> {
        let record = self.records.get(&request).cloned();
        record.ok_or(LedgerError::NotReserved(request))
    }

    /// Moves a record on, unless one of its balances could no longer be counted.
    fn enter(
        &mut self,
        mut record: Record,
        state: State,
        kind: EntryKind,
        now: UtcTime,
    ) -> Result<(), LedgerError> {
        let before = record.clone();
        record.state = state;
        record.closed_at = Some(now);
        self.records.insert(record.request, record.clone());
        if let Err(overflow) = self.standings(&record.claims) {
            self.records.insert(before.request, before);
            return Err(overflow);
        }
        self.write(record, kind, now);
        Ok(())
    }

    fn write(&mut self, record: Record, kind: EntryKind, now: UtcTime) {
        for claim in &record.claims {
            let row = self.accounts.entry(AccountKey::from(&claim.account));
            let account = row.or_insert_with(|| claim.account.clone()).clone();
            let sequence = self.entries.last().map_or(1, |last| last.sequence + 1);
            self.entries.push(Entry {
                sequence,
                at: now,
                request: record.request,
                account,
                kind,
                reserved: claim.amount,
                charged: record.state.charged(claim).unwrap_or_default(),
                note: record.state.note(),
            });
        }
        self.records.insert(record.request, record);
    }

    fn breach(&self, claim: &Claim) -> Result<Option<Breach>, LedgerError> {
        let balance = self.balance(&claim.account)?;
        let sum = used(&balance)?.checked_add(claim.amount);
        match (claim.limit.filter(|_| claim.enforced), sum) {
            (Some(limit), Some(sum)) if sum <= limit => Ok(None),
            (Some(limit), _) => Ok(Some(Breach {
                account: claim.account.clone(),
                needed: claim.amount,
                remaining: balance.remaining(limit),
                limit,
            })),
            (None, Some(_)) => Ok(None),
            (None, None) => Err(overflow(&claim.account)),
        }
    }

    fn standings(&self, claims: &[Claim]) -> Result<Vec<Standing>, LedgerError> {
        let standing = |claim: &Claim| {
            let used = used(&self.balance(&claim.account)?)?;
            Ok(Standing {
                account: claim.account.clone(),
                limit: claim.limit,
                remaining: claim.limit.map(|limit| limit.minus(used)),
            })
        };
        claims.iter().map(standing).collect()
    }

    /// The sum of all that was ever claimed of the account, each claim in the column of its state.
    fn balance(&self, account: &Account) -> Result<Balance, LedgerError> {
        let key = AccountKey::from(account);
        let mut balance = Balance::empty(self.accounts.get(&key).unwrap_or(account).clone());
        for record in self.records.values() {
            for claim in record
                .claims
                .iter()
                .filter(|c| AccountKey::from(&c.account) == key)
            {
                add(&mut balance, claim, &record.state).ok_or_else(|| overflow(account))?;
            }
        }
        Ok(balance)
    }
}

fn add(balance: &mut Balance, claim: &Claim, state: &State) -> Option<()> {
    match (state, state.charged(claim)) {
        (_, Some(charged)) => {
            balance.settled = balance.settled.checked_add(charged.min(claim.amount))?;
            balance.overrun = balance.overrun.checked_add(charged.minus(claim.amount))?;
        }
        (State::Held, None) => balance.held = balance.held.checked_add(claim.amount)?,
        (_, None) => balance.unknown = balance.unknown.checked_add(claim.amount)?,
    }
    Some(())
}

fn used(balance: &Balance) -> Result<Amount, LedgerError> {
    balance.used().ok_or_else(|| overflow(&balance.account))
}

fn overflow(account: &Account) -> LedgerError {
    LedgerError::Overflow {
        budget: Arc::clone(&account.budget),
    }
}
