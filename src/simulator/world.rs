//! Everything that the pretend Planet remembers, behind one lock.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::answer::Answer;
use super::bill::{Bill, Charge};
use super::call::Call;
use super::faults::Fault;
use super::options::Options;
use super::{api, hub, storage};
use crate::units::UtcTime;

/// So many of the latest requests are kept.
const MAX_SEEN: usize = 10_000;

/// So many objects of one kind are kept; past that, the oldest is forgotten.
pub(super) const MAX_KEPT: usize = 10_000;

pub(super) struct World {
    pub(super) options: Options,
    pub(super) bill: Bill,
    pub(super) faults: Vec<Fault>,
    pub(super) seen: VecDeque<Value>,
    pub(super) tokens: hub::token::Tokens,
    pub(super) data: api::data::State,
    pub(super) orders: api::orders::State,
    pub(super) subscriptions: api::subscriptions::State,
    pub(super) features: api::features::State,
    pub(super) account: api::account::State,
    pub(super) things: api::others::State,
    pub(super) jobs: hub::jobs::State,
    pub(super) collections: hub::byoc::State,
    ids: u32,
}

impl World {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            bill: Bill::default(),
            faults: Vec::new(),
            seen: VecDeque::new(),
            tokens: hub::token::Tokens::default(),
            data: api::data::State::default(),
            orders: api::orders::State::default(),
            subscriptions: api::subscriptions::State::default(),
            features: api::features::State::default(),
            account: api::account::State::default(),
            things: api::others::State::default(),
            jobs: hub::jobs::State::default(),
            collections: hub::byoc::State::default(),
            ids: 0,
        }
    }

    /// A fresh id that looks like Planet's and is the same in every run.
    pub(super) fn next_id(&mut self) -> String {
        self.ids += 1;
        let spread = self.ids.wrapping_mul(0x9e37_79b1);
        format!("{spread:08x}-0001-4000-8000-{:012x}", self.ids)
    }

    pub(super) fn see(&mut self, call: &Call) {
        self.bill.saw(call.method.as_str(), &call.path);
        if self.seen.len() == MAX_SEEN {
            self.seen.pop_front();
        }
        let headers: Vec<Value> = call
            .headers
            .iter()
            .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
            .collect();
        self.seen.push_back(json!({
            "time": call.now.to_string(),
            "method": call.method.as_str(),
            "path": call.path,
            "query": call.query_text,
            "headers": headers,
            "body_bytes": call.body.len(),
        }));
    }

    /// Writes down what an answer costs, unless it failed. Says where the line is that its bytes go to.
    pub(super) fn charge(&mut self, call: &Call, answer: &Answer) -> Option<Leaving> {
        if !answer.succeeds() {
            return None;
        }
        let leaving = answer.leaving.as_ref();
        let bytes = leaving.map(|file| Charge::of("egress", format!("0 bytes of {file}")));
        for charge in answer.charges.iter().chain(&bytes) {
            let mut charge = charge.clone();
            charge.time = call.now;
            call.method.as_str().clone_into(&mut charge.method);
            charge.path.clone_from(&call.path);
            self.bill.charges.push(charge);
        }
        Some(Leaving {
            file: leaving?.clone(),
            line: self.bill.charges.len().checked_sub(1)?,
            bytes: 0,
        })
    }

    /// Bills bytes as they leave.
    pub(super) fn let_leave(&mut self, leaving: &mut Leaving, bytes: u64) {
        leaving.bytes = leaving.bytes.saturating_add(bytes);
        if let Some(charge) = self.bill.charges.get_mut(leaving.line) {
            charge.pu = storage::egress_pu(leaving.bytes);
            charge.what = format!("{} bytes of {}", leaving.bytes, leaving.file);
        }
    }
}

/// A file on its way out, and the line of the bill that its bytes are written on.
#[derive(Debug)]
pub(super) struct Leaving {
    file: String,
    line: usize,
    bytes: u64,
}

/// How far something that takes a while has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    started: UtcTime,
    polls: u32,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Stage {
    Queued,
    Running,
    Done,
}

impl Progress {
    pub(super) fn starting(now: UtcTime) -> Self {
        Self {
            started: now,
            polls: 0,
        }
    }

    /// Where it stands, without having been asked.
    pub(super) fn stage(self, options: &Options, now: UtcTime) -> Stage {
        if self.polls >= options.polls_until_done || age(self.started, now) >= options.job_duration
        {
            Stage::Done
        } else if self.polls > 0 {
            Stage::Running
        } else {
            Stage::Queued
        }
    }

    /// Being asked for moves it on.
    pub(super) fn poll(&mut self, options: &Options, now: UtcTime) -> Stage {
        self.polls = self.polls.saturating_add(1);
        self.stage(options, now)
    }
}

/// The time since `past`; none when the clock was turned back.
pub(super) fn age(past: UtcTime, now: UtcTime) -> Duration {
    now.duration_since(past).try_into().unwrap_or_default()
}

/// `now` and `seconds` later, as far as time goes.
pub(super) fn later(now: UtcTime, by: Duration) -> UtcTime {
    SignedDuration::try_from(by)
        .ok()
        .and_then(|by| now.checked_add(by).ok())
        .unwrap_or(UtcTime::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_moves_on_when_it_is_asked_for_and_with_time() {
        let options = Options::default();
        let start: UtcTime = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut asked = Progress::starting(start);
        assert_eq!(asked.stage(&options, start), Stage::Queued);
        assert_eq!(asked.poll(&options, start), Stage::Running);
        assert_eq!(asked.poll(&options, start), Stage::Done);
        let waited = Progress::starting(start);
        let then = later(start, options.job_duration);
        assert_eq!(waited.stage(&options, then), Stage::Done);
    }

    #[test]
    fn ids_differ() {
        let mut world = World::new(Options::default());
        assert_ne!(world.next_id(), world.next_id());
    }
}
