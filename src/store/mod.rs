//! The databases behind the books. Each keeps every promise of [`Ledger`], and
//! `contract` holds all of them to it with one list of tests.
//!
//! They share how a step is decided. It waits in a `queue` for the one task that writes (`writer`), which
//! takes many at once, reads what they are about from the database's `tables`, decides each on rows in
//! memory (`desk`), writes what has changed in one transaction, and answers when that is durable.

mod commitments;
#[cfg(test)]
mod contract;
mod desk;
mod inspect;
pub mod leased;
mod lock;
mod plain;
pub mod postgres;
mod queue;
mod retain;
mod rows;
pub mod sqlite;
mod step;
mod stored;
mod tables;
mod writer;

pub use inspect::{InspectError, Inspection, LifeSeen, OpenRequest, Shelf, inspect};
pub use leased::{Journal, LeasedBooks};
pub use postgres::Postgres;
pub use retain::{RolledUp, roll_up_daily};
pub use sqlite::Sqlite;
pub use stored::Stored;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use crate::clock::Clock;
use crate::identity::{Secret, SecretError};
use crate::ledger::{Ledger, LedgerError, ReplicaId};
use crate::policy::{self, PostgresUrl};
use crate::units::UtcTime;

/// Why a store could not be opened: the guard must not start. Of a URL it shows host and database alone.
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
    #[error("{place} is not a store of this program; name {instead}")]
    NotOurs {
        place: String,
        instead: &'static str,
    },
    #[error(
        "{place} was written by a newer version (schema {version}): run that version, or restore a backup"
    )]
    Newer { place: String, version: i64 },
    #[error("cannot open the store {place}")]
    Unreachable {
        place: String,
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{} is damaged: restore a backup of it", path.display())]
    Damaged {
        path: PathBuf,
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error(
        "{} takes no writes: let the guard's user write the file and its folder",
        path.display()
    )]
    ReadOnlyFile {
        path: PathBuf,
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the store's URL cannot be used: {what}")]
    Url { what: String },
    #[error("the store's URL cannot be read")]
    Secret(#[from] SecretError),
    #[error("{place} is PostgreSQL {version}: the books need 15 or newer")]
    TooOld { place: String, version: i32 },
    #[error("{place} is a standby, which takes no writes: name the primary server")]
    Standby { place: String },
    #[error(
        "{place} takes no writes: switch default_transaction_read_only off for this user and database"
    )]
    ReadOnly { place: String },
    #[error(
        "{place} keeps texts as {encoding}: make a database with ENCODING 'UTF8', so that every name can be kept"
    )]
    Encoding { place: String, encoding: String },
    #[error(
        "{place}: the user {user} lacks a right ({lacking}): run CREATE SCHEMA {schema} AUTHORIZATION {user} in \
         the database {database}, or give {user} the schema and everything in it"
    )]
    Rights {
        place: String,
        user: String,
        database: String,
        schema: String,
        lacking: String,
    },
    #[error("the books cannot be used")]
    Books(#[from] LedgerError),
}

/// Opens the store that the policy names, with leases in front of it, and begins a life in it.
pub async fn open(
    store: &policy::Store,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<LeasedBooks>, OpenError> {
    let journal = Journal::open(store.journal(), a_new_name()?)?;
    let replica = journal.replica();
    let books: Arc<dyn Ledger> = match store.books() {
        policy::Books::Sqlite { file } => Arc::new(Sqlite::open(file, replica).await?),
        policy::Books::Postgres(url) => Arc::new(Postgres::open(&secret(url)?, replica).await?),
    };
    let (leased, begun) = LeasedBooks::open(books, journal, Arc::clone(clock)).await?;
    if begun.in_doubt > 0 {
        warn!(
            in_doubt = begun.in_doubt,
            "an earlier guard ended with requests under way; they count as spent until resolved"
        );
    }
    Ok(leased)
}

/// Lets a guard take its books as they are, although it has written more into them than they show. It must
/// not be running.
pub fn take_as_they_are(store: &policy::Store) -> Result<(), OpenError> {
    let mut journal = Journal::open(store.journal(), a_new_name()?)?;
    journal.forget().map_err(|cause| OpenError::Unreachable {
        place: store.journal().display().to_string(),
        cause: cause.into(),
    })
}

fn a_new_name() -> Result<ReplicaId, OpenError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(SecretError::NoRandomness)?;
    Ok(ReplicaId::from_uuid(
        uuid::Builder::from_random_bytes(random).into_uuid(),
    ))
}

/// Rolls up what ended longer ago than `keep`; `None` while another guard is at it.
pub async fn roll_up(
    store: &policy::Store,
    keep: Duration,
    now: UtcTime,
) -> Result<Option<RolledUp>, OpenError> {
    let before = now.saturating_sub(keep).unwrap_or(UtcTime::MIN);
    match store.books() {
        policy::Books::Sqlite { file } => sqlite::roll_up(file, before).await.map(Some),
        policy::Books::Postgres(url) => postgres::roll_up(&secret(url)?, before).await,
    }
}

/// The URL of a PostgreSQL store, from where it is kept.
pub fn secret(url: &PostgresUrl) -> Result<Secret, OpenError> {
    match url {
        PostgresUrl::Kept(source) => Ok(Secret::read(source)?),
        PostgresUrl::Written(url) => {
            Secret::from_text(url.expose()).ok_or_else(|| OpenError::Url {
                what: "it has characters that a URL cannot have".into(),
            })
        }
    }
}
