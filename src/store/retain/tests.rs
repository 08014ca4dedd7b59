//! One story of retention for every store: three days of all that can happen, rolled up beside a guard.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::ledger::{
    AccountKey, Charge, ChargeSource, Course, Kept, NewReservation, NewTopUp, Outcome, Record,
    Report, State, Turn, Want, replay,
};
use crate::policy::Claim;
use crate::store::contract::commitments::commitment;
use crate::store::contract::land;
use crate::store::contract::words::*;
use crate::units::{Amounts, Unit};

const DAYS: [&str; 3] = [
    "2026-11-20T09:00:00Z",
    "2026-11-21T09:00:00Z",
    "2026-11-22T09:00:00Z",
];
const EACH_DAY: u64 = 40;

/// The `number`th request of a day.
fn numbered(day: usize, number: u64) -> RequestId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    RequestId::new(at(DAYS[day]), random)
}

fn wish(day: usize, number: u64) -> NewReservation {
    let claims = vec![claim("org", 2, 9000), claim("short", 2, 50)];
    NewReservation {
        request: numbered(day, number),
        ..request(0, claims)
    }
}

/// A day of requests that end in every way, and one of each kind that stays open.
async fn live_through(books: &Books, day: usize) {
    let now = at(DAYS[day]);
    for number in 0..EACH_DAY {
        let new = wish(day, number);
        books.reserve(&new, now).await.unwrap();
        let outcome = match number % 5 {
            0 => charged(1),
            1 => charged(3),
            2 => Outcome::Voided,
            3 => lost(),
            _ => Outcome::Settled(Charge {
                amounts: Amounts::default(),
                source: ChargeSource::Predicted,
            }),
        };
        if number == 7 {
            continue; // still under way
        }
        books.close(new.request, &outcome, now).await.unwrap();
        let in_doubt = number % 5 == 3 && number != 3;
        if in_doubt || number % 10 == 4 {
            let known = evidence(number % 3);
            books.reconcile(new.request, &known, now).await.unwrap();
        }
    }
}

/// Leases, and requests that were admitted from them.
async fn lease(books: &Books, day: usize) {
    let now = at(DAYS[day]);
    let want = |amount| Want {
        account: account("org"),
        limit: Some(units(9000)),
        amount: units(amount),
        yields: false,
    };
    let spent = |number| {
        let record = wish(day, number).held(now);
        let claims: Vec<Claim> = record.claims.into_iter().take(1).collect();
        let state = State::Settled(Charge {
            amounts: Amounts::of(Unit::Pu, units(1)),
            source: ChargeSource::Header,
        });
        Record { claims, ..record }.entering(state, now)
    };
    let first = u64::try_from(day).unwrap() * 3;
    for (step, (ended, amount)) in [
        (vec![], 20),
        (vec![spent(900), spent(901)], 10),
        (vec![], 0),
    ]
    .into_iter()
    .enumerate()
    {
        let report = Report {
            number: first + u64::try_from(step).unwrap() + 1,
            ended,
            wants: vec![want(amount)],
        };
        books.report(&report, now).await.unwrap();
    }
}

async fn three_days(books: &Books) {
    let new = NewTopUp {
        budget: "short".into(),
        partition: "".into(),
        unit: Unit::Pu,
        amount: units(1000),
        expires_at: None,
        reason: "harvest".into(),
        by: "ops".into(),
        key: None,
    };
    books.top_up(&new, at(DAYS[0])).await.unwrap();
    for day in 0..DAYS.len() {
        live_through(books, day).await;
        lease(books, day).await;
    }
}

/// Rolls up by `roll_up` and holds the books against what they were.
pub(in crate::store) async fn old_days_are_rolled_up_and_nothing_else_changes<F, R>(
    books: Books,
    roll_up: F,
) where
    F: Fn(UtcTime) -> R,
    R: Future<Output = RolledUp>,
{
    three_days(&books).await;
    let (before, lines) = (
        read(&books).await,
        books.entries(0, u32::MAX).await.unwrap(),
    );
    let rolled_up = roll_up(at("2026-11-22T15:00:00Z")).await;
    assert_eq!(read(&books).await, before);
    let left = books.entries(0, u32::MAX).await.unwrap();
    let gone = u64::try_from(lines.len() - left.len()).unwrap();
    assert!(gone > 250, "{gone} of {} lines", lines.len());
    assert_eq!((rolled_up.lines, replay(&left).unwrap()), (gone, before.0));

    let of_today = |entry: &&Entry| entry.at >= at("2026-11-22T00:00:00Z");
    let today: Vec<&Entry> = lines.iter().filter(of_today).collect();
    assert_eq!(left.iter().filter(of_today).collect::<Vec<_>>(), today);
    let old = left
        .iter()
        .filter(|entry| !of_today(entry) && entry.request.is_none());
    let (mut once, mut all) = (BTreeSet::new(), 0);
    for entry in old {
        let over = entry.charged > entry.reserved;
        let account = AccountKey::from(&entry.account);
        once.insert((account, day(entry.at), entry.kind.name(), over));
        all += 1;
    }
    assert_eq!(once.len(), all, "one line for each account, day and kind");

    // of the day before today a guard's clock may be wrong, so of requests only the first day's go
    let (open, leased) = (2, 2);
    assert_eq!(rolled_up.requests, EACH_DAY - open + leased);
    for (number, kept) in [(0, false), (3, true), (7, true)] {
        let record = books.record(numbered(0, number)).await.unwrap();
        assert_eq!(record.is_some(), kept, "request {number}");
    }
    assert_eq!(
        roll_up(at("2026-11-22T16:00:00Z")).await,
        RolledUp::default()
    );

    go_on(&books).await;
    let term = [land::aum("term")];
    land::order(&books, 50, &term).await;
    roll_up(at("2026-11-22T17:00:00Z")).await;
    assert_eq!(land::found(&books, &term).await, [50]);
    roll_up(at("2027-11-22T00:00:00Z")).await;
    assert!(
        land::found(&books, &term).await.is_empty(),
        "its window has ended"
    );
    let left = books.entries(0, u32::MAX).await.unwrap();
    assert_eq!(replay(&left).unwrap(), books.balances().await.unwrap());
    assert_eq!(books.unknowns(None, 9).await.unwrap().len(), 2);
}

/// What goes on spending stays for as long as it does, however old its request is.
pub(in crate::store) async fn commitments_go_when_they_are_over<F>(
    books: Books,
    roll_up: impl Fn(UtcTime) -> F,
) where
    F: Future<Output = RolledUp>,
{
    let (running, over) = (commitment(1), commitment(2));
    for one in [&running, &over] {
        let new = Turn::only(one.clone());
        books.keep(&[new], noon()).await.unwrap();
    }
    let mut last = over.next();
    last.course = Course::Over;
    let last = Turn::only(last);
    books
        .keep(std::slice::from_ref(&last), noon())
        .await
        .unwrap();
    let late = Turn::only(over.next());
    let known = |kept: Vec<Kept>| matches!(&kept[0], Kept::Overtaken(Some(_)));
    let of = |turn: &Turn| {
        let (books, turn) = (Books::clone(&books), turn.clone());
        async move { books.keep(&[turn], noon()).await.unwrap() }
    };
    roll_up(noon()).await;
    assert!(known(of(&late).await), "what is not older than that stays");
    roll_up(at("2027-11-22T12:00:00Z")).await;
    assert_eq!(of(&late).await, [Kept::Overtaken(None)]);
    assert_eq!(books.commitments().await.unwrap(), [running]);
}

/// All that readers see besides the lines: the balances and what is in doubt.
async fn read(books: &Books) -> (Vec<crate::ledger::Balance>, Vec<Record>) {
    let unknowns = books.unknowns(None, 99).await.unwrap();
    (books.balances().await.unwrap(), unknowns)
}

/// What was open goes on, however old it is, and so does the guard.
async fn go_on(books: &Books) {
    let now = noon();
    let doubted = numbered(0, 3);
    books.reconcile(doubted, &evidence(2), now).await.unwrap();
    let under_way = numbered(0, 7);
    books.close(under_way, &charged(2), now).await.unwrap();
    grant(books, 1, vec![claim("org", 1, 9000)]).await;
    close(books, 1, charged(1)).await;
}

/// Tables that are a list.
struct List(Vec<Line>);

impl Archive for List {
    async fn forget_land(&mut self, _before: UtcTime) -> Result<(), LedgerError> {
        Ok(())
    }

    async fn lines(
        &mut self,
        after: u64,
        limit: u32,
        _: UtcTime,
    ) -> Result<Vec<Line>, LedgerError> {
        let behind = self.0.iter().filter(|line| line.entry.sequence > after);
        Ok(behind.zip(0..limit).map(|(line, _)| line.clone()).collect())
    }

    async fn replace(&mut self, gone: &[u64], new: &[Line]) -> Result<(), LedgerError> {
        self.0.retain(|line| !gone.contains(&line.entry.sequence));
        self.0.extend_from_slice(new);
        self.0.sort_by_key(|line| line.entry.sequence);
        let sequences = self.0.iter().map(|line| line.entry.sequence);
        assert!(sequences.is_sorted_by(|one, other| one < other));
        Ok(())
    }

    async fn forget(&mut self, _: UtcTime, _: u32) -> Result<u64, LedgerError> {
        Ok(0)
    }
}

#[tokio::test]
async fn a_day_longer_than_a_stretch_is_rolled_up_to_its_end() {
    let books: Books = Arc::new(crate::ledger::Model::default());
    three_days(&books).await;
    let entries = books.entries(0, u32::MAX).await.unwrap();
    let line = |entry: Entry| Line {
        may_go: entry.request != Some(numbered(0, 3)) && entry.request != Some(numbered(0, 7)),
        account_id: 1,
        entry,
    };
    for stretch in [1, 7, 40, 9999] {
        let mut list = List(entries.iter().cloned().map(line).collect());
        let done = run_in(
            &mut list,
            at("2026-11-24T00:00:00Z"),
            stretch,
            Duration::ZERO,
        )
        .await;
        done.unwrap();
        let left = replay(list.0.iter().map(|line| &line.entry)).unwrap();
        assert_eq!(left, books.balances().await.unwrap(), "{stretch} at a time");
        let named = list.0.iter().filter(|line| line.entry.request.is_some());
        assert_eq!(named.count(), 6, "two claims each of what is open");
        let long = stretch < 40 && list.0.len() > 100;
        assert!(
            long || list.0.len() < 70,
            "{stretch} at a time: {}",
            list.0.len()
        );
    }
}

#[test]
fn a_day_begins_at_midnight_and_ends_before_the_next() {
    let noon_of_old = at("1969-12-31T12:00:00Z");
    assert_eq!(day(noon_of_old), -1);
    assert_eq!(midnight(noon_of_old), at("1969-12-31T00:00:00Z"));
    assert_eq!(midnight(noon()), at("2026-11-22T00:00:00Z"));
    assert!(first_at(noon()) < id(1) && first_at(noon()) > first_at(at(DAYS[2])));
}
