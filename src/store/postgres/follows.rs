//! What is followed, as the database has it. A batch locks what it is about; what another guard is about to
//! take is not due for this one.

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::read::{decode, read_all};
use super::write::column;
use crate::ledger::{Followed, LedgerError, RequestId};
use crate::planet::Kind;
use crate::store::rows::{self, Cells, failed};
use crate::store::tables::{Due, Wanted};
use crate::units::UtcTime;

/// What a batch is about, locked.
pub(super) async fn lock_wanted(
    connection: &mut PgConnection,
    wanted: &Wanted,
) -> Result<Vec<Followed>, sqlx::Error> {
    let mut found = Vec::new();
    if !wanted.followed.is_empty() {
        let requests: Vec<Uuid> = wanted.followed.iter().map(RequestId::as_uuid).collect();
        let named = sqlx::query(
            "SELECT * FROM followed WHERE reservation = ANY($1) ORDER BY reservation
             FOR NO KEY UPDATE",
        );
        found.extend(named.bind(requests).fetch_all(&mut *connection).await?);
    }
    for Due { now, limit } in &wanted.due {
        let due = sqlx::query(
            "SELECT * FROM followed WHERE over_at IS NULL AND next_at <= $1
             ORDER BY next_at, reservation LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED",
        );
        let due = due.bind(now.as_microsecond()).bind(i64::from(*limit));
        found.extend(due.fetch_all(&mut *connection).await?);
    }
    let read = |row| rows::followed(row).map_err(decode);
    found.iter().map(read).collect()
}

pub(super) async fn put(
    connection: &mut PgConnection,
    all: &[&Followed],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO followed (reservation, upstream, kind, name, path, since, tries, next_at, state, over_at)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[],
             $7::bigint[], $8::bigint[], $9::text[], $10::bigint[])
         ON CONFLICT (reservation) DO UPDATE SET tries = excluded.tries, next_at = excluded.next_at,
             state = excluded.state, over_at = excluded.over_at",
    )
    .bind(column(all, |one| one.request.as_uuid()))
    .bind(column(all, |one| one.upstream.to_string()))
    .bind(column(all, |one| one.made.kind.name()))
    .bind(column(all, |one| one.made.name.clone()))
    .bind(column(all, |one| one.made.path.clone()))
    .bind(column(all, |one| one.since.as_microsecond()))
    .bind(column(all, |one| i64::from(one.tries)))
    .bind(column(all, |one| one.next_at.as_microsecond()))
    .bind(column(all, |one| one.state.clone()))
    .bind(column(all, |one| one.over_at.map(UtcTime::as_microsecond)))
    .execute(connection)
    .await
    .map(drop)
}

pub(super) async fn named(
    readers: &PgPool,
    upstream: &str,
    kind: Kind,
    name: &str,
) -> Result<Vec<Followed>, LedgerError> {
    let found = sqlx::query(
        "SELECT * FROM followed WHERE name = $1 AND kind = $2 AND upstream = $3 ORDER BY reservation",
    )
    .bind(name)
    .bind(kind.name())
    .bind(upstream)
    .fetch_all(readers)
    .await;
    read_all(&found.map_err(failed)?, rows::followed)
}

pub(super) async fn next_due(readers: &PgPool) -> Result<Option<UtcTime>, LedgerError> {
    let found = sqlx::query("SELECT min(next_at) AS next_at FROM followed WHERE over_at IS NULL")
        .fetch_one(readers)
        .await
        .map_err(failed)?;
    let next = found.number_if_any("next_at")?;
    next.map(rows::instant).transpose()
}
