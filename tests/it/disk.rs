//! SQLite on a disk that is full, and store files that no guard should serve from.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use http::StatusCode;
use sqlx::{Connection, Executor, SqliteConnection};
use tokio::task::block_in_place;

use crate::caps::{one_pu, process_url};
use crate::crowd::{Crowd, Doors};
use crate::database::is_root;
use crate::fleet::{Audit, cap};
use crate::harness::{Guard, PROGRAM, World, post};

/// Becomes the guard. A process that writes beyond its limit gets a signal, and from then on an error: the
/// guard must see the error, as on a disk that is full.
const SERVE: &str = "trap '' XFSZ; exec \"$0\" serve --config \"$1\"";

/// From now on no file of this process may grow beyond so many bytes.
fn limit_files(guard: &Guard, bytes: &str) {
    let pid = guard.pid().to_string();
    let set = Command::new("prlimit")
        .args(["--pid", &pid, &format!("--fsize={bytes}:unlimited")])
        .status();
    assert!(set.expect("prlimit").success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_a_guard_refuses_loses_nothing_and_goes_on_when_there_is_room() {
    let mut world = World::start(&cap(1000)).await;
    world.guard.kill();
    let log = std::fs::File::create(world.folder.path().join("log")).expect("a file");
    let mut command = Command::new("sh");
    let command = command
        .args(["-c", SERVE, PROGRAM])
        .arg(world.policy_file());
    world.guard = block_in_place(|| Guard::start_by(command.stderr(log)));
    let doors = Doors::default();
    doors.open(0, &world.guard.url);
    let crowd = Crowd::start(&doors, u64::MAX);
    crowd.answered(200).await;
    limit_files(&world.guard, "0");
    crowd.more(|tally| &tally.sent_away, 50).await;
    let refusal = post(&process_url(&world), &one_pu()).await;
    assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        refusal.json()["type"],
        "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"
    );
    limit_files(&world.guard, "unlimited");
    crowd.more(|tally| &tally.served, 100).await;
    let tally = crowd.go_home().await;
    let World {
        simulator,
        mut guard,
        folder,
    } = world;
    assert!(block_in_place(|| guard.stop()).success(), "{tally:?}");
    let bill = simulator.bill().total_pu().into();
    let audit = Audit::of_file(&folder.path().join("books.db")).await;
    audit.must_agree_with(bill);
    assert_eq!(
        (audit.known(), audit.unknowns),
        (bill, Vec::new()),
        "{tally:?}"
    );
    let balance = audit.balance;
    assert!(
        balance.held.is_zero() && balance.leased.is_zero(),
        "{balance:?}"
    );
}

/// A store that was served from, and the policy that names it.
async fn used_store() -> (tempfile::TempDir, PathBuf) {
    let world = World::start(&cap(1000)).await;
    assert_eq!(
        post(&process_url(&world), &one_pu()).await.status,
        StatusCode::OK
    );
    let World {
        mut guard, folder, ..
    } = world;
    assert!(block_in_place(|| guard.stop()).success());
    let file = folder.path().join("books.db");
    // all of it in the one file, and nothing in the log beside it
    let mut store = open(&file).await;
    store
        .execute("PRAGMA wal_checkpoint(TRUNCATE)")
        .await
        .expect("a checkpoint");
    store.close().await.expect("it closes");
    (folder, file)
}

async fn open(file: &Path) -> SqliteConnection {
    let url = format!("sqlite:{}", file.display());
    SqliteConnection::connect(&url).await.expect("the store")
}

/// What `serve` says when it must not start. As root it goes without root's right to write anywhere.
fn refusal(folder: &Path) -> String {
    let mut command = Command::new("timeout");
    command.arg("30");
    if is_root() {
        command.args(["setpriv", "--bounding-set", "-dac_override"]);
    }
    let command = command
        .args([PROGRAM, "serve", "--config"])
        .arg(folder.join("policy.toml"));
    let command = command
        .env("TEST_PLANET_KEY", "PLAK-key")
        .env("RUST_LOG", "error");
    let output = block_in_place(|| command.output()).expect("it runs");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "it does not serve: {output:?}");
    String::from_utf8(output.stderr).expect("text")
}

fn assert_says(said: &str, file: &Path, words: &str) {
    let named = said.contains(&file.display().to_string());
    assert!(
        named && said.contains(words),
        "{words:?} is missing in {said:?}"
    );
    assert_eq!(said.lines().count(), 1, "one sentence: {said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_does_not_start_on_a_file_that_is_not_ours() {
    let (folder, file) = used_store().await;
    std::fs::write(
        &file,
        "a letter, long enough to be taken for a database: ".repeat(20),
    )
    .expect("a file");
    assert_says(
        &refusal(folder.path()),
        &file,
        "is not a store of this program",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_does_not_start_on_a_corrupt_file() {
    let (folder, file) = used_store().await;
    let mut bytes = std::fs::read(&file).expect("the store");
    bytes[100..].fill(0x5a);
    std::fs::write(&file, bytes).expect("a file");
    assert_says(
        &refusal(folder.path()),
        &file,
        "is damaged: restore a backup",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_does_not_start_on_a_file_that_it_may_not_write() {
    let (folder, file) = used_store().await;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o444)).expect("its file");
    assert_says(&refusal(folder.path()), &file, "takes no writes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_does_not_start_on_a_store_that_another_serves_from() {
    let world = World::start(&cap(1000)).await;
    let file = world.folder.path().join("books.db");
    assert_says(
        &refusal(world.folder.path()),
        &file,
        "is in use by another guard",
    );
    assert_eq!(
        post(&process_url(&world), &one_pu()).await.status,
        StatusCode::OK
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_guard_does_not_start_on_the_books_of_a_newer_one() {
    let (folder, file) = used_store().await;
    let mut store = open(&file).await;
    let from_the_future =
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        VALUES (9999, 'from the future', 1, x'00', 0)";
    store.execute(from_the_future).await.expect("a row");
    store.close().await.expect("it closes");
    assert_says(
        &refusal(folder.path()),
        &file,
        "was written by a newer version",
    );
}
