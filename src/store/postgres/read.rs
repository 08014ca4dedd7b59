//! Questions to the tables. Readers see what was committed before; the writer locks what it reads, always
//! in the same order, so that two of them wait for each other and never both at once.

use std::collections::BTreeSet;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Postgres as Dialect};
use uuid::Uuid;

use crate::ledger::{
    AccountKey, Balance, Commitment, CommitmentId, Entry, Event, Fingerprint, LedgerError,
    MOST_TOLD, Record, RequestId, Told,
};
use crate::policy::Account;
use crate::store::commitments::commitment;
use crate::store::rows::{self, ACCOUNT, Cells, Found, TOLD, failed};
use crate::store::tables::{Row, accounts};
use crate::units::UtcTime;

type Question<'a> = Query<'a, Dialect, PgArguments>;

const SUMS: &str = "settled, overrun, unknown, held, leased, draws";

pub(super) async fn balances(readers: &PgPool) -> Result<Vec<Balance>, LedgerError> {
    let sql = format!("SELECT {ACCOUNT}, {SUMS} FROM account");
    let found = sqlx::query(AssertSqlSafe(sql)).fetch_all(readers).await;
    let mut balances = read_all(&found.map_err(failed)?, rows::balance)?;
    balances.sort_unstable_by_key(|balance| AccountKey::from(&balance.account));
    Ok(balances)
}

pub(super) async fn balance(readers: &PgPool, account: &Account) -> Result<Balance, LedgerError> {
    let sql = format!(
        "SELECT {ACCOUNT}, {SUMS} FROM account
         WHERE budget = $1 AND partition = $2 AND unit = $3 AND starts_at = $4"
    );
    let found = sqlx::query(AssertSqlSafe(sql))
        .bind(&*account.budget)
        .bind(&*account.partition)
        .bind(account.unit.name())
        .bind(account.window.start.as_microsecond())
        .fetch_optional(readers)
        .await;
    let found = found.map_err(failed)?.map(|row| rows::balance(&row));
    found.unwrap_or_else(|| Ok(Balance::empty(account.clone())))
}

pub(super) async fn entries(
    readers: &PgPool,
    after: u64,
    limit: u32,
) -> Result<Vec<Entry>, LedgerError> {
    let sql = format!(
        "SELECT sequence, at, reservation, kind, reserved, charged, note, {ACCOUNT}
         FROM entry JOIN account ON account.id = entry.account
         WHERE sequence > $1 ORDER BY sequence LIMIT $2"
    );
    let found = sqlx::query(AssertSqlSafe(sql))
        .bind(i64::try_from(after).unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(readers)
        .await;
    read_all(&found.map_err(failed)?, rows::entry)
}

pub(super) async fn events(
    readers: &PgPool,
    after: u64,
    limit: u32,
) -> Result<Vec<Event>, LedgerError> {
    let found = sqlx::query("SELECT * FROM event WHERE sequence > $1 ORDER BY sequence LIMIT $2")
        .bind(i64::try_from(after).unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(readers)
        .await;
    read_all(&found.map_err(failed)?, rows::event)
}

pub(super) async fn record(
    readers: &PgPool,
    request: RequestId,
) -> Result<Option<Record>, LedgerError> {
    let question = sqlx::query("SELECT * FROM reservation WHERE id = $1").bind(request.as_uuid());
    Ok(records(readers, question).await?.pop())
}

pub(super) async fn told(readers: &PgPool) -> Result<Vec<Told>, LedgerError> {
    let found = sqlx::query(TOLD)
        .bind(i64::from(MOST_TOLD))
        .fetch_all(readers)
        .await;
    Ok(rows::told(read_all(&found.map_err(failed)?, rows::found)?))
}

pub(super) async fn unknowns(
    readers: &PgPool,
    after: Option<RequestId>,
    limit: u32,
) -> Result<Vec<Record>, LedgerError> {
    let question = sqlx::query(
        "SELECT * FROM reservation WHERE state = 'unknown' AND ($1::uuid IS NULL OR id > $1)
         ORDER BY id LIMIT $2",
    );
    let question = question.bind(after.map(|id| id.as_uuid()));
    records(readers, question.bind(i64::from(limit))).await
}

pub(super) async fn undelivered(
    readers: &PgPool,
    fingerprint: Fingerprint,
    since: UtcTime,
) -> Result<Option<Record>, LedgerError> {
    let question = sqlx::query(
        "SELECT * FROM reservation WHERE fingerprint = $1 AND reserved_at >= $2
         AND state NOT IN ('voided', 'reconciled') ORDER BY id DESC LIMIT 1",
    );
    let question = question.bind(fingerprint.as_bytes().to_vec());
    let question = question.bind(since.as_microsecond());
    Ok(records(readers, question).await?.pop())
}

pub(super) async fn ping(readers: &PgPool) -> Result<(), LedgerError> {
    let answer = sqlx::query("SELECT 1 FROM journal")
        .fetch_one(readers)
        .await;
    answer.map(drop).map_err(failed)
}

/// Those of `requests` that have reserved, locked; their accounts are yet to be looked up.
pub(super) async fn lock_records(
    connection: &mut PgConnection,
    requests: &[RequestId],
) -> Result<Vec<(RequestId, Result<Found, LedgerError>)>, sqlx::Error> {
    let ids: Vec<Uuid> = requests.iter().map(RequestId::as_uuid).collect();
    let found =
        sqlx::query("SELECT * FROM reservation WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE")
            .bind(ids)
            .fetch_all(connection)
            .await?;
    found
        .iter()
        .map(|row| rows::named(row).map_err(decode))
        .collect()
}

/// Those that are not over, in the order in which they were made.
pub(super) async fn commitments(readers: &PgPool) -> Result<Vec<Commitment>, LedgerError> {
    let found =
        sqlx::query("SELECT * FROM commitment WHERE course <> 'over' ORDER BY request, number");
    let found = found.fetch_all(readers).await;
    read_all(&found.map_err(failed)?, commitment)
}

/// Those of `ids` that are there, locked.
pub(super) async fn lock_commitments(
    connection: &mut PgConnection,
    ids: &[CommitmentId],
) -> Result<Vec<Commitment>, sqlx::Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let found = sqlx::query(
        "SELECT * FROM commitment
         WHERE (request, number) IN (SELECT * FROM unnest($1::uuid[], $2::bigint[]))
         ORDER BY request, number FOR NO KEY UPDATE",
    )
    .bind(
        ids.iter()
            .map(|id| id.request.as_uuid())
            .collect::<Vec<_>>(),
    )
    .bind(
        ids.iter()
            .map(|id| i64::from(id.number))
            .collect::<Vec<_>>(),
    )
    .fetch_all(connection)
    .await?;
    let read = |row| commitment(row).map_err(decode);
    found.iter().map(read).collect()
}

/// The rows of the books with these numbers, locked.
pub(super) async fn lock_rows(
    connection: &mut PgConnection,
    ids: &BTreeSet<i64>,
) -> Result<Vec<Row>, sqlx::Error> {
    let ids: Vec<i64> = ids.iter().copied().collect();
    let found =
        sqlx::query("SELECT * FROM account WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE")
            .bind(ids)
            .fetch_all(connection)
            .await?;
    found
        .iter()
        .map(|row| rows::row(row).map_err(decode))
        .collect()
}

/// The numbers of those accounts that have one, in no order.
pub(super) async fn numbers(
    connection: &mut PgConnection,
    keys: &[AccountKey],
) -> Result<Vec<(AccountKey, i64)>, sqlx::Error> {
    let sql = format!(
        "SELECT id, {ACCOUNT} FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
             AS wanted (budget, partition, unit, starts_at)
         JOIN account USING (budget, partition, unit, starts_at)"
    );
    let found = sqlx::query(AssertSqlSafe(sql))
        .bind(keys.iter().map(|key| &*key.budget).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| &*key.partition).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| key.unit.name()).collect::<Vec<_>>())
        .bind(
            keys.iter()
                .map(|key| key.starts_at.as_microsecond())
                .collect::<Vec<_>>(),
        )
        .fetch_all(connection)
        .await?;
    let read = |row: &PgRow| Ok((AccountKey::from(&rows::account(row)?), row.number("id")?));
    found.iter().map(|row| read(row).map_err(decode)).collect()
}

/// Numbers that no account has had.
pub(super) async fn new_numbers(
    connection: &mut PgConnection,
    count: usize,
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar("SELECT nextval('account_number') FROM generate_series(1, $1)")
        .bind(i64::try_from(count).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await
}

async fn records(readers: &PgPool, question: Question<'_>) -> Result<Vec<Record>, LedgerError> {
    let answer = question.fetch_all(readers).await;
    let found = read_all(&answer.map_err(failed)?, rows::found)?;
    let ids: BTreeSet<i64> = found.iter().flat_map(Found::account_ids).collect();
    let answer = sqlx::query("SELECT * FROM account WHERE id = ANY($1)")
        .bind(ids.into_iter().collect::<Vec<_>>())
        .fetch_all(readers)
        .await;
    let accounts = accounts(&read_all(&answer.map_err(failed)?, rows::row)?);
    let complete = found.into_iter().map(|found| found.complete(&accounts));
    complete.collect()
}

pub(super) fn read_all<T>(
    found: &[PgRow],
    read: impl Fn(&PgRow) -> Result<T, LedgerError>,
) -> Result<Vec<T>, LedgerError> {
    found.iter().map(read).collect()
}

pub(super) fn decode(cause: LedgerError) -> sqlx::Error {
    sqlx::Error::Decode(cause.into())
}
