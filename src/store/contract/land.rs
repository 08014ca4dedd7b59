//! Land that requests lock by succeeding.

use super::commitments::commitment;
use super::words::*;
use crate::ledger::{
    Charge, ChargeSource, Fingerprint, Land, LandQuery, MOST_OUTLINE_BYTES, Outcome, Turn,
};
use crate::planet::geometry::Sector;
use crate::policy::Account;
use crate::units::{Amounts, Unit};

const HERE: i32 = 14_500_000;

pub(in crate::store) fn aum(budget: &str) -> Account {
    Account {
        unit: Unit::Aum,
        ..account(budget)
    }
}

fn sector(east: i32) -> Sector {
    Sector {
        west: east,
        south: 46_000_000,
        east: east + 20_000,
        north: 46_020_000,
    }
}

fn land(number: u64, east: i32) -> Land {
    Land {
        request: id(number),
        plan: Fingerprint::from_bytes([1; 32]),
        sector: sector(east),
        outline: format!("{{\"number\": {number}}}").into(),
    }
}

fn settled() -> Outcome {
    Outcome::Settled(Charge {
        amounts: Amounts::default(),
        source: ChargeSource::Predicted,
    })
}

async fn reserve(books: &Books, number: u64, accounts: &[Account]) {
    let claims = accounts
        .iter()
        .cloned()
        .map(|account| claim_on(account, 3, 50));
    let mut new = request(number, claims.collect());
    new.predicted.set(Unit::Aum, units(2));
    books.reserve(&new, noon()).await.unwrap();
}

/// An order of three square kilometres that has succeeded.
pub(in crate::store) async fn order(books: &Books, number: u64, accounts: &[Account]) {
    reserve(books, number, accounts).await;
    close(books, number, settled()).await;
    assert!(books.lock_land(&land(number, HERE), noon()).await.unwrap());
}

pub(in crate::store) async fn found(books: &Books, accounts: &[Account]) -> Vec<u64> {
    let query = LandQuery {
        plan: Fingerprint::from_bytes([1; 32]),
        sector: sector(HERE),
        accounts: accounts.to_vec(),
    };
    numbers(books, &query).await
}

async fn numbers(books: &Books, query: &LandQuery) -> Vec<u64> {
    let outlines = books.locked_land(query).await.unwrap();
    let number = |outline: &str| -> u64 {
        let read: serde_json::Value = serde_json::from_str(outline).unwrap();
        read["number"].as_u64().unwrap()
    };
    outlines.iter().map(|outline| number(outline)).collect()
}

pub(in crate::store) async fn land_is_locked_for_those_who_book_on_the_same_accounts(books: Books) {
    let (org, team) = (aum("org"), aum("team"));
    order(&books, 1, &[org.clone(), team.clone()]).await;
    order(&books, 2, std::slice::from_ref(&org)).await;
    assert_eq!(found(&books, std::slice::from_ref(&org)).await, [1, 2]);
    assert_eq!(found(&books, &[org.clone(), team]).await, [1]);
    assert_eq!(found(&books, &[]).await, [1, 2]);
    let mut next = org.clone();
    next.window.start = at("2026-12-01T00:00:00Z");
    assert!(found(&books, &[org.clone(), next]).await.is_empty());
    let mut others = org;
    others.partition = "team=forest".into();
    assert!(found(&books, &[others]).await.is_empty());
}

pub(in crate::store) async fn land_is_found_where_it_lies_and_by_its_plan(books: Books) {
    order(&books, 1, &[aum("org")]).await;
    let mut query = LandQuery {
        plan: Fingerprint::from_bytes([1; 32]),
        sector: sector(HERE),
        accounts: vec![aum("org")],
    };
    for (east, there) in [
        (-20_001, false),
        (-20_000, true),
        (20_000, true),
        (20_001, false),
    ] {
        query.sector = sector(HERE + east);
        assert_eq!(!numbers(&books, &query).await.is_empty(), there, "{east}");
    }
    query.sector = sector(HERE);
    (query.sector.south, query.sector.north) = (-10, 45_999_999);
    assert!(numbers(&books, &query).await.is_empty());
    (query.sector, query.plan) = (sector(HERE), Fingerprint::from_bytes([2; 32]));
    assert!(numbers(&books, &query).await.is_empty());
}

pub(in crate::store) async fn what_was_not_settled_locks_nothing(books: Books) {
    reserve(&books, 1, &[aum("org")]).await;
    assert!(
        !books.lock_land(&land(1, HERE), noon()).await.unwrap(),
        "under way"
    );
    close(&books, 1, lost()).await;
    assert!(
        !books.lock_land(&land(1, HERE), noon()).await.unwrap(),
        "in doubt"
    );
    reserve(&books, 2, &[aum("org")]).await;
    let free = Outcome::Settled(Charge {
        amounts: Amounts::of(Unit::Aum, units(1)),
        source: ChargeSource::Metered,
    });
    close(&books, 2, free).await;
    assert!(
        !books.lock_land(&land(2, HERE), noon()).await.unwrap(),
        "cheaper than its area"
    );
    grant(&books, 3, vec![claim("pu", 1, 50)]).await;
    close(&books, 3, charged(1)).await;
    assert!(
        !books.lock_land(&land(3, HERE), noon()).await.unwrap(),
        "no area"
    );
    assert!(
        books.lock_land(&land(4, HERE), noon()).await.is_err(),
        "never reserved"
    );
    assert!(found(&books, &[]).await.is_empty());
}

pub(in crate::store) async fn evidence_of_less_area_frees_the_land(books: Books) {
    for number in 1..=3 {
        order(&books, number, &[aum("org")]).await;
    }
    for (number, aum) in [(1, Some(1)), (2, Some(2)), (3, None)] {
        let mut known = evidence(7);
        if let Some(aum) = aum {
            known.amounts.set(Unit::Aum, units(aum));
        }
        books.reconcile(id(number), &known, noon()).await.unwrap();
    }
    assert_eq!(found(&books, &[aum("org")]).await, [2, 3]);
}

pub(in crate::store) async fn area_that_is_given_back_frees_the_land(books: Books) {
    for number in 1..=2 {
        order(&books, number, &[aum("org")]).await;
    }
    for (number, account) in [(1, aum("org")), (2, account("org"))] {
        let turn = Turn {
            gives_back: vec![(account, units(1))],
            ..Turn::only(commitment(number))
        };
        books.keep(&[turn], noon()).await.unwrap();
    }
    assert_eq!(found(&books, &[aum("org")]).await, [2]);
}

pub(in crate::store) async fn land_is_kept_once_and_the_latest_comes_last(books: Books) {
    for number in [2, 1, 3] {
        order(&books, number, &[aum("org")]).await;
    }
    let again = books.lock_land(&land(2, HERE + 900_000), noon()).await;
    assert!(again.unwrap());
    assert_eq!(found(&books, &[aum("org")]).await, [1, 2, 3]);
}

pub(in crate::store) async fn what_is_too_large_is_not_kept(books: Books) {
    let mut answered = 0;
    for number in 1..=10 {
        reserve(&books, number, &[aum("org")]).await;
        close(&books, number, settled()).await;
        let bytes = if number == 1 {
            MOST_OUTLINE_BYTES + 1
        } else {
            MOST_OUTLINE_BYTES
        };
        let large = Land {
            outline: "x".repeat(bytes).into(),
            ..land(number, HERE)
        };
        let kept = books.lock_land(&large, noon()).await.unwrap();
        assert_eq!(kept, number > 1);
        let query = LandQuery {
            plan: large.plan,
            sector: large.sector,
            accounts: vec![aum("org")],
        };
        answered = books.locked_land(&query).await.unwrap().len();
    }
    assert_eq!(answered, 8, "of nine, as many as an answer holds");
}
