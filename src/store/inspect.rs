//! What a store holds at one moment, for whoever checks it: everything is read in one transaction that
//! writes nothing, beside whatever guards are running.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;

use super::rows::{self, Cells};
use super::tables::{Life, Row};
use super::{OpenError, postgres, secret, sqlite};
use crate::ledger::{
    AccountKey, Balance, Cap, Draws, Entry, Epoch, LedgerError, Record, ReplicaId, RequestId, TopUp,
};
use crate::policy::{self, Account};
use crate::units::{Amount, UtcTime};

/// Why a store cannot be inspected.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    #[error(
        "there is no store at {place}: a guard that starts makes one, with nothing spent in it"
    )]
    Missing { place: String },
    #[error("{place} is as an older version left it: start the guard, which brings it up to date")]
    Older { place: String },
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// A store, as of the moment when its inspection began.
#[async_trait]
pub trait Inspection: Send {
    /// What the database itself finds wrong, in its own words; nothing where it is whole.
    async fn damage(&mut self) -> Result<Vec<String>, LedgerError>;

    /// Whether a guard has the store to itself now; `None` of a store that takes many.
    fn in_use(&self) -> Option<bool>;

    /// The store's own clock; `None` of a store that has none.
    async fn clock(&mut self) -> Result<Option<UtcTime>, LedgerError>;

    /// The latest moment that anything in the books is from.
    async fn latest(&mut self) -> Result<Option<UtcTime>, LedgerError>;

    async fn shelves(&mut self) -> Result<Vec<Shelf>, LedgerError>;

    /// Lines behind `after`, oldest first.
    async fn entries(&mut self, after: u64, limit: u32) -> Result<Vec<Entry>, LedgerError>;

    /// Requests under way or in doubt, whose ids come behind `after`.
    async fn open_requests(
        &mut self,
        after: Option<RequestId>,
        limit: u32,
    ) -> Result<Vec<OpenRequest>, LedgerError>;

    /// Those that are not over, and those that hold or lease something.
    async fn lives(&mut self) -> Result<BTreeMap<Epoch, LifeSeen>, LedgerError>;

    async fn top_ups(&mut self) -> Result<Vec<TopUp>, LedgerError>;

    /// The limits that each living guard has published.
    async fn published(&mut self) -> Result<Vec<(ReplicaId, Cap)>, LedgerError>;

    /// The oldest request that has ended and is still kept.
    async fn oldest_ended(&mut self) -> Result<Option<UtcTime>, LedgerError>;
}

/// A row of the books, with whose leases and which top-ups are in its sums.
#[derive(Clone, Debug, PartialEq)]
pub struct Shelf {
    pub balance: Balance,
    pub leases: BTreeMap<Epoch, Amount>,
    pub draws: Draws,
}

#[derive(Clone, Debug, PartialEq)]
pub struct OpenRequest {
    pub record: Record,
    /// Who holds it while it is under way.
    pub holder: Option<Epoch>,
}

/// One life of a guard.
#[derive(Clone, Debug, PartialEq)]
pub struct LifeSeen {
    pub replica: ReplicaId,
    pub seen_at: UtcTime,
    pub over: bool,
}

impl Shelf {
    pub fn key(&self) -> AccountKey {
        AccountKey::from(&self.balance.account)
    }
}

impl From<&Row> for Shelf {
    fn from(row: &Row) -> Self {
        let leases = row.leases.iter();
        Self {
            balance: row.balance.clone(),
            leases: leases.map(|(life, slice)| (*life, slice.amount)).collect(),
            draws: row.draws.clone(),
        }
    }
}

impl From<Life> for LifeSeen {
    fn from(life: Life) -> Self {
        Self {
            replica: life.replica,
            seen_at: life.seen_at,
            over: life.over,
        }
    }
}

impl OpenRequest {
    pub(super) fn read(
        row: &impl Cells,
        accounts: &HashMap<i64, Account>,
    ) -> Result<Self, LedgerError> {
        let holder = row.number_if_any("holder")?;
        Ok(Self {
            record: rows::found(row)?.complete(accounts)?,
            holder: holder.map(Epoch::from_number),
        })
    }
}

/// Begins the inspection of the store that a policy names.
pub async fn inspect(store: &policy::Store) -> Result<Box<dyn Inspection>, InspectError> {
    match store.books() {
        policy::Books::Sqlite { file } => Ok(Box::new(sqlite::inspect(file).await?)),
        policy::Books::Postgres(url) => Ok(Box::new(postgres::inspect(&secret(url)?).await?)),
    }
}
