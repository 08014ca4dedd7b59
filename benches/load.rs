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
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use quota_guard::clock::{Stopwatch, SystemClock};
use quota_guard::identity;
use quota_guard::simulator::{Options, Simulator};
use tokio::task::JoinSet;

const KEY: &str = "qg_load";
const BODY: &str = r#"{"input":{"bounds":{"bbox":[14.0,46.0,14.1,46.1]},"data":[{"type":"sentinel-2-l2a",
"dataFilter":{"timeRange":{"from":"2026-06-01T00:00:00Z","to":"2026-06-30T23:59:59Z"}}}]},
"output":{"width":64,"height":64},
"evalscript":"//VERSION=3\nfunction setup() { return { input: [\"B02\"], output: { bands: 1 } } }"}"#;

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
    let direct = arrivals(
        &http,
        &format!("{upstream}/api/v1/process"),
        per_second,
        seconds,
    )
    .await;
    let through = arrivals(
        &http,
        &format!("{data}/sentinel-hub/api/v1/process"),
        per_second,
        seconds,
    )
    .await;
    println!("{per_second} requests/s for {seconds} s, three budgets, from leases in SQLite");
    let shown = |times: &[Duration], share: usize| times[(times.len() - 1) * share / 100];
    for share in [50, 99] {
        let (without, with) = (shown(&direct, share), shown(&through, share));
        println!("p{share}: without the guard {without:?}, with it {with:?}");
    }
    println!("the guard's own time, from its histogram:");
    let metrics = get(&http, &format!("{admin}/metrics")).await;
    for line in metrics
        .lines()
        .filter(|line| line.starts_with("quota_guard_overhead_seconds"))
    {
        println!("  {line}");
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
    let url = format!("{data}/sentinel-hub/api/v1/process");
    let (client, asked) = (http.clone(), url.clone());
    let load = tokio::spawn(async move { steadily(&client, &asked, RATE).await });
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

/// Requests at this rate, whatever becomes of them.
async fn steadily(http: &Http, url: &str, per_second: u32) {
    let mut tick = tokio::time::interval(Duration::from_secs(1) / per_second);
    let mut calls = JoinSet::new();
    loop {
        tick.tick().await;
        while calls.try_join_next().is_some() {}
        let request = http.request(process(url));
        calls.spawn(async move {
            if let Ok(answer) = request.await {
                _ = answer.into_body().collect().await;
            }
        });
    }
}

async fn budget(http: &Http, admin: &str, part: &str) -> f64 {
    let metrics = get(http, &format!("{admin}/metrics")).await;
    let series =
        format!("quota_guard_budget_{part}{{budget=\"year\",partition=\"\",unit=\"pu\"}} ");
    let value = metrics.lines().find_map(|line| line.strip_prefix(&series));
    value.map_or(0.0, |value| value.parse().expect("a number"))
}

fn process(url: &str) -> Request<Full<Bytes>> {
    Request::post(url)
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "application/json")
        .body(Full::from(BODY))
        .expect("a request")
}

/// Open arrivals at a constant rate; how long each took, sorted.
async fn arrivals(http: &Http, url: &str, per_second: u64, seconds: u64) -> Vec<Duration> {
    let mut tick = tokio::time::interval(Duration::from_micros(1_000_000 / per_second.max(1)));
    let mut calls = JoinSet::new();
    for _ in 0..per_second * seconds {
        tick.tick().await;
        let (http, url) = (http.clone(), url.to_owned());
        calls.spawn(async move {
            let start = Stopwatch::start();
            let answer = http.request(process(&url)).await.expect("an answer");
            assert!(answer.status().is_success(), "{}", answer.status());
            answer.into_body().collect().await.expect("a body");
            start.elapsed()
        });
    }
    let mut times = calls.join_all().await;
    times.sort_unstable();
    times
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
