//! What goes on spending is kept, takes what it must, and gives back no more than it took.

use std::num::NonZeroU128;

use super::words::*;
use crate::cost::{Pace, Rate, Term};
use crate::ledger::{
    Ahead, Charge, ChargeSource, Commitment, CommitmentId, Course, Kept, LedgerError, Outcome,
    State, Turn,
};
use crate::units::{Amount, Amounts, Unit};

/// All that a commitment may say.
pub(in crate::store) fn commitment(number: u64) -> Commitment {
    let each = Amounts::of(Unit::Pu, Amount::from_micros(20_500_001).unwrap());
    let pace = Pace {
        times: u128::from(u64::MAX) * 3,
        days: NonZeroU128::new(384_160_000).unwrap(),
    };
    Commitment {
        id: CommitmentId {
            request: id(number),
            number: 7,
        },
        version: 1,
        upstream: "planet".into(),
        subscription: None,
        team: "agriculture".into(),
        key: "ag-pipeline".into(),
        products: vec!["PSScene".into(), "nul\0 and ü".into()],
        tag: Some("campaign-7".into()),
        rate: Rate {
            terms: vec![Term { pace, each }],
            each_time: Amounts::of(Unit::Pu, units(3)),
            each_year: Amounts::of(Unit::Aum, units(40)),
        },
        start: noon(),
        end: Some(at("2027-11-22T12:00:00.000001Z")),
        since: noon(),
        course: Course::Asked,
        booked_until: noon(),
        predicted_until: at("2026-12-01T00:00:00Z"),
        ahead: vec![Ahead {
            account: account("org"),
            amount: units(9),
            from: noon(),
            until: at("2026-12-01T00:00:00Z"),
        }],
    }
}

fn predicted(pu: u64) -> Outcome {
    Outcome::Settled(Charge {
        amounts: Amounts::of(Unit::Pu, units(pu)),
        source: ChargeSource::Predicted,
    })
}

async fn keep(books: &Books, turn: Turn) -> Kept {
    let kept = books.keep(&[turn], noon()).await.unwrap();
    kept.into_iter().next().expect("one for each turn")
}

/// A turn that takes so much of a cap of 10, under the `number`th name.
fn taking(commitment: Commitment, number: u64, amount: u64) -> Turn {
    Turn {
        takes: Some(request(number, vec![claim("org", amount, 10)])),
        ..Turn::only(commitment)
    }
}

fn giving_back(commitment: Commitment, amount: u64) -> Turn {
    Turn {
        gives_back: vec![(account("org"), units(amount))],
        why: Some("subscription s1 was cancelled".into()),
        ..Turn::only(commitment)
    }
}

pub(in crate::store) async fn a_commitment_is_kept_as_it_is_until_it_is_over(books: Books) {
    let (first, second) = (commitment(1), commitment(2));
    for one in [&second, &first] {
        let kept = keep(&books, Turn::only(one.clone())).await;
        assert_eq!(kept, Kept::Kept(Vec::new()));
    }
    let all = books.commitments().await.unwrap();
    assert_eq!(all, [first.clone(), second.clone()]);
    let mut next = first.next();
    (next.subscription, next.course) = (Some("s1".into()), Course::Running);
    keep(&books, Turn::only(next.clone())).await;
    assert_eq!(
        books.commitments().await.unwrap(),
        [next.clone(), second.clone()]
    );
    let mut last = next.next();
    last.course = Course::Over;
    keep(&books, Turn::only(last)).await;
    assert_eq!(books.commitments().await.unwrap(), [second]);
}

pub(in crate::store) async fn of_two_who_take_a_commitment_further_one_is_too_late(books: Books) {
    let first = commitment(1);
    keep(&books, Turn::only(first.clone())).await;
    let taken = taking(first.next(), 2, 4);
    assert_eq!(keep(&books, taken.clone()).await, Kept::Kept(Vec::new()));
    assert_eq!(
        keep(&books, taken.clone()).await,
        Kept::Kept(Vec::new()),
        "repeated"
    );
    let mut other = first.next();
    other.course = Course::Suspended;
    let late = keep(&books, taking(other, 3, 4)).await;
    assert_eq!(late, Kept::Overtaken(Some(Box::new(taken.commitment))));
    assert_eq!(columns(&books, "org").await, [4, 0, 0, 0]);
    assert_eq!(books.record(id(3)).await.unwrap(), None);
    let unheard_of = keep(&books, Turn::only(commitment(9).next())).await;
    assert_eq!(unheard_of, Kept::Overtaken(None));
}

pub(in crate::store) async fn what_is_due_is_taken_even_where_it_does_not_fit(books: Books) {
    let first = commitment(1);
    grant(&books, 2, vec![claim("org", 8, 10)]).await;
    let Kept::Kept(short) = keep(&books, taking(first, 3, 5)).await else {
        panic!("it is new");
    };
    assert_eq!(short.len(), 1);
    assert_eq!((short[0].needed, short[0].remaining), (units(5), units(2)));
    assert_eq!(columns(&books, "org").await, [5, 0, 0, 8]);
    let record = books.record(id(3)).await.unwrap().unwrap();
    assert!(matches!(record.state, State::Settled(_)), "{record:?}");
    assert_eq!(refused(&books, 5, vec![claim("org", 1, 10)]).await, ["org"]);
    let events = books.events(0, 9).await.unwrap();
    let told = events
        .iter()
        .find(|event| event.what.contains("only 2 was left"));
    assert!(told.is_some(), "{events:?}");
}

pub(in crate::store) async fn no_more_is_given_back_than_was_settled(books: Books) {
    let first = commitment(1);
    keep(&books, taking(first.clone(), 2, 7)).await;
    let second = first.next();
    keep(&books, giving_back(second.clone(), 3)).await;
    assert_eq!(columns(&books, "org").await, [4, 0, 0, 0]);
    keep(&books, giving_back(second.clone(), 3)).await;
    assert_eq!(columns(&books, "org").await, [4, 0, 0, 0], "repeated");
    grant(&books, 3, vec![claim("org", 6, 10)]).await;
    keep(&books, giving_back(second.next(), 9)).await;
    assert_eq!(
        columns(&books, "org").await,
        [0, 0, 0, 6],
        "what is held stays"
    );
    let events = books.events(0, 9).await.unwrap();
    assert!(
        events
            .iter()
            .any(|event| event.what.contains("was cancelled"))
    );
}

pub(in crate::store) async fn what_was_given_back_in_part_is_not_corrected_as_a_whole(
    books: Books,
) {
    let first = commitment(1);
    grant(&books, 1, vec![claim("org", 3, 20), claim("year", 8, 20)]).await;
    close(&books, 1, predicted(8)).await;
    keep(&books, Turn::only(first.clone())).await;
    let corrected = |pu| {
        let books = Books::clone(&books);
        async move { books.reconcile(id(1), &evidence(pu), noon()).await }
    };
    keep(&books, giving_back(first.next(), 2)).await;
    assert_eq!(columns(&books, "org").await, [1, 0, 0, 0]);
    assert_eq!(columns(&books, "year").await, [8, 0, 0, 0]);
    let twice = corrected(0).await;
    assert!(
        matches!(twice, Err(LedgerError::NotInDoubt(_))),
        "{twice:?}"
    );
    assert_eq!(columns(&books, "org").await, [1, 0, 0, 0]);
}

pub(in crate::store) async fn a_prediction_settles_at_no_more_than_each_window_claimed(
    books: Books,
) {
    grant(&books, 1, vec![claim("month", 3, 10), claim("year", 8, 10)]).await;
    close(&books, 1, predicted(6)).await;
    assert_eq!(columns(&books, "month").await, [3, 0, 0, 0]);
    assert_eq!(columns(&books, "year").await, [6, 0, 0, 0]);
}
