//! The databases behind the books. Each keeps every promise of [`Ledger`](crate::ledger::Ledger), and
//! `contract` holds all of them to it with one list of tests.
//!
//! They share how a step is decided. It waits in a `queue` for the one task that writes (`writer`), which
//! takes many at once, reads what they are about from the database's `tables`, decides each on rows in
//! memory (`desk`), writes what has changed in one transaction, and answers when that is durable.

#[cfg(test)]
mod contract;
mod desk;
pub mod postgres;
mod queue;
mod rows;
pub mod sqlite;
mod step;
mod tables;
mod writer;

pub use postgres::Postgres;
pub use sqlite::Sqlite;

use std::path::PathBuf;
use std::sync::Arc;

use crate::identity::{Secret, SecretError};
use crate::ledger::Ledger;
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
}

/// Opens the store that the policy names.
pub async fn open(store: &policy::Store, now: UtcTime) -> Result<Arc<dyn Ledger>, OpenError> {
    Ok(match store {
        policy::Store::Sqlite { file } => Arc::new(Sqlite::open(file, now).await?),
        policy::Store::Postgres(url) => Arc::new(Postgres::open(&secret(url)?).await?),
    })
}

fn secret(url: &PostgresUrl) -> Result<Secret, OpenError> {
    match url {
        PostgresUrl::Kept(source) => Ok(Secret::read(source)?),
        PostgresUrl::Written(url) => {
            Secret::from_text(url.expose()).ok_or_else(|| OpenError::Url {
                what: "it has characters that a URL cannot have".into(),
            })
        }
    }
}
