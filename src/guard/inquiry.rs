//! Questions of the guard's own: a GET that the table of routes knows to be free, with the credential of its
//! upstream or with one that a caller has lent, its answer read whole up to a bound. Each is asked once.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use super::pipeline::Guard;
use super::places::Place;
use crate::clock::Clock;
use crate::ledger::Followed;
use crate::planet::{Operation, Query, classify};
use crate::upstream::{Pool, SendLimits, coding, collect, empty};

/// An answer that takes longer than this, or is longer, is none.
const PATIENCE: Duration = Duration::from_secs(20);
const LONGEST_ANSWER: usize = 4 * 1024 * 1024;

/// Why there is no answer, as a sentence's end.
#[derive(Debug, thiserror::Error)]
pub enum Unasked {
    #[error("the policy has no upstream of that name any more")]
    NoUpstream,
    /// Whoever made it has the only credential that may ask, and it is not known here.
    #[error("the upstream passes credentials through, and none was lent to ask with")]
    NoCredential,
    #[error("{0}")]
    Failed(String),
}

/// What asks, and with whose rights.
pub(super) struct Reader<'a> {
    pub(super) pool: &'a Pool,
    pub(super) clock: &'a dyn Clock,
    pub(super) place: &'a Place,
    /// Headers and query in which the caller's credential is.
    pub(super) caller: (&'a HeaderMap, Query<'a>),
}

impl Guard {
    /// What Planet shows of something that is followed.
    pub async fn ask_about(&self, one: &Followed) -> Result<(StatusCode, Bytes), Unasked> {
        let place = self.places.named(&one.upstream);
        let place = place.ok_or(Unasked::NoUpstream)?;
        if !place.calls_as_the_caller() {
            return self.ask_as_itself(&one.upstream, &one.made.path).await;
        }
        let lent = self.lent.of(one.request).ok_or(Unasked::NoCredential)?;
        let rights = (lent.headers(), lent.query());
        let answer = self.reader(place, rights).ask(&one.made.path).await;
        answer.map_err(Unasked::Failed)
    }

    /// The answer to a question with the upstream's own credential.
    pub async fn ask_as_itself(
        &self,
        upstream: &str,
        path: &str,
    ) -> Result<(StatusCode, Bytes), Unasked> {
        let place = self.places.named(upstream).ok_or(Unasked::NoUpstream)?;
        if place.calls_as_the_caller() {
            return Err(Unasked::NoCredential);
        }
        let nobody = HeaderMap::new();
        let reader = self.reader(place, (&nobody, Query::new(None)));
        let answer = reader.ask(path).await;
        answer.map_err(Unasked::Failed)
    }

    /// One who asks with the rights that these headers and this query give.
    pub(super) fn reader<'a>(
        &'a self,
        place: &'a Place,
        caller: (&'a HeaderMap, Query<'a>),
    ) -> Reader<'a> {
        Reader {
            pool: &self.pool,
            clock: &*self.clock,
            place,
            caller,
        }
    }
}

impl Reader<'_> {
    /// The answer to a question with these rights, or why there is none.
    pub(super) async fn ask(&self, path: &str) -> Result<(StatusCode, Bytes), String> {
        let bare = path.split('?').next().unwrap_or_default();
        let route = classify(self.place.upstream.kind(), &Method::GET, bare);
        if route.operation != Operation::Read {
            return Err(format!("{bare} is not known to be free"));
        }
        let request = self
            .place
            .question((Method::GET, path), self.caller, empty());
        let request = request.map_err(|refusal| refusal.detail)?;
        let limits = SendLimits::answer_within(PATIENCE);
        let sent = self
            .place
            .send(self.pool, request, limits, self.clock.now());
        let answer = sent.await;
        let (head, body) = answer.map_err(|cause| cause.to_string())?.into_parts();
        if coding(&head.headers).is_some() {
            return Err("Planet's answer is compressed, although it was asked for plain".into());
        }
        let text = collect(body, LONGEST_ANSWER, PATIENCE).await;
        let text = text.map_err(|cause| format!("Planet's answer cannot be read: {cause}"))?;
        Ok((head.status, text))
    }
}
