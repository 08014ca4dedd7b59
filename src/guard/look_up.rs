//! What must be found out before a call can be priced, in one step: what Planet shows of the things that it only
//! names, and what the books remember of them.

use http::HeaderMap;

use super::activated::Activation;
use super::pipeline::Guard;
use super::places::Place;
use super::refusal::Refusal;
use crate::identity::Presented;
use crate::ledger::Fingerprint;
use crate::planet::{Asked, Found, Query, Shown};
use crate::units::UtcTime;

/// What was found out besides the request itself.
pub(super) struct LookedUp {
    shown: Vec<Shown>,
    activation: Option<Activation>,
}

impl Guard {
    /// With the rights of the caller whose headers and query these are.
    pub(super) async fn look_up(
        &self,
        place: &Place,
        caller: (&HeaderMap, Query<'_>),
        presented: &Presented,
        asked: &Asked<'_>,
        now: UtcTime,
    ) -> Result<LookedUp, Refusal> {
        Ok(LookedUp {
            shown: self.reader(place, caller).read_back(asked).await?,
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
