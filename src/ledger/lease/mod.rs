//! The lease book: what one replica admits from in memory, without a disk or a network on the way.
//!
//! A lease is a slice of an account that the books have granted durably, so whatever is admitted from it
//! has been counted already. Nothing here waits or asks the time: `store::leased` carries the reports to
//! the books and the marks to the journal, and the simulation does the same with accidents.
//!
//! Of a lease only as much is spent as the journal says it may be, its *mark*. After a crash nobody knows
//! what was spent between the last report and the mark; all above the mark is proven to be unspent.

mod admit;
mod demand;
mod marks;
mod orphans;
mod reports;
mod slice;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

pub use self::admit::Denial;
pub use self::marks::Marks;
pub use self::orphans::Orphans;

use self::slice::Lease;
use super::{AccountKey, Epoch, Record, Report, RequestId};
use crate::units::{Amount, UtcTime};

/// How long after its last word from the books a replica still admits from its leases.
pub const LEASE_LIFE: Duration = Duration::from_secs(10);
/// Spending that a lease should have ready.
const READY: Duration = Duration::from_secs(5);
/// Spending that the journal is ahead of: what is in doubt after a crash, besides what was not reported.
const STEP: Duration = Duration::from_millis(100);
/// A request larger than this part of its lease reserves for itself.
const SMALL_PART: u64 = 4;
/// Accounts that are leased, or watched in case a lease would pay. More than these reserve every request.
const MOST_LEASES: usize = 10_000;
/// Requests to a report, so that none takes the books too long.
const MOST_RECORDS: usize = 2048;
/// Ended requests that may wait for the books. With more, nothing is admitted from leases.
const MOST_WAITING: usize = 100_000;

/// What a replica leases, what it has admitted from that, and what it has still to tell the books.
#[derive(Debug)]
pub struct LeaseBook {
    epoch: Epoch,
    began_at: UtcTime,
    /// When the books last answered; leases are good for [`LEASE_LIFE`] from there.
    heard_at: UtcTime,
    leases: Vec<Option<Lease>>,
    places: HashMap<AccountKey, Place, foldhash::fast::RandomState>,
    vacant: Vec<Place>,
    /// Admitted here and not yet known to the books.
    requests: HashMap<RequestId, Request, foldhash::fast::RandomState>,
    /// Those of them that have ended, in the order in which they did.
    ended: VecDeque<RequestId>,
    /// Made, and perhaps sent, but not answered.
    report: Option<Report>,
    /// The last report that was answered.
    reported: u64,
    /// When the latest report was made.
    planned_at: UtcTime,
    /// A lease has come near what the journal allows since somebody last asked.
    short: bool,
    /// The books have been shown what this life can have spent, and it may spend no more.
    shown: bool,
}

/// Where a lease stands among all.
type Place = usize;

/// A request that was admitted from leases.
#[derive(Debug)]
struct Request {
    record: Record,
    /// The lease of each claim, in the order of the claims.
    places: Vec<Place>,
}

impl LeaseBook {
    /// The book of a life that has just begun: nothing is leased.
    pub fn new(epoch: Epoch, now: UtcTime) -> Self {
        Self {
            epoch,
            began_at: now,
            heard_at: now,
            leases: Vec::new(),
            places: HashMap::default(),
            vacant: Vec::new(),
            requests: HashMap::default(),
            ended: VecDeque::new(),
            report: None,
            reported: 0,
            planned_at: now,
            short: false,
            shown: false,
        }
    }

    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The last report that the books are known to have taken.
    pub const fn reported(&self) -> u64 {
        self.reported
    }

    /// Whether marks should be raised now; asking clears it.
    pub fn runs_short(&mut self) -> bool {
        std::mem::take(&mut self.short)
    }

    /// What is known here of a request.
    pub fn record(&self, request: RequestId) -> Option<&Record> {
        self.requests.get(&request).map(|known| &known.record)
    }

    /// What nobody here has taken of what the books say they have `lent` to this life: that may be more, or less,
    /// than this replica has heard of.
    pub fn unspent(&self, account: &AccountKey, lent: Amount) -> Amount {
        let place = self.places.get(account).copied();
        let lease = place.and_then(|place| self.lease(place));
        lease.map_or(Amount::ZERO, |lease| {
            let spent = lease.acknowledged.saturating_add(lease.taken());
            lent.minus(spent)
        })
    }

    /// Requests admitted here that have not ended.
    pub fn under_way(&self) -> impl Iterator<Item = &Record> {
        let open = |known: &&Request| known.record.state == super::State::Held;
        self.requests
            .values()
            .filter(open)
            .map(|known| &known.record)
    }

    fn lease(&self, place: Place) -> Option<&Lease> {
        self.leases.get(place).and_then(Option::as_ref)
    }

    fn lease_mut(&mut self, place: Place) -> Option<&mut Lease> {
        self.leases.get_mut(place).and_then(Option::as_mut)
    }
}
