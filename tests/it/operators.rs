//! What platform admins do: check a policy, ask for an estimate, make keys, look at health and metrics.

use std::path::Path;
use std::process::{Command, Output};

use http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{World, get, post};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quota-guard"))
        .args(arguments)
        .env("RUST_LOG", "error")
        .output()
        .expect("the command runs")
}

fn stdout(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn example() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/quota-guard.toml");
    path.display().to_string()
}

#[test]
fn check_says_what_the_example_means() {
    let meaning = stdout(&run(&["check", "--config", &example()]));
    for part in ["org-pu", "agriculture", "https://api.planet.com"] {
        assert!(meaning.contains(part), "{part} is missing in\n{meaning}");
    }
}

#[test]
fn check_shows_where_a_file_is_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("wrong.toml");
    std::fs::write(
        &path,
        "[server]\nlisten = \"127.0.0.1:8080\"\npubic_url = \"http://a\"\n",
    )
    .expect("a file");
    let output = run(&["check", "--config", &path.display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    for part in ["wrong.toml:3:1", "pubic_url", "^", "public_url"] {
        assert!(report.contains(part), "{part} is missing in\n{report}");
    }
}

#[test]
fn a_policys_own_tests_are_run_and_can_fail() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("policy.toml");
    let text = |decision: &str| {
        format!(
            "[upstreams.planet]\nurl = \"https://api.planet.com\"\nmount = \"/\"\n\
             [[teams]]\nname = \"agriculture\"\nkeys = []\n\
             [[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = 1\nwindow = \"month\"\n\
             [[tests]]\nname = \"an order of one scene\"\nteam = \"agriculture\"\n\
             request = {{ method = \"POST\", path = \"/compute/ops/orders/v2\", body_file = \"order.json\" }}\n\
             expect = {{ decision = \"{decision}\" }}\n"
        )
    };
    std::fs::write(folder.path().join("order.json"), order().to_string()).expect("a file");
    for (decision, passes) in [("reject", true), ("forward", false)] {
        std::fs::write(&path, text(decision)).expect("a file");
        let output = run(&["check", "--config", &path.display().to_string()]);
        assert_eq!(
            output.status.success(),
            passes,
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}

fn order() -> Value {
    json!({"name": "o", "products": [{"item_ids": ["20260601_101500_11_24f1"],
           "item_type": "PSScene", "product_bundle": "analytic_8b_sr_udm2"}]})
}

#[test]
fn an_estimate_names_its_rules_and_sources_and_the_budgets_it_would_touch() {
    let folder = tempfile::tempdir().expect("a folder");
    let body = folder.path().join("order.json");
    std::fs::write(&body, order().to_string()).expect("a file");
    let output = run(&[
        "estimate",
        "--config",
        &example(),
        "--method",
        "POST",
        "--path",
        "/compute/ops/orders/v2",
        "--body",
        &body.display().to_string(),
    ]);
    let report: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(
        (&report["api"], &report["decision"]),
        (&json!("orders"), &json!("forward"))
    );
    assert!(report["estimate"]["pu"].as_f64() >= Some(20.0), "{report}");
    for line in report["lines"].as_array().expect("lines") {
        for member in ["rule", "unit", "amount", "quantity", "source"] {
            assert!(!line[member].is_null(), "{member} is missing in {line}");
        }
    }
    assert!(
        report["budgets"]
            .as_array()
            .is_some_and(|budgets| !budgets.is_empty()),
        "{report}"
    );
}

#[test]
fn a_new_key_is_shown_once_and_only_its_hash_is_to_be_pasted() {
    let printed = stdout(&run(&[
        "key",
        "new",
        "--team",
        "agriculture",
        "--id",
        "ag-pipeline",
    ]));
    let (key, lines) = printed.split_once('\n').expect("two parts");
    assert!(key.starts_with("qg_") && key.len() > 40, "{key}");
    assert!(lines.contains("ag-pipeline") && lines.contains("sha256") && !lines.contains(key));
    let again = stdout(&run(&[
        "key",
        "new",
        "--team",
        "agriculture",
        "--id",
        "ag-pipeline",
    ]));
    assert_ne!(printed, again);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_readiness_and_metrics_need_no_token() {
    let budget = "[[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = 50\nwindow = \"month\"\n";
    let world = World::start(budget).await;
    for page in ["healthz", "readyz", "metrics"] {
        let reply = get(&format!("{}/{page}", world.guard.admin), &[]).await;
        assert_eq!(reply.status, StatusCode::OK, "{page}: {}", reply.text());
    }
    let url = format!("{}/compute/ops/orders/v2", world.guard.url);
    assert_eq!(post(&url, &order()).await.status, StatusCode::FORBIDDEN);
    let rejected =
        "quota_guard_requests_total{api=\"orders\",decision=\"rejected\",team=\"agriculture\"}";
    assert_eq!(world.metric(rejected).await.to_string(), "1");
    let limit = "quota_guard_budget_limit{budget=\"org-pu\",partition=\"\",unit=\"pu\"}";
    assert_eq!(world.metric(limit).await.to_string(), "50");
}
