//! What operators see: health, readiness and metrics. Nothing here needs a token, and nothing here
//! changes anything.

mod readings;

use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use tracing::error;

use crate::clock::Clock;
use crate::ledger::Ledger;
use crate::policy::Policy;
use crate::telemetry::Metrics;
use crate::upstream::{Body, full};

const TEXT: &str = "text/plain; charset=utf-8";
/// The text format that Prometheus asks for.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The admin port.
pub struct Admin {
    pub policy: Arc<Policy>,
    pub ledger: Arc<dyn Ledger>,
    pub metrics: Arc<Metrics>,
    pub clock: Arc<dyn Clock>,
}

impl Admin {
    pub async fn handle(&self, request: Request<Body>) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return answer(
                StatusCode::METHOD_NOT_ALLOWED,
                TEXT,
                "This port only answers GET.\n",
            );
        }
        match request.uri().path() {
            "/healthz" => answer(StatusCode::OK, TEXT, "ok\n"),
            "/readyz" => self.readiness().await,
            "/metrics" => self.metrics().await,
            _ => answer(
                StatusCode::NOT_FOUND,
                TEXT,
                "Here are /healthz, /readyz and /metrics.\n",
            ),
        }
    }

    /// Ready is who can admit requests: whoever can write to the books.
    async fn readiness(&self) -> Response<Body> {
        match self.ledger.ping().await {
            Ok(()) => answer(StatusCode::OK, TEXT, "ready\n"),
            Err(cause) => {
                error!(error = &cause as &dyn std::error::Error, "not ready");
                answer(
                    StatusCode::SERVICE_UNAVAILABLE,
                    TEXT,
                    "the books cannot be written to\n",
                )
            }
        }
    }

    async fn metrics(&self) -> Response<Body> {
        let rendered = match self.ledger.balances().await {
            Ok(balances) => {
                let budgets = readings::readings(&self.policy, balances, self.clock.now());
                self.metrics
                    .render(&budgets)
                    .map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        match rendered {
            Ok(text) => answer(StatusCode::OK, EXPOSITION, text),
            Err(error) => {
                error!(error, "the metrics cannot be read");
                answer(
                    StatusCode::SERVICE_UNAVAILABLE,
                    TEXT,
                    "the books cannot be read\n",
                )
            }
        }
    }
}

fn answer(
    status: StatusCode,
    content_type: &'static str,
    text: impl Into<bytes::Bytes>,
) -> Response<Body> {
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
