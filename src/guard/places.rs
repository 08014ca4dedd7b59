//! The upstreams as requests find them: by the longest mount, with the credential that belongs there.

use std::sync::Arc;

use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use url::Url;

use super::answer::Dialect;
use super::refusal::{Problem, Refusal};
use crate::identity::{self, Presented, Secret, SecretError};
use crate::planet::{Api, Operation, Query, Route, UpstreamKind};
use crate::policy::{Credential, Policy, Upstream};
use crate::units::UtcTime;
use crate::upstream::{
    Base, Body, HiddenKey, Hosts, Login, Pool, SendError, SendLimits, TargetError,
};

/// All upstreams of a policy, with their secrets read.
#[derive(Debug)]
pub struct Places(Vec<Arc<Place>>);

/// One upstream.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) upstream: Arc<Upstream>,
    /// Where downloads are followed to.
    pub(super) hosts: Arc<Hosts>,
    base: Base,
    access: Access,
}

/// Who upstream is told is calling.
#[derive(Debug)]
enum Access {
    /// The caller, by whatever it brought.
    Callers,
    Key(Secret),
    /// A client of the guard's own; a token is put in when the request is sent.
    Client {
        secret: Secret,
        login: Arc<Login>,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    #[error("the upstream '{upstream}' has no credential")]
    Secret {
        upstream: Arc<str>,
        #[source]
        cause: SecretError,
    },
    #[error("the token_url of upstream '{upstream}' cannot be asked: {url}")]
    TokenUrl { upstream: Arc<str>, url: Url },
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
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> + Clone {
        self.0.iter().filter_map(|place| match &place.access {
            Access::Callers => None,
            Access::Key(secret) | Access::Client { secret, .. } => Some(secret),
        })
    }

    pub(super) fn named(&self, upstream: &str) -> Option<&Arc<Place>> {
        self.0
            .iter()
            .find(|place| &**place.upstream.name() == upstream)
    }

    /// The place that a canonical path leads to, and the path behind its mount.
    pub(super) fn find<'a, 'p>(&'a self, path: &'p str) -> Option<(&'a Arc<Place>, &'p str)> {
        self.0
            .iter()
            .find_map(|place| Some((place, place.upstream.mount().strip(path)?)))
    }
}

impl Place {
    pub(super) fn open(upstream: &Arc<Upstream>) -> Result<Self, PlaceError> {
        let name = || Arc::clone(upstream.name());
        let read = |source| {
            Secret::read(source).map_err(|cause| PlaceError::Secret {
                upstream: name(),
                cause,
            })
        };
        let access = match upstream.credential() {
            Credential::PassThrough => Access::Callers,
            Credential::ApiKey(source) => Access::Key(read(source)?),
            Credential::Client {
                id,
                secret,
                token_url,
            } => {
                let (id, secret) = (read(id)?, read(secret)?);
                let endpoint = token_url
                    .as_str()
                    .parse()
                    .map_err(|_| PlaceError::TokenUrl {
                        upstream: name(),
                        url: token_url.clone(),
                    })?;
                let audience =
                    (upstream.kind() == UpstreamKind::Planet).then(|| upstream.url().as_str());
                let login = Arc::new(Login::new(endpoint, &id, &secret, audience));
                Access::Client { secret, login }
            }
        };
        let base = upstream.url().as_str().parse();
        let base = base.map_err(|cause| PlaceError::Address {
            upstream: name(),
            cause,
        })?;
        Ok(Self {
            upstream: Arc::clone(upstream),
            hosts: Arc::new(Hosts::new(upstream.download_hosts())),
            base,
            access,
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
        let planets = match &self.access {
            Access::Callers => return None,
            Access::Key(secret) => Some(secret.expose()),
            Access::Client { .. } => None,
        };
        let callers = Some(presented.expose()).filter(|key| !key.is_empty());
        Some(HiddenKey::new(planets, callers))
    }

    /// Whether upstream charges the account of whoever calls, and not one of the guard's own.
    pub(super) const fn calls_as_the_caller(&self) -> bool {
        matches!(self.access, Access::Callers)
    }

    /// Sends what [`Self::address`] made, with a token where upstream wants one. A token that it does not
    /// take is not used again; the request is not sent again, since a create must not be.
    pub(super) async fn send(
        &self,
        pool: &Pool,
        mut request: Request<Body>,
        limits: SendLimits,
        now: UtcTime,
    ) -> Result<Response<Body>, SendError> {
        let Access::Client { login, .. } = &self.access else {
            return pool.send(request, limits).await;
        };
        let no_token = |cause: Box<dyn std::error::Error + Send + Sync>| SendError::NoToken {
            host: login.host().to_owned(),
            cause,
        };
        let token = login.token(pool, now).await;
        let token = token.map_err(|cause| no_token(cause.into()))?;
        identity::bear(&token, request.headers_mut()).map_err(|cause| no_token(cause.into()))?;
        let answer = pool.send(request, limits).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            login.forget(&token);
        }
        Ok(answer)
    }

    /// A question of the guard's own, with the rights of the caller whose headers and query these are:
    /// nothing of them is sent but the credential.
    pub(super) fn question(
        &self,
        (method, target): (Method, &str),
        (headers, query): (&HeaderMap, Query<'_>),
        body: Body,
    ) -> Result<Request<Body>, Refusal> {
        let (mut head, ()) = Request::new(()).into_parts();
        head.method = method;
        for credential in headers.get_all(AUTHORIZATION) {
            head.headers.append(AUTHORIZATION, credential.clone());
        }
        let json = HeaderValue::from_static("application/json");
        head.headers.insert(ACCEPT, json.clone());
        head.headers.insert(CONTENT_TYPE, json);
        let (path, own) = target.split_once('?').unwrap_or((target, ""));
        let key = identity::query_key(query.raw());
        let query = [own, &key].into_iter().filter(|part| !part.is_empty());
        let query = query.collect::<Vec<_>>().join("&");
        let query = Query::new(Some(&*query).filter(|query| !query.is_empty()));
        self.address(head, path, query, Operation::Read, body)
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
        let query = match &self.access {
            Access::Callers => query.raw().map(ToOwned::to_owned),
            Access::Client { .. } => identity::strip(&mut head.headers, query.raw()),
            Access::Key(secret) => {
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
