//! The way to the writer: steps wait here in the order in which they came, and each is answered when it
//! is durable.

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::error;

use super::step::{Ending, Reply, Step};
use super::tables::Tables;
use super::writer::Writer;
use crate::ledger::{LedgerError, NewReservation, RequestId, Reserved, Standing};
use crate::units::UtcTime;

/// Steps that may wait for the writer; more callers than this wait to be let in.
const WAITING_STEPS: usize = 1024;

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) steps: mpsc::Sender<Step>,
    pub(super) writer: JoinHandle<()>,
}

impl Queue {
    pub(super) fn before<T: Tables>(writer: Writer<T>) -> Self {
        let (steps, waiting) = mpsc::channel(WAITING_STEPS);
        let writer = tokio::spawn(writer.run(waiting));
        Self { steps, writer }
    }

    pub(super) async fn reserve(
        &self,
        new: NewReservation,
        now: UtcTime,
    ) -> Result<Reserved, LedgerError> {
        let new = Box::new(new);
        self.ask(|reply| Step::Reserve { new, now, reply }).await
    }

    pub(super) async fn end(
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

    /// Whether steps are still taken.
    pub(super) fn check(&self) -> Result<(), LedgerError> {
        (!self.writer.is_finished())
            .then_some(())
            .ok_or_else(stopped)
    }

    /// Writes what still waits, then lets go of the tables. Dropping the queue does the same unobserved.
    pub(super) async fn shut_down(self) {
        let Self { steps, writer } = self;
        drop(steps);
        if let Err(panicked) = writer.await {
            error!(cause = %panicked, "the writer of the books did not end well");
        }
    }

    async fn ask<T>(&self, step: impl FnOnce(Reply<T>) -> Step) -> Result<T, LedgerError> {
        let (reply, answer) = oneshot::channel();
        self.steps.send(step(reply)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

fn stopped() -> LedgerError {
    LedgerError::Unavailable("the writer of the books has stopped".into())
}
