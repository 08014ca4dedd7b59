//! [`Shared`]: an answer of upstream's as it came, whole, with what HTTP says of its age.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    AGE, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use http::{HeaderMap, Response};

use super::key::Selected;
use super::terms::Terms;
use crate::planet::answer::{COST_HEADERS, charged};
use crate::units::{Pu, UtcTime};
use crate::upstream::{Body, age, between, full, has_validator, lifetime, may_be_kept, varies_by};

/// Headers of a body, which an answer that says "not modified" does not speak of.
const OF_THE_BODY: [http::HeaderName; 4] = [
    CONTENT_LENGTH,
    CONTENT_ENCODING,
    CONTENT_RANGE,
    CONTENT_TYPE,
];

/// When a request was sent and when the head of its answer came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) asked: UtcTime,
    pub(super) received: UtcTime,
}

/// A `200` that may be given to others. Headers and body are upstream's, before any rewriting.
#[derive(Debug)]
pub(in crate::guard) struct Shared {
    headers: HeaderMap,
    body: Bytes,
    selected: Selected,
    received: UtcTime,
    /// How old it was then.
    age: Duration,
    lifetime: Duration,
}

impl Shared {
    /// `None` where what decides between answers cannot be compared.
    pub(super) fn new(
        headers: HeaderMap,
        body: Bytes,
        request: &HeaderMap,
        times: Times,
    ) -> Option<Self> {
        Some(Self {
            selected: Selected::of(varies_by(&headers)?, request)?,
            received: times.received,
            age: age(&headers, times.asked, times.received),
            lifetime: lifetime(&headers, times.received),
            headers,
            body,
        })
    }

    /// The same answer, which upstream has said still holds: with the headers that it sent along.
    pub(super) fn renewed(
        &self,
        news: &HeaderMap,
        request: &HeaderMap,
        times: Times,
    ) -> Option<Self> {
        let mut headers = self.headers.clone();
        headers.remove(AGE);
        let told = news.keys().filter(|name| !OF_THE_BODY.contains(name));
        for name in told {
            headers.remove(name);
            for value in news.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        Self::new(headers, self.body.clone(), request, times)
    }

    /// Whether it is also the answer to a request with these headers.
    pub(super) fn fits(&self, request: &HeaderMap) -> bool {
        self.selected.matches(request)
    }

    /// Whether it will do for a request like the one that it was given to.
    pub(super) fn will_do(&self, request: &HeaderMap, terms: &Terms, now: UtcTime) -> bool {
        let left = self.fresh_for(now).unwrap_or_default();
        self.fits(request) && terms.accept(self.age_at(now), left)
    }

    pub(super) fn age_at(&self, now: UtcTime) -> Duration {
        self.age.saturating_add(between(self.received, now))
    }

    /// How long it has been here.
    pub(super) fn kept_for(&self, now: UtcTime) -> Duration {
        between(self.received, now)
    }

    /// How long it stays fresh from `now` on; `None` once it is stale.
    pub(super) fn fresh_for(&self, now: UtcTime) -> Option<Duration> {
        let left = self.lifetime.checked_sub(self.age_at(now))?;
        (!left.is_zero()).then_some(left)
    }

    /// Whether it is worth keeping: it stays fresh, or upstream can be asked whether it still holds.
    pub(super) fn may_be_kept(&self) -> bool {
        let useful = !self.lifetime.is_zero() || has_validator(&self.headers);
        may_be_kept(&self.headers) && useful
    }

    /// Makes of a request the question whether this still holds; `false` where that cannot be asked.
    pub(super) fn ask_whether_it_holds(&self, request: &mut HeaderMap) -> bool {
        for (known, question) in [(ETAG, IF_NONE_MATCH), (LAST_MODIFIED, IF_MODIFIED_SINCE)] {
            if let Some(value) = self.headers.get(known) {
                request.insert(question, value.clone());
            }
        }
        has_validator(&self.headers)
    }

    /// What upstream said it had charged for it.
    pub(super) fn charged(&self) -> Option<Pu> {
        charged(&self.headers).ok().flatten()
    }

    /// As an answer that nobody is charged for, so many seconds old where it has been kept.
    pub(super) fn response(&self, age: Option<Duration>) -> Response<Body> {
        let mut response = Response::new(full(self.body.clone()));
        response.headers_mut().clone_from(&self.headers);
        let headers = response.headers_mut();
        for name in COST_HEADERS {
            headers.remove(name);
        }
        if let Some(age) = age {
            headers.insert(AGE, HeaderValue::from(age.as_secs()));
        }
        response
    }

    /// Bytes that it takes to keep, roughly.
    pub(super) fn weight(&self) -> u32 {
        /// Of what surrounds the answer itself.
        const BESIDES: usize = 512;
        let headers = self.headers.iter();
        let headers: usize = headers
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        u32::try_from(self.body.len() + headers + BESIDES).unwrap_or(u32::MAX)
    }
}
