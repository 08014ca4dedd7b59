//! Opening a store: lock it, make sure it is ours, bring its tables up to date.

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, SqlitePool};

use super::tables::SqliteTables;
use crate::ledger::ReplicaId;
use crate::store::OpenError;
use crate::store::lock::StoreLock;
use crate::store::writer::Writer;

/// Marks the file as ours, in its header.
pub(super) const APPLICATION_ID: i64 = 0x5147_7264;
/// How long a statement waits for somebody who looks into the file with another tool.
pub(super) const LOCKED_FOR: Duration = Duration::from_secs(2);
const READERS: u32 = 4;
/// `SQLITE_READONLY`, `SQLITE_CORRUPT` and `SQLITE_NOTADB`.
const READ_ONLY: i32 = 8;
const CORRUPT: i32 = 11;
const NOT_A_DATABASE: i32 = 26;

pub(super) async fn open(
    path: &Path,
    replica: ReplicaId,
) -> Result<(Writer<SqliteTables>, SqlitePool), OpenError> {
    let lock = StoreLock::take(path)?;
    let mut connection = options(path)
        .connect()
        .await
        .map_err(|cause| not_ours(path, cause))?;
    prove_ours(&mut connection, path).await?;
    let migrated = sqlx::migrate!("src/store/migrations/sqlite")
        .run_direct(None, &mut connection, false)
        .await;
    migrated.map_err(|error| not_migrated(path, error))?;
    let pool = SqlitePoolOptions::new().max_connections(READERS);
    let readers = pool.connect_with(options(path).read_only(true).create_if_missing(false));
    let readers = readers.await.map_err(|cause| unreachable(path, cause))?;
    let tables = SqliteTables::new(connection, replica, lock);
    Ok((Writer::new(tables, replica), readers))
}

pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(LOCKED_FOR)
}

/// An empty file becomes ours; one with tables must have been ours before. The mark is written either way:
/// a file that takes no writes is found out before anybody relies on it.
async fn prove_ours(writer: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let found: Result<(i64, i64), sqlx::Error> = sqlx::query_as(
        "SELECT (SELECT application_id FROM pragma_application_id), (SELECT count(*) FROM sqlite_schema)",
    )
    .fetch_one(&mut *writer)
    .await;
    match found.map_err(|cause| not_ours(path, cause))? {
        (APPLICATION_ID, _) | (0, 0) => {
            let mark = sqlx::AssertSqlSafe(format!("PRAGMA application_id = {APPLICATION_ID}"));
            let marked = sqlx::query(mark).execute(writer).await;
            marked.map(drop).map_err(|cause| not_ours(path, cause))
        }
        _ => Err(somebody_elses(path)),
    }
}

fn not_migrated(path: &Path, error: MigrateError) -> OpenError {
    match error {
        MigrateError::VersionMissing(version) | MigrateError::VersionTooNew(version, _) => {
            OpenError::Newer {
                place: path.display().to_string(),
                version,
            }
        }
        MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => {
            not_ours(path, cause)
        }
        other => unreachable(path, other),
    }
}

/// By SQLite's result codes. Extended ones have the plain one in their lowest byte.
pub(super) fn not_ours(path: &Path, cause: sqlx::Error) -> OpenError {
    let code = cause
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    let code: Option<i32> = code.and_then(|code| code.parse().ok());
    match code.map(|code| code & 0xff) {
        Some(NOT_A_DATABASE) => somebody_elses(path),
        Some(CORRUPT) => OpenError::Damaged {
            path: path.into(),
            cause: cause.into(),
        },
        Some(READ_ONLY) => OpenError::ReadOnlyFile {
            path: path.into(),
            cause: cause.into(),
        },
        _ => unreachable(path, cause),
    }
}

pub(super) fn somebody_elses(path: &Path) -> OpenError {
    OpenError::NotOurs {
        place: path.display().to_string(),
        instead: "another file",
    }
}

fn unreachable(
    path: &Path,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> OpenError {
    OpenError::Unreachable {
        place: path.display().to_string(),
        cause: cause.into(),
    }
}
