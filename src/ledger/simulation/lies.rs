//! Planted bugs: a store or a guard that breaks a promise, for the simulation to catch. Most of them were
//! real ones in somebody's program.

use futures_util::FutureExt;

use super::calls::{Answered, Call};
use crate::ledger::{
    Evidence, Ledger, Model, NewReservation, Outcome, Proof, Record, Report, RequestId,
};
use crate::units::{Amount, Amounts, Unit, UtcTime};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lie {
    None,
    /// A budget is loaded and never checked.
    ChecksAllButTheFirst,
    /// A lease is granted whatever the limit.
    LeasesBeyondTheCap,
    /// The overrun is dropped when a charge comes in.
    DropsOverruns,
    /// A report whose answer was lost is booked once more.
    TakesReportsTwice,
    /// A second word on what is in doubt voids it.
    VoidsOnRepeat,
    /// What is unknown is free again after a while.
    FreesTheUnknown,
    /// What a crashed guard had marked in its journal is free again.
    ForgetsMarks,
    /// One budget is checked, and not debited.
    DebitsAllButTheLast,
    /// One budget is debited, and not settled from leases.
    ReportsAllButTheLast,
    /// A limit of zero means none.
    TakesZeroForUnlimited,
    /// With three budgets, one is enough that is not full.
    IsContentWithOneOfThree,
    /// The guard spends up to marks that are not on its disk yet.
    BelievesMarksBeforeTheDisk,
    /// A graceful stop drops what was not reported.
    LeavesWithoutReporting,
    /// A request whose client is gone is forgotten.
    ForgetsWhoHangsUp,
}

impl Lie {
    /// Makes a step as this lie has it. The last three are told by the guard, and not by the store.
    pub(super) fn make(self, call: &Call, books: &Model, now: UtcTime) -> Answered {
        let distorted = match (self, call) {
            (Self::ChecksAllButTheFirst, Call::Reserve(new)) => Call::Reserve(unchecked(new, 1)),
            (Self::TakesZeroForUnlimited, Call::Reserve(new)) => Call::Reserve(zero_is_none(new)),
            (Self::DebitsAllButTheLast, Call::Reserve(new)) if new.claims.len() > 1 => {
                let mut new = new.clone();
                new.claims.pop();
                Call::Reserve(new)
            }
            (Self::IsContentWithOneOfThree, Call::Reserve(new)) if new.claims.len() > 2 => {
                Call::Reserve(unchecked(new, new.claims.len() - 1))
            }
            (Self::LeasesBeyondTheCap, Call::Report(report)) => {
                let mut report = report.clone();
                report.wants.iter_mut().for_each(|want| want.limit = None);
                Call::Report(report)
            }
            (Self::ReportsAllButTheLast, Call::Report(report)) => {
                let mut report = report.clone();
                let several = |record: &&mut Record| record.claims.len() > 1;
                let ended = report.ended.iter_mut().filter(several);
                ended.for_each(|record| drop(record.claims.pop()));
                Call::Report(report)
            }
            (Self::TakesReportsTwice, Call::Report(report)) => Call::Report(anew(report, books)),
            (Self::DropsOverruns, Call::Close(request, outcome)) => {
                Call::Close(*request, capped(*request, outcome, books))
            }
            (Self::VoidsOnRepeat, Call::Close(request, _)) => {
                let in_doubt = found(books, *request).is_some_and(|record| record.is_unknown());
                if in_doubt {
                    Call::Reconcile(*request, of_nothing())
                } else {
                    call.clone()
                }
            }
            (Self::ForgetsMarks, Call::Begin(Some(proof))) => Call::Begin(Some(Proof {
                marks: Some(crate::ledger::Marks::new()),
                ..proof.clone()
            })),
            (Self::FreesTheUnknown, Call::Report(_)) => {
                free_the_unknown(books, now);
                call.clone()
            }
            _ => return call.make(books, now),
        };
        distorted.make(books, now)
    }
}

/// The first of the claims are not checked.
fn unchecked(new: &NewReservation, first: usize) -> NewReservation {
    let mut new = new.clone();
    let first = new.claims.iter_mut().take(first);
    first.for_each(|claim| claim.enforced = false);
    new
}

fn zero_is_none(new: &NewReservation) -> NewReservation {
    let mut new = new.clone();
    let zero = |limit: &Amount| !limit.is_zero();
    for claim in &mut new.claims {
        claim.limit = claim.limit.filter(zero);
    }
    new
}

/// The same report as one that the books have not seen, if they have.
fn anew(report: &Report, books: &Model) -> Report {
    let mut report = report.clone();
    let known = |record: &Record| found(books, record.request).is_some();
    if report.ended.iter().any(known) {
        report.number += 1;
        for record in &mut report.ended {
            let [.., last] = record.request.as_uuid().into_bytes();
            record.request = RequestId::new(record.reserved_at, [last ^ 0x55; 10]);
        }
    }
    report
}

fn capped(request: RequestId, outcome: &Outcome, books: &Model) -> Outcome {
    let (Outcome::Settled(charge), Some(record)) = (outcome, found(books, request)) else {
        return outcome.clone();
    };
    let mut charge = charge.clone();
    let capped = charge.amounts.iter().map(|(unit, amount)| {
        let predicted = record.predicted.get(unit).unwrap_or_default();
        (unit, amount.min(predicted))
    });
    charge.amounts = capped.collect();
    Outcome::Settled(charge)
}

fn free_the_unknown(books: &Model, now: UtcTime) {
    let listed = books.unknowns(None, u32::MAX).now_or_never();
    let listed = listed.expect("the model never waits").expect("it reads");
    let old = |record: &&Record| {
        let waits = record.closed_at.map(|closed| now.duration_since(closed));
        waits.is_some_and(|waits| waits.as_secs() > 5)
    };
    for record in listed.iter().filter(old) {
        let call = Call::Reconcile(record.request, of_nothing());
        drop(call.make(books, now));
    }
}

fn of_nothing() -> Evidence {
    Evidence {
        amounts: Unit::ALL
            .map(|unit| (unit, Amount::ZERO))
            .into_iter()
            .collect::<Amounts>(),
        by: "a timer".into(),
        why: "it has been long enough".into(),
    }
}

fn found(books: &Model, request: RequestId) -> Option<Record> {
    let record = books.record(request).now_or_never();
    record.expect("the model never waits").expect("it reads")
}
