//! Writes that fail, and callers that go away: nothing is granted that is not on the disk, and nothing
//! stays held for nobody.

use sqlx::Connection;
use tokio::sync::mpsc;

use super::*;
use crate::ledger::{Ledger, LedgerError, Outcome, Reserved};
use crate::store::step::Step;

/// A disk that is full, as far as the journal goes: the failure comes in the middle of a transaction.
const FULL_DISK: &str = "CREATE TRIGGER full_disk BEFORE INSERT ON entry WHEN NEW.kind <> 'void'
    BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END";

#[tokio::test]
async fn a_failed_commit_grants_nothing_and_the_books_go_on_afterwards() {
    let (store, folder) = empty_store().await;
    let books: Books = store;
    grant(&books, 1, vec![claim("org", 10, 50)]).await;
    let mut other = behind_its_back(&folder).await;
    sqlx::query(FULL_DISK).execute(&mut other).await.unwrap();
    let answer = reserve(&books, 2, vec![claim("org", 10, 50), claim("new", 1, 50)]).await;
    assert!(
        matches!(answer, Err(LedgerError::Unavailable(_))),
        "{answer:?}"
    );
    let answer = books.close(id(1), &charged(60), noon()).await;
    assert!(
        matches!(answer, Err(LedgerError::Unavailable(_))),
        "{answer:?}"
    );
    assert_eq!(columns(&books, "org").await, [0, 0, 0, 10]);
    assert_eq!(books.record(id(2)).await.unwrap(), None);

    sqlx::query("DROP TRIGGER full_disk")
        .execute(&mut other)
        .await
        .unwrap();
    grant(&books, 2, vec![claim("org", 40, 50), claim("new", 1, 50)]).await;
    close(&books, 1, charged(60)).await;
    assert_eq!(columns(&books, "org").await, [10, 50, 0, 40]);
}

#[tokio::test]
async fn every_caller_of_a_failed_batch_gets_an_error() {
    let (store, folder) = empty_store().await;
    let mut other = behind_its_back(&folder).await;
    sqlx::query(FULL_DISK).execute(&mut other).await.unwrap();
    let callers: Vec<_> = (0..50)
        .map(|number| {
            let books: Books = store.clone();
            tokio::spawn(async move { reserve(&books, number, vec![claim("org", 1, 10)]).await })
        })
        .collect();
    for caller in callers {
        let answer = caller.await.unwrap();
        assert!(
            matches!(answer, Err(LedgerError::Unavailable(_))),
            "{answer:?}"
        );
    }
    assert_eq!(store.balances().await.unwrap(), []);
}

#[tokio::test]
async fn a_locked_file_is_an_error_and_not_a_grant() {
    let (store, folder) = empty_store().await;
    let books: Books = store;
    let mut other = behind_its_back(&folder).await;
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let answer = reserve(&books, 1, vec![claim("org", 10, 50)]).await;
    assert!(
        matches!(answer, Err(LedgerError::Unavailable(_))),
        "{answer:?}"
    );
    lock.rollback().await.unwrap();
    grant(&books, 1, vec![claim("org", 50, 50)]).await;
}

#[tokio::test]
async fn one_bad_step_does_not_spoil_its_batch() {
    let (store, _folder) = empty_store().await;
    let books: Books = store;
    let bad = [
        vec![claim("org", 1, 50), claim("org", 1, 50)],
        vec![
            tally("huge", units(9_000_000_000_000)),
            claim("org", 51, 50),
        ],
    ];
    let batch = (0..60).map(|number| {
        let (books, bad) = (Arc::clone(&books), bad.clone());
        tokio::spawn(async move {
            let claims = match number % 3 {
                0 => vec![claim("org", 1, 50)],
                kind => bad[kind - 1].clone(),
            };
            let number = u64::try_from(number).unwrap();
            matches!(
                reserve(&books, number, claims).await,
                Ok(Reserved::Granted(_))
            )
        })
    });
    let mut granted = 0;
    for caller in batch.collect::<Vec<_>>() {
        granted += u64::from(caller.await.unwrap());
    }
    assert_eq!(granted, 20);
    assert_eq!(columns(&books, "org").await, [0, 0, 0, 20]);
}

#[tokio::test]
async fn a_record_that_nobody_can_read_does_not_spoil_its_batch() {
    let (store, folder) = empty_store().await;
    let books: Books = store.clone();
    for number in 1..=2 {
        grant(&books, number, vec![claim("org", 1, 50)]).await;
        close(&books, number, lost()).await;
    }
    sqlx::query("UPDATE reservation SET claims = 'lost' WHERE id = ?")
        .bind(id(1).as_uuid().into_bytes().to_vec())
        .execute(&mut behind_its_back(&folder).await)
        .await
        .unwrap();
    let evidence = evidence(0);
    let both = [1, 2].map(|number| books.reconcile(id(number), &evidence, noon()));
    let [broken, sound] = both;
    let (broken, sound, reused) =
        tokio::join!(broken, sound, reserve(&books, 1, vec![claim("org", 1, 50)]));
    for answer in [broken.map(drop), reused.map(drop)] {
        assert!(
            matches!(answer, Err(LedgerError::Corrupt { .. })),
            "{answer:?}"
        );
    }
    sound.unwrap();
    assert_eq!(columns(&books, "org").await, [0, 0, 1, 0]);
}

#[tokio::test]
async fn a_grant_that_nobody_waited_for_is_taken_back() {
    let (store, _folder) = empty_store().await;
    send_unheard(&store, 1).await;
    let books: Books = store;
    until_it_is_taken_back(&books).await;
    grant(&books, 2, vec![claim("org", 50, 50)]).await;
    let record = books.record(id(1)).await.unwrap().unwrap();
    assert_eq!(record.state.name(), "voided");
    assert_eq!(columns(&books, "org").await, [0, 0, 0, 50]);
}

#[tokio::test]
async fn a_grant_that_a_repeated_step_was_told_of_stays() {
    let (store, _folder) = empty_store().await;
    let (repeat, answer) = Step::reserve(request(1, vec![claim("org", 10, 50)]), noon());
    let both = store
        .queue
        .steps
        .reserve_many(2)
        .await
        .expect("the writer runs");
    let (unheard, _) = Step::reserve(request(1, vec![claim("org", 10, 50)]), noon());
    for (place, step) in both.zip([unheard, repeat]) {
        place.send(step);
    }
    assert!(matches!(answer.await.unwrap(), Ok(Reserved::Granted(_))));
    let books: Books = store;
    until_it_is_taken_back(&books).await;
    assert_eq!(columns(&books, "org").await, [0, 0, 0, 10]);
}

#[tokio::test]
async fn what_waits_when_the_store_is_let_go_is_written() {
    let (store, folder) = empty_store().await;
    let books: Books = store.clone();
    grant(&books, 1, vec![claim("org", 10, 50)]).await;
    let (unheard, _) = Step::close(id(1), charged(12), noon());
    store
        .queue
        .steps
        .send(unheard)
        .await
        .expect("the writer runs");
    drop(books);
    let_go(store).await;
    let books: Books = open(&folder).await;
    assert_eq!(columns(&books, "org").await, [10, 2, 0, 0]);
}

#[tokio::test]
async fn a_store_whose_writer_has_ended_refuses() {
    let (mut store, _folder) = empty_store().await;
    let (steps, _) = mpsc::channel(1);
    let open = Arc::get_mut(&mut store).unwrap();
    drop(std::mem::replace(&mut open.queue.steps, steps));
    (&mut open.queue.writer).await.unwrap();
    assert!(matches!(
        store.ping().await,
        Err(LedgerError::Unavailable(_))
    ));
    let answer = store.close(id(1), &Outcome::Voided, noon()).await;
    assert!(
        matches!(answer, Err(LedgerError::Unavailable(_))),
        "{answer:?}"
    );
}

/// Sends a step whose caller has gone away already.
async fn send_unheard(store: &Sqlite, number: u64) {
    let new = request(number, vec![claim("org", 10, 50)]);
    let (step, _) = Step::reserve(new, noon());
    store.queue.steps.send(step).await.expect("the writer runs");
}

/// A step that changes nothing and is answered behind whatever a batch before it undoes.
async fn until_it_is_taken_back(books: &Books) {
    for _ in 0..2 {
        let answer = books.close(id(9), &Outcome::Voided, noon()).await;
        assert!(
            matches!(answer, Err(LedgerError::NotReserved(_))),
            "{answer:?}"
        );
    }
}
