//! One free call of the guard's own: sent with a caller's rights, waited for so long and no longer, its answer
//! read up to a bound. It is sent once; redirects are not followed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use super::Rights;
use crate::clock::{Clock, Stopwatch};
use crate::planet::answer::Doubt;
use crate::planet::{Operation, UpstreamKind, classify};
use crate::telemetry::Metrics;
use crate::upstream::{CollectError, Pool, SendError, SendLimits, coding, collect, full};

/// Calls of the guard's own that are under way at one time, for all callers together.
const MOST_UNDER_WAY: usize = 32;
/// A page of a hundred features with as many corners as Planet takes has 6 MB.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// What calls of the guard's own are made with.
pub(super) struct Errands {
    pool: Pool,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    room: Semaphore,
}

/// The calls that one request needs, on its caller's behalf and up to its deadline.
#[derive(Clone, Copy)]
pub(super) struct Visit<'a> {
    pub(super) errands: &'a Errands,
    pub(super) rights: &'a Rights<'a>,
    pub(super) deadline: Instant,
    pub(super) patience: Duration,
}

/// One call: path and query as upstream knows them.
#[derive(Clone, Debug)]
pub(super) struct Errand {
    method: Method,
    target: String,
    body: Bytes,
}

/// Why there is no answer to go by, as a clause.
#[derive(Debug, thiserror::Error)]
pub(super) enum Mishap {
    #[error("Planet did not answer within {0:?}")]
    Late(Duration),
    #[error("Planet answered {0}")]
    Status(StatusCode),
    #[error(transparent)]
    Unsent(#[from] SendError),
    #[error("Planet's answer cannot be read: {0}")]
    Unreadable(#[from] CollectError),
    #[error("Planet's answer is compressed, which nobody had asked for")]
    Compressed,
    #[error("Planet's answer cannot be used: {0}")]
    Doubtful(#[from] Doubt),
    #[error("{0}")]
    Unsendable(String),
    #[error("it takes more calls than the guard makes for one request")]
    TooMany,
}

impl Errands {
    pub(super) fn new(pool: Pool, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        Self {
            pool,
            clock,
            metrics,
            room: Semaphore::new(MOST_UNDER_WAY),
        }
    }
}

impl Errand {
    pub(super) fn get(target: String) -> Self {
        Self {
            method: Method::GET,
            target,
            body: Bytes::new(),
        }
    }

    pub(super) fn post(target: &str, body: impl Into<Bytes>) -> Self {
        Self {
            method: Method::POST,
            target: target.to_owned(),
            body: body.into(),
        }
    }
}

impl Visit<'_> {
    /// Makes the call and reads its answer whole, if it is a success.
    pub(super) async fn run(&self, errand: Errand) -> Result<Bytes, Mishap> {
        let path = errand
            .target
            .split('?')
            .next()
            .unwrap_or_default()
            .to_owned();
        let route = classify(UpstreamKind::Planet, &errand.method, &path);
        let upstream = self.rights.place.upstream.kind();
        if route.operation != Operation::Read || upstream != UpstreamKind::Planet {
            // the guard's own table says that it may spend
            return Err(Mishap::Unsendable(format!(
                "{path} is not asked by the guard"
            )));
        }
        let watch = Stopwatch::start();
        let late = Mishap::Late(self.patience);
        let answer = timeout_at(self.deadline, self.send(errand)).await;
        let answer = answer.unwrap_or(Err(late));
        let waited = watch.elapsed();
        let api = route.api;
        let result = match &answer {
            Ok(_) => "answered",
            Err(Mishap::Status(_)) => "refused",
            Err(_) => "failed",
        };
        match &answer {
            Ok(_) => info!(%api, path, ?waited, "asked Planet"),
            Err(refusal @ Mishap::Status(_)) => {
                info!(%api, path, ?waited, %refusal, "asked Planet");
            }
            Err(mishap) => warn!(%api, path, ?waited, %mishap, "asked Planet in vain"),
        }
        self.errands.metrics.count_question(api, result, waited);
        answer
    }

    async fn send(&self, errand: Errand) -> Result<Bytes, Mishap> {
        let Errand {
            method,
            target,
            body,
        } = errand;
        let Errands {
            pool, clock, room, ..
        } = self.errands;
        let _room = room.acquire().await; // it is never closed
        let rights = self.rights;
        let caller = (rights.headers, rights.query);
        let request = rights.place.question((method, &target), caller, full(body));
        let request = request.map_err(|refusal| Mishap::Unsendable(refusal.detail))?;
        let limits = SendLimits::answer_within(self.patience);
        let sent = rights.place.send(pool, request, limits, clock.now());
        let answer = sent.await?;
        if answer.status() != StatusCode::OK {
            return Err(Mishap::Status(answer.status()));
        }
        if coding(answer.headers()).is_some() {
            return Err(Mishap::Compressed);
        }
        Ok(collect(answer.into_body(), LARGEST_ANSWER, self.patience).await?)
    }
}
