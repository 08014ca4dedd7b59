//! What is followed, as the file has it.

use sqlx::{SqliteConnection, SqlitePool};

use super::read::{bytes, read_all};
use crate::ledger::{Followed, LedgerError};
use crate::planet::Kind;
use crate::store::rows::{self, Cells, failed};
use crate::store::tables::{Due, Wanted};
use crate::units::UtcTime;

/// What a batch is about.
pub(super) async fn wanted(
    connection: &mut SqliteConnection,
    wanted: &Wanted,
) -> Result<Vec<Followed>, LedgerError> {
    let mut found = Vec::new();
    for request in &wanted.followed {
        let one = sqlx::query("SELECT * FROM followed WHERE reservation = ?")
            .bind(bytes(*request))
            .fetch_all(&mut *connection)
            .await;
        found.extend(read_all(&one.map_err(failed)?, rows::followed)?);
    }
    for Due { now, limit } in &wanted.due {
        let due = sqlx::query(
            "SELECT * FROM followed WHERE over_at IS NULL AND next_at <= ?
             ORDER BY next_at, reservation LIMIT ?",
        )
        .bind(now.as_microsecond())
        .bind(limit)
        .fetch_all(&mut *connection)
        .await;
        found.extend(read_all(&due.map_err(failed)?, rows::followed)?);
    }
    Ok(found)
}

pub(super) async fn named(
    readers: &SqlitePool,
    upstream: &str,
    kind: Kind,
    name: &str,
) -> Result<Vec<Followed>, LedgerError> {
    let found = sqlx::query(
        "SELECT * FROM followed WHERE name = ? AND kind = ? AND upstream = ? ORDER BY reservation",
    )
    .bind(name)
    .bind(kind.name())
    .bind(upstream)
    .fetch_all(readers)
    .await;
    read_all(&found.map_err(failed)?, rows::followed)
}

pub(super) async fn next_due(readers: &SqlitePool) -> Result<Option<UtcTime>, LedgerError> {
    let found = sqlx::query("SELECT min(next_at) AS next_at FROM followed WHERE over_at IS NULL")
        .fetch_one(readers)
        .await
        .map_err(failed)?;
    let next = found.number_if_any("next_at")?;
    next.map(rows::instant).transpose()
}
