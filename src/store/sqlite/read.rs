//! Questions to the tables. They run beside the writer and see what was committed before.

use std::collections::HashSet;

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, QueryBuilder, Sqlite as Dialect, SqliteConnection, SqlitePool};

use super::flush::PORTIONS;
use super::rows::{self, ACCOUNT, failed};
use crate::ledger::{AccountKey, Balance, Entry, Fingerprint, LedgerError, Record, RequestId};
use crate::policy::Account;
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
    Ok(found.map_or_else(|| Balance::empty(account.clone()), |(_, balance)| balance))
}

/// A row of the books and its id.
pub(super) async fn stored(
    connection: &mut SqliteConnection,
    key: &AccountKey,
) -> Result<Option<(i64, Balance)>, LedgerError> {
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
    let read = |row: SqliteRow| Ok((rows::column(&row, "id")?, rows::balance(&row)?));
    found.map(read).transpose()
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
    Ok(records(&mut connection, &[request]).await?.pop())
}

pub(super) async fn unknowns(
    readers: &SqlitePool,
    after: Option<RequestId>,
    limit: u32,
) -> Result<Vec<Record>, LedgerError> {
    let mut connection = readers.acquire().await.map_err(failed)?;
    let after = after.map(|id| id.as_uuid().into_bytes().to_vec());
    let found = sqlx::query(
        "SELECT * FROM reservation WHERE state = 'unknown' AND id > ? ORDER BY id LIMIT ?",
    )
    .bind(after.unwrap_or_default()) // no bytes come before all others
    .bind(limit)
    .fetch_all(&mut *connection)
    .await;
    with_claims(&mut connection, &found.map_err(failed)?).await
}

pub(super) async fn undelivered(
    readers: &SqlitePool,
    fingerprint: Fingerprint,
    since: UtcTime,
) -> Result<Option<Record>, LedgerError> {
    let mut connection = readers.acquire().await.map_err(failed)?;
    let found = sqlx::query(
        "SELECT * FROM reservation WHERE fingerprint = ? AND reserved_at >= ?
         AND state NOT IN ('voided', 'reconciled') ORDER BY id DESC LIMIT 1",
    )
    .bind(fingerprint.as_bytes().to_vec())
    .bind(since.as_microsecond())
    .fetch_all(&mut *connection)
    .await;
    let records = with_claims(&mut connection, &found.map_err(failed)?).await?;
    Ok(records.into_iter().next())
}

/// Those of `requests` that have reserved.
pub(super) async fn records(
    connection: &mut SqliteConnection,
    requests: &[RequestId],
) -> Result<Vec<Record>, LedgerError> {
    let mut query = select_by_id("SELECT * FROM reservation", requests);
    let found = query.build().fetch_all(&mut *connection).await;
    with_claims(connection, &found.map_err(failed)?).await
}

/// Which of `requests` have reserved, whatever has become of them.
pub(super) async fn reserved(
    connection: &mut SqliteConnection,
    mut requests: &[RequestId],
) -> Result<HashSet<RequestId>, LedgerError> {
    let mut met = HashSet::new();
    for size in PORTIONS {
        while let Some((portion, rest)) = requests.split_at_checked(size) {
            let mut query = select_by_id("SELECT id FROM reservation", portion);
            let found = query.build().fetch_all(&mut *connection).await;
            for row in found.map_err(failed)? {
                met.insert(rows::request(rows::column(&row, "id")?)?);
            }
            requests = rest;
        }
    }
    Ok(met)
}

fn select_by_id(select: &str, requests: &[RequestId]) -> QueryBuilder<Dialect> {
    let mut query = QueryBuilder::<Dialect>::new(select);
    query.push(" WHERE id IN (");
    let mut ids = query.separated(", ");
    for request in requests {
        ids.push_bind(request.as_uuid().into_bytes().to_vec());
    }
    query.push(")");
    query
}

async fn with_claims(
    connection: &mut SqliteConnection,
    found: &[SqliteRow],
) -> Result<Vec<Record>, LedgerError> {
    let mut records = read_all(found, rows::record)?;
    for record in &mut records {
        let sql = format!(
            "SELECT amount, most, enforced, {ACCOUNT}
             FROM claim JOIN account ON account.id = claim.account
             WHERE reservation = ?"
        );
        let claims = sqlx::query(AssertSqlSafe(sql))
            .bind(record.request.as_uuid().into_bytes().to_vec())
            .fetch_all(&mut *connection)
            .await;
        record.claims = read_all(&claims.map_err(failed)?, rows::claim)?;
        record
            .claims
            .sort_unstable_by(|one, other| one.account.cmp(&other.account));
    }
    Ok(records)
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
