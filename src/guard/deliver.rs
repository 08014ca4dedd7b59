//! A download whose bytes are charged, from the answer that leads to them to the first that is passed on.
//!
//! What the bytes cost is known when storage announces how many there are. It is reserved then, before one
//! is passed on, and [`Meter`] settles it. Where Planet charges the request itself, as for a quad, it would
//! then be too late to find that there is no room: so the most that its bytes can cost is reserved with it.

use std::sync::Arc;

use http::Response;
use http_body::Body as _;
use tracing::{info, warn};

use super::answer::{Answer, Reply};
use super::exchange::Exchange;
use super::meter::{Meter, Purse};
use super::predict::Predicted;
use super::refusal::{Problem, Refusal};
use super::room::{LEAST, about_bytes, not_followed, unannounced};
use super::wishes::Wishes;
use crate::clock::Stopwatch;
use crate::cost::{Margin, egress};
use crate::ledger::{Charge, ChargeSource, NewReservation, Outcome, RequestId, Standing};
use crate::policy::{Call, Claim, Unpredictable};
use crate::telemetry::Decision;
use crate::units::{Amount, Amounts, ByteCount, Unit};
use crate::upstream::{Body, FollowError, Onward, SendLimits, on_the_way, redirect};

/// What the bytes of a request need on their way.
pub(super) struct Download {
    pub(super) onward: Onward,
    pub(super) wishes: Wishes,
}

impl Exchange {
    /// Fetches what lies at an address in storage, about which Planet need not be asked.
    pub(super) async fn run_from(mut self, address: String) -> Result<Answer, Refusal> {
        self.look_ahead().await?;
        self.hold().await?;
        let nothing = || Refusal::new(Problem::Internal, "There is nothing to download.");
        let download = self.download.take().ok_or_else(nothing)?;
        let found = self.fetch(&address, &download).await;
        let charged = self.terms.as_predicted();
        Ok(self.hand_out(&download, found, charged).await)
    }

    /// Whether an answer is bytes to be charged, or leads to some.
    pub(super) fn leads_to_bytes(&self, answer: &Response<Body>) -> bool {
        let back = |location: &str| self.guard.relay.leads_back(location, &self.place);
        self.terms.was_bought(answer.status()) && !redirect(answer).flatten().is_some_and(back)
    }

    /// Follows what was bought to its bytes. `charged` is how the request itself ends.
    pub(super) async fn deliver(
        mut self,
        download: &Download,
        bought: Response<Body>,
        charged: Outcome,
    ) -> Answer {
        let location = redirect(&bought).map(|location| location.map(ToOwned::to_owned));
        let found = match location {
            None => Ok(bought),
            Some(None) => Err(FollowError::Unreadable),
            Some(Some(location)) => self.fetch(&location, download).await,
        };
        self.hand_out(download, found, charged).await
    }

    async fn fetch(
        &mut self,
        address: &str,
        download: &Download,
    ) -> Result<Response<Body>, FollowError> {
        let guard = Arc::clone(&self.guard);
        let limits = SendLimits::answer_within(guard.policy.server().limits.upstream_timeout);
        let waiting = Stopwatch::start();
        let hosts = &self.place.hosts;
        let found = hosts
            .fetch(address, &download.onward, &guard.pool, limits)
            .await;
        let waited = waiting.elapsed();
        self.waited += waited;
        if let Ok(response) = &found {
            guard
                .metrics
                .count_answer(self.route.api, response.status(), waited);
        }
        found
    }

    /// Passes on what was found, if there is room for it.
    async fn hand_out(
        mut self,
        download: &Download,
        found: Result<Response<Body>, FollowError>,
        charged: Outcome,
    ) -> Answer {
        let response = match found {
            Ok(response) => response,
            Err(cause) => {
                self.end_without_bytes(charged).await;
                let refusal = not_followed(&cause, &self.predicted);
                let error = &cause as &dyn std::error::Error;
                warn!(api = %self.route.api, error, "a download came to no end");
                return self.turned_away(refusal);
            }
        };
        if !response.status().is_success() {
            self.end_without_bytes(charged).await;
            return self.pass_on(response, None);
        }
        let length = response.body().size_hint().exact().map(ByteCount);
        let more = match self.admit_bytes(download, length).await {
            Ok(more) => more,
            Err(refusal) => {
                drop(response); // storage is hung up on
                self.end_without_bytes(charged).await;
                return self.turned_away(refusal);
            }
        };
        let first = self.first_purse(charged).await;
        let meter = Meter {
            guard: Arc::clone(&self.guard),
            api: self.route.api,
            team: Arc::clone(&self.team),
            purses: first.into_iter().chain(more).collect(),
            length,
            on_the_way: on_the_way(response.version()),
        };
        self.predicted = self.with_bytes(length);
        self.pass_on(response.map(|body| meter.watch(body)), None)
    }

    /// Holds what the bytes cost beyond what is held for them already.
    async fn admit_bytes(
        &mut self,
        download: &Download,
        length: Option<ByteCount>,
    ) -> Result<Option<Purse>, Refusal> {
        let needed = self.needed(length)?;
        if needed.is_zero() {
            return Ok(None);
        }
        download.wishes.allow(&self.with_bytes(length))?;
        let totals = Amounts::of(Unit::Pu, needed);
        // how many there are is known, so nothing is reserved beyond what they cost
        let bytes = Predicted {
            settles_at: totals.clone(),
            published: totals.clone(),
            margin: Margin::NONE,
            totals,
            ..self.predicted.clone()
        };
        let holding = NewReservation {
            request: self.name_of_bytes(),
            team: Arc::clone(&self.team),
            key: Arc::clone(&self.caller.key),
            api: self.route.api.name(),
            product: self.predicted.reading.products.first().cloned(),
            tag: download.wishes.tag.clone(),
            fingerprint: None,
            predicted: bytes.totals.clone(),
            claims: self.claims_of(&bytes.totals),
            // it is held for as long as the transfer lasts
            certain: true,
        };
        let guard = Arc::clone(&self.guard);
        let reserved = guard.reserve(&holding, &bytes).await;
        let (reservation, standings) = reserved.map_err(|refusal| about_bytes(refusal, length))?;
        self.standings = standings;
        guard
            .metrics
            .count_predicted(self.route.api, &self.team, &bytes.totals);
        Ok(Some(Purse {
            reservation,
            predicted: bytes.totals,
            besides: Amounts::default(),
            room: needed,
        }))
    }

    fn needed(&self, length: Option<ByteCount>) -> Result<Amount, Refusal> {
        let reserved = egress::reserved(&self.predicted.estimate);
        if let Some(length) = length {
            return Ok(self.price(length).minus(reserved));
        }
        match self.guard.policy.unpredictable() {
            _ if !self.charges_bytes() || !reserved.is_zero() => Ok(Amount::ZERO),
            Unpredictable::Allow => Ok(LEAST),
            Unpredictable::Reject | Unpredictable::Hold => Err(unannounced()),
        }
    }

    /// What claims so much on the budgets of this request. That it is a request was counted before.
    pub(super) fn claims_of(&self, totals: &Amounts) -> Vec<Claim> {
        let call = Call {
            api: self.route.api,
            products: &self.predicted.reading.products,
        };
        let (policy, now) = (&self.guard.policy, self.guard.clock.now());
        let mut claims = policy.judge(&self.caller, call, totals, now);
        claims.retain(|claim| !claim.counts_requests());
        claims
    }

    /// The request's own name, or one beside it where that is in the books already.
    fn name_of_bytes(&self) -> RequestId {
        if self.reservation.is_none() {
            return self.case.request;
        }
        let id = self.case.request.as_uuid().into_bytes();
        RequestId::new(
            self.guard.clock.now(),
            std::array::from_fn(|at| !id[at + 6]),
        )
    }

    /// What is predicted once the number of bytes is known.
    fn with_bytes(&self, length: Option<ByteCount>) -> Predicted {
        let mut predicted = self.predicted.clone();
        predicted.bounded &= length.is_some();
        if let Some(length) = length.filter(|_| self.charges_bytes()) {
            let besides = predicted.totals.get(Unit::Pu).unwrap_or_default();
            let besides = besides.minus(egress::reserved(&predicted.estimate));
            let sum = besides.saturating_add(self.price(length));
            predicted.totals.set(Unit::Pu, sum);
        }
        predicted
    }

    /// What was held before the request was sent, if bytes are to be paid from it; else it ends here.
    async fn first_purse(&mut self, charged: Outcome) -> Option<Purse> {
        let room = egress::reserved(&self.predicted.estimate);
        let charge = match &charged {
            Outcome::Settled(charge) if !room.is_zero() => charge,
            _ => {
                self.book(charged).await;
                return None;
            }
        };
        Some(Purse {
            besides: self.besides(charge, room),
            reservation: self.reservation.take()?,
            predicted: self.predicted.totals.clone(),
            room,
        })
    }

    /// What the request itself costs, in each unit.
    fn besides(&self, charge: &Charge, room: Amount) -> Amounts {
        let mut besides = self.terms.settles_at.clone();
        let predicted = besides.get(Unit::Pu).unwrap_or_default().minus(room);
        let said = charge.amounts.get(Unit::Pu);
        let said = said.filter(|_| charge.source == ChargeSource::Header);
        besides.set(Unit::Pu, said.unwrap_or(predicted));
        besides
    }

    async fn end_without_bytes(&mut self, charged: Outcome) {
        if let Some(purse) = self.first_purse(charged).await {
            let guard = Arc::clone(&self.guard);
            purse
                .settle(Amount::ZERO, &guard, self.route.api, &self.team)
                .await;
        }
    }

    pub(super) fn price(&self, bytes: ByteCount) -> Amount {
        let policy = &self.guard.policy;
        egress::passing(bytes, policy.prices(), policy.plan())
    }

    pub(super) fn charges_bytes(&self) -> bool {
        !self.price(ByteCount(1)).is_zero()
    }

    fn turned_away(mut self, refusal: Refusal) -> Answer {
        let guard = Arc::clone(&self.guard);
        let decision = match refusal.problem {
            Problem::UpstreamUnreachable | Problem::OutcomeUnknown => Decision::Error,
            _ => Decision::Rejected,
        };
        guard
            .metrics
            .count_request(self.route.api, &self.team, decision);
        info!(
            api = %self.route.api,
            team.id = &*self.team,
            decision = decision.name(),
            problem = refusal.problem.name(),
            status = refusal.status.as_u16(),
            "a download was turned away"
        );
        if let Some(estimate) = &refusal.estimate {
            self.predicted.totals.clone_from(estimate);
            self.standings = refusal.breaches.iter().map(Standing::from).collect();
        }
        let dialect = self.case.dialect;
        self.answer(Reply::Refused(refusal, dialect), None)
    }
}
