//! What a person does who doubts the books: has them looked through, copies them, goes back to a copy.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use quota_guard::clock::{Clock, SystemClock};
use quota_guard::simulator::Options;
use serde_json::Value;
use sqlx::{Connection, SqliteConnection};

use crate::caps::one_pu;
use crate::commitments::months::subscription;
use crate::fleet::{server, store_on, with_store};
use crate::harness::{Guard, UPSTREAM_KEY, World, post};

const FIFTY: &str =
    "[[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = 50\nwindow = \"month\"\n";

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quota-guard"))
        .args(arguments)
        .env("TEST_PLANET_KEY", UPSTREAM_KEY)
        .env("RUST_LOG", "error")
        .output()
        .expect("the command runs")
}

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

/// The exit code, and what each check found.
fn doctor(policy: &Path) -> (i32, Value) {
    let file = policy.display().to_string();
    let output = run(&["doctor", "--json", "--config", &file]);
    let said = text(&output.stdout);
    assert!(!said.contains(UPSTREAM_KEY), "{said}");
    let findings = serde_json::from_str(&said).unwrap_or_else(|_| panic!("not JSON: {said}"));
    (output.status.code().expect("it ended"), findings)
}

/// The verdict of one check, with all its words.
fn finding(findings: &Value, check: &str) -> String {
    let all = findings["findings"].as_array().expect("findings");
    let found = all.iter().find(|finding| finding["check"] == check);
    let found = found.unwrap_or_else(|| panic!("{check} was not looked at: {findings:#}"));
    let items = found.get("items").map(Value::to_string).unwrap_or_default();
    let word = |member: &str| found[member].as_str().unwrap_or_default();
    format!("{}: {} {items}", word("verdict"), word("detail"))
}

#[track_caller]
fn assert_finds(findings: &Value, check: &str, words: &[&str]) {
    let said = finding(findings, check);
    for word in words {
        assert!(
            said.contains(word),
            "'{word}' is missing in {check}: {said}"
        );
    }
}

async fn spend(world: &World, times: usize) {
    let url = format!("{}/sentinel-hub/api/v1/process", world.guard.url);
    for _ in 0..times {
        let reply = post(&url, &one_pu()).await;
        assert!(reply.status.is_success(), "{}", reply.text());
    }
}

async fn books(world: &World) -> SqliteConnection {
    let file = world.folder.path().join("books.db");
    let url = format!("sqlite:{}", file.display());
    SqliteConnection::connect(&url).await.expect("the books")
}

#[tokio::test(flavor = "multi_thread")]
async fn books_that_are_true_are_found_well_beside_the_guard_that_writes_them() {
    let world = World::start(FIFTY).await;
    spend(&world, 5).await;
    let (code, findings) = doctor(&world.policy_file());
    assert_eq!(code, 0, "{findings:#}");
    for (check, words) in [
        ("store", &["well", "whole", "a guard has it in use"][..]),
        ("journal", &["well", "add up"]),
        ("requests", &["well"]),
        ("guards", &["well"]),
        ("top-ups", &["well"]),
        ("limits", &["well", "1 running guard"]),
        ("clock", &["well"]),
        ("doubts", &["well", "nothing is in doubt"]),
        ("upstream planet", &["well", "takes the guard's credential"]),
        ("upstream tiles", &["note", "no free call can tell"]),
        ("upstream sentinel-hub", &["note", "cannot be checked"]),
    ] {
        assert_finds(&findings, check, words);
    }
    let people = run(&[
        "doctor",
        "--config",
        &world.policy_file().display().to_string(),
    ]);
    assert!(
        text(&people.stdout).contains("ok    journal"),
        "{}",
        text(&people.stdout)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_subscriptions_have_taken_and_given_back_adds_up() {
    let budget = "[[budgets]]\nname = \"area\"\nunit = \"aum\"\nlimit = 5000\nwindow = \"year\"\n";
    let mut world = World::start(budget).await;
    let url = format!("{}/subscriptions/v1", world.guard.url);
    let now = SystemClock.now().to_string();
    let created = post(&url, &subscription(2.0, &now, None)).await.json();
    let id = created["id"].as_str().expect("an id");
    let cancelled = post(&format!("{url}/{id}/cancel"), &Value::Null).await;
    assert!(cancelled.status.is_success(), "{}", cancelled.text());
    assert!(tokio::task::block_in_place(|| world.guard.stop()).success());
    let (_, findings) = doctor(&world.policy_file());
    assert_finds(&findings, "journal", &["well", "add up"]);
    assert_finds(&findings, "requests", &["well"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_changed_by_hand_is_named_with_what_differs() {
    let mut world = World::start(FIFTY).await;
    spend(&world, 1).await;
    // a guard at work would write the row as it knows it
    assert!(tokio::task::block_in_place(|| world.guard.stop()).success());
    let mut books = books(&world).await;
    for change in [
        "UPDATE account SET unknown = unknown + 3000000",
        "UPDATE account SET leased = leased + 1",
    ] {
        sqlx::query(change).execute(&mut books).await.expect(change);
    }
    let (code, findings) = doctor(&world.policy_file());
    assert_eq!(code, 1, "{findings:#}");
    let row = "budget org-pu (pu, window of ";
    assert_finds(
        &findings,
        "journal",
        &["wrong", row, "unknown is 3 and by the journal 0"],
    );
    assert_finds(
        &findings,
        "requests",
        &["wrong", row, "unknown 3 and by requests 0"],
    );
    assert_finds(
        &findings,
        "guards",
        &["wrong", row, "is leased and by its leases"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_power_cut_leaves_open_is_told_before_and_after_the_next_start() {
    let mut world = World::start(&FIFTY.replace("50", "5000")).await;
    let url = format!("{}/compute/ops/orders/v2", world.guard.url);
    let order = serde_json::json!({"name": "o", "products": [{"item_ids": ["20260601_101500_11_24f1"],
        "item_type": "PSScene", "product_bundle": "analytic_udm2"}]});
    let headers = [
        (
            "authorization",
            &*format!("api-key {}", crate::harness::KEY),
        ),
        ("content-type", "application/json"),
        ("simulator-fault", "stall"),
    ]
    .map(|(name, value)| (name, value.to_owned()));
    let sending = tokio::spawn(async move {
        let headers = headers.each_ref().map(|(name, value)| (*name, &**value));
        let body = order.to_string().into();
        crate::harness::try_call(http::Method::POST, &url, &headers, body).await
    });
    while world.metric(HELD).await.is_zero() {
        assert!(!sending.is_finished(), "{:?}", sending.await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.guard.kill();
    sending.await.expect("it ended");
    let (code, findings) = doctor(&world.policy_file());
    assert_eq!(code, 0, "{findings:#}");
    assert_finds(&findings, "store", &["no guard has it in use"]);
    assert_finds(
        &findings,
        "silence",
        &["note", "1 requests under way", "counts as unknown"],
    );
    world.kill_and_restart();
    let (code, findings) = doctor(&world.policy_file());
    assert_eq!(code, 0, "{findings:#}");
    assert_finds(
        &findings,
        "doubts",
        &[
            "note",
            "in doubt",
            "orders by agriculture",
            "the guard stopped",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_checked_is_told_apart_from_what_is_wrong() {
    let accepted_keys = Some(["another".to_owned()].into());
    let options = Options {
        accepted_keys,
        ..Options::default()
    };
    let mut world = World::start_before(options, FIFTY).await;
    let (code, findings) = doctor(&world.policy_file());
    assert_eq!(code, 1);
    assert_finds(
        &findings,
        "upstream planet",
        &["wrong", "401", "does not take"],
    );

    let path = world.policy_file();
    let policy = std::fs::read_to_string(&path).expect("a policy");
    let upstream = format!("http://{}", world.simulator.address());
    let away = policy.replace(&upstream, "http://127.0.0.1:1");
    std::fs::write(&path, away).expect("a policy");
    let (code, findings) = doctor(&path);
    assert_eq!(code, 2, "{findings:#}");
    assert_finds(
        &findings,
        "upstream planet",
        &["unchecked", "could not connect to 127.0.0.1:1"],
    );

    world.guard.kill();
    std::fs::write(&path, policy.replace("books.db", "nothing.db")).expect("a policy");
    let (code, findings) = doctor(&path);
    assert_eq!(code, 1);
    assert_finds(
        &findings,
        "store",
        &["unchecked", "there is no store at", "nothing.db"],
    );
    assert!(!world.folder.path().join("nothing.db").exists());
    std::fs::write(
        world.folder.path().join("nothing.db"),
        "a letter ".repeat(99),
    )
    .expect("a file");
    let (code, findings) = doctor(&path);
    assert_eq!(code, 1);
    assert_finds(
        &findings,
        "store",
        &["wrong", "is not a store of this program"],
    );

    std::fs::write(&path, "[sever]").expect("a policy");
    let (code, findings) = doctor(&path);
    assert_eq!(code, 2);
    assert_finds(&findings, "policy", &["unchecked", "unknown key 'sever'"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_taken_beside_the_guard_brings_its_balances_back() {
    let world = World::start(FIFTY).await;
    spend(&world, 3).await;
    while world.metric(SETTLED).await.to_string() != "3" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (policy, copy) = (world.policy_file(), world.folder.path().join("copy.db"));
    let (config, to) = (policy.display().to_string(), copy.display().to_string());
    let backup = ["backup", "--config", &config, "--to", &to];
    let output = run(&backup);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("it was looked through"));
    let again = run(&backup);
    assert_eq!(again.status.code(), Some(1));
    assert!(
        text(&again.stderr).contains("is there already"),
        "{}",
        text(&again.stderr)
    );
    spend(&world, 2).await;

    // another machine: the copy in the place of the books
    let elsewhere = tempfile::tempdir().expect("a folder");
    let moved = std::fs::read_to_string(&policy).expect("a policy");
    let moved = moved.replace(
        &world.folder.path().display().to_string(),
        &elsewhere.path().display().to_string(),
    );
    let path = elsewhere.path().join("policy.toml");
    std::fs::write(&path, moved).expect("a policy");
    std::fs::copy(&copy, elsewhere.path().join("books.db")).expect("a copy");
    let (code, findings) = doctor(&path);
    assert_eq!(code, 0, "{findings:#}");
    let restored = World {
        guard: Guard::start(&path),
        folder: elsewhere,
        ..World::start(FIFTY).await
    };
    // what was leased when the copy was made is in doubt: nobody knows what became of it
    let settled = restored.metric(SETTLED).await;
    assert_eq!(settled.to_string(), "3");
    assert!(restored.booked("org-pu").await >= settled);
    let (code, findings) = doctor(&restored.policy_file());
    assert_eq!(code, 0, "{findings:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn books_that_were_put_back_admit_nothing_until_somebody_says_that_it_is_meant() {
    let mut world = World::start(FIFTY).await;
    spend(&world, 3).await;
    // to be asked makes a guard tell its books, so that the copy has all three
    assert_eq!(world.metric(SETTLED).await.to_string(), "3");
    let (policy, copy) = (world.policy_file(), world.folder.path().join("copy.db"));
    let (config, to) = (policy.display().to_string(), copy.display().to_string());
    let backup = run(&["backup", "--config", &config, "--to", &to]);
    assert!(backup.status.success(), "{}", text(&backup.stderr));
    spend(&world, 2).await;
    assert!(tokio::task::block_in_place(|| world.guard.stop()).success());
    let books = world.folder.path().join("books.db");
    for beside in ["-wal", "-shm"] {
        _ = std::fs::remove_file(world.folder.path().join(format!("books.db{beside}")));
    }
    std::fs::copy(&copy, &books).expect("a copy");

    let refused = run(&["serve", "--config", &config]);
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(said.contains("doctor --accept-restored"), "{said}");
    let accepted = run(&["doctor", "--config", &config, "--accept-restored"]);
    let said = text(&accepted.stdout);
    assert!(
        accepted.status.success() && said.contains("takes the books as they are"),
        "{said}"
    );
    world.guard = Guard::start(&policy);
    assert_eq!(world.metric(SETTLED).await.to_string(), "3");
    spend(&world, 1).await;
}

const HELD: &str = "quota_guard_budget_held{budget=\"org-pu\",partition=\"\",unit=\"pu\"}";
const SETTLED: &str = "quota_guard_budget_settled{budget=\"org-pu\",partition=\"\",unit=\"pu\"}";

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_looked_through_and_other_limits_than_this_files_are_named() {
    let url = store_on(server());
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("guard.replica");
    let world = World::start_changed(FIFTY, |base| with_store(&base, &url, &journal)).await;
    spend(&world, 3).await;
    let (code, findings) = doctor(&world.policy_file());
    assert_eq!(code, 0, "{findings:#}");
    assert_finds(&findings, "store", &["well", "(PostgreSQL) is whole"]);
    assert_finds(&findings, "clock", &["well", "apart"]);
    assert_finds(&findings, "journal", &["well", "add up"]);

    let policy = std::fs::read_to_string(world.policy_file()).expect("a policy");
    let other = world.folder.path().join("other.toml");
    std::fs::write(&other, policy.replace("limit = 50", "limit = 40")).expect("a policy");
    let (code, findings) = doctor(&other);
    assert_eq!(code, 1, "{findings:#}");
    assert_finds(
        &findings,
        "limits",
        &["wrong", "the limit is 50, it was 40"],
    );

    let config = world.policy_file().display().to_string();
    let to = world.folder.path().join("books.dump").display().to_string();
    let backup = run(&["backup", "--config", &config, "--to", &to]);
    assert_eq!(backup.status.code(), Some(1), "nothing was copied");
    let said = text(&backup.stderr);
    assert!(
        said.contains("pg_dump --format=custom") && said.contains("story_"),
        "{said}"
    );
}

#[test]
fn a_policy_that_keeps_everything_has_nothing_to_roll_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("policy.toml");
    std::fs::write(
        &path,
        "[upstreams.planet]\nurl = \"https://a\"\nmount = \"/\"\n",
    )
    .expect("a file");
    let output = run(&["roll-up", "--config", &path.display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("store.keep says how long"));
}
