//! A SQLite store as it stands, through a connection that only reads.

use std::collections::BTreeMap;
use std::path::Path;

use async_trait::async_trait;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, SqliteConnection};

use super::context;
use super::open::{self, APPLICATION_ID, LOCKED_FOR};
use super::read::{bytes, read_all};
use crate::ledger::{Cap, Entry, Epoch, LedgerError, ReplicaId, RequestId, TopUp};
use crate::store::OpenError;
use crate::store::inspect::{InspectError, Inspection, LifeSeen, OpenRequest, Shelf};
use crate::store::lock;
use crate::store::rows::{self, ACCOUNT, failed};
use crate::store::tables::{Row, accounts};
use crate::units::UtcTime;

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/sqlite");
/// Faults that are told at most.
const FAULTS: u32 = 20;

struct File {
    connection: SqliteConnection,
    rows: Vec<Row>,
    in_use: bool,
}

/// Begins to look into a file, which is not made where it is not there.
pub async fn inspect(path: &Path) -> Result<impl Inspection + use<>, InspectError> {
    let place = path.display().to_string();
    if !path.try_exists().unwrap_or(true) {
        return Err(InspectError::Missing { place });
    }
    let in_use = lock::is_held(path)?;
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let options = options.disable_statement_logging(); // to look through it all takes its time
    let opened = options.busy_timeout(LOCKED_FOR).connect().await;
    let mut connection = opened.map_err(|cause| open::not_ours(path, cause))?;
    prove_current(&mut connection, path).await?;
    connection
        .execute("BEGIN")
        .await
        .map_err(|cause| OpenError::Books(failed(cause)))?;
    let rows = sqlx::query("SELECT * FROM account ORDER BY budget, partition, unit, starts_at")
        .fetch_all(&mut connection)
        .await;
    let rows = rows
        .map_err(failed)
        .and_then(|rows| read_all(&rows, rows::row));
    Ok(File {
        connection,
        rows: rows.map_err(OpenError::Books)?,
        in_use,
    })
}

async fn prove_current(connection: &mut SqliteConnection, path: &Path) -> Result<(), InspectError> {
    let not_ours = |cause| open::not_ours(path, cause);
    let marked: i64 = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(&mut *connection)
        .await
        .map_err(not_ours)?;
    if marked != APPLICATION_ID {
        return Err(open::somebody_elses(path).into());
    }
    let known: Vec<i64> = sqlx::query_scalar("SELECT version FROM _sqlx_migrations")
        .fetch_all(connection)
        .await
        .map_err(not_ours)?;
    let place = path.display().to_string();
    if let Some(version) = known
        .iter()
        .find(|known| !MIGRATIONS.version_exists(**known))
    {
        let version = *version;
        return Err(OpenError::Newer { place, version }.into());
    }
    if known.len() < MIGRATIONS.iter().count() {
        return Err(InspectError::Older { place });
    }
    Ok(())
}

#[async_trait]
impl Inspection for File {
    async fn damage(&mut self) -> Result<Vec<String>, LedgerError> {
        let mut faults: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(format!("PRAGMA integrity_check({FAULTS})")))
                .fetch_all(&mut self.connection)
                .await
                .map_err(failed)?;
        faults.retain(|fault| fault != "ok");
        let loose: Vec<(String, String, i64)> = sqlx::query_as(
            "SELECT \"table\", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2",
        )
        .fetch_all(&mut self.connection)
        .await
        .map_err(failed)?;
        let loose = loose.into_iter().map(|(table, parent, count)| {
            format!("{count} rows of {table} refer to rows of {parent} that are not there")
        });
        faults.extend(loose);
        Ok(faults)
    }

    fn in_use(&self) -> Option<bool> {
        Some(self.in_use)
    }

    async fn clock(&mut self) -> Result<Option<UtcTime>, LedgerError> {
        Ok(None)
    }

    async fn latest(&mut self) -> Result<Option<UtcTime>, LedgerError> {
        let latest: Option<i64> = sqlx::query_scalar(
            "SELECT max(at) FROM (SELECT max(at) AS at FROM (SELECT at FROM entry ORDER BY sequence DESC LIMIT 1000)
             UNION ALL SELECT max(seen_at) FROM life)",
        )
        .fetch_one(&mut self.connection)
        .await
        .map_err(failed)?;
        latest.map(rows::instant).transpose()
    }

    async fn shelves(&mut self) -> Result<Vec<Shelf>, LedgerError> {
        Ok(self.rows.iter().map(Shelf::from).collect())
    }

    async fn entries(&mut self, after: u64, limit: u32) -> Result<Vec<Entry>, LedgerError> {
        let sql = format!(
            "SELECT sequence, at, reservation, kind, reserved, charged, note, {ACCOUNT}
             FROM entry JOIN account ON account.id = entry.account
             WHERE sequence > ? ORDER BY sequence LIMIT ?"
        );
        let found = sqlx::query(AssertSqlSafe(sql))
            .bind(i64::try_from(after).unwrap_or(i64::MAX))
            .bind(limit)
            .fetch_all(&mut self.connection)
            .await;
        read_all(&found.map_err(failed)?, rows::entry)
    }

    async fn open_requests(
        &mut self,
        after: Option<RequestId>,
        limit: u32,
    ) -> Result<Vec<OpenRequest>, LedgerError> {
        let found = sqlx::query(
            "SELECT * FROM reservation WHERE state IN ('held', 'unknown') AND id > ? ORDER BY id LIMIT ?",
        )
        .bind(after.map(bytes).unwrap_or_default()) // no bytes come before all others
        .bind(limit)
        .fetch_all(&mut self.connection)
        .await;
        let accounts = accounts(&self.rows);
        read_all(&found.map_err(failed)?, |row| {
            OpenRequest::read(row, &accounts)
        })
    }

    async fn lives(&mut self) -> Result<BTreeMap<Epoch, LifeSeen>, LedgerError> {
        let found = sqlx::query("SELECT * FROM life ORDER BY id")
            .fetch_all(&mut self.connection)
            .await;
        let lives = read_all(&found.map_err(failed)?, rows::life)?;
        Ok(lives
            .into_iter()
            .map(|(epoch, life)| (epoch, LifeSeen::from(life)))
            .collect())
    }

    async fn top_ups(&mut self) -> Result<Vec<TopUp>, LedgerError> {
        context::top_ups(&mut self.connection).await
    }

    async fn published(&mut self) -> Result<Vec<(ReplicaId, Cap)>, LedgerError> {
        context::caps_of_the_living(&mut self.connection).await
    }

    async fn oldest_ended(&mut self) -> Result<Option<UtcTime>, LedgerError> {
        let oldest: Option<i64> = sqlx::query_scalar(
            "SELECT closed_at FROM reservation
             WHERE state IN ('settled', 'voided', 'reconciled') ORDER BY id LIMIT 1",
        )
        .fetch_optional(&mut self.connection)
        .await
        .map_err(failed)?;
        oldest.map(rows::instant).transpose()
    }
}
