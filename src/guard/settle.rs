//! What an exchange means for the books: `ledger.md`'s table of endings, as one function.

use http::StatusCode;

use crate::ledger::{Charge, ChargeSource, Outcome};
use crate::planet::Operation;
use crate::units::{Amount, Amounts, Pu, Unit};
use crate::upstream::SendError;

/// What came back, as far as the books care.
pub(super) type Heard<'a> = Result<(StatusCode, Option<Pu>), &'a SendError>;

/// What the end of a reservation depends on, besides what came back.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) operation: Operation,
    /// What it counts as spent when it has succeeded and upstream does not say.
    pub(super) settles_at: Amounts,
    /// Whether a budget counts its requests.
    pub(super) counts_requests: bool,
}

impl Terms {
    /// How the reservation ends.
    pub(super) fn outcome(&self, heard: Heard<'_>) -> Outcome {
        let operation = self.operation;
        match heard {
            Err(SendError::NeverLeft { .. } | SendError::NoToken { .. }) => Outcome::Voided,
            Err(_) if operation.is_free() => self.as_predicted(),
            Err(error) => Outcome::Unknown {
                why: error.to_string(),
            },
            Ok((status, charged)) if self.was_bought(status) => {
                match charged.filter(|_| !operation.is_create()) {
                    Some(pu) => by_header(pu),
                    None => self.as_predicted(),
                }
            }
            Ok(_) if operation.is_free() => self.as_predicted(),
            Ok((status, _)) if operation.is_metered() || status.is_client_error() => {
                self.free_of_charge()
            }
            Ok((status, _)) => Outcome::Unknown {
                why: format!("upstream answered {status}"),
            },
        }
    }

    /// Success, or the redirect that leads to what was bought, or the word that a tile has not changed:
    /// whether Planet counts that as a tile is not published.
    pub(super) fn was_bought(&self, status: StatusCode) -> bool {
        let is_a_tile = matches!(
            self.operation,
            Operation::BasemapTile | Operation::SceneTile | Operation::TileService
        );
        status.is_success()
            || (self.operation.is_download() && status.is_redirection())
            || (is_a_tile && status == StatusCode::NOT_MODIFIED)
    }

    pub(super) fn as_predicted(&self) -> Outcome {
        let amounts = self.settles_at.clone();
        Outcome::Settled(Charge {
            amounts,
            source: ChargeSource::Predicted,
        })
    }

    /// Upstream charges nothing for what it refused. It was a request all the same.
    fn free_of_charge(&self) -> Outcome {
        if !self.counts_requests {
            return Outcome::Voided;
        }
        let amounts = self
            .settles_at
            .iter()
            .map(|(unit, _)| (unit, Amount::ZERO))
            .collect();
        Outcome::Settled(Charge {
            amounts,
            source: ChargeSource::Predicted,
        })
    }
}

fn by_header(pu: Pu) -> Outcome {
    let amounts = Amounts::of(Unit::Pu, pu.amount());
    Outcome::Settled(Charge {
        amounts,
        source: ChargeSource::Header,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn pu(units: u64) -> Pu {
        Pu::from_whole(units).expect("an amount")
    }

    fn terms(operation: Operation) -> Terms {
        Terms {
            operation,
            settles_at: Amounts::of(Unit::Pu, pu(4).amount()),
            counts_requests: false,
        }
    }

    fn ending(operation: Operation, status: u16, charged: Option<Pu>) -> Outcome {
        terms(operation).outcome(Ok((
            StatusCode::from_u16(status).expect("a status"),
            charged,
        )))
    }

    fn predicted() -> Outcome {
        terms(Operation::Process).as_predicted()
    }

    #[test]
    fn a_metered_call_settles_by_its_header_and_is_free_when_it_fails() {
        assert_eq!(
            ending(Operation::Process, 200, Some(pu(3))),
            by_header(pu(3))
        );
        assert_eq!(ending(Operation::Process, 200, None), predicted());
        for status in [302, 400, 404, 429, 500, 503] {
            assert_eq!(
                ending(Operation::Process, status, Some(pu(3))),
                Outcome::Voided,
                "{status}"
            );
        }
    }

    #[test]
    fn a_create_is_committed_at_its_prediction_whatever_a_header_says() {
        assert_eq!(
            ending(Operation::CreateOrder, 202, Some(pu(0))),
            predicted()
        );
        assert_eq!(ending(Operation::CreateOrder, 400, None), Outcome::Voided);
        for status in [302, 500, 502, 504] {
            let left = ending(Operation::CreateOrder, status, None);
            assert!(matches!(left, Outcome::Unknown { .. }), "{status}");
        }
    }

    #[test]
    fn a_download_is_bought_by_the_redirect_that_leads_to_it() {
        assert_eq!(ending(Operation::DownloadAsset, 302, None), predicted());
        assert_eq!(ending(Operation::DownloadAsset, 403, None), Outcome::Voided);
    }

    #[test]
    fn a_tile_that_has_not_changed_counts_as_one_and_an_image_that_has_not_is_free() {
        assert_eq!(ending(Operation::BasemapTile, 304, None), predicted());
        assert_eq!(ending(Operation::Ogc, 304, None), Outcome::Voided);
    }

    #[test]
    fn silence_is_unknown_unless_nothing_was_sent_or_nothing_was_asked() {
        let never = SendError::NeverLeft {
            host: "h".into(),
            cause: "refused".into(),
        };
        let no_token = SendError::NoToken {
            host: "h".into(),
            cause: "refused".into(),
        };
        let silent = SendError::Unanswered {
            host: "h".into(),
            waited: Duration::from_secs(1),
        };
        let after = |operation, error| terms(operation).outcome(Err(error));
        assert_eq!(after(Operation::Process, &never), Outcome::Voided);
        assert_eq!(after(Operation::CreateOrder, &no_token), Outcome::Voided);
        assert!(matches!(
            after(Operation::Process, &silent),
            Outcome::Unknown { .. }
        ));
        assert_eq!(after(Operation::Read, &silent), predicted());
    }

    #[test]
    fn a_call_that_failed_for_free_still_was_a_request() {
        let counted = Terms {
            counts_requests: true,
            ..terms(Operation::Process)
        };
        let free = Charge {
            amounts: Amounts::of(Unit::Pu, Amount::ZERO),
            source: ChargeSource::Predicted,
        };
        let heard = Ok((StatusCode::BAD_REQUEST, None));
        assert_eq!(counted.outcome(heard), Outcome::Settled(free));
    }
}
