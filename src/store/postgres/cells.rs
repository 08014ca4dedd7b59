//! How PostgreSQL's answers are read.

use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::ledger::{LedgerError, RequestId};
use crate::store::rows::{Cells, failed};

impl Cells for PgRow {
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
        let id: Uuid = self.try_get(column).map_err(failed)?;
        Ok(RequestId::from_uuid(id))
    }

    fn request_if_any(&self, column: &str) -> Result<Option<RequestId>, LedgerError> {
        let id: Option<Uuid> = self.try_get(column).map_err(failed)?;
        Ok(id.map(RequestId::from_uuid))
    }
}
