//! PostgreSQL's texts cannot hold the character NUL, and a caller may have put one into anything that its
//! request says. It becomes U+FFFD before it meets a batch, which it would spoil for everybody; SQLite's
//! books say the same.

use std::sync::Arc;

use crate::ledger::{
    Evidence, NewFollowed, NewReservation, NewTopUp, Outcome, Reading, Record, Report, Seen, State,
    Turn,
};
use crate::policy::Account;

pub(super) fn reservation(new: &NewReservation) -> NewReservation {
    let mut new = new.clone();
    new.team = shared(new.team);
    new.key = shared(new.key);
    new.product = new.product.map(shared);
    new.tag = new.tag.map(shared);
    for claim in &mut new.claims {
        claim.account = account(&claim.account);
    }
    new
}

pub(super) fn turn(turn: &Turn) -> Turn {
    let mut turn = turn.clone();
    let kept = &mut turn.commitment;
    kept.upstream = shared(Arc::clone(&kept.upstream));
    kept.subscription = kept.subscription.take().map(shared);
    turn.takes = turn.takes.as_ref().map(reservation);
    turn.gives_back = turn
        .gives_back
        .iter()
        .map(|(given, amount)| (account(given), *amount))
        .collect();
    turn.why = turn.why.as_deref().map(text);
    turn
}

pub(super) fn account(account: &Account) -> Account {
    Account {
        budget: shared(Arc::clone(&account.budget)),
        partition: shared(Arc::clone(&account.partition)),
        ..account.clone()
    }
}

pub(super) fn outcome(outcome: &Outcome) -> Outcome {
    match outcome {
        Outcome::Unknown { why } => Outcome::Unknown { why: text(why) },
        Outcome::Settled(_) | Outcome::Voided => outcome.clone(),
    }
}

pub(super) fn evidence(evidence: &Evidence) -> Evidence {
    Evidence {
        by: text(&evidence.by),
        why: text(&evidence.why),
        ..evidence.clone()
    }
}

pub(super) fn report(report: &Report) -> Report {
    let mut report = report.clone();
    for record in &mut report.ended {
        let Record {
            product,
            tag,
            state,
            ..
        } = record;
        *product = product.take().map(shared);
        *tag = tag.take().map(shared);
        if let State::Unknown { why } = state {
            *why = text(why);
        }
    }
    report
}

pub(super) fn followed(new: &NewFollowed) -> NewFollowed {
    let mut new = new.clone();
    new.upstream = shared(new.upstream);
    new.made.name = text(&new.made.name);
    new.made.path = text(&new.made.path);
    new
}

pub(super) fn seen(seen: &Seen) -> Seen {
    Seen {
        state: text(&seen.state),
        over: seen.over,
        note: seen.note.as_deref().map(text),
    }
}

pub(super) fn reading(reading: &Reading) -> Reading {
    let mut reading = reading.clone();
    reading.meter.upstream = shared(reading.meter.upstream);
    reading.meter.product = shared(reading.meter.product);
    reading.external = reading.external.as_ref().map(reservation);
    reading.note = reading.note.as_deref().map(text);
    reading
}

pub(super) fn top_up(new: &NewTopUp) -> NewTopUp {
    NewTopUp {
        budget: shared(Arc::clone(&new.budget)),
        partition: shared(Arc::clone(&new.partition)),
        reason: text(&new.reason),
        by: text(&new.by),
        ..new.clone()
    }
}

fn shared(said: Arc<str>) -> Arc<str> {
    if said.contains('\0') {
        return text(&said).into();
    }
    said
}

fn text(said: &str) -> String {
    said.replace('\0', "\u{fffd}")
}
