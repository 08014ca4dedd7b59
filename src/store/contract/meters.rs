//! Planet's own figures are kept, and what was spent elsewhere is entered once.

use std::time::Duration;

use super::words::*;
use crate::ledger::{
    ACCOUNT, AccountKey, Charge, ChargeSource, Evidence, Meter, NewReservation, Outcome, Reading,
    Spending, State, UNATTRIBUTED,
};
use crate::policy::{Account, Claim};
use crate::units::{Amounts, Unit, UtcTime};

fn after(days: u64) -> UtcTime {
    noon() + Duration::from_hours(24 * days)
}

fn meter(last: u64, days: u64) -> Meter {
    Meter {
        upstream: "planet".into(),
        product: "PS_ARPS".into(),
        unit: Unit::Quota,
        since: noon(),
        first: units(100),
        last: units(last),
        read_at: after(days),
        moved_at: after(days),
        counted: units(1),
        counted_until: noon(),
        ours: units(2),
        adjusted: units(3),
    }
}

fn reserved(budget: &str) -> Account {
    Account {
        unit: Unit::Quota,
        ..account(budget)
    }
}

fn elsewhere(of: &Meter, amount: u64, limit: u64) -> NewReservation {
    let mut claim = claim_on(reserved("org"), amount, limit);
    claim.enforced = false;
    NewReservation {
        request: of.adjustment(of.read_at),
        team: UNATTRIBUTED.into(),
        key: "".into(),
        api: ACCOUNT,
        product: Some(of.product.clone()),
        predicted: Amounts::of(Unit::Quota, units(amount)),
        claims: vec![claim],
        ..request(0, Vec::new())
    }
}

fn reading(before: Option<UtcTime>, meter: Meter, external: Option<NewReservation>) -> Reading {
    Reading {
        before,
        meter,
        external,
        note: Some("look at this".into()),
    }
}

/// A reading that enters these claims.
pub(super) fn read(before: Option<UtcTime>, at: UtcTime, claims: Vec<Claim>) -> Reading {
    let meter = Meter {
        read_at: at,
        ..meter(100, 0)
    };
    let external = NewReservation {
        claims,
        ..elsewhere(&meter, 1, 1)
    };
    reading(before, meter, Some(external))
}

async fn keep(books: &Books, reading: &Reading) -> bool {
    let now = reading.meter.read_at;
    books.keep_reading(reading, now).await.unwrap()
}

async fn quota(books: &Books) -> [i64; 4] {
    columns_of(&books.balance(&reserved("org")).await.unwrap())
}

pub(in crate::store) async fn a_reading_is_kept_and_the_next_one_follows_it(books: Books) {
    assert_eq!(books.meters().await.unwrap(), []);
    let (first, second) = (meter(100, 0), meter(120, 1));
    assert!(keep(&books, &reading(None, first.clone(), None)).await);
    let other = Meter {
        product: "A".into(),
        ..first.clone()
    };
    assert!(keep(&books, &reading(None, other.clone(), None)).await);
    let next = reading(Some(first.read_at), second.clone(), None);
    assert!(keep(&books, &next).await);
    assert_eq!(books.meters().await.unwrap(), [other, second]);
}

pub(in crate::store) async fn of_two_who_read_at_once_one_is_kept(books: Books) {
    let first = meter(100, 0);
    assert!(keep(&books, &reading(None, first.clone(), None)).await);
    let second = meter(130, 1);
    let external = elsewhere(&second, 30, 1000);
    let both = reading(Some(first.read_at), second.clone(), Some(external));
    let reading_it = (0..2).map(|_| {
        let (books, reading) = (Books::clone(&books), both.clone());
        tokio::spawn(async move { keep(&books, &reading).await })
    });
    let mut kept = 0;
    for one in reading_it.collect::<Vec<_>>() {
        kept += u32::from(one.await.unwrap());
    }
    assert_eq!((kept, quota(&books).await), (1, [30, 0, 0, 0]));
    assert!(
        !keep(&books, &reading(None, meter(1, 2), None)).await,
        "it was read before"
    );
    assert_eq!(books.meters().await.unwrap(), [second]);
    let said = books.events(0, 9).await.unwrap();
    assert_eq!(
        said.len(),
        2,
        "one for each reading that was kept: {said:?}"
    );
}

pub(in crate::store) async fn an_adjustment_is_booked_once_and_no_limit_refuses_it(books: Books) {
    let mut day = meter(100, 0);
    assert!(keep(&books, &reading(None, day.clone(), None)).await);
    for (before, hours) in [(0, 1), (1, 2)] {
        let read_at = |hours| noon() + Duration::from_hours(hours);
        day.read_at = read_at(hours);
        let external = elsewhere(&day, 900, 50);
        let again = reading(Some(read_at(before)), day.clone(), Some(external));
        assert!(keep(&books, &again).await);
    }
    assert_eq!(quota(&books).await, [900, 0, 0, 0]);
    let id = day.adjustment(noon());
    let record = books.record(id).await.unwrap().expect("it was booked");
    assert_eq!(&*record.team, UNATTRIBUTED);
    let State::Settled(charge) = record.state else {
        panic!("{record:?}");
    };
    assert_eq!(charge.source, ChargeSource::Reconciled);
    let key = AccountKey::from(&reserved("org"));
    let lines = books.entries(0, 9).await.unwrap();
    assert!(
        lines
            .iter()
            .all(|line| AccountKey::from(&line.account) == key)
    );
    assert_eq!(lines.len(), 2, "{lines:?}");
}

/// Five requests that take km² of two products, each ended otherwise, and one that takes quota.
async fn spend(books: &Books) {
    let new = |number: u64, unit: Unit, amount: u64| NewReservation {
        predicted: Amounts::of(unit, units(amount)),
        product: Some(format!("product-{}", number % 2).into()),
        ..request(number, Vec::new())
    };
    let charged = |amount: u64| {
        Outcome::Settled(Charge {
            amounts: Amounts::of(Unit::Km2, units(amount)),
            source: ChargeSource::Metered,
        })
    };
    for (number, outcome) in [
        (1, None),
        (2, Some(lost())),
        (3, Some(Outcome::Voided)),
        (4, Some(charged(7))),
        (5, Some(lost())),
    ] {
        books
            .reserve(&new(number, Unit::Km2, 10), noon())
            .await
            .unwrap();
        if let Some(outcome) = outcome {
            books.close(id(number), &outcome, noon()).await.unwrap();
        }
    }
    let found = Evidence {
        amounts: Amounts::of(Unit::Km2, units(1)),
        ..evidence(0)
    };
    books.reconcile(id(5), &found, noon()).await.unwrap();
    books
        .reserve(&new(6, Unit::Quota, 500), noon())
        .await
        .unwrap();
}

pub(in crate::store) async fn a_meter_counts_what_the_books_have_of_it(books: Books) {
    spend(&books).await;
    let spending = |unit, products: &[&str], since, until| {
        let (books, products) = (Books::clone(&books), products.iter());
        let of = Spending {
            unit,
            products: products.map(ToString::to_string).collect(),
            since,
            until,
        };
        async move { books.spending(&of).await.unwrap().whole_floor() }
    };
    let (today, tomorrow) = (at("2026-11-22T00:00:00Z"), after(1));
    assert_eq!(
        spending(Unit::Km2, &[], today, tomorrow).await,
        10 + 10 + 7 + 1
    );
    assert_eq!(spending(Unit::Quota, &[], today, tomorrow).await, 500);
    assert_eq!(
        spending(Unit::Km2, &["product-1"], today, tomorrow).await,
        10 + 1
    );
    assert_eq!(
        spending(Unit::Km2, &["x", "product-0"], today, tomorrow).await,
        10 + 7
    );
    assert_eq!(spending(Unit::Km2, &[], tomorrow, after(2)).await, 0);
    assert_eq!(spending(Unit::Km2, &[], today, noon()).await, 0);
    let entered = meter(100, 0);
    let entered = reading(None, entered.clone(), Some(elsewhere(&entered, 50, 1)));
    assert!(keep(&books, &entered).await);
    assert_eq!(
        spending(Unit::Quota, &[], today, tomorrow).await,
        500,
        "ours alone"
    );
}
