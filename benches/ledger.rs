//! How fast a request gets in and out of the books, each step durable, over three nested budgets: in SQLite,
//! and in PostgreSQL where `TEST_DATABASE_URL` names a server. Criterion measures one thing at a time; what
//! matters here is many callers at once, so this prints its own percentiles: `cargo bench --bench ledger`.

use std::sync::Arc;
use std::time::Duration;

use quota_guard::clock::Stopwatch;
use quota_guard::identity::Secret;
use quota_guard::ledger::{
    Charge, ChargeSource, Ledger, NewReservation, Outcome, ReplicaId, RequestId, Reserved,
};
use quota_guard::policy::{Account, Claim};
use quota_guard::store::{Postgres, Sqlite};
use quota_guard::units::{Amount, Amounts, Span, Unit, UtcTime};

const NOW: UtcTime = UtcTime::UNIX_EPOCH;

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("books.db");
    let books = Sqlite::open(&path, replica()).await.expect("a new store");
    books.begin(None, NOW).await.expect("a new life");
    println!("SQLite");
    measure(&(Arc::new(books) as Arc<dyn Ledger>)).await;
    if let Ok(server) = std::env::var("TEST_DATABASE_URL") {
        println!("PostgreSQL");
        let mut server: url::Url = server.parse().expect("a URL");
        let schema = format!("bench_{}", std::process::id());
        server.query_pairs_mut().append_pair("schema", &schema);
        let url = Secret::from_text(server.as_str()).expect("a URL");
        let books = Postgres::open(&url, replica()).await.expect("a new store");
        books.begin(None, NOW).await.expect("a new life");
        measure(&(Arc::new(books) as Arc<dyn Ledger>)).await;
        println!("its schema {schema} stays for you to look at");
    }
}

fn replica() -> ReplicaId {
    ReplicaId::from_uuid(uuid::Uuid::nil())
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
                    times.push(in_and_out(&*books, number(round, caller, turn)).await);
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
            callers.push(tokio::spawn(
                async move { in_and_out(&*books, number).await },
            ));
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
async fn in_and_out(books: &dyn Ledger, request: RequestId) -> Duration {
    let new = reservation(request);
    let charge = Outcome::Settled(Charge {
        amounts: Amounts::of(Unit::Pu, Amount::ONE),
        source: ChargeSource::Header,
    });
    let time = Stopwatch::start();
    let reserved = books.reserve(&new, NOW).await.expect("the store works");
    assert!(matches!(reserved, Reserved::Granted(_)));
    books
        .close(request, &charge, NOW)
        .await
        .expect("the store works");
    time.elapsed()
}

fn reservation(request: RequestId) -> NewReservation {
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
        claims: vec![claim("key"), claim("org"), claim("team")],
        certain: true,
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
