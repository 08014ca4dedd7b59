//! Teams, keys, budgets, prices: TOML in, proven values out; and [`Policy::judge`], which says what a
//! request must claim. Pure: the file's text comes in as an argument, and secrets stay
//! [`SecretSource`]s until boot reads them.
//!
//! A key that is accepted is enforced. Whatever else stands in the file is refused with its place.

mod address;
mod admins;
mod bounds;
mod budget_rules;
mod budgets;
mod cache;
mod claim;
mod compared;
mod describe;
mod either;
mod excerpt;
mod expectation;
mod fault;
mod judge;
mod margin;
mod matching;
mod not_yet;
mod paces;
mod people;
mod products;
mod prove;
mod raw;
mod reword;
mod server;
mod suggest;
#[cfg(test)]
mod testing;
mod text;
mod upstreams;
mod warnings;
mod windows;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

pub use admins::{AdminToken, Role};
pub use bounds::{Bound, Word};
pub use budgets::{BreachStatus, Budget, Dimension, OnBreach};
pub use cache::{Cache, MOST_GATHERED};
pub use claim::{Account, Claim};
pub use compared::Incomparable;
pub use describe::describe;
pub use expectation::{Decision, Expectation, RequestBody};
pub use fault::PolicyError;
pub use judge::Call;
pub use margin::SafetyMargin;
pub use matching::Match;
pub use paces::{Pace, Rate};
pub use people::{Caller, Key, Team, UNKNOWN_KEY};
pub use server::{Books, Limits, PostgresUrl, Server, Store, Tls, WrittenUrl};
pub use text::KeyHash;
pub use upstreams::{Credential, SecretSource, Upstream};

use crate::cost::{Plan, Prices};
use crate::planet::Api;

/// A policy that has passed every check: to hold one is proof that its parts fit together.
#[derive(Clone, Debug)]
pub struct Policy {
    server: Server,
    store: Store,
    /// Longest mount first.
    upstreams: Vec<Arc<Upstream>>,
    plan: Plan,
    prices: Prices,
    teams: BTreeMap<Arc<str>, Team>,
    keys: HashMap<KeyHash, Key>,
    unknown_keys: Option<Arc<str>>,
    admins: HashMap<KeyHash, AdminToken>,
    /// In order of name.
    budgets: Vec<Budget>,
    paces: Vec<Pace>,
    bounds: Vec<Bound>,
    unclassified: Unclassified,
    unpredictable: Unpredictable,
    resend_window: Duration,
    max_backfill: Option<Duration>,
    live_estimates: bool,
    safety_margin: SafetyMargin,
    cache: Cache,
    expectations: Vec<Expectation>,
}

/// What becomes of a call that no rule knows.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Unclassified {
    #[default]
    Reject,
    AllowReads,
    Allow,
}

/// What becomes of a call whose cost cannot be bounded.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Unpredictable {
    #[default]
    Reject,
    /// Until holds are built this answers as [`Unpredictable::Reject`].
    Hold,
    Allow,
}

impl Policy {
    /// Reads and proves a policy. `file` only names it in the error.
    pub fn parse(text: &str, file: &str) -> Result<Self, PolicyError> {
        prove::parse(text, file)
    }

    pub const fn server(&self) -> &Server {
        &self.server
    }

    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Longest mount first.
    pub fn upstreams(&self) -> &[Arc<Upstream>] {
        &self.upstreams
    }

    /// The upstream with the longest mount that `path` is under, and what stands behind the mount.
    pub fn upstream_for<'a>(&self, path: &'a str) -> Option<(&Arc<Upstream>, &'a str)> {
        self.upstreams
            .iter()
            .find_map(|upstream| Some((upstream, upstream.mount().strip(path)?)))
    }

    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether signed downloads are followed and charged by the byte.
    pub const fn meters_egress(&self) -> bool {
        self.plan.meters_downloads
    }

    pub const fn prices(&self) -> &Prices {
        &self.prices
    }

    pub fn teams(&self) -> impl Iterator<Item = &Team> {
        self.teams.values()
    }

    pub fn team(&self, name: &str) -> Option<&Team> {
        self.teams.get(name)
    }

    /// The key with this hash, whether or not it may be used.
    pub fn key(&self, hash: &KeyHash) -> Option<&Key> {
        self.keys.get(hash)
    }

    /// Whether a key has this id, in whatever team.
    pub fn has_key(&self, id: &str) -> bool {
        let unknown = self.unknown_keys.is_some() && id == UNKNOWN_KEY;
        unknown || self.keys.values().any(|key| &**key.id() == id)
    }

    /// The key with this id, whether or not it may be used.
    pub fn key_named(&self, id: &str) -> Option<&Key> {
        self.keys.values().find(|key| &**key.id() == id)
    }

    /// In the order of the file.
    pub fn keys_of<'a>(&'a self, team: &'a Team) -> impl Iterator<Item = &'a Key> {
        let by_id = |id: &Arc<str>| self.keys.values().find(|key| key.id() == id);
        team.keys().iter().filter_map(by_id)
    }

    /// The team that unknown keys count for; `None`: they are turned away.
    pub const fn unknown_keys(&self) -> Option<&Arc<str>> {
        self.unknown_keys.as_ref()
    }

    /// Whoever bears the token with this hash on the admin port.
    pub fn admin_token(&self, hash: &KeyHash) -> Option<&AdminToken> {
        self.admins.get(hash)
    }

    /// Whether anybody may use the admin port beyond health and metrics.
    pub fn has_admins(&self) -> bool {
        !self.admins.is_empty()
    }

    /// In order of name.
    pub fn admin_tokens(&self) -> Vec<&AdminToken> {
        let mut tokens: Vec<&AdminToken> = self.admins.values().collect();
        tokens.sort_by_key(|token| Arc::clone(token.name()));
        tokens
    }

    /// In order of name.
    pub fn budgets(&self) -> &[Budget] {
        &self.budgets
    }

    pub fn budget(&self, name: &str) -> Option<&Budget> {
        self.budgets.iter().find(|budget| &**budget.name() == name)
    }

    pub fn bounds(&self) -> &[Bound] {
        &self.bounds
    }

    /// What the operator vouches for of a call. `path` is canonical and behind the mount.
    pub fn bound(&self, api: Api, path: &str) -> Option<&Bound> {
        bounds::find(&self.bounds, api, path)
    }

    pub fn paces(&self) -> &[Pace] {
        &self.paces
    }

    pub const fn unclassified(&self) -> Unclassified {
        self.unclassified
    }

    pub const fn unpredictable(&self) -> Unpredictable {
        self.unpredictable
    }

    /// How long an identical create is taken for the same one sent again.
    pub const fn resend_window(&self) -> Duration {
        self.resend_window
    }

    /// How much of the past a subscription may ask for; `None`: all of it.
    pub const fn max_backfill(&self) -> Option<Duration> {
        self.max_backfill
    }

    /// Whether Planet is asked to count what a subscription will find in the past.
    pub const fn live_estimates(&self) -> bool {
        self.live_estimates
    }

    /// Whether a budget is about this product by exactly this name.
    pub fn names_product(&self, name: &str) -> bool {
        let mut named = self.budgets.iter();
        named.any(|budget| {
            budget
                .matching()
                .products()
                .is_some_and(|products| products.iter().any(|product| **product == *name))
        })
    }

    /// Whether one answer may serve several requests.
    pub const fn cache(&self) -> &Cache {
        &self.cache
    }

    /// What predictions are multiplied by before they are reserved.
    pub const fn safety_margin(&self) -> SafetyMargin {
        self.safety_margin
    }

    /// The admin's own tests, `[[tests]]`.
    pub fn expectations(&self) -> &[Expectation] {
        &self.expectations
    }
}
