//! The main flows, driven over the wire by a real client.

mod flows;
mod mishaps;
mod surface;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use super::{Options, Simulator};
use crate::clock::ManualClock;

const NOW: &str = "2026-06-15T12:00:00Z";

/// A pretend Planet with a clock of its own, and a client with a key.
struct Bench {
    simulator: Simulator,
    clock: Arc<ManualClock>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// An answer that was read to its end.
struct Read {
    status: StatusCode,
    headers: HeaderMap,
    bytes: Bytes,
}

impl Bench {
    async fn new() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        let clock = Arc::new(ManualClock::starting(NOW.parse().unwrap()));
        let listen = "127.0.0.1:0".parse().unwrap();
        let simulator = Simulator::start(listen, options, clock.clone())
            .await
            .unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self {
            simulator,
            clock,
            client,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.simulator.address())
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Read, String> {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            self.url(path)
        };
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(url);
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.header("authorization", "api-key team-key");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let sent = self.client.request(request).await;
        let response: Response<_> = sent.map_err(|error| error.to_string())?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?;
        Ok(Read {
            status: head.status,
            headers: head.headers,
            bytes: body.to_bytes(),
        })
    }

    async fn get(&self, path: &str) -> Read {
        self.send("GET", path, &[], "").await.unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> Read {
        self.send("POST", path, &[], body.to_string())
            .await
            .unwrap()
    }

    fn pu(&self) -> String {
        self.simulator.bill().total_pu().to_string()
    }

    fn wait(&self, hours: u64) {
        self.clock.advance(Duration::from_hours(hours));
    }
}

impl Read {
    #[track_caller]
    fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.bytes);
        assert!(self.status.is_success(), "{} {text}", self.status);
        serde_json::from_slice(&self.bytes).unwrap_or_else(|_| panic!("no JSON: {text}"))
    }
}

fn field() -> Value {
    super::geo::rectangle([14.0, 46.0, 14.01, 46.01])
}

fn process_body() -> Value {
    json!({
        "input": {
            "bounds": {"bbox": [14.0, 46.0, 14.1, 46.1]},
            "data": [{"type": "sentinel-2-l2a", "dataFilter": {"timeRange":
                {"from": "2026-05-01T00:00:00Z", "to": "2026-05-31T23:59:59Z"}}}],
        },
        "output": {"width": 512, "height": 512,
            "responses": [{"identifier": "default", "format": {"type": "image/tiff"}}]},
        "evalscript": "//VERSION=3\nfunction setup() { return { input: ['B02', 'B03', 'B04', 'B08'], \
                       output: { bands: 4 } } }",
    })
}

fn order_body() -> Value {
    json!({"name": "one", "products": [{"item_ids": ["20260601_101500_11_24f1"],
        "item_type": "PSScene", "product_bundle": "analytic_8b_sr_udm2"}]})
}

fn subscription_body(start: &str, end: Option<&str>) -> Value {
    json!({"name": "field", "delivery": {"type": "google_cloud_storage", "parameters": {}},
        "source": {"type": "catalog", "parameters": {"item_types": ["PSScene"],
            "asset_types": ["ortho_analytic_8b_sr"], "geometry": field(),
            "start_time": start, "end_time": end}}})
}
