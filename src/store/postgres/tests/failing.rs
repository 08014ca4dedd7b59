//! Connections that break: nothing is granted that is not committed, nothing stays held for nobody, and the
//! books go on when the database is there again.

use std::time::Duration;

use super::proxy::{Network, Proxy};
use super::*;
use crate::ledger::{LedgerError, Reserved};
use crate::store::contract::the_journal_adds_up;

fn assert_unavailable<T: std::fmt::Debug>(answer: &Result<T, LedgerError>) {
    assert!(
        matches!(answer, Err(LedgerError::Unavailable(_))),
        "{answer:?}"
    );
}

/// Ends every connection of the store, as a restart of the server does.
async fn terminate(fresh: &Fresh) {
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = $1 AND pid <> pg_backend_pid()",
    )
    .bind(&fresh.schema)
    .execute(&mut fresh.behind_its_back().await)
    .await
    .unwrap();
}

/// A store whose connections can be told from those of other tests.
async fn marked_store() -> (Books, Fresh) {
    let fresh = Fresh::schema();
    let marked = fresh.by(|url| {
        url.query_pairs_mut()
            .append_pair("application_name", &fresh.schema);
    });
    (marked.open().await, fresh)
}

#[tokio::test]
async fn a_connection_that_ends_in_the_middle_of_a_batch_grants_nothing_and_the_next_one_works() {
    let (books, fresh) = marked_store().await;
    grant(&books, 1, vec![claim("org", 10, 50)]).await;
    let mut other = fresh.behind_its_back().await;
    other
        .execute("BEGIN; SELECT 1 FROM account FOR UPDATE")
        .await
        .unwrap();
    let stuck = Arc::clone(&books);
    let stuck = tokio::spawn(async move { reserve(&stuck, 2, vec![claim("org", 10, 50)]).await });
    until_somebody_waits(&fresh).await;
    terminate(&fresh).await;
    assert_unavailable(&stuck.await.unwrap());
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(columns(&books, "org").await, [0, 0, 0, 10]);
    grant(&books, 2, vec![claim("org", 40, 50)]).await;
    close(&books, 1, charged(3)).await;
    assert_eq!(columns(&books, "org").await, [3, 0, 0, 40]);
}

async fn until_somebody_waits(fresh: &Fresh) {
    let mut other = fresh.behind_its_back().await;
    loop {
        let waits: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM pg_stat_activity
             WHERE application_name = $1 AND wait_event_type = 'Lock')",
        )
        .bind(&fresh.schema)
        .fetch_one(&mut other)
        .await
        .unwrap();
        if waits {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_connection_that_ended_between_batches_is_replaced_unnoticed() {
    let (books, fresh) = marked_store().await;
    grant(&books, 1, vec![claim("org", 10, 50)]).await;
    terminate(&fresh).await;
    grant(&books, 2, vec![claim("org", 40, 50)]).await;
    assert_eq!(columns(&books, "org").await, [0, 0, 0, 50]);
}

#[tokio::test]
async fn a_grant_whose_commit_was_lost_on_the_way_back_is_given_back() {
    let (fresh, proxy) = (Fresh::schema(), Proxy::start().await);
    let books: Books = proxy.to(&fresh).open().await;
    proxy.set(Network::LosesTheCommitsAnswer);
    assert_unavailable(&reserve(&books, 1, vec![claim("org", 30, 50)]).await);
    until_voided(&books, 1).await;
    grant(&books, 2, vec![claim("org", 50, 50)]).await;
    assert_eq!(columns(&books, "org").await, [0, 0, 0, 50]);
    the_journal_adds_up(&*books).await;
}

#[tokio::test]
async fn a_caller_that_comes_again_gets_the_grant_whose_answer_was_lost() {
    let (fresh, proxy) = (Fresh::schema(), Proxy::start().await);
    let books: Books = proxy.to(&fresh).open().await;
    proxy.set(Network::LosesTheCommitsAnswer);
    assert_unavailable(&reserve(&books, 1, vec![claim("org", 30, 50)]).await);
    grant(&books, 1, vec![claim("org", 30, 50)]).await;
    grant(&books, 2, vec![claim("org", 20, 50)]).await;
    assert_eq!(columns(&books, "org").await, [0, 0, 0, 50], "reserved once");

    proxy.set(Network::LosesTheCommitsAnswer);
    assert_unavailable(&books.close(id(1), &charged(7), noon()).await);
    close(&books, 1, charged(7)).await;
    assert_eq!(columns(&books, "org").await, [7, 0, 0, 20], "settled once");
    the_journal_adds_up(&*books).await;
}

#[tokio::test]
async fn a_commit_that_never_arrived_wrote_nothing() {
    let (fresh, proxy) = (Fresh::schema(), Proxy::start().await);
    let books: Books = proxy.to(&fresh).open().await;
    proxy.set(Network::LosesTheCommit);
    assert_unavailable(&reserve(&books, 1, vec![claim("org", 30, 50)]).await);
    grant(&books, 2, vec![claim("org", 50, 50)]).await;
    assert_eq!(columns(&books, "org").await, [0, 0, 0, 50]);
    assert_eq!(books.record(id(1)).await.unwrap(), None);
}

#[tokio::test]
async fn a_database_that_is_away_refuses_and_the_books_go_on_when_it_is_back() {
    let (fresh, proxy) = (Fresh::schema(), Proxy::start().await);
    let books: Books = proxy.to(&fresh).open().await;
    grant(&books, 1, vec![claim("org", 10, 50)]).await;
    proxy.set(Network::Down);
    for number in 2..4 {
        assert_unavailable(&reserve(&books, number, vec![claim("org", 10, 50)]).await);
    }
    assert_unavailable(&books.close(id(1), &charged(1), noon()).await);
    assert_unavailable(&books.ping().await);
    proxy.set(Network::Whole);
    close(&books, 1, charged(1)).await;
    grant(&books, 2, vec![claim("org", 49, 50)]).await;
    books.ping().await.unwrap();
    assert_eq!(columns(&books, "org").await, [1, 0, 0, 49]);
}

#[tokio::test]
async fn somebody_who_stands_still_with_a_row_in_hand_is_an_error_and_not_a_grant() {
    let (books, fresh) = marked_store().await;
    grant(&books, 1, vec![claim("org", 10, 50)]).await;
    let mut other = fresh.behind_its_back().await;
    other
        .execute("BEGIN; SELECT 1 FROM account FOR UPDATE")
        .await
        .unwrap();
    assert_unavailable(&reserve(&books, 2, vec![claim("org", 10, 50)]).await);
    other.execute("ROLLBACK").await.unwrap();
    let answer = reserve(&books, 2, vec![claim("org", 40, 50)])
        .await
        .unwrap();
    assert!(matches!(answer, Reserved::Granted(_)), "{answer:?}");
}

async fn until_voided(books: &Books, number: u64) {
    loop {
        let record = books.record(id(number)).await.unwrap();
        if record.is_some_and(|record| record.state.name() == "voided") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
