//! The rules of the books: a request reserves its prediction against every budget that binds it, or
//! against none, and the reservation ends exactly once: settled, voided, or left unknown.
//!
//! Time refunds nothing. What a crash leaves in doubt is unknown, and counts as spent until somebody
//! shows evidence.
#![deny(clippy::float_arithmetic, clippy::as_conversions)]

mod balance;
mod books;
mod fingerprint;
mod model;
mod request_id;
mod reservation;

pub use balance::{AccountKey, Balance, Entry, EntryKind, replay};
pub use books::{
    Breach, Charge, ChargeSource, Evidence, LedgerError, NewReservation, Outcome, Record, Reserved,
    Standing, State,
};
pub use fingerprint::Fingerprint;
pub use model::Model;
pub use request_id::{InvalidRequestId, RequestId};
pub use reservation::{Admission, Reservation};

use async_trait::async_trait;

use crate::policy::Account;
use crate::units::UtcTime;

/// The books. Each method is one whole step, durable when it returns, and safe to repeat.
///
/// An error means that nothing was granted.
#[async_trait]
pub trait Ledger: Send + Sync {
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
    /// stays as it ended. Answers how the claimed budgets stand now.
    async fn close(
        &self,
        request: RequestId,
        outcome: &Outcome,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError>;

    /// Settles, on evidence, a reservation that was left unknown. The first evidence counts; a
    /// reservation that never was in doubt is an error.
    async fn reconcile(
        &self,
        request: RequestId,
        evidence: &Evidence,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError>;

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

    /// Every row of the books, in the order of their accounts.
    async fn balances(&self) -> Result<Vec<Balance>, LedgerError>;

    /// The row of one account; all zero when nothing was ever booked on it.
    async fn balance(&self, account: &Account) -> Result<Balance, LedgerError>;

    /// Entries with a sequence number above `after`, oldest first.
    async fn entries(&self, after: u64, limit: u32) -> Result<Vec<Entry>, LedgerError>;

    /// What is known of one request; `None` when it never reserved.
    async fn record(&self, request: RequestId) -> Result<Option<Record>, LedgerError>;

    /// Reservations in doubt whose ids come behind `after`, oldest first.
    async fn unknowns(
        &self,
        after: Option<RequestId>,
        limit: u32,
    ) -> Result<Vec<Record>, LedgerError>;

    /// Whether the store answers and takes orders.
    async fn ping(&self) -> Result<(), LedgerError>;
}
