//! The one task that writes. It takes what waits, reads what all of it is about, decides step by step,
//! commits once and then answers everybody; nobody hears of a grant that is not durable. While it
//! commits, the next batch gathers.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
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
/// How long grants in doubt wait for a step that comes by, before they are looked after on their own.
const LOOK_AFTER: Duration = Duration::from_millis(500);

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

impl Failure {
    fn cause(self) -> LedgerError {
        match self {
            Self::Overtaken(cause) | Self::Failed(cause) | Self::InDoubt(cause) => cause,
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

    fn reserves(&self) -> Option<(RequestId, UtcTime)> {
        match self {
            Self::Reserve { new, now, .. } => Some((new.request, *now)),
            Self::End { .. } => None,
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

/// What the steps reserved that nobody had reserved before.
fn granted(steps: &[Step], decisions: &[Decision]) -> Vec<(RequestId, UtcTime)> {
    let granted = |(step, decision): (&Step, &Decision)| match decision {
        Decision::Reserve {
            fresh: true,
            result: Ok(Reserved::Granted(_)),
        } => step.reserves(),
        _ => None,
    };
    steps.iter().zip(decisions).filter_map(granted).collect()
}

/// Tells everybody. A grant whose caller has gone away before it could learn of it was certainly not
/// forwarded: it is taken back, unless another step that repeated it was told. `again` are those that an
/// earlier batch may have made and told nobody of.
fn deliver(
    steps: Vec<Step>,
    decisions: Vec<Decision>,
    again: &BTreeMap<RequestId, UtcTime>,
) -> Vec<Step> {
    let (mut lost, mut told) = (BTreeMap::new(), HashSet::new());
    for (step, decision) in steps.into_iter().zip(decisions) {
        match (step, decision) {
            (Step::Reserve { new, now, reply }, Decision::Reserve { fresh, result }) => {
                let granted = matches!(result, Ok(Reserved::Granted(_)));
                let fresh = fresh || again.contains_key(&new.request);
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
