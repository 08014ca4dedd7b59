//! How fast one replica admits small requests from its leases, and closes them again, over three nested
//! budgets: in memory and on one thread, as a request meets it. `cargo bench --bench leases`.
//!
//! The clock that measures one pair is read around it and takes its own part of the figures: what that is
//! stands beside them. The rate is by the time that this thread had a core, so that it does not depend on who
//! else uses the machine; the tail of the single times does.

use std::time::Duration;

use quota_guard::clock::Stopwatch;
use quota_guard::ledger::{
    Charge, ChargeSource, Epoch, LeaseBook, Leased, NewReservation, Outcome, RequestId,
};
use quota_guard::policy::{Account, Claim};
use quota_guard::units::{Amount, Amounts, Span, Unit, UtcTime};

const NOW: UtcTime = UtcTime::UNIX_EPOCH;
/// Pairs of an admission and its end in a round, after which the books hear of them.
const ROUND: u64 = 20_000;
const ROUNDS: u64 = 50;

fn main() {
    let requests: Vec<NewReservation> = (0..ROUND).map(reservation).collect();
    let charge = Outcome::Settled(Charge {
        amounts: Amounts::of(Unit::Pu, Amount::ONE),
        source: ChargeSource::Header,
    });
    let mut book = LeaseBook::new(Epoch::from_number(1), NOW);
    warm_up(&mut book, &requests, &charge);
    let (mut whole, mut each) = (Duration::ZERO, Vec::new());
    for round in 0..ROUNDS {
        let one_by_one = round % 2 == 0;
        let begun = on_a_core();
        for new in &requests {
            let one = one_by_one.then(Stopwatch::start);
            assert!(book.admit(new, NOW).is_ok(), "the leases have room");
            assert!(book.close(new.request, &charge, NOW).is_some());
            each.extend(one.map(Stopwatch::elapsed));
            if book.runs_short() {
                mark(&mut book);
            }
        }
        if !one_by_one {
            whole += on_a_core().saturating_sub(begun);
        }
        tell(&mut book);
    }
    let pairs = ROUND * ROUNDS / 2;
    let per_second = u128::from(pairs) * 1_000_000_000 / whole.as_nanos().max(1);
    println!("an admission over three budgets and its end: {per_second} a second on one core");
    print("both, one by one", &mut each);
    let mut nothing: Vec<Duration> = (0..pairs).map(|_| Stopwatch::start().elapsed()).collect();
    print("of that, the clock", &mut nothing);
}

/// How long this thread has been running, by Linux's count.
fn on_a_core() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts it");
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.expect("a number"))
}

/// Asks until the leases pay.
fn warm_up(book: &mut LeaseBook, requests: &[NewReservation], charge: &Outcome) {
    for new in requests {
        if book.admit(new, NOW).is_ok() {
            book.close(new.request, charge, NOW);
        }
    }
    tell(book);
    tell(book);
}

/// The books take every report and grant what is wanted, and more; the journal takes every mark.
fn tell(book: &mut LeaseBook) {
    while let Some(report) = book.report_due(NOW) {
        let granted = |want: &quota_guard::ledger::Want| Leased {
            account: want.account.clone(),
            amount: plenty(),
            remaining: Some(plenty()),
            recalled: false,
        };
        let answer: Vec<Leased> = report.wants.iter().map(granted).collect();
        book.acknowledge(report.number, &answer);
        if report.ended.is_empty() {
            break;
        }
    }
    mark(book);
}

fn mark(book: &mut LeaseBook) {
    let marks = book.marks_due();
    book.marked(&marks);
}

fn plenty() -> Amount {
    Amount::from_whole(1_000_000_000).expect("an amount")
}

fn reservation(number: u64) -> NewReservation {
    let claim = |budget: &str| Claim {
        account: Account {
            budget: budget.into(),
            partition: "".into(),
            unit: Unit::Pu,
            window: Span {
                start: NOW,
                end: None,
            },
        },
        amount: Amount::ONE,
        limit: Some(plenty()),
        enforced: true,
    };
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    NewReservation {
        request: RequestId::new(NOW, random),
        team: "agriculture".into(),
        key: "ag-pipeline".into(),
        api: "process",
        product: Some("sentinel-2-l2a".into()),
        tag: None,
        fingerprint: None,
        predicted: Amounts::of(Unit::Pu, Amount::ONE),
        claims: vec![claim("key"), claim("org"), claim("team")],
        certain: false,
    }
}

fn print(name: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let share = |thousandth: usize| times[(times.len() * thousandth / 1000).min(times.len() - 1)];
    println!(
        "{name:20} p50 {:?}, p99 {:?}, p99.9 {:?}",
        share(500),
        share(990),
        share(999)
    );
}
