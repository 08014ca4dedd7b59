//! A step on its way through the writer: what it is about, how it is decided, who is told.

use std::sync::Arc;

use tokio::sync::oneshot;
use tracing::debug;

use super::desk::Desk;
use super::tables::{Closing, Due, MeterKey, Wanted};
use crate::ledger::{
    CommitmentId, Fingerprint, LedgerError, NewReservation, Outcome, RequestId, Reserved, Turn,
};
use crate::policy::Account;
use crate::units::UtcTime;

pub(super) type Reply<T> = oneshot::Sender<Result<T, LedgerError>>;
pub(super) type Heard<T> = oneshot::Receiver<Result<T, LedgerError>>;

/// A step that waits for its turn.
pub(super) struct Step {
    about: About,
    work: Box<dyn Work>,
}

/// What the tables must show before the step can be decided.
#[derive(Debug, Default)]
pub(super) struct About {
    pub(super) requests: Vec<RequestId>,
    pub(super) accounts: Vec<Account>,
    pub(super) commitments: Vec<CommitmentId>,
    pub(super) closing: Option<Closing>,
    /// Requests, for what they made and is followed.
    pub(super) followed: Vec<RequestId>,
    pub(super) due: Option<Due>,
    pub(super) meters: Vec<MeterKey>,
    /// Under which a top-up may stand.
    pub(super) key: Option<Fingerprint>,
}

/// What became of the answer to a step.
pub(super) enum Told {
    /// Somebody has it, and knows of this grant.
    OfAGrant(RequestId),
    /// Nobody waits any more for this grant. `fresh` if the step made it, and did not merely find it made.
    LostAGrant {
        request: RequestId,
        now: UtcTime,
        fresh: bool,
    },
    Otherwise,
}

trait Work: Send {
    /// Decides on the desk. When the batch comes to nothing it may be tried again.
    fn decide(&mut self, desk: &mut Desk);

    fn tell(self: Box<Self>) -> Told;

    fn refuse(self: Box<Self>, cause: &Arc<LedgerError>);

    /// The request that the step wants to reserve for.
    fn reserves(&self) -> Option<RequestId> {
        None
    }

    /// The reservation that the step made and that was not there before.
    fn granted(&self) -> Option<(RequestId, UtcTime)> {
        None
    }
}

impl Step {
    /// A step without anything to take back when nobody hears of it.
    pub(super) fn new<T: Send + 'static>(
        about: About,
        decide: impl FnMut(&mut Desk) -> Result<T, LedgerError> + Send + 'static,
    ) -> (Self, Heard<T>) {
        let (reply, heard) = oneshot::channel();
        let work = Box::new(Job {
            decide,
            decision: None,
            reply,
        });
        (Self { about, work }, heard)
    }

    pub(super) fn reserve(new: NewReservation, now: UtcTime) -> (Self, Heard<Reserved>) {
        let (reply, heard) = oneshot::channel();
        let about = About {
            requests: vec![new.request],
            accounts: new
                .claims
                .iter()
                .map(|claim| claim.account.clone())
                .collect(),
            ..About::default()
        };
        let work = Box::new(Reserve {
            new,
            now,
            fresh: false,
            decision: None,
            reply,
        });
        (Self { about, work }, heard)
    }

    pub(super) fn close(
        request: RequestId,
        outcome: Outcome,
        now: UtcTime,
    ) -> (Self, Heard<Vec<crate::ledger::Standing>>) {
        let about = About::request(request);
        Self::new(about, move |desk| desk.close(request, &outcome, now))
    }

    pub(super) fn decide(&mut self, desk: &mut Desk) {
        self.work.decide(desk);
    }

    pub(super) fn tell(self) -> Told {
        self.work.tell()
    }

    pub(super) fn reserves(&self) -> Option<RequestId> {
        self.work.reserves()
    }

    pub(super) fn granted(&self) -> Option<(RequestId, UtcTime)> {
        self.work.granted()
    }

    pub(super) fn refuse(self, cause: &Arc<LedgerError>) {
        self.work.refuse(cause);
    }
}

impl About {
    pub(super) fn request(request: RequestId) -> Self {
        Self {
            requests: vec![request],
            ..Self::default()
        }
    }

    pub(super) fn turns(turns: &[Turn]) -> Self {
        let mut about = Self::default();
        for turn in turns {
            about.commitments.push(turn.commitment.id);
            let given = turn.gives_back.iter().map(|(account, _)| account);
            about.accounts.extend(given.cloned());
            if !turn.gives_back.is_empty() {
                about.requests.push(turn.commitment.id.request);
            }
            if let Some(takes) = &turn.takes {
                about.requests.push(takes.request);
                let claimed = takes.claims.iter().map(|claim| &claim.account);
                about.accounts.extend(claimed.cloned());
            }
        }
        about
    }

    pub(super) fn closing(lives: Closing) -> Self {
        Self {
            closing: Some(lives),
            ..Self::default()
        }
    }
}

/// What all steps are about and is not on the desk yet.
pub(super) fn wanted(steps: &[Step], desk: &Desk) -> Wanted {
    let mut wanted = Wanted::default();
    for Step { about, .. } in steps {
        wanted.requests.extend(&about.requests);
        wanted.accounts.extend(about.accounts.iter().cloned());
        wanted.commitments.extend(&about.commitments);
        wanted.closing.extend(about.closing);
        wanted.followed.extend(&about.followed);
        wanted.due.extend(about.due);
        wanted.meters.extend(about.meters.iter().cloned());
        wanted.keys.extend(about.key);
    }
    desk.complete(&mut wanted);
    wanted
}

struct Job<T, F> {
    decide: F,
    decision: Option<Result<T, LedgerError>>,
    reply: Reply<T>,
}

impl<T, F> Work for Job<T, F>
where
    T: Send,
    F: FnMut(&mut Desk) -> Result<T, LedgerError> + Send,
{
    fn decide(&mut self, desk: &mut Desk) {
        self.decision = Some((self.decide)(desk));
    }

    fn tell(self: Box<Self>) -> Told {
        if let Some(decision) = self.decision {
            answer(self.reply, decision);
        }
        Told::Otherwise
    }

    fn refuse(self: Box<Self>, cause: &Arc<LedgerError>) {
        answer(self.reply, Err(unavailable(cause)));
    }
}

/// A reservation, which must not be left to nobody.
struct Reserve {
    new: NewReservation,
    now: UtcTime,
    /// Whether this step made the reservation, and did not merely find it made.
    fresh: bool,
    decision: Option<Result<Reserved, LedgerError>>,
    reply: Reply<Reserved>,
}

impl Work for Reserve {
    fn decide(&mut self, desk: &mut Desk) {
        self.fresh = !desk.has_record(self.new.request);
        self.decision = Some(desk.reserve(&self.new, self.now));
    }

    fn tell(self: Box<Self>) -> Told {
        let (request, now) = (self.new.request, self.now);
        let Some(decision) = self.decision else {
            return Told::Otherwise;
        };
        let granted = matches!(decision, Ok(Reserved::Granted(_)));
        match answer(self.reply, decision) {
            true if granted => Told::OfAGrant(request),
            false if granted => Told::LostAGrant {
                request,
                now,
                fresh: self.fresh,
            },
            _ => Told::Otherwise,
        }
    }

    fn reserves(&self) -> Option<RequestId> {
        Some(self.new.request)
    }

    fn granted(&self) -> Option<(RequestId, UtcTime)> {
        let granted = matches!(self.decision, Some(Ok(Reserved::Granted(_))));
        (granted && self.fresh).then_some((self.new.request, self.now))
    }

    fn refuse(self: Box<Self>, cause: &Arc<LedgerError>) {
        answer(self.reply, Err(unavailable(cause)));
    }
}

/// Whether somebody has heard it.
fn answer<T>(reply: Reply<T>, answer: Result<T, LedgerError>) -> bool {
    let heard = reply.send(answer).is_ok();
    if !heard {
        debug!("nobody waited for the answer to a step");
    }
    heard
}

/// The error that every caller of a batch gets which could not be read or written. What the tables say of
/// this replica itself is for each of them to hear.
fn unavailable(cause: &Arc<LedgerError>) -> LedgerError {
    match **cause {
        LedgerError::Fenced => LedgerError::Fenced,
        LedgerError::Restored => LedgerError::Restored,
        _ => LedgerError::Unavailable(Arc::clone(cause).into()),
    }
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.about.fmt(f)
    }
}
