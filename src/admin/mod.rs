//! What operators see and do: health, readiness and metrics, which need no token, and the admin API,
//! which takes a token with a role for every page.
//!
//! Whatever changes the books leaves a line in their record, with the name of the token.

mod access;
mod audit;
mod body;
mod budgets;
mod openapi;
mod problem;
mod query;
mod routes;
mod standing;
#[cfg(test)]
mod tests;
mod top_ups;
mod unknowns;

use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use serde::Serialize;
use tracing::error;

use self::problem::Problem;
use self::routes::{Page, Route};
use crate::clock::Clock;
use crate::ledger::{Ledger, differing};
use crate::policy::{Budget, Policy};
use crate::telemetry::{BudgetReading, Metrics};
use crate::upstream::{Body, full};

const TEXT: &str = "text/plain; charset=utf-8";
/// The text format that Prometheus asks for.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON: &str = "application/json";

/// The admin port.
pub struct Admin {
    pub policy: Arc<Policy>,
    pub ledger: Arc<dyn Ledger>,
    pub metrics: Arc<Metrics>,
    pub clock: Arc<dyn Clock>,
}

impl Admin {
    pub async fn handle(&self, request: Request<Body>) -> Response<Body> {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        match request.uri().path() {
            "/healthz" | "/readyz" | "/metrics" if !reads => {
                Problem::wrong_method("GET, HEAD").respond()
            }
            "/healthz" => answer(StatusCode::OK, TEXT, "ok\n"),
            "/readyz" => self.readiness().await,
            "/metrics" => self.metrics().await,
            _ => match self.page(request).await {
                Ok(response) => response,
                Err(problem) => problem.respond(),
            },
        }
    }

    /// A page of the API, for those who may have it.
    async fn page(&self, request: Request<Body>) -> Result<Response<Body>, Problem> {
        let (head, body) = request.into_parts();
        let route = Route::find(&head.method, head.uri.path());
        // whoever may not read learns nothing, not even which pages there are
        let bearer = access::admit(&self.policy, &head.headers, Route::needs(&route))?;
        let Route { page, .. } = route?;
        let (uri, now) = (&head.uri, self.clock.now());
        if page.takes_no_query() {
            query::Query::none(uri)?;
        }
        let order = (&head.headers, body);
        match page {
            Page::Budgets => Ok(document(StatusCode::OK, &self.budgets(uri, now).await?)),
            Page::TopUps(budget) => {
                let list = self.top_ups(&budget, uri, now).await?;
                Ok(document(StatusCode::OK, &list))
            }
            Page::TopUp(budget) => {
                let ordered = self.top_up(&budget, &bearer, order, now).await?;
                Ok(document(StatusCode::CREATED, &ordered))
            }
            Page::Unknowns => Ok(document(StatusCode::OK, &self.unknowns(uri).await?)),
            Page::Resolve(id) => {
                let resolved = self.resolve(&id, &bearer, order, now).await?;
                Ok(document(StatusCode::OK, &resolved))
            }
            Page::Audit => Ok(document(StatusCode::OK, &self.audit(uri).await?)),
            Page::OpenApi => Ok(answer(StatusCode::OK, JSON, openapi::DOCUMENT)),
        }
    }

    fn known_budget(&self, name: &str) -> Result<&Budget, Problem> {
        self.policy.budget(name).ok_or_else(|| {
            Problem::not_found(
                "The policy has no budget of this name; GET /api/v1/budgets lists them.",
            )
        })
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
        let Ok(books) = self.books().await else {
            return unreadable("the books cannot be read");
        };
        self.metrics
            .set_differing_limits(differing(&books.published).len());
        let standings = standing::standings(&self.policy, books, self.clock.now());
        let readings: Vec<BudgetReading> = standings.iter().map(BudgetReading::from).collect();
        match self.metrics.render(&readings) {
            Ok(text) => answer(StatusCode::OK, EXPOSITION, text),
            Err(cause) => {
                error!(error = &cause as &dyn std::error::Error, "no metrics");
                unreadable("the metrics cannot be read")
            }
        }
    }
}

fn unreadable(what: &'static str) -> Response<Body> {
    answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{what}\n"))
}

/// What only its reader may keep.
fn document(status: StatusCode, content: &impl Serialize) -> Response<Body> {
    let json = serde_json::to_string(content);
    let mut response = match json {
        Ok(json) => answer(status, JSON, json),
        Err(cause) => {
            error!(error = &cause as &dyn std::error::Error, "no JSON");
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The guard cannot write this down.",
            )
            .respond()
        }
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
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
