//! Decides steps on rows in memory. The tables stay the truth: the desk holds copies of what it has met
//! and notes what must be written; when that fails it forgets everything.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::rows::StoredClaim;
use super::step::Ending;
use super::tables::{Loaded, Row};
use crate::ledger::{
    AccountKey, Breach, EntryKind, LedgerError, NewReservation, Outcome, Record, RequestId,
    Reserved, Standing, State,
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
    /// Reservations of the current batch that the tables hold and nobody can read, and why.
    broken: HashMap<RequestId, String>,
    changed: Changed,
}

/// What has changed since the last commit.
#[derive(Debug, Default)]
struct Changed {
    accounts: BTreeSet<AccountKey>,
    /// And whether the tables have not met it before.
    records: BTreeMap<RequestId, bool>,
    entries: Vec<NewEntry>,
}

/// What a batch has changed, as the tables write it: rows and records in the order of their keys.
#[derive(Debug)]
pub(super) struct Changes<'a> {
    pub(super) rows: Vec<&'a Row>,
    pub(super) records: Vec<ChangedRecord<'a>>,
    pub(super) entries: &'a [NewEntry],
}

#[derive(Debug)]
pub(super) struct ChangedRecord<'a> {
    pub(super) record: &'a Record,
    pub(super) claims: Vec<StoredClaim>,
    /// Whether the tables have not met it before.
    pub(super) fresh: bool,
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

impl Changes<'_> {
    pub(super) const fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.records.is_empty() && self.entries.is_empty()
    }
}

impl Desk {
    pub(super) fn reserve(
        &mut self,
        new: &NewReservation,
        now: UtcTime,
    ) -> Result<Reserved, LedgerError> {
        if let Some(record) = self.find(new.request)? {
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
        self.standings(&new.claims).map(Reserved::Granted)
    }

    pub(super) fn end(
        &mut self,
        request: RequestId,
        ending: &Ending,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        let record = self.find(request)?;
        let mut record = record.cloned().ok_or(LedgerError::NotReserved(request))?;
        let claims = record.claims.clone();
        if matches!(ending, Ending::Deliver) {
            record.fingerprint = None;
            self.put(record);
        } else if let Some((kind, state)) = next(&record.state, ending, request)? {
            record.state = state;
            record.closed_at = Some(now);
            self.enter(record, kind, now)?;
        }
        self.standings(&claims)
    }

    /// Takes copies of what is in the tables.
    pub(super) fn take(&mut self, loaded: Loaded) {
        let Loaded {
            rows,
            records,
            broken,
        } = loaded;
        let keyed = |row: Row| (AccountKey::from(&row.balance.account), row);
        self.rows.extend(rows.into_iter().map(keyed));
        let named = |record: Record| (record.request, record);
        self.records.extend(records.into_iter().map(named));
        let said = |(request, why): (RequestId, LedgerError)| (request, why.to_string());
        self.broken.extend(broken.into_iter().map(said));
    }

    pub(super) fn record(&self, request: RequestId) -> Option<&Record> {
        self.records.get(&request)
    }

    pub(super) fn has_row(&self, key: &AccountKey) -> bool {
        self.rows.contains_key(key)
    }

    /// What must be written for the steps since the last commit to be durable.
    pub(super) fn changes(&self) -> Result<Changes<'_>, LedgerError> {
        let rows = self.changed.accounts.iter().map(|key| self.row(key));
        let records = self.changed.records.iter().filter_map(|(request, fresh)| {
            let record = self.records.get(request)?;
            let claims = self.stored_claims(record);
            Some(claims.map(|claims| ChangedRecord {
                record,
                claims,
                fresh: *fresh,
            }))
        });
        Ok(Changes {
            rows: rows.collect::<Result<_, _>>()?,
            records: records.collect::<Result<_, _>>()?,
            entries: &self.changed.entries,
        })
    }

    /// The changes are in the tables. Where nobody else writes, rows stay, and so does what is under way.
    pub(super) fn committed(&mut self, sole_writer: bool) {
        if !sole_writer || self.rows.len() > MOST_ROWS {
            self.rows.clear();
        }
        for key in std::mem::take(&mut self.changed).accounts {
            if let Some(row) = self.rows.get_mut(&key) {
                row.stored = true;
            }
        }
        self.broken.clear();
        self.records
            .retain(|_, record| sole_writer && record.state == State::Held);
    }

    fn find(&self, request: RequestId) -> Result<Option<&Record>, LedgerError> {
        match self.broken.get(&request) {
            Some(why) => Err(LedgerError::Corrupt {
                what: format!("request {request}: {why}"),
            }),
            None => Ok(self.records.get(&request)),
        }
    }

    fn row(&self, key: &AccountKey) -> Result<&Row, LedgerError> {
        self.rows.get(key).ok_or_else(|| LedgerError::Corrupt {
            what: format!("budget {} has a claim and no row", key.budget),
        })
    }

    fn put(&mut self, record: Record) {
        let request = record.request;
        let fresh = self.records.insert(request, record).is_none();
        self.changed.records.entry(request).or_insert(fresh);
    }

    fn stored_claims(&self, record: &Record) -> Result<Vec<StoredClaim>, LedgerError> {
        let stored = |claim: &Claim| {
            let row = self.row(&AccountKey::from(&claim.account))?;
            Ok(StoredClaim::new(row.id, claim))
        };
        record.claims.iter().map(stored).collect()
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
            if let Some(row) = self.rows.get_mut(&key) {
                row.balance = balance;
            }
            self.changed.accounts.insert(key);
            self.changed.entries.push(entry);
        }
        self.put(record);
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
