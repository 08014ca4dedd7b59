//! Retention beside running guards. One of them at a time does it; the others find it done.

use sha2::{Digest, Sha256};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection, Row};

use super::address::Address;
use super::read::read_all;
use super::{open, session};
use crate::identity::Secret;
use crate::ledger::LedgerError;
use crate::store::OpenError;
use crate::store::retain::{self, Archive, Line, RolledUp, first_at};
use crate::store::rows::{self, ACCOUNT, Cells, failed};
use crate::units::UtcTime;

/// Marks the locks of those who roll up among everybody's in the database.
const TURNS: i32 = 0x5147_7275;

/// Rolls up everything that ended before the day of `before`; `None` while another guard is at it.
pub async fn roll_up(url: &Secret, before: UtcTime) -> Result<Option<RolledUp>, OpenError> {
    let address = Address::parse(url)?;
    let refused = |cause: sqlx::Error| open::not_opened(&address, cause);
    let mut connection = session::writing(&address).await.map_err(refused)?;
    if !take_turn(&mut connection, &address.schema)
        .await
        .map_err(refused)?
    {
        return Ok(None);
    }
    let mut tables = Tables { connection };
    let rolled_up = retain::run(&mut tables, before).await;
    // which gives the lock back
    let closed = tables.connection.close().await;
    let rolled_up = rolled_up?;
    closed.map_err(failed)?;
    Ok(Some(rolled_up))
}

/// Whether nobody else is at these tables' retention.
async fn take_turn(connection: &mut PgConnection, schema: &str) -> Result<bool, sqlx::Error> {
    let [first, second, third, fourth, ..] = <[u8; 32]>::from(Sha256::digest(schema));
    sqlx::query_scalar("SELECT pg_try_advisory_lock($1, $2)")
        .bind(TURNS)
        .bind(i32::from_be_bytes([first, second, third, fourth]))
        .fetch_one(connection)
        .await
}

struct Tables {
    connection: PgConnection,
}

impl Archive for Tables {
    async fn lines(
        &mut self,
        after: u64,
        limit: u32,
        before: UtcTime,
    ) -> Result<Vec<Line>, LedgerError> {
        let sql = format!(
            "SELECT sequence, at, entry.reservation, kind, entry.reserved, entry.charged, note,
                 {ACCOUNT}, account.id AS account_id,
                 reservation.id IS NULL OR (reservation.closed_at < $1
                     AND reservation.state IN ('settled', 'voided', 'reconciled')
                     AND NOT EXISTS (SELECT FROM followed
                         WHERE followed.reservation = reservation.id AND over_at IS NULL)) AS may_go
             FROM entry JOIN account ON account.id = entry.account
             LEFT JOIN reservation ON reservation.id = entry.reservation
             WHERE sequence > $2 ORDER BY sequence LIMIT $3"
        );
        let found = sqlx::query(AssertSqlSafe(sql))
            .bind(before.as_microsecond())
            .bind(i64::try_from(after).unwrap_or(i64::MAX))
            .bind(i64::from(limit))
            .fetch_all(&mut self.connection)
            .await;
        read_all(&found.map_err(failed)?, line)
    }

    async fn replace(&mut self, gone: &[u64], new: &[Line]) -> Result<(), LedgerError> {
        let mut transaction = self.connection.begin().await.map_err(failed)?;
        let gone = numbers(gone.iter().copied());
        sqlx::query("DELETE FROM entry WHERE sequence = ANY($1)")
            .bind(gone)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        put_in(&mut transaction, new).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    async fn forget(&mut self, before: UtcTime, limit: u32) -> Result<u64, LedgerError> {
        sqlx::query("DELETE FROM followed WHERE over_at < $1")
            .bind(before.as_microsecond())
            .execute(&mut self.connection)
            .await
            .map_err(failed)?;
        sqlx::query("DELETE FROM commitment WHERE course = 'over' AND request < $1")
            .bind(first_at(before).as_uuid())
            .execute(&mut self.connection)
            .await
            .map_err(failed)?;
        let gone = sqlx::query(
            "DELETE FROM reservation WHERE closed_at < $2
             AND state IN ('settled', 'voided', 'reconciled') AND id IN (
                 SELECT id FROM reservation WHERE id < $1 AND closed_at < $2
                 AND state IN ('settled', 'voided', 'reconciled')
                 AND id NOT IN (SELECT reservation FROM followed WHERE over_at IS NULL)
                 ORDER BY id LIMIT $3)",
        )
        .bind(first_at(before).as_uuid())
        .bind(before.as_microsecond())
        .bind(i64::from(limit))
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

fn line(row: &PgRow) -> Result<Line, LedgerError> {
    Ok(Line {
        entry: rows::entry(row)?,
        account_id: row.number("account_id")?,
        may_go: row.try_get("may_go").map_err(failed)?,
    })
}

fn numbers(sequences: impl Iterator<Item = u64>) -> Vec<i64> {
    let number = |sequence| i64::try_from(sequence).unwrap_or(i64::MAX);
    sequences.map(number).collect()
}

async fn put_in(connection: &mut PgConnection, new: &[Line]) -> Result<(), sqlx::Error> {
    fn column<T>(new: &[Line], value: impl Fn(&Line) -> T) -> Vec<T> {
        new.iter().map(value).collect()
    }
    sqlx::query(
        "INSERT INTO entry (sequence, at, reservation, account, kind, reserved, charged, note)
         SELECT sequence, at, NULL, account, kind, reserved, charged, note
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[],
             $7::text[]) AS line (sequence, at, account, kind, reserved, charged, note)",
    )
    .bind(numbers(new.iter().map(|line| line.entry.sequence)))
    .bind(column(new, |line| line.entry.at.as_microsecond()))
    .bind(column(new, |line| line.account_id))
    .bind(column(new, |line| line.entry.kind.name()))
    .bind(column(new, |line| line.entry.reserved.micros()))
    .bind(column(new, |line| line.entry.charged.micros()))
    .bind(column(new, |line| line.entry.note.to_string()))
    .execute(connection)
    .await
    .map(drop)
}
