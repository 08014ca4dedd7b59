//! Several guards on one PostgreSQL store, a crowd of clients in front of them, and the audit of their books.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use quota_guard::clock::SystemClock;
use quota_guard::identity::Secret;
use quota_guard::ledger::{Balance, Entry, Ledger, Record, ReplicaId, replay};
use quota_guard::simulator::{Options, Simulator};
use quota_guard::store::{Postgres, Sqlite};
use quota_guard::units::Amount;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::task::block_in_place;
use url::Url;

use crate::crowd::{Crowd, Doors};
use crate::harness::{Guard, PROGRAM, base_policy};

/// Pages of the journal that the audit reads.
const PAGE: u32 = 5_000;

pub(crate) struct Fleet {
    pub(crate) simulator: Simulator,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) doors: Doors,
    books: Url,
    budgets: String,
    guards: Vec<Option<Guard>>,
}

/// The server that the tests share.
pub(crate) fn server() -> Url {
    let url = std::env::var("TEST_DATABASE_URL")
        .expect("TEST_DATABASE_URL names the PostgreSQL server to test with; tests/run starts one");
    url.parse().expect("a URL")
}

/// A store of the story's own on a server.
pub(crate) fn store_on(mut server: Url) -> Url {
    let mut random = [0; 8];
    getrandom::fill(&mut random).expect("random bytes");
    let schema = format!("story_{:016x}", u64::from_be_bytes(random));
    server.query_pairs_mut().append_pair("schema", &schema);
    server
}

/// The policy with this store in place of its own, for a guard with this journal.
pub(crate) fn with_store(policy: &str, books: &Url, journal: &Path) -> String {
    let (before, after) = policy.split_once("url = \"sqlite:").expect("a store");
    let (_, after) = after.split_once('\n').expect("a line");
    let journal = journal.display();
    format!("{before}url = \"{books}\"\njournal = \"{journal}\"\n{after}")
}

/// A budget of PU for the organisation, with this cap.
pub(crate) fn cap(pu: u64) -> String {
    format!("[[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = {pu}\nwindow = \"year\"\n")
}

impl Fleet {
    /// So many guards on a store of the shared server.
    pub(crate) async fn start(guards: usize, budgets: &str) -> Self {
        let books = store_on(server());
        let mut fleet = Self::without_guards(books.clone(), budgets).await;
        for _ in 0..guards {
            fleet.add_guard(&books);
        }
        fleet
    }

    pub(crate) async fn without_guards(books: Url, budgets: &str) -> Self {
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let simulator = Simulator::start(any_port, Options::default(), Arc::new(SystemClock));
        Self {
            simulator: simulator.await.expect("the simulator starts"),
            folder: tempfile::tempdir().expect("a folder"),
            doors: Doors::default(),
            books,
            budgets: budgets.into(),
            guards: Vec::new(),
        }
    }

    /// One more guard, which finds the books at this URL.
    pub(crate) fn add_guard(&mut self, books: &Url) {
        let number = self.guards.len();
        let upstream = format!("http://{}", self.simulator.address());
        let base = base_policy(&upstream, self.folder.path());
        let policy = with_store(&base, books, &self.file(number, "replica")) + &self.budgets;
        std::fs::write(self.file(number, "toml"), policy).expect("a file");
        self.guards.push(None);
        self.start_guard(number);
    }

    /// Starts a guard that is not running on the files that it had.
    pub(crate) fn start_guard(&mut self, number: usize) {
        let mut log = File::options();
        log.create(true).append(true);
        let log = log.open(self.file(number, "log")).expect("a file");
        let mut command = Command::new(PROGRAM);
        let command = command.args(["serve", "--config"]);
        let command = command.arg(self.file(number, "toml")).stderr(log);
        let guard = block_in_place(|| Guard::start_by(command));
        self.doors.open(number, &guard.url);
        self.guards[number] = Some(guard);
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self, number: usize) {
        let mut guard = self.guards[number].take().expect("it runs");
        block_in_place(|| guard.kill());
        self.doors.close(number);
    }

    /// SIGTERM, and what it takes until it has ended; its clients go elsewhere from then on.
    pub(crate) fn stop(&mut self, number: usize) {
        let mut guard = self.guards[number].take().expect("it runs");
        let status = block_in_place(|| guard.stop());
        self.doors.close(number);
        assert!(status.success(), "{status}; {}", self.log(number));
    }

    pub(crate) fn stop_all(&mut self) {
        let running = |number: &usize| self.guards[*number].is_some();
        let running: Vec<usize> = (0..self.guards.len()).filter(running).collect();
        for number in running {
            self.stop(number);
        }
    }

    pub(crate) fn guard(&self, number: usize) -> &Guard {
        self.guards[number].as_ref().expect("it runs")
    }

    /// Clients that send so many requests in all, wherever a door is open.
    pub(crate) fn crowd(&self, requests: u64) -> Crowd {
        Crowd::start(&self.doors, requests)
    }

    pub(crate) fn billed(&self) -> Amount {
        self.simulator.bill().total_pu().into()
    }

    /// What the books say, read beside the guards.
    pub(crate) async fn audit(&self) -> Audit {
        let url = Secret::from_text(self.books.as_str()).expect("a URL");
        let books = Postgres::open(&url, auditor()).await.expect("the store");
        let audit = Audit::of(&books).await;
        books.shut_down().await;
        audit
    }

    /// The audit once every guard has stopped well, and the story's store taken away.
    pub(crate) async fn final_audit(mut self) -> (Audit, Amount) {
        self.stop_all();
        let audit = self.audit().await;
        let bill = self.billed();
        audit.must_agree_with(bill);
        let balance = &audit.balance;
        assert!(
            balance.held.is_zero() && balance.leased.is_zero(),
            "{balance:?}"
        );
        let schema = self.books.query_pairs().find(|(name, _)| name == "schema");
        let schema = schema.expect("a store of its own").1.into_owned();
        let mut server = self.books.clone();
        server.set_query(None);
        let mut server = PgConnection::connect(server.as_str())
            .await
            .expect("the server");
        let drop = AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE"));
        server.execute(drop).await.expect("the schema is there");
        (audit, bill)
    }

    fn file(&self, number: usize, kind: &str) -> PathBuf {
        self.folder.path().join(format!("{number}.{kind}"))
    }

    fn log(&self, number: usize) -> String {
        std::fs::read_to_string(self.file(number, "log")).unwrap_or_default()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for number in 0..self.guards.len() {
                let log = self.log(number);
                let lines: Vec<&str> = log.lines().collect();
                let last = &lines[lines.len().saturating_sub(20)..];
                eprintln!("the last words of guard {number}:\n{}", last.join("\n"));
            }
        }
    }
}

/// What the books say of the organisation's budget.
#[derive(Debug)]
pub(crate) struct Audit {
    pub(crate) balance: Balance,
    pub(crate) unknowns: Vec<Record>,
}

impl Audit {
    /// Reads the books, and has their journal add up to their rows.
    pub(crate) async fn of(books: &dyn Ledger) -> Self {
        // guards may write between two readings; then it is read again
        for _ in 0..50 {
            let balances = books.balances().await.expect("the balances");
            let entries = entries(books).await;
            if replay(&entries).expect("a journal") == balances {
                let unknowns = books.unknowns(None, PAGE).await.expect("the worklist");
                let balance = balances.into_iter().next().expect("a balance");
                return Self { balance, unknowns };
            }
        }
        panic!("the journal does not add up to the balances");
    }

    /// The same of a SQLite store that no guard has open.
    pub(crate) async fn of_file(file: &Path) -> Self {
        let books = Sqlite::open(file, auditor()).await.expect("the store");
        let audit = Self::of(&books).await;
        books.shut_down().await;
        audit
    }

    /// Charged, and known to be.
    pub(crate) fn known(&self) -> Amount {
        self.balance.settled.saturating_add(self.balance.overrun)
    }

    /// Books = bill + unknown: all that is known was billed, and all that was billed is known or listed
    /// as unknown.
    pub(crate) fn must_agree_with(&self, bill: Amount) {
        let unknown = self.balance.unknown;
        assert!(self.known() <= bill, "{bill} billed, {:?}", self.balance);
        assert!(
            bill <= self.known().saturating_add(unknown),
            "{bill} billed, {:?}",
            self.balance
        );
        let listed = self.unknowns.iter().flat_map(|record| &record.claims);
        let listed = listed.fold(Amount::ZERO, |sum, claim| sum.saturating_add(claim.amount));
        assert_eq!(listed, unknown, "{:?}", self.unknowns);
    }
}

async fn entries(books: &dyn Ledger) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let last = all.last().map_or(0, |entry| entry.sequence);
        let page = books.entries(last, PAGE).await.expect("the journal");
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// It only reads, so it never begins a life.
fn auditor() -> ReplicaId {
    ReplicaId::from_uuid(uuid::Uuid::max())
}

/// Waits for what others will do.
pub(crate) async fn until<T>(
    what: &str,
    within: Duration,
    mut seen: impl AsyncFnMut() -> Option<T>,
) -> T {
    let looking = async {
        loop {
            if let Some(seen) = seen().await {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let found = tokio::time::timeout(within, looking).await;
    found.unwrap_or_else(|_| panic!("{what}: not within {within:?}"))
}
