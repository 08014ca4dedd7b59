//! PostgreSQL behind the books: one database, many guards.
//!
//! A batch is a transaction that locks what it reads, so that guards decide one after the other wherever
//! they claim the same accounts. Readers have connections of their own and see what was committed before.

mod address;
mod cells;
mod open;
mod plain;
mod read;
mod session;
mod tables;
#[cfg(test)]
mod tests;
mod write;

use async_trait::async_trait;
use sqlx::PgPool;

use self::session::within;
use super::OpenError;
use super::queue::Queue;
use super::step::Ending;
use crate::identity::Secret;
use crate::ledger::{
    Balance, Entry, Evidence, Fingerprint, Ledger, LedgerError, NewReservation, Outcome, Record,
    RequestId, Reserved, Standing,
};
use crate::policy::Account;
use crate::units::UtcTime;

/// The books in a PostgreSQL database.
#[derive(Debug)]
pub struct Postgres {
    queue: Queue,
    readers: PgPool,
}

impl Postgres {
    /// Opens or makes the store at a `postgres://` URL.
    pub async fn open(url: &Secret) -> Result<Self, OpenError> {
        let opened = open::open(url).await?;
        Ok(Self {
            queue: Queue::before(opened.writer),
            readers: opened.readers,
        })
    }

    /// Writes what still waits, then closes every connection. Dropping the store does the same unobserved.
    pub async fn shut_down(self) {
        self.queue.shut_down().await;
        self.readers.close().await;
    }
}

#[async_trait]
impl Ledger for Postgres {
    async fn reserve(&self, new: &NewReservation, now: UtcTime) -> Result<Reserved, LedgerError> {
        self.queue.reserve(plain::reservation(new), now).await
    }

    async fn close(
        &self,
        request: RequestId,
        outcome: &Outcome,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        let ending = Ending::Close(plain::outcome(outcome));
        self.queue.end(request, ending, now).await
    }

    async fn reconcile(
        &self,
        request: RequestId,
        evidence: &Evidence,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        let ending = Ending::Reconcile(plain::evidence(evidence));
        self.queue.end(request, ending, now).await
    }

    async fn delivered(&self, request: RequestId, now: UtcTime) -> Result<(), LedgerError> {
        let answer = self.queue.end(request, Ending::Deliver, now).await;
        answer.map(drop)
    }

    async fn undelivered(
        &self,
        fingerprint: Fingerprint,
        since: UtcTime,
    ) -> Result<Option<Record>, LedgerError> {
        within(read::undelivered(&self.readers, fingerprint, since)).await
    }

    async fn balances(&self) -> Result<Vec<Balance>, LedgerError> {
        within(read::balances(&self.readers)).await
    }

    async fn balance(&self, account: &Account) -> Result<Balance, LedgerError> {
        within(read::balance(&self.readers, &plain::account(account))).await
    }

    async fn entries(&self, after: u64, limit: u32) -> Result<Vec<Entry>, LedgerError> {
        within(read::entries(&self.readers, after, limit)).await
    }

    async fn record(&self, request: RequestId) -> Result<Option<Record>, LedgerError> {
        within(read::record(&self.readers, request)).await
    }

    async fn unknowns(
        &self,
        after: Option<RequestId>,
        limit: u32,
    ) -> Result<Vec<Record>, LedgerError> {
        within(read::unknowns(&self.readers, after, limit)).await
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        self.queue.check()?;
        within(read::ping(&self.readers)).await
    }
}
