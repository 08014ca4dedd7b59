//! The rows of the books and the journal they follow from: every balance is the sum of its entries.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{LedgerError, RequestId};
use crate::policy::Account;
use crate::units::{Amount, Unit, UtcTime};

/// What tells two rows of the books apart: the budget, one value of what it is `per`, the unit, and
/// where the window starts. Where it ends is not part of it: a policy that changes the length of a
/// window that has begun forgets nothing that was spent in it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AccountKey {
    pub budget: Arc<str>,
    pub partition: Arc<str>,
    pub unit: Unit,
    pub starts_at: UtcTime,
}

/// A row of the books. Its account's window ends where it ended when the row was first written.
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
    /// Handed to replicas that admit from it by themselves, and not yet reported as spent.
    pub leased: Amount,
    /// Of the budget's top-ups, what this window uses beyond its own allowance. Raises the limit by as
    /// much, and is no spending.
    pub drawn: Amount,
}

/// One line of the journal, never edited. Applying all of them to empty rows gives the balances.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    pub sequence: u64,
    pub at: UtcTime,
    /// `None` of a line that stands for several requests or for none.
    pub request: Option<RequestId>,
    pub account: Account,
    pub kind: EntryKind,
    /// What moves from the column that the kind names first.
    pub reserved: Amount,
    /// What was charged, of the kinds that charge; else zero.
    pub charged: Amount,
    /// The charge's source, why the outcome is unknown, or the evidence.
    pub note: Arc<str>,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum EntryKind {
    /// free → held
    Reserve,
    /// held → settled and overrun
    Settle,
    /// held → free
    Void,
    /// held → unknown
    Unknown,
    /// unknown → settled and overrun, on evidence
    Reconcile,
    /// settled and overrun → unknown: a charge that was only predicted is about to be corrected
    Reopen,
    /// free → leased
    Lease,
    /// leased → free
    Return,
    /// leased → settled and overrun
    Spend,
    /// leased → unknown
    Doubt,
    /// Moves nothing: the window uses more of the budget's top-ups.
    Draw,
    /// Moves nothing: the window uses less of them.
    Undraw,
}

impl From<&Account> for AccountKey {
    fn from(account: &Account) -> Self {
        Self {
            budget: Arc::clone(&account.budget),
            partition: Arc::clone(&account.partition),
            unit: account.unit,
            starts_at: account.window.start,
        }
    }
}

impl AccountKey {
    /// Whether this is the row of `account`.
    pub fn is_of(&self, account: &Account) -> bool {
        self.starts_at == account.window.start
            && self.unit == account.unit
            && self.budget == account.budget
            && self.partition == account.partition
    }
}

impl EntryKind {
    pub const ALL: [Self; 12] = [
        Self::Reserve,
        Self::Settle,
        Self::Void,
        Self::Unknown,
        Self::Reconcile,
        Self::Reopen,
        Self::Lease,
        Self::Return,
        Self::Spend,
        Self::Doubt,
        Self::Draw,
        Self::Undraw,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Reserve => "reserve",
            Self::Settle => "settle",
            Self::Void => "void",
            Self::Unknown => "unknown",
            Self::Reconcile => "reconcile",
            Self::Reopen => "reopen",
            Self::Lease => "lease",
            Self::Return => "return",
            Self::Spend => "spend",
            Self::Doubt => "doubt",
            Self::Draw => "draw",
            Self::Undraw => "undraw",
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
            leased: Amount::ZERO,
            drawn: Amount::ZERO,
        }
    }

    /// Everything that counts against a limit; `None` when too large to count.
    pub fn used(&self) -> Option<Amount> {
        [self.overrun, self.unknown, self.held, self.leased]
            .into_iter()
            .try_fold(self.settled, Amount::checked_add)
    }

    /// What `limit`, and the top-ups that the window uses already, still leave.
    pub fn remaining(&self, limit: Amount) -> Amount {
        let most = limit.saturating_add(self.drawn);
        self.used().map_or(Amount::ZERO, |used| most.minus(used))
    }

    /// [`remaining`](Self::remaining), and what stands in leases: whoever needs that gets it back.
    pub fn left(&self, limit: Amount) -> Amount {
        let most = limit.saturating_add(self.drawn);
        let used = self.used().map(|used| used.minus(self.leased));
        used.map_or(Amount::ZERO, |used| most.minus(used))
    }

    /// The row after one more line of the journal.
    pub fn after(
        &self,
        kind: EntryKind,
        reserved: Amount,
        charged: Amount,
    ) -> Result<Self, LedgerError> {
        let mut next = self.clone();
        match kind {
            EntryKind::Reserve => next.held = self.sum(next.held, reserved)?,
            EntryKind::Void => next.held = self.rest(next.held, reserved)?,
            EntryKind::Unknown => {
                next.held = self.rest(next.held, reserved)?;
                next.unknown = self.sum(next.unknown, reserved)?;
            }
            EntryKind::Settle => {
                next.held = self.rest(next.held, reserved)?;
                next.charge(reserved, charged)?;
            }
            EntryKind::Reconcile => {
                next.unknown = self.rest(next.unknown, reserved)?;
                next.charge(reserved, charged)?;
            }
            EntryKind::Reopen => {
                next.settled = self.rest(next.settled, charged.min(reserved))?;
                next.overrun = self.rest(next.overrun, charged.minus(reserved))?;
                next.unknown = self.sum(next.unknown, reserved)?;
            }
            EntryKind::Lease => next.leased = self.sum(next.leased, reserved)?,
            EntryKind::Return => next.leased = self.rest(next.leased, reserved)?,
            EntryKind::Spend => {
                next.leased = self.rest(next.leased, reserved)?;
                next.charge(reserved, charged)?;
            }
            EntryKind::Doubt => {
                next.leased = self.rest(next.leased, reserved)?;
                next.unknown = self.sum(next.unknown, reserved)?;
            }
            EntryKind::Draw => next.drawn = self.sum(next.drawn, reserved)?,
            EntryKind::Undraw => next.drawn = self.rest(next.drawn, reserved)?,
        }
        let countable = next.used().is_some();
        countable.then_some(next).ok_or_else(|| self.overflow())
    }

    fn charge(&mut self, reserved: Amount, charged: Amount) -> Result<(), LedgerError> {
        self.settled = self.sum(self.settled, charged.min(reserved))?;
        self.overrun = self.sum(self.overrun, charged.minus(reserved))?;
        Ok(())
    }

    fn sum(&self, one: Amount, other: Amount) -> Result<Amount, LedgerError> {
        one.checked_add(other).ok_or_else(|| self.overflow())
    }

    fn rest(&self, whole: Amount, part: Amount) -> Result<Amount, LedgerError> {
        whole.checked_sub(part).ok_or_else(|| LedgerError::Corrupt {
            what: format!(
                "budget {} gives back {part}, and only {whole} was put there",
                self.account.budget
            ),
        })
    }

    fn overflow(&self) -> LedgerError {
        LedgerError::Overflow {
            budget: Arc::clone(&self.account.budget),
        }
    }
}

/// The balances that a journal adds up to, in the order of their accounts: what the rows must say.
pub fn replay<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
) -> Result<Vec<Balance>, LedgerError> {
    let mut rows = BTreeMap::new();
    for entry in entries {
        let row = rows
            .entry(AccountKey::from(&entry.account))
            .or_insert_with(|| Balance::empty(entry.account.clone()));
        *row = row.after(entry.kind, entry.reserved, entry.charged)?;
    }
    Ok(rows.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Span;

    fn amount(micros: i64) -> Amount {
        Amount::from_micros(micros).expect("not negative")
    }

    fn row(settled: i64, overrun: i64, unknown: i64, held: i64) -> Balance {
        let window = Span {
            start: UtcTime::UNIX_EPOCH,
            end: None,
        };
        let account = Account {
            budget: "org".into(),
            partition: "".into(),
            unit: Unit::Pu,
            window,
        };
        Balance {
            settled: amount(settled),
            overrun: amount(overrun),
            unknown: amount(unknown),
            held: amount(held),
            ..Balance::empty(account)
        }
    }

    #[test]
    fn each_kind_of_entry_moves_an_amount_from_one_column_to_another() {
        for (kind, before, charged, after) in [
            (EntryKind::Reserve, row(1, 0, 0, 0), 0, row(1, 0, 0, 10)),
            (EntryKind::Settle, row(1, 0, 0, 10), 4, row(5, 0, 0, 0)),
            (EntryKind::Settle, row(1, 2, 0, 10), 15, row(11, 7, 0, 0)),
            (EntryKind::Void, row(1, 0, 0, 10), 0, row(1, 0, 0, 0)),
            (EntryKind::Unknown, row(1, 0, 3, 10), 0, row(1, 0, 13, 0)),
            (EntryKind::Reconcile, row(1, 0, 10, 2), 0, row(1, 0, 0, 2)),
            (EntryKind::Reconcile, row(1, 0, 10, 2), 12, row(11, 2, 0, 2)),
        ] {
            let moved = before.after(kind, amount(10), amount(charged));
            assert_eq!(moved.expect("countable"), after, "{}", kind.name());
        }
    }

    #[test]
    fn a_sum_too_large_to_count_is_an_error_even_when_each_column_fits() {
        let nearly_full = row(i64::MAX - 5, 0, 0, 0);
        let result = nearly_full.after(EntryKind::Reserve, amount(6), Amount::ZERO);
        assert!(matches!(result, Err(LedgerError::Overflow { .. })));
        let held = row(i64::MAX - 10, 0, 0, 10);
        let result = held.after(EntryKind::Settle, amount(10), Amount::MAX);
        assert!(matches!(result, Err(LedgerError::Overflow { .. })));
    }

    #[test]
    fn giving_back_more_than_is_there_is_a_broken_journal() {
        for kind in [EntryKind::Void, EntryKind::Settle, EntryKind::Unknown] {
            let result = row(100, 0, 0, 9).after(kind, amount(10), Amount::ZERO);
            assert!(matches!(result, Err(LedgerError::Corrupt { .. })));
        }
    }

    #[test]
    fn what_is_left_counts_all_four_columns() {
        assert_eq!(row(1, 2, 3, 4).remaining(amount(15)), amount(5));
        assert_eq!(row(1, 2, 3, 4).remaining(amount(9)), Amount::ZERO);
        let leased = Balance {
            leased: amount(3),
            ..row(1, 2, 3, 4)
        };
        assert_eq!(leased.remaining(amount(15)), amount(2));
        assert_eq!(leased.left(amount(15)), amount(5));
    }
}
