//! What a replica tells the books of its leases, and what they answer.
//!
//! A lease is a slice of an account that was granted durably, so that its replica can admit from it
//! without asking. It counts as used from the grant on; a report says how much of it was really spent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{AccountKey, LedgerError, Record, State};
use crate::policy::{Account, Claim};
use crate::units::{Amount, UtcTime};

/// One report of a replica: what has ended since the last, and what its leases should hold from now on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// Counts up from 1 in each life. One that was taken before is answered again and changes nothing. Books
    /// that miss the one before were put back to an earlier moment, and refuse it.
    pub number: u64,
    /// Requests that were admitted from leases and have ended, settled, voided or unknown.
    pub ended: Vec<Record>,
    /// Each account at most once.
    pub wants: Vec<Want>,
}

/// What a lease should hold once the report is in the books.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Want {
    pub account: Account,
    /// What the account may spend in all; `None` where nothing refuses.
    pub limit: Option<Amount>,
    /// What is under way, and what the replica would like to have ready. Less than it holds now is given
    /// back; more is granted as far as the account allows.
    pub amount: Amount,
    /// It has heard that it was recalled, and keeps only what is under way.
    pub yields: bool,
}

/// How a lease, and the account behind it, stands after a report.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Leased {
    pub account: Account,
    /// What the lease holds that was not reported as spent.
    pub amount: Amount,
    /// What is left for everybody besides the leases; `None` without a limit.
    pub remaining: Option<Amount>,
    /// Somebody needs the rest, or the account is used beyond its limit, and admits nothing: give it back
    /// with the next report.
    pub recalled: bool,
}

/// What a report moves on one account, all its requests together.
#[derive(Clone, Copy, Debug)]
pub struct Spent<'a> {
    /// One of the claims: they differ in their amounts, and in their limits only while a policy changes.
    pub claim: &'a Claim,
    /// Out of the lease.
    pub taken: Amount,
    /// By the upstream; more than was taken where a prediction was too low.
    pub charged: Amount,
}

/// How long after a recall nothing of an account is leased to anybody: it is nearly spent, and every
/// request reserves for itself.
const QUIET: Duration = Duration::from_secs(3);

/// What one lease may get of what is left: at most half of it, shared by all that live, so that leases
/// shrink to nothing as the limit nears.
pub fn portion(remaining: Amount, living: usize) -> Amount {
    let parts = u64::try_from(living).unwrap_or(u64::MAX).saturating_mul(2);
    remaining.part_floor(parts)
}

/// Whether an account is not leased now, because it was recalled a moment ago.
pub fn is_quiet(recalled_at: UtcTime, now: UtcTime) -> bool {
    let since = now.duration_since(recalled_at);
    !since.is_negative() && since.unsigned_abs() < QUIET
}

/// By how much clocks of guards may differ before one of them is taken for silent, or for mad.
const MOST_SKEW: Duration = Duration::from_hours(1);

/// The time by which a replica is heard: the latest that anybody alive has told, if that can be. Whoever has a
/// clock that is behind is not silent.
pub fn heard_at(now: UtcTime, told: impl Iterator<Item = UtcTime>) -> UtcTime {
    let most = now.saturating_add(MOST_SKEW).unwrap_or(UtcTime::MAX);
    let believed = told.filter(|time| *time <= most);
    believed.fold(now, UtcTime::max)
}

impl Want {
    /// The want as a claim of nothing: the limits that bind it are found in the same way.
    pub fn claim(&self) -> Claim {
        Claim {
            account: self.account.clone(),
            amount: Amount::ZERO,
            limit: self.limit,
            enforced: self.limit.is_some(),
        }
    }
}

impl Report {
    /// The sums of what was spent and is not in doubt.
    pub fn spent(&self) -> Result<BTreeMap<AccountKey, Spent<'_>>, LedgerError> {
        let mut sums = BTreeMap::new();
        for record in &self.ended {
            for claim in &record.claims {
                let Some(charged) = record.state.charged(claim) else {
                    continue;
                };
                let sum = sums
                    .entry(AccountKey::from(&claim.account))
                    .or_insert(Spent {
                        claim,
                        taken: Amount::ZERO,
                        charged: Amount::ZERO,
                    });
                let add = |sum: Amount, more| {
                    sum.checked_add(more).ok_or_else(|| LedgerError::Overflow {
                        budget: Arc::clone(&claim.account.budget),
                    })
                };
                sum.taken = add(sum.taken, charged.min(claim.amount))?;
                sum.charged = add(sum.charged, charged)?;
                sum.claim = claim;
            }
        }
        Ok(sums)
    }

    /// The claims of what is left in doubt.
    pub fn doubtful<'a>(&'a self) -> impl Iterator<Item = (&'a Record, &'a Claim)> {
        let unknown = |record: &&Record| matches!(record.state, State::Unknown { .. });
        let claims = |record: &'a Record| record.claims.iter().map(move |claim| (record, claim));
        self.ended.iter().filter(unknown).flat_map(claims)
    }
}

impl Record {
    /// What this takes out of the leases it was admitted from, of one claim.
    pub fn taken(&self, claim: &Claim) -> Amount {
        let charged = self.state.charged(claim);
        charged.map_or(claim.amount, |charged| charged.min(claim.amount))
    }
}
