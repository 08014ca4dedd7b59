//! Another's answer becomes a caller's own: counted, with links of its own, and free of charge.

use std::sync::Arc;

use http::Response;
use tracing::{error, info};

use super::answer::Shared;
use super::flight::Landed;
use super::gather::holding;
use super::key::Asking;
use super::terms::Terms;
use crate::guard::answer::{Answer, Notes, Provenance, Reply};
use crate::guard::pipeline::{Case, Guard};
use crate::guard::refusal::Refusal;
use crate::ledger::{Charge, ChargeSource, NewReservation, Standing};
use crate::policy::{Caller, Claim};
use crate::telemetry::Decision;
use crate::units::{Amount, Amounts, Unit, UtcTime};
use crate::upstream::{Body, counted};

/// An answer that is on its way to one more caller.
pub(super) struct Handed {
    shared: Arc<Shared>,
    pub(super) response: Response<Body>,
    provenance: Provenance,
}

impl Handed {
    pub(super) fn kept(shared: Arc<Shared>, now: UtcTime) -> Self {
        let age = shared.age_at(now);
        Self {
            response: shared.response(Some(age)),
            shared,
            provenance: Provenance::Hit,
        }
    }

    pub(super) fn landed((shared, taken): Landed) -> Self {
        let response = shared.response(None);
        Self {
            response: response.map(|body| holding(body, taken)),
            shared,
            provenance: Provenance::Coalesced,
        }
    }
}

impl Guard {
    pub(super) async fn hand_out(
        self: &Arc<Self>,
        handed: Handed,
        asking: &Asking<'_>,
        caller: &Caller,
        case: &Case,
        terms: &Terms,
    ) -> Result<Answer, Refusal> {
        let standings = self.count(asking, caller, case).await?;
        let predicted = &asking.weighed.predicted;
        let (api, operation) = (case.api, asking.asked.route.operation);
        let Handed {
            shared,
            response,
            provenance,
        } = handed;
        let sealing = self.downloads.sealing(asking.place, &caller.key, api);
        let (place, presented) = (asking.place, asking.presented);
        let relayed = self
            .relay
            .pass_on(response, operation, place, presented, sealing);
        let response = relayed?;
        let response = terms.answered_by(response);
        let mut saved = predicted.settles_at.clone();
        if let Some(pu) = shared.charged() {
            saved.set(Unit::Pu, pu.amount());
        }
        let (metrics, team) = (&self.metrics, Arc::clone(&caller.team));
        metrics.count_request(api, &team, Decision::Forwarded);
        metrics.count_cache(api, &team, provenance.name());
        metrics.count_saved(api, &team, provenance.name(), &saved);
        metrics.observe_overhead(case.own_time.elapsed());
        info!(%api, team.id = &*team, cache = provenance.name(), %saved, "answered from another's answer");
        let metrics = Arc::clone(metrics);
        let response = response.map(|body| {
            counted(body, move |passed| {
                metrics.count_egress(api, &team, passed.bytes.0);
            })
        });
        let notes = Notes {
            estimate: Some(predicted.totals.clone()),
            charge: Some(nothing_of(&predicted.totals)),
            standings,
            provenance: Some(provenance),
            ..Notes::new(case.request)
        };
        Ok(Answer::new(Reply::Forwarded(response), notes))
    }

    /// It was a request all the same, to the budgets that count them.
    async fn count(
        self: &Arc<Self>,
        asking: &Asking<'_>,
        caller: &Caller,
        case: &Case,
    ) -> Result<Vec<Standing>, Refusal> {
        let claims = asking.weighed.claims.iter();
        let claims: Vec<Claim> = claims
            .filter(|claim| claim.counts_requests())
            .cloned()
            .collect();
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        let predicted = asking.weighed.predicted.clone();
        let holding = NewReservation {
            request: case.request,
            team: Arc::clone(&caller.team),
            key: Arc::clone(&caller.key),
            api: case.api.name(),
            product: predicted.reading.products.first().cloned(),
            tag: case.wishes.tag.clone(),
            fingerprint: None,
            predicted: Amounts::default(),
            claims,
            certain: false,
        };
        let guard = Arc::clone(self);
        let counting = async move {
            let (reservation, standings) = guard.reserve(&holding, &predicted).await?;
            let one_request = Charge {
                amounts: Amounts::default(),
                source: ChargeSource::Predicted,
            };
            let settled = reservation.settle(one_request, guard.clock.now()).await;
            Ok(settled.unwrap_or_else(|cause| {
                let error = &cause as &dyn std::error::Error;
                error!(error, "a request that cost nothing stays held");
                standings
            }))
        };
        self.exchanges.detach(counting).await
    }
}

fn nothing_of(predicted: &Amounts) -> Amounts {
    predicted
        .iter()
        .map(|(unit, _)| (unit, Amount::ZERO))
        .collect()
}
