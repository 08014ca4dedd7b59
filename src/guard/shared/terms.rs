//! On what terms a client takes an answer that it did not ask upstream for itself: its `Cache-Control`,
//! and what it has already.

use std::time::Duration;

use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderValue, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED,
};
use http::{HeaderMap, Response, StatusCode};

use crate::upstream::{Body, Directives, empty, http_date};

#[derive(Clone, Debug, Default)]
pub(super) struct Terms {
    directives: Directives,
    if_none_match: Vec<HeaderValue>,
    if_modified_since: Option<HeaderValue>,
}

impl Terms {
    pub(super) fn of(request: &HeaderMap) -> Self {
        Self {
            directives: Directives::of_request(request),
            if_none_match: request.get_all(IF_NONE_MATCH).iter().cloned().collect(),
            if_modified_since: request.get(IF_MODIFIED_SINCE).cloned(),
        }
    }

    /// Its answer may serve nobody else.
    pub(super) fn keep_out(&self) -> bool {
        self.directives.has("no-store")
    }

    /// It wants upstream to be asked anew.
    pub(super) fn want_news(&self) -> bool {
        self.directives.has("no-cache")
            || self.directives.seconds("max-age") == Some(Duration::ZERO)
    }

    /// It has an answer and asks whether that still holds.
    pub(super) fn are_a_question(&self) -> bool {
        !self.if_none_match.is_empty() || self.if_modified_since.is_some()
    }

    /// Whether an answer of this age that stays fresh for as long will do.
    pub(super) fn accept(&self, age: Duration, left: Duration) -> bool {
        let young_enough = self.directives.seconds("max-age");
        let young_enough = young_enough.is_none_or(|most| age <= most);
        let least = self.directives.seconds("min-fresh").unwrap_or_default();
        young_enough && left >= least && !self.keep_out() && !self.want_news()
    }

    /// The answer, or word that the client has it already (RFC 9110 §13.2.2).
    pub(super) fn answered_by(&self, mut response: Response<Body>) -> Response<Body> {
        if !self.are_met_by(response.headers()) {
            return response;
        }
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = empty();
        for name in [CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING] {
            response.headers_mut().remove(name);
        }
        response
    }

    fn are_met_by(&self, answer: &HeaderMap) -> bool {
        if !self.if_none_match.is_empty() {
            let tag = answer.get(ETAG).map(|tag| opaque(tag.as_bytes()));
            let listed = self.if_none_match.iter().flat_map(tags);
            return tag.is_some_and(|tag| listed.into_iter().any(|one| one == b"*" || one == tag));
        }
        let date = |value: Option<&HeaderValue>| http_date(value?.to_str().ok()?);
        let changed = date(answer.get(LAST_MODIFIED));
        let known = date(self.if_modified_since.as_ref());
        changed
            .zip(known)
            .is_some_and(|(changed, known)| changed <= known)
    }
}

/// A tag without the mark of a weak one: the comparison is the weak one here.
fn opaque(tag: &[u8]) -> &[u8] {
    let tag = tag.trim_ascii();
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// The tags of a list. A comma within a tag splits it, so that it matches nothing and the answer is sent.
fn tags(list: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    list.as_bytes().split(|byte| *byte == b',').map(opaque)
}

#[cfg(test)]
mod tests {
    use http::header::CACHE_CONTROL;

    use super::*;
    use crate::upstream::full;

    fn terms(pairs: &[(http::HeaderName, &'static str)]) -> Terms {
        let pairs = pairs.iter().cloned();
        let pairs = pairs.map(|(name, value)| (name, HeaderValue::from_static(value)));
        Terms::of(&pairs.collect())
    }

    #[test]
    fn what_a_client_says_of_age_is_kept_to() {
        let control = |text| terms(&[(CACHE_CONTROL, text)]);
        let secs = Duration::from_secs;
        for (text, accepted) in [
            ("", true),
            ("max-age=10", true),
            ("max-age=9", false),
            ("min-fresh=5", true),
            ("min-fresh=6", false),
            ("no-cache", false),
            ("no-store", false),
            ("max-age=0", false),
            ("max-stale=9, only-if-cached", true),
        ] {
            assert_eq!(control(text).accept(secs(10), secs(5)), accepted, "{text}");
        }
        assert!(control("no-store").keep_out() && control("max-age=0").want_news());
    }

    fn status(question: &[(http::HeaderName, &'static str)]) -> StatusCode {
        let mut response = Response::new(full("tile"));
        let headers = response.headers_mut();
        headers.insert(ETAG, HeaderValue::from_static("W/\"a\""));
        let date = "Sun, 22 Nov 2026 12:00:00 GMT";
        headers.insert(LAST_MODIFIED, HeaderValue::from_static(date));
        terms(question).answered_by(response).status()
    }

    #[test]
    fn who_has_it_already_is_told_so() {
        let (same, later, earlier) = (
            "Sun, 22 Nov 2026 12:00:00 GMT",
            "Mon, 23 Nov 2026 12:00:00 GMT",
            "Sat, 21 Nov 2026 12:00:00 GMT",
        );
        for question in [
            &[(IF_NONE_MATCH, "\"b\", \"a\"")][..],
            &[(IF_NONE_MATCH, "W/\"a\"")],
            &[(IF_NONE_MATCH, "*")],
            &[(IF_NONE_MATCH, "\"a\""), (IF_MODIFIED_SINCE, earlier)],
            &[(IF_MODIFIED_SINCE, same)],
            &[(IF_MODIFIED_SINCE, later)],
        ] {
            assert_eq!(status(question), StatusCode::NOT_MODIFIED, "{question:?}");
        }
        for question in [
            &[][..],
            &[(IF_NONE_MATCH, "\"b\"")],
            &[(IF_NONE_MATCH, "\"b\""), (IF_MODIFIED_SINCE, later)],
            &[(IF_MODIFIED_SINCE, earlier)],
            &[(IF_MODIFIED_SINCE, "yesterday")],
        ] {
            assert_eq!(status(question), StatusCode::OK, "{question:?}");
        }
    }
}
