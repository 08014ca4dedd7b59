//! Land that is locked: kept, freed, looked for.

use std::sync::Arc;

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Postgres as Dialect, QueryBuilder};
use uuid::Uuid;

use super::read::read_all;
use crate::ledger::{LandQuery, LedgerError, MOST_ANSWER_BYTES, RequestId};
use crate::policy::Account;
use crate::store::desk::NewLand;
use crate::store::rows::{Cells, failed};

/// There is little of it: a statement each will do.
pub(super) async fn put(
    connection: &mut PgConnection,
    new: &[NewLand],
    freed: &[RequestId],
) -> Result<(), sqlx::Error> {
    for NewLand { land, account_ids } in new {
        let request = land.request.as_uuid();
        let sector = land.sector;
        sqlx::query(
            "INSERT INTO land (request, plan, west, south, east, north, outline)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        )
        .bind(request)
        .bind(land.plan.as_bytes().to_vec())
        .bind(i64::from(sector.west))
        .bind(i64::from(sector.south))
        .bind(i64::from(sector.east))
        .bind(i64::from(sector.north))
        .bind(&*land.outline)
        .execute(&mut *connection)
        .await?;
        sqlx::query(
            "INSERT INTO land_account (request, account) SELECT $1, unnest($2::bigint[])
             ON CONFLICT DO NOTHING",
        )
        .bind(request)
        .bind(account_ids)
        .execute(&mut *connection)
        .await?;
    }
    if freed.is_empty() {
        return Ok(());
    }
    let freed: Vec<Uuid> = freed.iter().map(RequestId::as_uuid).collect();
    for gone in [
        "DELETE FROM land_account WHERE request = ANY($1)",
        "DELETE FROM land WHERE request = ANY($1)",
    ] {
        sqlx::query(gone)
            .bind(&freed)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

pub(super) async fn locked(
    readers: &PgPool,
    query: &LandQuery,
) -> Result<Vec<Arc<str>>, LedgerError> {
    let mut find = QueryBuilder::<Dialect>::new(
        "SELECT outline FROM (
             SELECT request, outline, sum(length(outline)) OVER (ORDER BY request DESC) AS so_far
             FROM land WHERE plan = ",
    );
    let sector = query.sector;
    find.push_bind(query.plan.as_bytes().to_vec());
    find.push(" AND west <= ").push_bind(i64::from(sector.east));
    find.push(" AND east >= ").push_bind(i64::from(sector.west));
    find.push(" AND south <= ")
        .push_bind(i64::from(sector.north));
    find.push(" AND north >= ")
        .push_bind(i64::from(sector.south));
    for account in &query.accounts {
        find.push(
            " AND EXISTS (SELECT 1 FROM land_account JOIN account ON account.id = land_account.account
              WHERE land_account.request = land.request AND account.budget = ",
        );
        find.push_bind(account.budget.to_string());
        find.push(" AND account.partition = ")
            .push_bind(account.partition.to_string());
        find.push(" AND account.unit = ")
            .push_bind(account.unit.name());
        find.push(" AND account.starts_at = ");
        find.push_bind(account.window.start.as_microsecond())
            .push(")");
    }
    find.push(") AS found WHERE so_far <= ");
    find.push_bind(i64::try_from(MOST_ANSWER_BYTES).unwrap_or(i64::MAX));
    find.push(" ORDER BY request");
    let found = find.build().fetch_all(readers).await.map_err(failed)?;
    read_all(&found, |row: &PgRow| Ok(row.text("outline")?.into()))
}

pub(super) async fn bytes_of(readers: &PgPool, account: &Account) -> Result<u64, LedgerError> {
    let sum: Result<i64, sqlx::Error> = sqlx::query_scalar(
        "SELECT coalesce(sum(length(outline)), 0) FROM account
         JOIN land_account ON land_account.account = account.id
         JOIN land ON land.request = land_account.request
         WHERE budget = $1 AND partition = $2 AND unit = $3 AND starts_at = $4",
    )
    .bind(&*account.budget)
    .bind(&*account.partition)
    .bind(account.unit.name())
    .bind(account.window.start.as_microsecond())
    .fetch_one(readers)
    .await;
    Ok(sum.map_err(failed)?.unsigned_abs())
}
