//! Questions to the tables. They run beside the writer and see what was committed before.

use std::collections::BTreeSet;

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, QueryBuilder, Sqlite as Dialect, SqliteConnection, SqlitePool};

use super::flush::PORTIONS;
use crate::ledger::{AccountKey, Balance, Entry, Fingerprint, LedgerError, Record, RequestId};
use crate::policy::Account;
use crate::store::rows::{self, ACCOUNT, Cells, Found, failed};
use crate::store::tables::{Row, accounts};
use crate::units::UtcTime;

pub(super) async fn balances(readers: &SqlitePool) -> Result<Vec<Balance>, LedgerError> {
    let sql = format!("SELECT {ACCOUNT}, settled, overrun, unknown, held FROM account");
    let found = sqlx::query(AssertSqlSafe(sql)).fetch_all(readers).await;
    let mut balances = read_all(&found.map_err(failed)?, rows::balance)?;
    balances.sort_unstable_by_key(|balance| AccountKey::from(&balance.account));
    Ok(balances)
}

pub(super) async fn balance(
    readers: &SqlitePool,
    account: &Account,
) -> Result<Balance, LedgerError> {
    let mut connection = readers.acquire().await.map_err(failed)?;
    let found = stored(&mut connection, &AccountKey::from(account)).await?;
    Ok(found.map_or_else(|| Balance::empty(account.clone()), |row| row.balance))
}

pub(super) async fn stored(
    connection: &mut SqliteConnection,
    key: &AccountKey,
) -> Result<Option<Row>, LedgerError> {
    let sql = format!(
        "SELECT id, {ACCOUNT}, settled, overrun, unknown, held FROM account
         WHERE budget = ? AND partition = ? AND unit = ? AND starts_at = ?"
    );
    let found = sqlx::query(AssertSqlSafe(sql))
        .bind(&*key.budget)
        .bind(&*key.partition)
        .bind(key.unit.name())
        .bind(key.starts_at.as_microsecond())
        .fetch_optional(connection)
        .await
        .map_err(failed)?;
    found.map(|row| rows::row(&row)).transpose()
}

pub(super) async fn entries(
    readers: &SqlitePool,
    after: u64,
    limit: u32,
) -> Result<Vec<Entry>, LedgerError> {
    let sql = format!(
        "SELECT sequence, at, reservation, kind, reserved, charged, note, {ACCOUNT}
         FROM entry JOIN account ON account.id = entry.account
         WHERE sequence > ? ORDER BY sequence LIMIT ?"
    );
    let found = sqlx::query(AssertSqlSafe(sql))
        .bind(i64::try_from(after).unwrap_or(i64::MAX))
        .bind(limit)
        .fetch_all(readers)
        .await;
    read_all(&found.map_err(failed)?, rows::entry)
}

pub(super) async fn record(
    readers: &SqlitePool,
    request: RequestId,
) -> Result<Option<Record>, LedgerError> {
    let mut connection = readers.acquire().await.map_err(failed)?;
    let query = select("SELECT * FROM reservation", [bytes(request)]);
    Ok(records(&mut connection, query).await?.pop())
}

pub(super) async fn unknowns(
    readers: &SqlitePool,
    after: Option<RequestId>,
    limit: u32,
) -> Result<Vec<Record>, LedgerError> {
    let mut connection = readers.acquire().await.map_err(failed)?;
    let mut query =
        QueryBuilder::new("SELECT * FROM reservation WHERE state = 'unknown' AND id > ");
    query.push_bind(after.map(bytes).unwrap_or_default()); // no bytes come before all others
    query.push(" ORDER BY id LIMIT ").push_bind(limit);
    records(&mut connection, query).await
}

pub(super) async fn undelivered(
    readers: &SqlitePool,
    fingerprint: Fingerprint,
    since: UtcTime,
) -> Result<Option<Record>, LedgerError> {
    let mut connection = readers.acquire().await.map_err(failed)?;
    let mut query = QueryBuilder::new("SELECT * FROM reservation WHERE fingerprint = ");
    query.push_bind(fingerprint.as_bytes().to_vec());
    query
        .push(" AND reserved_at >= ")
        .push_bind(since.as_microsecond());
    query.push(" AND state NOT IN ('voided', 'reconciled') ORDER BY id DESC LIMIT 1");
    Ok(records(&mut connection, query).await?.pop())
}

/// Those of `requests` that have reserved; their accounts are yet to be looked up.
pub(super) async fn found(
    connection: &mut SqliteConnection,
    mut requests: &[RequestId],
) -> Result<Vec<(RequestId, Result<Found, LedgerError>)>, LedgerError> {
    let mut found = Vec::new();
    for size in PORTIONS {
        while let Some((portion, rest)) = requests.split_at_checked(size) {
            let ids = portion.iter().map(|id| bytes(*id));
            let mut query = select("SELECT * FROM reservation", ids);
            let answer = query.build().fetch_all(&mut *connection).await;
            found.extend(read_all(&answer.map_err(failed)?, rows::named)?);
            requests = rest;
        }
    }
    Ok(found)
}

/// The rows of the books with these numbers.
pub(super) async fn rows(
    connection: &mut SqliteConnection,
    ids: &BTreeSet<i64>,
) -> Result<Vec<Row>, LedgerError> {
    let sql = format!("SELECT id, {ACCOUNT}, settled, overrun, unknown, held FROM account");
    let (mut found, ids) = (Vec::new(), ids.iter().copied().collect::<Vec<_>>());
    let mut ids = &ids[..];
    for size in PORTIONS {
        while let Some((portion, rest)) = ids.split_at_checked(size) {
            let mut query = select(&sql, portion.iter().copied());
            let answer = query.build().fetch_all(&mut *connection).await;
            found.extend(read_all(&answer.map_err(failed)?, rows::row)?);
            ids = rest;
        }
    }
    Ok(found)
}

/// What a guard left held that has stopped, in the order of the requests.
pub(super) async fn held(
    connection: &mut SqliteConnection,
    limit: usize,
) -> Result<Vec<RequestId>, LedgerError> {
    let answer = sqlx::query("SELECT id FROM reservation WHERE state = 'held' ORDER BY id LIMIT ?")
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await;
    read_all(&answer.map_err(failed)?, |row| row.request("id"))
}

pub(super) fn bytes(request: RequestId) -> Vec<u8> {
    request.as_uuid().into_bytes().to_vec()
}

fn select<'a, T>(from: &str, ids: impl IntoIterator<Item = T>) -> QueryBuilder<Dialect>
where
    T: sqlx::Encode<'a, Dialect> + sqlx::Type<Dialect>,
{
    let mut query = QueryBuilder::<Dialect>::new(from);
    query.push(" WHERE id IN (");
    let mut list = query.separated(", ");
    for id in ids {
        list.push_bind(id);
    }
    query.push(")");
    query
}

async fn records(
    connection: &mut SqliteConnection,
    mut query: QueryBuilder<Dialect>,
) -> Result<Vec<Record>, LedgerError> {
    let answer = query.build().fetch_all(&mut *connection).await;
    let found = read_all(&answer.map_err(failed)?, rows::found)?;
    let ids = found.iter().flat_map(Found::account_ids).collect();
    let accounts = accounts(&rows(connection, &ids).await?);
    let complete = found.into_iter().map(|found| found.complete(&accounts));
    complete.collect()
}

pub(super) async fn ping(readers: &SqlitePool) -> Result<(), LedgerError> {
    let answer = sqlx::query("SELECT 1 FROM account LIMIT 1")
        .fetch_optional(readers)
        .await;
    answer.map(drop).map_err(failed)
}

fn read_all<T>(
    found: &[SqliteRow],
    read: impl Fn(&SqliteRow) -> Result<T, LedgerError>,
) -> Result<Vec<T>, LedgerError> {
    found.iter().map(read).collect()
}
