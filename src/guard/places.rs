//! The upstreams as requests find them: by the longest mount, with the credential that belongs there.

use std::sync::Arc;

use http::Request;
use http::header::ACCEPT_ENCODING;
use http::request::Parts;

use super::answer::Dialect;
use super::refusal::{Problem, Refusal};
use crate::identity::{self, Presented, Secret, SecretError};
use crate::planet::{Api, Operation, Query, Route, UpstreamKind};
use crate::policy::{Credential, Policy, Upstream};
use crate::upstream::{Base, Body, HiddenKey, TargetError};

/// All upstreams of a policy, with their secrets read.
#[derive(Debug)]
pub struct Places(Vec<Arc<Place>>);

/// One upstream.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) upstream: Arc<Upstream>,
    base: Base,
    /// What replaces the caller's credential; `None`: the caller's own goes on.
    secret: Option<Secret>,
}

#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    #[error("the upstream '{upstream}' has no credential")]
    Secret {
        upstream: Arc<str>,
        #[source]
        cause: SecretError,
    },
    #[error("the upstream '{upstream}' has no usable address")]
    Address {
        upstream: Arc<str>,
        #[source]
        cause: TargetError,
    },
}

impl Places {
    /// Reads what the policy only names.
    pub fn open(policy: &Policy) -> Result<Self, PlaceError> {
        let open = |upstream| Place::open(upstream).map(Arc::new);
        policy
            .upstreams()
            .iter()
            .map(open)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Every credential of the guard's own, in the order of the mounts.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter().filter_map(|place| place.secret.as_ref())
    }

    /// The place that a canonical path leads to, and the path behind its mount.
    pub(super) fn find<'a, 'p>(&'a self, path: &'p str) -> Option<(&'a Arc<Place>, &'p str)> {
        self.0
            .iter()
            .find_map(|place| Some((place, place.upstream.mount().strip(path)?)))
    }
}

impl Place {
    fn open(upstream: &Arc<Upstream>) -> Result<Self, PlaceError> {
        let name = || Arc::clone(upstream.name());
        let secret = match upstream.credential() {
            Credential::PassThrough => None,
            Credential::ApiKey(source) => {
                let secret = Secret::read(source);
                Some(secret.map_err(|cause| PlaceError::Secret {
                    upstream: name(),
                    cause,
                })?)
            }
        };
        let base = upstream.url().as_str().parse();
        let base = base.map_err(|cause| PlaceError::Address {
            upstream: name(),
            cause,
        })?;
        Ok(Self {
            upstream: Arc::clone(upstream),
            base,
            secret,
        })
    }

    /// The shape of error that clients of this host print.
    pub(super) fn dialect(&self, route: &Route) -> Dialect {
        match (self.upstream.kind(), route.api) {
            (_, Api::Ogc) => Dialect::Ogc,
            (UpstreamKind::SentinelHub, _) => Dialect::SentinelHub,
            _ => Dialect::Planet,
        }
    }

    /// Whether this call is answered with a token of the guard's own.
    pub(super) fn issues_tokens(&self, route: &Route) -> bool {
        self.upstream.kind() == UpstreamKind::SentinelHub
            && route.operation == Operation::IssueToken
    }

    /// The key of Planet's that must not reach the caller, and the caller's own that stands for it.
    pub(super) fn hidden_key(&self, presented: &Presented) -> Option<HiddenKey> {
        let secret = self.secret.as_ref()?;
        Some(HiddenKey::new(
            Some(secret.expose()),
            Some(presented.expose()),
        ))
    }

    /// The request as upstream gets it: our address for theirs, and the right credential.
    pub(super) fn address(
        &self,
        mut head: Parts,
        path: &str,
        query: Query<'_>,
        operation: Operation,
        body: Body,
    ) -> Result<Request<Body>, Refusal> {
        let unsendable =
            |cause: &dyn std::fmt::Display| Refusal::new(Problem::NotUnderstood, cause.to_string());
        let query = match &self.secret {
            None => query.raw().map(ToOwned::to_owned),
            Some(secret) => {
                let rest = identity::strip(&mut head.headers, query.raw());
                identity::inject(self.upstream.kind(), secret, &mut head.headers, rest)
                    .map_err(|cause| unsendable(&cause))?
            }
        };
        let target = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        head.uri = self
            .base
            .join(&target)
            .map_err(|cause| unsendable(&cause))?;
        if answers_with_links(operation) {
            head.headers.remove(ACCEPT_ENCODING);
        }
        Ok(Request::from_parts(head, body))
    }
}

/// Whether an answer may hold links to rewrite, and so must come uncompressed.
pub(super) const fn answers_with_links(operation: Operation) -> bool {
    !matches!(
        operation,
        Operation::DownloadAsset
            | Operation::DownloadOrder
            | Operation::DownloadQuad
            | Operation::BasemapTile
            | Operation::SceneTile
            | Operation::Process
    )
}
