//! What a request wants from a budget.

use std::sync::Arc;

use serde::Serialize;

use crate::units::{Amount, Span, Unit};

/// One row of the books: a budget, one value of what it is `per`, one window.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Account {
    pub budget: Arc<str>,
    /// `team=agriculture`, or empty for a budget that is not `per` anything.
    pub partition: Arc<str>,
    pub unit: Unit,
    pub window: Span,
}

/// An amount that a request wants from one account.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claim {
    pub account: Account,
    pub amount: Amount,
    /// What the account may spend in all; `None`: tally only.
    pub limit: Option<Amount>,
    /// Whether the limit refuses (`on_breach = "reject"`) or is only counted against (`"allow"`).
    pub enforced: bool,
}

impl Claim {
    /// Whether it counts requests themselves, which even a call that costs nothing is.
    pub fn counts_requests(&self) -> bool {
        self.account.unit == Unit::Requests
    }
}
