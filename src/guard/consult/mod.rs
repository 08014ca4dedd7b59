//! What Planet must be asked before a request can be priced: the outlines of features that the request only
//! names, how many scenes a subscription will find in the past, how many quads an area touches, what a
//! reservation takes.
//!
//! It is asked with the caller's own rights, by free calls alone, and what it says of one caller's areas is
//! told to no other. A client waits no longer than [`PATIENCE`] for it. Without an answer nothing is cheaper:
//! what was to be counted stays bounded, and what has no bound is for `policy.unpredictable` to judge.

mod areas;
mod counting;
mod errand;
mod live;
mod quads;
mod reservations;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;

use self::areas::Areas;
use self::counting::Counting;
use self::errand::{Errands, Visit};
pub use self::live::{LiveError, rehearse_live};
use self::reservations::Reservations;
use super::pipeline::Guard;
use super::places::Place;
use super::predict::Understood;
use super::refusal::Refusal;
use crate::clock::Clock;
use crate::identity::Presented;
use crate::planet::{Ask, Query};
use crate::policy::{KeyHash, Policy};
use crate::telemetry::Metrics;
use crate::units::UtcTime;
use crate::upstream::Pool;

/// The longest that a client waits for all that its request must have asked; SDKs wait two minutes.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an answer is remembered: long enough for a dry run and the request behind it.
const REMEMBERED: Duration = Duration::from_mins(1);
/// How many calls one request makes at a time.
const AT_A_TIME: usize = 4;

/// Whoever asks Planet.
pub struct Consultant {
    errands: Errands,
    areas: Areas,
    counting: Option<Counting>,
    reservations: Reservations,
    patience: Duration,
}

/// On whose behalf, and where.
pub(super) struct Rights<'a> {
    place: &'a Arc<Place>,
    headers: &'a HeaderMap,
    query: Query<'a>,
    /// `None`: upstream knows the guard, and nobody else asks.
    presented: Option<&'a Presented>,
}

impl Consultant {
    /// Scenes are counted where the policy wants it.
    pub fn new(policy: &Policy, pool: Pool, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        Self {
            errands: Errands::new(pool, clock, metrics),
            areas: Areas::default(),
            counting: policy.live_estimates().then(Counting::default),
            reservations: Reservations::default(),
            patience: PATIENCE.min(policy.server().limits.upstream_timeout),
        }
    }

    /// The same, counting scenes whatever the policy says.
    #[must_use]
    fn that_counts(self) -> Self {
        Self {
            counting: Some(Counting::default()),
            ..self
        }
    }

    /// The request with all that Planet says of it. One that needs no word of Planet's passes as it is.
    pub(super) async fn complete(
        &self,
        understood: Understood,
        rights: &Rights<'_>,
        policy: &Policy,
        now: UtcTime,
    ) -> Result<Understood, Refusal> {
        let is_complete = match &understood.reading.ask {
            Ask::Reservation(_) => false,
            Ask::Subscriptions(_) if self.counting.is_some() => false,
            Ask::Order(order) if quads::is_asked_for(order) => false,
            ask => ask.references().is_empty(),
        };
        if is_complete {
            return Ok(understood);
        }
        // aside, so that the requests of everybody else are no larger for it
        Box::pin(self.ask(understood, rights, policy, now)).await
    }

    async fn ask(
        &self,
        mut understood: Understood,
        rights: &Rights<'_>,
        policy: &Policy,
        now: UtcTime,
    ) -> Result<Understood, Refusal> {
        let reading = &mut understood.reading;
        let visit = Visit {
            errands: &self.errands,
            rights,
            deadline: Instant::now() + self.patience,
            patience: self.patience,
        };
        if let Err(unbounded) = self.areas.draw(&mut reading.ask, &visit).await? {
            reading.ask = Ask::Unbounded(unbounded);
        }
        match &mut reading.ask {
            Ask::Order(order) => quads::count(order, &visit).await,
            Ask::Subscriptions(all) => {
                self.reservations.entitle(all, &visit).await;
                if let Some(counting) = &self.counting {
                    counting.count(all, &visit, now).await;
                }
            }
            Ask::Reservation(reservation) => {
                match self.reservations.tell(reservation, &visit).await {
                    Ok(product) => reading.products = reservations::names(&product, policy),
                    Err(unbounded) => reading.ask = Ask::Unbounded(unbounded),
                }
            }
            _ => {}
        }
        Ok(understood)
    }

    /// Somebody's features are not what they were.
    pub(super) fn features_changed(&self) {
        self.areas.forget();
    }
}

impl Guard {
    /// The step of a request's life: what it does not say, Planet is asked.
    pub(super) async fn consult(
        &self,
        understood: Understood,
        rights: &Rights<'_>,
        now: UtcTime,
    ) -> Result<Understood, Refusal> {
        let consulted = self
            .consultant
            .complete(understood, rights, &self.policy, now);
        consulted.await
    }
}

impl<'a> Rights<'a> {
    pub(super) fn of(
        place: &'a Arc<Place>,
        headers: &'a HeaderMap,
        query: Query<'a>,
        presented: Option<&'a Presented>,
    ) -> Self {
        Self {
            place,
            headers,
            query,
            presented,
        }
    }

    /// What an answer to one caller at one upstream is remembered by.
    fn key(&self) -> Owner {
        Owner {
            upstream: Arc::clone(self.place.upstream.name()),
            whose: self.presented.map(Presented::hash),
        }
    }
}

/// Whose answer it is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Owner {
    upstream: Arc<str>,
    whose: Option<KeyHash>,
}
