//! What Planet goes on with after it has answered is followed to its final figures, and the books corrected.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use quota_guard::simulator::{Fate, Options};
use quota_guard::units::{Amount, Unit};
use serde_json::{Value, json};

use crate::bench::{Bench, until};
use crate::fleet::{Fleet, cap};
use crate::harness::{KEY, World, call, get, post};

const ORDERS: &str = "/compute/ops/orders/v2";
const BATCHES: &str = "/sentinel-hub/batch/v2/process";
const ROOMY: &str = "[[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = 50000\nwindow = \"month\"\n\
    [[budgets]]\nname = \"org-aum\"\nunit = \"aum\"\nlimit = 50000\nwindow = \"month\"\n";
const FOR_EVER: &str =
    "[[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = 50000\nwindow = \"forever\"\n";
/// The first pause of everything that is followed.
const FIRST: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(20);
const ITEMS: [&str; 2] = ["20260601_101500_11_24f1", "20260602_101500_11_24f1"];

fn order() -> Value {
    json!({"name": "o", "products": [{"item_ids": ITEMS,
        "item_type": "PSScene", "product_bundle": "visual"}]})
}

/// Things that are never done unless somebody decides it.
fn idle() -> Options {
    Options {
        polls_until_done: u32::MAX,
        job_duration: Duration::MAX,
        ..Options::default()
    }
}

fn fate(state: &str) -> Fate {
    Fate {
        state: state.into(),
        ..Fate::default()
    }
}

fn pu(units: u64) -> Amount {
    Amount::from_whole(units).expect("small")
}

impl Bench {
    async fn place(&self) -> String {
        let placed = self.post(ORDERS, &order()).await;
        assert_eq!(placed.status, StatusCode::ACCEPTED, "{}", placed.text());
        placed.json()["id"].as_str().expect("an id").to_owned()
    }

    async fn pu(&self) -> Amount {
        self.spent("org-pu", Unit::Pu).await
    }

    fn billed(&self) -> Amount {
        self.simulator.bill().total_pu().into()
    }

    /// A task that was created and started.
    async fn start_task(&self) -> String {
        let created = self.post(BATCHES, &batch()).await;
        assert_eq!(created.status, StatusCode::CREATED, "{}", created.text());
        let id = created.json()["id"].as_str().expect("an id").to_owned();
        self.start_again(&id).await;
        id
    }

    async fn start_again(&self, id: &str) {
        let url = self.url(&format!("{BATCHES}/{id}/start"));
        let authorization = format!("Bearer {KEY}");
        let headers = [("authorization", &*authorization)];
        let started = call(Method::POST, &url, &headers, Bytes::new()).await;
        assert_eq!(started.status, StatusCode::NO_CONTENT, "{}", started.text());
    }

    fn ends(&self, id: &str, fate: &Fate) {
        assert!(self.simulator.decide(id, fate), "{id} is not known");
    }
}

fn batch() -> Value {
    json!({
        "processRequest": {
            "input": {"bounds": {"bbox": [14.0, 46.0, 14.4, 46.3]}, "data": [{"type": "sentinel-2-l2a",
                "dataFilter": {"timeRange": {"from": "2026-06-01T00:00:00Z", "to": "2026-06-30T23:59:59Z"}}}]},
            "evalscript": "//VERSION=3\nfunction setup() { return { input: ['B04'], output: { bands: 1 } } }"},
        "input": {"type": "tiling-grid", "id": 0, "resolution": 10.0},
        "output": {"type": "raster", "delivery": {"s3": {"url": "s3://b", "secretAccessKey": "hunter2"}}},
    })
}

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
async fn what_a_batch_costs_more_than_predicted_is_overrun() {
    let bench = Bench::start_with(idle(), ROOMY, |base| base).await;
    let id = bench.start_task().await;
    let predicted = bench.pu().await;
    let cost = predicted.saturating_add(pu(75));
    let dear = Fate {
        cost_pu: cost.to_string().parse().ok(),
        ..fate("DONE")
    };
    bench.ends(&id, &dear);
    bench.pass(FIRST);
    until("it is seen", || async {
        bench.asked(&format!("/batch/v2/process/{id}")) == 2
    })
    .await;
    assert_eq!(bench.pu().await, predicted, "the figure may still move");
    bench.pass(SECOND);
    until("the figure counts", || async { bench.pu().await == cost }).await;
    let overrun = "quota_guard_budget_overrun{budget=\"org-pu\",partition=\"\",unit=\"pu\"}";
    assert_eq!(bench.metric(overrun).await, pu(75));
    let more = "quota_guard_charged_total{api=\"batch-process\",source=\"reconciled\",\
        team=\"agriculture\",unit=\"pu\"}";
    assert_eq!(bench.metric(more).await, pu(75));
    assert_eq!(bench.billed(), cost);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_stopped_and_resumed_costs_each_start_its_part() {
    let bench = Bench::start_with(idle(), ROOMY, |base| base).await;
    let id = bench.start_task().await;
    let cost = |cost_pu: f64, state: &str| Fate {
        cost_pu: Some(cost_pu),
        ..fate(state)
    };
    bench.ends(&id, &cost(110.0, "STOPPED"));
    for pause in [FIRST, SECOND] {
        bench.pass(pause);
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    until("the first part is known", || async {
        bench.pu().await == pu(110)
    })
    .await;
    bench.pass(Duration::from_hours(1));
    bench.start_again(&id).await;
    bench.ends(&id, &cost(150.0, "DONE"));
    for pause in [FIRST, SECOND] {
        bench.pass(pause);
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    until("the second part is known", || async {
        bench.pu().await == pu(150)
    })
    .await;
    assert_eq!(bench.billed(), pu(150));
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asynchronous_image_ends_without_a_figure() {
    let bench = Bench::start(ROOMY).await;
    let job = json!({
        "input": {"bounds": {"bbox": [14.0, 46.0, 14.1, 46.1]}, "data": [{"type": "sentinel-2-l2a"}]},
        "output": {"width": 2000, "height": 2000, "delivery": {"s3": {"url": "s3://b"}}},
        "evalscript": "//VERSION=3\nfunction setup() { return { input: ['B04'], output: { bands: 1 } } }",
    });
    let made = bench.post("/sentinel-hub/api/v1/async/process", &job).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text());
    let predicted = bench.pu().await;
    bench.pass(Duration::from_mins(2));
    until("the end is written down", || async {
        let said = bench.events().await.join("\n");
        said.contains("in the customer's bucket alone")
    })
    .await;
    assert_eq!(bench.pu().await, predicted);
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

fn passing_through(base: &str) -> String {
    let (before, after) = base.split_once("[upstreams.planet]").expect("it");
    let end = after.find("[upstreams.tiles]").expect("it");
    let planet = after[..end]
        .lines()
        .map(|line| match line.strip_prefix("credential") {
            Some(_) => "credential = \"pass-through\"",
            None => line,
        });
    let planet: Vec<_> = planet.collect();
    format!(
        "{before}[upstreams.planet]{}\n{}",
        planet.join("\n"),
        &after[end..]
    )
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
