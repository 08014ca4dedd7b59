//! The file's tables in the hands of the one who writes them. Nobody else does, so that reading needs no
//! transaction and accounts are numbered without asking.

use sqlx::{Connection, SqliteConnection};
use tracing::error;

use super::lock::StoreLock;
use super::{flush, read};
use crate::ledger::{AccountKey, Balance, LedgerError};
use crate::policy::Account;
use crate::store::desk::Changes;
use crate::store::rows::{Found, failed};
use crate::store::tables::{Failure, Loaded, Row, Tables, Wanted};

pub(super) struct SqliteTables {
    pub(super) connection: SqliteConnection,
    next_account: Option<i64>,
    /// Held until the file is closed.
    _lock: StoreLock,
}

impl SqliteTables {
    pub(super) const fn new(connection: SqliteConnection, lock: StoreLock) -> Self {
        Self {
            connection,
            next_account: None,
            _lock: lock,
        }
    }

    async fn row(&mut self, account: &Account) -> Result<Row, LedgerError> {
        let found = read::stored(&mut self.connection, &AccountKey::from(account)).await?;
        if let Some(row) = found {
            return Ok(row);
        }
        Ok(Row {
            id: self.number_account().await?,
            balance: Balance::empty(account.clone()),
            stored: false,
        })
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

    async fn load(&mut self, wanted: &Wanted) -> Result<Loaded, Failure> {
        let found = read::found(&mut self.connection, &wanted.requests).await?;
        let claimed = found.iter().filter_map(|(_, found)| found.as_ref().ok());
        let claimed = claimed.flat_map(Found::account_ids).collect();
        let mut rows = read::rows(&mut self.connection, &claimed).await?;
        for account in &wanted.accounts {
            let row = self.row(account).await?;
            if !claimed.contains(&row.id) {
                rows.push(row);
            }
        }
        Ok(Loaded::new(found, rows))
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
