//! Decides steps on rows in memory. The rows on the disk stay the truth: the desk holds copies of those
//! it has met and notes what [`flush`](super::flush) must write; when that fails it forgets everything.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::writer::Ending;
use crate::ledger::{
    AccountKey, Balance, Breach, EntryKind, LedgerError, NewReservation, Outcome, Record,
    RequestId, Reserved, Standing, State,
};
use crate::policy::Claim;
use crate::units::{Amount, UtcTime};

/// Copies kept between batches. One more, and the desk starts over with an empty top.
const MOST_ROWS: usize = 20_000;

#[derive(Debug, Default)]
pub(super) struct Desk {
    rows: HashMap<AccountKey, Row>,
    /// Those under way, and whatever the current batch has touched.
    records: HashMap<RequestId, Record>,
    changes: Changes,
}

/// A row of the books and its id in the tables.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) balance: Balance,
}

/// What has changed since the last commit.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) accounts: BTreeSet<AccountKey>,
    pub(super) records: BTreeSet<RequestId>,
    pub(super) claims: Vec<NewClaim>,
    pub(super) entries: Vec<NewEntry>,
}

#[derive(Debug)]
pub(super) struct NewClaim {
    pub(super) request: RequestId,
    pub(super) account_id: i64,
    pub(super) claim: Claim,
}

#[derive(Debug)]
pub(super) struct NewEntry {
    pub(super) at: UtcTime,
    pub(super) request: RequestId,
    pub(super) account_id: i64,
    pub(super) kind: EntryKind,
    pub(super) reserved: Amount,
    pub(super) charged: Amount,
    pub(super) note: Arc<str>,
}

impl Desk {
    pub(super) fn reserve(
        &mut self,
        new: &NewReservation,
        now: UtcTime,
    ) -> Result<Reserved, LedgerError> {
        if let Some(record) = self.records.get(&new.request) {
            let repeats = new.repeats(record);
            let repeated = repeats.then(|| self.standings(&new.claims));
            return repeated
                .ok_or(LedgerError::Reused(new.request))?
                .map(Reserved::Granted);
        }
        new.check_claims()?;
        let mut breaches = Vec::new();
        for claim in &new.claims {
            breaches.extend(self.breach(claim)?);
        }
        if !breaches.is_empty() {
            return Ok(Reserved::Full(breaches));
        }
        self.enter(new.held(now), EntryKind::Reserve, now)?;
        self.note_claims(new)?;
        self.standings(&new.claims).map(Reserved::Granted)
    }

    pub(super) fn end(
        &mut self,
        request: RequestId,
        ending: &Ending,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        let record = self.records.get(&request);
        let mut record = record.cloned().ok_or(LedgerError::NotReserved(request))?;
        let claims = record.claims.clone();
        if matches!(ending, Ending::Deliver) {
            record.fingerprint = None;
            self.changes.records.insert(request);
            self.put_record(record);
        } else if let Some((kind, state)) = next(&record.state, ending, request)? {
            record.state = state;
            record.closed_at = Some(now);
            self.enter(record, kind, now)?;
        }
        self.standings(&claims)
    }

    /// Takes copies of what is on the disk.
    pub(super) fn put_row(&mut self, key: AccountKey, id: i64, balance: Balance) {
        self.rows.insert(key, Row { id, balance });
    }

    pub(super) fn put_record(&mut self, record: Record) {
        self.records.insert(record.request, record);
    }

    pub(super) fn record(&self, request: RequestId) -> Option<&Record> {
        self.records.get(&request)
    }

    pub(super) fn has_row(&self, key: &AccountKey) -> bool {
        self.rows.contains_key(key)
    }

    pub(super) fn row(&self, key: &AccountKey) -> Result<&Row, LedgerError> {
        self.rows.get(key).ok_or_else(|| LedgerError::Corrupt {
            what: format!("budget {} has a claim and no row", key.budget),
        })
    }

    pub(super) const fn changes(&self) -> &Changes {
        &self.changes
    }

    /// The changes are on the disk; what has ended is not needed here any more.
    pub(super) fn committed(&mut self) {
        self.changes = Changes::default();
        self.records.retain(|_, record| record.state == State::Held);
        if self.rows.len() > MOST_ROWS {
            self.rows.clear();
        }
    }

    /// Moves each claimed row on, or none when one of them could not be counted.
    fn enter(&mut self, record: Record, kind: EntryKind, now: UtcTime) -> Result<(), LedgerError> {
        let mut moved = Vec::with_capacity(record.claims.len());
        for claim in &record.claims {
            let charged = record.state.charged(claim).unwrap_or_default();
            let key = AccountKey::from(&claim.account);
            let row = self.row(&key)?;
            let balance = row.balance.after(kind, claim.amount, charged)?;
            let entry = NewEntry {
                at: now,
                request: record.request,
                account_id: row.id,
                kind,
                reserved: claim.amount,
                charged,
                note: record.state.note(),
            };
            moved.push((key, balance, entry));
        }
        for (key, balance, entry) in moved {
            self.put_row(key.clone(), entry.account_id, balance);
            self.changes.accounts.insert(key);
            self.changes.entries.push(entry);
        }
        self.changes.records.insert(record.request);
        self.put_record(record);
        Ok(())
    }

    fn note_claims(&mut self, new: &NewReservation) -> Result<(), LedgerError> {
        for claim in &new.claims {
            let account_id = self.row(&AccountKey::from(&claim.account))?.id;
            self.changes.claims.push(NewClaim {
                request: new.request,
                account_id,
                claim: claim.clone(),
            });
        }
        Ok(())
    }

    fn breach(&self, claim: &Claim) -> Result<Option<Breach>, LedgerError> {
        let balance = &self.row(&AccountKey::from(&claim.account))?.balance;
        let after = balance.after(EntryKind::Reserve, claim.amount, Amount::ZERO);
        let Some(limit) = claim.limit.filter(|_| claim.enforced) else {
            return after.map(|_| None);
        };
        let fits = after.is_ok_and(|after| after.used().is_some_and(|used| used <= limit));
        Ok((!fits).then(|| Breach {
            account: claim.account.clone(),
            needed: claim.amount,
            remaining: balance.remaining(limit),
            limit,
            elsewhere: Amount::ZERO,
        }))
    }

    fn standings(&self, claims: &[Claim]) -> Result<Vec<Standing>, LedgerError> {
        let standing = |claim: &Claim| {
            let row = self.row(&AccountKey::from(&claim.account))?;
            Ok(Standing {
                account: claim.account.clone(),
                limit: claim.limit,
                remaining: claim.limit.map(|limit| row.balance.remaining(limit)),
            })
        };
        claims.iter().map(standing).collect()
    }
}

/// Where an ending leads from a state; `None` when the reservation stays as it ended before.
fn next(
    state: &State,
    ending: &Ending,
    request: RequestId,
) -> Result<Option<(EntryKind, State)>, LedgerError> {
    match (state, ending) {
        (State::Held, Ending::Close(outcome)) => {
            let kind = match outcome {
                Outcome::Settled(_) => EntryKind::Settle,
                Outcome::Voided => EntryKind::Void,
                Outcome::Unknown { .. } => EntryKind::Unknown,
            };
            Ok(Some((kind, outcome.state())))
        }
        (State::Unknown { .. }, Ending::Reconcile(evidence)) => {
            let state = State::Reconciled(evidence.clone());
            Ok(Some((EntryKind::Reconcile, state)))
        }
        (_, Ending::Close(_) | Ending::Deliver) | (State::Reconciled(_), Ending::Reconcile(_)) => {
            Ok(None)
        }
        (State::Held | State::Settled(_) | State::Voided, Ending::Reconcile(_)) => {
            Err(LedgerError::NotInDoubt(request))
        }
    }
}
