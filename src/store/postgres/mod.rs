//! PostgreSQL behind the books: one database, many guards.
//!
//! A batch is a transaction that locks what it reads, so that guards decide one after the other wherever
//! they claim the same accounts. Readers have connections of their own and see what was committed before.

mod address;
mod cells;
mod context;
mod dump;
mod follows;
mod inspect;
mod land;
mod meters;
mod open;
mod read;
mod retain;
mod session;
mod tables;
#[cfg(test)]
mod tests;
mod write;

pub use dump::dump_line;
pub use inspect::inspect;
pub use retain::roll_up;

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::PgPool;

use self::session::within;
use super::OpenError;
use super::queue::Queue;
use super::stored::{Readers, Stored};
use crate::identity::Secret;
use crate::ledger::{
    Balance, Cap, Commitment, Entry, Event, Fingerprint, Followed, LandQuery, LedgerError, Meter,
    Record, ReplicaId, RequestId, Spending, Told, TopUp,
};
use crate::planet::Kind;
use crate::policy::Account;
use crate::units::{Amount, UtcTime};

/// The books in a PostgreSQL database.
pub type Postgres = Stored<PgReaders>;

/// The connections that only read.
#[derive(Debug)]
pub struct PgReaders(PgPool);

impl Postgres {
    /// Opens or makes the store at a `postgres://` URL. Nothing can be written before this replica has
    /// begun its life.
    pub async fn open(url: &Secret, replica: ReplicaId) -> Result<Self, OpenError> {
        let opened = open::open(url, replica).await?;
        Ok(Self {
            queue: Queue::before(opened.writer),
            readers: PgReaders(opened.readers),
        })
    }
}

#[async_trait]
impl Readers for PgReaders {
    async fn undelivered(
        &self,
        fingerprint: Fingerprint,
        since: UtcTime,
    ) -> Result<Option<Record>, LedgerError> {
        within(read::undelivered(&self.0, fingerprint, since)).await
    }

    async fn followed(
        &self,
        upstream: &str,
        kind: Kind,
        name: &str,
    ) -> Result<Vec<Followed>, LedgerError> {
        within(follows::named(&self.0, upstream, kind, name)).await
    }

    async fn next_due(&self) -> Result<Option<UtcTime>, LedgerError> {
        within(follows::next_due(&self.0)).await
    }

    async fn meters(&self) -> Result<Vec<Meter>, LedgerError> {
        within(meters::all(&self.0)).await
    }

    async fn spending(&self, of: &Spending) -> Result<Amount, LedgerError> {
        within(meters::spending(&self.0, of)).await
    }

    async fn locked_land(&self, query: &LandQuery) -> Result<Vec<Arc<str>>, LedgerError> {
        within(land::locked(&self.0, query)).await
    }

    async fn land_bytes(&self, account: &Account) -> Result<u64, LedgerError> {
        within(land::bytes_of(&self.0, account)).await
    }

    async fn top_ups(&self) -> Result<Vec<TopUp>, LedgerError> {
        within(context::top_ups(&self.0)).await
    }

    async fn commitments(&self) -> Result<Vec<Commitment>, LedgerError> {
        within(read::commitments(&self.0)).await
    }

    async fn published(&self) -> Result<Vec<(ReplicaId, Cap)>, LedgerError> {
        within(context::caps_of_the_living(&self.0)).await
    }

    async fn balances(&self) -> Result<Vec<Balance>, LedgerError> {
        within(read::balances(&self.0)).await
    }

    async fn balance(&self, account: &Account) -> Result<Balance, LedgerError> {
        within(read::balance(&self.0, account)).await
    }

    async fn entries(&self, after: u64, limit: u32) -> Result<Vec<Entry>, LedgerError> {
        within(read::entries(&self.0, after, limit)).await
    }

    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Event>, LedgerError> {
        within(read::events(&self.0, after, limit)).await
    }

    async fn record(&self, request: RequestId) -> Result<Option<Record>, LedgerError> {
        within(read::record(&self.0, request)).await
    }

    async fn told(&self) -> Result<Vec<Told>, LedgerError> {
        within(read::told(&self.0)).await
    }

    async fn unknowns(
        &self,
        after: Option<RequestId>,
        limit: u32,
    ) -> Result<Vec<Record>, LedgerError> {
        within(read::unknowns(&self.0, after, limit)).await
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        within(read::ping(&self.0)).await
    }

    async fn close(&self) {
        self.0.close().await;
    }
}
