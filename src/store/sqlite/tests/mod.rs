//! What is SQLite's own: the file, its lock, crashes, failing writes, callers that go away.

mod agrees;
mod backing_up;
mod crash;
mod failing;
mod migrating;
mod opening;
mod retaining;

use std::path::PathBuf;
use std::sync::Arc;

use sqlx::{ConnectOptions, SqliteConnection};
use tempfile::TempDir;

use super::Sqlite;
use crate::ledger::Ledger;
use crate::store::contract::ledger_contract;
use crate::store::contract::words::*;
use crate::units::UtcTime;

ledger_contract!(books, empty_store);

async fn empty_store() -> (Arc<Sqlite>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&file(&folder), replica(0)).await.unwrap();
    store.begin(None, UtcTime::UNIX_EPOCH).await.unwrap();
    (Arc::new(store), folder)
}

async fn open(folder: &TempDir) -> Arc<Sqlite> {
    open_in_doubt(folder).await.0
}

/// The store of a guard that was there before, and what that had left open.
async fn open_in_doubt(folder: &TempDir) -> (Arc<Sqlite>, u64) {
    let store = Sqlite::open(&file(folder), replica(0)).await.unwrap();
    let begun = store.begin(None, noon()).await.unwrap();
    (Arc::new(store), begun.in_doubt)
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("books.db")
}

/// The file in the hands of another tool, past the guard.
async fn behind_its_back(folder: &TempDir) -> SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file(folder));
    options.connect().await.unwrap()
}

/// Lets go of a store and waits until its file is free.
async fn let_go(store: Arc<Sqlite>) {
    Arc::into_inner(store)
        .expect("nobody else uses it")
        .shut_down()
        .await;
}
