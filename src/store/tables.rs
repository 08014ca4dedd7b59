//! What the writer needs of a database: read what a batch of steps is about, write what has changed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::desk::Changes;
use super::rows::Found;
use crate::ledger::{
    AccountKey, Balance, Cap, Commitment, CommitmentId, Draws, Epoch, Fingerprint, Followed,
    LedgerError, Meter, Record, ReplicaId, RequestId, TopUp, heard_at,
};
use crate::policy::Account;
use crate::units::{Amount, Unit, UtcTime};

/// The tables of one database in the hands of the one task that writes them. Each batch is a `load`,
/// then a `save` or, when nothing has changed, a `leave`.
pub(super) trait Tables: Send + 'static {
    /// Whether nobody else writes, so that what was read once stays true from batch to batch. Otherwise
    /// `load` locks what it reads, for nobody else to change it until the batch is over.
    const SOLE_WRITER: bool;

    /// Begins a batch with everything its steps ask for: the records, and the rows both of the accounts
    /// and of all that the records have claimed. `me` is the life that the steps write for; until the
    /// batch is over nobody else may close it.
    fn load(
        &mut self,
        wanted: &Wanted,
        me: Option<Epoch>,
    ) -> impl Future<Output = Result<Loaded, Failure>> + Send;

    /// Makes all changes durable, or leaves the tables as they were, and ends the batch.
    fn save(&mut self, changes: &Changes<'_>) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Ends a batch that changes nothing.
    fn leave(&mut self) -> impl Future<Output = ()> + Send;

    fn close(self) -> impl Future<Output = ()> + Send;
}

/// What the steps of a batch are about, each once.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) requests: Vec<RequestId>,
    pub(super) accounts: Vec<Account>,
    pub(super) commitments: Vec<CommitmentId>,
    /// Whose lives are to be closed: with all that they hold, all that they lease, and the requests under
    /// which their lost leases may stand.
    pub(super) closing: Vec<Closing>,
    /// Requests, for what they made and is followed.
    pub(super) followed: Vec<RequestId>,
    /// What is followed and due, whoever made it.
    pub(super) due: Vec<Due>,
    pub(super) meters: Vec<MeterKey>,
    /// Keys under which top-ups may stand.
    pub(super) keys: Vec<Fingerprint>,
    /// Whether the context must be read.
    pub(super) context: bool,
}

/// Which lives a step closes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Closing {
    /// All that this replica has led.
    Own,
    /// All others that were last heard before that.
    SilentSince(UtcTime),
}

/// A meter's upstream, product and unit.
pub(super) type MeterKey = (Arc<str>, Arc<str>, Unit);

/// The things that are due then, the longest overdue first, and no more than that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    pub(super) now: UtcTime,
    pub(super) limit: u32,
}

#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) rows: Vec<Row>,
    /// Those of the wanted requests that have reserved.
    pub(super) records: Vec<Record>,
    /// Those that have, but whose records cannot be read.
    pub(super) broken: Vec<(RequestId, LedgerError)>,
    /// Those of the wanted commitments that are there.
    pub(super) commitments: Vec<Commitment>,
    /// What the lives hold that may be closed.
    pub(super) held: BTreeMap<RequestId, Epoch>,
    pub(super) followed: Vec<Followed>,
    pub(super) meters: Vec<Meter>,
    pub(super) context: Option<Context>,
}

/// What steps need to know besides the rows and records that they are about.
#[derive(Clone, Debug, Default)]
pub(super) struct Context {
    /// All that live, and all that this replica has led.
    pub(super) lives: BTreeMap<Epoch, Life>,
    /// The highest number that a life has had.
    pub(super) last_life: Epoch,
    pub(super) top_ups: BTreeMap<i64, TopUp>,
    pub(super) last_top_up: i64,
    pub(super) caps: BTreeMap<ReplicaId, Vec<Cap>>,
}

/// One life of a replica.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) replica: ReplicaId,
    pub(super) began_at: UtcTime,
    pub(super) seen_at: UtcTime,
    pub(super) over: bool,
    /// The last report that was taken.
    pub(super) reported: u64,
}

/// A row of the books and its id in the tables.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) balance: Balance,
    /// Of the balance's `leased`, what each life has; and what lives that are over had spent.
    pub(super) leases: BTreeMap<Epoch, Slice>,
    /// Of the balance's `drawn`, what is of which top-up.
    pub(super) draws: Draws,
    pub(super) recalled_at: Option<UtcTime>,
    /// Whether the tables have it. A new one has a number of its own and nothing booked on it.
    pub(super) stored: bool,
}

/// What one life leases of one account.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Slice {
    /// Not reported as spent.
    pub(super) amount: Amount,
    /// Reported as spent since it was first granted.
    pub(super) spent: Amount,
    pub(super) recall: Recall,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Recall {
    #[default]
    No,
    Asked,
    Answered,
}

impl Context {
    pub(super) fn heard_at(&self, now: UtcTime) -> UtcTime {
        let living = self.lives.values().filter(|life| !life.over);
        heard_at(now, living.map(|life| life.seen_at))
    }
}

impl Life {
    pub(super) const fn new(replica: ReplicaId, now: UtcTime) -> Self {
        Self {
            replica,
            began_at: now,
            seen_at: now,
            over: false,
            reported: 0,
        }
    }

    /// Whether this is how `replica` lives now.
    pub(super) fn is_of(&self, replica: ReplicaId) -> bool {
        self.replica == replica && !self.over
    }
}

impl Row {
    /// A row that the tables do not have yet.
    pub(super) const fn new(id: i64, account: Account) -> Self {
        Self {
            id,
            balance: Balance::empty(account),
            leases: BTreeMap::new(),
            draws: Draws::new(),
            recalled_at: None,
            stored: false,
        }
    }

    pub(super) fn slice(&self, epoch: Epoch) -> Slice {
        self.leases.get(&epoch).copied().unwrap_or_default()
    }

    /// What this life was lent of it: what it leases, and what it has told to be spent.
    pub(super) fn lent_to(&self, me: Option<Epoch>) -> Amount {
        let slice = me.map(|me| self.slice(me)).unwrap_or_default();
        slice.amount.saturating_add(slice.spent)
    }

    /// What others lease of it and have not yet been asked for in vain.
    pub(super) fn leased_elsewhere(&self, me: Option<Epoch>) -> Amount {
        let others = self
            .leases
            .iter()
            .filter(|(epoch, slice)| Some(**epoch) != me && slice.recall != Recall::Answered);
        others.fold(Amount::ZERO, |sum, (_, slice)| {
            sum.saturating_add(slice.amount)
        })
    }
}

/// The names under which leases of closed lives stand in the worklist, if they do.
pub(super) fn lost_leases(rows: &[Row], lives: &BTreeMap<Epoch, Life>) -> Vec<RequestId> {
    let over = |epoch: &Epoch| lives.get(epoch).filter(|life| life.over);
    let lost = rows.iter().flat_map(|row| {
        let key = AccountKey::from(&row.balance.account);
        row.leases.keys().filter_map(move |epoch| {
            let began_at = over(epoch)?.began_at;
            Some(RequestId::of_lease(*epoch, began_at, &key))
        })
    });
    lost.collect()
}

/// Why a batch came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// Another writer was first. Nothing is written, and the same batch may pass when it is tried again.
    Overtaken(LedgerError),
    /// Nothing is written.
    Failed(LedgerError),
    /// The connection was lost at the commit: everything is written, or nothing. The next batch sees which.
    InDoubt(LedgerError),
}

impl Loaded {
    /// Puts the accounts of `rows` where the records that were found refer to them.
    pub(super) fn new(found: Vec<(RequestId, Result<Found, LedgerError>)>, rows: Vec<Row>) -> Self {
        let (mut records, mut broken) = (Vec::with_capacity(found.len()), Vec::new());
        if !found.is_empty() {
            let accounts = accounts(&rows);
            for (request, found) in found {
                match found.and_then(|found| found.complete(&accounts)) {
                    Ok(record) => records.push(record),
                    Err(why) => broken.push((request, why)),
                }
            }
        }
        Self {
            rows,
            records,
            broken,
            commitments: Vec::new(),
            held: BTreeMap::new(),
            followed: Vec::new(),
            meters: Vec::new(),
            context: None,
        }
    }
}

/// The accounts of rows by the numbers that claims refer to.
pub(super) fn accounts(rows: &[Row]) -> HashMap<i64, Account> {
    let numbered = |row: &Row| (row.id, row.balance.account.clone());
    rows.iter().map(numbered).collect()
}

impl From<LedgerError> for Failure {
    fn from(cause: LedgerError) -> Self {
        Self::Failed(cause)
    }
}
