//! SQLite behind the books: one file, one guard, one writer.
//!
//! What waits is written in one transaction (`flush`). Readers have connections of their own and see what
//! was committed before.

mod cells;
mod flush;
mod lock;
mod open;
mod read;
mod tables;
#[cfg(test)]
mod tests;

use std::path::Path;

use async_trait::async_trait;
use sqlx::SqlitePool;

use super::OpenError;
use super::queue::Queue;
use super::step::Ending;
use crate::ledger::{
    Balance, Entry, Evidence, Fingerprint, Ledger, LedgerError, NewReservation, Outcome, Record,
    RequestId, Reserved, Standing,
};
use crate::policy::Account;
use crate::units::UtcTime;

/// The books in a SQLite file.
#[derive(Debug)]
pub struct Sqlite {
    queue: Queue,
    readers: SqlitePool,
    found_in_doubt: usize,
}

impl Sqlite {
    /// Opens or makes the store. Whatever an earlier process left held is unknown from here on.
    pub async fn open(path: &Path, now: UtcTime) -> Result<Self, OpenError> {
        let opened = open::open(path, now).await?;
        Ok(Self {
            queue: Queue::before(opened.writer),
            readers: opened.readers,
            found_in_doubt: opened.found_in_doubt,
        })
    }

    /// How many reservations of an earlier process had to be counted as unknown when this one opened.
    pub const fn found_in_doubt(&self) -> usize {
        self.found_in_doubt
    }

    /// Writes what still waits, then lets go of the file. Dropping the store does the same unobserved.
    pub async fn shut_down(self) {
        self.readers.close().await;
        self.queue.shut_down().await;
    }
}

#[async_trait]
impl Ledger for Sqlite {
    async fn reserve(&self, new: &NewReservation, now: UtcTime) -> Result<Reserved, LedgerError> {
        self.queue.reserve(new.clone(), now).await
    }

    async fn close(
        &self,
        request: RequestId,
        outcome: &Outcome,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        let ending = Ending::Close(outcome.clone());
        self.queue.end(request, ending, now).await
    }

    async fn reconcile(
        &self,
        request: RequestId,
        evidence: &Evidence,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        let ending = Ending::Reconcile(evidence.clone());
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
        read::undelivered(&self.readers, fingerprint, since).await
    }

    async fn balances(&self) -> Result<Vec<Balance>, LedgerError> {
        read::balances(&self.readers).await
    }

    async fn balance(&self, account: &Account) -> Result<Balance, LedgerError> {
        read::balance(&self.readers, account).await
    }

    async fn entries(&self, after: u64, limit: u32) -> Result<Vec<Entry>, LedgerError> {
        read::entries(&self.readers, after, limit).await
    }

    async fn record(&self, request: RequestId) -> Result<Option<Record>, LedgerError> {
        read::record(&self.readers, request).await
    }

    async fn unknowns(
        &self,
        after: Option<RequestId>,
        limit: u32,
    ) -> Result<Vec<Record>, LedgerError> {
        read::unknowns(&self.readers, after, limit).await
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        self.queue.check()?;
        read::ping(&self.readers).await
    }
}
