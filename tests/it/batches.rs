//! Batches: creating one is free, starting it reserves what the task as Planet shows it can cost at most.

use bytes::Bytes;
use http::{Method, StatusCode};
use quota_guard::simulator::Fault;
use quota_guard::units::Amount;
use serde_json::{Value, json};

use crate::harness::{KEY, Reply, World, call, get, post};

const ROOMY: &str =
    "[[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = 50000\nwindow = \"month\"\n";
/// Less than any batch costs.
const TIGHT: &str =
    "[[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = 99\nwindow = \"month\"\n";
const SCRIPT: &str =
    "//VERSION=3\nfunction setup() { return { input: ['B04', 'B08'], output: { bands: 1 } } }";

/// Every spelling of the path, and whether it is the first version's.
const PATHS: [(&str, bool); 4] = [
    ("/batch/v2/process", false),
    ("/api/v2/batch/process", false),
    ("/batch/v1/process", true),
    ("/api/v1/batch/process", true),
];

fn grid_batch(old: bool) -> Value {
    let mut body = json!({
        "processRequest": {
            "input": {"bounds": {"bbox": [14.0, 46.0, 14.4, 46.3]}, "data": [{"type": "sentinel-2-l2a",
                "dataFilter": {"timeRange": {"from": "2026-06-01T00:00:00Z", "to": "2026-06-30T23:59:59Z"}}}]},
            "evalscript": SCRIPT},
        "output": {"type": "raster", "delivery": {"s3": {"url": "s3://b", "secretAccessKey": "hunter2"}}},
    });
    let grid =
        json!({"type": "tiling-grid", "id": 0, "resolution": 10.0, "bufferX": 20, "bufferY": 20});
    body[if old { "tilingGrid" } else { "input" }] = grid;
    body
}

async fn create(world: &World, path: &str, body: &Value) -> String {
    let url = format!("{}/sentinel-hub{path}", world.guard.url);
    let created = post(&url, body).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text());
    let id = created.json()["id"].as_str().expect("an id").to_owned();
    format!("{url}/{id}")
}

async fn act(task: &str, action: &str, more: &[(&str, &str)]) -> Reply {
    let authorization = format!("Bearer {KEY}");
    let mut headers = vec![("authorization", &*authorization)];
    headers.extend_from_slice(more);
    let url = format!("{task}/{action}");
    call(Method::POST, &url, &headers, Bytes::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_reserves_no_less_than_is_billed_in_every_spelling() {
    let world = World::start(ROOMY).await;
    for (path, old) in PATHS {
        let before = (world.billed(), world.booked("org-pu").await);
        let task = create(&world, path, &grid_batch(old)).await;
        act(&task, "analyse", &[]).await;
        assert_eq!(
            world.booked("org-pu").await,
            before.1,
            "creating {path} is free"
        );
        let started = act(&task, "start", &[]).await;
        assert_eq!(started.status, StatusCode::NO_CONTENT, "{}", started.text());
        let billed = world.billed().minus(before.0);
        let booked = world.booked("org-pu").await.minus(before.1);
        assert!(
            billed >= Amount::from_whole(100).unwrap(),
            "{path}: {billed}"
        );
        assert!(booked >= billed, "{path}: {booked} < {billed}");
        let estimate = started.header("quota-guard-estimate").to_owned();
        assert_eq!(estimate, format!("pu={booked}"), "{path}");
    }
    let again = "/batch/v1/process";
    let task = create(&world, again, &grid_batch(true)).await;
    act(&task, "start", &[]).await;
    let before = (world.billed(), world.booked("org-pu").await);
    for action in ["restartpartial", "tiles/7/restart"] {
        let restarted = act(&task, action, &[]).await;
        assert_eq!(restarted.status, StatusCode::NO_CONTENT, "{action}");
    }
    let billed = world.billed().minus(before.0);
    assert!(!billed.is_zero(), "what starts again spends again");
    assert!(world.booked("org-pu").await.minus(before.1) >= billed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_came_as_a_form_is_priced_by_its_script() {
    let world = World::start(ROOMY).await;
    let mut request = grid_batch(false);
    let inner = request["processRequest"].as_object_mut().unwrap();
    inner.remove("evalscript");
    let form = format!(
        "--xx\r\nContent-Disposition: form-data; name=\"request\"\r\n\r\n{request}\r\n\
         --xx\r\nContent-Disposition: form-data; name=\"evalscript\"\r\n\r\n{SCRIPT}\r\n--xx--\r\n"
    );
    let authorization = format!("Bearer {KEY}");
    let headers = [
        ("authorization", &*authorization),
        ("content-type", "multipart/form-data; boundary=xx"),
    ];
    let url = format!("{}/sentinel-hub/batch/v2/process", world.guard.url);
    let created = call(Method::POST, &url, &headers, form.into()).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text());
    let task = format!("{url}/{}", created.json()["id"].as_str().unwrap());
    let report = act(&task, "start", &[("quota-guard-dry-run", "1")])
        .await
        .json();
    let quantity = report["lines"][0]["quantity"].as_str().expect("a line");
    assert!(quantity.contains("2 bands"), "{report}");
    assert_eq!(report["decision"], "forward", "{report}");
    assert!(world.billed().is_zero(), "a dry run starts nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_does_not_fit_is_refused_and_never_sent() {
    let world = World::start(TIGHT).await;
    let task = create(&world, "/batch/v2/process", &grid_batch(false)).await;
    let refused = act(&task, "start", &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
    let problem = refused.json();
    assert_eq!(problem["violated-policies"], json!(["org-pu"]), "{problem}");
    assert!(
        !refused.text().contains("hunter2"),
        "keys of buckets stay where they are"
    );
    let sent = world.simulator.bill();
    assert!(sent.total_pu() == quota_guard::units::Pu::ZERO);
    let path = task
        .strip_prefix(&format!("{}/sentinel-hub", world.guard.url))
        .unwrap();
    assert_eq!(sent.requests_to(&format!("POST {path}/start")), 0);
    assert_eq!(
        sent.requests_to(&format!("GET {path}")),
        1,
        "it was asked for once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_cannot_be_read_back_is_not_started() {
    let world = World::start(ROOMY).await;
    let task = create(&world, "/batch/v2/process", &grid_batch(false)).await;
    for fault in [
        "status=500",
        "status=403",
        "gzip",
        "truncate",
        "reset-before-charge",
    ] {
        let broken = Fault::new(Some("GET"), "/batch/v2/process/", 1, fault).unwrap();
        world.simulator.inject(broken);
        let refused = act(&task, "start", &[]).await;
        assert_eq!(
            refused.status,
            StatusCode::FORBIDDEN,
            "{fault}: {}",
            refused.text()
        );
        let problem = refused.json();
        let kind = problem["type"].as_str().unwrap();
        assert!(kind.ends_with("cost-not-predictable"), "{fault}: {problem}");
    }
    let nowhere = format!("{}/sentinel-hub/batch/v2/process/nothing", world.guard.url);
    let refused = act(&nowhere, "start", &[]).await;
    assert!(refused.text().contains("404"), "{}", refused.text());
    assert!(world.billed().is_zero() && world.booked("org-pu").await.is_zero());
}

#[tokio::test(flavor = "multi_thread")]
async fn features_in_a_bucket_need_the_operators_word() {
    let geopackage = || {
        let mut body = grid_batch(false);
        body["input"] = json!({"type": "geopackage", "features": {"s3": {"url": "s3://b/f.gpkg"}}});
        body
    };
    let statistics = json!({
        "input": {"features": {"s3": {"url": "s3://b/f.gpkg"}}, "data": [{"type": "sentinel-2-l2a"}]},
        "aggregation": {"timeRange": {"from": "2026-06-01T00:00:00Z", "to": "2026-06-30T23:59:59Z"},
            "aggregationInterval": {"of": "P1D"}, "evalscript": SCRIPT},
        "output": {"s3": {"url": "s3://b"}}});
    let world = World::start(ROOMY).await;
    for (path, body) in [
        ("/batch/v2/process", geopackage()),
        ("/statistics/batch/v1", statistics.clone()),
        ("/api/v1/statistics/batch", statistics.clone()),
    ] {
        let task = create(&world, path, &body).await;
        let refused = act(&task, "start", &[]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        let text = refused.text();
        assert!(
            text.contains("cost-not-predictable") && text.contains("bucket"),
            "{text}"
        );
    }
    let declared = "[[bounds]]\nmatch = { apis = [\"batch-process\", \"batch-statistics\"] }\npu = 600.0\n\
                [[budgets]]\nname = \"s2\"\nunit = \"pu\"\nlimit = 700\nwindow = \"month\"\n\
                match = { products = [\"sentinel-2-l2a\"] }\n";
    let world = World::start(&format!("{ROOMY}{declared}")).await;
    let task = create(&world, "/batch/v2/process", &geopackage()).await;
    let started = act(&task, "start", &[]).await;
    assert_eq!(started.status, StatusCode::NO_CONTENT, "{}", started.text());
    assert_eq!(
        world.booked("org-pu").await,
        Amount::from_whole(600).unwrap()
    );
    let task = create(&world, "/statistics/batch/v1", &statistics).await;
    let refused = act(&task, "start", &[]).await;
    assert!(
        refused.text().contains("'s2'"),
        "a budget of its collection binds it: {}",
        refused.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_tells_planet_who_asks_and_nothing_else_of_the_request() {
    let world = World::start(ROOMY).await;
    let task = create(&world, "/batch/v2/process", &grid_batch(false)).await;
    let url = format!("{task}/start?fields=id");
    let authorization = format!("Bearer {KEY}");
    let headers = [("authorization", &*authorization), ("quota-guard-tag", "t")];
    let started = call(Method::POST, &url, &headers, Bytes::new()).await;
    assert_eq!(started.status, StatusCode::NO_CONTENT, "{}", started.text());
    let requests = world.simulator.requests();
    let question = requests
        .iter()
        .find(|request| request["method"] == "GET")
        .expect("it was asked for");
    let text = question.to_string();
    assert!(!text.contains("fields"), "{text}");
    assert!(!text.contains("quota-guard"), "{text}");
    assert!(text.contains(KEY), "with the caller's own rights: {text}");
    let known = get(&task, &[("authorization", &*authorization)]).await;
    assert_eq!(known.json()["status"], "PROCESSING");
}

/// What the guard says of a call that is only asked about.
async fn estimated(world: &World, task: &str, action: &str) -> Value {
    let path = task.strip_prefix(&world.guard.url).expect("a path");
    let question = json!({"method": "POST", "path": format!("{path}/{action}")});
    let url = format!("{}/quota-guard/v1/estimate", world.guard.url);
    let told = post(&url, &question).await;
    assert_eq!(told.status, StatusCode::OK, "{}", told.text());
    told.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_estimate_looks_up_the_task_as_a_dry_run_does() {
    let world = World::start(ROOMY).await;
    let task = create(&world, "/batch/v2/process", &grid_batch(false)).await;
    let dry = act(&task, "start", &[("quota-guard-dry-run", "1")])
        .await
        .json();
    assert_eq!(
        estimated(&world, &task, "start").await["estimate"],
        dry["estimate"],
        "{dry}"
    );
    assert_eq!(dry["decision"], "forward");
    let nowhere = format!("{}x", &task);
    let unknown = estimated(&world, &nowhere, "start").await;
    assert_eq!(unknown["decision"], "reject", "{unknown}");
    assert!(unknown["reason"].to_string().contains("404"), "{unknown}");

    let cli = |live: &'static str| {
        let policy = world.policy_file();
        let path = task
            .strip_prefix(&world.guard.url)
            .expect("a path")
            .to_owned();
        move || {
            let mut command = std::process::Command::new(crate::harness::PROGRAM);
            command.args([
                "estimate",
                "--method",
                "POST",
                "--team",
                "agriculture",
                "--config",
            ]);
            command
                .arg(policy)
                .args(["--path", &format!("{path}/start")]);
            command.args(["--header", &format!("Authorization: Bearer {KEY}")]);
            if !live.is_empty() {
                command.arg(live);
            }
            let said = command
                .env("TEST_PLANET_KEY", crate::harness::UPSTREAM_KEY)
                .output();
            serde_json::from_slice::<Value>(&said.expect("it runs").stdout).expect("JSON")
        }
    };
    let requests = world.simulator.requests().len();
    let alone = tokio::task::spawn_blocking(cli("")).await.unwrap();
    assert!(
        alone["reason"].to_string().contains("estimate --live"),
        "{alone}"
    );
    assert_eq!(
        world.simulator.requests().len(),
        requests,
        "it contacts nobody"
    );
    let live = tokio::task::spawn_blocking(cli("--live")).await.unwrap();
    assert_eq!(live["estimate"], dry["estimate"], "{live}");
    assert!(world.billed().is_zero());
}
