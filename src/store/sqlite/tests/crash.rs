//! A guard that is killed, and the next one that opens its store.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::*;
use crate::ledger::{EntryKind, State, replay};

const STORE: &str = "QUOTA_GUARD_TEST_STORE";
const READY: &str = "two requests are under way";

#[tokio::test]
async fn what_a_killed_guard_left_held_is_unknown() {
    let folder = tempfile::tempdir().unwrap();
    kill_a_guard_at_work(&folder);
    let (store, in_doubt) = open_in_doubt(&folder).await;
    assert_eq!(in_doubt, 2);
    let books: Books = store.clone();
    assert_eq!(columns(&books, "org").await, [7, 0, 30, 0]);
    assert_eq!(columns(&books, "team").await, [0, 0, 10, 0]);
    refused(&books, 4, vec![claim("org", 14, 50)]).await;
    let record = books.record(id(2)).await.unwrap().unwrap();
    let why = "the guard stopped while the request was under way".to_owned();
    assert_eq!(record.state, State::Unknown { why: why.clone() });
    assert_eq!(books.unknowns(None, 10).await.unwrap().len(), 2);
    let entries = books.entries(0, 100).await.unwrap();
    let last = entries.last().unwrap();
    assert_eq!((last.kind, &*last.note), (EntryKind::Unknown, &*why));
    assert_eq!(replay(&entries).unwrap(), books.balances().await.unwrap());

    books.reconcile(id(2), &evidence(0), noon()).await.unwrap();
    assert_eq!(columns(&books, "org").await, [7, 0, 20, 0]);
    drop(books);
    let_go(store).await;
    assert_eq!(open_in_doubt(&folder).await.1, 0, "they are in doubt once");
}

/// Runs [`a_guard_at_work`] in a process of its own and kills it, as a power cut would.
fn kill_a_guard_at_work(folder: &TempDir) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::sqlite::tests::crash::a_guard_at_work"])
        .args(["--ignored", "--nocapture"])
        .env(STORE, file(folder))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines.map_while(Result::ok).any(|line| line.contains(READY));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(ready, "the child did not get to work");
}

#[tokio::test]
#[ignore = "the process that the test above kills"]
async fn a_guard_at_work() {
    let path = PathBuf::from(std::env::var_os(STORE).unwrap());
    let store = Sqlite::open(&path, replica(0)).await.unwrap();
    store.begin(None, noon()).await.unwrap();
    let books: Books = Arc::new(store);
    grant(&books, 1, vec![claim("org", 7, 50)]).await;
    close(&books, 1, charged(7)).await;
    grant(&books, 2, vec![claim("org", 10, 50), claim("team", 10, 50)]).await;
    grant(&books, 3, vec![claim("org", 20, 50)]).await;
    println!("{READY}");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_guard_that_stops_without_closing_its_reservations_leaves_them_unknown() {
    let (store, folder) = empty_store().await;
    let books: Books = store.clone();
    grant(&books, 1, vec![claim("org", 10, 50)]).await;
    drop(books);
    let_go(store).await;
    let (store, in_doubt) = open_in_doubt(&folder).await;
    assert_eq!(in_doubt, 1);
    let books: Books = store;
    assert_eq!(columns(&books, "org").await, [0, 0, 10, 0]);
}

#[tokio::test]
async fn more_than_one_batch_can_be_left_held() {
    let (store, folder) = empty_store().await;
    let books: Books = store.clone();
    for number in 0..600 {
        grant(&books, number, vec![claim("org", 1, 600)]).await;
    }
    drop(books);
    let_go(store).await;
    let (store, in_doubt) = open_in_doubt(&folder).await;
    assert_eq!(in_doubt, 600);
    let books: Books = store;
    assert_eq!(columns(&books, "org").await, [0, 0, 600, 0]);
    crate::store::contract::the_journal_adds_up(&*books).await;
}
