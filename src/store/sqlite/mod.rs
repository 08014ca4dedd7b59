//! SQLite behind the books: one file, one guard, one writer.
//!
//! What waits is written in one transaction (`flush`). Readers have connections of their own and see what
//! was committed before.

mod backup;
mod cells;
mod context;
mod flush;
mod follows;
mod inspect;
mod land;
mod meters;
mod open;
mod read;
mod retain;
mod tables;
#[cfg(test)]
mod tests;

pub use backup::{Backup, BackupError, backup};
pub use inspect::inspect;
pub use retain::roll_up;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::SqlitePool;

use super::OpenError;
use super::queue::Queue;
use super::stored::{Readers, Stored};
use crate::ledger::{
    Balance, Cap, Commitment, Entry, Event, Fingerprint, Followed, LandQuery, LedgerError, Meter,
    Record, ReplicaId, RequestId, Spending, Told, TopUp,
};
use crate::planet::Kind;
use crate::policy::Account;
use crate::units::{Amount, UtcTime};

/// The books in a SQLite file.
pub type Sqlite = Stored<SqliteReaders>;

/// The connections that only read.
#[derive(Debug)]
pub struct SqliteReaders(SqlitePool);

impl Sqlite {
    /// Opens or makes the store. Nothing can be written before this replica has begun its life.
    pub async fn open(path: &Path, replica: ReplicaId) -> Result<Self, OpenError> {
        let (writer, readers) = open::open(path, replica).await?;
        Ok(Self {
            queue: Queue::before(writer),
            readers: SqliteReaders(readers),
        })
    }
}

#[async_trait]
impl Readers for SqliteReaders {
    async fn undelivered(
        &self,
        fingerprint: Fingerprint,
        since: UtcTime,
    ) -> Result<Option<Record>, LedgerError> {
        read::undelivered(&self.0, fingerprint, since).await
    }

    async fn followed(
        &self,
        upstream: &str,
        kind: Kind,
        name: &str,
    ) -> Result<Vec<Followed>, LedgerError> {
        follows::named(&self.0, upstream, kind, name).await
    }

    async fn next_due(&self) -> Result<Option<UtcTime>, LedgerError> {
        follows::next_due(&self.0).await
    }

    async fn meters(&self) -> Result<Vec<Meter>, LedgerError> {
        meters::all(&self.0).await
    }

    async fn spending(&self, of: &Spending) -> Result<Amount, LedgerError> {
        meters::spending(&self.0, of).await
    }

    async fn locked_land(&self, query: &LandQuery) -> Result<Vec<Arc<str>>, LedgerError> {
        land::locked(&self.0, query).await
    }

    async fn land_bytes(&self, account: &Account) -> Result<u64, LedgerError> {
        land::bytes_of(&self.0, account).await
    }

    async fn top_ups(&self) -> Result<Vec<TopUp>, LedgerError> {
        let mut connection = self.0.acquire().await.map_err(super::rows::failed)?;
        context::top_ups(&mut connection).await
    }

    async fn commitments(&self) -> Result<Vec<Commitment>, LedgerError> {
        read::commitments(&self.0).await
    }

    async fn published(&self) -> Result<Vec<(ReplicaId, Cap)>, LedgerError> {
        let mut connection = self.0.acquire().await.map_err(super::rows::failed)?;
        context::caps_of_the_living(&mut connection).await
    }

    async fn balances(&self) -> Result<Vec<Balance>, LedgerError> {
        read::balances(&self.0).await
    }

    async fn balance(&self, account: &Account) -> Result<Balance, LedgerError> {
        read::balance(&self.0, account).await
    }

    async fn entries(&self, after: u64, limit: u32) -> Result<Vec<Entry>, LedgerError> {
        read::entries(&self.0, after, limit).await
    }

    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Event>, LedgerError> {
        read::events(&self.0, after, limit).await
    }

    async fn record(&self, request: RequestId) -> Result<Option<Record>, LedgerError> {
        read::record(&self.0, request).await
    }

    async fn told(&self) -> Result<Vec<Told>, LedgerError> {
        read::told(&self.0).await
    }

    async fn unknowns(
        &self,
        after: Option<RequestId>,
        limit: u32,
    ) -> Result<Vec<Record>, LedgerError> {
        read::unknowns(&self.0, after, limit).await
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        read::ping(&self.0).await
    }

    async fn close(&self) {
        self.0.close().await;
    }
}
