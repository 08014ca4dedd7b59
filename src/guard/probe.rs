//! Whether an upstream can be reached and takes the guard's credential: one question that is free and
//! changes nothing.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};

use super::places::{Place, PlaceError};
use crate::planet::{Query, UpstreamKind};
use crate::policy::Upstream;
use crate::units::UtcTime;
use crate::upstream::{Pool, SendError, SendLimits, empty};

const PATIENCE: Duration = Duration::from_secs(15);

/// What an upstream had to say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Probe {
    /// It took the credential.
    Accepted,
    /// It did not.
    Refused(StatusCode),
    /// It is called with what each caller brings, so there is nothing to show it.
    CallersOwn,
    /// It answered, and that says nothing about the credential.
    Unclear(StatusCode),
    /// It gave no token to the guard.
    NoToken(String),
    Unreachable(String),
}

/// Asks one upstream. An error means that it could not even be tried.
pub async fn probe(
    upstream: &Arc<Upstream>,
    pool: &Pool,
    now: UtcTime,
) -> Result<Probe, PlaceError> {
    let place = Place::open(upstream)?;
    let question = (Method::GET, free_question(upstream.kind()));
    let request = place.question(question, (&HeaderMap::new(), Query::new(None)), empty());
    let request = match request {
        Ok(request) => request,
        Err(refusal) => return Ok(Probe::Unreachable(refusal.detail)),
    };
    let limits = SendLimits::answer_within(PATIENCE);
    Ok(match place.send(pool, request, limits, now).await {
        Ok(_) if place.calls_as_the_caller() => Probe::CallersOwn,
        Ok(answer) => heard(upstream.kind(), answer.status()),
        Err(cause @ SendError::NoToken { .. }) => Probe::NoToken(told(&cause)),
        Err(cause) => Probe::Unreachable(told(&cause)),
    })
}

/// A page that costs nothing and asks for the credential. There is none on the tile servers, where every
/// page that asks for a key may be a picture.
const fn free_question(kind: UpstreamKind) -> &'static str {
    match kind {
        UpstreamKind::Planet => "/data/v1/item-types",
        UpstreamKind::SentinelHub => "/api/v1/catalog/1.0.0",
        UpstreamKind::Tiles => "/",
    }
}

fn heard(kind: UpstreamKind, status: StatusCode) -> Probe {
    match (kind, status) {
        (_, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Probe::Refused(status),
        // to Sentinel Hub goes a token that was just given for the guard's own credential
        (UpstreamKind::Planet | UpstreamKind::SentinelHub, status) if status.is_success() => {
            Probe::Accepted
        }
        _ => Probe::Unclear(status),
    }
}

/// An error with its causes, on one line.
fn told(error: &dyn Error) -> String {
    let (mut told, mut cause) = (vec![error.to_string()], error.source());
    while let Some(next) = cause {
        told.push(next.to_string());
        cause = next.source();
    }
    told.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planet::{Operation, classify};

    #[test]
    fn the_questions_are_free_by_the_guards_own_table() {
        for kind in [UpstreamKind::Planet, UpstreamKind::SentinelHub] {
            let route = classify(kind, &Method::GET, free_question(kind));
            assert_eq!(route.operation, Operation::Read, "{kind:?}");
        }
    }

    #[test]
    fn an_answer_says_what_it_can() {
        let heard = |kind, status| heard(kind, StatusCode::from_u16(status).unwrap());
        assert_eq!(heard(UpstreamKind::Planet, 200), Probe::Accepted);
        for kind in [UpstreamKind::Planet, UpstreamKind::Tiles] {
            let refused = Probe::Refused(StatusCode::UNAUTHORIZED);
            assert_eq!(heard(kind, 401), refused);
        }
        for (kind, status) in [
            (UpstreamKind::Planet, 500),
            (UpstreamKind::SentinelHub, 404),
            (UpstreamKind::Tiles, 200),
            (UpstreamKind::Tiles, 404),
        ] {
            let unclear = Probe::Unclear(StatusCode::from_u16(status).unwrap());
            assert_eq!(heard(kind, status), unclear, "{status}");
        }
    }
}
