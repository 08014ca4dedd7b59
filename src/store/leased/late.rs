//! Ends of requests that the books could not take when they came.
//!
//! A request under way must not wait for a database that is away, and what it was charged must not be lost
//! with the wait: it stays held, and so counts, until the books hear how it ended.

use tracing::{error, warn};

use super::LeasedBooks;
use crate::ledger::{LedgerError, Outcome, RequestId};
use crate::units::UtcTime;

/// Ends that may wait. What ends beyond them stays held until the next start, and is unknown then.
const MOST: usize = 100_000;

impl LeasedBooks {
    /// Keeps an end for later; whether there is room.
    pub(super) fn tell_later(&self, request: RequestId, outcome: &Outcome, now: UtcTime) -> bool {
        let mut state = self.state();
        let room = state.late.len() < MOST;
        if room {
            // the first outcome wins, here as in the books
            let end = || (outcome.clone(), now);
            state.late.entry(request).or_insert_with(end);
        }
        room
    }

    /// Tells the books what they have missed.
    pub(super) async fn tell_what_is_late(&self) -> Result<(), LedgerError> {
        loop {
            let next = {
                let state = self.state();
                let first = state.late.first_key_value();
                first.map(|(request, (outcome, at))| (*request, outcome.clone(), *at))
            };
            let Some((request, outcome, at)) = next else {
                return Ok(());
            };
            match self.alive(|| self.books.close(request, &outcome, at)).await {
                Ok(_) => warn!(request.id = %request, "the books have been told how it ended"),
                Err(away @ LedgerError::Unavailable(_)) => return Err(away),
                Err(cause) => {
                    error!(request.id = %request, %cause, "the books do not take how it ended");
                }
            }
            self.state().late.remove(&request);
        }
    }
}
