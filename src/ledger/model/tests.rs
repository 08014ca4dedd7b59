use super::*;
use crate::ledger::{Charge, ChargeSource, EntryKind, Marks, Reserved, Want, replay};
use crate::policy::Claim;
use crate::units::{Amount, Amounts, Span, Unit};

const LIMIT: u64 = 100;

fn units(whole: u64) -> Amount {
    Amount::from_whole(whole).expect("small")
}

fn at(seconds: i64) -> UtcTime {
    UtcTime::from_second(1_700_000_000 + seconds).expect("a time")
}

fn replica(number: u128) -> ReplicaId {
    ReplicaId::from_uuid(uuid::Uuid::from_u128(number))
}

fn org() -> Account {
    let window = Span {
        start: UtcTime::UNIX_EPOCH,
        end: None,
    };
    Account {
        budget: "org".into(),
        partition: "".into(),
        unit: Unit::Pu,
        window,
    }
}

fn request(number: u8, amount: u64) -> NewReservation {
    let claim = Claim {
        account: org(),
        amount: units(amount),
        limit: Some(units(LIMIT)),
        enforced: true,
    };
    NewReservation {
        request: RequestId::new(at(0), [number; 10]),
        team: "agriculture".into(),
        key: "ag".into(),
        api: "process",
        product: None,
        tag: None,
        fingerprint: None,
        predicted: Amounts::of(Unit::Pu, claim.amount),
        claims: vec![claim],
        certain: false,
    }
}

fn settled(source: ChargeSource, amounts: Amounts) -> Outcome {
    Outcome::Settled(Charge { amounts, source })
}

/// A report that spends so much, in one request, and wants the lease to hold so much after that.
fn report(number: u64, spends: u64, wants: u64, limit: u64) -> Report {
    let random = u8::try_from(number).expect("small");
    let new = request(100 + random, spends);
    let charge = settled(ChargeSource::Header, new.predicted.clone());
    let ended = new.held(at(0)).entering(charge.state(), at(0));
    Report {
        number,
        ended: (spends > 0).then_some(ended).into_iter().collect(),
        wants: vec![Want {
            account: org(),
            limit: Some(units(limit)),
            amount: units(wants),
            yields: false,
        }],
    }
}

fn proof(epoch: Epoch, reported: u64, mark: u64) -> Proof {
    Proof {
        epoch,
        reported,
        marks: Some(Marks::from([((&org()).into(), units(mark))])),
    }
}

/// Settled, overrun, unknown, held and leased, in whole units; the journal says the same.
async fn columns(books: &Model) -> [i64; 5] {
    let entries = books.entries(0, u32::MAX).await.unwrap();
    assert_eq!(replay(&entries).unwrap(), books.balances().await.unwrap());
    let Balance {
        account: _,
        settled,
        overrun,
        unknown,
        held,
        leased,
        drawn: _,
    } = books.balance(&org()).await.unwrap();
    [settled, overrun, unknown, held, leased].map(Amount::whole_floor)
}

/// Two replicas whose lives have begun, the second with a lease of 20 of which it has reported 5 as spent.
async fn two() -> (Model, Model, Epoch) {
    let first = Model::default().beside(replica(1));
    let second = first.beside(replica(2));
    first.begin(None, at(0)).await.unwrap();
    let epoch = second.begin(None, at(0)).await.unwrap().epoch;
    second
        .report(&report(1, 0, 25, LIMIT), at(0))
        .await
        .unwrap();
    second
        .report(&report(2, 5, 20, LIMIT), at(1))
        .await
        .unwrap();
    assert_eq!(columns(&first).await, [5, 0, 0, 0, 20]);
    (first, second, epoch)
}

async fn give_up(books: &Model) {
    let silent = books.give_up(at(50), at(60)).await.unwrap();
    assert!(silent.contains(&replica(2)), "{silent:?}");
}

#[tokio::test]
async fn a_journal_shows_what_was_not_spent_and_leaves_the_rest_in_doubt() {
    let (first, second, epoch) = two().await;
    give_up(&first).await;
    assert_eq!(columns(&first).await, [5, 0, 20, 0, 0]);
    second
        .begin(Some(&proof(epoch, 2, 13)), at(70))
        .await
        .unwrap();
    assert_eq!(columns(&first).await, [5, 0, 8, 0, 0]);
    let listed = first.unknowns(None, 9).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].claims[0].amount, units(8));
    assert_eq!(listed[0].predicted.get(Unit::Pu), Some(units(8)));

    let seen = Evidence {
        amounts: Amounts::of(Unit::Pu, units(3)),
        by: "ops".into(),
        why: "seen in the account's usage".into(),
    };
    first
        .reconcile(listed[0].request, &seen, at(80))
        .await
        .unwrap();
    assert_eq!(columns(&first).await, [8, 0, 0, 0, 0]);
}

#[tokio::test]
async fn a_journal_that_allowed_nothing_leaves_nothing_in_doubt() {
    let (first, second, epoch) = two().await;
    give_up(&first).await;
    second
        .begin(Some(&proof(epoch, 2, 5)), at(70))
        .await
        .unwrap();
    assert_eq!(columns(&first).await, [5, 0, 0, 0, 0]);
    assert_eq!(first.unknowns(None, 9).await.unwrap(), []);
}

#[tokio::test]
async fn a_guard_whose_clock_is_behind_is_not_silent() {
    let (first, second, _) = two().await;
    first
        .report(&report(1, 0, 0, LIMIT), at(100))
        .await
        .unwrap();
    second
        .report(&report(3, 0, 20, LIMIT), at(30))
        .await
        .unwrap();
    let silent = first.give_up(at(80), at(101)).await.unwrap();
    assert!(!silent.contains(&replica(2)), "{silent:?}");
    first
        .report(&report(2, 0, 0, LIMIT), at(130))
        .await
        .unwrap();
    let silent = first.give_up(at(110), at(131)).await.unwrap();
    assert_eq!(silent, [replica(2)]);
}

#[tokio::test]
async fn a_life_that_is_begun_twice_settles_nothing_and_hears_the_same() {
    for given_up in [false, true] {
        let (first, second, epoch) = two().await;
        if given_up {
            give_up(&first).await;
        }
        let proof = proof(epoch, 1, 13);
        let once = second.begin(Some(&proof), at(70)).await.unwrap();
        let lines = first.entries(0, u32::MAX).await.unwrap();
        assert_eq!(columns(&first).await, [5, 0, 8, 0, 0]);
        let again = second.begin(Some(&proof), at(71)).await.unwrap();
        assert_eq!(first.entries(0, u32::MAX).await.unwrap(), lines);
        assert_eq!((once.reported, again.reported), (2, 2));
        assert!(once.epoch < again.epoch);
    }
}

#[tokio::test]
async fn a_late_word_that_is_only_a_prediction_is_no_evidence() {
    let (first, second, _) = two().await;
    for number in [1, 2] {
        let granted = second.reserve(&request(number, 10), at(2)).await.unwrap();
        assert!(matches!(granted, Reserved::Granted(_)));
    }
    give_up(&first).await;
    assert_eq!(columns(&first).await, [5, 0, 40, 0, 0]);
    second.begin(None, at(70)).await.unwrap();
    let predicted = settled(ChargeSource::Predicted, Amounts::default());
    let charged = settled(ChargeSource::Header, Amounts::of(Unit::Pu, units(4)));
    for (number, outcome, unknown) in [(1, predicted, 40), (2, charged, 30)] {
        let id = request(number, 10).request;
        second.close(id, &outcome, at(71)).await.unwrap();
        assert_eq!(columns(&first).await[2], unknown, "{outcome:?}");
    }
    assert_eq!(columns(&first).await, [9, 0, 30, 0, 0]);
}

#[tokio::test]
async fn a_gap_in_the_reports_shows_that_the_books_were_put_back() {
    let (first, second, _) = two().await;
    let answer = second.report(&report(4, 1, 20, LIMIT), at(3)).await;
    assert!(matches!(answer, Err(LedgerError::Restored)), "{answer:?}");
    assert_eq!(columns(&first).await, [5, 0, 0, 0, 20]);
    second
        .report(&report(3, 1, 20, LIMIT), at(3))
        .await
        .unwrap();
}

#[tokio::test]
async fn leases_of_an_account_that_is_used_beyond_its_limit_are_called_back() {
    let (first, second, _) = two().await;
    for (number, limit, recalled) in [(3, 25, false), (4, 24, true)] {
        let cap = Cap {
            budget: "org".into(),
            unit: Unit::Pu,
            limit: Some(units(limit)),
        };
        first.publish(&[cap], at(3)).await.unwrap();
        let answer = second.report(&report(number, 0, 20, LIMIT), at(4)).await;
        let leased = &answer.unwrap()[0];
        assert_eq!((leased.amount, leased.recalled), (units(20), recalled));
    }
    let back = second.report(&report(5, 0, 0, LIMIT), at(5)).await.unwrap();
    assert!(!back[0].recalled);
    let lines = first.entries(0, u32::MAX).await.unwrap();
    assert_eq!(lines.last().map(|line| line.kind), Some(EntryKind::Return));
}
