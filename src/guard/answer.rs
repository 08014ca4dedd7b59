//! What the guard answers, before `front` makes HTTP of it.

use std::time::Duration;

use http::Response;
use serde::Serialize;

use super::resent::Delivery;
use super::wishes::Wishes;
use super::{Refusal, TokenRefusal};
use crate::identity::Issued;
use crate::ledger::{RequestId, Standing};
use crate::units::Amounts;
use crate::upstream::Body;

/// One answer to one request.
pub struct Answer {
    pub reply: Reply,
    pub notes: Notes,
    /// Of an answer that is kept until it has reached its client.
    pub(super) delivery: Option<Delivery>,
}

impl Answer {
    pub(super) const fn new(reply: Reply, notes: Notes) -> Self {
        Self {
            reply,
            notes,
            delivery: None,
        }
    }

    /// From here on the client's own connection has it. Under an Idempotency-Key it stays kept all the
    /// same: with that a client says that more of the same will be the same.
    pub(super) fn hand_on(mut self, wishes: &Wishes) -> Self {
        if wishes.idempotency_key.is_some() {
            return self;
        }
        if let (Reply::Forwarded(response), Some(delivery)) =
            (&mut self.reply, self.delivery.take())
        {
            let body = std::mem::take(response.body_mut());
            *response.body_mut() = delivery.watch(body);
        }
        self
    }
}

pub enum Reply {
    /// An upstream's own answer.
    Forwarded(Response<Body>),
    /// The guard's, in the shape that the caller's client prints.
    Refused(Refusal, Dialect),
    /// What the token endpoint says.
    Token(Result<Issued, TokenRefusal>),
    /// The guard's own, as JSON.
    Document(String),
}

impl Reply {
    pub(super) fn document(content: &impl Serialize) -> Self {
        Self::Document(serde_json::to_string(content).unwrap_or_default())
    }
}

/// The shape of error that a client shows to its user.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dialect {
    /// Problem JSON, which the Planet SDK prints whole.
    Planet,
    /// Problem JSON; sentinelhub-py prints its `error` member.
    SentinelHub,
    /// A `ServiceExceptionReport`: GIS clients show nothing else.
    Ogc,
}

/// What every guarded answer says in its headers.
#[derive(Clone, Debug)]
pub struct Notes {
    pub request: RequestId,
    pub estimate: Option<Amounts>,
    pub charge: Option<Amounts>,
    /// How the budgets that bind the request stand.
    pub standings: Vec<Standing>,
    pub retry_unit: RetryUnit,
    /// Of an answer that might have been another's.
    pub provenance: Option<Provenance>,
}

/// Whose answer an answer is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Provenance {
    /// Upstream gave it to this request.
    Miss,
    /// It was kept.
    Hit,
    /// Upstream gave it to an identical request at the same time.
    Coalesced,
    /// It was kept, and upstream said to this request that it still holds.
    Revalidated,
}

impl Provenance {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Miss => "miss",
            Self::Hit => "hit",
            Self::Coalesced => "coalesced",
            Self::Revalidated => "revalidated",
        }
    }
}

/// What a client takes the number in `Retry-After` for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RetryUnit {
    #[default]
    Seconds,
    Milliseconds,
}

impl RetryUnit {
    /// So many whole units, rounded up: who comes back on the minute is not early.
    pub fn count(self, wait: Duration) -> u64 {
        let per_second = match self {
            Self::Seconds => 1,
            Self::Milliseconds => 1000,
        };
        let units = (wait.as_nanos() * per_second)
            .div_ceil(1_000_000_000)
            .max(1);
        u64::try_from(units).unwrap_or(u64::MAX)
    }
}

impl Notes {
    pub const fn new(request: RequestId) -> Self {
        Self {
            request,
            estimate: None,
            charge: None,
            standings: Vec::new(),
            retry_unit: RetryUnit::Seconds,
            provenance: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_in_whole_units_and_never_as_none() {
        let wait = Duration::from_micros(1_500_001);
        assert_eq!(RetryUnit::Seconds.count(wait), 2);
        assert_eq!(RetryUnit::Milliseconds.count(wait), 1501);
        assert_eq!(RetryUnit::Seconds.count(Duration::ZERO), 1);
    }
}
