//! Planet charges the activation of an asset once within 24 hours, whoever asks for it again. The books are
//! the memory of it: an activation that was charged carries the asset's fingerprint, and is found by it.
//!
//! Only what is proven is free. A reservation carries the fingerprint if none is found for a day and a while
//! before it, and keeps it only if Planet says that the asset was inactive until then. So nothing that was
//! activated by an order, past the guard or at nearly the same time prolongs the day.

use std::time::Duration;

use http::StatusCode;
use tracing::error;

use super::pipeline::Guard;
use super::places::Place;
use super::refusal::Refusal;
use crate::identity::Presented;
use crate::ledger::{Fingerprint, Ledger, LedgerError, Record, RequestId, State};
use crate::planet::Asked;
use crate::planet::data::Asset;
use crate::units::{Unit, UtcTime};

/// For so long Planet does not charge an activation again.
const DAY: Duration = Duration::from_hours(24);
/// Activations that lie no further apart than this may be one, besides the time that an answer may take.
const AT_ONCE: Duration = Duration::from_mins(15);

/// What is known of an asset that is to be activated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Activation {
    /// Somebody has paid for it.
    Paid,
    /// Nobody has within a day; whoever does now is remembered by this.
    First(Fingerprint),
    /// Somebody has or may have; it is not certain for how long that lasts, or whether it was charged.
    Uncertain,
}

impl Activation {
    pub(super) const fn is_paid(self) -> bool {
        matches!(self, Self::Paid)
    }

    /// What its reservation is to be remembered by.
    pub(super) const fn remembered_by(self) -> Option<Fingerprint> {
        match self {
            Self::First(fingerprint) => Some(fingerprint),
            Self::Paid | Self::Uncertain => None,
        }
    }
}

impl Guard {
    /// What the books know of the asset that a call activates; `None` where it activates none.
    pub(super) async fn activation(
        &self,
        place: &Place,
        presented: &Presented,
        asked: &Asked<'_>,
        now: UtcTime,
    ) -> Result<Option<Activation>, Refusal> {
        let Some(Ok(asset)) = asked.activated_asset() else {
            return Ok(None);
        };
        let fingerprint = fingerprint(&asset, place, presented);
        let apart = AT_ONCE.saturating_add(self.policy.server().limits.upstream_timeout);
        let found = already_activated(
            self.ledger.as_ref(),
            fingerprint,
            ago(now, DAY.saturating_add(apart)),
        );
        let found = found
            .await
            .map_err(|cause| super::pipeline::books_away(&cause))?;
        Ok(Some(match found {
            None => Activation::First(fingerprint),
            Some(record)
                if is_charged(&record)
                    && record.reserved_at > ago(now, DAY.saturating_sub(apart)) =>
            {
                Activation::Paid
            }
            Some(_) => Activation::Uncertain,
        }))
    }
}

impl Guard {
    /// An activation that was not charged now is not to be found as one.
    pub(super) async fn forget_activation(&self, request: RequestId) {
        if let Err(cause) = self.ledger.delivered(request, self.clock.now()).await {
            let error = &cause as &dyn std::error::Error;
            error!(request.id = %request, error, "an activation is remembered that was not charged");
        }
    }
}

/// The activation of the asset of this fingerprint that is the latest since then. Those that came to nothing
/// are not found.
pub(super) async fn already_activated(
    ledger: &dyn Ledger,
    fingerprint: Fingerprint,
    since: UtcTime,
) -> Result<Option<Record>, LedgerError> {
    ledger.undelivered(fingerprint, since).await
}

/// Whether an answer proves that the asset was inactive until now, and is charged now. One that says that it
/// is active already may lean on an activation that the books do not know.
pub(super) fn proves_a_charge(status: StatusCode) -> bool {
    status == StatusCode::ACCEPTED
}

/// What makes two activations one. Callers who bring their own keys may be of different accounts.
fn fingerprint(asset: &Asset, place: &Place, presented: &Presented) -> Fingerprint {
    let account = if place.calls_as_the_caller() {
        presented.hash().to_string()
    } else {
        String::new()
    };
    let words = [
        "activation",
        place.upstream.name(),
        &account,
        &asset.item_type,
        &asset.item,
        &asset.asset_type,
    ];
    Fingerprint::of(&words.map(str::as_bytes))
}

fn is_charged(record: &Record) -> bool {
    let State::Settled(charge) = &record.state else {
        return false;
    };
    let charged = charge
        .amounts
        .get(Unit::Pu)
        .or(record.predicted.get(Unit::Pu));
    charged.is_some_and(|pu| !pu.is_zero())
}

fn ago(now: UtcTime, by: Duration) -> UtcTime {
    now.checked_sub(by).unwrap_or(UtcTime::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Charge, ChargeSource, Evidence, Model, NewReservation, Outcome};
    use crate::units::{Amount, Amounts};

    const ASSET: Fingerprint = Fingerprint::from_bytes([1; 32]);

    fn at(hour: i64) -> UtcTime {
        UtcTime::UNIX_EPOCH
            .checked_add(jiff::SignedDuration::from_hours(hour))
            .unwrap()
    }

    fn pu(units: u64) -> Amounts {
        Amounts::of(Unit::Pu, Amount::from_whole(units).unwrap())
    }

    async fn reserve(ledger: &Model, number: u8, hour: i64) -> RequestId {
        let request = RequestId::new(at(hour), [number; 10]);
        let new = NewReservation {
            request,
            team: "a".into(),
            key: "a-1".into(),
            api: "data",
            product: None,
            tag: None,
            fingerprint: Some(ASSET),
            predicted: pu(20),
            claims: Vec::new(),
            certain: true,
        };
        ledger.reserve(&new, at(hour)).await.unwrap();
        request
    }

    async fn close(ledger: &Model, request: RequestId, amounts: Amounts) {
        let source = ChargeSource::Predicted;
        let outcome = Outcome::Settled(Charge { amounts, source });
        ledger.close(request, &outcome, at(1)).await.unwrap();
    }

    async fn found(ledger: &Model) -> Option<bool> {
        let record = already_activated(ledger, ASSET, at(0)).await.unwrap();
        record.map(|record| is_charged(&record))
    }

    #[tokio::test]
    async fn the_books_remember_an_activation_that_was_charged() {
        let ledger = Model::default();
        assert_eq!(found(&ledger).await, None);
        let request = reserve(&ledger, 1, 1).await;
        assert_eq!(
            found(&ledger).await,
            Some(false),
            "under way, and not charged yet"
        );
        close(&ledger, request, pu(20)).await;
        assert_eq!(found(&ledger).await, Some(true));
        let later = already_activated(&ledger, ASSET, at(2)).await.unwrap();
        assert_eq!(later, None, "that was too long ago");
    }

    #[tokio::test]
    async fn what_was_free_refused_or_in_doubt_pays_for_nobody() {
        let ledger = Model::default();
        let request = reserve(&ledger, 1, 1).await;
        close(&ledger, request, pu(0)).await;
        assert_eq!(found(&ledger).await, Some(false));

        let ledger = Model::default();
        let request = reserve(&ledger, 1, 1).await;
        ledger
            .close(request, &Outcome::Voided, at(1))
            .await
            .unwrap();
        assert_eq!(found(&ledger).await, None);

        let ledger = Model::default();
        let request = reserve(&ledger, 1, 1).await;
        let in_doubt = Outcome::Unknown {
            why: "reset".into(),
        };
        ledger.close(request, &in_doubt, at(1)).await.unwrap();
        assert_eq!(found(&ledger).await, Some(false));
        let evidence = Evidence {
            amounts: pu(20),
            by: "ops".into(),
            why: "seen".into(),
        };
        ledger.reconcile(request, &evidence, at(1)).await.unwrap();
        assert_eq!(found(&ledger).await, None, "cleared up, and over");
    }

    #[tokio::test]
    async fn an_activation_whose_fingerprint_was_taken_off_is_not_found() {
        let ledger = Model::default();
        let request = reserve(&ledger, 1, 1).await;
        ledger.delivered(request, at(1)).await.unwrap();
        close(&ledger, request, pu(20)).await;
        assert_eq!(found(&ledger).await, None);
    }

    #[test]
    fn only_an_asset_that_was_inactive_is_charged_now() {
        assert!(proves_a_charge(StatusCode::ACCEPTED));
        for status in [
            StatusCode::NO_CONTENT,
            StatusCode::OK,
            StatusCode::NOT_FOUND,
        ] {
            assert!(!proves_a_charge(status), "{status}");
        }
    }
}
