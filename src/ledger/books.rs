//! The words of the books: accounts, claims, outcomes, balances, entries.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::policy::{Account, Claim};
use crate::units::{Amount, Amounts, UtcTime};

/// Names one request, in answers, logs and the books. Its order is the order of arrival.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RequestId(uuid::Uuid);

/// Everything the books keep of a request when it reserves.
#[derive(Clone, Debug)]
pub struct NewReservation {
    pub request: RequestId,
    pub team: Arc<str>,
    pub key: Arc<str>,
    pub api: &'static str,
    pub product: Option<Arc<str>>,
    pub tag: Option<Arc<str>>,
    /// The prediction in each unit, whether or not a budget counts it.
    pub predicted: Amounts,
    /// In account order, each account once.
    pub claims: Vec<Claim>,
}

/// What came of [`reserve`](super::Ledger::reserve).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reserved {
    /// Every claim was granted; how each account stands with it.
    Granted(Vec<Standing>),
    /// Nothing was; every account that could not give what was claimed.
    Full(Vec<Breach>),
}

/// An account that could not give what a claim asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Breach {
    pub account: Account,
    pub needed: Amount,
    pub remaining: Amount,
    pub limit: Amount,
}

/// How an account stands right after a step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Standing {
    pub account: Account,
    pub limit: Option<Amount>,
    /// `None` without a limit.
    pub remaining: Option<Amount>,
}

/// How a reservation ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It was charged.
    Settled(Charge),
    /// It never left for upstream, or upstream's answer is documented as free.
    Voided,
    /// Upstream may have charged. Counts as spent until there is evidence.
    Unknown { why: String },
}

/// What upstream took. A unit that is not named settles at what was reserved.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Charge {
    pub amounts: Amounts,
    pub source: ChargeSource,
}

/// How we know a charge; the `source` label of the metrics.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChargeSource {
    Header,
    Predicted,
    Metered,
    Reconciled,
}

/// A row of the books.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Balance {
    pub account: Account,
    /// Charged, up to what had been reserved for it.
    pub settled: Amount,
    /// Charged beyond what had been reserved.
    pub overrun: Amount,
    /// In doubt.
    pub unknown: Amount,
    /// Reserved and under way.
    pub held: Amount,
}

/// One line of the journal, never edited. Applying all of them to empty rows gives the balances.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    pub sequence: u64,
    pub at: UtcTime,
    pub request: RequestId,
    pub account: Account,
    pub kind: EntryKind,
    /// What was reserved, for every kind.
    pub reserved: Amount,
    /// What was charged; zero but for [`EntryKind::Settle`].
    pub charged: Amount,
    /// The charge's source, or why the outcome is unknown.
    pub note: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EntryKind {
    Reserve,
    Settle,
    Void,
    Unknown,
}

/// The books could not be read or written; the request must not pass.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("the store cannot be reached or refuses to write")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the store holds what the books cannot mean: {what}")]
    Corrupt { what: String },
    #[error("request {0} has no reservation")]
    NotReserved(RequestId),
    #[error("the sum of account {budget} is too large to count")]
    Overflow { budget: Arc<str> },
}

impl RequestId {
    pub const fn from_uuid(id: uuid::Uuid) -> Self {
        Self(id)
    }

    pub const fn as_uuid(&self) -> uuid::Uuid {
        self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

impl ChargeSource {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Predicted => "predicted",
            Self::Metered => "metered",
            Self::Reconciled => "reconciled",
        }
    }
}

impl Balance {
    pub const fn empty(account: Account) -> Self {
        Self {
            account,
            settled: Amount::ZERO,
            overrun: Amount::ZERO,
            unknown: Amount::ZERO,
            held: Amount::ZERO,
        }
    }

    /// Everything that counts against a limit; `None` when too large to count.
    pub fn used(&self) -> Option<Amount> {
        [self.overrun, self.unknown, self.held]
            .into_iter()
            .try_fold(self.settled, Amount::checked_add)
    }

    /// What `limit` still leaves.
    pub fn remaining(&self, limit: Amount) -> Amount {
        self.used().map_or(Amount::ZERO, |used| limit.minus(used))
    }
}
