//! What the books say when they are asked.

use super::words::*;
use crate::ledger::{Charge, ChargeSource, EntryKind, Fingerprint, Outcome, Record, State};
use crate::policy::Account;
use crate::units::{Amount, Amounts, Unit};

pub(in crate::store) async fn a_record_keeps_what_the_request_was(books: Books) {
    let mut overage = claim("org", 7, 5);
    overage.enforced = false;
    let mut new = request(1, vec![overage.clone(), tally("tally", units(7))]);
    new.tag = Some("campaign-7 'ü".into());
    new.fingerprint = Some(Fingerprint::from_bytes([7; 32]));
    new.predicted
        .set(Unit::Aum, Amount::from_micros(1_606_200_001).unwrap());
    books.reserve(&new, noon()).await.unwrap();
    let held = Record {
        request: id(1),
        team: "agriculture".into(),
        key: "ag-pipeline".into(),
        api: "process".into(),
        product: Some("sentinel-2-l2a".into()),
        tag: Some("campaign-7 'ü".into()),
        fingerprint: Some(Fingerprint::from_bytes([7; 32])),
        predicted: new.predicted.clone(),
        claims: vec![overage, tally("tally", units(7))],
        state: State::Held,
        reserved_at: noon(),
        closed_at: None,
    };
    assert_eq!(books.record(id(1)).await.unwrap().as_ref(), Some(&held));
    let later = at("2026-11-22T12:00:01.25Z");
    books.close(id(1), &charged(9), later).await.unwrap();
    let ended = Record {
        state: charged(9).state(),
        closed_at: Some(later),
        ..held
    };
    assert_eq!(books.record(id(1)).await.unwrap(), Some(ended));
    assert_eq!(books.record(id(2)).await.unwrap(), None);
}

pub(in crate::store) async fn a_reservation_without_claims_is_remembered(books: Books) {
    let mut free = request(1, vec![]);
    (free.product, free.predicted) = (None, Amounts::default());
    books.reserve(&free, noon()).await.unwrap();
    assert_eq!(close(&books, 1, charged(0)).await, []);
    let record = books.record(id(1)).await.unwrap().unwrap();
    assert_eq!(record.state.name(), "settled");
    assert_eq!(record.product, None);
}

pub(in crate::store) async fn entries_are_read_in_pages(books: Books) {
    grant(&books, 1, vec![claim("a", 5, 50), claim("b", 5, 50)]).await;
    close(&books, 1, charged(6)).await;
    let all = books.entries(0, 100).await.unwrap();
    let lines: Vec<_> = all
        .iter()
        .map(|entry| {
            (
                &*entry.account.budget,
                entry.kind,
                entry.charged,
                &*entry.note,
            )
        })
        .collect();
    let expected = [
        ("a", EntryKind::Reserve, units(0), ""),
        ("b", EntryKind::Reserve, units(0), ""),
        ("a", EntryKind::Settle, units(6), "header"),
        ("b", EntryKind::Settle, units(6), "header"),
    ];
    assert_eq!(lines, expected);
    assert!(all.is_sorted_by(|one, next| one.sequence < next.sequence));
    let page = books.entries(all[0].sequence, 2).await.unwrap();
    assert_eq!(page, all[1..3]);
    assert_eq!(books.entries(all[3].sequence, 2).await.unwrap(), []);
    assert_eq!(books.entries(u64::MAX, 2).await.unwrap(), []);
}

pub(in crate::store) async fn unknowns_are_listed_oldest_first(books: Books) {
    for number in [3, 1, 2, 4] {
        grant(&books, number, vec![claim("org", 1, 50)]).await;
    }
    for number in [2, 3, 1] {
        close(&books, number, lost()).await;
    }
    close(&books, 4, charged(1)).await;
    let listed = async |after, limit| -> Vec<_> {
        let records = books.unknowns(after, limit).await.unwrap();
        records.iter().map(|record| record.request).collect()
    };
    assert_eq!(listed(None, 10).await, [id(1), id(2), id(3)]);
    assert_eq!(listed(None, 1).await, [id(1)]);
    assert_eq!(listed(Some(id(1)), 10).await, [id(2), id(3)]);
    books.reconcile(id(2), &evidence(1), noon()).await.unwrap();
    assert_eq!(listed(None, 10).await, [id(1), id(3)]);
    let worklist = books.unknowns(None, 1).await.unwrap();
    assert_eq!(worklist[0].claims, [claim("org", 1, 50)]);
    assert_eq!(worklist[0].state, lost().state());
}

pub(in crate::store) async fn balances_come_in_the_order_of_their_accounts(books: Books) {
    let mut number = 0;
    for budget in ["b", "a"] {
        for unit in [Unit::Requests, Unit::Aum, Unit::Pu] {
            let account = Account {
                unit,
                ..account(budget)
            };
            number += 1;
            grant(&books, number, vec![claim_on(account, 1, 50)]).await;
        }
    }
    let balances = books.balances().await.unwrap();
    assert_eq!(balances.len(), 6);
    assert!(balances.is_sorted_by(|one, next| one.account < next.account));
    books.ping().await.unwrap();
}

pub(in crate::store) async fn what_upstream_said_is_read_oldest_first(books: Books) {
    for number in [2, 1, 3, 4, 5, 6] {
        let mut new = request(number, vec![claim("org", 9, 90)]);
        new.predicted = Amounts::of(Unit::Pu, units(number));
        if number == 4 {
            new.predicted = Amounts::default();
        }
        books.reserve(&new, noon()).await.unwrap();
    }
    let unsaid = Outcome::Settled(Charge {
        amounts: Amounts::of(Unit::Pu, units(1)),
        source: ChargeSource::Predicted,
    });
    for (number, outcome) in [
        (1, charged(7)),
        (2, charged(8)),
        (3, unsaid),
        (4, charged(1)),
        (5, lost()),
    ] {
        close(&books, number, outcome).await;
    }
    let told = books.told().await.unwrap();
    let told: Vec<_> = told
        .iter()
        .map(|told| (&*told.team, &*told.api, told.predicted, told.charged))
        .collect();
    let of = |predicted, charged| ("agriculture", "process", units(predicted), units(charged));
    assert_eq!(told, [of(1, 7), of(2, 8)]);
}
