//! The databases behind the books. Each keeps every promise of [`Ledger`](crate::ledger::Ledger), and
//! `contract` holds all of them to it with one list of tests.
//!
//! They share how a step is decided. It waits in a `queue` for the one task that writes (`writer`), which
//! takes many at once, reads what they are about from the database's `tables`, decides each on rows in
//! memory (`desk`), writes what has changed in one transaction, and answers when that is durable.

#[cfg(test)]
mod contract;
mod desk;
pub mod leased;
mod lock;
mod queue;
mod rows;
pub mod sqlite;
mod step;
mod stored;
mod tables;
mod writer;

pub use leased::{Journal, LeasedBooks};
pub use sqlite::Sqlite;
pub use stored::Stored;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::warn;

use crate::clock::Clock;
use crate::ledger::{Ledger, LedgerError, ReplicaId};
use crate::policy;

/// Opens the store that a policy names, with leases in front of it, and begins a life in it.
pub async fn open(
    store: &policy::Store,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<LeasedBooks>, OpenError> {
    let journal = Journal::open(&journal_of(store), a_new_name()?)?;
    let books: Arc<dyn Ledger> =
        Arc::new(Sqlite::open(store.sqlite_file(), journal.replica()).await?);
    let (leased, begun) = LeasedBooks::open(books, journal, Arc::clone(clock)).await?;
    if begun.in_doubt > 0 {
        warn!(
            in_doubt = begun.in_doubt,
            "an earlier guard ended with requests under way; they count as spent until resolved"
        );
    }
    Ok(leased)
}

/// The journal of a replica stands beside its file, or in the working folder.
fn journal_of(store: &policy::Store) -> PathBuf {
    let mut name = store.sqlite_file().as_os_str().to_owned();
    name.push(".replica");
    PathBuf::from(name)
}

fn a_new_name() -> Result<ReplicaId, OpenError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|cause| OpenError::Unreachable {
        path: Path::new("the system's randomness").into(),
        cause: cause.to_string().into(),
    })?;
    Ok(ReplicaId::from_uuid(
        uuid::Builder::from_random_bytes(random).into_uuid(),
    ))
}

/// Why a store could not be opened: the guard must not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "{} is in use by another guard: a SQLite store serves one guard at a time, PostgreSQL many",
        path.display()
    )]
    InUse { path: PathBuf },
    #[error(
        "the journal {} is in use by another guard: give each guard its own with store.journal",
        path.display()
    )]
    JournalInUse { path: PathBuf },
    #[error("{} is not a store of this program; name another file", path.display())]
    NotOurs { path: PathBuf },
    #[error(
        "{} was written by a newer version (schema {version}): run that version, or restore a backup",
        path.display()
    )]
    Newer { path: PathBuf, version: i64 },
    #[error("cannot open the store {}", path.display())]
    Unreachable {
        path: PathBuf,
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the books cannot be used")]
    Books(#[from] LedgerError),
}
