//! The tables that every step may ask: lives, top-ups, limits. They are small, and read whole.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;

use super::read::read_all;
use crate::ledger::{Cap, LedgerError, ReplicaId, TopUp};
use crate::store::rows::{self, failed};
use crate::store::tables::Context;

pub(super) async fn context(
    connection: &mut SqliteConnection,
    replica: ReplicaId,
) -> Result<Context, LedgerError> {
    let lives = sqlx::query("SELECT * FROM life WHERE over = 0 OR replica = ? ORDER BY id")
        .bind(replica.to_string())
        .fetch_all(&mut *connection)
        .await;
    let last: Result<(i64, i64), sqlx::Error> = sqlx::query_as(
        "SELECT (SELECT coalesce(max(id), 0) FROM life), (SELECT coalesce(max(id), 0) FROM top_up)",
    )
    .fetch_one(&mut *connection)
    .await;
    let (last_life, last_top_up) = last.map_err(failed)?;
    let mut caps: BTreeMap<ReplicaId, Vec<Cap>> = BTreeMap::new();
    let written = sqlx::query("SELECT * FROM cap ORDER BY replica, budget, unit")
        .fetch_all(&mut *connection)
        .await;
    for (replica, cap) in read_all(&written.map_err(failed)?, rows::cap)? {
        caps.entry(replica).or_default().push(cap);
    }
    let top_ups = top_ups(connection).await?;
    let lives = read_all(&lives.map_err(failed)?, rows::life)?;
    Ok(Context {
        lives: lives.into_iter().collect(),
        last_life: crate::ledger::Epoch::from_number(last_life),
        top_ups: top_ups
            .into_iter()
            .map(|top_up| (top_up.id, top_up))
            .collect(),
        last_top_up,
        caps,
    })
}

pub(super) async fn top_ups(connection: &mut SqliteConnection) -> Result<Vec<TopUp>, LedgerError> {
    let found = sqlx::query("SELECT * FROM top_up ORDER BY id")
        .fetch_all(connection)
        .await;
    read_all(&found.map_err(failed)?, rows::top_up)
}

pub(super) async fn caps_of_the_living(
    connection: &mut SqliteConnection,
) -> Result<Vec<(ReplicaId, Cap)>, LedgerError> {
    let found = sqlx::query(
        "SELECT * FROM cap WHERE replica IN (SELECT replica FROM life WHERE over = 0)
         ORDER BY replica, budget, unit",
    )
    .fetch_all(connection)
    .await;
    read_all(&found.map_err(failed)?, rows::cap)
}
