//! The rules of the books: a request reserves its prediction against every budget that binds it, or
//! against none, and the reservation ends exactly once: settled, voided, or left unknown.
//!
//! Time refunds nothing. What a crash leaves in doubt is unknown, and counts as spent until somebody
//! shows evidence.
#![deny(clippy::float_arithmetic, clippy::as_conversions)]

mod balance;
mod books;
mod cap;
mod commitment;
mod fingerprint;
mod followed;
mod land;
mod lease;
mod meter;
mod model;
mod replica;
mod report;
mod request_id;
mod reservation;
#[cfg(test)]
mod simulation;
mod top_up;

pub use balance::{AccountKey, Balance, Entry, EntryKind, replay};
pub use books::{
    Breach, Cap, Charge, ChargeSource, Event, Evidence, GUARD, LOST_LEASE, LedgerError, MOST_TOLD,
    NewReservation, Outcome, Record, Reserved, Standing, State, Told, gave_up,
};
pub use cap::{changes, differing};
pub use commitment::{Ahead, Commitment, CommitmentId, Course, Kept, Turn};
pub use fingerprint::Fingerprint;
pub use followed::{Followed, NewFollowed, Seen, TRUE_UP};
pub use land::{Land, LandQuery, MOST_ACCOUNT_BYTES, MOST_ANSWER_BYTES, MOST_OUTLINE_BYTES};
pub use lease::{Denial, LEASE_LIFE, LeaseBook, Marks, Orphans};
pub use meter::{ACCOUNT, Meter, Reading, Spending, UNATTRIBUTED};
pub use model::Model;
pub use replica::{Begun, Epoch, Proof, ReplicaId};
pub use report::{Leased, Report, Spent, Want, heard_at, is_quiet, portion};
pub use request_id::{InvalidRequestId, RequestId};
pub use reservation::{Admission, Reservation};
pub use top_up::{Draws, NewTopUp, TopUp, drawn, left, redraw};

use std::sync::Arc;

use async_trait::async_trait;

use crate::planet::Kind;
use crate::policy::Account;
use crate::units::{Amount, UtcTime};

/// The books, as one replica writes and reads them. Each method is one whole step, durable when it
/// returns, and safe to repeat.
///
/// An error means that nothing was granted. A replica whose life is over gets [`LedgerError::Fenced`]
/// from every step that writes for it, and begins anew.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Begins a new life of this replica. What its earlier ones left open is unknown from here on:
    /// whatever was held, and of each lease as much as the journal's `proof` does not show to be unspent.
    /// Repeated with the same proof it begins another life, and is answered the same of the one before.
    ///
    /// Books that have not seen what the proof says they have taken are refused
    /// ([`LedgerError::Restored`]).
    async fn begin(&self, proof: Option<&Proof>, now: UtcTime) -> Result<Begun, LedgerError>;

    /// Ends this replica's life well: all that was spent is reported. What is held is unknown, for its
    /// exchange was cut off; leases are free.
    async fn leave(&self, now: UtcTime) -> Result<(), LedgerError>;

    /// Gives up every other replica that was last heard before `silent_since`: what it held and what it
    /// leased is unknown from here on. Says who it was.
    async fn give_up(
        &self,
        silent_since: UtcTime,
        now: UtcTime,
    ) -> Result<Vec<ReplicaId>, LedgerError>;

    /// Reserves every claim or none. A refusal writes nothing at all.
    ///
    /// Repeated while the reservation is under way it changes nothing, and answers again that it is
    /// granted. Once the reservation has ended its id is spent ([`LedgerError::Reused`]): to grant it
    /// again would let a request pass that nothing is held for.
    async fn reserve(
        &self,
        reservation: &NewReservation,
        now: UtcTime,
    ) -> Result<Reserved, LedgerError>;

    /// Ends a reservation. Repeating it changes nothing, and a reservation that has ended otherwise
    /// stays as it ended, but for one that is unknown only because its guard had been given up: what that
    /// guard says of it is evidence. Answers how the claimed budgets stand now.
    async fn close(
        &self,
        request: RequestId,
        outcome: &Outcome,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError>;

    /// Settles, on evidence, a reservation that was left unknown, or corrects one that was settled at
    /// its prediction alone. The first evidence counts; where nothing is in doubt it is an error.
    async fn reconcile(
        &self,
        request: RequestId,
        evidence: &Evidence,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError>;

    /// Books what was spent of this replica's leases, and brings each lease that is named to what is
    /// wanted of it, as far as its account allows. Answers how those stand now.
    async fn report(&self, report: &Report, now: UtcTime) -> Result<Vec<Leased>, LedgerError>;

    /// Asks all other replicas to give back what they lease of these accounts and do not need. Of those
    /// that are, nothing more is leased to anybody for a few seconds.
    async fn recall(&self, accounts: &[Account], now: UtcTime) -> Result<(), LedgerError>;

    /// The answer of a request has reached its client, so an identical request is a new one from here
    /// on. Repeating it changes nothing.
    async fn delivered(&self, request: RequestId, now: UtcTime) -> Result<(), LedgerError>;

    /// The latest request with this fingerprint that reserved at `since` or later, whose answer is not
    /// known to have reached its client. What was voided or cleared up is over, and is not found.
    async fn undelivered(
        &self,
        fingerprint: Fingerprint,
        since: UtcTime,
    ) -> Result<Option<Record>, LedgerError>;

    /// Follows what a request has made upstream from here on. Repeating it changes nothing.
    async fn follow(&self, new: &NewFollowed, now: UtcTime) -> Result<(), LedgerError>;

    /// Takes what is due to be asked about, the longest overdue first, and puts each off by its next pause: so
    /// of many guards one asks, and another does when that one has not written down what it saw.
    async fn due(&self, limit: u32, now: UtcTime) -> Result<Vec<Followed>, LedgerError>;

    /// Notes what was seen of a request's thing. What is over stays as it ended.
    async fn seen(&self, request: RequestId, seen: &Seen, now: UtcTime) -> Result<(), LedgerError>;

    /// All that is or was followed under this name, oldest request first.
    async fn followed(
        &self,
        upstream: &str,
        kind: Kind,
        name: &str,
    ) -> Result<Vec<Followed>, LedgerError>;

    /// When something is due next; `None` while nothing is open.
    async fn next_due(&self) -> Result<Option<UtcTime>, LedgerError>;

    /// Keeps what a reading of a meter comes to, with the adjustment of its day, which no limit refuses and which
    /// is booked once. `false` where somebody else has read it meanwhile, and nothing is kept.
    async fn keep_reading(&self, reading: &Reading, now: UtcTime) -> Result<bool, LedgerError>;

    /// Every meter, in the order of their names.
    async fn meters(&self) -> Result<Vec<Meter>, LedgerError>;

    /// What the books have of the requests that a meter counts too.
    async fn spending(&self, of: &Spending) -> Result<Amount, LedgerError>;

    /// Keeps the land that a settled request has locked, for the accounts on which it booked area. Repeating
    /// it changes nothing. `false` where nothing is kept: no area was booked, or there is no room.
    async fn lock_land(&self, land: &Land, now: UtcTime) -> Result<bool, LedgerError>;

    /// Outlines of land that is locked, the latest last. There may be more of it, which then counts anew.
    async fn locked_land(&self, query: &LandQuery) -> Result<Vec<Arc<str>>, LedgerError>;

    /// Allows more than a budget's limit, once. An order with a key that was given before changes nothing and
    /// is answered with its top-up as it is now; another order under that key is an error.
    async fn top_up(&self, new: &NewTopUp, now: UtcTime) -> Result<TopUp, LedgerError>;

    /// Every top-up, oldest first.
    async fn top_ups(&self) -> Result<Vec<TopUp>, LedgerError>;

    /// Takes commitments further, each with what it takes and gives back or not at all. Repeating a turn
    /// changes nothing; one that comes behind another's is told how its commitment stands.
    async fn keep(&self, turns: &[Turn], now: UtcTime) -> Result<Vec<Kept>, LedgerError>;

    /// Every commitment that is not over, in the order in which they were made.
    async fn commitments(&self) -> Result<Vec<Commitment>, LedgerError>;

    /// Tells the others which limits this replica's policy sets. Where two differ, the lower one holds
    /// for both. A limit that this replica's last policy had otherwise is an event.
    async fn publish(&self, caps: &[Cap], now: UtcTime) -> Result<(), LedgerError>;

    /// The limits that each living replica has published.
    async fn published(&self) -> Result<Vec<(ReplicaId, Cap)>, LedgerError>;

    /// Every row of the books, in the order of their accounts.
    async fn balances(&self) -> Result<Vec<Balance>, LedgerError>;

    /// The row of one account; all zero when nothing was ever booked on it.
    async fn balance(&self, account: &Account) -> Result<Balance, LedgerError>;

    /// Entries with a sequence number above `after`, oldest first.
    async fn entries(&self, after: u64, limit: u32) -> Result<Vec<Entry>, LedgerError>;

    /// Events with a sequence number above `after`, oldest first.
    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Event>, LedgerError>;

    /// What is known of one request; `None` when it never reserved.
    async fn record(&self, request: RequestId) -> Result<Option<Record>, LedgerError>;

    /// What upstream said of the latest requests, the oldest first.
    async fn told(&self) -> Result<Vec<Told>, LedgerError>;

    /// Reservations in doubt whose ids come behind `after`, oldest first.
    async fn unknowns(
        &self,
        after: Option<RequestId>,
        limit: u32,
    ) -> Result<Vec<Record>, LedgerError>;

    /// Whether the store answers and takes orders.
    async fn ping(&self) -> Result<(), LedgerError>;
}
