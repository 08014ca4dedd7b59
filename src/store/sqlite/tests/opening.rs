//! Which files open, and what an open file remembers.

use super::*;
use crate::ledger::Ledger;
use crate::store::OpenError;

#[tokio::test]
async fn a_second_guard_on_the_same_file_is_told_so() {
    let (store, folder) = empty_store().await;
    let refusal = Sqlite::open(&file(&folder), replica(0)).await.unwrap_err();
    assert!(matches!(refusal, OpenError::InUse { .. }), "{refusal}");
    assert!(
        refusal
            .to_string()
            .contains("books.db is in use by another guard")
    );
    let_go(store).await;
    open(&folder).await;
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        "this is a letter, and it is long enough to be taken for a database header: ".repeat(9);
    std::fs::write(file(&folder), &text).unwrap();
    let refusal = Sqlite::open(&file(&folder), replica(0)).await.unwrap_err();
    assert!(matches!(refusal, OpenError::NotOurs { .. }), "{refusal:?}");
    assert_eq!(std::fs::read_to_string(file(&folder)).unwrap(), text);

    let folder = tempfile::tempdir().unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file(&folder));
    let mut other = options.create_if_missing(true).connect().await.unwrap();
    sqlx::query("CREATE TABLE recipe (title TEXT)")
        .execute(&mut other)
        .await
        .unwrap();
    let refusal = Sqlite::open(&file(&folder), replica(0)).await.unwrap_err();
    assert!(matches!(refusal, OpenError::NotOurs { .. }), "{refusal:?}");
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused_in_a_sentence() {
    let (store, folder) = empty_store().await;
    let_go(store).await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'from the future', 1, x'00', 0)",
    )
    .execute(&mut behind_its_back(&folder).await)
    .await
    .unwrap();
    let refusal = Sqlite::open(&file(&folder), replica(0)).await.unwrap_err();
    assert!(
        matches!(refusal, OpenError::Newer { version: 9999, .. }),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let (store, folder) = empty_store().await;
    let books: Books = store.clone();
    grant(&books, 1, vec![claim("org", 30, 50), claim("team", 30, 40)]).await;
    close(&books, 1, charged(35)).await;
    grant(&books, 2, vec![claim("org", 5, 50)]).await;
    close(&books, 2, lost()).await;
    let before = (
        books.balances().await.unwrap(),
        books.entries(0, 100).await.unwrap(),
    );
    drop(books);
    let_go(store).await;

    let (store, in_doubt) = open_in_doubt(&folder).await;
    assert_eq!(in_doubt, 0);
    let after = (
        store.balances().await.unwrap(),
        store.entries(0, 100).await.unwrap(),
    );
    assert_eq!(after, before);
    let books: Books = store;
    refused(&books, 3, vec![claim("org", 11, 50)]).await;
    close(&books, 1, lost()).await; // the first outcome still wins
    books.reconcile(id(2), &evidence(0), noon()).await.unwrap();
    assert_eq!(columns(&books, "org").await, [30, 5, 0, 0]);
    grant(&books, 3, vec![claim("org", 11, 50), claim("new", 11, 50)]).await;
}

#[tokio::test]
async fn the_journal_cannot_be_edited() {
    let (store, folder) = empty_store().await;
    let books: Books = store;
    grant(&books, 1, vec![claim("org", 30, 50)]).await;
    let mut connection = behind_its_back(&folder).await;
    let edit = sqlx::query("UPDATE entry SET reserved = 0")
        .execute(&mut connection)
        .await;
    assert!(
        edit.unwrap_err()
            .to_string()
            .contains("entries are added, never edited")
    );
}
