//! The whole of the books in memory, and nothing but the rules: it keeps what was reserved, what was
//! leased and how that ended, and works out every balance from scratch. Slow and obviously right, it is
//! the measure for the stores, and serves the tests of every room below.
//!
//! Each step is made on a copy, which takes the place of the books when the step has gone well.

mod books;
mod lives;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use self::books::Books;
use super::{
    Balance, Begun, Cap, Commitment, Entry, Epoch, Event, Evidence, Fingerprint, Followed, Kept,
    Land, LandQuery, Leased, Ledger, LedgerError, MOST_TOLD, Meter, NewFollowed, NewReservation,
    NewTopUp, Outcome, Proof, Reading, Record, ReplicaId, Report, RequestId, Reserved, Seen,
    Spending, Standing, State, TRUE_UP, Told, TopUp, Turn,
};
use crate::planet::Kind;
use crate::policy::Account;
use crate::units::{Amount, UtcTime};

/// The books as one replica sees them.
#[derive(Debug)]
pub struct Model {
    books: Arc<Mutex<Books>>,
    replica: ReplicaId,
    epoch: Mutex<Epoch>,
}

impl Default for Model {
    fn default() -> Self {
        Self::of(Arc::default(), ReplicaId::from_uuid(uuid::Uuid::nil()))
    }
}

impl Model {
    /// The same books, in the eyes of another replica, whose life has begun.
    #[must_use]
    pub fn beside(&self, replica: ReplicaId) -> Self {
        Self::of(Arc::clone(&self.books), replica)
    }

    fn of(books: Arc<Mutex<Books>>, replica: ReplicaId) -> Self {
        let born = locked(&books).begin(replica, None, UtcTime::UNIX_EPOCH);
        let epoch = born.map_or(Epoch::from_number(0), |begun| begun.epoch);
        Self {
            books,
            replica,
            epoch: Mutex::new(epoch),
        }
    }

    /// A copy of the books, to try a step on.
    #[cfg(test)]
    pub(super) fn apart(&self) -> Self {
        Self {
            books: Arc::new(Mutex::new(self.books().clone())),
            replica: self.replica,
            epoch: Mutex::new(self.epoch()),
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        locked(&self.books)
    }

    fn epoch(&self) -> Epoch {
        *locked(&self.epoch)
    }

    /// One whole step, or nothing.
    fn step<T>(
        &self,
        step: impl FnOnce(&mut Books) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let mut books = self.books();
        let mut next = books.clone();
        let answer = step(&mut next)?;
        *books = next;
        Ok(answer)
    }

    /// A step that this life must still be allowed to make.
    fn own_step<T>(
        &self,
        step: impl FnOnce(&mut Books, Epoch) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let me = self.epoch();
        self.step(|books| {
            books.must_live(me)?;
            step(books, me)
        })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Ledger for Model {
    async fn begin(&self, proof: Option<&Proof>, now: UtcTime) -> Result<Begun, LedgerError> {
        let begun = self.step(|books| books.begin(self.replica, proof, now))?;
        *locked(&self.epoch) = begun.epoch;
        Ok(begun)
    }

    async fn leave(&self, now: UtcTime) -> Result<(), LedgerError> {
        self.own_step(|books, me| books.leave(me, now))
    }

    async fn give_up(
        &self,
        silent_since: UtcTime,
        now: UtcTime,
    ) -> Result<Vec<ReplicaId>, LedgerError> {
        self.own_step(|books, me| books.give_up(me, silent_since, now))
    }

    async fn reserve(&self, new: &NewReservation, now: UtcTime) -> Result<Reserved, LedgerError> {
        self.own_step(|books, me| books.reserve(me, new, now))
    }

    async fn close(
        &self,
        request: RequestId,
        outcome: &Outcome,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        self.own_step(|books, me| books.close(me, request, outcome, now))
    }

    async fn reconcile(
        &self,
        request: RequestId,
        evidence: &Evidence,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        let me = self.epoch();
        self.step(|books| books.reconcile(me, request, evidence, now))
    }

    async fn report(&self, report: &Report, now: UtcTime) -> Result<Vec<Leased>, LedgerError> {
        self.own_step(|books, me| books.report(me, report, now))
    }

    async fn recall(&self, accounts: &[Account], now: UtcTime) -> Result<(), LedgerError> {
        self.own_step(|books, me| {
            books.recall(me, accounts, now);
            Ok(())
        })
    }

    async fn delivered(&self, request: RequestId, _now: UtcTime) -> Result<(), LedgerError> {
        self.own_step(|books, _| {
            let record = books.records.get_mut(&request);
            record.ok_or(LedgerError::NotReserved(request))?.fingerprint = None;
            Ok(())
        })
    }

    async fn undelivered(
        &self,
        fingerprint: Fingerprint,
        since: UtcTime,
    ) -> Result<Option<Record>, LedgerError> {
        let books = self.books();
        let mut latest_first = books.records.values().rev();
        let found = latest_first.find(|record| {
            record.fingerprint == Some(fingerprint)
                && record.reserved_at >= since
                && !matches!(record.state, State::Voided | State::Reconciled(_))
        });
        Ok(found.cloned())
    }

    async fn follow(&self, new: &NewFollowed, now: UtcTime) -> Result<(), LedgerError> {
        self.own_step(|books, _| {
            books.find(new.request)?;
            let known = books.followed.entry(new.request);
            known.or_insert_with(|| new.begin(now));
            Ok(())
        })
    }

    async fn due(&self, limit: u32, now: UtcTime) -> Result<Vec<Followed>, LedgerError> {
        self.own_step(|books, _| {
            let mut due: Vec<&mut Followed> = books.followed.values_mut().collect();
            due.retain(|one| one.is_due(now));
            due.sort_by_key(|one| (one.next_at, one.request));
            let taken = due.into_iter().zip(0..limit).map(|(one, _)| {
                one.put_off(now);
                one.clone()
            });
            Ok(taken.collect())
        })
    }

    async fn seen(&self, request: RequestId, seen: &Seen, now: UtcTime) -> Result<(), LedgerError> {
        self.own_step(|books, _| {
            let one = books.followed.get_mut(&request);
            let note = one.ok_or(LedgerError::NotFollowed(request))?.see(seen, now);
            if let Some(note) = note {
                books.note(TRUE_UP, note, now);
            }
            Ok(())
        })
    }

    async fn followed(
        &self,
        upstream: &str,
        kind: Kind,
        name: &str,
    ) -> Result<Vec<Followed>, LedgerError> {
        let books = self.books();
        let of_that_name = books.followed.values().filter(|one| {
            (&*one.upstream, one.made.kind, &*one.made.name) == (upstream, kind, name)
        });
        Ok(of_that_name.cloned().collect())
    }

    async fn next_due(&self) -> Result<Option<UtcTime>, LedgerError> {
        let books = self.books();
        let open = books.followed.values().filter(|one| one.over_at.is_none());
        Ok(open.map(|one| one.next_at).min())
    }

    async fn keep_reading(&self, reading: &Reading, now: UtcTime) -> Result<bool, LedgerError> {
        self.own_step(|books, me| books.keep_reading(me, reading, now))
    }

    async fn meters(&self) -> Result<Vec<Meter>, LedgerError> {
        Ok(self.books().meters.values().cloned().collect())
    }

    async fn spending(&self, of: &Spending) -> Result<Amount, LedgerError> {
        let books = self.books();
        let each = books.records.values().map(|record| of.of(record));
        Ok(each.fold(Amount::ZERO, Amount::saturating_add))
    }

    async fn lock_land(&self, land: &Land, _now: UtcTime) -> Result<bool, LedgerError> {
        self.own_step(|books, _| books.lock_land(land))
    }

    async fn locked_land(&self, query: &LandQuery) -> Result<Vec<Arc<str>>, LedgerError> {
        Ok(self.books().locked_land(query))
    }

    async fn top_up(&self, new: &NewTopUp, now: UtcTime) -> Result<TopUp, LedgerError> {
        self.step(|books| books.top_up(new.clone(), now))
    }

    async fn top_ups(&self) -> Result<Vec<TopUp>, LedgerError> {
        Ok(self.books().top_ups.clone())
    }

    async fn keep(&self, turns: &[Turn], now: UtcTime) -> Result<Vec<Kept>, LedgerError> {
        let kept = turns
            .iter()
            .map(|turn| self.own_step(|books, me| books.keep(me, turn, now)));
        kept.collect()
    }

    async fn commitments(&self) -> Result<Vec<Commitment>, LedgerError> {
        let books = self.books();
        let open = books.commitments.values().filter(|one| !one.is_over());
        Ok(open.cloned().collect())
    }

    async fn publish(&self, caps: &[Cap], now: UtcTime) -> Result<(), LedgerError> {
        self.own_step(|books, _| {
            books.publish(self.replica, caps, now);
            Ok(())
        })
    }

    async fn published(&self) -> Result<Vec<(ReplicaId, Cap)>, LedgerError> {
        Ok(self.books().published())
    }

    async fn balances(&self) -> Result<Vec<Balance>, LedgerError> {
        let books = self.books();
        let rows = books.accounts.values();
        rows.map(|account| books.balance(account)).collect()
    }

    async fn balance(&self, account: &Account) -> Result<Balance, LedgerError> {
        self.books().balance(account)
    }

    async fn entries(&self, after: u64, limit: u32) -> Result<Vec<Entry>, LedgerError> {
        let books = self.books();
        Ok(page(
            books.entries.iter().filter(|entry| entry.sequence > after),
            limit,
        ))
    }

    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Event>, LedgerError> {
        let books = self.books();
        Ok(page(
            books.events.iter().filter(|event| event.sequence > after),
            limit,
        ))
    }

    async fn record(&self, request: RequestId) -> Result<Option<Record>, LedgerError> {
        Ok(self.books().records.get(&request).cloned())
    }

    async fn told(&self) -> Result<Vec<Told>, LedgerError> {
        let books = self.books();
        let latest_first = books.records.values().rev();
        let latest = latest_first.zip(0..MOST_TOLD);
        let mut told: Vec<_> = latest
            .filter_map(|(record, _)| {
                let Record {
                    team,
                    api,
                    predicted,
                    state,
                    ..
                } = record;
                Told::of(team, api, predicted, state)
            })
            .collect();
        told.reverse();
        Ok(told)
    }

    async fn unknowns(
        &self,
        after: Option<RequestId>,
        limit: u32,
    ) -> Result<Vec<Record>, LedgerError> {
        let books = self.books();
        let in_doubt = books.records.values().filter(|record| {
            matches!(record.state, State::Unknown { .. }) && Some(record.request) > after
        });
        Ok(page(in_doubt, limit))
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        Ok(())
    }
}

fn page<'a, T: Clone + 'a>(items: impl Iterator<Item = &'a T>, limit: u32) -> Vec<T> {
    items.zip(0..limit).map(|(item, _)| item.clone()).collect()
}
