//! Steps and answers in a few words, for the story of a run that failed.

use super::calls::{Answer, Answered, Call};
use crate::ledger::{
    AccountKey, Breach, Leased, Marks, Outcome, Report, Reserved, Standing, State,
};
use crate::policy::{Account, Claim};
use crate::units::Amount;

pub(super) fn of_call(call: &Call) -> String {
    match call {
        Call::Begin(None) => "begins".into(),
        Call::Begin(Some(proof)) => {
            let marks = proof.marks.as_ref().map(of_marks);
            let marks = marks.unwrap_or_else(|| "unknown".into());
            format!(
                "begins, after {} and report {}, with the marks {marks}",
                proof.epoch, proof.reported
            )
        }
        Call::Leave => "leaves".into(),
        Call::GiveUp(since) => format!("gives up who was not seen since {since}"),
        Call::Reserve(new) => format!("reserves {}: {}", new.request, of_claims(&new.claims)),
        Call::Close(request, outcome) => format!("closes {request}: {}", of_outcome(outcome)),
        Call::Reconcile(request, evidence) => {
            format!(
                "shows that {request} cost {}, says {}",
                evidence.amounts, evidence.by
            )
        }
        Call::Report(report) => of_report(report),
        Call::Recall(accounts) => format!("recalls {}", all(accounts, of_account)),
        Call::Publish(caps) => {
            let caps = all(caps, |cap| {
                format!("{} {}", cap.budget, of_limit(cap.limit))
            });
            format!("publishes {caps}")
        }
        Call::TopUp(new) => {
            let (budget, partition) = (&new.budget, &new.partition);
            format!(
                "tops up {budget} {partition} by {} until {:?}",
                new.amount, new.expires_at
            )
        }
    }
}

pub(super) fn of_answer(answered: &Answered) -> String {
    match answered {
        Ok(Answer::Begun(begun)) => format!(
            "life {}, {} in doubt, report {} was taken",
            begun.epoch, begun.in_doubt, begun.reported
        ),
        Ok(Answer::Silent(silent)) => all(silent, ToString::to_string),
        Ok(Answer::Reserved(Reserved::Granted(left))) => format!("granted, {}", all(left, of_left)),
        Ok(Answer::Reserved(Reserved::Full(breaches))) => {
            format!("refused, {}", all(breaches, of_breach))
        }
        Ok(Answer::Standings(left)) => all(left, of_left),
        Ok(Answer::Leased(leased)) => all(leased, of_leased),
        Ok(Answer::Done) => "done".into(),
        Err(error) => format!("error: {error}"),
    }
}

pub(super) fn of_claims(claims: &[Claim]) -> String {
    all(claims, |claim| {
        let limit = of_limit(claim.limit.filter(|_| claim.enforced));
        format!(
            "{} of {} ({limit})",
            claim.amount,
            of_account(&claim.account)
        )
    })
}

pub(super) fn of_outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Settled(charge) => format!("{} ({})", charge.amounts, charge.source.name()),
        Outcome::Voided => "void".into(),
        Outcome::Unknown { why } => format!("unknown, {why}"),
    }
}

pub(super) fn of_marks(marks: &Marks) -> String {
    let each = |(key, mark): (&AccountKey, &Amount)| format!("{} {mark}", of_key(key));
    marks.iter().map(each).collect::<Vec<_>>().join(", ")
}

fn of_report(report: &Report) -> String {
    let ended = all(&report.ended, |record| {
        let state: &State = &record.state;
        format!(
            "{} {} {}",
            record.request,
            state.name(),
            of_claims(&record.claims)
        )
    });
    let wants = all(&report.wants, |want| {
        let yields = if want.yields { " at most" } else { "" };
        let limit = of_limit(want.limit);
        format!(
            "{}{yields} of {} ({limit})",
            want.amount,
            of_account(&want.account)
        )
    });
    format!("reports {}: [{ended}], wants [{wants}]", report.number)
}

fn of_left(standing: &Standing) -> String {
    format!(
        "{} of {}",
        of_limit(standing.remaining),
        of_account(&standing.account)
    )
}

fn of_breach(breach: &Breach) -> String {
    format!(
        "{} left of {} in {}, {} elsewhere",
        breach.remaining,
        breach.limit,
        of_account(&breach.account),
        breach.elsewhere
    )
}

fn of_leased(leased: &Leased) -> String {
    let recalled = if leased.recalled { ", recalled" } else { "" };
    format!(
        "{} of {}{recalled}",
        leased.amount,
        of_account(&leased.account)
    )
}

fn of_limit(limit: Option<Amount>) -> String {
    limit.map_or_else(|| "no limit".into(), |limit| limit.to_string())
}

fn of_account(account: &Account) -> String {
    of_key(&AccountKey::from(account))
}

fn of_key(key: &AccountKey) -> String {
    format!(
        "{}{} {}",
        key.budget,
        key.partition.trim_start_matches("team"),
        key.starts_at
    )
}

fn all<T>(items: &[T], each: impl Fn(&T) -> String) -> String {
    items.iter().map(each).collect::<Vec<_>>().join(", ")
}
