//! How long a guard takes to start on large books: a million lines of the journal, 10,000 budget windows and
//! 100,000 requests that have ended. `cargo bench --bench start`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use quota_guard::clock::Stopwatch;
use quota_guard::identity;
use quota_guard::ledger::ReplicaId;
use quota_guard::store::Sqlite;
use sqlx::{Connection, Executor, SqliteConnection};

/// What a year of a busy organisation leaves, in plain SQL: each window has spent a hundred units.
const FILL: [&str; 3] = [
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
     INSERT INTO account (id, budget, partition, unit, starts_at, ends_at, settled, overrun, unknown, held)
     SELECT i, 'org-' || (i % 20), 'team=t' || (i % 500), 'pu', i * 86400000000, (i + 1) * 86400000000,
            100000000, 0, 0, 0 FROM n",
    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999999)
     INSERT INTO entry (at, reservation, account, kind, reserved, charged, note)
     SELECT i, NULL, i % 10000 + 1, iif(i / 10000 % 2, 'spend', 'lease'), 2000000,
            iif(i / 10000 % 2, 2000000, 0), '' FROM n",
    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)
     INSERT INTO reservation (id, team, key, api, predicted, claims, state, charged, source, reserved_at,
                              closed_at)
     SELECT randomblob(16), 'agriculture', 'ag', 'process', '{\"pu\":1000000}', '[]', 'settled',
            '{\"pu\":1000000}', 'header', i, i FROM n",
];

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("books.db");
    let nobody = ReplicaId::from_uuid(uuid::Uuid::max());
    let empty = Sqlite::open(&file, nobody).await.expect("a new store");
    empty.shut_down().await;
    let url = format!("sqlite:{}", file.display());
    let mut store = SqliteConnection::connect(&url).await.expect("the store");
    for statement in FILL {
        store.execute(statement).await.expect("rows");
    }
    store.close().await.expect("it closes");
    let policy = folder.path().join("policy.toml");
    std::fs::write(&policy, policy_with(&file)).expect("a file");
    println!("a million entries, 10,000 windows, 100,000 requests in SQLite");
    for turn in ["the first start", "the second start", "the third start"] {
        let time = Stopwatch::start();
        let mut guard = Command::new(env!("CARGO_BIN_EXE_quota-guard"))
            .args(["serve", "--config"])
            .arg(&policy)
            .env("RUST_LOG", "error")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the guard starts");
        let lines = BufReader::new(guard.stdout.take().expect("its output")).lines();
        let serves = lines
            .map_while(Result::ok)
            .any(|line| line.starts_with("admin "));
        assert!(serves, "it says where it serves");
        println!("{turn}: serving after {:?}", time.elapsed());
        guard.kill().expect("it can be ended");
        guard.wait().expect("it ends");
    }
}

fn policy_with(file: &Path) -> String {
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n[store]\nurl = \"sqlite:{}\"\n\
         [upstreams.sentinel-hub]\nurl = \"http://127.0.0.1:9\"\nmount = \"/sentinel-hub\"\n\
         [[teams]]\nname = \"agriculture\"\nkeys = [{{ id = \"ag\", sha256 = \"{}\" }}]\n\
         [[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = 50000\nwindow = \"month\"\n\
         [policy]\nsafety_margin = \"learned\"\n",
        file.display(),
        identity::hash("qg_start"),
    )
}
