//! The tables that every batch may ask: lives, top-ups, limits.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::read::{decode, read_all};
use crate::ledger::{Cap, Epoch, Fingerprint, LedgerError, ReplicaId, RequestId, TopUp};
use crate::store::rows::{self, failed};
use crate::store::tables::{Closing, Context, Life, Row};

/// Keeps others from closing the life that a batch is written for, until the batch is over.
pub(super) async fn lock_own(connection: &mut PgConnection, me: Epoch) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT id FROM life WHERE id = $1 FOR NO KEY UPDATE")
        .bind(me.number())
        .execute(connection)
        .await
        .map(drop)
}

/// The lives that steps may close, kept from writing until that is done.
pub(super) async fn lock_closing(
    connection: &mut PgConnection,
    closing: Closing,
    replica: ReplicaId,
    me: Option<Epoch>,
) -> Result<Vec<i64>, sqlx::Error> {
    let query = match closing {
        Closing::Own => sqlx::query_scalar(
            "SELECT id FROM life WHERE replica = $1 ORDER BY id FOR NO KEY UPDATE",
        )
        .bind(replica.to_string()),
        Closing::SilentSince(since) => sqlx::query_scalar(
            "SELECT id FROM life WHERE NOT over AND seen_at < $1 AND id <> $2 ORDER BY id
             FOR NO KEY UPDATE",
        )
        .bind(since.as_microsecond())
        .bind(me.map_or(0, Epoch::number)),
    };
    query.fetch_all(connection).await
}

/// What these lives hold.
pub(super) async fn held(
    connection: &mut PgConnection,
    lives: &[i64],
) -> Result<BTreeMap<RequestId, Epoch>, sqlx::Error> {
    let found: Vec<(Uuid, i64)> = sqlx::query_as(
        "SELECT id, holder FROM reservation WHERE state = 'held' AND holder = ANY($1)",
    )
    .bind(lives)
    .fetch_all(connection)
    .await?;
    let named = |(id, holder)| (RequestId::from_uuid(id), Epoch::from_number(holder));
    Ok(found.into_iter().map(named).collect())
}

/// The rows that these lives lease of, or have leased of; not locked yet.
pub(super) async fn leased(
    connection: &mut PgConnection,
    lives: &[i64],
) -> Result<Vec<Row>, sqlx::Error> {
    let names: Vec<String> = lives.iter().map(ToString::to_string).collect();
    let found = sqlx::query(
        "SELECT * FROM account WHERE leases <> '{}'
         AND EXISTS (SELECT FROM json_object_keys(leases::json) AS life WHERE life = ANY($1))",
    )
    .bind(names)
    .fetch_all(connection)
    .await?;
    found
        .iter()
        .map(|row| rows::row(row).map_err(decode))
        .collect()
}

/// Reads what a batch may ask. The top-ups of its budgets are locked: windows of one budget share them.
pub(super) async fn context(
    connection: &mut PgConnection,
    replica: ReplicaId,
    budgets: &BTreeSet<String>,
    keys: &[Fingerprint],
) -> Result<Context, sqlx::Error> {
    let lives = lives(connection, replica).await?;
    let (last_life, last_top_up): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT coalesce(max(id), 0) FROM life), (SELECT coalesce(max(id), 0) FROM top_up)",
    )
    .fetch_one(&mut *connection)
    .await?;
    let mut top_ups = BTreeMap::new();
    if last_top_up > 0 {
        let budgets: Vec<&str> = budgets.iter().map(String::as_str).collect();
        let found = sqlx::query(
            "SELECT * FROM top_up WHERE budget = ANY($1) OR key = ANY($2) ORDER BY id FOR NO KEY UPDATE",
        )
        .bind(budgets)
        .bind(keys.iter().map(|key| key.as_bytes().to_vec()).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await?;
        for row in &found {
            let top_up = rows::top_up(row).map_err(decode)?;
            top_ups.insert(top_up.id, top_up);
        }
    }
    let mut caps: BTreeMap<ReplicaId, Vec<Cap>> = BTreeMap::new();
    let found = sqlx::query("SELECT * FROM cap ORDER BY replica, budget, unit")
        .fetch_all(connection)
        .await?;
    for row in &found {
        let (replica, cap) = rows::cap(row).map_err(decode)?;
        caps.entry(replica).or_default().push(cap);
    }
    Ok(Context {
        lives,
        last_life: Epoch::from_number(last_life),
        top_ups,
        last_top_up,
        caps,
    })
}

pub(super) async fn lives(
    connection: &mut PgConnection,
    replica: ReplicaId,
) -> Result<BTreeMap<Epoch, Life>, sqlx::Error> {
    let found = sqlx::query("SELECT * FROM life WHERE NOT over OR replica = $1")
        .bind(replica.to_string())
        .fetch_all(connection)
        .await?;
    let life = |row: &PgRow| rows::life(row).map_err(decode);
    found.iter().map(life).collect()
}

pub(super) async fn top_ups(readers: &PgPool) -> Result<Vec<TopUp>, LedgerError> {
    let found = sqlx::query("SELECT * FROM top_up ORDER BY id")
        .fetch_all(readers)
        .await;
    read_all(&found.map_err(failed)?, rows::top_up)
}

pub(super) async fn caps_of_the_living(
    readers: &PgPool,
) -> Result<Vec<(ReplicaId, Cap)>, LedgerError> {
    let found = sqlx::query(
        "SELECT * FROM cap WHERE replica IN (SELECT replica FROM life WHERE NOT over)
         ORDER BY replica, budget, unit",
    )
    .fetch_all(readers)
    .await;
    read_all(&found.map_err(failed)?, rows::cap)
}
