//! What happened in a run: a simulation that meets no accident proves nothing.

use std::collections::BTreeMap;

use super::calls::{Answer, Answered, Call};
use crate::ledger::{LedgerError, Reserved};

#[derive(Clone, Debug, Default)]
pub(super) struct Seen(BTreeMap<&'static str, u64>);

/// What must have been seen when many seeds were run.
pub(super) const EVERYTHING: [&str; 20] = [
    "admitted from a lease",
    "reserved",
    "refused for the cap",
    "refused on a copy too",
    "cured by giving back",
    "granted a lease",
    "recalled",
    "fenced",
    "reported late",
    "crashed",
    "lost its journal",
    "lost its disk",
    "began with proof",
    "gave somebody up",
    "orphans gave evidence",
    "people gave evidence",
    "suspended",
    "fell silent",
    "left well",
    "a charge beyond the prediction",
];

impl Seen {
    pub(super) fn note(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (what, times) in &other.0 {
            *self.0.entry(what).or_default() += times;
        }
    }

    pub(super) fn never(&self) -> Vec<&'static str> {
        let missing = EVERYTHING.iter().filter(|what| !self.0.contains_key(*what));
        missing.copied().collect()
    }

    pub(super) fn answer(&mut self, call: &Call, answered: &Answered) {
        match (call, answered) {
            (_, Err(LedgerError::Fenced)) => self.note("fenced"),
            (_, Ok(Answer::Reserved(Reserved::Granted(_)))) => self.note("reserved"),
            (_, Ok(Answer::Reserved(Reserved::Full(_)))) => self.note("refused for the cap"),
            (_, Ok(Answer::Silent(silent))) if !silent.is_empty() => self.note("gave somebody up"),
            (Call::Begin(Some(_)), Ok(_)) => self.note("began with proof"),
            (_, Ok(Answer::Leased(leased))) => {
                for lease in leased {
                    if lease.recalled {
                        self.note("recalled");
                    }
                    if !lease.amount.is_zero() {
                        self.note("granted a lease");
                    }
                }
            }
            _ => {}
        }
    }
}
