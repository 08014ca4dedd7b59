//! The databases behind the books. Each keeps every promise of [`Ledger`](crate::ledger::Ledger), and
//! `contract` holds all of them to it with one list of tests.
//!
//! They share how a step is decided. It waits in a `queue` for the one task that writes (`writer`), which
//! takes many at once, reads what they are about from the database's `tables`, decides each on rows in
//! memory (`desk`), writes what has changed in one transaction, and answers when that is durable.

#[cfg(test)]
mod contract;
mod desk;
mod queue;
mod rows;
pub mod sqlite;
mod tables;
mod writer;

pub use sqlite::Sqlite;

use std::path::PathBuf;

/// Why a store could not be opened: the guard must not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "{} is in use by another guard: a SQLite store serves one guard at a time, PostgreSQL many",
        path.display()
    )]
    InUse { path: PathBuf },
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
}
