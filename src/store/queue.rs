//! The way to the writer: steps wait here in the order in which they came, and each is answered when it
//! is durable.

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::error;

use super::step::{Heard, Step};
use super::tables::Tables;
use super::writer::Writer;
use crate::ledger::LedgerError;

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

    /// Hands a step over and waits for its answer.
    pub(super) async fn ask<T>(&self, (step, heard): (Step, Heard<T>)) -> Result<T, LedgerError> {
        self.steps.send(step).await.map_err(|_| stopped())?;
        heard.await.map_err(|_| stopped())?
    }
}

fn stopped() -> LedgerError {
    LedgerError::Unavailable("the writer of the books has stopped".into())
}
