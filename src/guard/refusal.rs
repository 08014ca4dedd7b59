//! Why a request did not pass, in a sentence that its sender can act on.

use std::fmt::Write as _;
use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use crate::identity;
use crate::ledger::Breach;
use crate::planet::Misread;
use crate::units::{Amounts, UtcTime};
use crate::upstream::{CollectError, Unforwardable};

macro_rules! problems {
    ($($variant:ident = $name:literal, $status:ident, $code:ident, $title:literal, $advice:literal;)+) => {
        /// The kinds of refusal; each is documented at `/quota-guard/v1/problems/NAME`.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Problem { $($variant),+ }

        impl Problem {
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// What it is answered with where a budget does not say otherwise.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),+ }
            }

            /// What Sentinel Hub's own error bodies call the nearest thing; clients match on these.
            pub const fn sentinel_hub_code(self) -> &'static str {
                match self { $(Self::$variant => stringify!($code)),+ }
            }

            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            /// What its sender can do, for the page that documents it.
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice),+ }
            }
        }
    };
}

problems! {
    QuotaExceeded = "quota-exceeded", FORBIDDEN, ACCESS_INSUFFICIENT_PROCESSING_UNITS,
        "A budget would be exceeded",
        "Ask for less, wait until the budget's window begins anew, or ask your platform admin for more. The same request sent again gets the same answer.";
    TemporaryReducedCapacity = "temporary-reduced-capacity", SERVICE_UNAVAILABLE, COMMON_EXCEPTION,
        "The guard cannot admit requests right now",
        "The guard cannot reach its books, and it admits nothing that it cannot record. Try again in a minute; tell your platform admin if it lasts.";
    CostNotPredictable = "cost-not-predictable", FORBIDDEN, COMMON_INSUFFICIENT_PERMISSIONS,
        "The cost of this request cannot be predicted",
        "The guard forwards only what it can put an upper bound on. The detail says what is missing: write it into the request, or ask your platform admin to declare a bound.";
    CeilingExceeded = "ceiling-exceeded", FORBIDDEN, ACCESS_INSUFFICIENT_PROCESSING_UNITS,
        "The request would cost more than its sender allows",
        "The header Quota-Guard-Max is a ceiling of the sender's own. Raise it, leave it out, or ask for less.";
    BackfillTooLong = "backfill-too-long", FORBIDDEN, COMMON_INSUFFICIENT_PERMISSIONS,
        "The subscription asks for too much of the past",
        "A start in the past is backfill, which is charged at once, for every image since. Start later, or ask your platform admin to raise policy.max_backfill.";
    NotClassified = "not-classified", FORBIDDEN, COMMON_INSUFFICIENT_PERMISSIONS,
        "This call is not known to the guard",
        "Calls that no rule knows may spend, so they are not forwarded. Check the method and the path, or ask your platform admin to allow unclassified calls.";
    KeyDisabled = "key-disabled", FORBIDDEN, COMMON_INSUFFICIENT_PERMISSIONS,
        "This key may not be used here",
        "The key is disabled, has expired, or is not meant for this API. Ask your platform admin for another.";
    OutcomeUnknown = "outcome-unknown", GATEWAY_TIMEOUT, COMMON_EXCEPTION,
        "Whether this request took effect is not known",
        "It was sent on, but no whole answer came back. It may have taken effect and been charged: look before you send it again.";
    Unauthenticated = "unauthenticated", UNAUTHORIZED, COMMON_UNAUTHORIZED,
        "A key of this guard is needed",
        "Send a key as the Basic user name, as 'Authorization: api-key KEY', as 'Authorization: Bearer KEY', or as the query parameter api_key.";
    NotUnderstood = "not-understood", BAD_REQUEST, COMMON_BAD_PAYLOAD,
        "This request cannot be understood",
        "The guard forwards only what it reads as the upstream would. The detail says what to change.";
    TooLarge = "too-large", PAYLOAD_TOO_LARGE, COMMON_BAD_PAYLOAD,
        "This request is too large to be understood",
        "Bodies that decide a cost are read whole, up to server.limits.max_body. Send a smaller one, for example by simplifying geometries.";
    UnsupportedBody = "unsupported-body", UNSUPPORTED_MEDIA_TYPE, COMMON_BAD_PAYLOAD,
        "This kind of body cannot be understood",
        "Send the body uncompressed, as application/json, or as multipart/form-data where the API takes it.";
    NotFound = "not-found", NOT_FOUND, COMMON_NOT_FOUND,
        "There is nothing here",
        "No upstream is mounted at this path. Check the base URL that your client uses.";
    TooFast = "too-fast", TOO_MANY_REQUESTS, RATE_LIMIT_EXCEEDED,
        "Requests come faster than a pace allows",
        "Nothing was sent and nothing was charged. Wait as long as Retry-After says and send it again; send fewer at a time.";
    UpstreamUnreachable = "upstream-unreachable", BAD_GATEWAY, COMMON_EXCEPTION,
        "The upstream could not be reached",
        "Nothing was sent, and nothing was charged. Try again; tell your platform admin if it lasts.";
    LinkEnded = "link-ended", FORBIDDEN, COMMON_INSUFFICIENT_PERMISSIONS,
        "This download link is not valid any more",
        "Links of the guard's own end when Planet's behind them do, and with the key that they were given to. Ask for the order or asset again: its answer brings a new link.";
    NotFollowed = "download-not-followed", FORBIDDEN, COMMON_INSUFFICIENT_PERMISSIONS,
        "Where this download leads is not followed",
        "The guard fetches downloads from the hosts that its policy lists (download_hosts), and from no others. The detail names the host: ask your platform admin about it.";
    Internal = "internal-error", INTERNAL_SERVER_ERROR, COMMON_EXCEPTION,
        "The guard failed",
        "This is a fault in the guard. Give the request's id to your platform admin.";
}

impl Problem {
    /// Whether the request itself is wrong, whatever budgets there are.
    pub const fn is_callers_mistake(self) -> bool {
        matches!(
            self,
            Self::NotUnderstood | Self::NotFound | Self::UnsupportedBody | Self::TooLarge
        )
    }

    /// Whether the policy would not let the request pass, whoever sends it and whenever.
    pub const fn is_verdict(self) -> bool {
        matches!(
            self,
            Self::CostNotPredictable | Self::NotClassified | Self::BackfillTooLong
        )
    }

    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|problem| problem.name() == name)
    }

    /// The `type` of the problem document: registered ones by their registered URI, ours by the page
    /// that explains them.
    pub fn type_uri(self, public_url: &str) -> String {
        match self {
            Self::QuotaExceeded | Self::TemporaryReducedCapacity => {
                format!(
                    "https://iana.org/assignments/http-problem-types#{}",
                    self.name()
                )
            }
            _ => {
                let base = public_url.trim_end_matches('/');
                format!("{base}/quota-guard/v1/problems/{}", self.name())
            }
        }
    }
}

/// A request that was not answered by an upstream: an ordinary answer, not a failure of the guard.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub problem: Problem,
    pub status: StatusCode,
    /// One plain sentence or two: what was asked, what it would cost, what is left, what to change.
    pub detail: String,
    pub breaches: Vec<Breach>,
    pub estimate: Option<Amounts>,
    /// The nearest request that would pass, where one can be computed.
    pub suggestion: Option<Box<Value>>,
    /// When the same request may pass, where only haste is the matter.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    pub fn new(problem: Problem, detail: impl Into<String>) -> Self {
        Self {
            problem,
            status: problem.status(),
            detail: detail.into(),
            breaches: Vec::new(),
            estimate: None,
            suggestion: None,
            retry_after: None,
        }
    }

    /// A refusal by budgets, in the words of the first; `status` is what the strictest of them says.
    pub fn over_budget(
        estimate: Amounts,
        breaches: Vec<Breach>,
        status: StatusCode,
        hints: &[String],
    ) -> Self {
        let mut detail = String::new();
        for (position, breach) in breaches.iter().enumerate() {
            if position == 0 {
                describe_breach(&mut detail, breach);
            } else {
                let Breach {
                    account,
                    remaining,
                    limit,
                    ..
                } = breach;
                let unit = account.unit.label();
                _ = write!(
                    detail,
                    " Budget '{}' is short too: {remaining} of {limit} {unit} left.",
                    account.budget
                );
            }
        }
        for hint in hints {
            _ = write!(detail, " {hint}");
        }
        Self {
            status,
            breaches,
            estimate: Some(estimate),
            ..Self::new(Problem::QuotaExceeded, detail)
        }
    }

    /// When all of the breached budgets have begun anew; `None` when one never does.
    pub fn resets_at(&self) -> Option<UtcTime> {
        let ends: Option<Vec<_>> = self
            .breaches
            .iter()
            .map(|breach| breach.account.window.end)
            .collect();
        ends?.into_iter().max()
    }
}

impl From<Misread> for Refusal {
    fn from(misread: Misread) -> Self {
        Self::new(Problem::NotUnderstood, misread.sentence)
    }
}

impl From<Unforwardable> for Refusal {
    fn from(cause: Unforwardable) -> Self {
        Self::new(Problem::NotUnderstood, cause.to_string())
    }
}

impl From<identity::Refusal> for Refusal {
    fn from(cause: identity::Refusal) -> Self {
        use identity::Refusal as Cause;
        let problem = match cause {
            Cause::Missing
            | Cause::Ambiguous
            | Cause::Unreadable { .. }
            | Cause::TokenEnded
            | Cause::Unknown => Problem::Unauthenticated,
            Cause::Expired { .. }
            | Cause::KeyDisabled { .. }
            | Cause::TeamDisabled { .. }
            | Cause::ApiNotAllowed { .. } => Problem::KeyDisabled,
        };
        Self::new(problem, cause.to_string())
    }
}

impl From<CollectError> for Refusal {
    fn from(cause: CollectError) -> Self {
        let problem = match cause {
            CollectError::TooLarge { .. } => Problem::TooLarge,
            CollectError::Compressed { .. } => Problem::UnsupportedBody,
            CollectError::Truncated(_) | CollectError::TimedOut { .. } => Problem::NotUnderstood,
        };
        Self::new(problem, cause.to_string())
    }
}

fn describe_breach(detail: &mut String, breach: &Breach) {
    let account = &breach.account;
    _ = write!(
        detail,
        "This request would cost up to {} {unit}, but budget '{}' has {} of {} {unit} left",
        breach.needed,
        account.budget,
        breach.remaining,
        breach.limit,
        unit = account.unit.label(),
    );
    if !account.partition.is_empty() {
        _ = write!(detail, " for {}", account.partition);
    }
    match account.window.end {
        Some(end) => _ = write!(detail, "; more comes at {end}."),
        None => detail.push_str("; it is not renewed."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Account;
    use crate::units::{Amount, Span, Unit};

    fn breach(end: Option<&str>) -> Breach {
        let amount = |text: &str| text.parse::<Amount>().expect(text);
        Breach {
            account: Account {
                budget: "org-pu".into(),
                partition: "team=agriculture".into(),
                unit: Unit::Pu,
                window: Span {
                    start: "2026-11-01T00:00:00Z".parse().expect("a time"),
                    end: end.map(|end| end.parse().expect(end)),
                },
            },
            needed: amount("5321"),
            remaining: amount("120.5"),
            limit: amount("50000"),
            elsewhere: Amount::ZERO,
            lent: Amount::ZERO,
        }
    }

    fn refusal(breaches: Vec<Breach>) -> Refusal {
        Refusal::over_budget(
            Amounts::default(),
            breaches,
            StatusCode::FORBIDDEN,
            &["Clip it.".into()],
        )
    }

    #[test]
    fn the_sentence_says_what_it_costs_what_is_left_and_when_more_comes() {
        assert_eq!(
            refusal(vec![breach(Some("2026-12-01T00:00:00Z"))]).detail,
            "This request would cost up to 5321 PU, but budget 'org-pu' has 120.5 of 50000 PU left \
             for team=agriculture; more comes at 2026-12-01T00:00:00Z. Clip it."
        );
    }

    #[test]
    fn a_budget_for_ever_promises_nothing() {
        let lasting = refusal(vec![breach(None), breach(Some("2026-12-01T00:00:00Z"))]);
        assert!(
            lasting.detail.contains("it is not renewed."),
            "{}",
            lasting.detail
        );
        assert_eq!(lasting.resets_at(), None);
    }

    #[test]
    fn names_of_problems_are_unique_and_found() {
        for problem in Problem::ALL {
            assert_eq!(Problem::by_name(problem.name()), Some(*problem));
        }
    }
}
