//! Leases in front of the model: what a request sees, what a crash leaves, what others get back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::clock::ManualClock;
use crate::ledger::{Denial, LEASE_LIFE, Model};
use crate::store::contract::words::*;

/// The promises that a caller sees. Those that count the lines of the journal are for the books alone; so is
/// the promise that an id is spent, for a lease does not know the ids that reserved in the books before it.
mod leased_books {
    crate::store::contract::promises! { leases_before_a_model;
        caps::exactly_the_cap_is_granted,
        caps::concurrent_requests_do_not_pass_before_spending_is_recorded,
        caps::the_first_request_of_an_unknown_subject_does_not_escape_the_budget,
        caps::a_reservation_is_not_shrunk_to_the_headroom,
        caps::the_stricter_of_two_matching_limits_is_enforced,
        caps::every_budget_is_debited_or_none,
        caps::zero_does_not_mean_unlimited,
        caps::two_windows_of_one_subject_do_not_share_a_key,
        caps::amounts_beyond_32_bits_are_counted_exactly,
        caps::what_is_too_large_to_count_is_refused,
        caps::a_limit_that_does_not_refuse_still_counts,
        caps::a_lowered_cap_admits_nothing_and_forgets_nothing,
        caps::a_longer_window_keeps_what_the_shorter_one_spent,
        caps::a_budget_cannot_be_claimed_twice,
        life::a_cheaper_charge_frees_the_rest,
        life::an_overrun_is_kept_in_full_when_the_balance_is_short,
        life::voided_reservations_leak_nothing,
        life::time_refunds_nothing,
        life::unknown_spending_counts_until_there_is_evidence,
        life::evidence_of_nothing_frees_what_was_unknown,
        life::evidence_is_for_what_is_in_doubt,
        life::what_never_reserved_cannot_end,
        repeats::concurrent_repeats_of_one_reserve_count_once,
        repeats::the_first_evidence_wins,
        repeats::a_create_is_found_again_until_its_answer_was_delivered,
        repeats::a_create_that_is_over_is_not_found_again,
        reading::a_record_keeps_what_the_request_was,
        reading::unknowns_are_listed_oldest_first,
    }
}

async fn leases_before_a_model() -> (Arc<LeasedBooks>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let guard = guard(&Arc::new(Model::default()), &folder, 0).await;
    (guard.books, folder)
}

/// One guard over books that it may share.
struct Guard {
    books: Arc<LeasedBooks>,
    clock: Arc<ManualClock>,
}

async fn guard(books: &Arc<Model>, folder: &TempDir, number: u128) -> Guard {
    guard_over(Arc::new(books.beside(replica(number))), folder, number).await
}

async fn guard_over(books: Books, folder: &TempDir, number: u128) -> Guard {
    let clock = Arc::new(ManualClock::starting(noon()));
    let journal = Journal::open(&journal(folder, number), replica(number)).unwrap();
    let (books, _) = LeasedBooks::open(books, journal, clock.clone())
        .await
        .unwrap();
    Guard { books, clock }
}

fn journal(folder: &TempDir, number: u128) -> std::path::PathBuf {
    folder.path().join(format!("{number}.replica"))
}

impl Guard {
    fn shared(&self) -> Books {
        self.books.clone()
    }

    /// Sends requests of one unit, each settled at once, until one of them is admitted from a lease.
    async fn warm_up(&self, first: u64, limit: u64) -> u64 {
        for number in first..first + 500 {
            self.one(number, limit).await;
            if self.books.state().book.record(id(number)).is_some() {
                return number + 1 - first;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("no lease was granted");
    }

    /// A request of one unit that is under way in a lease; its number.
    async fn in_a_lease(&self, first: u64) -> u64 {
        for number in first..first + 500 {
            let books = self.shared();
            let answer = reserve(&books, number, vec![claim("org", 1, 10_000)]).await;
            if self.books.state().book.record(id(number)).is_some() {
                return number;
            }
            if answer.is_ok() {
                close(&books, number, Outcome::Voided).await;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the lease is not good");
    }

    async fn one(&self, number: u64, limit: u64) -> bool {
        let books = self.shared();
        let granted = reserve(&books, number, vec![claim("org", 1, limit)])
            .await
            .unwrap();
        let granted = matches!(granted, Reserved::Granted(_));
        if granted {
            close(&books, number, charged(1)).await;
        }
        granted
    }
}

/// Waits for what the background will do.
async fn until<T>(mut seen: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..400 {
        if let Some(seen) = seen().await {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came");
}

async fn leased(books: &Model) -> Amount {
    books.balance(&account("org")).await.unwrap().leased
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_account_is_leased_and_a_good_end_gives_all_of_it_back() {
    let (model, folder) = (Arc::new(Model::default()), tempfile::tempdir().unwrap());
    let guard = guard(&model, &folder, 1).await;
    let sent = guard.warm_up(0, 10_000).await;
    assert!(leased(&model).await > Amount::ZERO);
    let shown = columns(&guard.shared(), "org").await;
    assert_eq!(
        shown,
        [i64::try_from(sent).unwrap(), 0, 0, 0],
        "reading tells all that was spent"
    );
    let large = grant(&guard.shared(), 900, vec![claim("org", 5_000, 10_000)]).await;
    assert!(large[0].remaining < Some(units(5_000)));
    close(&guard.shared(), 900, charged(10)).await;
    guard.books.shut_down().await.unwrap();
    let books: Books = model.clone();
    assert_eq!(
        columns(&books, "org").await,
        [i64::try_from(sent).unwrap() + 10, 0, 0, 0]
    );
    assert_eq!(leased(&model).await, Amount::ZERO);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_is_in_the_books_before_it_is_forwarded() {
    let (model, folder) = (Arc::new(Model::default()), tempfile::tempdir().unwrap());
    let guard = guard(&model, &folder, 1).await;
    guard.warm_up(0, 10_000).await;
    let mut order = request(800, vec![claim("org", 1, 10_000)]);
    order.certain = true;
    guard.books.reserve(&order, noon()).await.unwrap();
    assert!(model.record(id(800)).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crash_only_what_the_journal_allowed_is_unknown() {
    let (model, folder) = (Arc::new(Model::default()), tempfile::tempdir().unwrap());
    let mine: Books = Arc::new(model.beside(replica(1)));
    let first = guard_over(mine.clone(), &folder, 1).await;
    let sent = first.warm_up(0, 10_000).await;
    first.in_a_lease(2_000).await;
    let held = leased(&model).await;
    drop(first); // no report, no leaving
    let proof = until(async || {
        let journal = Journal::open(&journal(&folder, 1), replica(1)).ok()?;
        journal.proof().cloned()
    });
    let marks = proof.await.marks.unwrap_or_default();
    let second = guard_over(mine, &folder, 1).await;
    let books: Books = second.shared();
    let [settled, _, unknown, in_flight] = columns(&books, "org").await;
    let mark = marks.values().next().copied().unwrap_or_default();
    assert!(
        unknown >= 1 && units(u64::try_from(unknown).unwrap()) <= mark,
        "{unknown} of {mark}"
    );
    assert!(settled + unknown > i64::try_from(sent).unwrap());
    assert_eq!(in_flight, 0);
    assert_eq!(leased(&model).await, Amount::ZERO, "{held} were leased");
    let listed = books.unknowns(None, 9).await.unwrap();
    assert_eq!((listed.len(), &*listed[0].api), (1, "lease"));
    books
        .reconcile(listed[0].request, &evidence(1), noon())
        .await
        .unwrap();
    assert_eq!(columns(&books, "org").await, [settled + 1, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_journal_is_lost_too_the_whole_lease_is_unknown() {
    let (model, folder) = (Arc::new(Model::default()), tempfile::tempdir().unwrap());
    let mine: Books = Arc::new(model.beside(replica(1)));
    let first = guard_over(mine.clone(), &folder, 1).await;
    first.warm_up(0, 10_000).await;
    first.books.up_to_date().await;
    let held = leased(&model).await;
    drop(first);
    until(async || {
        Journal::open(&journal(&folder, 1), replica(1))
            .ok()
            .map(drop)
    })
    .await;
    std::fs::remove_file(journal(&folder, 1)).unwrap();
    let _second = guard_over(mine, &folder, 1).await;
    let balance = model.balance(&account("org")).await.unwrap();
    assert_eq!((balance.unknown, balance.leased), (held, Amount::ZERO));
}

/// Books that can be taken away.
struct Away {
    books: Model,
    away: AtomicBool,
}

impl Away {
    fn check(&self) -> Result<(), LedgerError> {
        let away = self.away.load(Ordering::SeqCst);
        (!away)
            .then_some(())
            .ok_or_else(|| LedgerError::Unavailable("unplugged".into()))
    }
}

macro_rules! unless_away {
    ($(fn $name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)+) => {
        #[async_trait]
        impl Ledger for Away {
            $(async fn $name(&self, $($argument: $kind),*) -> Result<$answer, LedgerError> {
                self.check()?;
                self.books.$name($($argument),*).await
            })+
        }
    };
}

unless_away! {
    fn begin(proof: Option<&Proof>, now: UtcTime) -> Begun;
    fn leave(now: UtcTime) -> ();
    fn give_up(silent_since: UtcTime, now: UtcTime) -> Vec<ReplicaId>;
    fn reserve(new: &NewReservation, now: UtcTime) -> Reserved;
    fn close(request: RequestId, outcome: &Outcome, now: UtcTime) -> Vec<Standing>;
    fn reconcile(request: RequestId, evidence: &Evidence, now: UtcTime) -> Vec<Standing>;
    fn report(report: &Report, now: UtcTime) -> Vec<Leased>;
    fn recall(accounts: &[Account], now: UtcTime) -> ();
    fn delivered(request: RequestId, now: UtcTime) -> ();
    fn undelivered(fingerprint: Fingerprint, since: UtcTime) -> Option<Record>;
    fn follow(new: &NewFollowed, now: UtcTime) -> ();
    fn due(limit: u32, now: UtcTime) -> Vec<Followed>;
    fn seen(request: RequestId, seen: &Seen, now: UtcTime) -> ();
    fn followed(upstream: &str, kind: Kind, name: &str) -> Vec<Followed>;
    fn next_due() -> Option<UtcTime>;
    fn keep_reading(reading: &Reading, now: UtcTime) -> bool;
    fn meters() -> Vec<Meter>;
    fn spending(of: &Spending) -> Amount;
    fn lock_land(land: &Land, now: UtcTime) -> bool;
    fn locked_land(query: &LandQuery) -> Vec<Arc<str>>;
    fn top_up(new: &NewTopUp, now: UtcTime) -> TopUp;
    fn top_ups() -> Vec<TopUp>;
    fn keep(turns: &[Turn], now: UtcTime) -> Vec<Kept>;
    fn commitments() -> Vec<Commitment>;
    fn publish(caps: &[Cap], now: UtcTime) -> ();
    fn published() -> Vec<(ReplicaId, Cap)>;
    fn balances() -> Vec<Balance>;
    fn balance(account: &Account) -> Balance;
    fn entries(after: u64, limit: u32) -> Vec<Entry>;
    fn events(after: u64, limit: u32) -> Vec<Event>;
    fn record(request: RequestId) -> Option<Record>;
    fn told() -> Vec<Told>;
    fn unknowns(after: Option<RequestId>, limit: u32) -> Vec<Record>;
    fn ping() -> ();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_books_a_guard_serves_inside_its_leases_and_then_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let away = Arc::new(Away {
        books: Model::default().beside(replica(1)),
        away: AtomicBool::new(false),
    });
    let guard = guard_over(away.clone(), &folder, 1).await;
    let sent = guard.warm_up(0, 10_000).await;
    away.away.store(true, Ordering::SeqCst);
    let books = guard.shared();
    let open = guard.in_a_lease(2_000).await;
    let large = reserve(&books, 601, vec![claim("org", 900, 10_000)]).await;
    assert!(
        matches!(large, Err(LedgerError::Unavailable(_))),
        "{large:?}"
    );
    let again = reserve(&books, 601, vec![claim("org", 1, 10_000)]).await;
    assert!(again.is_err(), "the books may hold it: {again:?}");
    guard.clock.advance(LEASE_LIFE);
    let later = guard.clock.now();
    let new = request(602, vec![claim("org", 1, 10_000)]);
    let answer = guard.books.reserve(&new, later).await;
    assert!(
        matches!(answer, Err(LedgerError::Unavailable(_))),
        "{answer:?}"
    );
    guard
        .books
        .close(id(open), &charged(1), later)
        .await
        .unwrap();
    away.away.store(false, Ordering::SeqCst);
    let all = until(async || {
        let [settled, ..] = columns(&books, "org").await;
        (settled > i64::try_from(sent).unwrap()).then_some(settled)
    });
    assert_eq!(all.await, i64::try_from(sent).unwrap() + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_guard_leases_itself_is_left_for_its_requests() {
    let (model, folder) = (Arc::new(Model::default()), tempfile::tempdir().unwrap());
    let guard = guard(&model, &folder, 1).await;
    let sent = guard.warm_up(0, 10_000).await;
    assert!(leased(&model).await > Amount::ZERO);
    let mut order = request(800, vec![claim("org", 100, 10_000)]);
    order.certain = true;
    let Reserved::Granted(standings) = guard.books.reserve(&order, noon()).await.unwrap() else {
        panic!("there is room");
    };
    assert_eq!(standings[0].remaining, Some(units(9_900 - sent)));
    order.request = id(801);
    order.claims = vec![claim("org", 9_901 - sent, 10_000)];
    let Reserved::Full(breaches) = guard.books.reserve(&order, noon()).await.unwrap() else {
        panic!("there is no room");
    };
    assert_eq!(breaches[0].remaining, units(9_900 - sent));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_inside_a_lease_waits_for_the_journal_and_not_for_the_books() {
    let folder = tempfile::tempdir().unwrap();
    let away = Arc::new(Away {
        books: Model::default().beside(replica(1)),
        away: AtomicBool::new(false),
    });
    let guard = guard_over(away.clone(), &folder, 1).await;
    guard.warm_up(0, 10_000).await;
    away.away.store(true, Ordering::SeqCst);
    let burst = |number| request(number, vec![claim("org", 1, 10_000)]);
    let first_to_wait = {
        let mut state = guard.books.state();
        let waits = |number: &u64| match state.book.admit(&burst(*number), noon()) {
            Ok(_) => false,
            Err(denial) => denial == Denial::Unmarked,
        };
        (3_000..3_500).find(waits)
    };
    let waits = burst(first_to_wait.expect("the mark is nearer than the lease is long"));
    let answer = guard.books.reserve(&waits, noon()).await.unwrap();
    assert!(matches!(answer, Reserved::Granted(_)), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_charge_that_the_books_could_not_take_is_told_later_and_not_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let away = Arc::new(Away {
        books: Model::default().beside(replica(1)),
        away: AtomicBool::new(false),
    });
    let guard = guard_over(away.clone(), &folder, 1).await;
    let books = guard.shared();
    for number in 1..=2 {
        let mut order = request(number, vec![claim("org", 7, 100)]);
        order.certain = true;
        guard.books.reserve(&order, noon()).await.unwrap();
    }
    away.away.store(true, Ordering::SeqCst);
    close(&books, 1, charged(9)).await;
    close(&books, 1, Outcome::Voided).await; // the first outcome wins
    close(&books, 2, lost()).await;
    let held = away.books.balance(&account("org")).await.unwrap().held;
    assert_eq!(held, units(14), "it counts meanwhile");
    away.away.store(false, Ordering::SeqCst);
    until(async || (columns(&books, "org").await == [7, 2, 7, 0]).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guards_that_race_for_one_cap_admit_exactly_the_cap() {
    const CAP: u64 = 400;
    let (model, folder) = (Arc::new(Model::default()), tempfile::tempdir().unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 1..=3_u64 {
        let guard = Arc::new(guard(&model, &folder, number.into()).await);
        for worker in 0..4 {
            let guard = Arc::clone(&guard);
            tasks.spawn(async move {
                let mut granted = 0;
                for turn in 0..60 {
                    let request = number * 10_000 + worker * 1_000 + turn;
                    granted += u64::from(guard.one(request, CAP).await);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                granted
            });
        }
    }
    let granted: u64 = tasks.join_all().await.iter().sum();
    assert_eq!(granted, CAP);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_that_was_given_up_begins_anew_and_says_what_it_really_spent() {
    let (model, folder) = (Arc::new(Model::default()), tempfile::tempdir().unwrap());
    let sleeper = guard(&model, &folder, 1).await;
    let sent = sleeper.warm_up(0, 10_000).await;
    let order = |number| {
        let mut order = request(number, vec![claim("org", 7, 10_000)]);
        order.certain = true;
        order
    };
    sleeper.books.reserve(&order(801), noon()).await.unwrap();
    let open = sleeper.in_a_lease(2_000).await;
    let other = model.beside(replica(2));
    let later = noon().checked_add(Duration::from_mins(5)).unwrap();
    assert!(
        other
            .give_up(later, later)
            .await
            .unwrap()
            .contains(&replica(1))
    );
    let lost = model.balance(&account("org")).await.unwrap();
    assert!(lost.unknown > units(7), "{lost:?}");

    let was = sleeper.books.state().book.epoch();
    sleeper.clock.advance(Duration::from_secs(5)); // it has something to say again
    until(async || (sleeper.books.state().book.epoch() > was).then_some(())).await;
    close(&sleeper.shared(), 801, charged(6)).await;
    close(&sleeper.shared(), open, charged(1)).await;
    let balance = until(async || {
        let balance = model.balance(&account("org")).await.unwrap();
        balance.unknown.is_zero().then_some(balance)
    });
    let balance = balance.await;
    assert_eq!(balance.settled, units(sent + 7), "{balance:?}");
    assert_eq!(balance.leased, Amount::ZERO);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_moved_frees_nothing_and_passes_no_cap() {
    const CAP: u64 = 200;
    let (model, folder) = (Arc::new(Model::default()), tempfile::tempdir().unwrap());
    let moved = guard(&model, &folder, 1).await;
    let right = guard(&model, &folder, 2).await;
    let mut granted = 0;
    for (turn, hours) in (0..).zip([0, 1, -1, -30, 24, -24, 700, 0]) {
        let now = noon().checked_add(jiff::SignedDuration::from_hours(hours));
        moved.clock.set(now.unwrap());
        for number in 0..40 {
            for (guard, first) in [(&moved, 10_000), (&right, 20_000)] {
                let number = first + turn * 40 + number;
                let new = request(number, vec![claim("org", 1, CAP)]);
                let answer = guard.books.reserve(&new, guard.clock.now()).await;
                if matches!(answer.unwrap(), Reserved::Granted(_)) {
                    granted += 1;
                    let now = guard.clock.now();
                    guard
                        .books
                        .close(id(number), &charged(1), now)
                        .await
                        .unwrap();
                }
            }
        }
        // who is far ahead takes the other for silent, and who is far behind is taken for silent
        for (guard, other) in [(&moved, &right), (&right, &moved)] {
            let now = guard.clock.now();
            let since = now.checked_sub(Duration::from_secs(20)).unwrap();
            guard.books.give_up(since, now).await.unwrap();
            other.books.up_to_date().await;
        }
        let balance = model.balance(&account("org")).await.unwrap();
        assert!(
            balance.used().unwrap() <= units(CAP),
            "{hours} hours: {balance:?}"
        );
        assert!(granted <= CAP, "{hours} hours");
    }
    let cleared = async || {
        let balance = model.balance(&account("org")).await.unwrap();
        let known = balance.unknown.is_zero() && balance.settled == units(granted);
        known.then_some(())
    };
    until(cleared).await;
    moved.books.shut_down().await.unwrap();
    right.books.shut_down().await.unwrap();
    let balance = model.balance(&account("org")).await.unwrap();
    assert_eq!(balance.used(), Some(units(granted)), "{balance:?}");
    assert_eq!(granted, CAP, "all of it could be had");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn books_that_were_put_back_to_an_earlier_moment_admit_nothing() {
    let (model, folder) = (Arc::new(Model::default()), tempfile::tempdir().unwrap());
    let first = guard(&model, &folder, 1).await;
    first.warm_up(0, 10_000).await;
    let restored: Books = Arc::new(Model::default().beside(replica(1)));
    drop(first);
    let open = until(async || Journal::open(&journal(&folder, 1), replica(1)).ok());
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::starting(noon()));
    let refusal = LeasedBooks::open(restored, open.await, clock).await;
    assert!(matches!(refusal.err(), Some(LedgerError::Restored)));
}
