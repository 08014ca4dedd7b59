//! A guard and a pretended Planet whose clock the story moves, for months at a time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use quota_guard::boot::{self, Running};
use quota_guard::clock::{Clock, ManualClock};
use quota_guard::policy::Policy;
use quota_guard::simulator::{Options, Simulator};
use quota_guard::units::{Amount, UtcTime};
use serde_json::{Value, json};
use url::Url;

use crate::fleet::{server, store_on, with_store};
use crate::harness::{KEY, Reply, UPSTREAM_KEY, base_policy, call, get, send};

pub(crate) struct Months {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) simulator: Simulator,
    guards: Vec<Option<Running>>,
    budgets: String,
    store: Option<Url>,
    folder: tempfile::TempDir,
}

pub(crate) fn at(text: &str) -> UtcTime {
    text.parse().expect(text)
}

/// A field of about a square kilometre for each `size`.
pub(crate) fn field(size: f64) -> Value {
    let east = 14.0 + 0.0129 * size;
    json!({"type": "Polygon", "coordinates":
        [[[14.0, 46.0], [east, 46.0], [east, 46.009], [14.0, 46.009], [14.0, 46.0]]]})
}

pub(crate) fn subscription(size: f64, start: &str, end: Option<&str>) -> Value {
    json!({"name": "s", "source": {"type": "catalog", "parameters": {
            "item_types": ["PSScene"], "asset_types": ["ortho_analytic_8b_sr"],
            "geometry": field(size), "start_time": start, "end_time": end}},
        "tools": [{"type": "clip", "parameters": {}}],
        "hosting": {"type": "sentinel_hub", "parameters": {}}})
}

/// A budget of area; about so many square kilometres for as many days.
pub(crate) fn aum(name: &str, window: &str, limit: u64) -> String {
    format!(
        "[[budgets]]\nname = \"{name}\"\nunit = \"aum\"\nlimit = {limit}\nwindow = \"{window}\"\n"
    )
}

impl Months {
    pub(crate) async fn start(now: &str, budgets: &str) -> Self {
        let mut months = Self::without_guards(now, budgets).await;
        months.add_guard().await;
        months
    }

    /// So many guards on one PostgreSQL store.
    pub(crate) async fn start_many(now: &str, budgets: &str, guards: usize) -> Self {
        let mut months = Self::without_guards(now, budgets).await;
        months.store = Some(store_on(server()));
        for _ in 0..guards {
            months.add_guard().await;
        }
        months
    }

    async fn without_guards(now: &str, budgets: &str) -> Self {
        let clock = Arc::new(ManualClock::starting(at(now)));
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let simulator = Simulator::start(any_port, Options::default(), clock.clone());
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("key"), UPSTREAM_KEY).expect("a file");
        Self {
            simulator: simulator.await.expect("the simulator starts"),
            clock,
            guards: Vec::new(),
            budgets: format!("[plan]\naum = \"area-x-days\"\n{budgets}"),
            store: None,
            folder,
        }
    }

    async fn add_guard(&mut self) {
        let running = self.boot(self.guards.len()).await;
        self.guards.push(Some(running));
    }

    async fn boot(&self, number: usize) -> Running {
        let upstream = format!("http://{}", self.simulator.address());
        let key = format!(
            "{{ file = \"{}\" }}",
            self.folder.path().join("key").display()
        );
        let base = base_policy(&upstream, self.folder.path());
        let base = base.replace("{ env = \"TEST_PLANET_KEY\" }", &key);
        let journal = self.folder.path().join(format!("journal-{number}"));
        let base = match &self.store {
            Some(store) => with_store(&base, store, &journal),
            None => base,
        };
        let policy = Policy::parse(&(base + &self.budgets), "p.toml").expect("a policy");
        let clock: Arc<dyn Clock> = self.clock.clone();
        boot::start(policy, clock).await.expect("it starts")
    }

    /// Stops the first guard well.
    pub(crate) async fn stop(&mut self) {
        let running = self.guards[0].take().expect("it runs");
        assert!(running.stop().await == quota_guard::front::CutOff::default());
    }

    pub(crate) async fn start_again(&mut self) {
        // the last connections to the one before may still be closing, and its files with them
        tokio::time::sleep(Duration::from_millis(500)).await;
        let running = self.boot(0).await;
        self.guards[0] = Some(running);
    }

    pub(crate) fn clock_now(&self) -> UtcTime {
        self.clock.now()
    }

    pub(crate) fn set(&self, now: &str) {
        self.clock.set(at(now));
    }

    pub(crate) fn url(&self, guard: usize) -> String {
        let running = self.guards[guard].as_ref().expect("it runs");
        format!("http://{}", running.guard)
    }

    pub(crate) async fn send(
        &self,
        guard: usize,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Reply {
        send(method, &format!("{}{path}", self.url(guard)), body).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(0, Method::POST, path, body).await
    }

    /// Asks the pretended Planet itself.
    pub(crate) async fn behind_its_back(&self, path: &str) {
        let url = format!("http://{}{path}", self.simulator.address());
        let headers = [("authorization", "api-key K")];
        let done = call(Method::POST, &url, &headers, Bytes::new()).await;
        assert!(done.status.is_success(), "{}", done.text());
    }

    /// Creates a subscription and says where it is.
    pub(crate) async fn subscribe(&self, body: &Value) -> String {
        let created = self.post("/subscriptions/v1", body).await;
        assert!(created.status.is_success(), "{}", created.text());
        let id = created.json()["id"].as_str().expect("an id").to_owned();
        let path = format!("/subscriptions/v1/{id}");
        let looked_at = self.send(0, Method::GET, &path, &json!(null)).await;
        assert_eq!(looked_at.status, StatusCode::OK);
        path
    }

    /// What a budget has used in each of its windows, the latest first, in whole units.
    pub(crate) async fn used(&self, budget: &str) -> Vec<i64> {
        let authorization = format!("api-key {KEY}");
        let url = format!("{}/quota-guard/v1/quota/history", self.url(0));
        let history = get(&url, &[("authorization", &authorization)]).await.json();
        let rows = history["history"].as_array().expect("rows").iter();
        let own = rows.filter(|row| row["budget"] == budget);
        let used = own.map(|row| {
            let part = |name: &str| Amount::parse_ceil(&row[name].to_string()).expect(name);
            part("count").saturating_add(part("held")).whole_floor()
        });
        used.collect()
    }
}
