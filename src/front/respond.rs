//! Answers become HTTP: the only place that knows how a refusal looks on the wire.

use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Request, Response, StatusCode};
use serde::Serialize;
use serde_json::Value;

use super::annotate::{annotate, seconds_until};
use super::token;
use crate::guard::{Answer, Dialect, Notes, Problem, Refusal, Reply};
use crate::ledger::Breach;
use crate::units::{Amount, Amounts, Unit, UtcTime};
use crate::upstream::{Body, full};

/// Where each problem type is explained.
const PROBLEMS: &str = "/quota-guard/v1/problems/";
/// How much longer a client should wait when the guard's store is away.
const RETRY_STORE: Duration = Duration::from_secs(30);

/// The HTTP form of an answer, with the headers that every guarded answer carries.
pub fn respond(answer: Answer, public_url: &str, now: UtcTime) -> Response<Body> {
    let mut response = match answer.reply {
        Reply::Forwarded(response) => response,
        Reply::Document(json) => with_body(StatusCode::OK, "application/json", json),
        Reply::Refused(refusal, dialect) => {
            refuse(&refusal, &answer.notes, dialect, public_url, now)
        }
        Reply::Token(outcome) => token::respond(&outcome),
    };
    annotate(response.headers_mut(), &answer.notes, now);
    response
}

/// The pages that the guard answers itself: what each problem type means.
pub fn own_page<B>(request: &Request<B>) -> Option<Response<Body>> {
    let problem = Problem::by_name(request.uri().path().strip_prefix(PROBLEMS)?)?;
    let text = format!(
        "{}\n\n{}\n\nAnswered with status {} unless a budget's `status` says otherwise.\n",
        problem.title(),
        problem.advice(),
        problem.status().as_u16()
    );
    Some(with_body(StatusCode::OK, "text/plain; charset=utf-8", text))
}

fn refuse(
    refusal: &Refusal,
    notes: &Notes,
    dialect: Dialect,
    public_url: &str,
    now: UtcTime,
) -> Response<Body> {
    let mut response = match dialect {
        Dialect::Ogc => with_body(
            refusal.status,
            "text/xml; charset=utf-8",
            exception_report(refusal),
        ),
        Dialect::Planet | Dialect::SentinelHub => {
            let document = ProblemDocument::of(refusal, notes, public_url);
            let json = serde_json::to_string(&document).unwrap_or_default();
            with_body(refusal.status, "application/problem+json", json)
        }
    };
    let headers = response.headers_mut();
    if let Some(wait) = retry_after(refusal, now) {
        headers.insert(RETRY_AFTER, notes.retry_unit.count(wait).into());
    }
    if refusal.status == StatusCode::UNAUTHORIZED {
        headers.insert(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"quota-guard\""),
        );
    }
    response
}

/// A promise only where waiting helps: when the pace allows it, when the window begins anew, or when the
/// store may be back.
fn retry_after(refusal: &Refusal, now: UtcTime) -> Option<Duration> {
    let until = |end| Duration::from_secs(seconds_until(end, now).unsigned_abs());
    match refusal.status {
        StatusCode::TOO_MANY_REQUESTS => refusal
            .retry_after
            .or_else(|| refusal.resets_at().map(until)),
        StatusCode::SERVICE_UNAVAILABLE => Some(RETRY_STORE),
        _ => None,
    }
}

/// RFC 9457, with the members that the SDKs print: `message` first, since the Planet SDK shows the body
/// as it is, and `error` for sentinelhub-py.
#[derive(Serialize)]
struct ProblemDocument<'a> {
    message: &'a str,
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(rename = "violated-policies", skip_serializing_if = "Vec::is_empty")]
    violated_policies: Vec<&'a str>,
    request: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    estimate: Option<&'a Amounts>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    breaches: Vec<BreachDocument<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suggestion: Option<&'a Value>,
    error: ErrorDocument<'a>,
}

#[derive(Serialize)]
struct BreachDocument<'a> {
    budget: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    partition: &'a str,
    unit: Unit,
    needed: Amount,
    remaining: Amount,
    limit: Amount,
    resets_at: Option<UtcTime>,
}

/// Sentinel Hub's own shape of error.
#[derive(Serialize)]
struct ErrorDocument<'a> {
    status: u16,
    reason: &'a str,
    message: &'a str,
    code: &'a str,
}

impl<'a> ProblemDocument<'a> {
    fn of(refusal: &'a Refusal, notes: &Notes, public_url: &str) -> Self {
        let status = refusal.status.as_u16();
        Self {
            message: &refusal.detail,
            r#type: refusal.problem.type_uri(public_url),
            title: refusal.problem.title(),
            status,
            detail: &refusal.detail,
            violated_policies: refusal
                .breaches
                .iter()
                .map(|breach| &*breach.account.budget)
                .collect(),
            request: notes.request.to_string(),
            estimate: refusal.estimate.as_ref(),
            breaches: refusal.breaches.iter().map(BreachDocument::of).collect(),
            suggestion: refusal.suggestion.as_deref(),
            error: ErrorDocument {
                status,
                reason: refusal.status.canonical_reason().unwrap_or("Refused"),
                message: &refusal.detail,
                code: refusal.problem.sentinel_hub_code(),
            },
        }
    }
}

impl<'a> BreachDocument<'a> {
    fn of(breach: &'a Breach) -> Self {
        let Breach {
            account,
            needed,
            remaining,
            limit,
            elsewhere: _,
            lent: _,
        } = breach;
        Self {
            budget: &account.budget,
            partition: &account.partition,
            unit: account.unit,
            needed: *needed,
            remaining: *remaining,
            limit: *limit,
            resets_at: account.window.end,
        }
    }
}

fn exception_report(refusal: &Refusal) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <ServiceExceptionReport version=\"1.3.0\" xmlns=\"http://www.opengis.net/ogc\">\n  \
         <ServiceException code=\"{}\">{}</ServiceException>\n</ServiceExceptionReport>\n",
        refusal.problem.sentinel_hub_code(),
        escape_xml(&refusal.detail)
    )
}

fn escape_xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            // XML 1.0 cannot hold these at all.
            control if control.is_control() && !matches!(control, '\t' | '\n' | '\r') => {
                escaped.push(' ');
            }
            other => escaped.push(other),
        }
    }
    escaped
}

fn with_body(status: StatusCode, content_type: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::annotate::tests::{account, amount, at, notes};

    #[test]
    fn a_refusal_holds_the_sentence_where_both_sdks_print_it() {
        let breach = Breach {
            account: account("org-pu", ""),
            needed: amount("5321"),
            remaining: amount("120.5"),
            limit: amount("50000"),
            elsewhere: Amount::ZERO,
            lent: Amount::ZERO,
        };
        let estimate = Amounts::of(Unit::Pu, amount("5321"));
        let refusal = Refusal::over_budget(estimate, vec![breach], StatusCode::FORBIDDEN, &[]);
        let notes = notes();
        let document = ProblemDocument::of(&refusal, &notes, "http://guard/");
        let value = serde_json::to_value(&document).unwrap();
        assert_eq!(
            value["type"],
            "https://iana.org/assignments/http-problem-types#quota-exceeded"
        );
        assert_eq!(value["message"], value["detail"]);
        assert_eq!(value["error"]["message"], value["detail"]);
        assert_eq!(value["violated-policies"], serde_json::json!(["org-pu"]));
        assert_eq!(value["breaches"][0]["remaining"], serde_json::json!(120.5));
        assert_eq!(value["breaches"][0]["resets_at"], "2026-12-01T00:00:00Z");
        assert_eq!(value["estimate"]["pu"], serde_json::json!(5321));
    }

    #[test]
    fn a_gis_client_gets_a_service_exception() {
        let refusal = Refusal::new(Problem::NotUnderstood, "width < 0 & \u{1}");
        let xml = exception_report(&refusal);
        assert!(
            xml.contains("<ServiceException code=\"COMMON_BAD_PAYLOAD\">width &lt; 0 &amp;  </"),
            "{xml}"
        );
    }

    #[test]
    fn only_where_waiting_helps_is_a_time_promised() {
        let now = at("2026-11-30T23:00:00Z");
        let breach = Breach {
            account: account("org-pu", ""),
            needed: amount("2"),
            remaining: amount("1"),
            limit: amount("1"),
            elsewhere: Amount::ZERO,
            lent: Amount::ZERO,
        };
        let refuse =
            |status| Refusal::over_budget(Amounts::default(), vec![breach.clone()], status, &[]);
        assert_eq!(
            retry_after(&refuse(StatusCode::TOO_MANY_REQUESTS), now),
            Some(Duration::from_hours(1))
        );
        assert_eq!(retry_after(&refuse(StatusCode::FORBIDDEN), now), None);
    }
}
