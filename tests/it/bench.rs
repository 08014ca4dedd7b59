//! A world whose clock stands still until a story moves it: simulator and guard in this very process, so that days
//! pass in a moment.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use quota_guard::boot::{self, Running};
use quota_guard::clock::ManualClock;
use quota_guard::identity::hash;
use quota_guard::policy::Policy;
use quota_guard::simulator::{Options, Simulator};
use quota_guard::units::{Amount, Unit};
use serde_json::Value;

use crate::harness::{Reply, UPSTREAM_KEY, base_policy, call, get, post};

/// A loop of the guard's looks at the clock this often at least, in real time.
const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Bench {
    pub(crate) simulator: Simulator,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) folder: tempfile::TempDir,
    running: Running,
}

impl Bench {
    /// Starts everything with these budgets (and whatever else) added to the policy.
    pub(crate) async fn start(policy: &str) -> Self {
        Self::start_with(Options::default(), policy, |base| base).await
    }

    pub(crate) async fn start_with(
        options: Options,
        policy: &str,
        change: impl FnOnce(String) -> String,
    ) -> Self {
        let start = "2026-11-22T12:00:00Z".parse().expect("a time");
        let clock = Arc::new(ManualClock::starting(start));
        let any_port = ([127, 0, 0, 1], 0).into();
        let simulator = Simulator::start(any_port, options, clock.clone())
            .await
            .expect("the simulator starts");
        let folder = tempfile::tempdir().expect("a folder");
        let key = folder.path().join("planet.key");
        std::fs::write(&key, UPSTREAM_KEY).expect("a file");
        let upstream = format!("http://{}", simulator.address());
        let kept = format!("{{ file = \"{}\" }}", key.display());
        let base = base_policy(&upstream, folder.path());
        let base = change(base.replace("{ env = \"TEST_PLANET_KEY\" }", &kept));
        let admin = format!(
            "[admin]\ntokens = [{{ name = \"ops\", sha256 = \"{}\", role = \"admin\" }}]\n",
            hash("admin")
        );
        let policy = Policy::parse(&(base + &admin + policy), "policy.toml").expect("a policy");
        let running = boot::start(policy, clock.clone()).await.expect("it starts");
        Self {
            simulator,
            clock,
            folder,
            running,
        }
    }

    pub(crate) async fn stop(self) {
        _ = self.running.stop().await;
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.running.public_url)
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        post(&self.url(path), body).await
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    pub(crate) async fn admin(&self, path: &str) -> Value {
        let url = format!("http://{}{path}", self.running.admin);
        let headers = [("authorization", "Bearer admin")];
        let reply = call(Method::GET, &url, &headers, Bytes::new()).await;
        assert!(reply.status.is_success(), "{path}: {}", reply.text());
        reply.json()
    }

    /// What the audit says, oldest first, all that has been said so far.
    pub(crate) async fn events(&self) -> Vec<String> {
        let audit = self.admin("/api/v1/audit").await;
        let items = audit["items"].as_array().expect("a list");
        items.iter().map(|item| item["what"].to_string()).collect()
    }

    /// One gauge or counter, zero where it is not there.
    pub(crate) async fn metric(&self, series: &str) -> Amount {
        let url = format!("http://{}/metrics", self.running.admin);
        let text = get(&url, &[]).await.text();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(Amount::ZERO, |value| {
            Amount::parse_ceil(value).expect(value)
        })
    }

    /// Settled and overrun of a budget that is not `per` anything.
    pub(crate) async fn spent(&self, budget: &str, unit: Unit) -> Amount {
        let mut sum = Amount::ZERO;
        for part in ["settled", "overrun"] {
            let labels = format!("budget=\"{budget}\",partition=\"\",unit=\"{unit}\"");
            let part = self
                .metric(&format!("quota_guard_budget_{part}{{{labels}}}"))
                .await;
            sum = sum.saturating_add(part);
        }
        sum
    }

    /// How often the pretend Planet was asked for this path.
    pub(crate) fn asked(&self, path: &str) -> u64 {
        self.simulator.bill().requests_to(&format!("GET {path}"))
    }
}

/// Waits until something is so.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    let waited = tokio::time::timeout(SOON, async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(waited.await.is_ok(), "in vain: {what}");
}
