//! One replica as production drives it: a lease book in the memory of a process, a journal on a disk, and
//! a handle on the books.

use std::sync::Arc;

use jiff::SignedDuration;

use super::rules::Rules;
use crate::ledger::{
    Epoch, Evidence, LeaseBook, Leased, Marks, Model, NewReservation, Orphans, Outcome, Proof,
    ReplicaId, Report, RequestId,
};
use crate::units::UtcTime;

pub(super) struct Replica {
    pub(super) id: ReplicaId,
    pub(super) books: Model,
    /// How far its clock is off.
    pub(super) skew: SignedDuration,
    /// What is on its disk.
    pub(super) journal: Option<Proof>,
    pub(super) process: Option<Process>,
    /// Its process gets no time, and does not know.
    pub(super) suspended: bool,
}

/// What is lost in a crash.
pub(super) struct Process {
    pub(super) book: LeaseBook,
    pub(super) orphans: Vec<Orphans>,
    /// What orphans have shown, and the books have not taken yet.
    pub(super) evidence: Vec<(RequestId, Evidence)>,
    pub(super) exchanges: Vec<Exchange>,
    pub(super) rules: Arc<Rules>,
    pub(super) unpublished: bool,
    /// A report that was made; the answer when one has come that was not read yet.
    pub(super) report: Option<(Report, Option<Vec<Leased>>)>,
    /// Marks on their way to the disk.
    pub(super) marks: Option<Marks>,
    /// The books have closed this life. Nothing but a new beginning is asked of them.
    pub(super) fenced: bool,
}

/// A request on its way through the guard.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub(super) new: NewReservation,
    /// How it ended; `None` while it has not been sent.
    pub(super) outcome: Option<Outcome>,
    /// How often the books could not be told.
    pub(super) attempts: u32,
}

impl Replica {
    pub(super) fn now(&self, now: UtcTime) -> UtcTime {
        now + self.skew
    }

    /// The life that its process believes in.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        self.process.as_ref().map(|process| process.book.epoch())
    }

    /// Its process, when it is there and gets time.
    pub(super) fn awake(&mut self) -> Option<&mut Process> {
        self.process.as_mut().filter(|_| !self.suspended)
    }
}

impl Process {
    pub(super) fn begun(epoch: Epoch, now: UtcTime, rules: Arc<Rules>) -> Self {
        Self {
            book: LeaseBook::new(epoch, now),
            orphans: Vec::new(),
            evidence: Vec::new(),
            exchanges: Vec::new(),
            rules,
            unpublished: true,
            report: None,
            marks: None,
            fenced: false,
        }
    }

    /// What the journal says after these marks were written.
    pub(super) fn proof(&self, due: &Marks) -> Proof {
        let mut marks = self.book.marks();
        marks.extend(due.iter().map(|(key, mark)| (key.clone(), *mark)));
        Proof {
            epoch: self.book.epoch(),
            reported: self.book.reported(),
            marks: Some(marks),
        }
    }
}

impl Exchange {
    pub(super) fn of(new: &NewReservation) -> Self {
        Self {
            new: new.clone(),
            outcome: None,
            attempts: 0,
        }
    }
}
