//! What must be found out before a call can be priced, in one step: who else is changing the same thing, what
//! Planet shows of it, and what the books remember.

use http::request::Parts;

use super::activated::Activation;
use super::pipeline::Guard;
use super::places::Place;
use super::refusal::Refusal;
use super::revising::Alone;
use crate::identity::Presented;
use crate::ledger::Fingerprint;
use crate::planet::{Asked, Found, Shown};
use crate::units::UtcTime;

/// What was found out besides the request itself.
pub(super) struct LookedUp {
    pub(super) alone: Option<Alone>,
    shown: Vec<Shown>,
    activation: Option<Activation>,
}

impl Guard {
    pub(super) async fn look_up(
        &self,
        place: &Place,
        head: &Parts,
        presented: &Presented,
        asked: &Asked<'_>,
        now: UtcTime,
    ) -> Result<LookedUp, Refusal> {
        let alone = self.revising.alone(place.upstream.name(), asked)?;
        Ok(LookedUp {
            alone,
            shown: self.read_back(place, head, asked).await?,
            activation: self.activation(place, presented, asked, now).await?,
        })
    }
}

impl LookedUp {
    pub(super) fn found(&self) -> Found<'_> {
        Found {
            shown: &self.shown,
            activated: self.activation.is_some_and(Activation::is_paid),
        }
    }

    /// What an activation that is charged is to be remembered by.
    pub(super) fn remembered_by(&self) -> Option<Fingerprint> {
        self.activation.and_then(Activation::remembered_by)
    }
}
