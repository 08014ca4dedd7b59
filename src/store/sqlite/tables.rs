//! The file's tables in the hands of the one who writes them. Nobody else does, so that reading needs no
//! transaction and accounts are numbered without asking.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{Connection, SqliteConnection};
use tracing::error;

use super::{context, flush, follows, meters, read};
use crate::ledger::{AccountKey, Epoch, LedgerError, ReplicaId};
use crate::policy::Account;
use crate::store::desk::Changes;
use crate::store::lock::StoreLock;
use crate::store::rows::{Found, failed};
use crate::store::tables::{Closing, Failure, Loaded, Row, Tables, Wanted, lost_leases};

pub(super) struct SqliteTables {
    connection: SqliteConnection,
    replica: ReplicaId,
    next_account: Option<i64>,
    /// Held until the file is closed.
    _lock: StoreLock,
}

impl SqliteTables {
    pub(super) const fn new(
        connection: SqliteConnection,
        replica: ReplicaId,
        lock: StoreLock,
    ) -> Self {
        Self {
            connection,
            replica,
            next_account: None,
            _lock: lock,
        }
    }

    async fn row(&mut self, account: &Account) -> Result<Row, LedgerError> {
        let found = read::stored(&mut self.connection, &AccountKey::from(account)).await?;
        match found {
            Some(row) => Ok(row),
            None => Ok(Row::new(self.number_account().await?, account.clone())),
        }
    }

    async fn number_account(&mut self) -> Result<i64, LedgerError> {
        let next = match self.next_account {
            Some(next) => next,
            None => sqlx::query_scalar("SELECT coalesce(max(id), 0) + 1 FROM account")
                .fetch_one(&mut self.connection)
                .await
                .map_err(failed)?,
        };
        self.next_account = Some(next + 1);
        Ok(next)
    }
}

impl Tables for SqliteTables {
    const SOLE_WRITER: bool = true;

    async fn load(&mut self, wanted: &Wanted, _me: Option<Epoch>) -> Result<Loaded, Failure> {
        let (mut requests, mut claimed) = (wanted.requests.clone(), BTreeSet::new());
        let mut held = BTreeMap::new();
        let mut context = None;
        if wanted.context {
            context = Some(context::context(&mut self.connection, self.replica).await?);
        }
        // nobody else leads a life in this file, so that there is nobody else to close
        if wanted.closing.contains(&Closing::Own) {
            held = read::held(&mut self.connection).await?;
            requests.extend(held.keys());
            let leased = read::leased(&mut self.connection).await?;
            claimed.extend(leased.iter().map(|row| row.id));
            let known = context::context(&mut self.connection, self.replica).await?;
            requests.extend(lost_leases(&leased, &known.lives));
        }
        let found = read::found(&mut self.connection, &requests).await?;
        let readable = found.iter().filter_map(|(_, found)| found.as_ref().ok());
        claimed.extend(readable.flat_map(Found::account_ids));
        let mut rows = read::rows(&mut self.connection, &claimed).await?;
        for account in &wanted.accounts {
            let row = self.row(account).await?;
            if !claimed.contains(&row.id) {
                rows.push(row);
            }
        }
        let followed = follows::wanted(&mut self.connection, wanted).await?;
        Ok(Loaded {
            commitments: read::wanted_commitments(&mut self.connection, &wanted.commitments)
                .await?,
            held,
            followed,
            meters: meters::wanted(&mut self.connection, wanted).await?,
            context,
            ..Loaded::new(found, rows)
        })
    }

    async fn save(&mut self, changes: &Changes<'_>) -> Result<(), Failure> {
        let written = flush::write(&mut self.connection, changes).await;
        written.map_err(|cause| Failure::Failed(failed(cause)))
    }

    async fn leave(&mut self) {}

    async fn close(self) {
        if let Err(cause) = self.connection.close().await {
            error!(%cause, "the store did not close well; what was committed is safe");
        }
    }
}
