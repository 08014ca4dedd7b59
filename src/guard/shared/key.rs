//! What makes two requests the same: that upstream could not tell them apart.
//!
//! Everything that upstream is shown goes into the key, its credential included, but for a few headers
//! that say who or where a client is. Upstream is believed to look at those only where it says so
//! (`Vary`), and then they are compared.

use std::fmt;

use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderName, HeaderValue,
    IF_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE, VIA,
};
use http::{HeaderMap, Method};
use sha2::{Digest, Sha256};

use crate::guard::places::{Place, answers_with_links};
use crate::guard::weigh::Weighed;
use crate::identity::{self, Presented};
use crate::planet::{Asked, Operation};

/// Headers that ask for something of one's own.
const OWN_TERMS: [HeaderName; 5] = [RANGE, IF_RANGE, IF_MATCH, IF_UNMODIFIED_SINCE, COOKIE];
/// Headers that say who or where a client is and leave the answer alone, unless `Vary` says otherwise.
const NEUTRAL: [&str; 17] = [
    "user-agent",
    "referer",
    "cache-control",
    "pragma",
    "if-none-match",
    "if-modified-since",
    "priority",
    "dnt",
    "upgrade-insecure-requests",
    "x-request-id",
    "x-correlation-id",
    "traceparent",
    "tracestate",
    "baggage",
    "idempotency-key",
    "x-real-ip",
    "from",
];
/// The same of whole families.
const NEUTRAL_FAMILIES: [&str; 2] = ["sec-", "quota-guard-"];
/// What the guard writes itself, for each client otherwise.
const OURS: [&str; 2] = ["x-forwarded-", "forwarded"];

/// Upstream, credential, address and headers of a request, in one digest.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(in crate::guard) struct Key([u8; 32]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// A request as far as it matters to whether another's answer will do.
pub(in crate::guard) struct Asking<'a> {
    pub(super) place: &'a Place,
    pub(super) asked: &'a Asked<'a>,
    pub(super) presented: &'a Presented,
    pub(super) weighed: &'a Weighed,
    /// Whether it came without a body.
    bare: bool,
}

impl<'a> Asking<'a> {
    pub(in crate::guard) const fn new(
        place: &'a Place,
        asked: &'a Asked<'a>,
        presented: &'a Presented,
        weighed: &'a Weighed,
        bare: bool,
    ) -> Self {
        Self {
            place,
            asked,
            presented,
            weighed,
            bare,
        }
    }
}

impl Key {
    /// `None` for what is answered for itself alone: whatever is no GET, changes something, costs nothing,
    /// asks for a part, or is forbidden by a budget of nothing.
    pub(super) fn of(asking: &Asking<'_>) -> Option<Self> {
        let Asked { headers, route, .. } = asking.asked;
        let is_plain = *asking.asked.method == Method::GET
            && asking.bare
            && serves_many(route.operation)
            && !OWN_TERMS.iter().any(|name| headers.contains_key(name));
        if !is_plain || !asking.weighed.spends() || asking.weighed.is_forbidden() {
            return None;
        }
        Some(Self::digest(asking))
    }

    fn digest(asking: &Asking<'_>) -> Self {
        let Asking {
            place,
            asked,
            presented,
            ..
        } = asking;
        let mut digest = Sha256::new();
        let mut feed = |part: &[u8]| {
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            digest.update(length.to_be_bytes());
            digest.update(part);
        };
        feed(place.upstream.name().as_bytes());
        // upstream is shown the guard's own credential, or each caller's
        let shown = place.calls_as_the_caller().then(|| presented.hash());
        feed(shown.as_ref().map_or(&[], |hash| hash.as_bytes()));
        feed(asked.path.as_bytes());
        let query = identity::strip(&mut HeaderMap::new(), asked.query.raw());
        feed(query.unwrap_or_default().as_bytes());
        let comes_plain = answers_with_links(asked.route.operation);
        let mut names: Vec<&HeaderName> = asked.headers.keys().collect();
        names.sort_unstable_by_key(|name| name.as_str());
        let telling = |name: &&HeaderName| {
            weight(name) == Weight::Telling && !(comes_plain && **name == ACCEPT_ENCODING)
        };
        for name in names.into_iter().filter(telling) {
            feed(name.as_str().as_bytes());
            for value in asked.headers.get_all(name) {
                feed(value.as_bytes());
            }
            feed(b"\n");
        }
        Self(digest.finalize().into())
    }
}

/// Reads that spend, and whose answer is the same to whoever shows the same credential.
const fn serves_many(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::BasemapTile
            | Operation::SceneTile
            | Operation::TileService
            | Operation::Ogc
            | Operation::CatalogItems
            | Operation::CatalogItem
    )
}

/// What a header of a request says about its answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Weight {
    /// It may decide, so it is part of the key.
    Telling,
    /// It decides where `Vary` says so.
    Neutral,
    /// Upstream sees what the guard makes of it.
    Ours,
}

fn weight(name: &HeaderName) -> Weight {
    let name_text = name.as_str();
    let begins = |starts: &[&str]| starts.iter().any(|start| name_text.starts_with(start));
    if [HOST, VIA].contains(name) || begins(&OURS) {
        Weight::Ours
    } else if NEUTRAL.contains(&name_text)
        || begins(&NEUTRAL_FAMILIES)
        || [AUTHORIZATION, CONTENT_LENGTH, EXPECT].contains(name)
    {
        Weight::Neutral
    } else {
        Weight::Telling
    }
}

/// What a request had in those headers that decide between answers and are no part of its key.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Selected(Vec<(HeaderName, Vec<HeaderValue>)>);

impl Selected {
    /// `None` where the answer varies by what the guard itself writes.
    pub(super) fn of(varies_by: Vec<HeaderName>, request: &HeaderMap) -> Option<Self> {
        let mut selected = Vec::new();
        for name in varies_by {
            match weight(&name) {
                Weight::Ours => return None,
                // of the credential the key knows what upstream is shown
                Weight::Neutral if name != AUTHORIZATION => {
                    let values = request.get_all(&name).iter().cloned().collect();
                    selected.push((name, values));
                }
                Weight::Neutral | Weight::Telling => {}
            }
        }
        Some(Self(selected))
    }

    pub(super) fn matches(&self, request: &HeaderMap) -> bool {
        self.0
            .iter()
            .all(|(name, values)| request.get_all(name).iter().eq(values))
    }
}
