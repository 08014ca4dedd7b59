//! Areas that a request only names.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_area_by_its_reference_costs_what_it_costs_drawn() {
    let calls = "[[budgets]]\nname = \"calls\"\nunit = \"requests\"\nlimit = 5\nwindow = \"day\"\n";
    let world = World::start(&format!("{ROOMY}{calls}")).await;
    let field = fields(1, 0.01);
    let (_, features) = collection(&world, KEY, std::slice::from_ref(&field)).await;
    let (start, end) = (days_ago(100), days_ago(40));
    let drawn = dry_run(
        &world,
        SUBSCRIPTIONS,
        &subscription(&field, &start, Some(&end)),
    )
    .await;
    let body = subscription(&reference(&features[0]), &start, Some(&end));
    let named = dry_run(&world, SUBSCRIPTIONS, &body).await;
    assert_eq!(named["estimate"], drawn["estimate"], "{named}");
    assert_eq!(named["decision"], "forward");

    let real = send(&world, KEY, Method::POST, SUBSCRIPTIONS, &body, &[]).await;
    assert_eq!(real.status, StatusCode::OK, "{}", real.text());
    assert!(!world.billed().is_zero());
    assert!(world.booked("org-pu").await >= world.billed());
    assert_eq!(
        asked(&world, "GET", FEATURES),
        1,
        "remembered from the dry run"
    );
    let daily = send(
        &world,
        KEY,
        Method::GET,
        "/quota-guard/v1/quota/daily",
        &Value::Null,
        &[],
    )
    .await;
    assert_eq!(
        daily.json()["quota"]["calls"]["count"],
        3,
        "the guard's own calls are nobody's"
    );
    let series = "quota_guard_questions_total{api=\"features\",result=\"answered\"}";
    assert_eq!(world.metric(series).await, Amount::ONE);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_callers_reference_is_refused_to_another() {
    let world = World::start_with(Options::default(), ROOMY, |base| passing_through(&base)).await;
    let (whole, features) = collection(&world, KEY, &[fields(1, 0.01)]).await;
    for reference_to in [&features[0], &whole] {
        let body = subscription(
            &reference(reference_to),
            &days_ago(100),
            Some(&days_ago(40)),
        );
        let bulk = json!({"subscriptions": [body]});
        let path = format!("{SUBSCRIPTIONS}/bulk");
        let own = send(&world, KEY, Method::POST, &path, &bulk, &[]).await;
        assert_eq!(own.status, StatusCode::OK, "{}", own.text());
        let (billed, booked) = (world.billed(), world.booked("org-pu").await);

        let theirs = send(&world, OTHER_KEY, Method::POST, &path, &bulk, &[]).await;
        assert_eq!(theirs.status, StatusCode::BAD_REQUEST, "{}", theirs.text());
        let text = theirs.text();
        assert!(
            text.contains(&**reference_to) && text.contains("may see"),
            "{text}"
        );
        assert_eq!(
            (world.billed(), world.booked("org-pu").await),
            (billed, booked)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_to_nothing_goes_no_further() {
    let world = World::start(&format!("{ROOMY}[policy]\nunpredictable = \"allow\"\n")).await;
    let body = subscription(
        &reference("pl:features/my/nowhere-1/none-2"),
        &days_ago(9),
        None,
    );
    let refused = send(&world, KEY, Method::POST, SUBSCRIPTIONS, &body, &[]).await;
    assert_eq!(
        refused.status,
        StatusCode::BAD_REQUEST,
        "{}",
        refused.text()
    );
    assert!(refused.text().contains("nowhere-1/none-2"));
    assert_eq!(asked(&world, "POST", SUBSCRIPTIONS), 0);
    assert!(world.booked("org-pu").await.is_zero());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_grows_through_the_guard_costs_more_at_once() {
    let world = World::start(ROOMY).await;
    let (whole, features) = collection(&world, KEY, &[fields(1, 0.001)]).await;
    let body = subscription(
        &reference(&features[0]),
        &days_ago(100),
        Some(&days_ago(40)),
    );
    let before = amount(&dry_run(&world, SUBSCRIPTIONS, &body).await, "aum");
    let feature = features[0].rsplit('/').next().expect("a name");
    let id = whole.rsplit('/').next().expect("a name");
    let path = format!("{FEATURES}/{id}/items/{feature}");
    let larger = json!({"type": "Feature", "geometry": fields(1, 0.1), "properties": {}});
    let changed = send(&world, KEY, Method::PUT, &path, &larger, &[]).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
    let after = amount(&dry_run(&world, SUBSCRIPTIONS, &body).await, "aum");
    assert!(
        after > before.checked_mul(9_000).expect("an amount"),
        "{before} {after}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_in_bulk_is_charged_for_each_of_its_fields() {
    let world = World::start(ROOMY).await;
    let each: Vec<Value> = (1..=30).map(|_| fields(1, 0.01)).collect();
    let (whole, _) = collection(&world, KEY, &each).await;
    let body = subscription(&reference(&whole), &days_ago(60), Some(&days_ago(40)));
    let bulk = json!({"subscriptions": [body]});
    let path = format!("{SUBSCRIPTIONS}/bulk");
    let predicted = amount(&dry_run(&world, &path, &bulk).await, "pu");
    let made = send(&world, KEY, Method::POST, &path, &bulk, &[]).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text());
    assert!(predicted >= world.billed() && !world.billed().is_zero());
    let aum: Amount = world.simulator.bill().total_aum().into();
    assert!(amount(&dry_run(&world, &path, &bulk).await, "aum") >= aum);
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_areas_are_measured_or_refused_and_nobody_waits_long() {
    let world = World::start(ROOMY).await;
    let (_, features) = collection(&world, KEY, &[fields(299, 0.01)]).await;
    let body = subscription(&reference(&features[0]), &days_ago(60), Some(&days_ago(40)));
    let predicted = amount(&dry_run(&world, SUBSCRIPTIONS, &body).await, "pu");
    let made = send(&world, KEY, Method::POST, SUBSCRIPTIONS, &body, &[]).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text());
    assert!(predicted >= world.billed() && !world.billed().is_zero());

    let many = vec![fields(1, 0.001); 1_200];
    let (whole, _) = collection(&world, KEY, &many).await;
    let body = subscription(&reference(&whole), &days_ago(60), Some(&days_ago(40)));
    let refused = send(&world, KEY, Method::POST, SUBSCRIPTIONS, &body, &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
    assert!(
        refused.text().contains("more than 1000 features"),
        "{}",
        refused.text()
    );
    let named: Vec<Value> = (0..101)
        .map(|number| {
            subscription(
                &reference(&format!("pl:features/my/a/{number}")),
                &days_ago(60),
                None,
            )
        })
        .collect();
    let path = format!("{SUBSCRIPTIONS}/bulk");
    let before = world.simulator.requests().len();
    let bulk = json!({"subscriptions": named});
    let refused = send(&world, KEY, Method::POST, &path, &bulk, &[]).await;
    assert!(refused.text().contains("101 areas"), "{}", refused.text());
    assert_eq!(
        world.simulator.requests().len(),
        before,
        "none of them is looked up"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_stalls_keeps_nobody_waiting_and_makes_nothing_free() {
    let world = World::start_changed(ROOMY, |base| base.replace("\"3s\"", "\"1s\"")).await;
    let (_, features) = collection(&world, KEY, &[fields(1, 0.01)]).await;
    let body = subscription(
        &reference(&features[0]),
        &days_ago(100),
        Some(&days_ago(40)),
    );
    for fault in ["stall", "slow-body=30s", "status=503"] {
        suffer(&world, FEATURES, 1, fault);
        let started = Instant::now();
        let refused = send(&world, KEY, Method::POST, SUBSCRIPTIONS, &body, &[]).await;
        assert!(started.elapsed() < Duration::from_secs(4), "{fault}");
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
        let kind = refused.json()["type"].as_str().expect("a type").to_owned();
        assert!(kind.ends_with("/cost-not-predictable"), "{kind}");
        assert!(refused.text().contains(&features[0]), "{}", refused.text());
    }
    assert_eq!(asked(&world, "POST", SUBSCRIPTIONS), 0);
    let passed = send(&world, KEY, Method::POST, SUBSCRIPTIONS, &body, &[]).await;
    assert_eq!(passed.status, StatusCode::OK, "{}", passed.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_sent_again_gets_the_first_ones_answer_whether_or_not_planet_can_be_asked() {
    let world = World::start_changed(ROOMY, |base| base.replace("\"3s\"", "\"2s\"")).await;
    let (_, features) = collection(&world, KEY, &[fields(1, 0.01)]).await;
    let body = subscription(
        &reference(&features[0]),
        &days_ago(100),
        Some(&days_ago(40)),
    );
    let url = format!("{}{SUBSCRIPTIONS}", world.guard.url);
    suffer(&world, SUBSCRIPTIONS, 1, "delay=700ms");
    let authorization = format!("api-key {KEY}");
    let text = Bytes::from(body.to_string());
    let impatient = {
        let (url, authorization) = (url.clone(), authorization.clone());
        tokio::spawn(async move {
            let headers = [
                ("authorization", &*authorization),
                ("content-type", "application/json"),
            ];
            try_call(Method::POST, &url, &headers, text).await
        })
    };
    while asked(&world, "POST", SUBSCRIPTIONS) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    impatient.abort();
    // its area is not remembered any more, and cannot be had
    let touched = send(
        &world,
        KEY,
        Method::POST,
        FEATURES,
        &json!({"title": "Other"}),
        &[],
    )
    .await;
    assert_eq!(touched.status, StatusCode::CREATED);
    suffer(&world, FEATURES, 10, "status=500");
    let again = post(&url, &body).await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.text());
    assert_eq!(again.header("quota-guard-replayed").len(), 32);
    assert_eq!(asked(&world, "POST", SUBSCRIPTIONS), 1);
}
