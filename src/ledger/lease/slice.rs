//! One lease: how much of it is left to admit from.

use super::SMALL_PART;
use super::admit::Denial;
use super::demand::Demand;
use crate::policy::{Account, Claim};
use crate::units::{Amount, UtcTime};

/// What this replica leases of one account.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) account: Account,
    /// The account's limit as the latest claim had it; `None` where nothing refuses.
    pub(super) limit: Option<Amount>,
    /// What the books hold for it and do not know to be spent.
    pub(super) held: Amount,
    /// Of that, what requests under way may take.
    pub(super) under_way: Amount,
    /// Of that, what requests took that have ended, and that the books do not know of.
    pub(super) spent: Amount,
    /// Of that, what the report under way gives back.
    pub(super) leaving: Amount,
    /// What the books know to be spent of it since it was granted first.
    pub(super) acknowledged: Amount,
    /// What the journal allows to be spent since it was granted first.
    pub(super) mark: Amount,
    /// A higher mark that is on its way to the disk.
    pub(super) marking: Option<Amount>,
    /// What was left of the account besides all leases, when the books last said so.
    pub(super) remaining: Option<Amount>,
    /// The books want back what is not needed.
    pub(super) recalled: bool,
    /// When they may be asked for more again.
    pub(super) retry_at: UtcTime,
    pub(super) demand: Demand,
}

impl Lease {
    pub(super) fn watching(claim: &Claim) -> Self {
        Self {
            account: claim.account.clone(),
            limit: claim.limit.filter(|_| claim.enforced),
            held: Amount::ZERO,
            under_way: Amount::ZERO,
            spent: Amount::ZERO,
            leaving: Amount::ZERO,
            acknowledged: Amount::ZERO,
            mark: Amount::ZERO,
            marking: None,
            remaining: None,
            recalled: false,
            retry_at: UtcTime::UNIX_EPOCH,
            demand: Demand::default(),
        }
    }

    /// The limit as a claim has it now. What was granted under a higher one goes back, for the books to
    /// judge again: a cap that was lowered below what is used admits nothing.
    pub(super) fn bind(&mut self, limit: Option<Amount>) {
        let lowered = limit.is_some_and(|now| self.limit.is_none_or(|was| now < was));
        self.recalled |= lowered;
        self.limit = limit;
    }

    /// What is taken, by whatever has not been acknowledged.
    pub(super) fn taken(&self) -> Amount {
        self.under_way.saturating_add(self.spent)
    }

    /// What nobody has taken, and what is not on its way back to the books.
    pub(super) fn unspent(&self) -> Amount {
        self.held.minus(self.taken()).minus(self.leaving)
    }

    /// Whether so much may not be admitted from it now: it must be in the books and in the journal.
    pub(super) fn denies(&self, amount: Amount) -> Option<Denial> {
        let small = amount <= self.held.part_floor(SMALL_PART);
        if self.recalled || !small || amount > self.unspent() {
            return Some(Denial::Unleased);
        }
        let marked = self.mark.minus(self.acknowledged);
        (amount > marked.minus(self.taken())).then_some(Denial::Unmarked)
    }

    /// What is left of the account, as far as this replica knows.
    pub(super) fn left(&self) -> Option<Amount> {
        let besides = self.remaining?;
        Some(besides.saturating_add(self.unspent()))
    }

    /// Nothing hangs on it any more.
    pub(super) fn is_over(&self) -> bool {
        self.held.is_zero() && self.taken().is_zero() && self.demand.is_over()
    }
}
