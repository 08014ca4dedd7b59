//! The one task that writes. It takes what waits, reads what all of it is about, decides step by step,
//! commits once and then answers everybody; nobody hears of a grant that is not durable. While it
//! commits, the next batch gathers.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tracing::{debug, error};

use super::desk::Desk;
use super::tables::{Failure, Tables, Wanted};
use crate::ledger::{
    AccountKey, Evidence, LedgerError, NewReservation, Outcome, RequestId, Reserved, Standing,
};
use crate::policy::Claim;
use crate::units::UtcTime;

/// Steps to a commit, so that the first of them does not wait for ever more.
pub(super) const BATCH: usize = 256;
/// How often a batch is tried when other writers keep getting in its way.
const ATTEMPTS: usize = 4;

pub(super) type Reply<T> = oneshot::Sender<Result<T, LedgerError>>;

#[derive(Debug)]
pub(super) enum Step {
    Reserve {
        new: Box<NewReservation>,
        now: UtcTime,
        reply: Reply<Reserved>,
    },
    End {
        request: RequestId,
        ending: Ending,
        now: UtcTime,
        reply: Reply<Vec<Standing>>,
    },
}

#[derive(Debug)]
pub(super) enum Ending {
    Close(Outcome),
    Reconcile(Evidence),
    /// Ends nothing: its answer has reached the client.
    Deliver,
}

/// What came of a step, not yet told.
enum Decision {
    Reserve {
        /// Whether this step made the reservation, and did not merely find it made.
        fresh: bool,
        result: Result<Reserved, LedgerError>,
    },
    End(Result<Vec<Standing>, LedgerError>),
}

pub(super) struct Writer<T> {
    pub(super) tables: T,
    desk: Desk,
}

impl<T: Tables> Writer<T> {
    pub(super) fn new(tables: T) -> Self {
        let desk = Desk::default();
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
        let decisions = self
            .decided(&steps)
            .await
            .map_err(|cause| unavailable(&cause))?;
        decisions
            .into_iter()
            .try_for_each(|decision| match decision {
                Decision::Reserve { result, .. } => result.map(drop),
                Decision::End(result) => result.map(drop),
            })
    }

    /// One commit. Gives back the steps that undo grants which nobody waited for.
    async fn batch(&mut self, steps: Vec<Step>) -> Vec<Step> {
        match self.decided(&steps).await {
            Ok(decisions) => deliver(steps, decisions),
            Err(cause) => {
                error!(%cause, steps = steps.len(), "the books could not be written; nothing was granted");
                refuse(steps, &cause);
                Vec::new()
            }
        }
    }

    /// Decides all steps and makes that durable. When it fails nothing on the desk is believed any more.
    async fn decided(&mut self, steps: &[Step]) -> Result<Vec<Decision>, Arc<LedgerError>> {
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
                last => return Err(last.cause()),
            }
        }
    }

    async fn attempt(&mut self, steps: &[Step]) -> Result<Vec<Decision>, Failure> {
        let wanted = wanted(steps, &self.desk);
        let loaded = self.tables.load(&wanted).await?;
        self.desk.take(loaded);
        let decisions = steps.iter().map(|step| self.desk.decide(step)).collect();
        let changes = self.desk.changes()?;
        if changes.is_empty() {
            self.tables.leave().await;
        } else {
            self.tables.save(&changes).await?;
        }
        self.desk.committed(T::SOLE_WRITER);
        Ok(decisions)
    }
}

impl Desk {
    fn decide(&mut self, step: &Step) -> Decision {
        match step {
            Step::Reserve { new, now, .. } => Decision::Reserve {
                fresh: self.record(new.request).is_none(),
                result: self.reserve(new, *now),
            },
            Step::End {
                request,
                ending,
                now,
                ..
            } => Decision::End(self.end(*request, ending, *now)),
        }
    }
}

impl Step {
    fn request(&self) -> RequestId {
        match self {
            Self::Reserve { new, .. } => new.request,
            Self::End { request, .. } => *request,
        }
    }

    fn claims(&self) -> &[Claim] {
        match self {
            Self::Reserve { new, .. } => &new.claims,
            Self::End { .. } => &[],
        }
    }
}

/// What the steps are about and is not on the desk yet.
fn wanted(steps: &[Step], desk: &Desk) -> Wanted {
    let mut wanted = Wanted::default();
    let (mut requests, mut accounts) = (HashSet::new(), HashSet::new());
    for step in steps {
        let record = desk.record(step.request());
        if record.is_none() && requests.insert(step.request()) {
            wanted.requests.push(step.request());
        }
        let before = record.map_or(&[][..], |record| &record.claims);
        for claim in step.claims().iter().chain(before) {
            let key = AccountKey::from(&claim.account);
            if !desk.has_row(&key) && accounts.insert(key) {
                wanted.accounts.push(claim.account.clone());
            }
        }
    }
    wanted
}

/// Tells everybody. A grant whose caller has gone away before it could learn of it was certainly not
/// forwarded: it is taken back, unless another step that repeated it was told.
fn deliver(steps: Vec<Step>, decisions: Vec<Decision>) -> Vec<Step> {
    let (mut lost, mut told) = (BTreeMap::new(), HashSet::new());
    for (step, decision) in steps.into_iter().zip(decisions) {
        match (step, decision) {
            (Step::Reserve { new, now, reply }, Decision::Reserve { fresh, result }) => {
                let granted = matches!(result, Ok(Reserved::Granted(_)));
                match reply.send(result) {
                    Ok(()) => _ = told.insert(new.request),
                    Err(_) if granted && fresh => _ = lost.insert(new.request, now),
                    Err(_) => {}
                }
            }
            (Step::End { reply, .. }, Decision::End(result)) => {
                if reply.send(result).is_err() {
                    debug!("nobody waited for the end of a reservation; it is written");
                }
            }
            (step, _) => error!(?step, "a step was decided as another kind of step"),
        }
    }
    lost.retain(|request, _| !told.contains(request));
    lost.into_iter()
        .map(|(request, now)| unheard(request, Outcome::Voided, now))
        .collect()
}

/// An end whose answer nobody waits for.
fn unheard(request: RequestId, outcome: Outcome, now: UtcTime) -> Step {
    Step::End {
        request,
        ending: Ending::Close(outcome),
        now,
        reply: oneshot::channel().0,
    }
}

fn refuse(steps: Vec<Step>, cause: &Arc<LedgerError>) {
    for step in steps {
        let unheard = match step {
            Step::Reserve { reply, .. } => reply.send(Err(unavailable(cause))).is_err(),
            Step::End { reply, .. } => reply.send(Err(unavailable(cause))).is_err(),
        };
        if unheard {
            debug!("nobody waited for an answer that was an error anyway");
        }
    }
}

fn unavailable(cause: &Arc<LedgerError>) -> LedgerError {
    LedgerError::Unavailable(Arc::clone(cause).into())
}
