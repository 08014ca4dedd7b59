//! Opening a store: make sure that the database can keep books and that the tables are ours, and bring them
//! up to date. Several guards may do so at once: one goes first, the others find it done.

use sha2::{Digest, Sha256};
use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, Executor, PgPool, Row};
use tracing::warn;

use super::address::Address;
use super::session;
use super::tables::PgTables;
use crate::identity::Secret;
use crate::ledger::ReplicaId;
use crate::store::OpenError;
use crate::store::writer::Writer;

/// The oldest major version whose behaviour is tested.
const OLDEST: i32 = 15;
const READERS: u32 = 4;
/// Marks our locks among everybody's in the database.
const LOCKS: i32 = 0x5147_7264;

/// The tables of the first version, by which a schema is known to be ours.
const FIRST_TABLES: [&str; 4] = ["account", "reservation", "entry", "journal"];
pub(super) const TABLES: [&str; 11] = [
    "account",
    "reservation",
    "entry",
    "journal",
    "life",
    "top_up",
    "cap",
    "event",
    "commitment",
    "followed",
    "meter",
];
const MIGRATIONS_TABLE: &str = "_sqlx_migrations";

pub(super) struct Opened {
    pub(super) writer: Writer<PgTables>,
    pub(super) readers: PgPool,
}

pub(super) async fn open(url: &Secret, replica: ReplicaId) -> Result<Opened, OpenError> {
    let address = Address::parse(url)?;
    let failed = |cause: sqlx::Error| not_opened(&address, cause);
    let mut connection = session::migrating(&address).await.map_err(failed)?;
    prove_fit(&mut connection, &address).await?;
    lock(&mut connection, &address.schema)
        .await
        .map_err(failed)?;
    prove_ours(&mut connection, &address).await?;
    let mut migrator = sqlx::migrate!("src/store/migrations/postgres");
    migrator.set_locking(false);
    let migrated = migrator.run_direct(None, &mut connection, false).await;
    migrated.map_err(|error| not_migrated(&address, error))?;
    prove_rights(&mut connection, &address).await?;
    connection.close().await.map_err(failed)?; // which gives the lock back
    let writing = session::writing(&address).await.map_err(failed)?;
    let pool = PgPoolOptions::new().max_connections(READERS);
    let pool = pool.acquire_timeout(session::CONNECT);
    let readers = pool.connect_with(session::options(&address));
    let readers = readers.await.map_err(failed)?;
    let tables = PgTables::new(address.clone(), replica, writing, name_of_this_writer()?);
    Ok(Opened {
        writer: Writer::new(tables, replica),
        readers,
    })
}

/// Whether the server is one that books can be kept on at all.
pub(super) async fn prove_fit(
    connection: &mut PgConnection,
    address: &Address,
) -> Result<(), OpenError> {
    let found = sqlx::query(
        "SELECT current_setting('server_version_num')::integer / 10000 AS version,
             pg_is_in_recovery() AS standby,
             current_setting('transaction_read_only') = 'on' AS read_only,
             current_setting('server_encoding') AS encoding,
             current_setting('fsync') = 'on' AS keeps",
    )
    .fetch_one(connection)
    .await
    .and_then(|row| {
        let version: i32 = row.try_get("version")?;
        let (standby, read_only): (bool, bool) =
            (row.try_get("standby")?, row.try_get("read_only")?);
        let (encoding, keeps): (String, bool) = (row.try_get("encoding")?, row.try_get("keeps")?);
        Ok((version, standby, read_only, encoding, keeps))
    });
    let place = address.to_string();
    match found.map_err(|cause| not_opened(address, cause))? {
        (version, ..) if version < OLDEST => Err(OpenError::TooOld { place, version }),
        (_, true, ..) => Err(OpenError::Standby { place }),
        (_, _, true, ..) => Err(OpenError::ReadOnly { place }),
        (.., encoding, _) if encoding != "UTF8" => Err(OpenError::Encoding { place, encoding }),
        (.., false) => {
            warn!(
                place,
                "the database runs with fsync = off: a power cut may take spending out of the books"
            );
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Waits until no other guard is at these tables' making.
async fn lock(connection: &mut PgConnection, schema: &str) -> Result<(), sqlx::Error> {
    let [first, second, third, fourth, ..] = <[u8; 32]>::from(Sha256::digest(schema));
    sqlx::query("SELECT pg_advisory_lock($1, $2)")
        .bind(LOCKS)
        .bind(i32::from_be_bytes([first, second, third, fourth]))
        .execute(connection)
        .await
        .map(drop)
}

/// An empty schema becomes ours; one with tables must have been ours before.
async fn prove_ours(connection: &mut PgConnection, address: &Address) -> Result<(), OpenError> {
    let failed = |cause: sqlx::Error| not_opened(address, cause);
    let schema = &address.schema;
    let usable: Option<bool> = sqlx::query_scalar(
        "SELECT has_schema_privilege(oid, 'USAGE') AND has_schema_privilege(oid, 'CREATE')
         FROM pg_namespace WHERE nspname = $1",
    )
    .bind(schema)
    .fetch_optional(&mut *connection)
    .await
    .map_err(failed)?;
    match usable {
        Some(true) => {}
        Some(false) => {
            return Err(no_right(
                address,
                format!("USAGE and CREATE on the schema {schema}"),
            ));
        }
        None => {
            let create = AssertSqlSafe(format!("CREATE SCHEMA \"{schema}\""));
            return connection.execute(create).await.map(drop).map_err(failed);
        }
    }
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
         WHERE nspname = $1 AND relkind IN ('r', 'p', 'v', 'm', 'f')",
    )
    .bind(schema)
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    let has = |name: &str| tables.iter().any(|table| table == name);
    let empty = tables.iter().all(|table| table == MIGRATIONS_TABLE);
    let ours = has(MIGRATIONS_TABLE) && FIRST_TABLES.into_iter().all(has);
    if empty || ours {
        return Ok(());
    }
    Err(OpenError::NotOurs {
        place: address.to_string(),
        instead: "another schema with ?schema=NAME",
    })
}

/// Tables of another owner are of no use when they cannot be written.
async fn prove_rights(connection: &mut PgConnection, address: &Address) -> Result<(), OpenError> {
    let lacking: Option<String> = sqlx::query_scalar(
        "SELECT format('%s on the table %s', what, name)
         FROM unnest($1::text[]) AS name, unnest('{SELECT,INSERT,UPDATE}'::text[]) AS what
         WHERE NOT has_table_privilege(name, what) LIMIT 1",
    )
    .bind(&TABLES[..])
    .fetch_optional(connection)
    .await
    .map_err(|cause| not_opened(address, cause))?;
    lacking.map_or(Ok(()), |lacking| Err(no_right(address, lacking)))
}

/// Tells this process's batches from those of others.
fn name_of_this_writer() -> Result<i64, OpenError> {
    let mut random = [0; 8];
    let filled = getrandom::fill(&mut random);
    filled.map_err(|cause| OpenError::Secret(crate::identity::SecretError::NoRandomness(cause)))?;
    Ok(i64::from_be_bytes(random))
}

fn not_migrated(address: &Address, error: MigrateError) -> OpenError {
    match error {
        MigrateError::VersionMissing(version) | MigrateError::VersionTooNew(version, _) => {
            OpenError::Newer {
                place: address.to_string(),
                version,
            }
        }
        MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => {
            not_opened(address, cause)
        }
        other => unreachable(address, other),
    }
}

/// PostgreSQL's code for lacking a right is 42501.
pub(super) fn not_opened(address: &Address, cause: sqlx::Error) -> OpenError {
    match cause.as_database_error() {
        Some(error) if error.code().as_deref() == Some("42501") => {
            no_right(address, error.message().to_owned())
        }
        _ => unreachable(address, cause),
    }
}

fn no_right(address: &Address, lacking: String) -> OpenError {
    OpenError::Rights {
        place: address.to_string(),
        user: address.user().to_owned(),
        database: address.database().to_owned(),
        schema: address.schema.clone(),
        lacking,
    }
}

fn unreachable(
    address: &Address,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> OpenError {
    OpenError::Unreachable {
        place: address.to_string(),
        cause: cause.into(),
    }
}
