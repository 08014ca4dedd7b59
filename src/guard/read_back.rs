//! What a call only names is read back from Planet before the call is priced: the task that it starts, the
//! subscription that it changes.
//!
//! A question is a plain GET of the thing itself, with the rights of whoever calls; it costs nothing. One that
//! fails leaves its call without a bound, and is not asked again.

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use tracing::warn;

use super::places::Place;
use super::refusal::Refusal;
use crate::clock::Clock;
use crate::planet::{Asked, Query, Shown, questions};
use crate::upstream::{Pool, SendLimits, coding, collect, empty};

/// An answer that takes longer than this, or is longer, is none.
const PATIENCE: Duration = Duration::from_secs(20);
const LONGEST_ANSWER: usize = 4 * 1024 * 1024;

/// What asks, and with whose rights.
pub(super) struct Reader<'a> {
    pub(super) pool: &'a Pool,
    pub(super) clock: &'a dyn Clock,
    pub(super) place: &'a Place,
    /// Headers and query in which the caller's credential is.
    pub(super) caller: (&'a HeaderMap, Query<'a>),
}

impl Reader<'_> {
    /// An answer to each question that the call raises, one after the other, up to the first that fails:
    /// nothing bounds the call then.
    pub(super) async fn read_back(&self, asked: &Asked<'_>) -> Result<Vec<Shown>, Refusal> {
        let mut shown = Vec::new();
        for path in questions(asked)? {
            let answer = self.question(&path).await;
            let failed = answer.is_err();
            if let Err(why) = &answer {
                warn!(api = %asked.route.api, why = &**why, "what a call names could not be read back");
            }
            shown.push(answer);
            if failed {
                break;
            }
        }
        Ok(shown)
    }

    async fn question(&self, path: &str) -> Shown {
        let unasked =
            |cause: &dyn std::fmt::Display| Cow::Owned(format!("it was not asked for: {cause}"));
        let request = self
            .place
            .question((Method::GET, path), self.caller, empty())
            .map_err(|refusal| unasked(&refusal.detail))?;
        let limits = SendLimits::answer_within(PATIENCE);
        let sent = self
            .place
            .send(self.pool, request, limits, self.clock.now());
        let answer = sent.await;
        let (answer, body) = answer.map_err(|cause| unanswered(&cause))?.into_parts();
        if answer.status != StatusCode::OK {
            return Err(
                format!("Planet answered {} when it was asked for it", answer.status).into(),
            );
        }
        if coding(&answer.headers).is_some() {
            return Err("Planet's answer is compressed, although it was asked for plain".into());
        }
        let text = collect(body, LONGEST_ANSWER, PATIENCE).await;
        text.map_err(|cause| format!("Planet's answer cannot be read: {cause}").into())
    }
}

fn unanswered(cause: &dyn std::fmt::Display) -> Cow<'static, str> {
    format!("Planet could not be asked for it: {cause}").into()
}
