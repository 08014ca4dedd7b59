//! Who writes into the books: a replica, in one of its lives.
//!
//! Every write carries the life it was made in. A life that the books have closed, because its replica
//! began another or was silent for too long, writes nothing any more.

use std::fmt;
use std::str::FromStr;

use super::Marks;

/// Names one guard among those that share the books. It stands in the replica's journal, so that after a
/// restart it is the same one.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ReplicaId(uuid::Uuid);

/// One life of a replica, numbered by the books in the order of their beginnings.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Epoch(i64);

/// What a replica's journal, or the replica itself while it runs, shows of its last life.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proof {
    pub epoch: Epoch,
    /// The last report that the books are known to have taken. Books that have not seen it were put back
    /// to an earlier moment.
    pub reported: u64,
    /// What may have been spent of each lease in that life, at the most; `None` when nothing is known.
    pub marks: Option<Marks>,
}

/// What the beginning of a life found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Begun {
    pub epoch: Epoch,
    /// Requests and leases of earlier lives that count as unknown from here on.
    pub in_doubt: u64,
    /// The last report that was taken from the life that the proof names, or else from the life before; its
    /// answer may have been lost.
    pub reported: u64,
}

impl ReplicaId {
    pub const fn from_uuid(id: uuid::Uuid) -> Self {
        Self(id)
    }
}

impl Epoch {
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    pub const fn number(self) -> i64 {
        self.0
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

impl FromStr for ReplicaId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        uuid::Uuid::try_parse(text).map(Self)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
