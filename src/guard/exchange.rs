//! A request that has been understood, from its reservation to its end: reserve, send, listen, settle,
//! pass the answer on.
//!
//! It runs in a task of its own, so it ends well whether or not the client still waits.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use tracing::{error, info, warn};

use super::activated::proves_a_charge;
use super::answer::{Answer, Notes, Provenance, Reply};
use super::commitments::Promise;
use super::deliver::Download;
use super::haste::restate_wait;
use super::margins::PastCharge;
use super::pipeline::{Case, Guard};
use super::places::Place;
use super::predict::Predicted;
use super::refusal::{Problem, Refusal};
use super::resent::{Ending, Turn};
use super::revising::Alone;
use super::settle::{Heard, Terms};
use super::shared::Part;
use super::trail::Trail;
use crate::clock::Stopwatch;
use crate::identity::Presented;
use crate::ledger::{Charge, ChargeSource, NewReservation, Outcome, Reservation, Standing};
use crate::planet::{Api, Operation, Route, answer};
use crate::policy::Caller;
use crate::telemetry::Decision;
use crate::units::{Amounts, Pu, Unit};
use crate::upstream::{Body, SendError, SendLimits, counted};

/// A request that may go if the books let it, and all that its end needs.
pub(super) struct Exchange {
    pub(super) guard: Arc<Guard>,
    pub(super) place: Arc<Place>,
    pub(super) request: Request<Body>,
    pub(super) presented: Presented,
    pub(super) route: Route,
    pub(super) terms: Terms,
    /// What is to be held; `None` where there is nothing.
    pub(super) holding: Option<NewReservation>,
    pub(super) predicted: Predicted,
    pub(super) turn: Option<Turn>,
    /// What goes on spending when it has been answered.
    pub(super) promise: Option<Box<Promise>>,
    /// What Planet calls the one thing that it made.
    pub(super) made: Option<Arc<str>>,
    /// Where its answer leads to something that Planet goes on with.
    pub(super) trail: Option<Trail>,
    /// Whether the books are to find it as the activation of its asset.
    pub(super) remembered: bool,
    /// Keeps other changes of the same thing away until this one is answered.
    pub(super) alone: Option<Alone>,
    pub(super) part: Part,
    /// Where the bytes of the answer are metered.
    pub(super) download: Option<Download>,
    pub(super) reservation: Option<Reservation>,
    pub(super) standings: Vec<Standing>,
    pub(super) team: Arc<str>,
    pub(super) caller: Caller,
    pub(super) case: Case,
    /// For upstream, storage, and the whole of an answer that others wait for.
    pub(super) waited: Duration,
}

impl Exchange {
    pub(super) async fn run(mut self) -> Result<Answer, Refusal> {
        let _until_answered = self.alone.take();
        self.look_ahead().await?;
        self.hold().await?;
        if let Err(refusal) = Box::pin(self.give_word()).await {
            self.book(Outcome::Voided).await;
            return Err(refusal);
        }
        Ok(self.send().await)
    }

    pub(super) async fn hold(&mut self) -> Result<(), Refusal> {
        if let Some(holding) = self.holding.take() {
            let (reservation, standings) = self.guard.reserve(&holding, &self.predicted).await?;
            (self.reservation, self.standings) = (Some(reservation), standings);
        }
        Ok(())
    }

    async fn send(mut self) -> Answer {
        let guard = Arc::clone(&self.guard);
        guard
            .metrics
            .count_predicted(self.route.api, &self.team, &self.predicted.totals);
        let limits = SendLimits::answer_within(guard.policy.server().limits.upstream_timeout);
        let upstream_time = Stopwatch::start();
        let sent = self.forward(limits).await;
        self.waited = upstream_time.elapsed();
        if let Ok(response) = &sent {
            guard
                .metrics
                .count_answer(self.route.api, response.status(), self.waited);
        }
        let outcome = self.outcome(&sent);
        let sent = match (self.download.take(), sent) {
            (Some(download), Ok(bought)) if self.leads_to_bytes(&bought) => {
                return self.deliver(&download, bought, outcome).await;
            }
            (_, sent) => sent,
        };
        let (turn, ending) = (self.turn.take(), ending(&outcome, &sent));
        let charge = charged(&outcome);
        if self.paid_for_nobody(&outcome, &sent) {
            guard.forget_activation(self.case.request).await;
        }
        let sent = self.trace(sent).await;
        let promise = self.promise.take();
        let promise = promise.map(|promise| (promise, outcome.clone()));
        let took_effect = ending == Ending::TookEffect;
        self.book(outcome).await;
        if let Some((promise, outcome)) = promise {
            let succeeded = sent.as_ref().is_ok_and(|it| it.status().is_success());
            Box::pin(self.keep_word(promise, &outcome, succeeded)).await;
        }
        if took_effect {
            let (request, ask) = (self.case.request, &self.predicted.reading.ask);
            let locking = guard.lock_land(request, ask, &self.place, &self.presented);
            locking.await;
        }
        let gathering = Stopwatch::start();
        let sent = self.share(sent).await;
        self.waited += gathering.elapsed();
        let answer = match sent {
            Ok(response) => self.pass_on(response, charge),
            Err(cause) => self.lost(&cause),
        };
        match turn {
            Some(turn) => turn.end(ending, answer).await,
            None => answer,
        }
    }

    /// Hands the answer to those who wait for the same.
    async fn share(
        &mut self,
        sent: Result<Response<Body>, SendError>,
    ) -> Result<Response<Body>, SendError> {
        let part = std::mem::replace(&mut self.part, Part::None);
        let (sent, part) = part.land(sent, &self.guard).await;
        self.part = part;
        if let Some(whose) = self.part.provenance() {
            let (metrics, api, team) = (&self.guard.metrics, self.route.api, &self.team);
            metrics.count_cache(api, team, whose.name());
            // to be told that what is kept still holds is free where every answer but a success is
            if whose == Provenance::Revalidated && self.route.operation.is_metered() {
                metrics.count_saved(api, team, whose.name(), &self.predicted.settles_at);
            }
        }
        sent
    }

    /// Sends the request with the credential that upstream wants. What it changes is not remembered as it
    /// was.
    async fn forward(&mut self, limits: SendLimits) -> Result<Response<Body>, SendError> {
        let mut request = std::mem::take(&mut self.request);
        self.part.ask(request.headers_mut());
        let (guard, place) = (&self.guard, &self.place);
        let sent = place.send(&guard.pool, request, limits, guard.clock.now());
        let answer = sent.await;
        if self.route.api == Api::Features && self.route.operation != Operation::Read {
            guard.consultant.features_changed();
        }
        answer
    }

    fn outcome(&self, sent: &Result<Response<Body>, SendError>) -> Outcome {
        let heard: Heard<'_> = match sent {
            Ok(response) => Ok((response.status(), self.charge_in(response))),
            Err(error) => Err(error),
        };
        self.terms.outcome(heard)
    }

    fn charge_in(&self, response: &Response<Body>) -> Option<Pu> {
        answer::charged(response.headers()).unwrap_or_else(|cause| {
            warn!(api = %self.route.api, %cause, "upstream's cost header is no amount");
            None
        })
    }

    /// Whether the books are to forget that this was the activation of an asset.
    fn paid_for_nobody(&self, outcome: &Outcome, sent: &Result<Response<Body>, SendError>) -> bool {
        let charged = sent
            .as_ref()
            .is_ok_and(|response| proves_a_charge(response.status()));
        self.remembered && !charged && !matches!(outcome, Outcome::Unknown { .. })
    }

    /// Ends the reservation. Should the books not take it, the amount stays held, and so counts.
    pub(super) async fn book(&mut self, outcome: Outcome) {
        let Some(reservation) = self.reservation.take() else {
            return;
        };
        if let Outcome::Settled(charge) = &outcome {
            self.guard.metrics.count_charged(
                self.route.api,
                &self.team,
                &self.predicted.totals,
                charge,
            );
            self.learn(charge);
        }
        let commit = Stopwatch::start();
        match reservation.close(outcome, self.guard.clock.now()).await {
            // what the books are told later stands as it was reserved
            Ok(standings) if standings.is_empty() => {}
            Ok(standings) => self.standings = standings,
            Err(cause) => {
                error!(
                    error = &cause as &dyn std::error::Error,
                    "a reservation could not be closed"
                );
            }
        }
        self.guard.metrics.observe_commit(commit.elapsed());
    }

    /// What upstream said it took shows how good the prediction was.
    fn learn(&self, charge: &Charge) {
        let told = charge.amounts.get(Unit::Pu);
        let told = told.filter(|_| charge.source == ChargeSource::Header && self.predicted.bounded);
        let Some((charged, predicted)) = told.zip(self.predicted.published.get(Unit::Pu)) else {
            return;
        };
        let (guard, api) = (&self.guard, self.route.api);
        let margin = guard.margins.learn(&PastCharge {
            api,
            team: Arc::clone(&self.team),
            predicted,
            charged,
        });
        if let Some(margin) = margin {
            guard.metrics.set_margin(api, &self.team, margin);
        }
    }

    pub(super) fn pass_on(self, mut response: Response<Body>, charge: Option<Amounts>) -> Answer {
        let (guard, api, team) = (
            Arc::clone(&self.guard),
            self.route.api,
            Arc::clone(&self.team),
        );
        let status = response.status();
        let (kind, now) = (self.place.upstream.kind(), guard.clock.now());
        let unit = self.case.retry_unit;
        restate_wait(response.headers_mut(), status, kind, unit, now);
        let sealing = guard.downloads.sealing(&self.place, &self.caller.key, api);
        let relayed = guard.relay.pass_on(
            response,
            self.route.operation,
            &self.place,
            &self.presented,
            sealing,
        );
        let response = match relayed {
            Ok(response) => response,
            Err(refusal) => {
                let dialect = self.case.dialect;
                return self.answer(Reply::Refused(refusal, dialect), charge);
            }
        };
        guard.metrics.count_request(api, &team, Decision::Forwarded);
        info!(
            %api,
            team.id = &*team,
            decision = Decision::Forwarded.name(),
            status = status.as_u16(),
            estimate = %self.predicted.totals,
            charge = charge.as_ref().map(tracing::field::display),
            "forwarded"
        );
        let metrics = Arc::clone(&guard.metrics);
        let response = response.map(|body| {
            counted(body, move |passed| {
                metrics.count_egress(api, &team, passed.bytes.0);
            })
        });
        self.answer(Reply::Forwarded(response), charge)
    }

    fn lost(self, cause: &SendError) -> Answer {
        self.guard
            .metrics
            .count_request(self.route.api, &self.team, Decision::Error);
        warn!(api = %self.route.api, error = cause as &dyn std::error::Error, "no answer from upstream");
        let refusal = match cause {
            SendError::NeverLeft { .. } | SendError::NoToken { .. } => Refusal::new(
                Problem::UpstreamUnreachable,
                format!(
                    "{cause}. Nothing was sent and nothing was charged; try again in a moment."
                ),
            ),
            SendError::Unanswered { .. } | SendError::Broken { .. } => Refusal::new(
                Problem::OutcomeUnknown,
                format!(
                    "{cause}. The request may have taken effect and been charged, so its predicted cost \
                     counts as spent until that is known. Look before you send it again."
                ),
            ),
        };
        let dialect = self.case.dialect;
        self.answer(Reply::Refused(refusal, dialect), None)
    }

    pub(super) fn answer(self, reply: Reply, charge: Option<Amounts>) -> Answer {
        let overhead = self.case.own_time.elapsed().saturating_sub(self.waited);
        self.guard.metrics.observe_overhead(overhead);
        let notes = Notes {
            estimate: Some(self.predicted.totals),
            charge,
            standings: self.standings,
            provenance: self.part.provenance(),
            ..Notes::new(self.case.request)
        };
        Answer::new(reply, notes)
    }
}

/// What those who send the same again must know of it.
fn ending(outcome: &Outcome, sent: &Result<Response<Body>, SendError>) -> Ending {
    let succeeded = sent
        .as_ref()
        .is_ok_and(|response| response.status().is_success());
    match outcome {
        Outcome::Unknown { .. } => Ending::Unknown,
        Outcome::Settled(_) if succeeded => Ending::TookEffect,
        Outcome::Settled(_) | Outcome::Voided => Ending::Nothing,
    }
}

/// What upstream said it took.
fn charged(outcome: &Outcome) -> Option<Amounts> {
    match outcome {
        Outcome::Settled(charge) if charge.source == ChargeSource::Header => {
            Some(charge.amounts.clone())
        }
        Outcome::Settled(_) | Outcome::Voided | Outcome::Unknown { .. } => None,
    }
}
