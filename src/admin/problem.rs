//! Why the admin port did not do what was asked: one plain sentence, as RFC 9457 has it.

use http::header::{ALLOW, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use serde::Serialize;
use tracing::error;

use crate::ledger::LedgerError;
use crate::planet::Misread;
use crate::upstream::{Body, CollectError, full};

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    /// The methods that the page takes, where another was used.
    allow: Option<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            allow: None,
        }
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(super) fn wrong_method(allow: &str) -> Self {
        Self {
            allow: Some(allow.to_owned()),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                format!("This page takes {allow}."),
            )
        }
    }

    pub(super) fn respond(&self) -> Response<Body> {
        let document = Document {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Refused"),
            status: self.status.as_u16(),
            detail: &self.detail,
        };
        let mut response =
            Response::new(full(serde_json::to_string(&document).unwrap_or_default()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, json);
        if self.status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer realm=\"quota-guard-admin\"");
            headers.insert(WWW_AUTHENTICATE, bearer);
        }
        if let Some(allow) = self.allow.as_deref().and_then(|allow| allow.parse().ok()) {
            headers.insert(ALLOW, allow);
        }
        response
    }
}

impl From<LedgerError> for Problem {
    fn from(cause: LedgerError) -> Self {
        let status = match &cause {
            LedgerError::NotReserved(_) | LedgerError::NotFollowed(_) => StatusCode::NOT_FOUND,
            LedgerError::NotInDoubt(_) | LedgerError::Reused(_) => StatusCode::CONFLICT,
            LedgerError::Overflow { .. }
            | LedgerError::ClaimedTwice { .. }
            | LedgerError::AnotherTopUp { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            LedgerError::Unavailable(_)
            | LedgerError::Fenced
            | LedgerError::Restored
            | LedgerError::Corrupt { .. } => {
                let error = &cause as &dyn std::error::Error;
                error!(error, "the admin port cannot use the books");
                StatusCode::SERVICE_UNAVAILABLE
            }
        };
        match &cause {
            LedgerError::Unavailable(_) | LedgerError::Corrupt { .. } => Self::new(
                status,
                "The guard cannot use its books right now; `quota-guard doctor` says why. Look at what \
                 they hold before you repeat a change.",
            ),
            // these say what they are about, and hold nothing that is secret
            _ => Self::new(status, sentence(&cause.to_string())),
        }
    }
}

impl From<Misread> for Problem {
    fn from(misread: Misread) -> Self {
        Self::bad_request(sentence(&misread.sentence))
    }
}

impl From<CollectError> for Problem {
    fn from(cause: CollectError) -> Self {
        match cause {
            CollectError::TooLarge { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, sentence(&cause.to_string()))
            }
            CollectError::Compressed { coding } => Self::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                format!("The body is compressed ('{coding}'): send it as it is."),
            ),
            CollectError::Truncated(_) | CollectError::TimedOut { .. } => {
                Self::bad_request(sentence(&cause.to_string()))
            }
        }
    }
}

/// An error's message, with a capital and a full stop.
pub(super) fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let first: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    let stop = if message.ends_with('.') { "" } else { "." };
    format!("{first}{}{stop}", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_says_what_a_client_needs_to_go_on() {
        let unknown = Problem::new(StatusCode::UNAUTHORIZED, "Who are you?").respond();
        assert!(unknown.headers().contains_key(WWW_AUTHENTICATE));
        let wrong = Problem::wrong_method("GET, HEAD").respond();
        assert_eq!(wrong.headers()[ALLOW], "GET, HEAD");
        assert_eq!(wrong.headers()[CONTENT_TYPE], "application/problem+json");
    }

    #[test]
    fn books_that_are_away_show_no_cause() {
        let cause = LedgerError::Unavailable("postgres://user:secret@host".into());
        let problem = Problem::from(cause);
        assert_eq!(problem.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(!problem.detail.contains("secret"), "{}", problem.detail);
        let fenced = Problem::from(LedgerError::Fenced);
        assert!(fenced.detail.starts_with("This guard was silent"));
    }

    #[test]
    fn a_message_becomes_a_sentence() {
        assert_eq!(sentence("no such thing"), "No such thing.");
        assert_eq!(sentence("É bom."), "É bom.");
        assert_eq!(sentence(""), ".");
    }
}
