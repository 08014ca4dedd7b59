//! The ways in which Planet says no. Each family of APIs wraps the same sentence in a shape of its own.

use http::StatusCode;
use http::header::RETRY_AFTER;
use serde_json::{Value, json};

use super::answer::Answer;

/// Why a call gets no answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
    /// The member of an order or a search that is wrong.
    field: Option<&'static str>,
}

/// The shape of an error's body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Style {
    /// `{"field": …, "general": […]}`
    Planet,
    /// `{"error": {"status", "reason", "message", "code"}}`
    SentinelHub,
    /// `{"code", "description"}`
    Catalog,
    /// An XML exception report.
    Ogc,
    /// `{"error", "error_description"}`
    OAuth,
    /// `{"message"}`
    Plain,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            field: None,
        }
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn bad_field(field: &'static str, message: impl Into<String>) -> Self {
        Self {
            field: Some(field),
            ..Self::bad(message)
        }
    }

    pub(super) fn not_found(what: impl AsRef<str>) -> Self {
        let message = format!("{} was not found", what.as_ref());
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(super) fn no_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no such route")
    }

    pub(super) fn into_answer(self, style: Style) -> Answer {
        let answer = match style {
            Style::Ogc => Answer::bytes("application/xml", self.exception_report()),
            _ => Answer::json(&self.body(style)),
        };
        let answer = match (self.status, style) {
            // Sentinel Hub counts milliseconds where everybody else counts seconds.
            (StatusCode::TOO_MANY_REQUESTS, Style::Planet | Style::Plain | Style::OAuth) => {
                answer.with(RETRY_AFTER, "1")
            }
            (StatusCode::TOO_MANY_REQUESTS, _) => answer.with(RETRY_AFTER, "1000"),
            _ => answer,
        };
        answer.with_status(self.status)
    }

    fn body(&self, style: Style) -> Value {
        let message = &self.message;
        match style {
            Style::Planet if self.status == StatusCode::BAD_REQUEST => match self.field {
                Some(field) => json!({
                    "field": {field: [{"message": message}]},
                    "general": [{"message": "Unable to accept order"}],
                }),
                None => json!({"field": {}, "general": [{"message": message}]}),
            },
            Style::Planet | Style::Plain | Style::Ogc => json!({"message": message}),
            Style::SentinelHub => json!({"error": {
                "status": self.status.as_u16(),
                "reason": self.status.canonical_reason().unwrap_or("Error"),
                "message": message,
                "code": self.code(),
            }}),
            Style::Catalog => json!({"code": self.status.as_u16(), "description": message}),
            Style::OAuth => json!({"error": "invalid_client", "error_description": message}),
        }
    }

    fn code(&self) -> &'static str {
        match self.status {
            StatusCode::BAD_REQUEST => "COMMON_BAD_PAYLOAD",
            StatusCode::UNAUTHORIZED => "COMMON_UNAUTHORIZED",
            StatusCode::FORBIDDEN => "ACCESS_INSUFFICIENT_PROCESSING_UNITS",
            StatusCode::NOT_FOUND => "COMMON_NOT_FOUND",
            StatusCode::TOO_MANY_REQUESTS => "RATE_LIMIT_EXCEEDED",
            _ => "COMMON_EXCEPTION",
        }
    }

    fn exception_report(&self) -> String {
        let message = self
            .message
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ServiceExceptionReport version=\"1.3.0\" \
             xmlns=\"http://www.opengis.net/ogc\">\n<ServiceException>{message}</ServiceException>\n\
             </ServiceExceptionReport>\n"
        )
    }
}

impl Style {
    pub(super) fn of(segments: &[&str]) -> Self {
        match segments {
            ["catalog", ..] | ["api", "v1", "catalog", ..] => Self::Catalog,
            ["ogc", ..] => Self::Ogc,
            ["oauth", ..] | ["auth", "realms", ..] => Self::OAuth,
            [
                "api" | "process" | "async" | "batch" | "statistics" | "byoc" | "zarr",
                ..,
            ] => Self::SentinelHub,
            ["data" | "compute", ..] => Self::Planet,
            _ => Self::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_wraps_the_sentence_in_its_own_shape() {
        let refusal = Refusal::bad_field("Products", "no such item type");
        let body = refusal.body(Style::of(&["compute", "ops", "orders", "v2"]));
        assert_eq!(body["field"]["Products"][0]["message"], "no such item type");
        let refusal = Refusal::new(StatusCode::FORBIDDEN, "empty");
        let body = refusal.body(Style::of(&["api", "v1", "process"]));
        assert_eq!(
            body["error"]["code"],
            "ACCESS_INSUFFICIENT_PROCESSING_UNITS"
        );
        let body = refusal.body(Style::of(&["api", "v1", "catalog", "1.0.0", "search"]));
        assert_eq!(body["description"], "empty");
    }

    #[test]
    fn text_from_the_wire_cannot_break_out_of_the_exception_report() {
        let report = Refusal::bad("<b>&").exception_report();
        assert!(report.contains("&lt;b&gt;&amp;"), "{report}");
    }

    #[test]
    fn sentinel_hub_states_the_wait_in_milliseconds() {
        let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "slow down");
        let answer = refusal.clone().into_answer(Style::SentinelHub);
        assert_eq!(answer.headers[RETRY_AFTER], "1000");
        assert_eq!(refusal.into_answer(Style::Planet).headers[RETRY_AFTER], "1");
    }
}
