//! Answers that are kept: bounded in bytes by moka, in age by the policy, and given only while they are
//! fresh.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use moka::sync::Cache;

use super::answer::Shared;
use super::key::Key;
use super::terms::Terms;
use crate::policy;
use crate::units::UtcTime;

/// What is kept, for as long as the process lives.
#[derive(Debug)]
pub(super) struct Kept {
    answers: Cache<Key, Arc<Shared>>,
    /// Whatever upstream allows.
    longest: Duration,
}

impl Kept {
    /// `None` where the policy keeps nothing.
    pub(super) fn new(rules: &policy::Cache) -> Option<Self> {
        let answers = Cache::builder()
            .max_capacity(rules.size?.0)
            .weigher(|_: &Key, answer: &Arc<Shared>| answer.weight())
            .time_to_live(rules.max_age)
            .build();
        Some(Self {
            answers,
            longest: rules.max_age,
        })
    }

    /// What is there for such a request, fresh or not.
    pub(super) fn find(&self, key: &Key, request: &HeaderMap) -> Option<Arc<Shared>> {
        let found = self.answers.get(key)?;
        found.fits(request).then_some(found)
    }

    /// Whether what was found may be given without asking upstream.
    pub(super) fn will_do(&self, found: &Shared, terms: &Terms, now: UtcTime) -> bool {
        let kept_for = found.kept_for(now);
        kept_for < self.longest
            && found
                .fresh_for(now)
                .is_some_and(|left| terms.accept(found.age_at(now), left))
    }

    pub(super) fn keep(&self, key: Key, answer: Arc<Shared>) {
        if answer.may_be_kept() {
            self.answers.insert(key, answer);
        } else {
            // what was kept before is no longer what upstream says
            self.answers.invalidate(&key);
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.answers.run_pending_tasks();
        self.answers.weighted_size()
    }
}
