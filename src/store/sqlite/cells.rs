//! How SQLite's answers are read.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::ledger::{LedgerError, RequestId};
use crate::store::rows::{self, Cells, failed};

impl Cells for SqliteRow {
    fn text(&self, column: &str) -> Result<&str, LedgerError> {
        self.try_get(column).map_err(failed)
    }

    fn text_if_any(&self, column: &str) -> Result<Option<&str>, LedgerError> {
        self.try_get(column).map_err(failed)
    }

    fn number(&self, column: &str) -> Result<i64, LedgerError> {
        self.try_get(column).map_err(failed)
    }

    fn number_if_any(&self, column: &str) -> Result<Option<i64>, LedgerError> {
        self.try_get(column).map_err(failed)
    }

    fn flag(&self, column: &str) -> Result<bool, LedgerError> {
        self.try_get(column).map_err(failed)
    }

    fn bytes_if_any(&self, column: &str) -> Result<Option<&[u8]>, LedgerError> {
        self.try_get(column).map_err(failed)
    }

    fn request(&self, column: &str) -> Result<RequestId, LedgerError> {
        rows::request(self.try_get(column).map_err(failed)?)
    }

    fn request_if_any(&self, column: &str) -> Result<Option<RequestId>, LedgerError> {
        let id: Option<&[u8]> = self.try_get(column).map_err(failed)?;
        id.map(rows::request).transpose()
    }
}
