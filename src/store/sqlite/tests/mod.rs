//! What is SQLite's own: the file, its lock, crashes, failing writes, callers that go away.

mod agrees;
mod crash;
mod failing;
mod migrating;
mod opening;

use std::path::PathBuf;
use std::sync::Arc;

use sqlx::{ConnectOptions, SqliteConnection};
use tempfile::TempDir;

use super::Sqlite;
use crate::store::contract::ledger_contract;
use crate::store::contract::words::*;

ledger_contract!(books, empty_store);

async fn empty_store() -> (Arc<Sqlite>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (open(&folder).await, folder)
}

async fn open(folder: &TempDir) -> Arc<Sqlite> {
    Arc::new(Sqlite::open(&file(folder), noon()).await.unwrap())
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
