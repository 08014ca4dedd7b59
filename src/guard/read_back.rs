//! What a call only names is read back from Planet before the call is priced: the task that it starts, the
//! subscription that it changes.
//!
//! A question is a plain GET of the thing itself, with the rights of whoever calls; it costs nothing. One that
//! fails leaves its call without a bound, and is not asked again.

use std::borrow::Cow;

use http::StatusCode;
use tracing::warn;

use super::inquiry::Reader;
use super::refusal::Refusal;
use crate::planet::{Asked, Shown, questions};

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

    pub(super) async fn question(&self, path: &str) -> Shown {
        let unanswered = |why| Cow::Owned(format!("Planet could not be asked for it: {why}"));
        match self.ask(path).await.map_err(unanswered)? {
            (StatusCode::OK, text) => Ok(text),
            (status, _) => Err(format!("Planet answered {status} when it was asked for it").into()),
        }
    }
}
