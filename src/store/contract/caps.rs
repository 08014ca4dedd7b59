//! A cap holds: for every budget, however many ask at once, whatever the amounts.

use std::sync::Arc;

use super::words::*;
use crate::ledger::{Breach, LedgerError, Outcome, Reserved};
use crate::policy::Account;
use crate::units::{Amount, Unit};

pub(in crate::store) async fn exactly_the_cap_is_granted(books: Books) {
    let standings = grant(&books, 1, vec![claim("org", 30, 50)]).await;
    assert_eq!(standings[0].remaining, Some(units(20)));
    let standings = grant(&books, 2, vec![claim("org", 20, 50)]).await;
    assert_eq!(standings[0].remaining, Some(Amount::ZERO));
    let mut least = claim("org", 0, 50);
    least.amount = Amount::from_micros(1).unwrap();
    let answer = reserve(&books, 3, vec![least]).await.unwrap();
    let breach = Breach {
        account: account("org"),
        needed: Amount::from_micros(1).unwrap(),
        remaining: Amount::ZERO,
        limit: units(50),
        elsewhere: Amount::ZERO,
        lent: Amount::ZERO,
    };
    assert_eq!(answer, Reserved::Full(vec![breach]));
}

pub(in crate::store) async fn concurrent_requests_do_not_pass_before_spending_is_recorded(
    books: Books,
) {
    let callers: Vec<_> = (0..200)
        .map(|number| {
            let books = Arc::clone(&books);
            tokio::spawn(async move { reserve(&books, number, vec![claim("org", 1, 50)]).await })
        })
        .collect();
    let mut granted = 0;
    for caller in callers {
        let answer = caller.await.unwrap().unwrap();
        granted += u64::from(matches!(answer, Reserved::Granted(_)));
    }
    assert_eq!(granted, 50);
    assert_eq!(columns(&books, "org").await, [0, 0, 0, 50]);
}

pub(in crate::store) async fn the_first_request_of_an_unknown_subject_does_not_escape_the_budget(
    books: Books,
) {
    let newcomer = Account {
        partition: "team=nobody-saw-it-before".into(),
        ..account("per-team")
    };
    let names = refused(&books, 1, vec![claim_on(newcomer, 51, 50)]).await;
    assert_eq!(names, ["per-team"]);
}

pub(in crate::store) async fn a_reservation_is_not_shrunk_to_the_headroom(books: Books) {
    grant(&books, 1, vec![claim("org", 45, 50)]).await;
    refused(&books, 2, vec![claim("org", 6, 50)]).await;
    assert_eq!(columns(&books, "org").await, [0, 0, 0, 45]);
}

pub(in crate::store) async fn the_stricter_of_two_matching_limits_is_enforced(books: Books) {
    let claims = || vec![claim("strict", 6, 10), claim("wide", 6, 1000)];
    grant(&books, 1, claims()).await;
    assert_eq!(refused(&books, 2, claims()).await, ["strict"]);
    let turned = || vec![claim("a-wide", 6, 1000), claim("strict", 6, 10)];
    assert_eq!(refused(&books, 3, turned()).await, ["strict"]);
}

pub(in crate::store) async fn every_budget_is_debited_or_none(books: Books) {
    let claims = vec![
        claim("a", 5, 9),
        claim("b", 5, 4),
        claim("c", 5, 9),
        claim("d", 5, 3),
    ];
    assert_eq!(refused(&books, 1, claims).await, ["b", "d"]);
    for budget in ["a", "b", "c", "d"] {
        assert_eq!(columns(&books, budget).await, [0, 0, 0, 0], "{budget}");
    }
    grant(
        &books,
        2,
        vec![claim("a", 5, 9), claim("b", 5, 9), claim("c", 5, 9)],
    )
    .await;
    for budget in ["a", "b", "c"] {
        assert_eq!(columns(&books, budget).await, [0, 0, 0, 5], "{budget}");
    }
}

pub(in crate::store) async fn zero_does_not_mean_unlimited(books: Books) {
    refused(&books, 1, vec![claim("org", 1, 0)]).await;
    assert_eq!(books.balances().await.unwrap(), []);
}

pub(in crate::store) async fn two_windows_of_one_subject_do_not_share_a_key(books: Books) {
    let november = account("org");
    let mut december = account("org");
    december.window.start = at("2026-12-01T00:00:00Z");
    december.window.end = Some(at("2027-01-01T00:00:00Z"));
    let mut area = account("org");
    area.unit = Unit::Aum;
    let mut team = account("org");
    team.partition = "team=agriculture".into();
    let accounts = [november, december, area, team];
    for (number, account) in (1..).zip(&accounts) {
        grant(
            &books,
            number,
            vec![claim_on(account.clone(), 10 + number, 15)],
        )
        .await;
    }
    for (number, account) in (1_i64..).zip(&accounts) {
        let balance = books.balance(account).await.unwrap();
        assert_eq!(columns_of(&balance), [0, 0, 0, 10 + number]);
    }
}

pub(in crate::store) async fn amounts_beyond_32_bits_are_counted_exactly(books: Books) {
    let large = Amount::from_micros((1 << 53) + 1).unwrap(); // one more than a double can hold
    grant(&books, 1, vec![tally("org", large)]).await;
    grant(&books, 2, vec![tally("org", large)]).await;
    let held = books.balance(&account("org")).await.unwrap().held;
    assert_eq!(held.micros(), (1 << 54) + 2);
}

pub(in crate::store) async fn what_is_too_large_to_count_is_refused(books: Books) {
    grant(&books, 1, vec![tally("org", Amount::MAX)]).await;
    let answer = reserve(
        &books,
        2,
        vec![tally("org", Amount::from_micros(1).unwrap())],
    )
    .await;
    assert!(
        matches!(answer, Err(LedgerError::Overflow { .. })),
        "{answer:?}"
    );
    let mut all = tally("org", Amount::MAX);
    (all.limit, all.enforced) = (Some(Amount::MAX), true);
    let answer = reserve(&books, 3, vec![all]).await.unwrap();
    assert!(
        matches!(answer, Reserved::Full(_)),
        "a limit refuses before the sum is too large"
    );
    let held = books.balance(&account("org")).await.unwrap().held;
    assert_eq!(held, Amount::MAX);
}

pub(in crate::store) async fn a_limit_that_does_not_refuse_still_counts(books: Books) {
    let mut overage = claim("org", 30, 20);
    overage.enforced = false;
    let standings = grant(&books, 1, vec![overage]).await;
    assert_eq!(standings[0].remaining, Some(Amount::ZERO));
    assert_eq!(columns(&books, "org").await, [0, 0, 0, 30]);
    refused(&books, 2, vec![claim("org", 1, 30)]).await;
}

pub(in crate::store) async fn a_lowered_cap_admits_nothing_and_forgets_nothing(books: Books) {
    grant(&books, 1, vec![claim("org", 40, 50)]).await;
    refused(&books, 2, vec![claim("org", 1, 20)]).await;
    close(&books, 1, charged(45)).await;
    assert_eq!(columns(&books, "org").await, [40, 5, 0, 0]);
    refused(&books, 3, vec![claim("org", 1, 45)]).await;
    grant(&books, 4, vec![claim("org", 1, 46)]).await;
}

pub(in crate::store) async fn a_longer_window_keeps_what_the_shorter_one_spent(books: Books) {
    let mut day = account("org");
    day.window.end = Some(at("2026-11-02T00:00:00Z"));
    grant(&books, 1, vec![claim_on(day, 40, 50)]).await;
    refused(&books, 2, vec![claim("org", 11, 50)]).await;
    close(&books, 1, Outcome::Voided).await;
    grant(&books, 3, vec![claim("org", 11, 50)]).await;
}

pub(in crate::store) async fn a_budget_cannot_be_claimed_twice(books: Books) {
    let answer = reserve(&books, 1, vec![claim("org", 1, 50), claim("org", 2, 50)]).await;
    assert!(
        matches!(answer, Err(LedgerError::ClaimedTwice { .. })),
        "{answer:?}"
    );
    assert_eq!(books.balances().await.unwrap(), []);
}
