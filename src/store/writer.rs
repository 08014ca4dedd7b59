//! The one task that writes. It takes what waits, reads what all of it is about, decides step by step,
//! commits once and then answers everybody; nobody hears of a grant that is not durable. While it
//! commits, the next batch gathers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::{debug, error};

use super::desk::Desk;
use super::step::{Decision, Step, deliver, granted, refuse, unheard, wanted};
use super::tables::{Failure, Tables};
use crate::ledger::{LedgerError, Outcome, RequestId};
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
    pub(super) fn new(tables: T) -> Self {
        Self {
            tables,
            desk: Desk::default(),
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

    /// Ends as unknown what somebody left held who will not come back for it.
    pub(super) async fn doubt(
        &mut self,
        held: Vec<RequestId>,
        why: &str,
        now: UtcTime,
    ) -> Result<(), LedgerError> {
        let unknown = |request| {
            let why = why.to_owned();
            unheard(request, Outcome::Unknown { why }, now)
        };
        let steps: Vec<_> = held.into_iter().map(unknown).collect();
        let decisions = self.decided(&steps).await.map_err(Failure::cause)?;
        decisions
            .into_iter()
            .try_for_each(|decision| match decision {
                Decision::Reserve { result, .. } => result.map(drop),
                Decision::End(result) => result.map(drop),
            })
    }

    /// One commit. Gives back the steps that undo grants which nobody waited for.
    async fn batch(&mut self, mut steps: Vec<Step>) -> Vec<Step> {
        let again = self.come_again(&steps);
        let doubtful = self.in_doubt.iter().take(BATCH);
        let doubtful: Vec<_> = doubtful.map(|(request, now)| (*request, *now)).collect();
        let undo = |(request, now): &(RequestId, UtcTime)| unheard(*request, Outcome::Voided, *now);
        steps.extend(doubtful.iter().map(undo));
        match self.decided(&steps).await {
            Ok(decisions) => {
                for (request, _) in doubtful {
                    self.in_doubt.remove(&request);
                }
                deliver(steps, decisions, &again)
            }
            Err(failure) => {
                let cause = failure.cause();
                error!(%cause, steps = steps.len(), "the books could not be written; nothing was granted");
                self.in_doubt.extend(again);
                refuse(steps, &Arc::new(cause));
                Vec::new()
            }
        }
    }

    /// Grants in doubt that a caller asks for once more: they are the caller's from here on.
    fn come_again(&mut self, steps: &[Step]) -> BTreeMap<RequestId, UtcTime> {
        let reserved = steps.iter().filter_map(Step::reserves);
        let again = reserved.filter_map(|(request, _)| self.in_doubt.remove_entry(&request));
        again.collect()
    }

    /// Decides all steps and makes that durable. When it fails nothing on the desk is believed any more.
    async fn decided(&mut self, steps: &[Step]) -> Result<Vec<Decision>, Failure> {
        let mut attempt = 1;
        loop {
            let failure = match self.attempt(steps).await {
                Ok(decisions) => return Ok(decisions),
                Err(failure) => failure,
            };
            self.desk = Desk::default();
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

    async fn attempt(&mut self, steps: &[Step]) -> Result<Vec<Decision>, Failure> {
        let wanted = wanted(steps, &self.desk);
        let loaded = self.tables.load(&wanted).await?;
        self.desk.take(loaded);
        let decisions = steps.iter().map(|step| self.desk.decide(step));
        let decisions: Vec<_> = decisions.collect();
        let changes = self.desk.changes()?;
        if changes.is_empty() {
            self.tables.leave().await;
        } else if let Err(failure) = self.tables.save(&changes).await {
            if let Failure::InDoubt(_) = failure {
                self.in_doubt.extend(granted(steps, &decisions));
            }
            return Err(failure);
        }
        self.desk.committed(T::SOLE_WRITER);
        Ok(decisions)
    }
}

impl Failure {
    fn cause(self) -> LedgerError {
        match self {
            Self::Overtaken(cause) | Self::Failed(cause) | Self::InDoubt(cause) => cause,
        }
    }
}
