//! Retention beside a running guard, through a connection of its own. The rows that the guard keeps in
//! memory are not touched: balances stay the same, and what goes has ended.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, QueryBuilder, Sqlite as Dialect};

use super::flush::PORTIONS;
use super::open;
use super::read::{bytes, read_all};
use crate::ledger::LedgerError;
use crate::store::OpenError;
use crate::store::retain::{self, Archive, Line, RolledUp, first_at};
use crate::store::rows::{self, ACCOUNT, Cells, failed};
use crate::units::UtcTime;

/// For the guard to end what it writes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Rolls up everything that ended before the day of `before`.
pub async fn roll_up(path: &Path, before: UtcTime) -> Result<RolledUp, OpenError> {
    // the lines of requests go before the requests, and nothing else refers to them
    let options = open::options(path)
        .create_if_missing(false)
        .foreign_keys(false)
        .busy_timeout(PATIENCE)
        .disable_statement_logging();
    let connection = options.connect().await;
    let connection = connection.map_err(|cause| open::not_ours(path, cause))?;
    let mut file = File { connection };
    let rolled_up = retain::run(&mut file, before).await;
    let closed = file.connection.close().await;
    let rolled_up = rolled_up?;
    closed.map_err(failed)?;
    Ok(rolled_up)
}

struct File {
    connection: SqliteConnection,
}

/// The last line of the journal stays, and its request with it: the next line is numbered after it, and a
/// number that somebody has read never stands for another line.
impl Archive for File {
    async fn lines(
        &mut self,
        after: u64,
        limit: u32,
        before: UtcTime,
    ) -> Result<Vec<Line>, LedgerError> {
        let sql = format!(
            "SELECT sequence, at, entry.reservation, kind, entry.reserved, entry.charged, note,
                 {ACCOUNT}, account.id AS account_id,
                 reservation.id IS NULL OR (reservation.closed_at < ?
                     AND reservation.state IN ('settled', 'voided', 'reconciled')
                     AND reservation.id NOT IN (SELECT reservation FROM followed WHERE over_at IS NULL))
                     AS may_go
             FROM entry JOIN account ON account.id = entry.account
             LEFT JOIN reservation ON reservation.id = entry.reservation
             WHERE sequence > ? AND sequence < (SELECT max(sequence) FROM entry)
             ORDER BY sequence LIMIT ?"
        );
        let found = sqlx::query(AssertSqlSafe(sql))
            .bind(before.as_microsecond())
            .bind(i64::try_from(after).unwrap_or(i64::MAX))
            .bind(limit)
            .fetch_all(&mut self.connection)
            .await;
        read_all(&found.map_err(failed)?, line)
    }

    async fn replace(&mut self, gone: &[u64], new: &[Line]) -> Result<(), LedgerError> {
        let mut transaction = self
            .connection
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(failed)?;
        take_out(&mut transaction, gone).await.map_err(failed)?;
        put_in(&mut transaction, new).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    async fn forget(&mut self, before: UtcTime, limit: u32) -> Result<u64, LedgerError> {
        sqlx::query("DELETE FROM followed WHERE over_at < ?")
            .bind(before.as_microsecond())
            .execute(&mut self.connection)
            .await
            .map_err(failed)?;
        sqlx::query("DELETE FROM commitment WHERE course = 'over' AND request < ?")
            .bind(bytes(first_at(before)))
            .execute(&mut self.connection)
            .await
            .map_err(failed)?;
        let gone = sqlx::query(
            "DELETE FROM reservation WHERE id IN (
                 SELECT id FROM reservation WHERE id < ? AND closed_at < ?
                 AND state IN ('settled', 'voided', 'reconciled')
                 AND id NOT IN (SELECT reservation FROM followed WHERE over_at IS NULL)
                 AND id IS NOT (SELECT reservation FROM entry ORDER BY sequence DESC LIMIT 1)
                 ORDER BY id LIMIT ?)",
        )
        .bind(bytes(first_at(before)))
        .bind(before.as_microsecond())
        .bind(limit)
        .execute(&mut self.connection)
        .await;
        gone.map(|gone| gone.rows_affected()).map_err(failed)
    }

    async fn forget_land(&mut self, before: UtcTime) -> Result<(), LedgerError> {
        for gone in retain::OLD_LAND {
            let gone = sqlx::query(gone).bind(before.as_microsecond());
            gone.execute(&mut self.connection).await.map_err(failed)?;
        }
        Ok(())
    }
}

fn line(row: &SqliteRow) -> Result<Line, LedgerError> {
    Ok(Line {
        entry: rows::entry(row)?,
        account_id: row.number("account_id")?,
        may_go: row.number("may_go")? != 0,
    })
}

async fn take_out(connection: &mut SqliteConnection, mut gone: &[u64]) -> Result<(), sqlx::Error> {
    for size in PORTIONS {
        while let Some((portion, rest)) = gone.split_at_checked(size) {
            let mut query = QueryBuilder::<Dialect>::new("DELETE FROM entry WHERE sequence IN (");
            let mut list = query.separated(", ");
            for sequence in portion {
                list.push_bind(i64::try_from(*sequence).unwrap_or(i64::MAX));
            }
            query.push(")");
            query.build().execute(&mut *connection).await?;
            gone = rest;
        }
    }
    Ok(())
}

async fn put_in(connection: &mut SqliteConnection, new: &[Line]) -> Result<(), sqlx::Error> {
    for Line {
        entry, account_id, ..
    } in new
    {
        sqlx::query(
            "INSERT INTO entry (sequence, at, reservation, account, kind, reserved, charged, note)
             VALUES (?, ?, NULL, ?, ?, ?, ?, ?)",
        )
        .bind(i64::try_from(entry.sequence).unwrap_or(i64::MAX))
        .bind(entry.at.as_microsecond())
        .bind(account_id)
        .bind(entry.kind.name())
        .bind(entry.reserved.micros())
        .bind(entry.charged.micros())
        .bind(&*entry.note)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
