//! What those who administer do with a running guard: look at budgets, allow more, clear up what is in
//! doubt.

use std::process::{Command, Output};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use quota_guard::identity::hash;
use quota_guard::units::Amount;
use serde_json::{Value, json};

use crate::caps::one_pu;
use crate::harness::{KEY, Reply, World, call, get, post, try_call};

const FIFTY: &str =
    "[[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = 50\nwindow = \"month\"\n";

/// A token for each role, named by it, and one budget.
fn policy(budget: &str) -> String {
    let token = |role: &str| {
        let sha256 = hash(role);
        format!("{{ name = \"the-{role}\", sha256 = \"{sha256}\", role = \"{role}\" }}")
    };
    let tokens = ["viewer", "approver", "admin"].map(token).join(", ");
    format!("[admin]\ntokens = [{tokens}]\n{budget}")
}

async fn process(world: &World, fault: &str) -> Option<Reply> {
    let url = format!("{}/sentinel-hub/api/v1/process", world.guard.url);
    let authorization = format!("Bearer {KEY}");
    let headers = [
        ("authorization", &*authorization),
        ("content-type", "application/json"),
        ("quota-guard-tag", "harvest"),
        ("simulator-fault", fault),
    ];
    let body = Bytes::from(one_pu().to_string());
    try_call(Method::POST, &url, &headers, body).await
}

async fn ask(world: &World, role: &str, method: Method, path: &str, body: Value) -> Reply {
    let authorization = format!("Bearer {role}");
    let headers = [("authorization", &*authorization)];
    let body = Bytes::from(if body.is_null() {
        String::new()
    } else {
        body.to_string()
    });
    call(
        method,
        &format!("{}{path}", world.guard.admin),
        &headers,
        body,
    )
    .await
}

/// Runs a command against the admin port, in the hands of whoever bears `token`.
fn command(world: &World, token: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quota-guard"))
        .args(arguments)
        .args(["--admin", &world.guard.admin])
        .env("QUOTA_GUARD_ADMIN_TOKEN", token)
        .env("RUST_LOG", "error")
        .output()
        .expect("the command runs")
}

fn stdout(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a command that fails says.
fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The line of `budgets` for the organisation, once that much is settled: guards report what they spend of
/// a lease a moment later.
async fn settled(world: &World, amount: &str) -> Vec<String> {
    for _ in 0..200 {
        let table = stdout(&command(world, "viewer", &["budgets"]));
        let line = table.lines().find(|line| line.starts_with("org-pu"));
        let cells = line
            .expect("a line")
            .split_whitespace()
            .map(ToOwned::to_owned);
        let cells: Vec<String> = cells.collect();
        if cells[4] == amount {
            return cells;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{amount} was never settled");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stall_leaves_in_doubt_is_listed_until_a_person_says_how_it_ended() {
    let mut world = World::start(&policy(FIFTY)).await;
    let stalled = process(&world, "stall").await.expect("an answer");
    assert_eq!(stalled.status, StatusCode::GATEWAY_TIMEOUT);
    let id = stalled.header("quota-guard-request").to_owned();
    let listed = async |world: &World| {
        let reply = ask(
            world,
            "viewer",
            Method::GET,
            "/api/v1/unknowns",
            Value::Null,
        )
        .await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        reply.json()["items"].clone()
    };
    let items = listed(&world).await;
    let expected = [
        ("id", json!(id)),
        ("team", json!("agriculture")),
        ("key", json!("ag")),
        ("api", json!("process")),
        ("product", json!("sentinel-2-l2a")),
        ("tag", json!("harvest")),
        ("predicted", json!({"pu": 1})),
    ];
    for (member, value) in expected {
        assert_eq!(items[0][member], value, "{member} in {items}");
    }
    assert!(
        items[0]["why"]
            .as_str()
            .is_some_and(|why| why.contains("did not answer")),
        "{items}"
    );
    assert!(
        items[0]["at"].is_string() && items[0]["since"].is_string(),
        "{items}"
    );

    world.kill_and_restart();
    assert_eq!(listed(&world).await, items, "a restart clears nothing up");

    let table = stdout(&command(&world, "viewer", &["unknowns"]));
    assert!(
        table.contains(&id) && table.contains("1 in doubt"),
        "{table}"
    );
    let resolve = [
        "unknowns",
        "resolve",
        &id,
        "--amount",
        "0.25",
        "--reason",
        "Planet's dashboard",
    ];
    let refused = complaint(&command(&world, "viewer", &resolve));
    assert!(refused.contains("takes the role approver"), "{refused}");
    let said = stdout(&command(&world, "approver", &resolve));
    assert!(
        said.contains("was charged pu=0.25") && said.contains("49.75 PU left"),
        "{said}"
    );
    assert_eq!(listed(&world).await, json!([]));
    let again = complaint(&command(&world, "approver", &resolve));
    assert!(
        again.contains("is not in doubt: the-approver settled it at pu=0.25"),
        "{again}"
    );
    assert_eq!(world.booked("org-pu").await.to_string(), "0.25");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_top_up_lets_a_refused_request_pass_at_once() {
    let budget = FIFTY.replace("50", "0.5");
    let world = World::start(&policy(&budget)).await;
    let refused = process(&world, "").await.expect("an answer");
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
    let top_up = ["top-up", "org-pu", "--amount", "1.5", "--reason", "harvest"];
    let not_allowed = complaint(&command(&world, "approver", &top_up));
    assert!(
        not_allowed.contains("takes the role admin"),
        "{not_allowed}"
    );
    let said = stdout(&command(&world, "admin", &top_up));
    assert!(
        said.contains("may spend 1.5 PU more") && said.contains("PU are left now"),
        "{said}"
    );
    let passed = process(&world, "").await.expect("an answer");
    assert_eq!(passed.status, StatusCode::OK, "{}", passed.text());
    let cells = settled(&world, "1").await;
    assert_eq!(cells[..4], ["org-pu", "pu", "0.5", "1.5"]);
    let parts = cells[4..9]
        .iter()
        .map(|cell| cell.parse::<Amount>().expect(cell));
    let sum = parts.fold(Amount::ZERO, Amount::saturating_add);
    assert_eq!(sum.to_string(), "2", "everything is somewhere: {cells:?}");
    let record = ask(&world, "viewer", Method::GET, "/api/v1/audit", Value::Null).await;
    let what = "topped up org-pu by 1.5 PU: harvest";
    let items = record.json()["items"].clone();
    let found = items
        .as_array()
        .expect("items")
        .iter()
        .find(|item| item["what"] == what);
    assert_eq!(found.expect("the top-up")["by"], "the-admin", "{items}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_top_up_that_is_sent_again_under_its_key_is_the_same() {
    let mut world = World::start(&policy(FIFTY)).await;
    let order = async |world: &World, who: &str, key: &str, amount: u32| {
        let authorization = format!("Bearer {who}");
        let headers = [
            ("authorization", &*authorization),
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ];
        let url = format!("{}/api/v1/budgets/org-pu/top-ups", world.guard.admin);
        let body = json!({"amount": amount, "reason": "harvest"}).to_string();
        call(Method::POST, &url, &headers, body.into()).await
    };
    let first = order(&world, "admin", "order-7", 5).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text());
    world.kill_and_restart();
    let again = order(&world, "admin", "order-7", 5).await;
    assert_eq!(again.status, StatusCode::CREATED, "{}", again.text());
    assert_eq!(again.json()["id"], first.json()["id"]);
    assert_eq!(again.json()["amount"], 5);
    let other = order(&world, "admin", "order-7", 6).await;
    assert_eq!(
        other.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        other.text()
    );
    assert!(
        other.text().contains("used before for another top-up"),
        "{}",
        other.text()
    );
    let next = order(&world, "admin", "order-8", 5).await;
    assert_ne!(next.json()["id"], first.json()["id"]);
    let odd = order(&world, "admin", &"k".repeat(256), 5).await;
    assert_eq!(odd.status, StatusCode::BAD_REQUEST, "{}", odd.text());
    let all = ask(
        &world,
        "viewer",
        Method::GET,
        "/api/v1/budgets/org-pu/top-ups",
        Value::Null,
    )
    .await;
    assert_eq!(all.json()["items"].as_array().expect("items").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_port_shows_nothing_to_whoever_has_no_token() {
    let world = World::start(&policy(FIFTY)).await;
    let budgets = format!("{}/api/v1/budgets", world.guard.admin);
    for headers in [&[][..], &[("authorization", "Bearer qg_agriculture")]] {
        let reply = get(&budgets, headers).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        assert_eq!(reply.header("content-type"), "application/problem+json");
        assert!(reply.header("www-authenticate").starts_with("Bearer"));
    }
    for page in [
        "/openapi.json",
        "/api/v1/audit",
        "/api/v1/unknowns",
        "/nothing",
        "/",
    ] {
        let reply = get(&format!("{}{page}", world.guard.admin), &[]).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{page}");
    }
    let closed = World::start(FIFTY).await;
    let reply = ask(
        &closed,
        "admin",
        Method::GET,
        "/api/v1/budgets",
        Value::Null,
    )
    .await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    assert!(reply.text().contains("no admin tokens"), "{}", reply.text());
    let metrics = get(&format!("{}/metrics", closed.guard.admin), &[]).await;
    assert_eq!(metrics.status, StatusCode::OK);
    let url = format!("{}/sentinel-hub/api/v1/process", closed.guard.url);
    assert_eq!(post(&url, &one_pu()).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_get_json_and_people_a_sentence_when_it_does_not_work() {
    let world = World::start(&policy(FIFTY)).await;
    let json: Value =
        serde_json::from_str(&stdout(&command(&world, "viewer", &["budgets", "--json"])))
            .expect("JSON");
    assert_eq!(json["items"][0]["remaining"], json!(50), "{json}");
    let refused = complaint(&command(&world, "nobody", &["budgets"]));
    assert!(
        refused.contains("Nobody here knows this token"),
        "{refused}"
    );
    let missing = complaint(&command(&world, "", &["budgets"]));
    assert!(
        missing.contains("QUOTA_GUARD_ADMIN_TOKEN is not set"),
        "{missing}"
    );
    let unknown = complaint(&command(
        &world,
        "viewer",
        &["budgets", "--budget", "org pu"],
    ));
    assert!(unknown.contains("no budget of this name"), "{unknown}");
    let elsewhere = |url: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_quota-guard"))
            .args(["unknowns", "--admin", url])
            .env("QUOTA_GUARD_ADMIN_TOKEN", "viewer")
            .output()
            .expect("the command runs");
        complaint(&output)
    };
    let data_port = elsewhere(&world.guard.url);
    assert!(data_port.contains("check --admin"), "{data_port}");
    let nowhere = elsewhere("http://127.0.0.1:1");
    assert!(nowhere.contains("is the guard running"), "{nowhere}");
    let no_url = elsewhere("ftp://127.0.0.1");
    assert!(no_url.contains("must be a URL"), "{no_url}");
    assert!(![data_port, nowhere].concat().contains("Bearer"));
}
