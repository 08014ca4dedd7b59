//! A PostgreSQL store as it stands: one transaction that reads and sees one moment.

use std::collections::BTreeMap;

use async_trait::async_trait;
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection};

use super::address::Address;
use super::open::{self, TABLES};
use super::read::read_all;
use super::session;
use crate::identity::Secret;
use crate::ledger::{Cap, Entry, Epoch, LedgerError, ReplicaId, RequestId, TopUp};
use crate::store::OpenError;
use crate::store::inspect::{InspectError, Inspection, LifeSeen, OpenRequest, Shelf};
use crate::store::rows::{self, ACCOUNT, failed};
use crate::store::tables::{Row, accounts};
use crate::units::UtcTime;

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/postgres");

struct Database {
    connection: PgConnection,
    rows: Vec<Row>,
}

/// Begins to look into a database, in which nothing is made that is not there.
pub async fn inspect(url: &Secret) -> Result<impl Inspection + use<>, InspectError> {
    let address = Address::parse(url)?;
    let refused = |cause: sqlx::Error| open::not_opened(&address, cause);
    let connected = session::options(&address).connect().await;
    let mut connection = connected.map_err(refused)?;
    open::prove_fit(&mut connection, &address).await?;
    prove_current(&mut connection, &address).await?;
    connection
        .execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await
        .map_err(refused)?;
    let rows = sqlx::query("SELECT * FROM account ORDER BY budget, partition, unit, starts_at")
        .fetch_all(&mut connection)
        .await;
    let rows = rows
        .map_err(failed)
        .and_then(|rows| read_all(&rows, rows::row));
    let rows = rows.map_err(OpenError::Books)?;
    Ok(Database { connection, rows })
}

async fn prove_current(
    connection: &mut PgConnection,
    address: &Address,
) -> Result<(), InspectError> {
    let refused = |cause: sqlx::Error| open::not_opened(address, cause);
    let place = address.to_string();
    let made: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await
        .map_err(refused)?;
    if !made {
        return Err(InspectError::Missing { place });
    }
    let known: Vec<i64> = sqlx::query_scalar("SELECT version FROM _sqlx_migrations")
        .fetch_all(connection)
        .await
        .map_err(refused)?;
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
impl Inspection for Database {
    async fn damage(&mut self) -> Result<Vec<String>, LedgerError> {
        let mut faults: Vec<String> = sqlx::query_scalar(
            "SELECT format('this user lacks %s on the table %s', what, name)
             FROM unnest($1::text[]) AS name, unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) AS what
             WHERE NOT has_table_privilege(name, what)",
        )
        .bind(&TABLES[..])
        .fetch_all(&mut self.connection)
        .await
        .map_err(failed)?;
        let (last, most): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT coalesce(max(last), -1) FROM journal),
                 (SELECT coalesce(max(sequence), 0) FROM entry)",
        )
        .fetch_one(&mut self.connection)
        .await
        .map_err(failed)?;
        if last < most {
            faults.push(format!(
                "the journal counts {last} lines, and there is one numbered {most}"
            ));
        }
        Ok(faults)
    }

    fn in_use(&self) -> Option<bool> {
        None
    }

    async fn clock(&mut self) -> Result<Option<UtcTime>, LedgerError> {
        let micros: i64 =
            sqlx::query_scalar("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
                .fetch_one(&mut self.connection)
                .await
                .map_err(failed)?;
        rows::instant(micros).map(Some)
    }

    async fn latest(&mut self) -> Result<Option<UtcTime>, LedgerError> {
        let latest: Option<i64> = sqlx::query_scalar(
            "SELECT max(at) FROM (
                 SELECT max(at) AS at FROM (SELECT at FROM entry ORDER BY sequence DESC LIMIT 1000) AS last
                 UNION ALL SELECT max(seen_at) FROM life) AS all_of_them",
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
             WHERE sequence > $1 ORDER BY sequence LIMIT $2"
        );
        let found = sqlx::query(AssertSqlSafe(sql))
            .bind(i64::try_from(after).unwrap_or(i64::MAX))
            .bind(i64::from(limit))
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
            "SELECT * FROM reservation WHERE state IN ('held', 'unknown')
             AND ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2",
        )
        .bind(after.map(|id| id.as_uuid()))
        .bind(i64::from(limit))
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
        let found = sqlx::query("SELECT * FROM top_up ORDER BY id")
            .fetch_all(&mut self.connection)
            .await;
        read_all(&found.map_err(failed)?, rows::top_up)
    }

    async fn published(&mut self) -> Result<Vec<(ReplicaId, Cap)>, LedgerError> {
        let found = sqlx::query(
            "SELECT * FROM cap WHERE replica IN (SELECT replica FROM life WHERE NOT over)
             ORDER BY replica, budget, unit",
        )
        .fetch_all(&mut self.connection)
        .await;
        read_all(&found.map_err(failed)?, rows::cap)
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
