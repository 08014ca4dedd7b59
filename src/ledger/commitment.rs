//! [`Commitment`]: what goes on spending after its request was answered.
//!
//! A window that is current when a subscription is created is asked for its share there and then. Each one that
//! begins later is asked when it begins, and by then nobody has the request any more: all that is needed stands
//! here, beside the books, and moves with them in one step.

use std::sync::Arc;

use super::{Breach, NewReservation, RequestId};
use crate::cost::Rate;
use crate::policy::Account;
use crate::units::{Amount, Amounts, UtcTime};

/// Names one commitment: the request that made it, and which of those that it made.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CommitmentId {
    pub request: RequestId,
    pub number: u32,
}

/// One subscription, as far as its future is to be paid for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Commitment {
    pub id: CommitmentId,
    /// One more with each change. Of two that change the same version, one comes too late.
    pub version: u64,
    pub upstream: Arc<str>,
    /// Planet's id, once its answer has told it.
    pub subscription: Option<Arc<str>>,
    pub team: Arc<str>,
    pub key: Arc<str>,
    pub products: Vec<Arc<str>>,
    pub tag: Option<Arc<str>>,
    pub rate: Rate,
    pub start: UtcTime,
    /// `None`: until somebody stops it.
    pub end: Option<UtcTime>,
    /// When its area was first used.
    pub since: UtcTime,
    pub course: Course,
    /// Every window that had begun by then was asked for its share.
    pub booked_until: UtcTime,
    /// Days up to then are in the prediction of some request.
    pub predicted_until: UtcTime,
    pub ahead: Vec<Ahead>,
}

/// Whether it spends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Course {
    /// It was asked for, and whether it exists is not known.
    Asked,
    Running,
    /// It stands still until it is reactivated.
    Suspended,
    /// It was cancelled, or never came to be.
    Over,
}

/// What one window holds for days to come: no more than this is ever given back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ahead {
    pub account: Account,
    pub amount: Amount,
    /// The first day that is in it, and the moment before which they end.
    pub from: UtcTime,
    pub until: UtcTime,
}

/// How a commitment goes on, and what the books take and give back with that: all of it, or nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Turn {
    /// Its version is one more than that in the books; 1 for a new one.
    pub commitment: Commitment,
    /// Planet will charge it whether or not it fits, so it is booked even where a limit is short.
    pub takes: Option<NewReservation>,
    /// What will not be spent after all, and was settled.
    pub gives_back: Vec<(Account, Amount)>,
    /// What happened, as a sentence for the record; none where nobody needs to read it.
    pub why: Option<String>,
}

/// What became of a [`Turn`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kept {
    /// It is in the books; which accounts were short of what it takes.
    Kept(Vec<Breach>),
    /// Somebody else has changed it meanwhile, and nothing was written: how it stands.
    Overtaken(Option<Box<Commitment>>),
}

impl CommitmentId {
    /// The name under which the books keep what a commitment takes at one of its versions.
    pub fn request_at(self, version: u64, now: UtcTime) -> RequestId {
        let name = format!("{}\n{}\n{version}", self.request, self.number);
        RequestId::of_name(now, &name)
    }
}

impl Commitment {
    pub const fn is_over(&self) -> bool {
        matches!(self.course, Course::Over)
    }

    /// Whether days to come are paid for.
    pub const fn spends(&self) -> bool {
        matches!(self.course, Course::Asked | Course::Running)
    }

    /// The same, one version on.
    #[must_use]
    pub fn next(&self) -> Self {
        Self {
            version: self.version + 1,
            ..self.clone()
        }
    }

    /// What it costs from one moment up to another at most, of its own time; `None` when past counting.
    pub fn share(&self, from: UtcTime, until: UtcTime) -> Option<Amounts> {
        let until = self.end.map_or(until, |end| end.min(until));
        self.rate.between(self.since, from.max(self.start), until)
    }

    /// How the record calls it.
    pub fn name(&self) -> String {
        match &self.subscription {
            Some(id) => format!("subscription {id}"),
            None => format!(
                "subscription {} of request {}",
                self.id.number + 1,
                self.id.request
            ),
        }
    }
}

impl Course {
    pub const ALL: [Self; 4] = [Self::Asked, Self::Running, Self::Suspended, Self::Over];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Running => "running",
            Self::Suspended => "suspended",
            Self::Over => "over",
        }
    }
}

impl Turn {
    /// Of a turn that moves nothing.
    pub const fn only(commitment: Commitment) -> Self {
        Self {
            commitment,
            takes: None,
            gives_back: Vec::new(),
            why: None,
        }
    }

    /// The sentence for the record about an account that was short.
    pub fn short(&self, breach: &Breach) -> String {
        let Breach {
            account,
            needed,
            remaining,
            limit,
            ..
        } = breach;
        format!(
            "{} takes {needed} of budget {} from {}, of whose {limit} only {remaining} was left; Planet charges \
             it all the same",
            self.commitment.name(),
            account.budget,
            account.window.start
        )
    }
}
