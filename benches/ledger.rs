//! How fast a request gets in and out of the books over three nested budgets: each step durable, in SQLite and
//! in PostgreSQL; and through leases, by one guard and by three on one PostgreSQL. Criterion measures one thing
//! at a time; what matters here is many callers at once, so this prints its own percentiles:
//! `cargo bench --bench ledger [-- leases]`, with `TEST_DATABASE_URL` for PostgreSQL.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quota_guard::clock::{Clock, Stopwatch, SystemClock};
use quota_guard::identity::Secret;
use quota_guard::ledger::{
    Charge, ChargeSource, Ledger, NewReservation, Outcome, ReplicaId, RequestId, Reserved,
};
use quota_guard::policy::{Account, Claim};
use quota_guard::store::{Journal, LeasedBooks, Postgres, Sqlite};
use quota_guard::units::{Amount, Amounts, Span, Unit, UtcTime};

const NOW: UtcTime = UtcTime::UNIX_EPOCH;
/// Callers of each guard in the rounds over leases.
const CALLERS: u64 = 64;

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = std::env::var("TEST_DATABASE_URL");
    if !std::env::args().any(|word| word == "leases") {
        let books = Sqlite::open(&folder.path().join("books.db"), replica(0)).await;
        let books = books.expect("a new store");
        println!("SQLite");
        begin_and_measure(Arc::new(books)).await;
        if let Ok(server) = &server {
            println!("PostgreSQL");
            begin_and_measure(Arc::new(postgres(server, "durable", replica(0)).await)).await;
        }
    }
    if let Ok(server) = &server {
        println!("PostgreSQL, through leases");
        let alone = replicas(server, folder.path(), "alone", &["org"]).await;
        let apart = replicas(server, folder.path(), "apart", &["a", "b", "c"]).await;
        let shared = replicas(server, folder.path(), "shared", &["org", "org", "org"]).await;
        println!(
            "three guards to one: apart {:.2}, shared {:.2}",
            apart / alone,
            shared / alone
        );
    }
}

fn replica(number: u128) -> ReplicaId {
    ReplicaId::from_uuid(uuid::Uuid::from_u128(number))
}

/// A store of its own, which stays for you to look at.
async fn postgres(server: &str, name: &str, replica: ReplicaId) -> Postgres {
    let mut server: url::Url = server.parse().expect("a URL");
    let schema = format!("bench_{}_{name}", std::process::id());
    server.query_pairs_mut().append_pair("schema", &schema);
    let url = Secret::from_text(server.as_str()).expect("a URL");
    Postgres::open(&url, replica).await.expect("a store")
}

async fn begin_and_measure(books: Arc<dyn Ledger>) {
    books.begin(None, NOW).await.expect("a life");
    measure(&books).await;
}

/// A guard for each of these organisations, all on one store; how many requests a second they admit together,
/// once their leases have found their size.
async fn replicas(server: &str, folder: &Path, store: &str, organisations: &[&'static str]) -> f64 {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut guards = Vec::new();
    for (number, organisation) in (1..).zip(organisations) {
        let books = Arc::new(postgres(server, store, replica(number)).await);
        let journal = Journal::open(&folder.join(format!("{store}.{number}")), replica(number));
        let journal = journal.expect("a journal");
        let opened = LeasedBooks::open(books, journal, Arc::clone(&clock)).await;
        guards.push((opened.expect("a life").0, *organisation));
    }
    let mut rate = 0.0;
    for (round, span) in [(1, Duration::from_secs(3)), (2, Duration::from_secs(10))] {
        let whole = Stopwatch::start();
        let mut callers = Vec::new();
        for (guard, (books, organisation)) in (0..).zip(&guards) {
            for caller in 0..CALLERS {
                let (books, organisation) = (Arc::clone(books), *organisation);
                callers.push(tokio::spawn(async move {
                    let mut admitted = 0_u64;
                    while whole.elapsed() < span {
                        let request = number(round, guard * CALLERS + caller, admitted);
                        in_and_out(&*books, reservation(request, organisation)).await;
                        admitted += 1;
                        tokio::task::yield_now().await;
                    }
                    admitted
                }));
            }
        }
        let mut admitted = 0;
        for caller in callers {
            admitted += caller.await.expect("a caller");
        }
        rate = f64::from(u32::try_from(admitted).expect("few")) / whole.elapsed().as_secs_f64();
    }
    let number = guards.len();
    let behind = Stopwatch::start();
    for (books, _) in guards {
        books.shut_down().await.expect("a good end");
    }
    let behind = behind.elapsed();
    println!(
        "{store:8} {number} guards admit {rate:.0}/s; the books knew all of it {behind:.1?} later"
    );
    rate
}

async fn measure(books: &Arc<dyn Ledger>) {
    crowd(books, "one caller", 0, 1, 1000).await;
    crowd(books, "200 callers without a pause", 1, 200, 100).await;
    for (round, per_second) in (2..).zip([200, 1000, 2000]) {
        paced(books, round, per_second).await;
    }
}

/// Callers that come back as soon as they are served: what the store can take.
async fn crowd(books: &Arc<dyn Ledger>, name: &str, round: u64, callers: u64, each: u64) {
    let whole = Stopwatch::start();
    let callers: Vec<_> = (0..callers)
        .map(|caller| {
            let books = Arc::clone(books);
            tokio::spawn(async move {
                let mut times = Vec::new();
                for turn in 0..each {
                    times.push(
                        in_and_out(&*books, reservation(number(round, caller, turn), "org")).await,
                    );
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for caller in callers {
        times.extend(caller.await.expect("a caller"));
    }
    print(name, times, whole.elapsed());
}

/// Callers that arrive at a steady rate, whether or not the ones before were served.
async fn paced(books: &Arc<dyn Ledger>, round: u64, per_second: u64) {
    let whole = Stopwatch::start();
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    let mut callers = Vec::new();
    for tick in 1..=3000 {
        ticks.tick().await;
        while u64::try_from(callers.len()).expect("few") < tick * per_second / 1000 {
            let books = Arc::clone(books);
            let number = number(round, 0, callers.len().try_into().expect("few"));
            callers.push(tokio::spawn(async move {
                in_and_out(&*books, reservation(number, "org")).await
            }));
        }
    }
    let mut times = Vec::new();
    for caller in callers {
        times.push(caller.await.expect("a caller"));
    }
    print(
        &format!("{per_second} arrivals a second"),
        times,
        whole.elapsed(),
    );
}

/// The time from asking to having settled.
async fn in_and_out(books: &dyn Ledger, new: NewReservation) -> Duration {
    let request = new.request;
    let charge = Outcome::Settled(Charge {
        amounts: Amounts::of(Unit::Pu, Amount::ONE),
        source: ChargeSource::Header,
    });
    let now = SystemClock.now();
    let time = Stopwatch::start();
    let reserved = books.reserve(&new, now).await.expect("the store works");
    assert!(matches!(reserved, Reserved::Granted(_)));
    books
        .close(request, &charge, now)
        .await
        .expect("the store works");
    time.elapsed()
}

fn reservation(request: RequestId, organisation: &str) -> NewReservation {
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
        limit: Amount::from_whole(1_000_000_000),
        enforced: true,
    };
    NewReservation {
        request,
        team: "agriculture".into(),
        key: "ag-pipeline".into(),
        api: "process",
        product: Some("sentinel-2-l2a".into()),
        tag: None,
        fingerprint: None,
        predicted: Amounts::of(Unit::Pu, Amount::ONE),
        claims: ["key", "org", "team"]
            .map(|level| claim(&format!("{organisation}-{level}")))
            .into(),
        certain: false,
    }
}

fn number(round: u64, caller: u64, turn: u64) -> RequestId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&(round << 48 | caller << 32 | turn).to_be_bytes());
    RequestId::new(NOW, random)
}

fn print(name: &str, mut times: Vec<Duration>, whole: Duration) {
    times.sort_unstable();
    let share = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    let per_second = u128::try_from(times.len()).expect("few") * 1000 / whole.as_millis().max(1);
    println!(
        "{name:30} {per_second:6}/s in and out, p50 {:?}, p99 {:?}, worst {:?}",
        share(50),
        share(99),
        share(100)
    );
}
