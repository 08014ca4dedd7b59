//! Questions to the tables. They run beside the writer and see what was committed before.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, QueryBuilder, Sqlite as Dialect, SqliteConnection, SqlitePool};

use super::flush::PORTIONS;
use crate::ledger::{
    AccountKey, Balance, Commitment, CommitmentId, Entry, Epoch, Event, Fingerprint, LedgerError,
    MOST_TOLD, Record, RequestId, Told,
};
use crate::policy::Account;
use crate::store::commitments::commitment;
use crate::store::rows::{self, ACCOUNT, Cells, Found, TOLD, failed};
use crate::store::tables::{Row, accounts};
use crate::units::UtcTime;

pub(super) async fn balances(readers: &SqlitePool) -> Result<Vec<Balance>, LedgerError> {
    let sql =
        format!("SELECT {ACCOUNT}, settled, overrun, unknown, held, leased, draws FROM account");
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
    let found = sqlx::query(
        "SELECT * FROM account WHERE budget = ? AND partition = ? AND unit = ? AND starts_at = ?",
    )
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

pub(super) async fn told(readers: &SqlitePool) -> Result<Vec<Told>, LedgerError> {
    let found = sqlx::query(TOLD).bind(MOST_TOLD).fetch_all(readers).await;
    Ok(rows::told(read_all(&found.map_err(failed)?, rows::found)?))
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
    let (mut found, ids) = (Vec::new(), ids.iter().copied().collect::<Vec<_>>());
    let mut ids = &ids[..];
    for size in PORTIONS {
        while let Some((portion, rest)) = ids.split_at_checked(size) {
            let mut query = select("SELECT * FROM account", portion.iter().copied());
            let answer = query.build().fetch_all(&mut *connection).await;
            found.extend(read_all(&answer.map_err(failed)?, rows::row)?);
            ids = rest;
        }
    }
    Ok(found)
}

/// What is under way in the books, and for which life; what is older than the counting of lives is of
/// none.
pub(super) async fn held(
    connection: &mut SqliteConnection,
) -> Result<BTreeMap<RequestId, Epoch>, LedgerError> {
    let answer = sqlx::query("SELECT id, holder FROM reservation WHERE state = 'held'")
        .fetch_all(connection)
        .await;
    let held = |row: &SqliteRow| {
        let holder = row.number_if_any("holder")?.unwrap_or_default();
        Ok((row.request("id")?, Epoch::from_number(holder)))
    };
    Ok(read_all(&answer.map_err(failed)?, held)?
        .into_iter()
        .collect())
}

/// The rows that some life leases of, or has leased of.
pub(super) async fn leased(connection: &mut SqliteConnection) -> Result<Vec<Row>, LedgerError> {
    let answer = sqlx::query("SELECT * FROM account WHERE leases <> '{}'")
        .fetch_all(connection)
        .await;
    read_all(&answer.map_err(failed)?, rows::row)
}

/// Those that are not over, in the order in which they were made.
pub(super) async fn commitments(readers: &SqlitePool) -> Result<Vec<Commitment>, LedgerError> {
    let found =
        sqlx::query("SELECT * FROM commitment WHERE course <> 'over' ORDER BY request, number");
    let found = found.fetch_all(readers).await;
    read_all(&found.map_err(failed)?, commitment)
}

/// Those of `ids` that are there.
pub(super) async fn wanted_commitments(
    connection: &mut SqliteConnection,
    ids: &[CommitmentId],
) -> Result<Vec<Commitment>, LedgerError> {
    let mut all = Vec::new();
    for id in ids {
        let found = sqlx::query("SELECT * FROM commitment WHERE request = ? AND number = ?")
            .bind(bytes(id.request))
            .bind(i64::from(id.number))
            .fetch_optional(&mut *connection)
            .await;
        let found = found.map_err(failed)?;
        all.extend(found.map(|row| commitment(&row)).transpose()?);
    }
    Ok(all)
}

pub(super) async fn events(
    readers: &SqlitePool,
    after: u64,
    limit: u32,
) -> Result<Vec<Event>, LedgerError> {
    let found = sqlx::query("SELECT * FROM event WHERE sequence > ? ORDER BY sequence LIMIT ?")
        .bind(i64::try_from(after).unwrap_or(i64::MAX))
        .bind(limit)
        .fetch_all(readers)
        .await;
    read_all(&found.map_err(failed)?, rows::event)
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

pub(super) fn read_all<T>(
    found: &[SqliteRow],
    read: impl Fn(&SqliteRow) -> Result<T, LedgerError>,
) -> Result<Vec<T>, LedgerError> {
    found.iter().map(read).collect()
}
