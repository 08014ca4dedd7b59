//! The whole guard under load, as a process of its own between a client and the simulator:
//! `cargo bench --bench load -- [REQUESTS_PER_SECOND [SECONDS]]`.
//!
//! Prints the guard's own time per request from its histogram, what a request takes with and without the guard
//! in one run, so that the ratio holds on a noisy machine, and then how much is unknown after `kill -9` at
//! 1,000 requests a second. Nothing is asserted here.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use quota_guard::clock::{Stopwatch, SystemClock};
use quota_guard::identity;
use quota_guard::simulator::{Options, Simulator};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const KEY: &str = "qg_load";
const BODY: &str = r#"{"input":{"bounds":{"bbox":[14.0,46.0,14.1,46.1]},"data":[{"type":"sentinel-2-l2a",
"dataFilter":{"timeRange":{"from":"2026-06-01T00:00:00Z","to":"2026-06-30T23:59:59Z"}}}]},
"output":{"width":64,"height":64},
"evalscript":"//VERSION=3\nfunction setup() { return { input: [\"B02\"], output: { bands: 1 } } }"}"#;

const GUARDED: &str = "/sentinel-hub/api/v1/process";
/// Seconds in which the leases find their size.
const WARM_UP: u64 = 4;
/// Between the client and whoever answers it.
const CONNECTIONS: u64 = 64;
const STEP: usize = 64;

type Http = Client<HttpConnector, Full<Bytes>>;

#[tokio::main]
async fn main() {
    let numbers: Vec<u64> = std::env::args()
        .filter_map(|word| word.parse().ok())
        .collect();
    let per_second = numbers.first().copied().unwrap_or(100);
    let seconds = numbers.get(1).copied().unwrap_or(5);
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let simulator = Simulator::start(any_port, Options::default(), Arc::new(SystemClock)).await;
    let simulator = simulator.expect("the simulator starts");
    let folder = tempfile::tempdir().expect("a folder");
    let upstream = format!("http://{}", simulator.address());
    let path = folder.path().join("policy.toml");
    std::fs::write(&path, policy(&upstream, folder.path())).expect("a file");
    let (mut guard, data, admin) = start(&path);
    let http: Http = Client::builder(TokioExecutor::new()).build_http();
    let upstream = simulator.address().to_string();
    let guarded = data.trim_start_matches("http://");
    let direct = arrivals(&upstream, "/api/v1/process", per_second, seconds).await;
    arrivals(guarded, GUARDED, per_second, WARM_UP).await;
    let before = own_time(&http, &admin).await;
    let through = arrivals(guarded, GUARDED, per_second, seconds).await;
    assert_eq!(direct.len(), through.len(), "every request was answered");
    println!("{per_second} requests/s for {seconds} s, three budgets, from leases in SQLite");
    let shown = |times: &[Duration], share: usize| times[(times.len() - 1) * share / 100];
    for share in [50, 99] {
        let (without, with) = (shown(&direct, share), shown(&through, share));
        println!("p{share}: without the guard {without:?}, with it {with:?}");
    }
    let own_time = own_time(&http, &admin).await;
    let since = own_time.iter().zip(&before);
    let since: Vec<_> = since.map(|(now, then)| (&now.0, now.1 - then.1)).collect();
    let whole = since.last().map_or(1.0, |(_, count)| *count);
    println!("the guard's own time, from its histogram:");
    for (bound, count) in &since {
        println!("  {:8.4} % within {bound} s", 100.0 * count / whole);
    }
    guard.kill().expect("it can be ended");
    guard.wait().expect("it ends");
    unknown_after_a_kill(&http, &path).await;
}

fn start(policy: &Path) -> (Child, String, String) {
    let mut guard = Command::new(env!("CARGO_BIN_EXE_quota-guard"))
        .args(["serve", "--config"])
        .arg(policy)
        .env("RUST_LOG", "error")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the guard starts");
    let mut lines = BufReader::new(guard.stdout.take().expect("its output")).lines();
    let mut address = |name: &str| {
        let line = lines.next().expect("a line").expect("text");
        line.trim_start_matches(name).trim().to_owned()
    };
    let (data, admin) = (address("guard"), address("admin"));
    (guard, data, admin)
}

/// What is unknown after the guard was killed in the middle of steady spending, as a time of that spending.
async fn unknown_after_a_kill(http: &Http, policy: &Path) {
    const RATE: u32 = 1_000;
    let (mut guard, data, admin) = start(policy);
    let (settled, unknown) = ("settled", "unknown");
    let before = budget(http, &admin, unknown).await;
    let first = budget(http, &admin, settled).await;
    let guarded = data.trim_start_matches("http://").to_owned();
    let load = tokio::spawn(async move { arrivals(&guarded, GUARDED, RATE.into(), 60).await });
    tokio::time::sleep(Duration::from_secs(8)).await;
    let spent = budget(http, &admin, settled).await - first;
    let whole = Stopwatch::start();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let rate =
        (budget(http, &admin, settled).await - first - spent) / whole.elapsed().as_secs_f64();
    guard.kill().expect("it can be ended");
    guard.wait().expect("it ends");
    load.abort();
    let (mut guard, _, admin) = start(policy);
    let lost = budget(http, &admin, unknown).await - before;
    println!(
        "after kill -9 at {RATE} requests/s: {lost:.3} PU unknown, {rate:.3} PU/s were spent: {:.3} s of it",
        lost / rate
    );
    guard.kill().expect("it can be ended");
    guard.wait().expect("it ends");
}

/// The buckets of the guard's histogram: how many requests took it no longer than that.
async fn own_time(http: &Http, admin: &str) -> Vec<(String, f64)> {
    let metrics = get(http, &format!("{admin}/metrics")).await;
    let bucket = |line: &str| {
        let bucket = line.strip_prefix("quota_guard_overhead_seconds_bucket{le=\"")?;
        let (bound, count) = bucket.split_once("\"} ")?;
        Some((bound.to_owned(), count.parse().expect("a number")))
    };
    metrics.lines().filter_map(bucket).collect()
}

async fn budget(http: &Http, admin: &str, part: &str) -> f64 {
    let metrics = get(http, &format!("{admin}/metrics")).await;
    let series =
        format!("quota_guard_budget_{part}{{budget=\"year\",partition=\"\",unit=\"pu\"}} ");
    let value = metrics.lines().find_map(|line| line.strip_prefix(&series));
    value.map_or(0.0, |value| value.parse().expect("a number"))
}

/// A picture that costs the pretended Planet little to make: it shares the machine.
fn process(address: &str, path: &str) -> Request<Full<Bytes>> {
    Request::post(path)
        .header("host", address)
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "application/json")
        .header("accept", "image/jpeg")
        .body(Full::from(BODY))
        .expect("a request")
}

/// Arrivals at a constant rate, spread over connections that are kept; how long after its time each was
/// answered, sorted. A connection that breaks sends no more.
async fn arrivals(address: &str, path: &str, per_second: u64, seconds: u64) -> Vec<Duration> {
    let whole = Stopwatch::start();
    let mut connections = JoinSet::new();
    for first in 0..CONNECTIONS {
        let (address, path) = (address.to_owned(), path.to_owned());
        connections.spawn(async move {
            let mut connection = connect(&address).await;
            let mut times = Vec::new();
            for number in (first..per_second * seconds).step_by(STEP) {
                let due = Duration::from_micros(number * 1_000_000 / per_second);
                tokio::time::sleep(due.saturating_sub(whole.elapsed())).await;
                if answered(&mut connection, process(&address, &path))
                    .await
                    .is_none()
                {
                    break;
                }
                times.push(whole.elapsed().saturating_sub(due));
            }
            times
        });
    }
    let mut times: Vec<_> = connections.join_all().await.into_iter().flatten().collect();
    times.sort_unstable();
    times
}

async fn answered(
    connection: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Option<()> {
    connection.ready().await.ok()?;
    let answer = connection.send_request(request).await.ok()?;
    assert!(answer.status().is_success(), "{}", answer.status());
    answer.into_body().collect().await.ok().map(drop)
}

async fn connect(address: &str) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.expect("it listens");
    stream.set_nodelay(true).expect("a socket");
    let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    sender
}

async fn get(http: &Http, url: &str) -> String {
    let request = Request::get(url).body(Full::default()).expect("a request");
    let answer = http.request(request).await.expect("an answer");
    let body = answer
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    String::from_utf8_lossy(&body).into_owned()
}

fn policy(upstream: &str, folder: &Path) -> String {
    let budget = |name: &str, window: &str| {
        format!(
            "[[budgets]]\nname = \"{name}\"\nunit = \"pu\"\nlimit = 1000000\nwindow = \"{window}\"\n"
        )
    };
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n\
         [store]\nurl = \"sqlite:{}\"\n[upstreams.sentinel-hub]\nurl = \"{upstream}\"\n\
         mount = \"/sentinel-hub\"\n[[teams]]\nname = \"load\"\n\
         keys = [{{ id = \"load\", sha256 = \"{}\" }}]\n{}{}{}",
        folder.join("books.db").display(),
        identity::hash(KEY),
        budget("day", "day"),
        budget("month", "month"),
        budget("year", "year"),
    )
}
