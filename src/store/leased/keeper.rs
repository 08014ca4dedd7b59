//! What goes on beside the requests: marks to the journal, reports to the books, orphans cleared up, and
//! silent replicas given up.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tracing::{debug, error, warn};

use super::{LeasedBooks, not_written};
use crate::ledger::{Epoch, LedgerError, Marks, differing};
use crate::units::UtcTime;

/// How often the books hear what was spent. What was not reported is in doubt after a crash.
const REPORT_EVERY: Duration = Duration::from_millis(50);
/// How often marks are looked after, if no request has said that they run short.
const MARK_EVERY: Duration = Duration::from_millis(25);
const LOOK_FOR_SILENT_EVERY: Duration = Duration::from_secs(5);
const LOOK_AT_LIMITS_EVERY: Duration = Duration::from_secs(5);
/// A replica that was silent for so long is given up. It has stopped admitting from its leases long before.
const SILENT_FOR: Duration = Duration::from_secs(20);
/// Reports in a row until the books are up to date; more than that come faster than they can be told.
const MOST_REPORTS: usize = 64;

/// Runs until nobody uses the books any more.
pub(super) fn keep(books: &Arc<LeasedBooks>) {
    tokio::spawn(every(Arc::downgrade(books), REPORT_EVERY, async |books| {
        books.report_now().await;
    }));
    tokio::spawn(every(
        Arc::downgrade(books),
        LOOK_AT_LIMITS_EVERY,
        async |books| books.compare_limits().await,
    ));
    tokio::spawn(give_up_the_silent(Arc::downgrade(books)));
    tokio::spawn(note_what_was_reported(Arc::downgrade(books)));
    tokio::spawn(mark(Arc::downgrade(books)));
}

async fn every(
    books: Weak<LeasedBooks>,
    period: Duration,
    task: impl AsyncFn(&LeasedBooks) + Send + 'static,
) {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(books) = books.upgrade() else {
            return;
        };
        task(&books).await;
    }
}

/// Gives up whoever is silent, once others have had the time to be heard: this guard's clock may be ahead of
/// theirs.
async fn give_up_the_silent(books: Weak<LeasedBooks>) {
    tokio::time::sleep(SILENT_FOR).await;
    let look = async |books: &LeasedBooks| books.give_up_the_silent().await;
    every(books, LOOK_FOR_SILENT_EVERY, look).await;
}

/// Keeps the journal's word of what the books have taken fresh, also while no marks are due.
async fn note_what_was_reported(books: Weak<LeasedBooks>) {
    loop {
        tokio::time::sleep(LOOK_FOR_SILENT_EVERY).await;
        let Some(books) = books.upgrade() else {
            return;
        };
        let note = move || {
            let epoch = books.state().book.epoch();
            books.write_marks(epoch, &Marks::new())
        };
        if let Ok(Err(cause)) = tokio::task::spawn_blocking(note).await {
            debug!(%cause, "the journal could not be brought up to date");
        }
    }
}

async fn mark(books: Weak<LeasedBooks>) {
    loop {
        let Some(books) = books.upgrade() else {
            return;
        };
        books.mark_now().await;
        let short = books.running_short.notified();
        _ = tokio::time::timeout(MARK_EVERY, short).await;
    }
}

impl LeasedBooks {
    /// Lets the leases spend as far as the journal then says.
    async fn mark_now(self: &Arc<Self>) {
        let (epoch, marks) = {
            let mut state = self.state();
            (state.book.epoch(), state.book.marks_due())
        };
        if marks.is_empty() {
            return;
        }
        let (books, to_write) = (Arc::clone(self), marks.clone());
        let write = move || books.write_marks(epoch, &to_write);
        let answer = tokio::task::spawn_blocking(write).await;
        {
            let mut state = self.state();
            match answer {
                Ok(Ok(())) if state.book.epoch() == epoch => state.book.marked(&marks),
                Ok(Ok(())) => {}
                Ok(Err(cause)) => {
                    error!(%cause, "the journal cannot be written; small requests reserve in the books");
                    state.book.not_marked();
                }
                Err(cause) => {
                    error!(%cause, "the journal's task did not end well");
                    state.book.not_marked();
                }
            }
        }
        self.marked.notify_waiters();
    }

    pub(super) fn write_marks(&self, epoch: Epoch, marks: &Marks) -> Result<(), LedgerError> {
        let reported = self.state().book.reported();
        let all = || self.state().book.marks();
        let mut journal = self
            .journal
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        journal
            .mark(epoch, reported, marks, all)
            .map_err(not_written)
    }

    async fn report_now(&self) {
        match self.tell_the_books().await {
            Ok(()) => {}
            Err(cause) => debug!(%cause, "the books could not be told"),
        }
        if let Err(cause) = self.tell_what_is_late().await {
            debug!(%cause, "the books could not be told what is late");
        }
        self.clear_up_orphans().await;
    }

    /// Reports until the books know everything.
    pub(super) async fn tell_the_books(&self) -> Result<(), LedgerError> {
        let _one_at_a_time = self.reporting.lock().await;
        for _ in 0..MOST_REPORTS {
            let now = self.clock.now();
            let (epoch, report) = {
                let mut state = self.state();
                if state.restored {
                    return Err(LedgerError::Restored);
                }
                (state.book.epoch(), state.book.report_due(now))
            };
            let Some(report) = report else {
                return Ok(());
            };
            match self.books.report(&report, now).await {
                Ok(answer) => self.state().book.acknowledge(report.number, &answer),
                Err(cause @ LedgerError::Unavailable(_)) => return Err(cause),
                Err(LedgerError::Fenced) => self.begin_anew(epoch).await?,
                Err(cause) => {
                    error!(%cause, "the books refuse a report; this guard begins anew with them");
                    self.begin_anew(epoch).await?;
                }
            }
        }
        Ok(())
    }

    /// Begins another life after the one that was fenced, unless somebody else has by now.
    pub(super) async fn begin_anew(&self, fenced: Epoch) -> Result<(), LedgerError> {
        let _one_at_a_time = self.beginning.lock().await;
        let (now, proof) = {
            let mut state = self.state();
            if state.book.epoch() != fenced {
                return Ok(());
            }
            (self.clock.now(), state.book.proof())
        };
        warn!(epoch = %fenced, "this guard's life in the books is over; it begins another");
        let begun = match self.books.begin(Some(&proof), now).await {
            Ok(begun) => begun,
            Err(cause) => {
                if matches!(cause, LedgerError::Restored) {
                    error!(%cause, "nothing is admitted");
                    self.state().restored = true;
                }
                return Err(cause);
            }
        };
        {
            let mut journal = self
                .journal
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            journal.begin(begun.epoch).map_err(not_written)?;
        }
        let mut state = self.state();
        if state.book.epoch() == fenced {
            let orphans = state.book.begin_anew(begun.epoch, begun.reported, now);
            state.orphans.push(orphans);
        }
        Ok(())
    }

    /// Says what was spent in lives that the books had given up, once it is known.
    async fn clear_up_orphans(&self) {
        let now = self.clock.now();
        let known: Vec<_> = {
            let state = self.state();
            state
                .orphans
                .iter()
                .map(|life| (life.epoch(), life.evidence()))
                .collect()
        };
        for (epoch, evidence) in known {
            let Some(evidence) = evidence else {
                continue;
            };
            if self.say(evidence, now).await.is_ok() {
                self.state().orphans.retain(|life| life.epoch() != epoch);
            }
        }
    }

    async fn say(
        &self,
        evidence: Vec<(crate::ledger::RequestId, crate::ledger::Evidence)>,
        now: UtcTime,
    ) -> Result<(), LedgerError> {
        for (request, evidence) in evidence {
            match self.books.reconcile(request, &evidence, now).await {
                // of an account that was watched and never leased there is nothing in doubt
                Ok(_) | Err(LedgerError::NotReserved(_)) => {}
                Err(cause) => {
                    warn!(request.id = %request, %cause, "a lost lease could not be cleared up yet");
                    return Err(cause);
                }
            }
        }
        Ok(())
    }

    /// Warns, once for each change, of limits that the policies of living guards set differently.
    async fn compare_limits(&self) {
        let Ok(published) = self.books.published().await else {
            return; // the next look will tell
        };
        let differing = differing(&published);
        let mut said = self
            .differing
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if *said == differing {
            return;
        }
        for (budget, unit) in &differing {
            warn!(
                budget = &**budget,
                %unit,
                "guards on this store have different policies: of each limit the lower one holds"
            );
        }
        *said = differing;
    }

    async fn give_up_the_silent(&self) {
        use crate::ledger::Ledger as _;
        let now = self.clock.now();
        let since = now.saturating_sub(SILENT_FOR).unwrap_or(UtcTime::MIN);
        match self.give_up(since, now).await {
            Ok(silent) => {
                for replica in silent {
                    warn!(%replica, "another guard was silent and is given up; what it held is unknown");
                }
            }
            Err(cause) => debug!(%cause, "could not look for silent guards"),
        }
    }
}
