//! What Planet goes on with after it has answered is followed to its final figures, and the books corrected.

mod credentials;
mod jobs;
mod orders;

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
