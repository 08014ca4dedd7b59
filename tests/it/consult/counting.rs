//! Scenes of the past: counted by Planet, bounded without it, and no more of them than the policy allows.

use super::*;

/// A subscription that has ended, in all the ways that a count may depend on.
fn ended_subscription() -> impl Strategy<Value = Value> {
    let length = prop_oneof![2i64..12, 12i64..1_500];
    let times = (length, 0i64..60).prop_map(|(length, ended)| (length + ended, ended));
    let stages = prop::sample::select(vec![
        Value::Null,
        json!(["finalized"]),
        json!(["standard", "finalized"]),
        json!(["preview", "standard", "finalized"]),
    ]);
    let rules = prop::sample::select(vec![Value::Null, json!("FREQ=MONTHLY;BYMONTH=3,4,5")]);
    let cloud = prop::option::of(0.05f64..1.0);
    (times, 1u32..12, 0.001f64..0.05, stages, rules, cloud, any::<bool>()).prop_map(
        |((from, to), many, side, stages, rules, cloud, by_link)| {
            let mut body = subscription(&fields(many, side), &days_ago(from), Some(&days_ago(to)));
            let parameters = &mut body["source"]["parameters"];
            parameters["publishing_stages"] = stages;
            parameters["rrule"] = rules;
            if let Some(cloud) = cloud {
                parameters["filter"] = json!({"type": "AndFilter", "config": [
                    {"type": "RangeFilter", "field_name": "cloud_cover", "config": {"lte": cloud}}]});
            }
            if by_link {
                body["hosting"] = json!({"type": "sentinel_hub", "parameters": {}});
                body.as_object_mut().expect("an object").remove("delivery");
            }
            body
        },
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_count_never_falls_short_of_the_bill_and_is_never_above_the_bound() {
    let late = Options {
        publication_lag: Duration::from_hours(20 * 24),
        ..Options::default()
    };
    let live = World::start_with(late, &format!("{ROOMY}{LIVE}"), |base| base).await;
    let plain = World::start(ROOMY).await;
    let mut runner = TestRunner::deterministic();
    let (mut counted, mut bounded) = (0, 0);
    for _ in 0..40 {
        let body = ended_subscription()
            .new_tree(&mut runner)
            .expect("a body")
            .current();
        let report = dry_run(&live, SUBSCRIPTIONS, &body).await;
        let predicted = amount(&report, "pu");
        let before = live.billed();
        let made = send(&live, KEY, Method::POST, SUBSCRIPTIONS, &body, &[]).await;
        assert_eq!(made.status, StatusCode::OK, "{}", made.text());
        let billed = live
            .billed()
            .checked_sub(before)
            .expect("a bill only grows");
        assert!(
            predicted >= billed,
            "{predicted} predicted, {billed} billed: {body}"
        );
        let bound = amount(&dry_run(&plain, SUBSCRIPTIONS, &body).await, "pu");
        assert!(
            predicted <= bound,
            "{predicted} counted, {bound} bound: {body}"
        );
        let lines = report["lines"].as_array().expect("lines");
        let by_planet = lines.iter().any(|line| {
            line["source"]
                .as_str()
                .is_some_and(|source| source.contains("as counted by Planet"))
        });
        counted += u32::from(by_planet);
        bounded += u32::from(!by_planet);
    }
    assert!(
        counted > 15 && bounded > 3,
        "{counted} counted, {bounded} bounded"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_without_clouds_is_counted_far_below_its_bound() {
    let world = World::start(&format!("{ROOMY}{LIVE}")).await;
    let mut body = subscription(&fields(1, 0.01), &days_ago(405), Some(&days_ago(40)));
    let clear = json!({"type": "RangeFilter", "field_name": "cloud_cover", "config": {"lte": 0.1}});
    body["source"]["parameters"]["filter"] = clear;
    let report = dry_run(&world, SUBSCRIPTIONS, &body).await;
    let line = &report["lines"][0];
    let quantity = line["quantity"].as_str().expect("a quantity");
    assert!(quantity.contains("counted by Planet in 36"), "{line}");
    suffer(&world, "/data/v1/stats", 9, "stall");
    body["name"] = "another, which is asked about anew".into();
    body["source"]["parameters"]["start_time"] = days_ago(406).into();
    let started = Instant::now();
    let fallen_back = dry_run(&world, SUBSCRIPTIONS, &body).await;
    assert!(started.elapsed() < Duration::from_secs(6));
    let line = &fallen_back["lines"][0];
    assert!(
        line["source"]
            .as_str()
            .expect("a source")
            .contains("by the bound"),
        "{line}"
    );
    assert!(
        line["quantity"]
            .as_str()
            .expect("a quantity")
            .contains("did not answer"),
        "{line}"
    );
    let (counted, bound) = (amount(&report, "pu"), amount(&fallen_back, "pu"));
    assert!(
        counted.checked_mul(10).expect("an amount") < bound,
        "{counted} {bound}"
    );
    let series = "quota_guard_questions_total{api=\"data\",result=\"failed\"}";
    assert_eq!(world.metric(series).await.to_string(), "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_in_the_past_has_a_price_once_it_is_counted() {
    let mut body = subscription(&fields(1, 0.01), &days_ago(60), Some(&days_ago(40)));
    body["source"]["parameters"]["time_range_type"] = "published".into();
    let plain = World::start(ROOMY).await;
    assert_eq!(
        dry_run(&plain, SUBSCRIPTIONS, &body).await["decision"],
        "reject"
    );
    let live = World::start(&format!("{ROOMY}{LIVE}")).await;
    let report = dry_run(&live, SUBSCRIPTIONS, &body).await;
    assert_eq!(report["decision"], "forward", "{report}");
    let made = send(&live, KEY, Method::POST, SUBSCRIPTIONS, &body, &[]).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text());
    assert!(amount(&report, "pu") >= live.billed() && !live.billed().is_zero());
    body["source"]["parameters"]["end_time"] = Value::Null;
    assert_eq!(
        dry_run(&live, SUBSCRIPTIONS, &body).await["decision"],
        "reject"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_that_is_too_long_is_told_a_start_that_passes() {
    let world = World::start(&format!("{ROOMY}[policy]\nmax_backfill = \"90d\"\n")).await;
    let mut body = subscription(&fields(1, 0.01), &days_ago(3_650), None);
    let refused = send(&world, KEY, Method::POST, SUBSCRIPTIONS, &body, &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let problem = refused.json();
    let kind = problem["type"].as_str().expect("a type");
    assert!(
        kind.ends_with("/quota-guard/v1/problems/backfill-too-long"),
        "{kind}"
    );
    let told = dry_run(&world, SUBSCRIPTIONS, &body).await;
    assert_eq!(told["decision"], "reject");
    assert_eq!(told["suggestion"], problem["suggestion"]);
    assert_eq!(asked(&world, "POST", "/"), 0);
    let page = format!(
        "{}/quota-guard/v1/problems/backfill-too-long",
        world.guard.url
    );
    let page = call(Method::GET, &page, &[], Bytes::new()).await;
    assert!(page.text().contains("max_backfill"), "{}", page.text());

    body["source"]["parameters"]["start_time"] = problem["suggestion"]["start_time"].clone();
    let passed = send(&world, KEY, Method::POST, SUBSCRIPTIONS, &body, &[]).await;
    assert_eq!(passed.status, StatusCode::OK, "{}", passed.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_and_operators_can_ask_live() {
    let world = World::start_with(Options::default(), ROOMY, |base| passing_through(&base)).await;
    let (_, features) = collection(&world, KEY, &[fields(1, 0.01)]).await;
    let body = subscription(
        &reference(&features[0]),
        &days_ago(405),
        Some(&days_ago(40)),
    );
    let question = json!({"method": "POST", "path": SUBSCRIPTIONS, "body": body});
    let told = send(
        &world,
        KEY,
        Method::POST,
        "/quota-guard/v1/estimate",
        &question,
        &[],
    )
    .await;
    assert_eq!(told.status, StatusCode::OK, "{}", told.text());
    assert_eq!(told.json()["decision"], "forward", "{}", told.text());

    let file = world.folder.path().join("body.json");
    std::fs::write(&file, body.to_string()).expect("a file");
    let estimate = |more: &'static [&'static str]| {
        let (policy, file) = (world.policy_file(), file.clone());
        async move {
            tokio::task::spawn_blocking(move || {
                Command::new(env!("CARGO_BIN_EXE_quota-guard"))
                    .args([
                        "estimate",
                        "--method",
                        "POST",
                        "--path",
                        SUBSCRIPTIONS,
                        "--config",
                    ])
                    .arg(policy)
                    .arg("--body")
                    .arg(file)
                    .args(more)
                    .output()
                    .expect("the command runs")
            })
            .await
            .expect("it ends")
        }
    };
    let credential = format!("Authorization: api-key {KEY}");
    let with_key: &'static str = Box::leak(credential.into_boxed_str());
    let arrived = world.simulator.requests().len();
    let told = estimate(&["--team", "agriculture"]).await;
    let report: Value = serde_json::from_slice(&told.stdout).expect("a report");
    assert_eq!(report["decision"], "reject", "nobody is asked: {report}");
    let told = estimate(&["--team", "agriculture", "--live"]).await;
    assert!(!told.status.success());
    assert!(String::from_utf8_lossy(&told.stderr).contains("--header"));
    assert_eq!(world.simulator.requests().len(), arrived);

    let arguments: &'static [&'static str] = Box::leak(Box::new(["--live", "--header", with_key]));
    let told = estimate(arguments).await;
    let errors = String::from_utf8_lossy(&told.stderr);
    let report: Value = serde_json::from_slice(&told.stdout).unwrap_or_else(|_| panic!("{errors}"));
    assert_eq!(report["decision"], "forward", "{report}");
    let source = report["lines"][0]["source"].as_str().expect("a source");
    assert!(source.contains("counted by Planet"), "{report}");
    assert!(!errors.contains(KEY), "{errors}");
    assert_eq!(asked(&world, "POST", SUBSCRIPTIONS), 0);
}
