//! The steps that wait for the writer, what they are about, and how their callers are told.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tokio::sync::oneshot;
use tracing::{debug, error};

use super::desk::Desk;
use super::tables::Wanted;
use crate::ledger::{
    AccountKey, Evidence, LedgerError, NewReservation, Outcome, RequestId, Reserved, Standing,
};
use crate::policy::Claim;
use crate::units::UtcTime;

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
pub(super) enum Decision {
    Reserve {
        /// Whether this step made the reservation, and did not merely find it made.
        fresh: bool,
        result: Result<Reserved, LedgerError>,
    },
    End(Result<Vec<Standing>, LedgerError>),
}

impl Desk {
    pub(super) fn decide(&mut self, step: &Step) -> Decision {
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

    pub(super) fn reserves(&self) -> Option<(RequestId, UtcTime)> {
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
pub(super) fn wanted(steps: &[Step], desk: &Desk) -> Wanted {
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
pub(super) fn granted(steps: &[Step], decisions: &[Decision]) -> Vec<(RequestId, UtcTime)> {
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
pub(super) fn deliver(
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
pub(super) fn unheard(request: RequestId, outcome: Outcome, now: UtcTime) -> Step {
    Step::End {
        request,
        ending: Ending::Close(outcome),
        now,
        reply: oneshot::channel().0,
    }
}

pub(super) fn refuse(steps: Vec<Step>, cause: &Arc<LedgerError>) {
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
