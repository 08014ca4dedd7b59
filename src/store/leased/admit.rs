//! A request on its way in: from leases where they have room, or durably in the books, which are given back what
//! leases hold and nobody needs.

use std::time::Duration;

use tokio::time::timeout;

use super::{LeasedBooks, State};
use crate::ledger::{
    AccountKey, Breach, Denial, LedgerError, NewReservation, RequestId, Reserved, Standing,
};
use crate::policy::Account;
use crate::units::{Amount, UtcTime};

/// How many writes of the journal a request waits for, and how long for each.
const MARKINGS: usize = 3;
const MARKING: Duration = Duration::from_millis(20);
/// Requests in doubt that are remembered; of more the oldest are forgotten, which nobody sends again.
const MOST_DOUBTFUL: usize = 10_000;
/// How often a request asks again whose budget is only short because others lease of it.
const GATHERINGS: usize = 6;
/// They hear of it with their next report.
const GATHER_PAUSE: Duration = Duration::from_millis(60);

impl LeasedBooks {
    /// Admits a request from leases. One for which they have room waits for the journal to say so: that is
    /// a write on this machine's disk, and the books are a longer way off.
    pub(super) async fn admit(&self, new: &NewReservation, now: UtcTime) -> Option<Vec<Standing>> {
        let mut marked = self.marked.notified();
        let mut admitted = self.ask_the_leases(|state| {
            if state.doubtful.contains(&new.request) {
                return Err(Denial::Unleased);
            }
            state.book.admit(new, now)
        });
        for _ in 0..MARKINGS {
            if admitted != Err(Denial::Unmarked) || timeout(MARKING, marked).await.is_err() {
                break;
            }
            marked = self.marked.notified();
            admitted = self.ask_the_leases(|state| state.book.admit_marked(new, now));
        }
        admitted.ok()
    }

    fn ask_the_leases<T>(&self, ask: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let answer = ask(&mut state);
        if state.book.runs_short() {
            self.running_short.notify_one();
        }
        answer
    }

    /// Reserves durably. What is only short because of leases is gathered first.
    pub(super) async fn reserve_in_the_books(
        &self,
        new: &NewReservation,
        now: UtcTime,
    ) -> Result<Reserved, LedgerError> {
        for _ in 0..GATHERINGS {
            let breaches = match self.alive(|| self.books.reserve(new, now)).await? {
                Reserved::Full(breaches) => breaches,
                granted @ Reserved::Granted(_) => return Ok(granted),
            };
            if !self.gather(&breaches).await? {
                return Ok(Reserved::Full(breaches));
            }
        }
        self.alive(|| self.books.reserve(new, now)).await
    }

    /// Gets back what leases hold of these accounts and nobody needs. `false` where that cannot help.
    async fn gather(&self, breaches: &[Breach]) -> Result<bool, LedgerError> {
        let keys: Vec<_> = breaches
            .iter()
            .map(|breach| AccountKey::from(&breach.account))
            .collect();
        let elsewhere: Vec<Account> = breaches
            .iter()
            .filter(|breach| !breach.elsewhere.is_zero())
            .map(|breach| breach.account.clone())
            .collect();
        let ours = {
            let mut state = self.state();
            // with what is on its way back to the books and was not there yet
            let own = breaches.iter().zip(&keys);
            let own = own.map(|(breach, key)| state.book.unspent(key, breach.lent));
            let own: Vec<Amount> = own.collect();
            let curable = breaches.iter().zip(&own).all(|(breach, own)| {
                let leased = own.saturating_add(breach.elsewhere);
                breach.remaining.saturating_add(leased) >= breach.needed
            });
            if !curable {
                return Ok(false);
            }
            state.book.give_back(keys.iter());
            own.iter().any(|own| !own.is_zero())
        };
        if ours {
            self.tell_the_books().await?;
        }
        if !elsewhere.is_empty() {
            let now = self.clock.now();
            self.alive(|| self.books.recall(&elsewhere, now)).await?;
            tokio::time::sleep(GATHER_PAUSE).await;
        }
        Ok(true)
    }
}

impl State {
    /// What the books have left, and what leases of this guard have: its requests may take both.
    pub(super) fn with_own(&self, mut standings: Vec<Standing>) -> Vec<Standing> {
        for standing in &mut standings {
            let key = AccountKey::from(&standing.account);
            let own = self.book.unspent(&key, standing.lent);
            standing.remaining = standing.remaining.map(|left| left.saturating_add(own));
            standing.lent = Amount::ZERO;
        }
        standings
    }

    /// The same of accounts that are short, as long as they stay so.
    pub(super) fn short_with_own(&self, mut breaches: Vec<Breach>) -> Vec<Breach> {
        for breach in &mut breaches {
            let key = AccountKey::from(&breach.account);
            let own = self.book.unspent(&key, breach.lent);
            let left = breach.remaining.saturating_add(own);
            if left < breach.needed {
                breach.remaining = left;
            }
            breach.lent = Amount::ZERO;
        }
        breaches
    }

    pub(super) fn doubt(&mut self, request: RequestId) {
        self.doubtful.insert(request);
        if self.doubtful.len() > MOST_DOUBTFUL {
            self.doubtful.pop_first();
        }
    }
}
