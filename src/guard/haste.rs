//! An upstream that finds the guard too fast: its 429 goes on to the caller, with `Retry-After` in the
//! unit that the caller's client reads.
//!
//! Sentinel Hub writes milliseconds, sentinelhub-py reads milliseconds and dies of anything but a whole
//! number, and everybody else takes the number for seconds: 30000 for more than eight hours. Planet's own
//! hosts write seconds, which their clients read.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::answer::RetryUnit;
use crate::planet::UpstreamKind;
use crate::units::{Amount, UtcTime};
use crate::upstream::http_date;

/// Restates how long to wait. What cannot be read is left out, and clients then wait as long as they do
/// without a word.
pub(super) fn restate_wait(
    headers: &mut HeaderMap,
    status: StatusCode,
    kind: UpstreamKind,
    unit: RetryUnit,
    now: UtcTime,
) {
    if status != StatusCode::TOO_MANY_REQUESTS || kind != UpstreamKind::SentinelHub {
        return;
    }
    let Some(written) = headers.remove(RETRY_AFTER) else {
        return;
    };
    if let Some(wait) = written.to_str().ok().and_then(|text| wait(text, now)) {
        headers.insert(RETRY_AFTER, HeaderValue::from(unit.count(wait)));
    }
}

/// Milliseconds, whole or not, or a date.
fn wait(text: &str, now: UtcTime) -> Option<Duration> {
    if let Ok(millis) = Amount::parse_ceil(text) {
        // a millionth of a millisecond is a nanosecond
        return Some(Duration::from_nanos(millis.micros().unsigned_abs()));
    }
    let until = http_date(text)?.duration_since(now);
    Some(Duration::try_from(until).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: &str = "2026-11-22T12:00:00Z";

    fn restated(written: &str, status: u16, kind: UpstreamKind, unit: RetryUnit) -> Option<String> {
        let value = HeaderValue::from_str(written).unwrap();
        let mut headers = HeaderMap::from_iter([(RETRY_AFTER, value)]);
        let status = StatusCode::from_u16(status).unwrap();
        restate_wait(&mut headers, status, kind, unit, NOW.parse().unwrap());
        headers
            .get(RETRY_AFTER)
            .map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn milliseconds_are_told_as_each_client_reads_them() {
        for (written, seconds, milliseconds) in [
            ("1000", "1", "1000"),
            ("1001", "2", "1001"),
            ("2", "1", "2"),
            ("0", "1", "1"),
            ("1500.5", "2", "1501"),
            ("Sun, 22 Nov 2026 12:00:30 GMT", "30", "30000"),
            ("Sun, 22 Nov 2026 11:00:00 GMT", "1", "1"),
        ] {
            let told = |unit| restated(written, 429, UpstreamKind::SentinelHub, unit);
            let both = [RetryUnit::Seconds, RetryUnit::Milliseconds].map(told);
            let both = both.each_ref().map(Option::as_deref);
            assert_eq!(both, [Some(seconds), Some(milliseconds)], "{written}");
        }
    }

    #[test]
    fn what_planets_own_hosts_say_is_already_in_seconds() {
        for kind in [UpstreamKind::Planet, UpstreamKind::Tiles] {
            let told = restated("17", 429, kind, RetryUnit::Seconds);
            assert_eq!(told.as_deref(), Some("17"));
        }
        let away = restated("30", 503, UpstreamKind::SentinelHub, RetryUnit::Seconds);
        assert_eq!(
            away.as_deref(),
            Some("30"),
            "only haste is told in thousandths"
        );
    }

    proptest! {
        #[test]
        fn a_client_that_dies_of_anything_but_a_whole_number_gets_a_whole_number_or_none(text in "[ -~]{0,40}") {
            for unit in [RetryUnit::Seconds, RetryUnit::Milliseconds] {
                if let Some(told) = restated(&text, 429, UpstreamKind::SentinelHub, unit) {
                    prop_assert!(told.parse::<u64>().is_ok_and(|wait| wait >= 1), "{told}");
                }
            }
        }
    }
}
