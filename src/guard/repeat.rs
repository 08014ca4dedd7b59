//! A create meets its like: it takes its turn, or gets what the first one got.

use http::{HeaderValue, Response, StatusCode};
use tracing::info;

use super::answer::{Answer, Notes, Reply};
use super::pipeline::{Case, Guard, books_away};
use super::refusal::{Problem, Refusal};
use super::resent::{Delivery, Kept, Met, Turn};
use crate::ledger::{Fingerprint, RequestId};
use crate::telemetry::Decision;
use crate::upstream::full;

const REPLAYED: &str = "quota-guard-replayed";

/// What a request may do now.
pub(super) enum Passage {
    /// Go on; a create with its turn.
    First(Option<Turn>),
    /// The answer to the first is its answer.
    Answered(Box<Answer>),
}

impl Guard {
    /// Lets a create pass unless it was sent before and its answer has not reached its client. It stands
    /// before Planet is asked anything: who sends a create again needs the first one's answer alone.
    pub(super) async fn in_turn(
        &self,
        create: Option<Fingerprint>,
        case: &Case,
    ) -> Result<Passage, Refusal> {
        let Some(fingerprint) = create else {
            return Ok(Passage::First(None));
        };
        let met = self.resends.meet(fingerprint, case.request).await;
        match met.map_err(|cause| books_away(&cause))? {
            Met::New(turn) => Ok(Passage::First(Some(turn))),
            Met::Answered(first, kept) => {
                let delivery = self.resends.delivery(fingerprint, first);
                let answer = self.replay(first, &kept, delivery, case);
                Ok(Passage::Answered(Box::new(answer.hand_on(&case.wishes))))
            }
            Met::Sent { first, took_effect } => Err(sent_before(first, took_effect)),
            Met::TooMany => Err(Refusal::new(
                Problem::TemporaryReducedCapacity,
                "More orders and the like are under way than the guard can tell apart. Nothing was sent; \
                 try again in a minute.",
            )),
        }
    }

    fn replay(&self, first: RequestId, kept: &Kept, delivery: Delivery, case: &Case) -> Answer {
        let mut response = Response::new(full(kept.body.clone()));
        *response.status_mut() = kept.status;
        response.headers_mut().clone_from(&kept.headers);
        if let Ok(name) = HeaderValue::from_str(&first.to_string()) {
            response.headers_mut().insert(REPLAYED, name);
        }
        let team = case.team.as_deref().unwrap_or_default();
        self.metrics
            .count_request(case.api, team, Decision::Forwarded);
        info!(api = %case.api, team.id = team, first.id = %first, "answered as before");
        Answer {
            delivery: Some(delivery),
            ..Answer::new(Reply::Forwarded(response), Notes::new(case.request))
        }
    }
}

fn sent_before(first: RequestId, took_effect: bool) -> Refusal {
    let known = if took_effect {
        "took effect, and its answer is not here any more"
    } else {
        "may have taken effect: no whole answer came back"
    };
    let detail = format!(
        "This is the same request as {first}, which was sent on and {known}. It was not sent again, so \
         that nothing is ordered twice. Look for its result first (list your orders, subscriptions, \
         reservations or batches). To send it again on purpose, change it, such as its name, or give it \
         an Idempotency-Key of its own."
    );
    Refusal {
        status: StatusCode::CONFLICT,
        ..Refusal::new(Problem::OutcomeUnknown, detail)
    }
}
