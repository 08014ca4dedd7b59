//! Bytes on their way to a client, and what becomes of what was held for them when the last has passed.

use std::sync::Arc;

use tracing::error;

use super::pipeline::Guard;
use crate::cost::egress;
use crate::ledger::{Charge, ChargeSource, Outcome, Reservation};
use crate::planet::Api;
use crate::units::{Amount, Amounts, ByteCount, Unit};
use crate::upstream::{Body, Passed, counted};

/// Counts the bytes of one body and settles what they cost: on those that storage handed over, which is
/// what has left Planet, whether or not the client has taken them.
pub(super) struct Meter {
    pub(super) guard: Arc<Guard>,
    pub(super) api: Api,
    pub(super) team: Arc<str>,
    /// What is held, in the order in which it is used up; the last takes whatever is left.
    pub(super) purses: Vec<Purse>,
    /// What storage announced.
    pub(super) length: Option<ByteCount>,
    /// What may have left storage and not have come, should the transfer break off.
    pub(super) on_the_way: ByteCount,
}

/// A reservation that waits for the number of bytes.
pub(super) struct Purse {
    pub(super) reservation: Reservation,
    pub(super) predicted: Amounts,
    /// What is charged whatever passes.
    pub(super) besides: Amounts,
    /// PU that are held for bytes.
    pub(super) room: Amount,
}

impl Meter {
    /// The body, which tells when it has passed, broken off or been left.
    pub(super) fn watch(self, body: Body) -> Body {
        if self.purses.is_empty() {
            return body;
        }
        counted(body, move |passed| {
            let exchanges = self.guard.exchanges.clone();
            drop(exchanges.detach(self.settle(passed)));
        })
    }

    async fn settle(self, passed: Passed) {
        let policy = &self.guard.policy;
        let bytes = left_storage(passed, self.on_the_way, self.length);
        let mut cost = egress::passing(bytes, policy.prices(), policy.plan());
        let mut purses = self.purses.into_iter().peekable();
        while let Some(purse) = purses.next() {
            let is_last = purses.peek().is_none();
            let share = if is_last { cost } else { cost.min(purse.room) };
            cost = cost.minus(share);
            purse.settle(share, &self.guard, self.api, &self.team).await;
        }
    }
}

impl Purse {
    /// Ends it: `share` is what bytes cost of it.
    pub(super) async fn settle(self, share: Amount, guard: &Guard, api: Api, team: &str) {
        let mut amounts = self.besides;
        let besides = amounts.get(Unit::Pu).unwrap_or_default();
        amounts.set(Unit::Pu, besides.saturating_add(share));
        let charge = Charge {
            amounts,
            source: ChargeSource::Metered,
        };
        guard
            .metrics
            .count_charged(api, team, &self.predicted, &charge);
        let request = self.reservation.request();
        let closed = self
            .reservation
            .close(Outcome::Settled(charge), guard.clock.now());
        if let Err(cause) = closed.await {
            let error = &cause as &dyn std::error::Error;
            error!(request.id = %request, error, "a download could not be settled and stays held");
        }
    }
}

/// The bytes to charge: those that came; of a transfer that broke off, those on the way too.
fn left_storage(passed: Passed, on_the_way: ByteCount, announced: Option<ByteCount>) -> ByteCount {
    if passed.whole {
        return passed.bytes;
    }
    let with_those = ByteCount(passed.bytes.0.saturating_add(on_the_way.0));
    announced.map_or(with_those, |announced| with_those.min(announced))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_on_the_way_when_a_transfer_broke_off_is_charged_too() {
        let charged = |bytes, whole, announced: Option<u64>| {
            let bytes = ByteCount(bytes);
            let announced = announced.map(ByteCount);
            left_storage(Passed { bytes, whole }, ByteCount(50), announced).0
        };
        assert_eq!(charged(100, true, Some(100)), 100);
        assert_eq!(charged(0, true, Some(0)), 0);
        assert_eq!(charged(100, false, Some(1 << 30)), 150);
        assert_eq!(charged(100, false, Some(120)), 120);
        assert_eq!(charged(0, false, None), 50);
        assert_eq!(charged(u64::MAX, false, None), u64::MAX);
    }
}
