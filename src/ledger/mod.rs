//! The rules of the books: a request reserves its prediction against every budget that binds it, or
//! against none, and the reservation ends exactly once: settled, voided, or left unknown.
//!
//! Time refunds nothing. What a crash leaves in doubt is unknown, and counts as spent until somebody
//! shows evidence.
#![deny(clippy::float_arithmetic, clippy::as_conversions)]

mod books;

pub use books::{
    Balance, Breach, Charge, ChargeSource, Entry, EntryKind, LedgerError, NewReservation, Outcome,
    RequestId, Reserved, Standing,
};

use async_trait::async_trait;

use crate::policy::Account;
use crate::units::UtcTime;

/// The books. Each method is one whole step, durable when it returns, and safe to repeat.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Reserves every claim or none. A refusal writes nothing to a balance.
    ///
    /// Repeating it with the same request id changes nothing and answers as the first time did.
    async fn reserve(
        &self,
        reservation: &NewReservation,
        now: UtcTime,
    ) -> Result<Reserved, LedgerError>;

    /// Ends a reservation. Repeating it with the same outcome changes nothing; a reservation that has
    /// ended otherwise stays as it ended. Answers how the claimed budgets stand now.
    async fn close(
        &self,
        request: RequestId,
        outcome: &Outcome,
        now: UtcTime,
    ) -> Result<Vec<Standing>, LedgerError>;

    /// Every row of the books, in the order of their accounts.
    async fn balances(&self) -> Result<Vec<Balance>, LedgerError>;

    /// The row of one account; all zero when nothing was ever booked on it.
    async fn balance(&self, account: &Account) -> Result<Balance, LedgerError>;

    /// Entries with a sequence number above `after`, oldest first.
    async fn entries(&self, after: u64, limit: u32) -> Result<Vec<Entry>, LedgerError>;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), LedgerError>;
}
