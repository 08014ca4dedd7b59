//! The headers of every guarded answer: how the budgets stand, what was predicted, what was charged.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use crate::guard::Notes;
use crate::ledger::Standing;
use crate::units::{Amounts, UtcTime};

/// Adds them.
pub(super) fn annotate(headers: &mut HeaderMap, notes: &Notes, now: UtcTime) {
    let mut standings: Vec<&Standing> = notes
        .standings
        .iter()
        .filter(|standing| standing.limit.is_some())
        .collect();
    standings.sort_by_key(|standing| tightness(standing));
    let (mut policies, mut limits) = (String::new(), String::new());
    for standing in standings {
        describe_standing(&mut policies, &mut limits, standing, now);
    }
    let optional = |amounts: &Option<Amounts>| {
        amounts
            .as_ref()
            .filter(|amounts| !amounts.is_empty())
            .map(ToString::to_string)
    };
    let texts = [
        (
            "ratelimit-policy",
            Some(policies).filter(|text| !text.is_empty()),
        ),
        ("ratelimit", Some(limits).filter(|text| !text.is_empty())),
        ("quota-guard-estimate", optional(&notes.estimate)),
        ("quota-guard-charge", optional(&notes.charge)),
        ("quota-guard-request", Some(notes.request.to_string())),
        (
            "quota-guard-cache",
            notes.provenance.map(|whose| whose.name().to_owned()),
        ),
    ];
    for (name, text) in texts {
        if let Some(value) = text.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// The share of the limit that is left, in millionths: the smallest comes first.
fn tightness(standing: &Standing) -> i128 {
    let (limit, remaining) = (
        standing.limit.unwrap_or_default(),
        standing.remaining.unwrap_or_default(),
    );
    i128::from(remaining.micros()) * 1_000_000 / i128::from(limit.micros().max(1))
}

/// One list member in each of `RateLimit-Policy` and `RateLimit`.
fn describe_standing(
    policies: &mut String,
    limits: &mut String,
    standing: &Standing,
    now: UtcTime,
) {
    let account = &standing.account;
    let name = structured_string(&account.budget);
    let comma = if policies.is_empty() { "" } else { ", " };
    let limit = standing.limit.unwrap_or_default().whole_floor();
    let remaining = standing.remaining.unwrap_or_default().whole_floor();
    _ = write!(policies, "{comma}{name};q={limit}");
    _ = write!(limits, "{comma}{name};r={remaining}");
    if let Some(end) = account.window.end {
        _ = write!(policies, ";w={}", seconds_until(end, account.window.start));
        _ = write!(limits, ";t={}", seconds_until(end, now));
    }
    if !account.partition.is_empty() {
        let key = STANDARD.encode(account.partition.as_bytes());
        _ = write!(policies, ";pk=:{key}:");
        _ = write!(limits, ";pk=:{key}:");
    }
}

/// A string of RFC 9651: printable ASCII, quoted.
fn structured_string(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            ' '..='~' => quoted.push(character),
            _ => quoted.push('?'),
        }
    }
    quoted.push('"');
    quoted
}

/// Whole seconds, rounded up, never negative.
pub(super) fn seconds_until(end: UtcTime, now: UtcTime) -> i64 {
    let span = end.duration_since(now);
    let rounded_up = i64::from(span.subsec_nanos() > 0);
    span.as_secs().saturating_add(rounded_up).max(0)
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ledger::RequestId;
    use crate::policy::Account;
    use crate::units::{Amount, Span, Unit};

    pub(in crate::front) fn at(text: &str) -> UtcTime {
        text.parse().expect(text)
    }

    pub(in crate::front) fn amount(text: &str) -> Amount {
        text.parse().expect(text)
    }

    pub(in crate::front) fn account(budget: &str, partition: &str) -> Account {
        Account {
            budget: budget.into(),
            partition: Arc::from(partition),
            unit: Unit::Pu,
            window: Span {
                start: at("2026-11-01T00:00:00Z"),
                end: Some(at("2026-12-01T00:00:00Z")),
            },
        }
    }

    fn standing(budget: &str, partition: &str, limit: &str, remaining: &str) -> Standing {
        Standing {
            account: account(budget, partition),
            limit: Some(amount(limit)),
            remaining: Some(amount(remaining)),
            lent: Amount::ZERO,
        }
    }

    pub(in crate::front) fn notes() -> Notes {
        Notes::new(RequestId::from_uuid(uuid::Uuid::from_u128(7)))
    }

    #[test]
    fn budgets_stand_in_the_headers_with_the_tightest_first() {
        let mut headers = HeaderMap::new();
        let notes = Notes {
            standings: vec![
                standing("wide", "", "50000", "49999.9"),
                standing("na\"me", "team=agriculture", "100", "1.999999"),
            ],
            estimate: Some(Amounts::of(Unit::Pu, amount("26.5"))),
            ..notes()
        };
        annotate(&mut headers, &notes, at("2026-11-30T23:59:00.5Z"));
        assert_eq!(
            headers["ratelimit-policy"],
            r#""na\"me";q=100;w=2592000;pk=:dGVhbT1hZ3JpY3VsdHVyZQ==:, "wide";q=50000;w=2592000"#
        );
        assert_eq!(
            headers["ratelimit"],
            r#""na\"me";r=1;t=60;pk=:dGVhbT1hZ3JpY3VsdHVyZQ==:, "wide";r=49999;t=60"#
        );
        assert_eq!(headers["quota-guard-estimate"], "pu=26.5");
        assert!(!headers.contains_key("quota-guard-charge"));
    }
}
