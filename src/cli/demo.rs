//! `demo`: a pretend Planet, a guard before it, and traffic that shows caps holding.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::boot::{self, Running};
use crate::clock::SystemClock;
use crate::policy::Policy;
use crate::simulator::{Options, Simulator};

/// The sample policy; its addresses are replaced by those of this run.
const POLICY: &str = include_str!("../../config/demo.toml");
/// The keys whose hashes stand in the sample policy.
const AGRICULTURE: &str = "demo-agriculture";
const FORESTRY: &str = "demo-forestry";

/// Of an answer that is shown.
const SHOWN: usize = 300;
/// Of a link.
const SHOWN_LINK: usize = 80;

pub(super) async fn run() -> anyhow::Result<()> {
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let simulator = Simulator::start(any_port, Options::default(), Arc::new(SystemClock)).await?;
    let folder = std::env::temp_dir().join(format!("quota-guard-demo-{}", std::process::id()));
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let text = POLICY
        .replace(
            "http://127.0.0.1:9090",
            &format!("http://{}", simulator.address()),
        )
        .replace(
            "http://localhost:9090",
            &format!("http://localhost:{}", simulator.address().port()),
        )
        .replace("127.0.0.1:8080", "127.0.0.1:0")
        .replace("127.0.0.1:8081", "127.0.0.1:0")
        .replace(
            "sqlite:demo.db",
            &format!("sqlite:{}", folder.join("demo.db").display()),
        );
    let policy =
        Policy::parse(&text, "config/demo.toml").map_err(|fault| anyhow::anyhow!("{fault}"))?;
    let running = boot::start(policy, Arc::new(SystemClock)).await?;
    println!(
        "simulator  http://{}  (its bill: /_simulator/bill)",
        simulator.address()
    );
    println!("guard      {}", running.public_url);
    println!(
        "admin      http://{}  (/metrics, /healthz, /readyz)\n",
        running.admin
    );
    let client = Client {
        http: hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http(),
        guard: running.public_url.clone(),
    };
    client.tell_the_story().await?;
    show_budgets(&client, &running).await?;
    println!(
        "\nPlanet, pretended, has billed {} PU. Still serving; Ctrl-C ends it.",
        simulator.bill().total_pu()
    );
    super::asked_to_stop().await?;
    _ = running.stop().await;
    simulator.stop().await;
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))
}

/// One line of what each budget has left.
async fn show_budgets(client: &Client, running: &Running) -> anyhow::Result<()> {
    let url = format!("http://{}/metrics", running.admin);
    let (_, metrics) = client.call(Method::GET, &url, "", None).await?;
    println!("\nWhat is left, as /metrics has it:");
    for line in String::from_utf8_lossy(&metrics).lines() {
        if let Some(series) = line.strip_prefix("quota_guard_budget_remaining") {
            println!("  {series}");
        }
    }
    Ok(())
}

struct Client {
    http: hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>,
    guard: String,
}

impl Client {
    async fn tell_the_story(&self) -> anyhow::Result<()> {
        let search =
            json!({"item_types": ["PSScene"], "filter": {"type": "AndFilter", "config": []}});
        self.step(
            "A search is free",
            AGRICULTURE,
            "/data/v1/quick-search",
            search,
        )
        .await?;
        self.step(
            "An image is predicted, and settled with what Planet charged",
            AGRICULTURE,
            PROCESS,
            image(512),
        )
        .await?;
        self.step(
            "An order of two scenes, clipped",
            AGRICULTURE,
            "/compute/ops/orders/v2",
            order(),
        )
        .await?;
        self.download().await?;
        self.step(
            "A subscription for ten years back",
            AGRICULTURE,
            "/subscriptions/v1",
            backfill(),
        )
        .await?;
        self.step("A key that nobody knows", "qg_nobody", PROCESS, image(512))
            .await?;
        self.step(
            "A body that servers could read in two ways",
            AGRICULTURE,
            PROCESS,
            Value::Null,
        )
        .await?;
        println!("- A script of the forestry team asks for large images in a loop");
        let (mut passed, mut refused) = (0, 0);
        for _ in 0..40 {
            let url = format!("{}{PROCESS}", self.guard);
            let (response, _) = self
                .call(Method::POST, &url, FORESTRY, Some(image(2500)))
                .await?;
            if response.status().is_success() {
                passed += 1;
            } else {
                refused += 1;
            }
        }
        println!("    {passed} passed, {refused} were refused: its budget held");
        Ok(())
    }

    /// The first file of the order that was placed.
    async fn download(&self) -> anyhow::Result<()> {
        let orders = format!("{}/compute/ops/orders/v2", self.guard);
        let (_, listed) = self.call(Method::GET, &orders, AGRICULTURE, None).await?;
        let listed: Value = serde_json::from_slice(&listed)?;
        let order = text(&listed["orders"][0]["_links"]["_self"])?;
        let mut done = Value::Null;
        while done["_links"]["results"].is_null() {
            let (_, answer) = self.call(Method::GET, order, AGRICULTURE, None).await?;
            done = serde_json::from_slice(&answer)?;
        }
        let file = text(&done["_links"]["results"][0]["location"])?;
        let (response, bytes) = self.call(Method::GET, file, AGRICULTURE, None).await?;
        println!(
            "- Its first file: the link is the guard's own, and each byte is counted\n    GET {}… -> {}, {} bytes",
            file.chars().take(SHOWN_LINK).collect::<String>(),
            response.status(),
            bytes.len()
        );
        Ok(())
    }

    async fn step(&self, title: &str, key: &str, path: &str, body: Value) -> anyhow::Result<()> {
        let url = format!("{}{path}", self.guard);
        let (response, answer) = self.call(Method::POST, &url, key, Some(body)).await?;
        println!("- {title}\n    POST {path} -> {}", response.status());
        for name in ["quota-guard-estimate", "quota-guard-charge", "ratelimit"] {
            if let Some(value) = response.headers().get(name) {
                println!("    {name}: {}", value.to_str().unwrap_or("?"));
            }
        }
        if !response.status().is_success() {
            let problem: Value = serde_json::from_slice(&answer).unwrap_or_default();
            let sentence: String = problem["detail"]
                .as_str()
                .unwrap_or_default()
                .chars()
                .take(SHOWN)
                .collect();
            println!("    {sentence}");
        }
        Ok(())
    }

    async fn call(
        &self,
        method: Method,
        url: &str,
        key: &str,
        body: Option<Value>,
    ) -> anyhow::Result<(Response<()>, Bytes)> {
        let text = match body {
            None => String::new(),
            Some(Value::Null) => r#"{"input": {}, "input": {}}"#.to_owned(),
            Some(body) => body.to_string(),
        };
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header(AUTHORIZATION, format!("api-key {key}"))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(text))?;
        let (head, body) = self.http.request(request).await?.into_parts();
        let answer = body.collect().await?.to_bytes();
        Ok((Response::from_parts(head, ()), answer))
    }
}

fn text(value: &Value) -> anyhow::Result<&str> {
    value
        .as_str()
        .context("the pretended Planet leaves a link out")
}

const PROCESS: &str = "/sentinel-hub/api/v1/process";

fn image(side: u32) -> Value {
    json!({
        "input": {
            "bounds": {"bbox": [14.0, 46.0, 14.1, 46.1]},
            "data": [{"type": "sentinel-2-l2a", "dataFilter": {"timeRange":
                {"from": "2026-06-01T00:00:00Z", "to": "2026-06-30T23:59:59Z"}}}]},
        "output": {"width": side, "height": side,
                   "responses": [{"identifier": "default", "format": {"type": "image/png"}}]},
        "evalscript": "//VERSION=3\nfunction setup() { return { input: [\"B02\", \"B03\", \"B04\"], \
                       output: { bands: 3 } } }\nfunction evaluatePixel(s) { return [s.B04, s.B03, s.B02] }"
    })
}

fn field() -> Value {
    json!({"type": "Polygon", "coordinates":
        [[[14.50, 46.00], [14.5086, 46.00], [14.5086, 46.006], [14.50, 46.006], [14.50, 46.00]]]})
}

fn order() -> Value {
    json!({
        "name": "two scenes",
        "products": [{"item_ids": ["20260601_101500_11_24f1", "20260602_101733_48_24c9"],
                      "item_type": "PSScene", "product_bundle": "analytic_8b_sr_udm2"}],
        "tools": [{"clip": {"aoi": field()}}]
    })
}

fn backfill() -> Value {
    json!({
        "name": "the same field since 2016",
        "source": {"type": "catalog", "parameters": {
            "item_types": ["PSScene"], "asset_types": ["ortho_analytic_8b_sr", "ortho_udm2"],
            "geometry": field(), "start_time": "2016-01-01T00:00:00Z", "end_time": "2026-01-01T00:00:00Z"}},
        "tools": [{"type": "clip", "parameters": {}}],
        "delivery": {"type": "google_cloud_storage", "parameters": {"bucket": "b", "credentials": "c2VjcmV0"}}
    })
}
