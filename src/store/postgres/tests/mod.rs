//! What is PostgreSQL's own: the database it finds, guards side by side, connections that break.
//!
//! `TEST_DATABASE_URL` names a server whose user may do everything; `tests/run` starts one. Without it these
//! tests fail: a store that was not tried on a real server is not known to work.

mod agrees;
mod failing;
mod opening;
mod proxy;
mod racing;
mod retaining;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection};
use url::Url;

use super::Postgres;
use crate::identity::Secret;
use crate::ledger::Ledger;
use crate::store::OpenError;
use crate::store::contract::ledger_contract;
use crate::store::contract::words::*;
use crate::units::UtcTime;

ledger_contract!(books, empty_store);

/// A schema of a test's own, dropped with everything in it when the test is over.
struct Fresh {
    url: Url,
    schema: String,
    ours_to_drop: bool,
}

impl Fresh {
    fn schema() -> Self {
        let mut random = [0; 8];
        getrandom::fill(&mut random).unwrap();
        let schema = format!("test_{:016x}", u64::from_be_bytes(random));
        let mut url = server();
        url.query_pairs_mut().append_pair("schema", &schema);
        Self {
            url,
            schema,
            ours_to_drop: true,
        }
    }

    fn url(&self) -> Secret {
        Secret::from_text(self.url.as_str()).unwrap()
    }

    /// The store in the hands of a guard that was not there before.
    async fn open(&self) -> Arc<Postgres> {
        static GUARDS: AtomicU64 = AtomicU64::new(0);
        let number = GUARDS.fetch_add(1, Ordering::Relaxed);
        self.open_as(u128::from(number), UtcTime::UNIX_EPOCH)
            .await
            .0
    }

    /// The store in the hands of the `number`th guard, and what that had left open.
    async fn open_as(&self, number: u128, now: UtcTime) -> (Arc<Postgres>, u64) {
        let store = Postgres::open(&self.url(), replica(number)).await.unwrap();
        let begun = store.begin(None, now).await.unwrap();
        (Arc::new(store), begun.in_doubt)
    }

    async fn try_open(&self) -> OpenError {
        Postgres::open(&self.url(), replica(0)).await.unwrap_err()
    }

    /// The schema in the hands of another program, past the guard.
    async fn behind_its_back(&self) -> PgConnection {
        let options = PgConnectOptions::from_url(&server()).unwrap();
        let options = options.options([("search_path", &self.schema)]);
        options.connect().await.unwrap()
    }

    /// The same schema, reached by another way.
    fn by(&self, change: impl FnOnce(&mut Url)) -> Self {
        let (mut url, schema) = (self.url.clone(), self.schema.clone());
        change(&mut url);
        Self {
            url,
            schema,
            ours_to_drop: false,
        }
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if !self.ours_to_drop {
            return;
        }
        let drop = format!("DROP SCHEMA IF EXISTS {} CASCADE", self.schema);
        std::thread::spawn(move || block_on(run(&drop))).join().ok();
    }
}

async fn empty_store() -> (Arc<Postgres>, Fresh) {
    let fresh = Fresh::schema();
    (fresh.open().await, fresh)
}

fn server() -> Url {
    let url = std::env::var("TEST_DATABASE_URL")
        .expect("TEST_DATABASE_URL names the PostgreSQL server to test with; tests/run starts one");
    url.parse().expect("TEST_DATABASE_URL is a URL")
}

/// Runs statements on the test's server, in no particular schema.
async fn run(statements: &str) {
    let mut connection = PgConnectOptions::from_url(&server())
        .unwrap()
        .connect()
        .await
        .unwrap();
    let statements = AssertSqlSafe(statements.to_owned());
    connection.execute(statements).await.unwrap();
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new()
        .expect("a runtime")
        .block_on(work)
}

/// Lets go of a store and waits until its connections are closed.
async fn let_go(store: Arc<Postgres>) {
    let store = Arc::into_inner(store).expect("nobody else uses it");
    store.shut_down().await;
}
