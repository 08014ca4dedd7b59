//! The one task that writes. It takes what waits, reads what all of it is about, decides step by step,
//! commits once and then answers everybody; nobody hears of a grant that is not durable. While it
//! commits, the next batch gathers.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::{debug, error};

use super::desk::Desk;
use super::step::{Step, Told, wanted};
use super::tables::{Failure, Tables};
use crate::ledger::{LedgerError, Outcome, ReplicaId};

/// Steps to a commit, so that the first of them does not wait for ever more.
pub(super) const BATCH: usize = 256;
/// How often a batch is tried when other writers keep getting in its way.
const ATTEMPTS: usize = 4;

pub(super) struct Writer<T> {
    pub(super) tables: T,
    desk: Desk,
}

impl<T: Tables> Writer<T> {
    pub(super) fn new(tables: T, replica: ReplicaId) -> Self {
        let desk = Desk::new(replica);
        Self { tables, desk }
    }

    /// Writes until every sender is gone.
    pub(super) async fn run(mut self, mut waiting: mpsc::Receiver<Step>) {
        let mut steps = Vec::with_capacity(BATCH);
        while waiting.recv_many(&mut steps, BATCH).await > 0 {
            while !steps.is_empty() {
                steps = self.batch(std::mem::take(&mut steps)).await;
            }
        }
        self.tables.close().await;
    }

    /// One commit. Gives back the steps that undo grants which nobody waited for.
    async fn batch(&mut self, mut steps: Vec<Step>) -> Vec<Step> {
        match self.decided(&mut steps).await {
            Ok(()) => deliver(steps),
            Err(cause) => {
                error!(%cause, steps = steps.len(), "the books could not be written; nothing was granted");
                steps.into_iter().for_each(|step| step.refuse(&cause));
                Vec::new()
            }
        }
    }

    /// Decides all steps and makes that durable. When it fails nothing on the desk is believed any more.
    async fn decided(&mut self, steps: &mut [Step]) -> Result<(), Arc<LedgerError>> {
        let mut attempt = 1;
        loop {
            let Err(failure) = self.attempt(steps).await else {
                return Ok(());
            };
            self.desk.forget();
            self.tables.leave().await;
            match failure {
                Failure::Overtaken(cause) if attempt < ATTEMPTS => {
                    debug!(%cause, attempt, "another guard was first; trying again");
                    attempt += 1;
                }
                last => return Err(last.cause()),
            }
        }
    }

    async fn attempt(&mut self, steps: &mut [Step]) -> Result<(), Failure> {
        let wanted = wanted(steps, &self.desk);
        let loaded = self.tables.load(&wanted, self.desk.me()).await?;
        self.desk.take(loaded);
        for step in steps {
            step.decide(&mut self.desk);
        }
        let changes = self.desk.changes()?;
        if changes.is_empty() {
            self.tables.leave().await;
        } else {
            self.tables.save(&changes).await?;
        }
        self.desk.committed(T::SOLE_WRITER);
        Ok(())
    }
}

/// Tells everybody. A grant whose caller has gone away before it could learn of it was certainly not
/// forwarded: it is taken back, unless another step that repeated it was told.
fn deliver(steps: Vec<Step>) -> Vec<Step> {
    let (mut lost, mut told) = (BTreeMap::new(), HashSet::new());
    for step in steps {
        match step.tell() {
            Told::OfAGrant(request) => _ = told.insert(request),
            Told::LostAGrant(request, now) => _ = lost.insert(request, now),
            Told::Otherwise => {}
        }
    }
    lost.retain(|request, _| !told.contains(request));
    lost.into_iter()
        .map(|(request, now)| Step::close(request, Outcome::Voided, now).0)
        .collect()
}
