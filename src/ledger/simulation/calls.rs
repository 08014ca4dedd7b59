//! The steps that replicas and people make on the books, as values: a step can be late, lost or repeated.

use futures_util::FutureExt;

use crate::ledger::{
    Begun, Cap, Evidence, Leased, Ledger, LedgerError, Model, NewReservation, NewTopUp, Outcome,
    Proof, ReplicaId, Report, RequestId, Reserved, Standing,
};
use crate::policy::Account;
use crate::units::UtcTime;

#[derive(Clone, Debug)]
pub(super) enum Call {
    Begin(Option<Proof>),
    Leave,
    GiveUp(UtcTime),
    Reserve(NewReservation),
    Close(RequestId, Outcome),
    Reconcile(RequestId, Evidence),
    Report(Report),
    Recall(Vec<Account>),
    Publish(Vec<Cap>),
    TopUp(NewTopUp),
}

#[derive(Debug)]
pub(super) enum Answer {
    Begun(Begun),
    Silent(Vec<ReplicaId>),
    Reserved(Reserved),
    Standings(Vec<Standing>),
    Leased(Vec<Leased>),
    Done,
}

pub(super) type Answered = Result<Answer, LedgerError>;

impl Call {
    /// Makes the step. The books of the simulation are in memory, where nothing waits.
    pub(super) fn make(&self, books: &Model, now: UtcTime) -> Answered {
        let step = async {
            match self {
                Self::Begin(proof) => books.begin(proof.as_ref(), now).await.map(Answer::Begun),
                Self::Leave => books.leave(now).await.map(|()| Answer::Done),
                Self::GiveUp(since) => books.give_up(*since, now).await.map(Answer::Silent),
                Self::Reserve(new) => books.reserve(new, now).await.map(Answer::Reserved),
                Self::Close(request, outcome) => {
                    let closed = books.close(*request, outcome, now).await;
                    closed.map(Answer::Standings)
                }
                Self::Reconcile(request, evidence) => {
                    let settled = books.reconcile(*request, evidence, now).await;
                    settled.map(Answer::Standings)
                }
                Self::Report(report) => books.report(report, now).await.map(Answer::Leased),
                Self::Recall(accounts) => books.recall(accounts, now).await.map(|()| Answer::Done),
                Self::Publish(caps) => books.publish(caps, now).await.map(|()| Answer::Done),
                Self::TopUp(new) => books.top_up(new, now).await.map(|_| Answer::Done),
            }
        };
        step.now_or_never().expect("the model never waits")
    }

    /// Whether the store may still make the step when its caller has long been told that it is away. The
    /// other steps are made by a life that waits for their answer before it does anything else.
    pub(super) const fn may_be_late(&self) -> bool {
        matches!(
            self,
            Self::Reserve(_) | Self::Close(..) | Self::Reconcile(..) | Self::Report(_)
        )
    }
}
