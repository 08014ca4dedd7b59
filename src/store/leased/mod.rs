//! Leases in front of the books: small requests are admitted in memory, all others reserve durably.
//!
//! [`LeaseBook`] decides; here is what it needs of the world. Its reports go to the books, its marks to
//! the [`Journal`] on this machine's disk. It keeps every promise of [`Ledger`] that the books keep.

mod admit;
mod journal;
mod keeper;
mod late;
#[cfg(test)]
mod tests;

pub use journal::{Journal, JournalError};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::Notify;
use tracing::{debug, warn};

use crate::clock::Clock;
use crate::ledger::{
    AccountKey, Balance, Begun, Cap, Commitment, Entry, Event, Evidence, Fingerprint, Followed,
    Kept, Land, LandQuery, LeaseBook, Leased, Ledger, LedgerError, Marks, Meter, NewFollowed,
    NewReservation, NewTopUp, Orphans, Outcome, Proof, Reading, Record, ReplicaId, Report,
    RequestId, Reserved, Seen, Spending, Standing, Told, TopUp, Turn,
};
use crate::planet::Kind;
use crate::policy::Account;
use crate::units::{Amount, Unit, UtcTime};

/// The books of one guard, with its leases in front.
pub struct LeasedBooks {
    books: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    journal: Mutex<Journal>,
    /// One report at a time.
    reporting: tokio::sync::Mutex<()>,
    /// One life begins at a time.
    beginning: tokio::sync::Mutex<()>,
    /// A lease runs short of what the journal allows.
    running_short: Notify,
    /// The journal has been written, or could not be.
    marked: Notify,
    /// The limits that policies of guards on these books were found to differ in.
    differing: Mutex<BTreeSet<(Arc<str>, Unit)>>,
}

struct State {
    book: LeaseBook,
    /// Earlier lives of this process that the books had closed.
    orphans: Vec<Orphans>,
    /// Requests for which the books did not say whether they have reserved: none of them is admitted here.
    doubtful: BTreeSet<RequestId>,
    /// How requests ended that are in the books, and that these could not be told yet.
    late: BTreeMap<RequestId, (Outcome, UtcTime)>,
    /// The books are older than what was written into them.
    restored: bool,
}

impl LeasedBooks {
    /// Begins a life in the books and starts to keep its leases.
    pub async fn open(
        books: Arc<dyn Ledger>,
        mut journal: Journal,
        clock: Arc<dyn Clock>,
    ) -> Result<(Arc<Self>, Begun), LedgerError> {
        let now = clock.now();
        let begun = books.begin(journal.proof(), now).await?;
        journal.begin(begun.epoch).map_err(not_written)?;
        let state = State {
            book: LeaseBook::new(begun.epoch, now),
            orphans: Vec::new(),
            doubtful: BTreeSet::new(),
            late: BTreeMap::new(),
            restored: false,
        };
        let leased = Arc::new(Self {
            books,
            clock,
            state: Mutex::new(state),
            journal: Mutex::new(journal),
            reporting: tokio::sync::Mutex::new(()),
            beginning: tokio::sync::Mutex::new(()),
            running_short: Notify::new(),
            marked: Notify::new(),
            differing: Mutex::default(),
        });
        keeper::keep(&leased);
        Ok((leased, begun))
    }

    /// Ends this life well: what is still under way counts as unknown, all that was spent is reported, and
    /// the leases are free for others.
    pub async fn shut_down(&self) -> Result<(), LedgerError> {
        let now = self.clock.now();
        {
            let mut state = self.state();
            let cut_off: Vec<_> = state
                .book
                .under_way()
                .map(|record| record.request)
                .collect();
            let outcome = Outcome::Unknown {
                why: "the guard stopped before upstream answered".into(),
            };
            for request in cut_off {
                _ = state.book.close(request, &outcome, now);
            }
            state.book.give_back_all();
        }
        self.tell_the_books().await?;
        self.tell_what_is_late().await?;
        self.books.leave(now).await?;
        let epoch = self.state().book.epoch();
        if let Err(cause) = self.write_marks(epoch, &Marks::new()) {
            debug!(%cause, "the journal does not know of the last report");
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a step in the books. When they have closed this life meanwhile, begins another and tries again.
    async fn alive<'a, T: 'a, F>(&self, step: impl Fn() -> F) -> Result<T, LedgerError>
    where
        F: Future<Output = Result<T, LedgerError>> + 'a,
    {
        if self.state().restored {
            return Err(LedgerError::Restored);
        }
        let epoch = self.state().book.epoch();
        match step().await {
            Err(LedgerError::Fenced) => {
                self.begin_anew(epoch).await?;
                step().await
            }
            answer => answer,
        }
    }

    /// What the books do not know yet, they are told; then they can be read.
    async fn up_to_date(&self) {
        // what could not be told is still here, and the reader sees what the books have
        _ = self.tell_the_books().await;
        _ = self.tell_what_is_late().await;
    }

    /// Shows what is under way in leases as held: for a reader it is no longer free.
    fn show_under_way(&self, balances: &mut [Balance]) {
        let state = self.state();
        for record in state.book.under_way() {
            for claim in &record.claims {
                let key = AccountKey::from(&claim.account);
                let own = |balance: &&mut Balance| AccountKey::from(&balance.account) == key;
                if let Some(balance) = balances.iter_mut().find(own) {
                    balance.held = balance.held.saturating_add(claim.amount);
                    balance.leased = balance.leased.minus(claim.amount);
                }
            }
        }
    }
}

fn not_written(cause: JournalError) -> LedgerError {
    LedgerError::Unavailable(cause.into())
}

#[async_trait]
impl Ledger for LeasedBooks {
    async fn begin(&self, proof: Option<&Proof>, now: UtcTime) -> Result<Begun, LedgerError> {
        self.books.begin(proof, now).await
    }

    async fn leave(&self, _now: UtcTime) -> Result<(), LedgerError> {
        self.shut_down().await
    }

    async fn give_up(
        &self,
        silent_since: UtcTime,
        now: UtcTime,
    ) -> Result<Vec<ReplicaId>, LedgerError> {
        self.alive(|| self.books.give_up(silent_since, now)).await
    }

    async fn reserve(&self, new: &NewReservation, now: UtcTime) -> Result<Reserved, LedgerError> {
        if let Some(standings) = self.admit(new, now).await {
            return Ok(Reserved::Granted(standings));
        }
        let reserved = self.reserve_in_the_books(new, now).await;
        let mut state = self.state();
        if matches!(reserved, Err(LedgerError::Unavailable(_))) {
            state.doubt(new.request);
        }
        reserved.map(|reserved| match reserved {
            Reserved::Granted(standings) => Reserved::Granted(state.with_own(standings)),
            Reserved::Full(breaches) => Reserved::Full(state.short_with_own(breaches)),
        })
    }

    async fn close(
        &self,
        request: RequestId,
        outcome: &Outcome,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        {
            let mut state = self.state();
            if let Some(answer) = state.book.close(request, outcome, now) {
                return answer;
            }
            if state
                .orphans
                .iter_mut()
                .any(|life| life.close(request, outcome, now))
            {
                return Ok(Vec::new());
            }
        }
        match self.alive(|| self.books.close(request, outcome, now)).await {
            Err(LedgerError::Unavailable(cause)) if self.tell_later(request, outcome, now) => {
                warn!(request.id = %request, cause, "the books will be told later how it ended");
                Ok(Vec::new())
            }
            answer => answer.map(|standings| self.state().with_own(standings)),
        }
    }

    async fn reconcile(
        &self,
        request: RequestId,
        evidence: &Evidence,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        self.up_to_date().await;
        self.books.reconcile(request, evidence, now).await
    }

    async fn report(&self, report: &Report, now: UtcTime) -> Result<Vec<Leased>, LedgerError> {
        self.books.report(report, now).await
    }

    async fn recall(&self, accounts: &[Account], now: UtcTime) -> Result<(), LedgerError> {
        self.alive(|| self.books.recall(accounts, now)).await
    }

    async fn delivered(&self, request: RequestId, now: UtcTime) -> Result<(), LedgerError> {
        self.alive(|| self.books.delivered(request, now)).await
    }

    async fn undelivered(
        &self,
        fingerprint: Fingerprint,
        since: UtcTime,
    ) -> Result<Option<Record>, LedgerError> {
        self.books.undelivered(fingerprint, since).await
    }

    async fn follow(&self, new: &NewFollowed, now: UtcTime) -> Result<(), LedgerError> {
        self.alive(|| self.books.follow(new, now)).await
    }

    async fn due(&self, limit: u32, now: UtcTime) -> Result<Vec<Followed>, LedgerError> {
        self.alive(|| self.books.due(limit, now)).await
    }

    async fn seen(&self, request: RequestId, seen: &Seen, now: UtcTime) -> Result<(), LedgerError> {
        self.alive(|| self.books.seen(request, seen, now)).await
    }

    async fn followed(
        &self,
        upstream: &str,
        kind: Kind,
        name: &str,
    ) -> Result<Vec<Followed>, LedgerError> {
        self.books.followed(upstream, kind, name).await
    }

    async fn next_due(&self) -> Result<Option<UtcTime>, LedgerError> {
        self.books.next_due().await
    }

    async fn keep_reading(&self, reading: &Reading, now: UtcTime) -> Result<bool, LedgerError> {
        self.alive(|| self.books.keep_reading(reading, now)).await
    }

    async fn meters(&self) -> Result<Vec<Meter>, LedgerError> {
        self.books.meters().await
    }

    async fn spending(&self, of: &Spending) -> Result<Amount, LedgerError> {
        self.up_to_date().await;
        self.books.spending(of).await
    }

    async fn lock_land(&self, land: &Land, now: UtcTime) -> Result<bool, LedgerError> {
        self.alive(|| self.books.lock_land(land, now)).await
    }

    async fn locked_land(&self, query: &LandQuery) -> Result<Vec<Arc<str>>, LedgerError> {
        self.books.locked_land(query).await
    }

    async fn top_up(&self, new: &NewTopUp, now: UtcTime) -> Result<TopUp, LedgerError> {
        self.books.top_up(new, now).await
    }

    async fn top_ups(&self) -> Result<Vec<TopUp>, LedgerError> {
        self.books.top_ups().await
    }

    async fn keep(&self, turns: &[Turn], now: UtcTime) -> Result<Vec<Kept>, LedgerError> {
        self.alive(|| self.books.keep(turns, now)).await
    }

    async fn commitments(&self) -> Result<Vec<Commitment>, LedgerError> {
        self.books.commitments().await
    }

    async fn publish(&self, caps: &[Cap], now: UtcTime) -> Result<(), LedgerError> {
        self.alive(|| self.books.publish(caps, now)).await
    }

    async fn published(&self) -> Result<Vec<(ReplicaId, Cap)>, LedgerError> {
        self.books.published().await
    }

    async fn balances(&self) -> Result<Vec<Balance>, LedgerError> {
        self.up_to_date().await;
        let mut balances = self.books.balances().await?;
        self.show_under_way(&mut balances);
        Ok(balances)
    }

    async fn balance(&self, account: &Account) -> Result<Balance, LedgerError> {
        self.up_to_date().await;
        let mut balance = self.books.balance(account).await?;
        self.show_under_way(std::slice::from_mut(&mut balance));
        Ok(balance)
    }

    async fn entries(&self, after: u64, limit: u32) -> Result<Vec<Entry>, LedgerError> {
        self.up_to_date().await;
        self.books.entries(after, limit).await
    }

    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Event>, LedgerError> {
        self.books.events(after, limit).await
    }

    async fn record(&self, request: RequestId) -> Result<Option<Record>, LedgerError> {
        let known = self.state().book.record(request).cloned();
        match known {
            Some(record) => Ok(Some(record)),
            None => self.books.record(request).await,
        }
    }

    async fn told(&self) -> Result<Vec<Told>, LedgerError> {
        self.up_to_date().await;
        self.books.told().await
    }

    async fn unknowns(
        &self,
        after: Option<RequestId>,
        limit: u32,
    ) -> Result<Vec<Record>, LedgerError> {
        self.up_to_date().await;
        self.books.unknowns(after, limit).await
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        if self.state().restored {
            return Err(LedgerError::Restored);
        }
        self.books.ping().await
    }
}
