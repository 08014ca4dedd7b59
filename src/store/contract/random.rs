//! Random steps for the property tests: few requests, few budgets, tight limits, so that they meet.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;
use proptest::test_runner::TestCaseError;

use super::commitments::commitment;
use super::follows::{after, order, seen};
use super::meters::read;
use super::words::*;
use crate::ledger::{
    AccountKey, Cap, Charge, ChargeSource, Commitment, Epoch, Ledger, LedgerError, NewTopUp,
    Outcome, Proof, Report, Turn, Want, replay,
};
use crate::policy::{Account, Claim};
use crate::units::{Amount, Amounts, Unit};

#[derive(Clone, Debug)]
pub(in crate::store) enum Step {
    Reserve(u64, Vec<Claim>),
    Close(u64, Outcome),
    Reconcile(u64, u64),
    /// Requests admitted from leases, how they ended, and what each account's lease should hold.
    Report(u64, Vec<(u64, Vec<Claim>, Outcome)>, Vec<Want>),
    Recall(Vec<Account>),
    /// One of a few commitments at some version, what it takes under which name, and what it gives back.
    Keep(u64, u64, Option<(u64, Vec<Claim>)>, Vec<(Account, Amount)>),
    TopUp(NewTopUp),
    Publish(Vec<Cap>),
    /// Follows what a request made, from so many seconds on.
    Follow(u64, u64),
    Due(u32, u64),
    See(u64, bool),
    /// Reads a meter once more, and enters so much as spent elsewhere.
    Read(Option<u64>, u64, Vec<Claim>),
    Leave,
    Begin(Option<Proof>),
}

impl Step {
    /// The answer in words: errors cannot be compared, and standings and breaches can be printed.
    pub(in crate::store) async fn take(&self, books: &Books) -> String {
        match self {
            Self::Reserve(number, claims) => {
                format!("{:?}", reserve(books, *number, claims.clone()).await)
            }
            Self::Close(number, outcome) => {
                format!("{:?}", books.close(id(*number), outcome, noon()).await)
            }
            Self::Reconcile(number, pu) => {
                let evidence = evidence(*pu);
                let answer = books.reconcile(id(*number), &evidence, noon()).await;
                format!("{answer:?}")
            }
            Self::Report(number, ended, wants) => {
                let ended = ended.iter().map(|(number, claims, outcome)| {
                    let held = request(*number, claims.clone()).held(noon());
                    held.entering(outcome.state(), noon())
                });
                let mut report = Report {
                    number: *number,
                    ended: ended.collect(),
                    wants: wants.clone(),
                };
                let mut answer = books.report(&report, noon()).await;
                while matches!(answer, Err(LedgerError::Restored)) && report.number > 1 {
                    report.number -= 1; // down to the one that leaves no gap
                    answer = books.report(&report, noon()).await;
                }
                format!("{}: {answer:?}", report.number)
            }
            Self::Keep(number, version, takes, gives_back) => {
                let takes = takes.as_ref();
                let turn = Turn {
                    commitment: Commitment {
                        version: *version,
                        ..commitment(*number)
                    },
                    takes: takes.map(|(name, claims)| request(*name, claims.clone())),
                    gives_back: gives_back.clone(),
                    why: (version % 2 == 0).then(|| "it was cancelled".to_owned()),
                };
                format!("{:?}", books.keep(&[turn], noon()).await)
            }
            Self::Recall(accounts) => format!("{:?}", books.recall(accounts, noon()).await),
            Self::TopUp(new) => format!("{:?}", books.top_up(new, noon()).await),
            Self::Publish(caps) => format!("{:?}", books.publish(caps, noon()).await),
            Self::Follow(number, seconds) => {
                let answer = books.follow(&order(*number), after(*seconds)).await;
                format!("{answer:?}")
            }
            Self::Due(limit, seconds) => {
                format!("{:?}", books.due(*limit, after(*seconds)).await)
            }
            Self::See(number, over) => {
                let answer = books
                    .seen(id(*number), &seen("a word", *over), noon())
                    .await;
                format!("{answer:?}")
            }
            Self::Read(before, seconds, claims) => {
                let reading = read(before.map(after), after(*seconds), claims.clone());
                format!("{:?}", books.keep_reading(&reading, noon()).await)
            }
            Self::Leave => format!("{:?}", books.leave(noon()).await),
            Self::Begin(proof) => format!("{:?}", books.begin(proof.as_ref(), noon()).await),
        }
    }
}

pub(in crate::store) fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..60)
}

fn step() -> impl Strategy<Value = Step> {
    let number = || 0..12_u64;
    prop_oneof![
        4 => (number(), claims()).prop_map(|(number, claims)| Step::Reserve(number, claims)),
        4 => (number(), outcome()).prop_map(|(number, outcome)| Step::Close(number, outcome)),
        1 => (number(), 0..40_u64).prop_map(|(number, pu)| Step::Reconcile(number, pu)),
        4 => report(),
        1 => subsequence(accounts().to_vec(), 0..3).prop_map(Step::Recall),
        2 => kept(),
        1 => top_up().prop_map(Step::TopUp),
        1 => vec(proptest::option::of(0..60_u64), 3).prop_map(|limits| Step::Publish(caps(&limits))),
        2 => (number(), 0..60_u64).prop_map(|(number, seconds)| Step::Follow(number, seconds)),
        1 => (1..4_u32, 0..200_u64).prop_map(|(limit, seconds)| Step::Due(limit, seconds)),
        1 => (number(), any::<bool>()).prop_map(|(number, over)| Step::See(number, over)),
        1 => (proptest::option::of(0..3_u64), 0..3_u64, claims())
            .prop_map(|(before, seconds, claims)| Step::Read(before, seconds, claims)),
        1 => prop_oneof![Just(Step::Leave), proof().prop_map(Step::Begin)],
    ]
}

/// Small amounts that leases may hold by then, of requests that nobody else reserves for.
fn report() -> impl Strategy<Value = Step> {
    let ended = vec((100..160_u64, small_claims(), outcome()), 0..3);
    let wants = vec(
        (
            any::<bool>(),
            0..40_u64,
            proptest::option::of(0..60_u64),
            any::<bool>(),
        ),
        5,
    );
    (1..12_u64, ended, wants).prop_map(|(number, mut ended, wants)| {
        ended.dedup_by_key(|(number, ..)| *number);
        let wanted = wants
            .into_iter()
            .zip(accounts())
            .filter(|((is_meant, ..), _)| *is_meant);
        let wants = wanted.map(|((_, amount, limit, yields), account)| Want {
            account,
            limit: limit.map(units),
            amount: units(amount),
            yields,
        });
        Step::Report(number, ended, wants.collect())
    })
}

/// Names that nobody else reserves for; now and then twice, or that of the request which made it.
fn kept() -> impl Strategy<Value = Step> {
    let takes = proptest::option::of((60..90_u64, claims()));
    let gives_back = vec((0..5_usize, 0..30_u64), 0..3).prop_map(|given| {
        let given = given.into_iter();
        given
            .map(|(place, amount)| (accounts()[place].clone(), units(amount)))
            .collect()
    });
    (0..3_u64, 1..6_u64, takes, gives_back).prop_map(|(number, version, takes, gives_back)| {
        Step::Keep(number, version, takes, gives_back)
    })
}

fn small_claims() -> impl Strategy<Value = Vec<Claim>> {
    let accounts = subsequence(accounts().to_vec(), 0..3);
    (accounts, 0..4_u64).prop_map(|(accounts, amount)| {
        let claims = accounts
            .into_iter()
            .map(|account| claim_on(account, amount, 50));
        claims.collect()
    })
}

fn top_up() -> impl Strategy<Value = NewTopUp> {
    let ends = [
        None,
        Some("2026-11-22T11:59:59Z"),
        Some("2026-12-24T00:00:00Z"),
    ];
    (
        0..5_usize,
        0..30_u64,
        proptest::sample::select(ends.to_vec()),
    )
        .prop_map(|(place, amount, end)| {
            let account = accounts()[place].clone();
            NewTopUp {
                budget: account.budget,
                partition: account.partition,
                unit: account.unit,
                amount: units(amount),
                expires_at: end.map(at),
                reason: "harvest".into(),
                by: "ops".into(),
                key: None,
            }
        })
}

fn caps(limits: &[Option<u64>]) -> Vec<Cap> {
    let names = ["a", "b", "c"].into_iter().zip(limits);
    let cap = |(name, limit): (&str, &Option<u64>)| Cap {
        budget: name.into(),
        unit: Unit::Pu,
        limit: limit.map(units),
    };
    names.map(cap).collect()
}

/// Of one of the first lives, true or not.
fn proof() -> impl Strategy<Value = Option<Proof>> {
    let marks = vec(proptest::option::of(0..40_u64), 5);
    let proof = (1..4_i64, 0..20_u64, proptest::option::of(marks));
    proptest::option::of(proof).prop_map(|proof| {
        let (epoch, reported, marks) = proof?;
        let marks = marks.map(|marks| {
            let marked = accounts().into_iter().zip(marks);
            let mark = |(account, mark): (Account, Option<u64>)| {
                Some((AccountKey::from(&account), units(mark?)))
            };
            marked.filter_map(mark).collect()
        });
        Some(Proof {
            epoch: Epoch::from_number(epoch),
            reported,
            marks,
        })
    })
}

/// Each budget at most once, in account order, as the policy makes them; now and then too much to count.
fn claims() -> impl Strategy<Value = Vec<Claim>> {
    let claim = (
        any::<bool>(),
        amount(),
        proptest::option::of(0..60_u64),
        any::<bool>(),
    );
    vec(claim, 5).prop_map(|wishes| {
        let claimed = wishes
            .into_iter()
            .zip(accounts())
            .filter(|((wanted, ..), _)| *wanted);
        claimed
            .map(|((_, amount, limit, enforced), account)| Claim {
                account,
                amount,
                limit: limit.map(units),
                enforced,
            })
            .collect()
    })
}

fn accounts() -> [Account; 5] {
    let mut next_month = account("b");
    next_month.window.start = at("2026-12-01T00:00:00Z");
    next_month.window.end = None;
    let mut partition = account("b");
    partition.partition = "team=agriculture".into();
    let mut calls = account("c");
    calls.unit = Unit::Requests;
    [account("a"), account("b"), next_month, partition, calls]
}

fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![
        20 => (0..30_u64).prop_map(units),
        1 => Just(Amount::MAX),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => amount().prop_map(charged_exactly),
        1 => Just(Outcome::Settled(Charge {
            amounts: Amounts::default(),
            source: ChargeSource::Predicted,
        })),
        1 => Just(Outcome::Voided),
        2 => Just(lost()),
    ]
}

pub(in crate::store) async fn compare(
    store: &dyn Ledger,
    model: &dyn Ledger,
) -> Result<(), TestCaseError> {
    let entries = store.entries(0, u32::MAX).await.unwrap();
    let balances = store.balances().await.unwrap();
    prop_assert_eq!(&replay(&entries).unwrap(), &balances);
    prop_assert_eq!(&balances, &model.balances().await.unwrap());
    prop_assert_eq!(entries, model.entries(0, u32::MAX).await.unwrap());
    prop_assert_eq!(
        store.top_ups().await.unwrap(),
        model.top_ups().await.unwrap()
    );
    let (ours, theirs) = (store.published().await, model.published().await);
    prop_assert_eq!(ours.unwrap(), theirs.unwrap());
    let (ours, theirs) = (store.events(0, 999).await, model.events(0, 999).await);
    prop_assert_eq!(ours.unwrap(), theirs.unwrap());
    let (ours, theirs) = (store.commitments().await, model.commitments().await);
    prop_assert_eq!(ours.unwrap(), theirs.unwrap());
    let (ours, theirs) = (store.meters().await, model.meters().await);
    prop_assert_eq!(ours.unwrap(), theirs.unwrap());
    let (ours, theirs) = (store.next_due().await, model.next_due().await);
    prop_assert_eq!(ours.unwrap(), theirs.unwrap());
    for number in (0..12).chain(60..90).chain(100..160) {
        let (ours, theirs) = (
            store.record(id(number)).await,
            model.record(id(number)).await,
        );
        prop_assert_eq!(ours.unwrap(), theirs.unwrap());
    }
    let (ours, theirs) = (
        store.unknowns(None, 99).await,
        model.unknowns(None, 99).await,
    );
    prop_assert_eq!(ours.unwrap(), theirs.unwrap());
    Ok(())
}
