//! What is SQLite's own: the file, its lock, crashes, failing writes.

use std::sync::Arc;

use tempfile::TempDir;

use super::Sqlite;
use crate::store::contract::ledger_contract;
use crate::store::contract::words::*;

ledger_contract!(books, empty_store);

async fn empty_store() -> (Arc<Sqlite>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("books.db"), noon())
        .await
        .unwrap();
    (Arc::new(store), folder)
}
