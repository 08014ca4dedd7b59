//! [`Reservation`]: what is held for a request under way, as a value that cannot be forgotten.

use std::sync::Arc;
use std::time::Duration;

use tracing::{error, warn};

use super::{
    Breach, Charge, Ledger, LedgerError, NewReservation, Outcome, RequestId, Reserved, Standing,
};
use crate::units::UtcTime;

/// How often a door is tried while the store is away. After that the row stays held, and counts.
const CLOSE_ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// A grant. It leaves by one of three doors, each of which takes it; time opens none of them.
///
/// Dropped without a door it stays held in the books, never freed, until the next start finds it and
/// counts it as unknown: a request that was perhaps forwarded has perhaps been charged.
#[must_use = "what is reserved must be settled, voided or left unknown"]
pub struct Reservation {
    ledger: Arc<dyn Ledger>,
    request: RequestId,
    closed: bool,
}

/// What came of [`Reservation::make`].
pub enum Admission {
    /// The request may pass; how each claimed account stands with it.
    Granted(Reservation, Vec<Standing>),
    Full(Vec<Breach>),
}

impl Reservation {
    /// Reserves every claim of `new`, or none.
    ///
    /// Await it in a task that no client can cancel: whoever gives up at the very moment of the grant
    /// leaves it held for nobody, which costs quota until the next start and somebody's word after it.
    pub async fn make(
        ledger: &Arc<dyn Ledger>,
        new: &NewReservation,
        now: UtcTime,
    ) -> Result<Admission, LedgerError> {
        match ledger.reserve(new, now).await? {
            Reserved::Full(breaches) => Ok(Admission::Full(breaches)),
            Reserved::Granted(standings) => {
                let reservation = Self {
                    ledger: Arc::clone(ledger),
                    request: new.request,
                    closed: false,
                };
                Ok(Admission::Granted(reservation, standings))
            }
        }
    }

    pub const fn request(&self) -> RequestId {
        self.request
    }

    /// The request was charged.
    pub async fn settle(self, charge: Charge, now: UtcTime) -> Result<Vec<Standing>, LedgerError> {
        self.close(Outcome::Settled(charge), now).await
    }

    /// The request never left for upstream, or its answer is documented as free.
    pub async fn void(self, now: UtcTime) -> Result<Vec<Standing>, LedgerError> {
        self.close(Outcome::Voided, now).await
    }

    /// Upstream may have charged, and did not say.
    pub async fn leave_unknown(
        self,
        why: impl Into<String>,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        self.close(Outcome::Unknown { why: why.into() }, now).await
    }

    /// Ends it as `outcome` says: the door for a caller that has judged already.
    pub async fn close(
        mut self,
        outcome: Outcome,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..CLOSE_ATTEMPTS {
            match self.ledger.close(self.request, &outcome, now).await {
                Err(LedgerError::Unavailable(cause)) => {
                    warn!(request.id = %self.request, cause, "could not close a reservation yet");
                    tokio::time::sleep(pause).await;
                    pause = pause.saturating_mul(2);
                }
                answer => return self.leave(answer),
            }
        }
        let answer = self.ledger.close(self.request, &outcome, now).await;
        self.leave(answer)
    }

    fn leave(
        &mut self,
        answer: Result<Vec<Standing>, LedgerError>,
    ) -> Result<Vec<Standing>, LedgerError> {
        self.closed = answer.is_ok();
        answer
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.closed {
            error!(request.id = %self.request, "a reservation was not closed and stays held");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{ChargeSource, Model, State};
    use crate::policy::{Account, Claim};
    use crate::units::{Amount, Amounts, Span, Unit};

    const NOW: UtcTime = UtcTime::UNIX_EPOCH;

    fn request() -> NewReservation {
        let window = Span {
            start: NOW,
            end: None,
        };
        let account = Account {
            budget: "org".into(),
            partition: "".into(),
            unit: Unit::Pu,
            window,
        };
        let claim = Claim {
            account,
            amount: Amount::ONE,
            limit: Some(Amount::ONE),
            enforced: true,
        };
        NewReservation {
            request: RequestId::new(NOW, [1; 10]),
            team: "agriculture".into(),
            key: "ag".into(),
            api: "process",
            product: None,
            tag: None,
            fingerprint: None,
            predicted: Amounts::of(Unit::Pu, Amount::ONE),
            claims: vec![claim],
            certain: true,
        }
    }

    async fn granted(ledger: &Arc<dyn Ledger>) -> Reservation {
        match Reservation::make(ledger, &request(), NOW).await {
            Ok(Admission::Granted(reservation, _)) => reservation,
            Ok(Admission::Full(breaches)) => panic!("{breaches:?}"),
            Err(error) => panic!("{error}"),
        }
    }

    async fn state(ledger: &Arc<dyn Ledger>) -> State {
        let record = ledger.record(request().request).await.unwrap();
        record.expect("it reserved").state
    }

    #[tokio::test]
    async fn each_door_leads_to_its_own_state() {
        let ledger: Arc<dyn Ledger> = Arc::new(Model::default());
        let charge = Charge {
            amounts: Amounts::default(),
            source: ChargeSource::Predicted,
        };
        let settled = granted(&ledger).await.settle(charge.clone(), NOW).await;
        assert!(settled.is_ok());
        assert_eq!(state(&ledger).await, State::Settled(charge));

        let ledger: Arc<dyn Ledger> = Arc::new(Model::default());
        assert!(granted(&ledger).await.void(NOW).await.is_ok());
        assert_eq!(state(&ledger).await, State::Voided);

        let ledger: Arc<dyn Ledger> = Arc::new(Model::default());
        let left = granted(&ledger).await.leave_unknown("reset", NOW).await;
        assert!(left.is_ok());
        let why = "reset".to_owned();
        assert_eq!(state(&ledger).await, State::Unknown { why });
    }

    #[tokio::test]
    async fn dropped_without_a_door_it_stays_held() {
        let ledger: Arc<dyn Ledger> = Arc::new(Model::default());
        drop(granted(&ledger).await);
        assert_eq!(state(&ledger).await, State::Held);
        let account = &request().claims[0].account;
        assert_eq!(ledger.balance(account).await.unwrap().held, Amount::ONE);
    }
}
