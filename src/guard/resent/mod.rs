//! Creates that are sent again. An SDK that hears nothing, or hears 429 or 502, sends the same POST up to
//! six times, and each could be another order. So an identical create is not forwarded again while the
//! answer to the first has not reached its client: it joins the first, gets its answer, or is told that
//! nobody knows.
//!
//! Answers are kept in memory ([`memory`]), as many as its limits allow. What must survive a crash, that
//! a create was sent and its answer not delivered, stands in the books with its reservation.

mod memory;
mod turn;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use self::memory::{Entered, Memory};
pub(super) use self::turn::{Delivery, Ending, Turn};
use super::wishes::Wishes;
use crate::clock::Clock;
use crate::identity::Presented;
use crate::ledger::{Fingerprint, Ledger, LedgerError, Record, RequestId, State};
use crate::planet::Asked;
use crate::policy::{Caller, UNKNOWN_KEY};
use crate::units::UtcTime;
use crate::upstream::Exchanges;

/// The creates of late, and what became of them.
pub struct Resends {
    memory: Mutex<Memory>,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    exchanges: Exchanges,
    /// How long a create is taken for the same one sent again.
    window: Duration,
}

/// An answer that can be given again.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Where a create is, as those who send it again see it.
#[derive(Clone, Debug)]
enum Progress {
    UnderWay,
    Answered(Arc<Kept>),
    /// It took effect; its answer was too large to keep, or broke off.
    Unkept,
    Unknown,
}

/// What an arriving create turned out to be.
pub(super) enum Met {
    /// It may be sent; whoever sends it again meanwhile waits for its end.
    New(Turn),
    /// The answer to the first, under the first's name.
    Answered(RequestId, Arc<Kept>),
    /// Sent before and not to be sent again, without an answer to give.
    Sent { first: RequestId, took_effect: bool },
    /// More creates are under way than can be told apart.
    TooMany,
}

impl Resends {
    pub fn new(
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
        exchanges: Exchanges,
        window: Duration,
    ) -> Arc<Self> {
        Arc::new(Self {
            memory: Mutex::default(),
            ledger,
            clock,
            exchanges,
            window,
        })
    }

    /// Whether this create was sent before; waits for one that is still under way.
    pub(super) async fn meet(
        self: &Arc<Self>,
        fingerprint: Fingerprint,
        request: RequestId,
    ) -> Result<Met, LedgerError> {
        loop {
            let since = self.since();
            let entered = self
                .memory()
                .enter(fingerprint, request, since, self.clock.now());
            let (first, mut progress) = match entered {
                Entered::First(sender) => {
                    let turn = Turn::new(Arc::clone(self), fingerprint, request, sender);
                    return self.unless_in_the_books(turn, fingerprint, since).await;
                }
                Entered::Again(first, progress) => (first, progress),
                Entered::Full => return Ok(Met::TooMany),
            };
            let ended = progress
                .wait_for(|progress| !matches!(progress, Progress::UnderWay))
                .await;
            match ended.as_deref() {
                Ok(Progress::Answered(kept)) => return Ok(Met::Answered(first, Arc::clone(kept))),
                Ok(Progress::Unkept) => return Ok(Met::sent(first, true)),
                Ok(Progress::Unknown) => return Ok(Met::sent(first, false)),
                // it came to nothing, so this one may be the first
                Ok(Progress::UnderWay) | Err(_) => {}
            }
        }
    }

    /// A create that memory does not know may be one that an earlier process sent.
    async fn unless_in_the_books(
        &self,
        turn: Turn,
        fingerprint: Fingerprint,
        since: UtcTime,
    ) -> Result<Met, LedgerError> {
        // asked again, for between the books' answer and our look a delivery may have been booked
        let mut earlier = self.undelivered(fingerprint, since).await?;
        if earlier.is_some() {
            earlier = self.undelivered(fingerprint, since).await?;
        }
        Ok(match earlier {
            None => Met::New(turn),
            Some(record) => Met::sent(record.request, matches!(record.state, State::Settled(_))),
        })
    }

    /// What tells that an answer which is given again has reached its client.
    pub(super) fn delivery(self: &Arc<Self>, of: Fingerprint, first: RequestId) -> Delivery {
        Delivery::again(Arc::clone(self), of, first)
    }

    /// What the books know, but for what was delivered and is not booked so yet.
    async fn undelivered(
        &self,
        fingerprint: Fingerprint,
        since: UtcTime,
    ) -> Result<Option<Record>, LedgerError> {
        let found = self.ledger.undelivered(fingerprint, since).await?;
        Ok(found.filter(|record| !self.memory().is_delivered(record.request)))
    }

    fn since(&self) -> UtcTime {
        let now = self.clock.now();
        now.checked_sub(self.window).unwrap_or(UtcTime::MIN)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Met {
    const fn sent(first: RequestId, took_effect: bool) -> Self {
        Self::Sent { first, took_effect }
    }
}

/// The digest of all that makes two creates the same one; `None` for what creates nothing.
pub(super) fn fingerprint(
    asked: &Asked<'_>,
    target: &str,
    caller: &Caller,
    presented: &Presented,
    wishes: &Wishes,
) -> Option<Fingerprint> {
    if !asked.route.operation.is_create() || wishes.dry_run {
        return None;
    }
    // keys that nobody knows go by one name, and are still different people
    let stranger = (*caller.key == *UNKNOWN_KEY).then(|| presented.hash().to_string());
    let words = [
        &*caller.team,
        &*caller.key,
        stranger.as_deref().unwrap_or_default(),
        wishes.idempotency_key.as_deref().unwrap_or_default(),
        asked.method.as_str(),
        target,
    ];
    let [team, key, stranger, own_key, method, target] = words.map(str::as_bytes);
    Some(Fingerprint::of(&[
        team, key, stranger, own_key, method, target, asked.body,
    ]))
}

#[cfg(test)]
mod tests;
