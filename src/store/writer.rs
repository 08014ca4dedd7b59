//! The one task that writes. It takes what waits, reads what all of it is about, decides step by step,
//! commits once and then answers everybody; nobody hears of a grant that is not durable. While it
//! commits, the next batch gathers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::{debug, error};

use super::desk::Desk;
use super::step::{Step, Told, wanted};
use super::tables::{Failure, Tables};
use crate::ledger::{LedgerError, Outcome, ReplicaId, RequestId};
use crate::units::UtcTime;

/// Steps to a commit, so that the first of them does not wait for ever more.
pub(super) const BATCH: usize = 256;
/// How often a batch is tried when other writers keep getting in its way.
const ATTEMPTS: usize = 4;
/// How long grants in doubt wait for a step that comes by, before they are looked after on their own.
const LOOK_AFTER: Duration = Duration::from_millis(500);

pub(super) struct Writer<T> {
    pub(super) tables: T,
    desk: Desk,
    /// Grants that may have become durable although their callers were told that nothing was granted. They
    /// are for nobody, and voided, unless a caller comes again first.
    in_doubt: BTreeMap<RequestId, UtcTime>,
}

impl<T: Tables> Writer<T> {
    pub(super) fn new(tables: T, replica: ReplicaId) -> Self {
        Self {
            tables,
            desk: Desk::new(replica),
            in_doubt: BTreeMap::new(),
        }
    }

    /// Writes until every sender is gone.
    pub(super) async fn run(mut self, mut waiting: mpsc::Receiver<Step>) {
        let mut steps = Vec::with_capacity(BATCH);
        while self.gather(&mut steps, &mut waiting).await {
            while !steps.is_empty() {
                steps = self.batch(std::mem::take(&mut steps)).await;
            }
        }
        if !self.in_doubt.is_empty() {
            self.batch(Vec::new()).await;
        }
        self.tables.close().await;
    }

    /// Takes what waits, or waits; whether there will ever be more.
    async fn gather(&mut self, steps: &mut Vec<Step>, waiting: &mut mpsc::Receiver<Step>) -> bool {
        let more = waiting.recv_many(steps, BATCH);
        if self.in_doubt.is_empty() {
            return more.await > 0;
        }
        if let Ok(received) = timeout(LOOK_AFTER, more).await {
            return received > 0;
        }
        *steps = self.batch(Vec::new()).await;
        true
    }

    /// One commit. Gives back the steps that undo grants which nobody waited for.
    async fn batch(&mut self, mut steps: Vec<Step>) -> Vec<Step> {
        let again = self.come_again(&steps);
        let doubtful = self.in_doubt.iter().take(BATCH);
        let doubtful: Vec<_> = doubtful.map(|(request, now)| (*request, *now)).collect();
        steps.extend(
            doubtful
                .iter()
                .map(|(request, now)| taken_back(*request, *now)),
        );
        match self.decided(&mut steps).await {
            Ok(()) => {
                for (request, _) in doubtful {
                    self.in_doubt.remove(&request);
                }
                deliver(steps, &again)
            }
            Err(failure) => {
                let cause = Arc::new(failure.cause());
                error!(%cause, steps = steps.len(), "the books could not be written; nothing was granted");
                self.in_doubt.extend(again);
                for step in steps {
                    step.refuse(&cause);
                }
                Vec::new()
            }
        }
    }

    /// Grants in doubt that a caller asks for once more: they are the caller's from here on.
    fn come_again(&mut self, steps: &[Step]) -> BTreeMap<RequestId, UtcTime> {
        let reserved = steps.iter().filter_map(Step::reserves);
        let again = reserved.filter_map(|request| self.in_doubt.remove_entry(&request));
        again.collect()
    }

    /// Decides all steps and makes that durable. When it fails nothing on the desk is believed any more.
    async fn decided(&mut self, steps: &mut [Step]) -> Result<(), Failure> {
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
                last => return Err(last),
            }
        }
    }

    async fn attempt(&mut self, steps: &mut [Step]) -> Result<(), Failure> {
        let wanted = wanted(steps, &self.desk);
        let loaded = self.tables.load(&wanted, self.desk.me()).await?;
        self.desk.take(loaded);
        for step in &mut *steps {
            step.decide(&mut self.desk);
        }
        let changes = self.desk.changes()?;
        if changes.is_empty() {
            self.tables.leave().await;
        } else if let Err(failure) = self.tables.save(&changes).await {
            if let Failure::InDoubt(_) = failure {
                self.in_doubt.extend(steps.iter().filter_map(Step::granted));
            }
            return Err(failure);
        }
        self.desk.committed(T::SOLE_WRITER);
        Ok(())
    }
}

/// Tells everybody. A grant whose caller has gone away before it could learn of it was certainly not
/// forwarded: it is taken back, unless another step that repeated it was told. `again` are those that an
/// earlier batch may have made and told nobody of.
fn deliver(steps: Vec<Step>, again: &BTreeMap<RequestId, UtcTime>) -> Vec<Step> {
    let (mut lost, mut told) = (BTreeMap::new(), BTreeSet::new());
    for step in steps {
        match step.tell() {
            Told::OfAGrant(request) => _ = told.insert(request),
            Told::LostAGrant {
                request,
                now,
                fresh,
            } if fresh || again.contains_key(&request) => _ = lost.insert(request, now),
            Told::LostAGrant { .. } | Told::Otherwise => {}
        }
    }
    lost.retain(|request, _| !told.contains(request));
    lost.into_iter()
        .map(|(request, now)| taken_back(request, now))
        .collect()
}

/// A step that ends a grant which was made for nobody; nobody waits for its answer.
fn taken_back(request: RequestId, now: UtcTime) -> Step {
    Step::close(request, Outcome::Voided, now).0
}

impl Failure {
    fn cause(self) -> LedgerError {
        match self {
            Self::Overtaken(cause) | Self::Failed(cause) | Self::InDoubt(cause) => cause,
        }
    }
}
