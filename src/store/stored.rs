//! The books in a database: steps go through the queue, questions to the readers.

use std::sync::Arc;

use async_trait::async_trait;

use super::plain;
use super::queue::Queue;
use super::step::{About, Step};
use super::tables::{Closing, Due};
use crate::ledger::{
    Balance, Begun, Cap, Commitment, Entry, Event, Evidence, Fingerprint, Followed, Kept, Land,
    LandQuery, Leased, Ledger, LedgerError, MOST_ACCOUNT_BYTES, Meter, NewFollowed, NewReservation,
    NewTopUp, Outcome, Proof, Reading, Record, ReplicaId, Report, RequestId, Reserved, Seen,
    Spending, Standing, Told, TopUp, Turn,
};
use crate::planet::Kind;
use crate::policy::Account;
use crate::units::{Amount, UtcTime};

/// The books in a database, as one replica writes and reads them.
#[derive(Debug)]
pub struct Stored<R> {
    pub(super) queue: Queue,
    pub(super) readers: R,
}

/// Questions to the tables of one database. They run beside the writer and see what was committed before.
#[async_trait]
pub(super) trait Readers: Send + Sync {
    async fn undelivered(
        &self,
        fingerprint: Fingerprint,
        since: UtcTime,
    ) -> Result<Option<Record>, LedgerError>;
    async fn followed(
        &self,
        upstream: &str,
        kind: Kind,
        name: &str,
    ) -> Result<Vec<Followed>, LedgerError>;
    async fn next_due(&self) -> Result<Option<UtcTime>, LedgerError>;
    async fn meters(&self) -> Result<Vec<Meter>, LedgerError>;
    async fn spending(&self, of: &Spending) -> Result<Amount, LedgerError>;
    async fn locked_land(&self, query: &LandQuery) -> Result<Vec<Arc<str>>, LedgerError>;
    /// Bytes of outlines that are kept of an account.
    async fn land_bytes(&self, account: &Account) -> Result<u64, LedgerError>;
    async fn top_ups(&self) -> Result<Vec<TopUp>, LedgerError>;
    async fn commitments(&self) -> Result<Vec<Commitment>, LedgerError>;
    async fn published(&self) -> Result<Vec<(ReplicaId, Cap)>, LedgerError>;
    async fn balances(&self) -> Result<Vec<Balance>, LedgerError>;
    async fn balance(&self, account: &Account) -> Result<Balance, LedgerError>;
    async fn entries(&self, after: u64, limit: u32) -> Result<Vec<Entry>, LedgerError>;
    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Event>, LedgerError>;
    async fn record(&self, request: RequestId) -> Result<Option<Record>, LedgerError>;
    async fn told(&self) -> Result<Vec<Told>, LedgerError>;
    async fn unknowns(
        &self,
        after: Option<RequestId>,
        limit: u32,
    ) -> Result<Vec<Record>, LedgerError>;
    async fn ping(&self) -> Result<(), LedgerError>;
    async fn close(&self);
}

#[expect(
    private_bounds,
    reason = "only the stores of this room are stored books"
)]
impl<R: Readers> Stored<R> {
    /// Writes what still waits, then lets go of the tables. Dropping the store does the same unobserved.
    pub async fn shut_down(self) {
        self.queue.shut_down().await;
        self.readers.close().await;
    }
}

#[async_trait]
impl<R: Readers> Ledger for Stored<R> {
    async fn begin(&self, proof: Option<&Proof>, now: UtcTime) -> Result<Begun, LedgerError> {
        let proof = proof.cloned();
        let about = About::closing(Closing::Own);
        let step = Step::new(about, move |desk| desk.begin(proof.as_ref(), now));
        self.queue.ask(step).await
    }

    async fn leave(&self, now: UtcTime) -> Result<(), LedgerError> {
        let about = About::closing(Closing::Own);
        self.queue
            .ask(Step::new(about, move |desk| desk.leave(now)))
            .await
    }

    async fn give_up(
        &self,
        silent_since: UtcTime,
        now: UtcTime,
    ) -> Result<Vec<ReplicaId>, LedgerError> {
        let about = About::closing(Closing::SilentSince(silent_since));
        let step = Step::new(about, move |desk| desk.give_up(silent_since, now));
        self.queue.ask(step).await
    }

    async fn reserve(&self, new: &NewReservation, now: UtcTime) -> Result<Reserved, LedgerError> {
        self.queue
            .ask(Step::reserve(plain::reservation(new), now))
            .await
    }

    async fn close(
        &self,
        request: RequestId,
        outcome: &Outcome,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        self.queue
            .ask(Step::close(request, plain::outcome(outcome), now))
            .await
    }

    async fn reconcile(
        &self,
        request: RequestId,
        evidence: &Evidence,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError> {
        let (about, evidence) = (About::request(request), plain::evidence(evidence));
        let step = Step::new(about, move |desk| desk.reconcile(request, &evidence, now));
        self.queue.ask(step).await
    }

    async fn report(&self, report: &Report, now: UtcTime) -> Result<Vec<Leased>, LedgerError> {
        let report = plain::report(report);
        let claims = report.ended.iter().flat_map(|record| &record.claims);
        let claimed = claims.map(|claim| &claim.account);
        let about = About {
            requests: report.ended.iter().map(|record| record.request).collect(),
            accounts: claimed
                .chain(report.wants.iter().map(|want| &want.account))
                .cloned()
                .collect(),
            ..About::default()
        };
        self.queue
            .ask(Step::new(about, move |desk| desk.report(&report, now)))
            .await
    }

    async fn recall(&self, accounts: &[Account], now: UtcTime) -> Result<(), LedgerError> {
        let accounts = accounts.to_vec();
        let about = About {
            accounts: accounts.clone(),
            ..About::default()
        };
        self.queue
            .ask(Step::new(about, move |desk| desk.recall(&accounts, now)))
            .await
    }

    async fn delivered(&self, request: RequestId, _now: UtcTime) -> Result<(), LedgerError> {
        let about = About::request(request);
        self.queue
            .ask(Step::new(about, move |desk| desk.deliver(request)))
            .await
    }

    async fn undelivered(
        &self,
        fingerprint: Fingerprint,
        since: UtcTime,
    ) -> Result<Option<Record>, LedgerError> {
        self.readers.undelivered(fingerprint, since).await
    }

    async fn follow(&self, new: &NewFollowed, now: UtcTime) -> Result<(), LedgerError> {
        let about = About {
            followed: vec![new.request],
            ..About::request(new.request)
        };
        let new = plain::followed(new);
        let step = Step::new(about, move |desk| desk.follow(&new, now));
        self.queue.ask(step).await
    }

    async fn due(&self, limit: u32, now: UtcTime) -> Result<Vec<Followed>, LedgerError> {
        let about = About {
            due: Some(Due { now, limit }),
            ..About::default()
        };
        let step = Step::new(about, move |desk| desk.due(limit, now));
        self.queue.ask(step).await
    }

    async fn seen(&self, request: RequestId, seen: &Seen, now: UtcTime) -> Result<(), LedgerError> {
        let about = About {
            followed: vec![request],
            ..About::default()
        };
        let seen = plain::seen(seen);
        let step = Step::new(about, move |desk| desk.see(request, &seen, now));
        self.queue.ask(step).await
    }

    async fn followed(
        &self,
        upstream: &str,
        kind: Kind,
        name: &str,
    ) -> Result<Vec<Followed>, LedgerError> {
        self.readers.followed(upstream, kind, name).await
    }

    async fn next_due(&self) -> Result<Option<UtcTime>, LedgerError> {
        self.readers.next_due().await
    }

    async fn keep_reading(&self, reading: &Reading, now: UtcTime) -> Result<bool, LedgerError> {
        let reading = plain::reading(reading);
        let external = reading.external.iter();
        let claimed = external.clone().flat_map(|new| &new.claims);
        let about = About {
            requests: external.clone().map(|new| new.request).collect(),
            accounts: claimed.map(|claim| claim.account.clone()).collect(),
            meters: vec![reading.meter.key()],
            ..About::default()
        };
        let step = Step::new(about, move |desk| desk.keep_reading(&reading, now));
        self.queue.ask(step).await
    }

    async fn meters(&self) -> Result<Vec<Meter>, LedgerError> {
        self.readers.meters().await
    }

    async fn spending(&self, of: &Spending) -> Result<Amount, LedgerError> {
        self.readers.spending(of).await
    }

    async fn lock_land(&self, land: &Land, _now: UtcTime) -> Result<bool, LedgerError> {
        let record = self.readers.record(land.request).await?;
        for account in record.iter().flat_map(Record::land_accounts) {
            if self.readers.land_bytes(account).await? >= MOST_ACCOUNT_BYTES {
                return Ok(false);
            }
        }
        let (about, land) = (About::request(land.request), land.clone());
        let step = Step::new(about, move |desk| desk.lock_land(&land));
        self.queue.ask(step).await
    }

    async fn locked_land(&self, query: &LandQuery) -> Result<Vec<Arc<str>>, LedgerError> {
        let accounts = query.accounts.iter().map(plain::account).collect();
        let query = LandQuery {
            accounts,
            ..query.clone()
        };
        self.readers.locked_land(&query).await
    }

    async fn top_up(&self, new: &NewTopUp, now: UtcTime) -> Result<TopUp, LedgerError> {
        let new = plain::top_up(new);
        let about = About {
            key: new.key,
            ..About::default()
        };
        let step = Step::new(about, move |desk| desk.top_up(&new, now));
        self.queue.ask(step).await
    }

    async fn top_ups(&self) -> Result<Vec<TopUp>, LedgerError> {
        self.readers.top_ups().await
    }

    async fn keep(&self, turns: &[Turn], now: UtcTime) -> Result<Vec<Kept>, LedgerError> {
        let turns: Vec<Turn> = turns.iter().map(plain::turn).collect();
        let step = Step::new(About::turns(&turns), move |desk| desk.keep(&turns, now));
        self.queue.ask(step).await
    }

    async fn commitments(&self) -> Result<Vec<Commitment>, LedgerError> {
        self.readers.commitments().await
    }

    async fn publish(&self, caps: &[Cap], now: UtcTime) -> Result<(), LedgerError> {
        let caps = caps.to_vec();
        let step = Step::new(About::default(), move |desk| desk.publish(&caps, now));
        self.queue.ask(step).await
    }

    async fn published(&self) -> Result<Vec<(ReplicaId, Cap)>, LedgerError> {
        self.readers.published().await
    }

    async fn balances(&self) -> Result<Vec<Balance>, LedgerError> {
        self.readers.balances().await
    }

    async fn balance(&self, account: &Account) -> Result<Balance, LedgerError> {
        self.readers.balance(&plain::account(account)).await
    }

    async fn entries(&self, after: u64, limit: u32) -> Result<Vec<Entry>, LedgerError> {
        self.readers.entries(after, limit).await
    }

    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Event>, LedgerError> {
        self.readers.events(after, limit).await
    }

    async fn record(&self, request: RequestId) -> Result<Option<Record>, LedgerError> {
        self.readers.record(request).await
    }

    async fn told(&self) -> Result<Vec<Told>, LedgerError> {
        self.readers.told().await
    }

    async fn unknowns(
        &self,
        after: Option<RequestId>,
        limit: u32,
    ) -> Result<Vec<Record>, LedgerError> {
        self.readers.unknowns(after, limit).await
    }

    async fn ping(&self) -> Result<(), LedgerError> {
        self.queue.check()?;
        self.readers.ping().await
    }
}
