//! With whose credential it is asked, and what is learned without one.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn with_credentials_passed_through_the_callers_own_is_lent_while_its_order_is_open() {
    let bench = Bench::start_with(idle(), ROOMY, |base| passing_through(&base)).await;
    let id = bench.place().await;
    bench.ends(&id, &fate("failed"));
    bench.pass(FIRST);
    until("the order is given back", || async {
        bench.pu().await.is_zero()
    })
    .await;
    let asked = bench.simulator.requests();
    let asked = asked
        .iter()
        .rfind(|call| call["method"] == "GET")
        .expect("a question");
    assert!(asked["headers"].to_string().contains(KEY), "{asked}");
    for file in std::fs::read_dir(bench.folder.path()).expect("a folder") {
        let file = file.expect("a file").path();
        let bytes = std::fs::read(&file).expect("its bytes");
        let kept = bytes.windows(KEY.len()).any(|part| part == KEY.as_bytes());
        assert!(!kept, "{} holds a credential", file.display());
    }
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_what_a_caller_reads_of_its_order_is_evidence() {
    let mut world = World::start_with(idle(), ROOMY, |base| passing_through(&base)).await;
    let placed = post(&format!("{}{ORDERS}", world.guard.url), &order()).await;
    let id = placed.json()["id"].as_str().expect("an id").to_owned();
    world.kill_and_restart();
    assert!(!world.booked("org-pu").await.is_zero());
    assert!(world.simulator.decide(&id, &fate("failed")));
    let url = format!("{}{ORDERS}/{id}", world.guard.url);
    let authorization = format!("api-key {KEY}");
    let shown = get(&url, &[("authorization", &authorization)]).await;
    assert_eq!(shown.json()["state"], "failed");
    until("the order is given back", || async {
        world.booked("org-pu").await.is_zero()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_that_starts_again_goes_on_following() {
    let mut world = World::start_with(idle(), ROOMY, |base| base).await;
    let placed = post(&format!("{}{ORDERS}", world.guard.url), &order()).await;
    let id = placed.json()["id"].as_str().expect("an id").to_owned();
    world.kill_and_restart();
    assert!(!world.booked("org-pu").await.is_zero());
    assert!(world.simulator.decide(&id, &fate("cancelled")));
    until("the order is given back", || async {
        world.booked("org-pu").await.is_zero()
    })
    .await;
}
