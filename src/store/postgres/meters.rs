//! Planet's own figures, as the database has them, and what the books have of the same.

use sqlx::{PgConnection, PgPool};

use super::read::{decode, read_all};
use crate::ledger::{ACCOUNT, LedgerError, Meter, Spending};
use crate::store::desk::ChangedMeter;
use crate::store::rows::{self, Cells, failed};
use crate::store::tables::Wanted;
use crate::units::Amount;

/// What a batch is about, locked.
pub(super) async fn lock_wanted(
    connection: &mut PgConnection,
    wanted: &Wanted,
) -> Result<Vec<Meter>, sqlx::Error> {
    let mut found = Vec::new();
    for (upstream, product, unit) in &wanted.meters {
        let one = sqlx::query(
            "SELECT * FROM meter WHERE upstream = $1 AND product = $2 AND unit = $3
             FOR NO KEY UPDATE",
        );
        let one = one.bind(&**upstream).bind(&**product).bind(unit.name());
        if let Some(row) = one.fetch_optional(&mut *connection).await? {
            found.push(rows::meter(&row).map_err(decode)?);
        }
    }
    Ok(found)
}

/// A meter that two guards have read for the first time at once is the first one's; the other's batch is tried
/// again, and finds it read.
pub(super) async fn put(
    connection: &mut PgConnection,
    all: &[ChangedMeter<'_>],
) -> Result<(), sqlx::Error> {
    for ChangedMeter { meter, fresh } in all {
        let put = sqlx::query(
            "INSERT INTO meter (upstream, product, unit, since, first, last, read_at, moved_at, counted,
                 counted_until, ours, adjusted)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT (upstream, product, unit) DO UPDATE SET since = excluded.since,
                 first = excluded.first, last = excluded.last, read_at = excluded.read_at,
                 moved_at = excluded.moved_at, counted = excluded.counted,
                 counted_until = excluded.counted_until, ours = excluded.ours,
                 adjusted = excluded.adjusted
             WHERE NOT $13",
        )
        .bind(&*meter.upstream)
        .bind(&*meter.product)
        .bind(meter.unit.name())
        .bind(meter.since.as_microsecond())
        .bind(meter.first.micros())
        .bind(meter.last.micros())
        .bind(meter.read_at.as_microsecond())
        .bind(meter.moved_at.as_microsecond())
        .bind(meter.counted.micros())
        .bind(meter.counted_until.as_microsecond())
        .bind(meter.ours.micros())
        .bind(meter.adjusted.micros())
        .bind(fresh)
        .execute(&mut *connection)
        .await?;
        if put.rows_affected() == 0 {
            return Err(sqlx::Error::RowNotFound);
        }
    }
    Ok(())
}

pub(super) async fn all(readers: &PgPool) -> Result<Vec<Meter>, LedgerError> {
    let found = sqlx::query("SELECT * FROM meter ORDER BY upstream, product, unit")
        .fetch_all(readers)
        .await;
    read_all(&found.map_err(failed)?, rows::meter)
}

/// As [`Spending::of`] counts each request. The index `reservation_metered` has only those that may count.
pub(super) async fn spending(readers: &PgPool, of: &Spending) -> Result<Amount, LedgerError> {
    let sum = sqlx::query(
        "SELECT coalesce(sum(coalesce((charged::json ->> $1)::bigint, (predicted::json ->> $1)::bigint)), 0)::bigint
             AS spent
         FROM reservation
         WHERE (predicted LIKE '%\"km2\"%' OR predicted LIKE '%\"quota\"%')
             AND state <> 'voided' AND predicted::json ->> $1 IS NOT NULL
             AND api <> $2 AND reserved_at >= $3 AND reserved_at < $4
             AND (cardinality($5) = 0 OR product = ANY($5))",
    )
    .bind(of.unit.name())
    .bind(ACCOUNT)
    .bind(of.since.as_microsecond())
    .bind(of.until.as_microsecond())
    .bind(&of.products)
    .fetch_one(readers)
    .await
    .map_err(failed)?;
    rows::amount(sum.number("spent")?)
}
