//! Credentials that callers bring and the guard keeps none of: where an upstream passes them through, the one
//! that made something is lent for asking how that goes on. In memory alone, for a while, and for so many.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::identity;
use crate::ledger::RequestId;
use crate::planet::Query;

/// Credentials kept at one time. Past that the oldest is forgotten, and what it made is only followed by what
/// callers read.
const MOST_LENT: usize = 4096;

/// All that are lent now.
#[derive(Debug, Default)]
pub struct Lending(Mutex<BTreeMap<RequestId, Arc<Lent>>>);

/// One credential, wherever its caller had put it.
pub(super) struct Lent {
    headers: HeaderMap,
    query: String,
}

impl Lent {
    pub(super) fn of(headers: &HeaderMap, query: Query<'_>) -> Self {
        let mut kept = HeaderMap::new();
        for credential in headers.get_all(AUTHORIZATION) {
            kept.append(AUTHORIZATION, credential.clone());
        }
        Self {
            headers: kept,
            query: identity::query_key(query.raw()),
        }
    }

    pub(super) const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(super) fn query(&self) -> Query<'_> {
        Query::new(Some(&*self.query).filter(|query| !query.is_empty()))
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lent(…)")
    }
}

impl Lending {
    pub(super) fn lend(&self, request: RequestId, lent: Lent) {
        let mut all = self.all();
        if all.len() >= MOST_LENT {
            all.pop_first();
        }
        all.insert(request, Arc::new(lent));
    }

    pub(super) fn of(&self, request: RequestId) -> Option<Arc<Lent>> {
        self.all().get(&request).cloned()
    }

    /// It is not needed any more.
    pub fn give_back(&self, request: RequestId) {
        self.all().remove(&request);
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<RequestId, Arc<Lent>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::units::UtcTime;

    fn id(number: u16) -> RequestId {
        let mut random = [0; 10];
        random[8..].copy_from_slice(&number.to_be_bytes());
        RequestId::new(UtcTime::UNIX_EPOCH, random)
    }

    fn lent(key: &str) -> Lent {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(key).unwrap());
        headers.insert("x-other", HeaderValue::from_static("y"));
        Lent::of(&headers, Query::new(Some("a=1&api_key=K")))
    }

    #[test]
    fn nothing_but_the_credential_is_kept_and_it_is_never_printed() {
        let lent = lent("api-key SECRET");
        assert_eq!(lent.headers().len(), 1);
        assert_eq!(lent.query().raw(), Some("api_key=K"));
        let lending = Lending::default();
        lending.lend(id(1), lent);
        assert_eq!(format!("{lending:?}").matches("SECRET").count(), 0);
    }

    #[test]
    fn what_is_given_back_or_too_much_is_forgotten() {
        let lending = Lending::default();
        lending.lend(id(0), lent("a"));
        lending.give_back(id(0));
        assert!(lending.of(id(0)).is_none());
        for number in 1..=u16::try_from(MOST_LENT).unwrap() + 1 {
            lending.lend(id(number), lent("a"));
        }
        assert!(lending.of(id(1)).is_none() && lending.of(id(2)).is_some());
    }
}
