//! The tables in the hands of one of the many who write them. A batch is a transaction that locks what it
//! reads; when the connection is lost the next batch begins on a new one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::error::DatabaseError;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tracing::{debug, info};

use super::address::Address;
use super::session::{self, within};
use super::{context, follows, meters, read, write};
use crate::ledger::{AccountKey, Epoch, LedgerError, ReplicaId, RequestId};
use crate::policy::Account;
use crate::store::desk::Changes;
use crate::store::rows::{Found, failed};
use crate::store::tables::{Failure, Loaded, Row, Tables, Wanted, lost_leases};

/// Numbers of accounts kept from batch to batch. One more, and they are asked for again.
const MOST_NUMBERS: usize = 20_000;

/// PostgreSQL's codes for having met somebody else: a key that another transaction has just written, locks
/// taken crosswise, a row that changed underneath.
const OVERTAKEN: [&str; 3] = ["23505", "40P01", "40001"];

pub(super) struct PgTables {
    address: Address,
    replica: ReplicaId,
    connection: Option<PgConnection>,
    /// What begins a batch.
    begin: String,
    in_batch: bool,
    /// An account keeps its number for ever.
    numbers: HashMap<AccountKey, i64>,
}

/// What the lives have left that a batch may close.
#[derive(Default)]
struct Left {
    held: BTreeMap<RequestId, Epoch>,
    requests: Vec<RequestId>,
    accounts: Vec<i64>,
}

impl Left {
    async fn by(
        connection: &mut PgConnection,
        wanted: &Wanted,
        replica: ReplicaId,
        me: Option<Epoch>,
    ) -> Result<Self, sqlx::Error> {
        let mut closing = Vec::new();
        for lives in &wanted.closing {
            closing.extend(context::lock_closing(connection, *lives, replica, me).await?);
        }
        if closing.is_empty() {
            return Ok(Self::default());
        }
        let held = context::held(connection, &closing).await?;
        let leased = context::leased(connection, &closing).await?;
        let lives = context::lives(connection, replica).await?;
        let mut requests = lost_leases(&leased, &lives);
        requests.extend(held.keys());
        Ok(Self {
            held,
            requests,
            accounts: leased.iter().map(|row| row.id).collect(),
        })
    }
}

impl PgTables {
    /// `writer` names this process among all that write. A batch whose connection was lost may still be
    /// at its commit: the next one waits for the end of it, and so never misses what it wrote.
    pub(super) fn new(
        address: Address,
        replica: ReplicaId,
        connection: PgConnection,
        writer: i64,
    ) -> Self {
        Self {
            address,
            replica,
            connection: Some(connection),
            begin: format!(
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_advisory_xact_lock({writer})"
            ),
            in_batch: false,
            numbers: HashMap::new(),
        }
    }

    async fn begin(&mut self) -> Result<(), LedgerError> {
        self.in_batch = true;
        if let Some(connection) = &mut self.connection {
            match connection.execute(AssertSqlSafe(self.begin.clone())).await {
                Ok(_) => return Ok(()),
                Err(cause) => {
                    info!(%cause, "the database's connection has ended; opening a new one");
                }
            }
        }
        self.connection = None;
        self.numbers.clear();
        let mut connection = session::writing(&self.address).await.map_err(failed)?;
        let begun = connection.execute(AssertSqlSafe(self.begin.clone())).await;
        begun.map_err(failed)?;
        self.connection = Some(connection);
        Ok(())
    }

    async fn read(&mut self, wanted: &Wanted, me: Option<Epoch>) -> Result<Loaded, sqlx::Error> {
        let connection = self.connection.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        if let Some(me) = me {
            context::lock_own(connection, me).await?;
        }
        let left = Left::by(connection, wanted, self.replica, me).await?;
        let requests: Vec<RequestId> = wanted
            .requests
            .iter()
            .chain(&left.requests)
            .copied()
            .collect();
        let found = read::lock_records(connection, &requests).await?;
        let commitments = read::lock_commitments(connection, &wanted.commitments).await?;
        let claimed = found.iter().filter_map(|(_, found)| found.as_ref().ok());
        let mut ids: BTreeSet<i64> = claimed.flat_map(Found::account_ids).collect();
        ids.extend(&left.accounts);
        let keys: Vec<_> = wanted.accounts.iter().map(AccountKey::from).collect();
        let unmet = keys.iter().filter(|key| !self.numbers.contains_key(key));
        let unmet: Vec<_> = unmet.cloned().collect();
        if !unmet.is_empty() {
            self.numbers
                .extend(read::numbers(connection, &unmet).await?);
        }
        ids.extend(keys.iter().filter_map(|key| self.numbers.get(key)));
        let mut rows = read::lock_rows(connection, &ids).await?;
        let there: BTreeSet<_> = rows
            .iter()
            .map(|row| AccountKey::from(&row.balance.account))
            .collect();
        let missing = keys.iter().zip(&wanted.accounts);
        let missing: Vec<_> = missing.filter(|(key, _)| !there.contains(key)).collect();
        if !missing.is_empty() {
            let new = read::new_numbers(connection, missing.len()).await?;
            let new_row =
                |((_, account), id): ((&AccountKey, &Account), i64)| Row::new(id, account.clone());
            rows.extend(missing.into_iter().zip(new).map(new_row));
        }
        let budget = |row: &Row| row.balance.account.budget.to_string();
        let budgets = rows.iter().map(budget).collect();
        let context = context::context(connection, self.replica, &budgets, &wanted.keys).await?;
        let followed = follows::lock_wanted(connection, wanted).await?;
        Ok(Loaded {
            held: left.held,
            commitments,
            followed,
            meters: meters::lock_wanted(connection, wanted).await?,
            context: Some(context),
            ..Loaded::new(found, rows)
        })
    }

    /// A connection that may be in any state is not used again.
    fn failure(&mut self, cause: sqlx::Error) -> Failure {
        let code = cause.as_database_error().and_then(DatabaseError::code);
        let number_taken = matches!(cause, sqlx::Error::RowNotFound);
        if number_taken || code.is_some_and(|code| OVERTAKEN.contains(&&*code)) {
            return Failure::Overtaken(failed(cause));
        }
        self.drop_connection();
        Failure::Failed(failed(cause))
    }

    fn drop_connection(&mut self) {
        self.connection = None;
        self.in_batch = false;
    }
}

impl Tables for PgTables {
    const SOLE_WRITER: bool = false;

    async fn load(&mut self, wanted: &Wanted, me: Option<Epoch>) -> Result<Loaded, Failure> {
        if self.numbers.len() > MOST_NUMBERS {
            self.numbers.clear();
        }
        let answer = within(async {
            self.begin().await?;
            Ok(self.read(wanted, me).await)
        });
        match answer.await {
            Ok(Ok(loaded)) => Ok(loaded),
            Ok(Err(cause)) => Err(self.failure(cause)),
            Err(cause) => {
                self.drop_connection();
                Err(Failure::Failed(cause))
            }
        }
    }

    async fn save(&mut self, changes: &Changes<'_>) -> Result<(), Failure> {
        let Some(connection) = &mut self.connection else {
            let lost = LedgerError::Unavailable("the connection is lost".into());
            return Err(Failure::Failed(lost));
        };
        match within(async { Ok(write::write(connection, changes).await) }).await {
            Ok(Ok(())) => {}
            Ok(Err(cause)) => return Err(self.failure(cause)),
            Err(cause) => {
                self.drop_connection();
                return Err(Failure::Failed(cause));
            }
        }
        let committed = within(async { connection.execute("COMMIT").await.map_err(failed) }).await;
        if let Err(cause) = committed {
            self.drop_connection();
            return Err(Failure::InDoubt(cause));
        }
        self.in_batch = false;
        Ok(())
    }

    async fn leave(&mut self) {
        let Some(connection) = self.connection.as_mut().filter(|_| self.in_batch) else {
            return;
        };
        self.numbers.clear();
        let left = within(async { connection.execute("ROLLBACK").await.map_err(failed) }).await;
        self.in_batch = false;
        if let Err(cause) = left {
            debug!(%cause, "the database's connection has ended; the next batch opens a new one");
            self.drop_connection();
        }
    }

    async fn close(self) {
        if let Some(connection) = self.connection {
            let closed = within(async { connection.close().await.map_err(failed) }).await;
            if let Err(cause) = closed {
                debug!(%cause, "the database's connection did not close well; what was committed is safe");
            }
        }
    }
}
