//! Decides steps on rows in memory. The tables stay the truth: the desk holds copies of what it has met
//! and notes what must be written; when that fails it forgets everything.
//!
//! Each step is decided whole, or it changes nothing on the desk.

mod commitments;
mod follows;
mod leases;
mod limits;
mod lives;
mod meters;
mod reservations;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::rows::StoredClaim;
use super::tables::{Context, Loaded, MeterKey, Row, Wanted};
use crate::ledger::{
    AccountKey, Cap, Commitment, CommitmentId, EntryKind, Epoch, Event, Followed, Land,
    LedgerError, Meter, Record, ReplicaId, RequestId, State,
};
use crate::policy::Claim;
use crate::units::{Amount, UtcTime};

/// Copies kept between batches. One more, and the desk starts over with an empty top.
const MOST_ROWS: usize = 20_000;

#[derive(Debug)]
pub(super) struct Desk {
    replica: ReplicaId,
    /// The life that this replica leads, and the one it led when it last committed.
    me: Option<Epoch>,
    committed_me: Option<Epoch>,
    context: Option<Context>,
    rows: HashMap<AccountKey, Row>,
    /// Those under way, and whatever the current batch has touched.
    records: HashMap<RequestId, Record>,
    /// Those that the current batch is about.
    commitments: HashMap<CommitmentId, Commitment>,
    /// Which life holds a reservation, of those that a step of the batch may end for it.
    holders: BTreeMap<RequestId, Epoch>,
    /// Reservations of the current batch that the tables hold and nobody can read, and why.
    broken: HashMap<RequestId, String>,
    /// What the current batch is about of what is followed.
    followed: BTreeMap<RequestId, Followed>,
    meters: BTreeMap<MeterKey, Meter>,
    changed: Changed,
}

/// What has changed since the last commit.
#[derive(Debug, Default)]
struct Changed {
    accounts: BTreeSet<AccountKey>,
    /// And whether the tables have not met it before.
    records: BTreeMap<RequestId, bool>,
    commitments: BTreeSet<CommitmentId>,
    lives: BTreeSet<Epoch>,
    top_ups: BTreeSet<i64>,
    followed: BTreeSet<RequestId>,
    /// And whether the tables have not met it before.
    meters: BTreeMap<MeterKey, bool>,
    caps: Option<Vec<Cap>>,
    entries: Vec<NewEntry>,
    events: Vec<Event>,
    land: Vec<NewLand>,
    freed: Vec<RequestId>,
}

/// What a batch has changed, as the tables write it: rows and records in the order of their keys.
#[derive(Debug)]
pub(super) struct Changes<'a> {
    pub(super) rows: Vec<&'a Row>,
    pub(super) records: Vec<ChangedRecord<'a>>,
    pub(super) commitments: Vec<&'a Commitment>,
    pub(super) lives: Vec<(Epoch, &'a super::tables::Life)>,
    pub(super) top_ups: Vec<&'a crate::ledger::TopUp>,
    pub(super) followed: Vec<&'a Followed>,
    pub(super) meters: Vec<ChangedMeter<'a>>,
    /// All limits of this replica's policy, where they have changed.
    pub(super) caps: Option<(ReplicaId, &'a [Cap])>,
    pub(super) entries: &'a [NewEntry],
    /// Not numbered yet.
    pub(super) events: &'a [Event],
    pub(super) land: &'a [NewLand],
    /// Requests whose land is not locked any more; after what is.
    pub(super) freed: &'a [RequestId],
}

/// Land to be kept, unless it is.
#[derive(Debug)]
pub(super) struct NewLand {
    pub(super) land: Land,
    pub(super) account_ids: Vec<i64>,
}

#[derive(Debug)]
pub(super) struct ChangedMeter<'a> {
    pub(super) meter: &'a Meter,
    /// Whether the tables have not met it before.
    pub(super) fresh: bool,
}

#[derive(Debug)]
pub(super) struct ChangedRecord<'a> {
    pub(super) record: &'a Record,
    pub(super) claims: Vec<StoredClaim>,
    /// The life that holds it; `None` once it has ended.
    pub(super) holder: Option<Epoch>,
    /// Whether the tables have not met it before.
    pub(super) fresh: bool,
}

#[derive(Debug)]
pub(super) struct NewEntry {
    pub(super) at: UtcTime,
    pub(super) request: Option<RequestId>,
    pub(super) account_id: i64,
    pub(super) kind: EntryKind,
    pub(super) reserved: Amount,
    pub(super) charged: Amount,
    pub(super) note: Arc<str>,
}

/// What a step writes on one row.
struct Line {
    request: Option<RequestId>,
    kind: EntryKind,
    reserved: Amount,
    charged: Amount,
    note: Arc<str>,
    /// The limit against which top-ups are drawn; `None` leaves them alone.
    limit: Option<Amount>,
}

impl Changes<'_> {
    pub(super) const fn is_empty(&self) -> bool {
        self.rows.is_empty()
            && self.records.is_empty()
            && self.commitments.is_empty()
            && self.lives.is_empty()
            && self.top_ups.is_empty()
            && self.followed.is_empty()
            && self.meters.is_empty()
            && self.caps.is_none()
            && self.entries.is_empty()
            && self.events.is_empty()
            && self.land.is_empty()
            && self.freed.is_empty()
    }
}

impl Line {
    fn of_lease(kind: EntryKind, amount: Amount, limit: Option<Amount>) -> Self {
        Self {
            request: None,
            kind,
            reserved: amount,
            charged: Amount::ZERO,
            note: "".into(),
            limit,
        }
    }

    /// A lease that neither grows nor shrinks need not be written down.
    const fn says_nothing(&self) -> bool {
        let of_a_request = matches!(self.kind, EntryKind::Spend) || self.request.is_some();
        !of_a_request && self.reserved.is_zero()
    }
}

impl Desk {
    pub(super) fn new(replica: ReplicaId) -> Self {
        Self {
            replica,
            me: None,
            committed_me: None,
            context: None,
            rows: HashMap::new(),
            records: HashMap::new(),
            commitments: HashMap::new(),
            holders: BTreeMap::new(),
            broken: HashMap::new(),
            followed: BTreeMap::new(),
            meters: BTreeMap::new(),
            changed: Changed::default(),
        }
    }

    /// Nothing on the desk is believed any more.
    pub(super) fn forget(&mut self) {
        let (me, replica) = (self.committed_me, self.replica);
        *self = Self {
            me,
            committed_me: me,
            ..Self::new(replica)
        };
    }

    pub(super) const fn me(&self) -> Option<Epoch> {
        self.me
    }

    /// Leaves in `wanted` only what is not on the desk yet.
    pub(super) fn complete(&self, wanted: &mut Wanted) {
        wanted.context = self.context.is_none();
        let known = wanted.requests.iter().filter_map(|id| self.records.get(id));
        let claimed =
            known.flat_map(|record| record.claims.iter().map(|claim| claim.account.clone()));
        let claimed: Vec<_> = claimed.collect();
        wanted.accounts.extend(claimed);
        wanted.requests.retain(|id| !self.records.contains_key(id));
        let mut seen = BTreeSet::new();
        wanted.requests.retain(|id| seen.insert(*id));
        wanted
            .commitments
            .retain(|id| !self.commitments.contains_key(id));
        let mut seen = BTreeSet::new();
        wanted.accounts.retain(|account| {
            let key = AccountKey::from(account);
            !self.rows.contains_key(&key) && seen.insert(key)
        });
    }

    /// Takes copies of what is in the tables.
    pub(super) fn take(&mut self, loaded: Loaded) {
        let Loaded {
            rows,
            records,
            broken,
            commitments,
            held,
            followed,
            meters,
            context,
        } = loaded;
        for row in rows {
            let key = AccountKey::from(&row.balance.account);
            self.rows.entry(key).or_insert(row);
        }
        for record in records {
            self.records.entry(record.request).or_insert(record);
        }
        for commitment in commitments {
            self.commitments.entry(commitment.id).or_insert(commitment);
        }
        let said = |(request, why): (RequestId, LedgerError)| (request, why.to_string());
        self.broken.extend(broken.into_iter().map(said));
        self.holders = held;
        for one in followed {
            self.followed.entry(one.request).or_insert(one);
        }
        for meter in meters {
            self.meters.entry(meter.key()).or_insert(meter);
        }
        if context.is_some() {
            self.context = context;
        }
    }

    pub(super) fn has_record(&self, request: RequestId) -> bool {
        self.records.contains_key(&request)
    }

    /// What must be written for the steps since the last commit to be durable.
    pub(super) fn changes(&self) -> Result<Changes<'_>, LedgerError> {
        let rows = self.changed.accounts.iter().map(|key| self.row(key));
        let records = self.changed.records.iter().filter_map(|(request, fresh)| {
            let record = self.records.get(request)?;
            let claims = self.stored_claims(record);
            let held = record.state == State::Held;
            Some(claims.map(|claims| ChangedRecord {
                record,
                claims,
                holder: self.me.filter(|_| held),
                fresh: *fresh,
            }))
        });
        let context = self.context()?;
        let life = |epoch: &Epoch| Some((*epoch, context.lives.get(epoch)?));
        let top_up = |id| context.top_ups.get(id);
        let commitments = self.changed.commitments.iter();
        let followed = |request| self.followed.get(request);
        let meter = |(key, fresh): (&MeterKey, &bool)| {
            let (meter, fresh) = (self.meters.get(key)?, *fresh);
            Some(ChangedMeter { meter, fresh })
        };
        Ok(Changes {
            rows: rows.collect::<Result<_, _>>()?,
            records: records.collect::<Result<_, _>>()?,
            commitments: commitments
                .filter_map(|id| self.commitments.get(id))
                .collect(),
            lives: self.changed.lives.iter().filter_map(life).collect(),
            top_ups: self.changed.top_ups.iter().filter_map(top_up).collect(),
            followed: self.changed.followed.iter().filter_map(followed).collect(),
            meters: self.changed.meters.iter().filter_map(meter).collect(),
            caps: self
                .changed
                .caps
                .as_deref()
                .map(|caps| (self.replica, caps)),
            entries: &self.changed.entries,
            events: &self.changed.events,
            land: &self.changed.land,
            freed: &self.changed.freed,
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
        if !sole_writer {
            self.context = None;
        }
        self.committed_me = self.me;
        self.broken.clear();
        self.commitments.clear();
        self.holders.clear();
        self.followed.clear();
        self.meters.clear();
        self.records
            .retain(|_, record| sole_writer && record.state == State::Held);
    }

    /// Takes a step whole: when it fails, all that it has changed on these rows is as it was.
    fn whole<T>(
        &mut self,
        keys: &BTreeSet<AccountKey>,
        step: impl FnOnce(&mut Self) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let kept = keys
            .iter()
            .filter_map(|key| Some((key.clone(), self.rows.get(key)?.clone())));
        let kept: Vec<_> = kept.collect();
        let context = self.context.clone();
        let (entries, events) = (self.changed.entries.len(), self.changed.events.len());
        let answer = step(self);
        if answer.is_err() {
            self.rows.extend(kept);
            self.context = context;
            self.changed.entries.truncate(entries);
            self.changed.events.truncate(events);
        }
        answer
    }

    /// Writes a line on a row, and lets its window draw what it needs of its top-ups now.
    fn write(&mut self, key: &AccountKey, line: Line, now: UtcTime) -> Result<(), LedgerError> {
        if line.says_nothing() {
            return Ok(());
        }
        let row = self.row_mut(key)?;
        row.balance = row.balance.after(line.kind, line.reserved, line.charged)?;
        let limit = line.limit;
        let account_id = row.id;
        let entry = |line: Line| NewEntry {
            at: now,
            request: line.request,
            account_id,
            kind: line.kind,
            reserved: line.reserved,
            charged: line.charged,
            note: line.note,
        };
        self.changed.entries.push(entry(line));
        self.changed.accounts.insert(key.clone());
        for line in limit.map_or_else(|| Ok(Vec::new()), |limit| self.redraw(key, limit, now))? {
            let row = self.row_mut(key)?;
            row.balance = row.balance.after(line.kind, line.reserved, line.charged)?;
            self.changed.entries.push(entry(line));
        }
        Ok(())
    }

    fn note(&mut self, by: &str, what: String, at: UtcTime) {
        self.changed.events.push(Event {
            sequence: 0,
            at,
            by: by.to_owned(),
            what,
        });
    }

    fn find(&self, request: RequestId) -> Result<Option<&Record>, LedgerError> {
        match self.broken.get(&request) {
            Some(why) => Err(LedgerError::Corrupt {
                what: format!("request {request}: {why}"),
            }),
            None => Ok(self.records.get(&request)),
        }
    }

    fn context(&self) -> Result<&Context, LedgerError> {
        self.context.as_ref().ok_or_else(not_loaded)
    }

    fn context_mut(&mut self) -> Result<&mut Context, LedgerError> {
        self.context.as_mut().ok_or_else(not_loaded)
    }

    fn row(&self, key: &AccountKey) -> Result<&Row, LedgerError> {
        self.rows.get(key).ok_or_else(|| no_row(key))
    }

    fn row_mut(&mut self, key: &AccountKey) -> Result<&mut Row, LedgerError> {
        self.rows.get_mut(key).ok_or_else(|| no_row(key))
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
}

fn no_row(key: &AccountKey) -> LedgerError {
    LedgerError::Corrupt {
        what: format!("budget {} has a claim and no row", key.budget),
    }
}

fn not_loaded() -> LedgerError {
    LedgerError::Corrupt {
        what: "a step was decided before the tables were read".into(),
    }
}
