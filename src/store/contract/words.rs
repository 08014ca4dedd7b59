//! The words the promises are written in: small requests against small budgets, in whole units.

use std::sync::Arc;

use crate::ledger::{
    Balance, Charge, ChargeSource, Evidence, Ledger, LedgerError, NewReservation, Outcome,
    ReplicaId, RequestId, Reserved, Standing,
};
use crate::policy::{Account, Claim};
use crate::units::{Amount, Amounts, Span, Unit, UtcTime};

pub(in crate::store) type Books = Arc<dyn Ledger>;

pub(in crate::store) fn at(text: &str) -> UtcTime {
    text.parse().expect(text)
}

pub(in crate::store) fn noon() -> UtcTime {
    at("2026-11-22T12:00:00Z")
}

pub(in crate::store) fn units(whole: u64) -> Amount {
    Amount::from_whole(whole).expect("small")
}

/// The `number`th guard.
pub(in crate::store) fn replica(number: u128) -> ReplicaId {
    ReplicaId::from_uuid(uuid::Uuid::from_u128(number))
}

/// The `number`th request of a test.
pub(in crate::store) fn id(number: u64) -> RequestId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    RequestId::new(noon(), random)
}

/// A budget's account in PU for November 2026.
pub(in crate::store) fn account(budget: &str) -> Account {
    let (start, end) = (at("2026-11-01T00:00:00Z"), at("2026-12-01T00:00:00Z"));
    Account {
        budget: budget.into(),
        partition: "".into(),
        unit: Unit::Pu,
        window: Span {
            start,
            end: Some(end),
        },
    }
}

pub(in crate::store) fn claim(budget: &str, amount: u64, limit: u64) -> Claim {
    claim_on(account(budget), amount, limit)
}

pub(in crate::store) fn claim_on(account: Account, amount: u64, limit: u64) -> Claim {
    Claim {
        account,
        amount: units(amount),
        limit: Some(units(limit)),
        enforced: true,
    }
}

/// A claim that is counted against no limit.
pub(in crate::store) fn tally(budget: &str, amount: Amount) -> Claim {
    Claim {
        account: account(budget),
        amount,
        limit: None,
        enforced: false,
    }
}

pub(in crate::store) fn request(number: u64, claims: Vec<Claim>) -> NewReservation {
    NewReservation {
        request: id(number),
        team: "agriculture".into(),
        key: "ag-pipeline".into(),
        api: "process",
        product: Some("sentinel-2-l2a".into()),
        tag: None,
        fingerprint: None,
        predicted: claims
            .iter()
            .map(|claim| (claim.account.unit, claim.amount))
            .collect(),
        claims,
        certain: false,
    }
}

pub(in crate::store) async fn reserve(
    books: &Books,
    number: u64,
    claims: Vec<Claim>,
) -> Result<Reserved, LedgerError> {
    books.reserve(&request(number, claims), noon()).await
}

/// Reserves what must be granted.
pub(in crate::store) async fn grant(
    books: &Books,
    number: u64,
    claims: Vec<Claim>,
) -> Vec<Standing> {
    match reserve(books, number, claims).await.unwrap() {
        Reserved::Granted(standings) => standings,
        Reserved::Full(breaches) => panic!("refused: {breaches:?}"),
    }
}

/// The budgets that refused what must not be granted.
pub(in crate::store) async fn refused(
    books: &Books,
    number: u64,
    claims: Vec<Claim>,
) -> Vec<String> {
    match reserve(books, number, claims).await.unwrap() {
        Reserved::Granted(standings) => panic!("granted: {standings:?}"),
        Reserved::Full(breaches) => {
            let names = breaches
                .iter()
                .map(|breach| breach.account.budget.to_string());
            names.collect()
        }
    }
}

pub(in crate::store) async fn close(books: &Books, number: u64, outcome: Outcome) -> Vec<Standing> {
    books.close(id(number), &outcome, noon()).await.unwrap()
}

pub(in crate::store) fn charged(pu: u64) -> Outcome {
    charged_exactly(units(pu))
}

pub(in crate::store) fn charged_exactly(amount: Amount) -> Outcome {
    Outcome::Settled(Charge {
        amounts: Amounts::of(Unit::Pu, amount),
        source: ChargeSource::Header,
    })
}

pub(in crate::store) fn lost() -> Outcome {
    Outcome::Unknown {
        why: "the connection was reset".into(),
    }
}

pub(in crate::store) fn evidence(pu: u64) -> Evidence {
    Evidence {
        amounts: Amounts::of(Unit::Pu, units(pu)),
        by: "ops".into(),
        why: "seen in the account's usage".into(),
    }
}

/// Settled, overrun, unknown and held of a budget's account, in whole units.
pub(in crate::store) async fn columns(books: &Books, budget: &str) -> [i64; 4] {
    columns_of(&books.balance(&account(budget)).await.unwrap())
}

pub(in crate::store) fn columns_of(balance: &Balance) -> [i64; 4] {
    let Balance {
        account: _,
        settled,
        overrun,
        unknown,
        held,
        leased: _,
        drawn: _,
    } = balance;
    [settled, overrun, unknown, held].map(|amount| amount.whole_floor())
}
