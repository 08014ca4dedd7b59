//! Random steps for the property tests: few requests, few budgets, tight limits, so that they meet.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::words::*;
use crate::ledger::{Charge, ChargeSource, Ledger, Outcome, replay};
use crate::policy::{Account, Claim};
use crate::units::{Amount, Amounts, Unit};

/// The note of a store that finds reservations held when it opens.
const STOPPED: &str = "the guard stopped while the request was under way";

#[derive(Clone, Debug)]
pub(in crate::store) enum Step {
    Reserve(u64, Vec<Claim>),
    Close(u64, Outcome),
    Reconcile(u64, u64),
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
    ]
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

/// Does to the model what opening a store does to what was held.
pub(in crate::store) async fn leave_all_unknown(model: &Books) {
    for number in 0..12 {
        let why = STOPPED.to_owned();
        if model.record(id(number)).await.unwrap().is_some() {
            close(model, number, Outcome::Unknown { why }).await;
        }
    }
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
    for number in 0..12 {
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
