//! What goes on spending after it was answered: each window that begins is asked for its share before anything
//! else can take that room.
//!
//! Planet charges it whether or not it fits, so the share is in the books even where a limit is short; it refuses
//! others then. Who comes first in a new window books what is due, whoever promised it, and a guard that was off
//! catches up with every window that it has missed.

mod due;
mod promise;
mod release;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tracing::{error, warn};

pub(super) use self::promise::Promise;
use super::pipeline::Guard;
use crate::ledger::{Commitment, Course, Kept, LedgerError, State, Turn};
use crate::units::{Amount, UtcTime};

/// Turns to a step of the books.
const AT_A_TIME: usize = 64;
/// How often others may be first before a pass gives up until it is asked again.
const PASSES: usize = 20;
/// How often the clock is looked at, for it may be set.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// When there is something to book next.
#[derive(Debug)]
pub struct Commitments {
    /// In microseconds; until then all is booked.
    next: AtomicI64,
    /// One pass at a time; everybody else waits for its end.
    turn: tokio::sync::Mutex<()>,
}

impl Default for Commitments {
    /// A guard that starts may have missed any number of windows.
    fn default() -> Self {
        Self {
            next: AtomicI64::new(i64::MIN),
            turn: tokio::sync::Mutex::default(),
        }
    }
}

impl Guard {
    /// Books at every window's beginning, until it is aborted.
    pub fn keep_booking(self: &Arc<Self>) -> JoinHandle<()> {
        let guard = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                if let Err(cause) = guard.book_what_is_due().await {
                    let error = &cause as &dyn std::error::Error;
                    error!(
                        error,
                        "what new windows owe to subscriptions cannot be booked yet"
                    );
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        })
    }

    /// Returns when every window that has begun was asked for its share: at once, but for its first moment.
    pub(super) async fn book_what_is_due(&self) -> Result<(), LedgerError> {
        if self.is_booked() {
            return Ok(());
        }
        let _turn = self.commitments.turn.lock().await;
        if self.is_booked() {
            return Ok(());
        }
        let now = self.clock.now();
        self.catch_up(now).await?;
        let next = due::next_window(&self.policy, now);
        let next = next.map_or(i64::MAX, UtcTime::as_microsecond);
        self.commitments.next.store(next, Ordering::Release);
        Ok(())
    }

    /// Whether every window that has begun was asked.
    pub(super) fn is_booked(&self) -> bool {
        self.clock.now().as_microsecond() < self.commitments.next.load(Ordering::Acquire)
    }

    /// Looks again where a window has begun since `then`: what was noted meanwhile was not seen by the others.
    fn catch_up_from(&self, then: UtcTime) {
        let begun = due::next_window(&self.policy, then);
        if begun.is_some_and(|begun| begun <= self.clock.now()) {
            self.commitments.next.store(i64::MIN, Ordering::Release);
        }
    }

    async fn catch_up(&self, now: UtcTime) -> Result<(), LedgerError> {
        for _ in 0..PASSES {
            let mut turns = Vec::new();
            for commitment in self.ledger.commitments().await? {
                turns.extend(self.turns_of(&commitment, now).await?);
            }
            if turns.is_empty() {
                return Ok(());
            }
            self.keep(&turns).await?;
        }
        Err(LedgerError::Unavailable(
            "other guards are booking the same windows all the time".into(),
        ))
    }

    /// What is due of one commitment. One that was asked for and never came to be is over, and so is one whose
    /// time has passed.
    async fn turns_of(
        &self,
        commitment: &Commitment,
        now: UtcTime,
    ) -> Result<Vec<Turn>, LedgerError> {
        let turns = due::turns(&self.policy, commitment, now);
        let has_passed = turns.is_empty() && commitment.end.is_some_and(|end| end <= now);
        let doubtful = !turns.is_empty() && commitment.course == Course::Asked;
        if has_passed || (doubtful && self.came_to_nothing(commitment).await?) {
            let mut over = commitment.next();
            (over.course, over.ahead) = (Course::Over, Vec::new());
            return Ok(vec![Turn::only(over)]);
        }
        Ok(turns)
    }

    async fn came_to_nothing(&self, commitment: &Commitment) -> Result<bool, LedgerError> {
        let record = self.ledger.record(commitment.id.request).await?;
        Ok(match record.map(|record| record.state) {
            Some(State::Voided) => true,
            Some(State::Reconciled(evidence)) => {
                let mut amounts = evidence.amounts.iter();
                !evidence.amounts.is_empty() && amounts.all(|(_, amount)| amount == Amount::ZERO)
            }
            _ => false,
        })
    }

    /// Takes commitments further, and says of each that came too late how it stands.
    async fn keep(
        &self,
        turns: &[Turn],
    ) -> Result<Vec<Option<Option<Box<Commitment>>>>, LedgerError> {
        let mut late = Vec::with_capacity(turns.len());
        for some in turns.chunks(AT_A_TIME) {
            let kept = self.ledger.keep(some, self.clock.now()).await?;
            for (turn, kept) in some.iter().zip(kept) {
                late.push(match kept {
                    Kept::Overtaken(current) => Some(current),
                    Kept::Kept(short) => {
                        for breach in &short {
                            warn!(
                                commitment = turn.commitment.name(),
                                "{}",
                                turn.short(breach)
                            );
                        }
                        None
                    }
                });
            }
        }
        Ok(late)
    }
}
