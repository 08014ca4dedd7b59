//! Land that requests have locked: what Planet counts once in a term, however often it is asked for.
//!
//! It belongs to the accounts that its area was booked on, and is locked for whoever would book on no others:
//! so a budget never counts less than all land that was asked for in its window. Evidence that less was
//! charged takes it back, and so does giving area back.

use std::sync::Arc;

use super::{Evidence, Fingerprint, Record, RequestId, State, Turn};
use crate::planet::geometry::Sector;
use crate::policy::{Account, Claim};
use crate::units::Unit;

/// Bytes of one outline; a larger one is not kept, and counts anew whenever it is asked for.
pub const MOST_OUTLINE_BYTES: usize = 1024 * 1024;
/// Bytes that are kept of one account, and bytes that one question is answered with, the latest first.
pub const MOST_ACCOUNT_BYTES: u64 = 256 * 1024 * 1024;
pub const MOST_ANSWER_BYTES: u64 = 8 * 1024 * 1024;

/// Land that a request has locked by succeeding.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Land {
    pub request: RequestId,
    /// Whose it is: Planet keeps what one account and plan has locked apart from others.
    pub plan: Fingerprint,
    pub sector: Sector,
    /// In `GeoJSON`.
    pub outline: Arc<str>,
}

/// Land that somebody asks about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LandQuery {
    pub plan: Fingerprint,
    pub sector: Sector,
    /// All of which it must have been booked on.
    pub accounts: Vec<Account>,
}

impl LandQuery {
    pub(super) fn meets(&self, land: &Land) -> bool {
        let (ours, theirs) = (self.sector, land.sector);
        self.plan == land.plan
            && ours.west <= theirs.east
            && theirs.west <= ours.east
            && ours.south <= theirs.north
            && theirs.south <= ours.north
    }
}

impl Record {
    /// The accounts on which it has booked area; none while its end is in doubt.
    pub fn land_accounts(&self) -> Vec<&Account> {
        let predicted = self.predicted.get(Unit::Aum).unwrap_or_default();
        let booked = |claim: &&Claim| {
            let charged = self.state.charged(claim).unwrap_or_default();
            // a margin that was reserved is given back
            let least = claim.amount.min(predicted);
            claim.account.unit == Unit::Aum && !least.is_zero() && charged >= least
        };
        if !matches!(self.state, State::Settled(_)) {
            return Vec::new();
        }
        let claims = self.claims.iter().filter(booked);
        claims.map(|claim| &claim.account).collect()
    }
}

impl Evidence {
    /// Whether it shows that less area was charged than was predicted.
    pub fn frees_land(&self, record: &Record) -> bool {
        let predicted = record.predicted.get(Unit::Aum).unwrap_or_default();
        let charged = self.amounts.get(Unit::Aum);
        charged.is_some_and(|charged| charged < predicted)
    }
}

impl Turn {
    /// Whether area is given back: less may be booked then than was locked.
    pub fn frees_land(&self) -> bool {
        let mut given_back = self.gives_back.iter();
        given_back.any(|(account, amount)| account.unit == Unit::Aum && !amount.is_zero())
    }
}
