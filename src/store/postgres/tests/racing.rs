//! Guards side by side on one database.

use super::*;
use crate::ledger::{Ledger, LedgerError, Outcome, Reserved, State};
use crate::store::contract::the_journal_adds_up;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guards_that_race_for_a_cap_admit_exactly_the_cap() {
    let (one, fresh) = empty_store().await;
    let other = fresh.open().await;
    let callers: Vec<_> = (0..200)
        .map(|number| {
            let books: Books = if number % 2 == 0 {
                one.clone()
            } else {
                other.clone()
            };
            let claims = vec![claim("org", 1, 50), claim("team", 1, 70)];
            tokio::spawn(async move { reserve(&books, number, claims).await.unwrap() })
        })
        .collect();
    let mut granted = 0;
    for caller in callers {
        granted += u64::from(matches!(caller.await.unwrap(), Reserved::Granted(_)));
    }
    assert_eq!(granted, 50);
    let books: Books = one;
    assert_eq!(columns(&books, "org").await, [0, 0, 0, 50]);
    assert_eq!(columns(&books, "team").await, [0, 0, 0, 50]);
    the_journal_adds_up(&*books).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guards_that_claim_crosswise_neither_stand_still_nor_lose_a_line() {
    let (one, fresh) = empty_store().await;
    let other = fresh.open().await;
    let callers: Vec<_> = (0..120)
        .map(|number: u64| {
            let (books, mut claims): (Books, Vec<_>) = (
                if number.is_multiple_of(2) {
                    one.clone()
                } else {
                    other.clone()
                },
                (0..6)
                    .map(|budget| claim(&format!("b{}", (number + budget) % 9), 1, 500))
                    .collect(),
            );
            claims.rotate_left(usize::try_from(number % 6).unwrap());
            tokio::spawn(async move {
                grant(&books, number, claims).await;
                close(&books, number, charged(1)).await;
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let entries = one.entries(0, u32::MAX).await.unwrap();
    let numbers: Vec<_> = entries.iter().map(|entry| entry.sequence).collect();
    assert_eq!(numbers, (1..=120 * 6 * 2).collect::<Vec<_>>());
    the_journal_adds_up(&*other).await;
}

#[tokio::test]
async fn what_one_guard_reserved_another_can_end_once() {
    let (one, fresh) = empty_store().await;
    let (one, other): (Books, Books) = (one, fresh.open().await);
    grant(&one, 1, vec![claim("org", 10, 50)]).await;
    grant(&other, 1, vec![claim("org", 10, 50)]).await; // the same step, sent to another guard
    close(&other, 1, charged(4)).await;
    close(&one, 1, Outcome::Voided).await;
    assert_eq!(columns(&one, "org").await, [4, 0, 0, 0]);
    let again = reserve(&one, 1, vec![claim("org", 10, 50)]).await;
    assert!(matches!(again, Err(LedgerError::Reused(_))), "{again:?}");
}

#[tokio::test]
async fn what_a_guard_left_held_stays_held_for_others_to_see() {
    let (store, fresh) = empty_store().await;
    let books: Books = store.clone();
    grant(&books, 1, vec![claim("org", 10, 50)]).await;
    drop(books);
    let_go(store).await;
    let books: Books = fresh.open().await;
    assert_eq!(columns(&books, "org").await, [0, 0, 0, 10]);
    assert_eq!(
        books.record(id(1)).await.unwrap().unwrap().state,
        State::Held
    );
}

#[tokio::test]
async fn a_character_that_texts_cannot_hold_spoils_nothing() {
    let (store, _fresh) = empty_store().await;
    let books: Books = store;
    let mut odd = request(1, vec![claim("org", 1, 50)]);
    odd.claims[0].account.partition = "product=a\0b".into();
    (odd.product, odd.tag) = (Some("a\0b".into()), Some("\0".into()));
    for _ in 0..2 {
        let answer = books.reserve(&odd, noon()).await.unwrap();
        assert!(matches!(answer, Reserved::Granted(_)), "{answer:?}");
    }
    let why = "reset\0".to_owned();
    close(&books, 1, Outcome::Unknown { why }).await;
    let record = books.record(id(1)).await.unwrap().unwrap();
    assert_eq!(record.product.as_deref(), Some("a\u{fffd}b"));
    let balance = books.balance(&odd.claims[0].account).await.unwrap();
    assert_eq!(columns_of(&balance), [0, 0, 1, 0]);
}
