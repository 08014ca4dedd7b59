//! SQLite behind the books: one file, one guard, one writer.
//!
//! All steps go through one task (`writer`) that takes what waits, decides each step on rows it
//! keeps in memory (`desk`), writes what they changed in one transaction (`flush`), and answers
//! when it is on the disk. Readers have connections of their own and see what was committed before.

mod desk;
mod flush;
mod lock;
mod open;
mod read;
mod rows;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;

use async_trait::async_trait;
use sqlx::SqlitePool;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use self::writer::{Ending, Step};
use super::OpenError;
use crate::ledger::{
    Balance, Entry, Evidence, Fingerprint, Ledger, LedgerError, NewReservation, Outcome, Record,
    RequestId, Reserved, Standing,
};
use crate::policy::Account;
use crate::units::UtcTime;

/// Steps that may wait for the writer; more callers than this wait to be let in.
const WAITING_STEPS: usize = 1024;

/// The books in a SQLite file.
#[derive(Debug)]
pub struct Sqlite {
    steps: mpsc::Sender<Step>,
    readers: SqlitePool,
    writer: JoinHandle<()>,
    found_in_doubt: u64,
}

impl Sqlite {
    /// Opens or makes the store. Whatever an earlier process left held is unknown from here on.
    pub async fn open(path: &Path, now: UtcTime) -> Result<Self, OpenError> {
        let opened = open::open(path, now).await?;
        let (steps, waiting) = mpsc::channel(WAITING_STEPS);
        let writer = tokio::spawn(writer::run(opened.writer, opened.lock, waiting));
        Ok(Self {
            steps,
            readers: opened.readers,
            writer,
            found_in_doubt: opened.found_in_doubt,
        })
    }

    /// How many reservations of an earlier process had to be counted as unknown when this one opened.
    pub const fn found_in_doubt(&self) -> u64 {
        self.found_in_doubt
    }

    /// Writes what still waits, then lets go of the file. Dropping the store does the same unobserved.
    pub async fn shut_down(self) {
        let Self {
            steps,
            readers,
            writer,
            found_in_doubt: _,
        } = self;
        drop(steps);
        readers.close().await;
        if let Err(panicked) = writer.await {
            tracing::error!(cause = %panicked, "the writer of the books did not end well");
        }
    }

    async fn ask<T>(
        &self,
        step: impl FnOnce(oneshot::Sender<Result<T, LedgerError>>) -> Step,
    ) -> Result<T, LedgerError> {
        let stopped = || LedgerError::Unavailable("the writer of the books has stopped".into());
        let (reply, answer) = oneshot::channel();
        self.steps.send(step(reply)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    async fn end(
        &self,
        request: RequestId,
        ending: Ending,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        self.ask(|reply| Step::End {
            request,
            ending,
            now,
            reply,
        })
        .await
    }
}

#[async_trait]
impl Ledger for Sqlite {
    async fn begin(
        &self,
        _p: Option<&crate::ledger::Proof>,
        _now: UtcTime,
    ) -> Result<crate::ledger::Begun, LedgerError> {
        panic!()
    }
    async fn leave(&self, _now: UtcTime) -> Result<(), LedgerError> {
        panic!()
    }
    async fn give_up(
        &self,
        _s: UtcTime,
        _now: UtcTime,
    ) -> Result<Vec<crate::ledger::ReplicaId>, LedgerError> {
        panic!()
    }
    async fn report(
        &self,
        _r: &crate::ledger::Report,
        _now: UtcTime,
    ) -> Result<Vec<crate::ledger::Leased>, LedgerError> {
        panic!()
    }
    async fn recall(&self, _a: &[Account], _now: UtcTime) -> Result<(), LedgerError> {
        panic!()
    }
    async fn top_up(
        &self,
        _n: &crate::ledger::NewTopUp,
        _now: UtcTime,
    ) -> Result<crate::ledger::TopUp, LedgerError> {
        panic!()
    }
    async fn top_ups(&self) -> Result<Vec<crate::ledger::TopUp>, LedgerError> {
        panic!()
    }
    async fn publish(&self, _c: &[crate::ledger::Cap], _now: UtcTime) -> Result<(), LedgerError> {
        panic!()
    }
    async fn published(
        &self,
    ) -> Result<Vec<(crate::ledger::ReplicaId, crate::ledger::Cap)>, LedgerError> {
        panic!()
    }
    async fn events(&self, _a: u64, _l: u32) -> Result<Vec<crate::ledger::Event>, LedgerError> {
        panic!()
    }

    async fn reserve(&self, new: &NewReservation, now: UtcTime) -> Result<Reserved, LedgerError> {
        let new = Box::new(new.clone());
        self.ask(|reply| Step::Reserve { new, now, reply }).await
    }

    async fn close(
        &self,
        request: RequestId,
        outcome: &Outcome,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        self.end(request, Ending::Close(outcome.clone()), now).await
    }

    async fn reconcile(
        &self,
        request: RequestId,
        evidence: &Evidence,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        let ending = Ending::Reconcile(evidence.clone());
        self.end(request, ending, now).await
    }

    async fn delivered(&self, request: RequestId, now: UtcTime) -> Result<(), LedgerError> {
        self.end(request, Ending::Deliver, now).await.map(drop)
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
        if self.writer.is_finished() {
            return Err(LedgerError::Unavailable(
                "the writer of the books has stopped".into(),
            ));
        }
        read::ping(&self.readers).await
    }
}
