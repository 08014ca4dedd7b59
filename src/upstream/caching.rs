//! What HTTP lets a shared cache do with an answer (RFC 9111), read from its headers. Pure.
//!
//! Where a rule leaves a choice this takes the stricter one: freshness that is not stated is none, a stale
//! answer is never given, and an answer that is `private` in one field is private.

use std::time::Duration;

use http::header::{
    AGE, CACHE_CONTROL, DATE, ETAG, EXPIRES, HeaderName, LAST_MODIFIED, PRAGMA, SET_COOKIE, VARY,
};
use http::{HeaderMap, HeaderValue};

use super::date::http_date;
use crate::units::UtcTime;

/// Longer is as good as for ever (RFC 9111 §1.2.2).
const FOREVER: Duration = Duration::from_secs(1 << 31);

/// The members of `Cache-Control`, their names in lower case.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Directives(Vec<(String, Option<String>)>);

impl Directives {
    pub fn of(headers: &HeaderMap) -> Self {
        let mut all = Vec::new();
        for value in headers.get_all(CACHE_CONTROL) {
            let text = String::from_utf8_lossy(value.as_bytes());
            all.extend(members(&text).filter_map(member));
        }
        Self(all)
    }

    /// Of a request, where HTTP/1.0's `Pragma: no-cache` counts if there is nothing newer.
    pub fn of_request(headers: &HeaderMap) -> Self {
        let directives = Self::of(headers);
        let no_cache = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"no-cache");
        if directives.0.is_empty() && headers.get_all(PRAGMA).iter().any(no_cache) {
            return Self(vec![("no-cache".into(), None)]);
        }
        directives
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// The least that a directive says; one that cannot be read says nothing at all, which is 0.
    pub fn seconds(&self, name: &str) -> Option<Duration> {
        let said = self.0.iter().filter(|(known, _)| known == name);
        said.map(|(_, value)| value.as_deref().and_then(seconds).unwrap_or_default())
            .min()
    }
}

/// Whether an answer may be given to others than the one who asked.
pub fn may_be_shared(headers: &HeaderMap) -> bool {
    let directives = Directives::of(headers);
    let is_private = ["no-store", "private"]
        .iter()
        .any(|name| directives.has(name));
    !is_private && !headers.contains_key(SET_COOKIE) && varies_by(headers).is_some()
}

/// Whether an answer to a request that showed a credential, as all do here, may be kept (§3.5).
pub fn may_be_kept(headers: &HeaderMap) -> bool {
    let directives = Directives::of(headers);
    let allowing = ["public", "s-maxage", "must-revalidate"];
    may_be_shared(headers) && allowing.iter().any(|name| directives.has(name))
}

/// How long an answer stays fresh, from when it was made.
pub fn lifetime(headers: &HeaderMap, received: UtcTime) -> Duration {
    let directives = Directives::of(headers);
    if directives.has("no-cache") {
        return Duration::ZERO;
    }
    let stated = directives.seconds("s-maxage");
    if let Some(stated) = stated.or_else(|| directives.seconds("max-age")) {
        return stated;
    }
    let made = date(headers, &DATE).unwrap_or(received);
    date(headers, &EXPIRES).map_or(Duration::ZERO, |end| between(made, end))
}

/// How old an answer was when it was received (§4.2.3).
pub fn age(headers: &HeaderMap, asked: UtcTime, received: UtcTime) -> Duration {
    let apparent = date(headers, &DATE).map_or(Duration::ZERO, |made| between(made, received));
    let stated = text(headers, &AGE).map_or(Duration::ZERO, |age| seconds(age).unwrap_or(FOREVER));
    apparent.max(stated.saturating_add(between(asked, received)))
}

/// The request's headers that decide between answers; `None` where more than headers do (`Vary: *`), or
/// what they are cannot be read.
pub fn varies_by(headers: &HeaderMap) -> Option<Vec<HeaderName>> {
    let mut names = Vec::new();
    for value in headers.get_all(VARY) {
        for name in value.to_str().ok()?.split(',').map(str::trim) {
            match name {
                "" => {}
                "*" => return None,
                name => names.push(HeaderName::from_bytes(name.as_bytes()).ok()?),
            }
        }
    }
    Some(names)
}

/// Whether upstream can be asked if an answer still holds.
pub fn has_validator(headers: &HeaderMap) -> bool {
    headers.contains_key(ETAG) || headers.contains_key(LAST_MODIFIED)
}

/// Time from one moment to a later one; none to an earlier.
pub fn between(from: UtcTime, to: UtcTime) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<UtcTime> {
    http_date(text(headers, name)?)
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn seconds(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // more digits than a number holds are for ever
    digits.then(|| {
        text.parse()
            .map_or(FOREVER, Duration::from_secs)
            .min(FOREVER)
    })
}

/// What stands between commas, but for commas in quotes.
fn members(text: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |character: char| {
        let was_escaped = std::mem::take(&mut escaped);
        match character {
            '"' if !was_escaped => quoted = !quoted,
            '\\' if quoted => escaped = !was_escaped,
            _ => {}
        }
        character == ',' && !quoted
    })
}

fn member(text: &str) -> Option<(String, Option<String>)> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.trim().trim_matches('"').to_owned())),
        None => (text, None),
    };
    let name = name.trim().to_ascii_lowercase();
    (!name.is_empty()).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: &str = "2026-11-22T12:00:00Z";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn control(text: &str) -> HeaderMap {
        headers(&[("cache-control", text)])
    }

    fn noon() -> UtcTime {
        NOON.parse().unwrap()
    }

    const fn secs(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn directives_are_read_in_any_case_over_several_lines_and_through_quotes() {
        let written = headers(&[
            (
                "cache-control",
                "Public, MAX-AGE=60 ,, no-cache=\"a, no-store\"",
            ),
            ("cache-control", "s-maxage=\"7\", private=\"\\\", public\""),
        ]);
        let directives = Directives::of(&written);
        for name in ["public", "no-cache", "private"] {
            assert!(directives.has(name), "{name}");
        }
        assert!(!directives.has("no-store"), "it stands in quotes");
        assert_eq!(directives.seconds("max-age"), Some(secs(60)));
        assert_eq!(directives.seconds("s-maxage"), Some(secs(7)));
        assert_eq!(directives.seconds("min-fresh"), None);
    }

    #[test]
    fn of_two_ages_the_lesser_counts_and_one_that_is_no_number_is_none() {
        let max_age = |text: &str| Directives::of(&control(text)).seconds("max-age");
        assert_eq!(max_age("max-age=60, max-age=10"), Some(secs(10)));
        for text in [
            "max-age",
            "max-age=",
            "max-age=-1",
            "max-age=1.5",
            "max-age=x",
        ] {
            assert_eq!(max_age(text), Some(Duration::ZERO), "{text}");
        }
        assert_eq!(max_age("max-age=99999999999999999999999"), Some(FOREVER));
    }

    #[test]
    fn pragma_counts_where_nothing_newer_stands() {
        let old = Directives::of_request(&headers(&[("pragma", "No-Cache")]));
        assert!(old.has("no-cache"));
        let both = [("pragma", "no-cache"), ("cache-control", "max-age=3")];
        assert!(!Directives::of_request(&headers(&both)).has("no-cache"));
    }

    #[test]
    fn what_is_private_by_any_sign_is_not_shared() {
        assert!(may_be_shared(&HeaderMap::new()));
        assert!(may_be_shared(&headers(&[("vary", "accept, origin")])));
        for pair in [
            ("cache-control", "private"),
            ("cache-control", "max-age=9, PRIVATE=\"x\""),
            ("cache-control", "no-store"),
            ("set-cookie", "a=b"),
            ("vary", "accept, *"),
            ("vary", "no name"),
        ] {
            assert!(!may_be_shared(&headers(&[pair])), "{pair:?}");
        }
    }

    #[test]
    fn an_answer_to_a_credential_is_kept_only_where_upstream_says_so() {
        for text in ["public", "s-maxage=5", "must-revalidate, max-age=5"] {
            assert!(may_be_kept(&control(text)), "{text}");
        }
        for text in ["", "max-age=60", "public, private", "public, no-store"] {
            assert!(!may_be_kept(&control(text)), "{text}");
        }
    }

    #[test]
    fn freshness_is_what_is_stated_most_closely_and_none_where_nothing_is() {
        let expires = ("expires", "Sun, 22 Nov 2026 12:01:00 GMT");
        let date = ("date", "Sun, 22 Nov 2026 11:59:00 GMT");
        for (pairs, fresh) in [
            (vec![], 0),
            (vec![("cache-control", "max-age=60, s-maxage=5")], 5),
            (vec![("cache-control", "max-age=60"), expires], 60),
            (vec![("cache-control", "public"), expires], 60),
            (vec![expires, date], 120),
            (vec![("expires", "0"), date], 0),
            (vec![("cache-control", "max-age=60, no-cache")], 0),
            (vec![("last-modified", "Sun, 22 Nov 2020 12:00:00 GMT")], 0),
        ] {
            assert_eq!(lifetime(&headers(&pairs), noon()), secs(fresh), "{pairs:?}");
        }
    }

    #[test]
    fn an_answer_is_as_old_as_the_oldest_sign_of_it() {
        let asked = noon().checked_sub(secs(2)).unwrap();
        let date = ("date", "Sun, 22 Nov 2026 11:59:50 GMT");
        for (pairs, old) in [
            (vec![], 2),
            (vec![("age", "30")], 32),
            (vec![date], 10),
            (vec![date, ("age", "30")], 32),
            (vec![("date", "Sun, 22 Nov 2026 13:00:00 GMT")], 2),
            (vec![("age", "old")], FOREVER.as_secs() + 2),
        ] {
            assert_eq!(age(&headers(&pairs), asked, noon()), secs(old), "{pairs:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_stands_there_has_an_answer_and_private_is_never_kept(
            text in "[ -~]{0,60}", word in prop_oneof![Just("private"), Just("no-store")]
        ) {
            let any = control(&text);
            let (fresh, old) = (lifetime(&any, noon()), age(&any, noon(), noon()));
            prop_assert!(fresh <= FOREVER && old <= FOREVER);
            // a quote that is never closed swallows what follows, so the word stands first
            let with_word = control(&format!("{word}, {text}"));
            prop_assert!(!may_be_shared(&with_word) && !may_be_kept(&with_word));
        }
    }
}
