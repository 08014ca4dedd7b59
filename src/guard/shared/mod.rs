//! One answer for several requests. Identical reads that spend (tiles, maps, catalogue items), under way at
//! the same time, ask upstream once; and where the policy wants it, answers are kept for as long as HTTP
//! lets a shared cache keep them.
//!
//! What is shared is the answer as upstream gave it to one credential, so never between callers who each
//! show their own. Everybody is known, permitted and paced before, and gets links of their own after. Who
//! is given another's answer is charged nothing, and is counted by budgets of requests all the same.
//! Upstream sees one client, which asks once on behalf of several, so to coalesce is not to cache: it asks
//! only that the answer is nobody's own (`private`, `no-store`, a cookie). To keep an answer asks more.
//!
//! No request of another method than GET goes to these addresses, but for OGC forms, whose address has no
//! query, so nothing that is kept is ever made untrue by one (RFC 9111 §4.4).

mod answer;
mod flight;
mod gather;
mod hand_out;
mod kept;
mod key;
mod lead;
mod terms;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use self::answer::Shared;
use self::flight::{Arrival, Boarding, Flight, Flights, Landed};
use self::gather::Room;
use self::hand_out::Handed;
use self::kept::Kept;
pub(super) use self::key::Asking;
use self::key::Key;
use self::lead::Lead;
pub(super) use self::lead::Part;
use self::terms::Terms;
use super::answer::Answer;
use super::pipeline::{Case, Guard};
use super::refusal::Refusal;
use crate::clock::{Clock, Stopwatch};
use crate::policy::{Caller, MOST_GATHERED, Policy};
use crate::units::UtcTime;

/// How long a request waits behind another before it goes on by itself.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the first waits for the end of its own answer, so that it can be given to the others.
const GATHERED_WITHIN: Duration = Duration::from_secs(10);
/// How often one waits behind a request that is refused here and never leaves.
const MOST_FLIGHTS: usize = 4;

/// The answers that are under way and those that are kept.
#[derive(Debug)]
pub struct Sharing {
    /// `None`: everybody asks upstream alone.
    flights: Option<Arc<Flights>>,
    kept: Option<Kept>,
    /// Of a body that is shared, in bytes.
    largest: usize,
    room: Arc<Room>,
    patience: Duration,
}

/// What a request may do now.
pub(super) enum Share {
    Go(Part),
    /// Another's answer is its own.
    Answered(Box<Answer>),
}

/// What there is for a request besides asking upstream.
enum Found {
    Fresh(Arc<Shared>),
    Landed(Landed),
    Nothing(Part),
}

impl Sharing {
    pub fn new(policy: &Policy) -> Arc<Self> {
        let rules = policy.cache();
        let bytes = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        Arc::new(Self {
            flights: rules.coalesce.then(Arc::default),
            kept: Kept::new(rules),
            largest: bytes(rules.max_body.0),
            room: Room::new(bytes(MOST_GATHERED.0)),
            patience: PATIENCE.min(policy.server().limits.upstream_timeout),
        })
    }

    /// Looks among what is kept, then waits behind an identical request; else the request leads.
    async fn find(
        self: &Arc<Self>,
        key: Key,
        request: &HeaderMap,
        terms: &Terms,
        clock: &dyn Clock,
    ) -> Found {
        if self.flights.is_none() && self.kept.is_none() {
            return Found::Nothing(Part::None);
        }
        if terms.keep_out() {
            return Found::Nothing(Part::Alone);
        }
        let flights = self.flights.as_ref().filter(|_| !terms.want_news());
        for _ in 0..MOST_FLIGHTS {
            if let Ok(fresh) = self.kept_answer(&key, request, terms, clock.now()) {
                return Found::Fresh(fresh);
            }
            if terms.are_a_question() {
                return Found::Nothing(Part::Alone); // what it gets may be no answer for others
            }
            let lead = |flight| self.lead(key, request, terms, flight, clock.now());
            let behind = match flights.map(|flights| flights.board(key)) {
                None => return lead(None),
                Some(Boarding::First(flight)) => return lead(Some(flight)),
                Some(Boarding::Alone) => return Found::Nothing(Part::Alone),
                Some(Boarding::Behind(behind)) => behind,
            };
            match behind.wait(self.patience).await {
                Arrival::Landed(landed) if landed.0.will_do(request, terms, clock.now()) => {
                    return Found::Landed(landed);
                }
                Arrival::Landed(_) | Arrival::Alone => return Found::Nothing(Part::Alone),
                Arrival::NeverLeft => {}
            }
        }
        Found::Nothing(Part::Alone)
    }

    /// What is kept and fresh, or else what is kept and stale.
    fn kept_answer(
        &self,
        key: &Key,
        request: &HeaderMap,
        terms: &Terms,
        now: UtcTime,
    ) -> Result<Arc<Shared>, Option<Arc<Shared>>> {
        let kept = self.kept.as_ref().ok_or(None)?;
        let found = kept.find(key, request).ok_or(None)?;
        if kept.will_do(&found, terms, now) {
            return Ok(found);
        }
        Err(Some(found))
    }

    /// The request goes first, unless what it would ask for has been put by in the meantime.
    fn lead(
        self: &Arc<Self>,
        key: Key,
        request: &HeaderMap,
        terms: &Terms,
        flight: Option<Flight>,
        now: UtcTime,
    ) -> Found {
        match self.kept_answer(&key, request, terms, now) {
            Ok(fresh) => Found::Fresh(fresh),
            Err(stale) => {
                let lead = Lead::new(Arc::clone(self), key, flight, stale, request.clone(), now);
                Found::Nothing(Part::Lead(Box::new(lead)))
            }
        }
    }
}

impl Guard {
    /// Lets a request pass unless another's answer will do for it.
    pub(super) async fn share(
        self: &Arc<Self>,
        asking: &Asking<'_>,
        caller: &Caller,
        case: &mut Case,
    ) -> Result<Share, Refusal> {
        let Some(key) = Key::of(asking) else {
            return Ok(Share::Go(Part::None));
        };
        let request = asking.asked.headers;
        let terms = Terms::of(request);
        let waiting = Stopwatch::start();
        let found = self.sharing.find(key, request, &terms, &*self.clock).await;
        case.own_time = case.own_time.without(waiting.elapsed());
        let handed = match found {
            Found::Nothing(part) => return Ok(Share::Go(part)),
            Found::Fresh(kept) => Handed::kept(kept, self.clock.now()),
            Found::Landed(landed) => Handed::landed(landed),
        };
        let answer = self.hand_out(handed, asking, caller, case, &terms).await?;
        Ok(Share::Answered(Box::new(answer)))
    }
}
