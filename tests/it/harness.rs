//! A world for a story: a simulator, the real binary in front of it, and a client beside it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use quota_guard::clock::SystemClock;
use quota_guard::simulator::{Options, Simulator};
use quota_guard::units::Amount;
use serde_json::Value;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_quota-guard");
/// The key of team `agriculture`.
pub(crate) const KEY: &str = "qg_agriculture";
/// What the guard shows upstream instead.
pub(crate) const UPSTREAM_KEY: &str = "PLAK-upstream-secret";

pub(crate) struct World {
    pub(crate) simulator: Simulator,
    pub(crate) guard: Guard,
    pub(crate) folder: tempfile::TempDir,
}

/// A running `quota-guard serve`.
pub(crate) struct Guard {
    process: Child,
    pub(crate) url: String,
    pub(crate) admin: String,
}

/// What came back, whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl World {
    /// Starts everything with these budgets (and whatever else) added to the policy.
    pub(crate) async fn start(policy: &str) -> Self {
        Self::start_changed(policy, |base| base).await
    }

    /// The same, with the data port over TLS by the test certificate.
    pub(crate) async fn start_over_tls(policy: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls");
        let (cert, key) = (folder.join("localhost.pem"), folder.join("localhost.key"));
        let (cert, key) = (cert.display(), key.display());
        let tls = format!("[server]\ntls = {{ cert = \"{cert}\", key = \"{key}\" }}\n");
        Self::start_changed(policy, |base| base.replace("[server]\n", &tls)).await
    }

    /// The same, with a simulator that behaves as it is told.
    pub(crate) async fn start_before(options: Options, policy: &str) -> Self {
        Self::start_with(options, policy, |base| base).await
    }

    /// The same, with a base policy that was changed.
    pub(crate) async fn start_changed(policy: &str, change: impl FnOnce(String) -> String) -> Self {
        Self::start_with(Options::default(), policy, change).await
    }

    pub(crate) async fn start_with(
        options: Options,
        policy: &str,
        change: impl FnOnce(String) -> String,
    ) -> Self {
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let simulator = Simulator::start(any_port, options, Arc::new(SystemClock))
            .await
            .expect("the simulator starts");
        let folder = tempfile::tempdir().expect("a folder");
        let upstream = format!("http://{}", simulator.address());
        let path = folder.path().join("policy.toml");
        let base = change(base_policy(&upstream, folder.path()));
        std::fs::write(&path, base + policy).expect("a file");
        let guard = Guard::start(&path);
        Self {
            simulator,
            guard,
            folder,
        }
    }

    pub(crate) fn policy_file(&self) -> PathBuf {
        self.folder.path().join("policy.toml")
    }

    /// Ends the guard as a power cut would, and starts it anew on the same files.
    pub(crate) fn kill_and_restart(&mut self) {
        self.guard.kill();
        self.guard = Guard::start(&self.policy_file());
    }

    /// Tells the guard to stop, waits until it has, and starts it anew on the same files.
    pub(crate) fn stop_and_restart(&mut self) {
        self.guard.stop();
        self.guard = Guard::start(&self.policy_file());
    }

    /// What the simulator has billed in all.
    pub(crate) fn billed(&self) -> Amount {
        self.simulator.bill().total_pu().into()
    }

    /// One gauge or counter as `/metrics` has it, zero where it is not there.
    pub(crate) async fn metric(&self, series: &str) -> Amount {
        let text = get(&format!("{}/metrics", self.guard.admin), &[])
            .await
            .text();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(Amount::ZERO, |value| {
            Amount::parse_ceil(value).expect(value)
        })
    }

    /// settled + overrun + unknown + held of a budget that is not `per` anything.
    pub(crate) async fn booked(&self, budget: &str) -> Amount {
        let mut sum = Amount::ZERO;
        for part in ["settled", "overrun", "unknown", "held"] {
            let series = format!(
                "quota_guard_budget_{part}{{budget=\"{budget}\",partition=\"\",unit=\"pu\"}}"
            );
            sum = sum.checked_add(self.metric(&series).await).expect("a sum");
        }
        sum
    }
}

impl Guard {
    pub(crate) fn start(policy: &Path) -> Self {
        Self::start_by(
            Command::new(PROGRAM)
                .args(["serve", "--config"])
                .arg(policy),
        )
    }

    /// By a command that becomes `quota-guard serve`.
    pub(crate) fn start_by(command: &mut Command) -> Self {
        let mut process = command
            .env("TEST_PLANET_KEY", UPSTREAM_KEY)
            .env("TEST_CLIENT_ID", "client-of-the-guard")
            .env("TEST_CLIENT_SECRET", UPSTREAM_KEY)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the guard starts");
        let lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let (mut url, mut admin) = (None, None);
        for line in lines.map_while(Result::ok) {
            if let Some(address) = line.strip_prefix("guard ") {
                url = Some(address.trim().to_owned());
            } else if let Some(address) = line.strip_prefix("admin ") {
                admin = Some(address.trim().to_owned());
                break;
            }
        }
        let url = url.expect("the guard says where it listens");
        Self {
            process,
            url,
            admin: admin.expect("the guard says where its admin port is"),
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("the guard can be killed");
        self.process.wait().expect("it is gone");
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.process.id();
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -{name} {pid}")])
            .status();
        assert!(sent.expect("a shell").success(), "{name} to {pid}");
    }

    /// Asks it to end, as an operator would, and waits until it has.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.process.wait().expect("it ends")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }
}

pub(crate) async fn get(url: &str, headers: &[(&str, &str)]) -> Reply {
    call(Method::GET, url, headers, Bytes::new()).await
}

pub(crate) async fn post(url: &str, body: &Value) -> Reply {
    send(Method::POST, url, body).await
}

/// With the key of agriculture; `null` sends nothing.
pub(crate) async fn send(method: Method, url: &str, body: &Value) -> Reply {
    let authorization = format!("api-key {KEY}");
    let headers = [
        ("authorization", &*authorization),
        ("content-type", "application/json"),
    ];
    let body = if body.is_null() {
        Bytes::new()
    } else {
        body.to_string().into()
    };
    call(method, url, &headers, body).await
}

pub(crate) async fn call(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Reply {
    try_call(method, url, headers, body).await.expect(url)
}

/// `None` when the connection broke.
pub(crate) async fn try_call(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Option<Reply> {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build_http();
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body)).expect("a request");
    let (head, body) = client.request(request).await.ok()?.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    Some(Reply {
        status: head.status,
        headers: head.headers,
        body,
    })
}

/// One upstream for each host of Planet's, all of them the simulator, and one team. Storage is the
/// simulator too, by another name.
pub(crate) fn base_policy(upstream: &str, folder: &Path) -> String {
    let storage = upstream.replace("127.0.0.1", "localhost");
    let hash = quota_guard::identity::hash(KEY);
    format!(
        r#"
[server]
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
[server.limits]
upstream_timeout = "3s"
[store]
url = "sqlite:{store}"
[upstreams.planet]
url = "{upstream}"
mount = "/"
download_hosts = ["{storage}"]
credential = {{ api_key = {{ env = "TEST_PLANET_KEY" }} }}
[upstreams.tiles]
url = "{upstream}"
mount = "/tiles"
credential = {{ api_key = {{ env = "TEST_PLANET_KEY" }} }}
[upstreams.sentinel-hub]
url = "{upstream}"
mount = "/sentinel-hub"
[[teams]]
name = "agriculture"
keys = [{{ id = "ag", sha256 = "{hash}" }}]
"#,
        store = folder.join("books.db").display(),
    )
}
