//! A reservation ends once, and what it came to is counted in full.

use super::words::*;
use crate::ledger::{Charge, ChargeSource, LedgerError, Outcome, State};
use crate::policy::Account;
use crate::units::{Amount, Amounts, Unit};

pub(in crate::store) async fn refused_traffic_eats_no_quota(books: Books) {
    grant(&books, 0, vec![claim("org", 50, 50)]).await;
    let journal = books.entries(0, 100).await.unwrap();
    for number in 1..=100 {
        refused(
            &books,
            number,
            vec![claim("open", 1, 9), claim("org", 1, 50)],
        )
        .await;
    }
    assert_eq!(columns(&books, "org").await, [0, 0, 0, 50]);
    assert_eq!(
        books.balances().await.unwrap().len(),
        1,
        "no row for a refusal"
    );
    assert_eq!(books.entries(0, 100).await.unwrap(), journal);
    assert_eq!(books.record(id(1)).await.unwrap(), None);
}

pub(in crate::store) async fn a_cheaper_charge_frees_the_rest(books: Books) {
    grant(&books, 1, vec![claim("org", 50, 50)]).await;
    let standings = close(&books, 1, charged(20)).await;
    assert_eq!(standings[0].remaining, Some(units(30)));
    assert_eq!(columns(&books, "org").await, [20, 0, 0, 0]);
    grant(&books, 2, vec![claim("org", 30, 50)]).await;
}

pub(in crate::store) async fn an_overrun_is_kept_in_full_when_the_balance_is_short(books: Books) {
    grant(&books, 1, vec![claim("org", 40, 50)]).await;
    grant(&books, 2, vec![claim("org", 10, 50)]).await;
    let standings = close(&books, 1, charged(1000)).await;
    assert_eq!(standings[0].remaining, Some(Amount::ZERO));
    assert_eq!(columns(&books, "org").await, [40, 960, 0, 10]);
    refused(&books, 3, vec![claim("org", 1, 1010)]).await;
}

pub(in crate::store) async fn voided_reservations_leak_nothing(books: Books) {
    for number in 1..=50 {
        grant(&books, number, vec![claim("org", 50, 50)]).await;
        let standings = close(&books, number, Outcome::Voided).await;
        assert_eq!(standings[0].remaining, Some(units(50)));
    }
    assert_eq!(columns(&books, "org").await, [0, 0, 0, 0]);
}

pub(in crate::store) async fn a_unit_that_the_charge_does_not_name_settles_as_reserved(
    books: Books,
) {
    let calls = Account {
        unit: Unit::Requests,
        ..account("calls")
    };
    let claims = vec![claim_on(calls.clone(), 1, 9), claim("org", 10, 50)];
    grant(&books, 1, claims).await;
    close(&books, 1, charged(4)).await;
    assert_eq!(columns(&books, "org").await, [4, 0, 0, 0]);
    let balance = books.balance(&calls).await.unwrap();
    assert_eq!(columns_of(&balance), [1, 0, 0, 0]);
}

pub(in crate::store) async fn time_refunds_nothing(books: Books) {
    let years_later = at("2031-11-22T12:00:00Z");
    grant(&books, 1, vec![claim("org", 30, 50)]).await;
    grant(&books, 2, vec![claim("org", 20, 50)]).await;
    let why = "no answer".to_owned();
    let unknown = Outcome::Unknown { why };
    books.close(id(1), &unknown, noon()).await.unwrap();
    let late = request(3, vec![claim("org", 1, 50)]);
    let answer = books.reserve(&late, years_later).await.unwrap();
    assert!(
        matches!(answer, crate::ledger::Reserved::Full(_)),
        "{answer:?}"
    );
    assert_eq!(columns(&books, "org").await, [0, 0, 30, 20]);
}

pub(in crate::store) async fn unknown_spending_counts_until_there_is_evidence(books: Books) {
    grant(&books, 1, vec![claim("org", 50, 50)]).await;
    let standings = close(&books, 1, lost()).await;
    assert_eq!(standings[0].remaining, Some(Amount::ZERO));
    assert_eq!(columns(&books, "org").await, [0, 0, 50, 0]);
    refused(&books, 2, vec![claim("org", 1, 50)]).await;
    let later = at("2026-11-23T09:00:00Z");
    let standings = books.reconcile(id(1), &evidence(60), later).await.unwrap();
    assert_eq!(standings[0].remaining, Some(Amount::ZERO));
    assert_eq!(columns(&books, "org").await, [50, 10, 0, 0]);
    let record = books.record(id(1)).await.unwrap().unwrap();
    assert_eq!(record.state, State::Reconciled(evidence(60)));
    assert_eq!(record.closed_at, Some(later));
}

pub(in crate::store) async fn evidence_of_nothing_frees_what_was_unknown(books: Books) {
    grant(&books, 1, vec![claim("org", 50, 50)]).await;
    close(&books, 1, lost()).await;
    books.reconcile(id(1), &evidence(0), noon()).await.unwrap();
    assert_eq!(columns(&books, "org").await, [0, 0, 0, 0]);
    let last = books.entries(0, 100).await.unwrap().pop().unwrap();
    assert_eq!(&*last.note, "ops: seen in the account's usage");
}

pub(in crate::store) async fn evidence_is_for_what_is_in_doubt(books: Books) {
    for (number, ending) in [(1, None), (2, Some(charged(1))), (3, Some(Outcome::Voided))] {
        grant(&books, number, vec![claim("org", 1, 50)]).await;
        if let Some(outcome) = ending {
            close(&books, number, outcome).await;
        }
        let answer = books.reconcile(id(number), &evidence(0), noon()).await;
        assert!(
            matches!(answer, Err(LedgerError::NotInDoubt(_))),
            "{answer:?}"
        );
    }
    assert_eq!(columns(&books, "org").await, [1, 0, 0, 1]);
}

pub(in crate::store) async fn a_late_charge_lands_in_the_window_that_admitted_it(books: Books) {
    grant(&books, 1, vec![claim("org", 10, 50)]).await;
    let next_month = at("2026-12-03T00:00:00Z");
    books.close(id(1), &charged(12), next_month).await.unwrap();
    assert_eq!(columns(&books, "org").await, [10, 2, 0, 0]);
    assert_eq!(books.balances().await.unwrap().len(), 1);
    let last = books.entries(0, 100).await.unwrap().pop().unwrap();
    assert_eq!((last.at, last.account), (next_month, account("org")));
}

pub(in crate::store) async fn a_charge_too_large_to_count_leaves_the_reservation_held(
    books: Books,
) {
    grant(&books, 1, vec![claim("org", 10, 50)]).await;
    grant(&books, 2, vec![claim("org", 10, 50)]).await;
    let all = charged_exactly(Amount::MAX);
    let answer = books.close(id(1), &all, noon()).await;
    assert!(
        matches!(answer, Err(LedgerError::Overflow { .. })),
        "{answer:?}"
    );
    assert_eq!(columns(&books, "org").await, [0, 0, 0, 20]);
    close(&books, 1, lost()).await;
    assert_eq!(columns(&books, "org").await, [0, 0, 10, 10]);
}

pub(in crate::store) async fn what_never_reserved_cannot_end(books: Books) {
    let predicted = Outcome::Settled(Charge {
        amounts: Amounts::default(),
        source: ChargeSource::Predicted,
    });
    let answer = books.close(id(1), &predicted, noon()).await;
    assert!(
        matches!(answer, Err(LedgerError::NotReserved(_))),
        "{answer:?}"
    );
    let answer = books.reconcile(id(1), &evidence(1), noon()).await;
    assert!(
        matches!(answer, Err(LedgerError::NotReserved(_))),
        "{answer:?}"
    );
}
