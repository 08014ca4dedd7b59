//! Every step may be made again: an answer that was lost on its way must not cost anybody anything.

use std::sync::Arc;

use super::words::*;
use crate::ledger::{Fingerprint, LedgerError, NewReservation, NewTopUp, Outcome, Reserved, State};
use crate::units::Unit;

pub(in crate::store) async fn counters_do_not_inflate_on_a_retried_reserve(books: Books) {
    let first = grant(&books, 1, vec![claim("org", 40, 50)]).await;
    let again = grant(&books, 1, vec![claim("org", 40, 50)]).await;
    assert_eq!(first, again);
    assert_eq!(columns(&books, "org").await, [0, 0, 0, 40]);
    assert_eq!(books.entries(0, 100).await.unwrap().len(), 1);
}

pub(in crate::store) async fn concurrent_repeats_of_one_reserve_count_once(books: Books) {
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let books = Arc::clone(&books);
            tokio::spawn(async move { reserve(&books, 1, vec![claim("org", 40, 50)]).await })
        })
        .collect();
    for caller in callers {
        let answer = caller.await.unwrap().unwrap();
        assert!(matches!(answer, Reserved::Granted(_)), "{answer:?}");
    }
    assert_eq!(columns(&books, "org").await, [0, 0, 0, 40]);
}

pub(in crate::store) async fn an_id_is_spent_when_its_reservation_has_ended(books: Books) {
    for (number, outcome) in [(1, charged(1)), (2, Outcome::Voided), (3, lost())] {
        grant(&books, number, vec![claim("org", 1, 50)]).await;
        close(&books, number, outcome).await;
        let before = columns(&books, "org").await;
        let answer = reserve(&books, number, vec![claim("org", 1, 50)]).await;
        assert!(matches!(answer, Err(LedgerError::Reused(_))), "{answer:?}");
        assert_eq!(columns(&books, "org").await, before);
    }
}

pub(in crate::store) async fn an_id_cannot_reserve_something_else(books: Books) {
    grant(&books, 1, vec![claim("org", 1, 50)]).await;
    for other in [
        vec![claim("org", 2, 50)],
        vec![claim("team", 1, 50)],
        vec![claim("org", 1, 50), claim("team", 1, 50)],
        vec![],
    ] {
        let answer = reserve(&books, 1, other).await;
        assert!(matches!(answer, Err(LedgerError::Reused(_))), "{answer:?}");
    }
    grant(&books, 1, vec![claim("org", 1, 60)]).await; // an edited limit is the same reservation
    assert_eq!(columns(&books, "org").await, [0, 0, 0, 1]);
}

pub(in crate::store) async fn counters_do_not_inflate_on_a_retried_close(books: Books) {
    for (number, outcome) in [(1, charged(7)), (2, Outcome::Voided), (3, lost())] {
        grant(&books, number, vec![claim("org", 5, 50)]).await;
        let first = close(&books, number, outcome.clone()).await;
        let before = columns(&books, "org").await;
        assert_eq!(close(&books, number, outcome).await, first);
        assert_eq!(columns(&books, "org").await, before);
    }
    assert_eq!(columns(&books, "org").await, [5, 2, 5, 0]);
}

pub(in crate::store) async fn the_first_outcome_wins(books: Books) {
    let outcomes = [charged(7), Outcome::Voided, lost()];
    for (number, first) in (1..).zip(&outcomes) {
        grant(&books, number, vec![claim("org", 5, 50)]).await;
        close(&books, number, first.clone()).await;
        let before = books.record(id(number)).await.unwrap().unwrap();
        let balances = books.balances().await.unwrap();
        for later in &outcomes {
            close(&books, number, later.clone()).await;
        }
        assert_eq!(books.record(id(number)).await.unwrap().unwrap(), before);
        assert_eq!(books.balances().await.unwrap(), balances);
    }
}

pub(in crate::store) async fn the_first_evidence_wins(books: Books) {
    grant(&books, 1, vec![claim("org", 5, 50)]).await;
    close(&books, 1, lost()).await;
    books.reconcile(id(1), &evidence(4), noon()).await.unwrap();
    books.reconcile(id(1), &evidence(40), noon()).await.unwrap();
    close(&books, 1, charged(30)).await;
    assert_eq!(columns(&books, "org").await, [4, 0, 0, 0]);
    let record = books.record(id(1)).await.unwrap().unwrap();
    assert_eq!(record.state, State::Reconciled(evidence(4)));
}

/// A create that can be told from others.
fn create(number: u64, sort: u8) -> NewReservation {
    NewReservation {
        fingerprint: Some(Fingerprint::from_bytes([sort; 32])),
        ..request(number, vec![claim("org", 1, 50)])
    }
}

pub(in crate::store) async fn a_create_is_found_again_until_its_answer_was_delivered(books: Books) {
    let found = async |sort: u8, since: &str| {
        let fingerprint = Fingerprint::from_bytes([sort; 32]);
        let record = books.undelivered(fingerprint, at(since)).await.unwrap();
        record.map(|record| (record.request, record.state.name()))
    };
    let today = "2026-11-22T00:00:00Z";
    for new in [create(1, 1), create(2, 2)] {
        books.reserve(&new, noon()).await.unwrap();
    }
    assert_eq!(found(1, today).await, Some((id(1), "held")));
    assert_eq!(found(3, today).await, None);
    assert_eq!(
        found(1, "2026-11-22T12:00:00.000001Z").await,
        None,
        "too long ago"
    );
    close(&books, 1, charged(1)).await;
    close(&books, 2, lost()).await;
    assert_eq!(found(1, today).await, Some((id(1), "settled")));
    assert_eq!(found(2, today).await, Some((id(2), "unknown")));
    for _ in 0..2 {
        books.delivered(id(1), noon()).await.unwrap();
        assert_eq!(found(1, today).await, None);
    }
    assert_eq!(found(2, today).await, Some((id(2), "unknown")));
    let never = books.delivered(id(9), noon()).await;
    assert!(
        matches!(never, Err(LedgerError::NotReserved(_))),
        "{never:?}"
    );
}

pub(in crate::store) async fn a_create_that_is_over_is_not_found_again(books: Books) {
    let since = at("2026-11-22T00:00:00Z");
    let fingerprint = Fingerprint::from_bytes([1; 32]);
    books.reserve(&create(1, 1), noon()).await.unwrap();
    close(&books, 1, lost()).await;
    books.reserve(&create(2, 1), noon()).await.unwrap();
    let latest = books.undelivered(fingerprint, since).await.unwrap();
    assert_eq!(latest.map(|record| record.request), Some(id(2)));
    close(&books, 2, Outcome::Voided).await;
    books.reconcile(id(1), &evidence(0), noon()).await.unwrap();
    assert_eq!(books.undelivered(fingerprint, since).await.unwrap(), None);
}

fn keyed(budget: &str, amount: u64, key: u8) -> NewTopUp {
    NewTopUp {
        budget: budget.into(),
        partition: "".into(),
        unit: Unit::Pu,
        amount: units(amount),
        expires_at: None,
        reason: "harvest".into(),
        by: "ops".into(),
        key: Some(Fingerprint::from_bytes([key; 32])),
    }
}

pub(in crate::store) async fn a_top_up_with_a_key_is_given_once(books: Books) {
    let first = books.top_up(&keyed("org", 5, 1), noon()).await.unwrap();
    let later = at("2026-11-22T13:00:00Z");
    grant(&books, 1, vec![claim("org", 3, 0)]).await;
    let again = books.top_up(&keyed("org", 5, 1), later).await.unwrap();
    assert_eq!(
        (again.id, again.at, again.drawn),
        (first.id, noon(), units(3))
    );
    for other in [keyed("org", 6, 1), keyed("another", 5, 1)] {
        let refused = books.top_up(&other, later).await;
        let id = first.id;
        assert!(
            matches!(refused, Err(LedgerError::AnotherTopUp { id: named }) if named == id),
            "{refused:?}"
        );
    }
    books.top_up(&keyed("org", 5, 2), later).await.unwrap();
    let unkeyed = NewTopUp {
        key: None,
        ..keyed("org", 5, 0)
    };
    for _ in 0..2 {
        books.top_up(&unkeyed, later).await.unwrap();
    }
    assert_eq!(books.top_ups().await.unwrap().len(), 4);
    assert_eq!(books.events(0, 99).await.unwrap().len(), 4);
}

pub(in crate::store) async fn concurrent_orders_with_one_key_are_one_top_up(books: Books) {
    let orders = (0..8).map(|_| {
        let books = Arc::clone(&books);
        tokio::spawn(async move { books.top_up(&keyed("org", 5, 1), noon()).await.unwrap().id })
    });
    let orders: Vec<_> = orders.collect();
    for order in orders {
        assert_eq!(order.await.unwrap(), 1);
    }
    assert_eq!(books.top_ups().await.unwrap().len(), 1);
}
