//! Many guards on one PostgreSQL store: together they keep one cap.

use http::StatusCode;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::task::JoinSet;
use url::Url;

use crate::caps::one_pu;
use crate::harness::{Guard, World, post};

const TWENTY: &str =
    "[[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = 20\nwindow = \"month\"\n";

fn server() -> Url {
    let url = std::env::var("TEST_DATABASE_URL")
        .expect("TEST_DATABASE_URL names the PostgreSQL server to test with; tests/run starts one");
    url.parse().expect("a URL")
}

/// A store of the story's own.
pub(crate) fn fresh_store() -> (Url, String) {
    let mut random = [0; 8];
    getrandom::fill(&mut random).expect("random bytes");
    let schema = format!("story_{:016x}", u64::from_be_bytes(random));
    let mut url = server();
    url.query_pairs_mut().append_pair("schema", &schema);
    (url, schema)
}

pub(crate) async fn drop_store(schema: &str) {
    let mut server = PgConnection::connect(server().as_str())
        .await
        .expect("the server");
    let drop = AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE"));
    server.execute(drop).await.expect("the schema is there");
}

/// The policy with this store, for the `number`th guard on it.
pub(crate) fn with_store(policy: &str, url: &Url, number: usize) -> String {
    let (before, after) = policy.split_once("url = \"sqlite:").expect("a store");
    let (file, after) = after.split_once("\"\n").expect("a line");
    format!("{before}url = \"{url}\"\njournal = \"{file}.{number}\"\n{after}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_guards_on_one_database_admit_exactly_the_cap() {
    let (url, schema) = fresh_store();
    let mut second = String::new();
    let world = World::start_changed(TWENTY, |base| {
        second = with_store(&base, &url, 2) + TWENTY;
        with_store(&base, &url, 1)
    })
    .await;
    let policy = world.folder.path().join("second.toml");
    std::fs::write(&policy, second).expect("a file");
    let other = Guard::start(&policy);
    let mut calls = JoinSet::new();
    for number in 0..60 {
        let guard = if number % 2 == 0 {
            &world.guard
        } else {
            &other
        };
        let url = format!("{}/sentinel-hub/api/v1/process", guard.url);
        calls.spawn(async move { post(&url, &one_pu()).await.status });
    }
    let statuses = calls.join_all().await;
    let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!(count(StatusCode::OK), 20, "{statuses:?}");
    assert_eq!(count(StatusCode::FORBIDDEN), 40, "{statuses:?}");
    assert_eq!(world.billed(), world.booked("org-pu").await);
    drop((world, other));
    drop_store(&schema).await;
}
