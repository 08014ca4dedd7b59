//! What a call only names is read back from Planet before the call is priced: the task that it starts, the
//! subscription that it changes.
//!
//! A question is a plain GET of the thing itself, with the rights of whoever calls; it costs nothing. One that
//! fails leaves its call without a bound, and is not asked again.

use std::borrow::Cow;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode};
use tracing::warn;

use super::pipeline::Guard;
use super::places::Place;
use super::refusal::Refusal;
use crate::identity;
use crate::planet::{Asked, Operation, Query, Shown, questions};
use crate::upstream::{SendLimits, coding, collect, empty};

/// An answer that takes longer than this, or is longer, is none.
const PATIENCE: Duration = Duration::from_secs(20);
const LONGEST_ANSWER: usize = 4 * 1024 * 1024;

impl Guard {
    /// An answer to each question that the call raises, one after the other, up to the first that fails:
    /// nothing bounds the call then.
    pub(super) async fn read_back(
        &self,
        place: &Place,
        head: &Parts,
        asked: &Asked<'_>,
    ) -> Result<Vec<Shown>, Refusal> {
        let mut shown = Vec::new();
        for path in questions(asked)? {
            let answer = self.question(place, head, asked.query, &path).await;
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

    async fn question(&self, place: &Place, head: &Parts, query: Query<'_>, path: &str) -> Shown {
        let unasked =
            |cause: &dyn std::fmt::Display| Cow::Owned(format!("it was not asked for: {cause}"));
        let keys = query.raw().and_then(identity::keys_alone);
        let request = place
            .address(
                bare(head),
                path,
                Query::new(keys.as_deref()),
                Operation::Read,
                empty(),
            )
            .map_err(|refusal| unasked(&refusal.detail))?;
        let limits = SendLimits::answer_within(PATIENCE);
        let answer = self.send(place, request, limits).await;
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

/// A GET that tells who asks, and nothing else of the request that raises the question.
fn bare(head: &Parts) -> Parts {
    let mut headers = HeaderMap::new();
    for value in head.headers.get_all(AUTHORIZATION) {
        headers.append(AUTHORIZATION, value.clone());
    }
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = Method::GET;
    parts.headers = headers;
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_shows_who_asks_and_nothing_else_of_the_request() {
        let request = Request::post("/subscriptions/v1/7/reactivate")
            .header(AUTHORIZATION, "api-key K")
            .header("cookie", "a=b")
            .header("quota-guard-tag", "t")
            .header("if-none-match", "x")
            .body(())
            .unwrap();
        let parts = bare(&request.into_parts().0);
        assert_eq!(parts.method, Method::GET);
        assert_eq!(parts.headers.len(), 2);
        assert_eq!(parts.headers[AUTHORIZATION], "api-key K");
    }
}
