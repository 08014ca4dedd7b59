//! One change at a time: a subscription that is being revised is not revised by another call meanwhile.
//!
//! A revision is priced by what it adds to the subscription as it is. Two at once would each be priced against
//! the state before both, and together they can add more than the two additions.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::refusal::{Problem, Refusal};
use crate::planet::{Asked, Operation};

/// The subscriptions of which a change is under way.
#[derive(Clone, Debug, Default)]
pub struct Revising(Arc<Mutex<HashSet<String>>>);

/// The right to revise one; gone when it is dropped.
#[derive(Debug)]
pub(super) struct Alone {
    of: Revising,
    what: String,
}

impl Revising {
    /// `None` for a call that revises nothing.
    pub(super) fn alone(
        &self,
        upstream: &str,
        asked: &Asked<'_>,
    ) -> Result<Option<Alone>, Refusal> {
        if asked.route.operation != Operation::ReviseSubscription {
            return Ok(None);
        }
        let path = asked.path.trim_end_matches('/');
        let what = format!("{upstream} {path}");
        if !self.under_way().insert(what.clone()) {
            return Err(Refusal::new(
                Problem::TemporaryReducedCapacity,
                "Another change of this subscription is under way, and this one can be priced only when that is \
                 done. Nothing was sent; send it again in a moment.",
            ));
        }
        Ok(Some(Alone {
            of: self.clone(),
            what,
        }))
    }

    fn under_way(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.of.under_way().remove(&self.what);
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;
    use crate::planet::{Deployment, Found, Query, UpstreamKind, classify};

    fn enter(revising: &Revising, method: &Method, path: &str) -> Result<Option<Alone>, Refusal> {
        let asked = Asked {
            method,
            route: &classify(UpstreamKind::Planet, method, path),
            path,
            query: Query::default(),
            headers: &HeaderMap::new(),
            body: b"{}",
            deployment: Deployment::Main,
            found: Found::default(),
        };
        revising.alone("planet", &asked)
    }

    #[test]
    fn a_second_change_waits_for_the_first_and_nothing_else_does() {
        let revising = Revising::default();
        let first = enter(&revising, &Method::PATCH, "/subscriptions/v1/7").unwrap();
        assert!(first.is_some());
        for (method, path) in [
            (Method::PATCH, "/subscriptions/v1/7/"),
            (Method::PUT, "/subscriptions/v1/7"),
        ] {
            let refusal = enter(&revising, &method, path).unwrap_err();
            assert_eq!(refusal.problem, Problem::TemporaryReducedCapacity);
        }
        assert!(enter(&revising, &Method::PATCH, "/subscriptions/v1/8").is_ok());
        assert!(
            enter(&revising, &Method::GET, "/subscriptions/v1/7")
                .unwrap()
                .is_none()
        );
        drop(first);
        assert!(enter(&revising, &Method::PATCH, "/subscriptions/v1/7").is_ok());
    }
}
