//! Orders, and how seldom and by how many they are asked about.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_order_is_given_back() {
    let bench = Bench::start_with(idle(), ROOMY, |base| base).await;
    let id = bench.place().await;
    let (placed, aum) = (bench.pu().await, bench.spent("org-aum", Unit::Aum).await);
    assert!(!placed.is_zero() && !aum.is_zero());
    bench.ends(&id, &fate("failed"));
    bench.pass(FIRST);
    until("the order is given back", || async {
        bench.pu().await.is_zero()
    })
    .await;
    assert_eq!(bench.billed(), Amount::ZERO);
    assert_eq!(
        bench.spent("org-aum", Unit::Aum).await,
        aum,
        "no text frees it"
    );
    let said = bench.events().await.join("\n");
    assert!(
        said.contains("the order failed and delivered nothing"),
        "{said}"
    );
    bench.pass(Duration::from_hours(2));
    tokio::time::sleep(Duration::from_secs(5)).await;
    let asked = bench.asked(&format!("{ORDERS}/{id}"));
    assert_eq!(asked, 1, "it is not asked about once it is over");
    let ratios = bench
        .metric("quota_guard_prediction_ratio_count{api=\"orders\"}")
        .await;
    assert_eq!(ratios, Amount::ONE);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_costs_what_was_delivered_of_it() {
    let bench = Bench::start_with(idle(), ROOMY, |base| base).await;
    let id = bench.place().await;
    let placed = bench.pu().await;
    let partial = Fate {
        missing: vec![ITEMS[1].into()],
        ..fate("partial")
    };
    bench.ends(&id, &partial);
    bench.pass(FIRST);
    until("half of it is given back", || async {
        bench.pu().await == placed.part_floor(2)
    })
    .await;
    assert!(bench.pu().await >= bench.billed());
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_order_stands_as_it_was_predicted_and_is_asked_about_ever_more_seldom() {
    let bench = Bench::start_with(idle(), ROOMY, |base| base).await;
    let id = bench.place().await;
    let (path, placed) = (format!("{ORDERS}/{id}"), bench.pu().await);
    for (asked, pause) in [(1, 10), (2, 20), (3, 40)] {
        bench.pass(Duration::from_secs(pause - 1));
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(bench.asked(&path), asked - 1, "before {pause} s are over");
        bench.pass(Duration::from_secs(1));
        until("it is asked about", || async {
            bench.asked(&path) == asked
        })
        .await;
    }
    bench.ends(&id, &fate("success"));
    bench.pass(Duration::from_secs(80));
    until("it is asked about", || async { bench.asked(&path) == 4 }).await;
    bench.pass(Duration::from_hours(1));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!((bench.asked(&path), bench.pu().await), (4, placed));
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_never_ends_is_let_go_and_stays_spent() {
    let bench = Bench::start_with(idle(), FOR_EVER, |base| base).await;
    let id = bench.place().await;
    let (path, placed) = (format!("{ORDERS}/{id}"), bench.pu().await);
    bench.pass(Duration::from_hours(24 * 7));
    until("it is asked about", || async { bench.asked(&path) == 1 }).await;
    bench.pass(Duration::from_hours(24 * 54));
    until("it is let go", || async {
        let said = bench.events().await.join("\n");
        said.contains("still 'running' after 61 days")
    })
    .await;
    bench.pass(Duration::from_hours(24));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(bench.asked(&path), 1);
    assert_eq!(bench.pu().await, placed);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_guards_one_asks() {
    let fleet = Fleet::start(3, &cap(50_000)).await;
    let placed = post(&format!("{}{ORDERS}", fleet.guard(0).url), &order()).await;
    assert_eq!(placed.status, StatusCode::ACCEPTED, "{}", placed.text());
    let id = placed.json()["id"].as_str().expect("an id").to_owned();
    let asked = || {
        fleet
            .simulator
            .bill()
            .requests_to(&format!("GET {ORDERS}/{id}"))
    };
    until("it is asked about", || async { asked() > 0 }).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(asked(), 1, "the next pause is twenty seconds");
}
