//! Planet's own figures, as the file has them, and what the books have of the same.

use sqlx::{QueryBuilder, Sqlite as Dialect, SqliteConnection, SqlitePool};

use super::read::read_all;
use crate::ledger::{ACCOUNT, LedgerError, Meter, Spending};
use crate::store::rows::{self, Cells, failed};
use crate::store::tables::Wanted;
use crate::units::Amount;

/// What a batch is about.
pub(super) async fn wanted(
    connection: &mut SqliteConnection,
    wanted: &Wanted,
) -> Result<Vec<Meter>, LedgerError> {
    let mut found = Vec::new();
    for (upstream, product, unit) in &wanted.meters {
        let one =
            sqlx::query("SELECT * FROM meter WHERE upstream = ? AND product = ? AND unit = ?")
                .bind(&**upstream)
                .bind(&**product)
                .bind(unit.name())
                .fetch_all(&mut *connection)
                .await;
        found.extend(read_all(&one.map_err(failed)?, rows::meter)?);
    }
    Ok(found)
}

pub(super) async fn all(readers: &SqlitePool) -> Result<Vec<Meter>, LedgerError> {
    let found = sqlx::query("SELECT * FROM meter ORDER BY upstream, product, unit")
        .fetch_all(readers)
        .await;
    read_all(&found.map_err(failed)?, rows::meter)
}

/// As [`Spending::of`] counts each request. The index `reservation_metered` has only those that may count.
pub(super) async fn spending(readers: &SqlitePool, of: &Spending) -> Result<Amount, LedgerError> {
    let path = format!("$.{}", of.unit);
    let mut query =
        QueryBuilder::<Dialect>::new("SELECT coalesce(sum(coalesce(json_extract(charged, ");
    query.push_bind(path.clone());
    query
        .push("), json_extract(predicted, ")
        .push_bind(path.clone());
    query
        .push(
            "))), 0) AS spent FROM reservation
             WHERE (predicted LIKE '%\"km2\"%' OR predicted LIKE '%\"quota\"%')
             AND state <> 'voided' AND json_extract(predicted, ",
        )
        .push_bind(path);
    query.push(") IS NOT NULL AND api <> ").push_bind(ACCOUNT);
    query
        .push(" AND reserved_at >= ")
        .push_bind(of.since.as_microsecond());
    query
        .push(" AND reserved_at < ")
        .push_bind(of.until.as_microsecond());
    if !of.products.is_empty() {
        query.push(" AND product IN (");
        let mut list = query.separated(", ");
        for product in &of.products {
            list.push_bind(product.clone());
        }
        query.push(")");
    }
    let sum = query.build().fetch_one(readers).await.map_err(failed)?;
    rows::amount(sum.number("spent")?)
}
