//! A prediction is never less than the bill, for random requests of every API. The pretended Planet charges by
//! a reading of Planet's documents that shares no line with the guard's.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use quota_guard::clock::{Clock, ManualClock};
use quota_guard::guard::{Predicted, predict};
use quota_guard::planet::{Asked, Deployment, Found, Shown, Target, UpstreamKind, classify};
use quota_guard::policy::Policy;
use quota_guard::simulator::{Options, Simulator};
use quota_guard::units::{Amount, Unit};
use serde_json::{Value, json};

use crate::wild::{self, Sent};

pub(crate) const NOW: &str = "2026-06-15T12:00:00Z";

/// A pretended Planet whose clock stands still, and what the guard would predict of it.
pub(crate) struct Bench {
    runtime: tokio::runtime::Runtime,
    simulator: Simulator,
    clock: Arc<ManualClock>,
    client: Client<HttpConnector, Full<Bytes>>,
    policy: Policy,
}

pub(crate) type Reply = (StatusCode, HeaderMap, Bytes);

impl Bench {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let clock = Arc::new(ManualClock::starting(NOW.parse().expect("a time")));
        let listen = "127.0.0.1:0".parse().expect("an address");
        let pretended = Simulator::start(listen, Options::default(), clock.clone());
        let policy = "[plan]\ncharges = [\"pu\", \"km2\"]\n\
                      [upstreams.planet]\nurl = \"https://api.planet.com\"\nmount = \"/\"\n";
        Self {
            simulator: runtime.block_on(pretended).expect("it starts"),
            clock,
            client: Client::builder(TokioExecutor::new()).build_http(),
            policy: Policy::parse(policy, "p.toml").expect("a policy"),
            runtime,
        }
    }

    pub(crate) fn send(&self, sent: &Sent) -> Reply {
        let mut target = format!("http://{}{}", self.simulator.address(), sent.target);
        if sent.kind == UpstreamKind::Tiles {
            target += if target.contains('?') {
                "&api_key=K"
            } else {
                "?api_key=K"
            };
        }
        let mut request = Request::builder()
            .method(sent.method)
            .uri(target)
            .header("authorization", "Bearer K")
            .header(CONTENT_TYPE, "application/json");
        if let Some(accept) = sent.accept {
            request = request.header(ACCEPT, accept);
        }
        let request = request
            .body(Full::new(sent.text().into()))
            .expect("a request");
        self.runtime.block_on(async {
            let answer: Response<_> = self.client.request(request).await.expect("an answer");
            let (head, body) = answer.into_parts();
            let body = body.collect().await.expect("a body").to_bytes();
            (head.status, head.headers, body)
        })
    }

    pub(crate) fn reset(&self) {
        self.send(&Sent::new(
            UpstreamKind::Planet,
            "POST",
            "/_simulator/reset",
        ));
    }

    pub(crate) fn billed(&self, unit: Unit) -> Amount {
        let bill = self.simulator.bill();
        match unit {
            Unit::Pu => bill.total_pu().into(),
            Unit::Aum => bill.total_aum().into(),
            Unit::Km2 => bill.total_km2().into(),
            Unit::Quota => bill.total_quota().into(),
            Unit::Tiles => Amount::from_whole(bill.total_tiles()).expect("an amount"),
            Unit::Requests => Amount::ZERO,
        }
    }

    /// `None` where the guard would not let it pass, or would not understand it.
    pub(crate) fn predicted(&self, sent: &Sent, shown: &[Shown]) -> Option<Predicted> {
        let target = Target::parse(&sent.target).ok()?;
        let method: Method = sent.method.parse().expect("a method");
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "application/json".parse().expect("a value"));
        if let Some(accept) = sent.accept {
            headers.insert(ACCEPT, accept.parse().expect("a value"));
        }
        let body = sent.text();
        let asked = Asked {
            method: &method,
            route: &classify(sent.kind, &method, target.path()),
            path: target.path(),
            query: target.query(),
            headers: &headers,
            body: body.as_bytes(),
            deployment: Deployment::Main,
            found: Found {
                shown,
                activated: false,
            },
        };
        predict(&self.policy, &asked, self.clock.now()).ok()
    }

    /// What Planet shows at an address.
    pub(crate) fn shown(&self, kind: UpstreamKind, path: &str) -> Bytes {
        let (status, _, body) = self.send(&Sent::new(kind, "GET", path));
        assert_eq!(status, StatusCode::OK, "{path}");
        body
    }

    /// Sends a request and follows where it leads to, as the guard's callers do.
    fn follow(&self, sent: &Sent) -> StatusCode {
        let (status, headers, _) = self.send(sent);
        if let Some(location) = headers.get(LOCATION) {
            let location = location.to_str().expect("text");
            let target = location
                .split_once("//")
                .and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
            self.send(&Sent::new(
                UpstreamKind::Planet,
                "GET",
                target.expect(location),
            ));
        }
        status
    }

    fn check(
        &self,
        total: impl Fn(Unit) -> Amount,
        what: &dyn std::fmt::Debug,
    ) -> Result<(), TestCaseError> {
        for unit in [Unit::Pu, Unit::Aum, Unit::Km2, Unit::Tiles] {
            let (predicted, billed) = (total(unit), self.billed(unit));
            // the bill is kept in floating point, and rounded to a millionth
            let rounding = Amount::from_micros(billed.micros() / 1_000_000 + 1).expect("an amount");
            prop_assert!(
                predicted.saturating_add(rounding) >= billed,
                "{} predicted, {} billed: {} of {:?}",
                predicted,
                billed,
                unit.label(),
                what
            );
        }
        Ok(())
    }
}

fn total(predicted: &Predicted, unit: Unit) -> Amount {
    predicted.totals.get(unit).unwrap_or_default()
}

/// Runs the promise on so many random requests. Most of them must have been billed and bounded, for one that is
/// neither proves nothing.
fn on_each<S: Strategy>(
    cases: u32,
    bench: &Bench,
    strategy: S,
    promise: impl Fn(&Bench, &S::Value) -> Result<bool, TestCaseError>,
) where
    S::Value: std::fmt::Debug,
{
    let (met, all) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    };
    let run = TestRunner::new(config).run(&strategy, |value| {
        bench.reset();
        all.set(all.get() + 1);
        met.set(met.get() + u32::from(promise(bench, &value)?));
        Ok(())
    });
    if let Err(failure) = run {
        panic!("{failure}");
    }
    assert!(
        2 * met.get() >= all.get(),
        "only {} of {} were compared",
        met.get(),
        all.get()
    );
}

fn is_bounded(bench: &Bench, sent: &Sent) -> Result<bool, TestCaseError> {
    let Some(predicted) = bench.predicted(sent, &[]) else {
        return Ok(false);
    };
    let status = bench.follow(sent);
    bench.check(|unit| total(&predicted, unit), sent)?;
    Ok(status.is_success() || status.is_redirection())
}

#[test]
fn images_cost_no_more_than_predicted() {
    on_each(250, &Bench::new(), wild::image(), is_bounded);
}

#[test]
fn statistics_cost_no_more_than_predicted() {
    on_each(400, &Bench::new(), wild::figures(), is_bounded);
}

#[test]
fn queries_and_writes_cost_no_more_than_predicted() {
    on_each(200, &Bench::new(), wild::query(), is_bounded);
}

#[test]
fn images_by_ogc_cost_no_more_than_predicted() {
    on_each(200, &Bench::new(), wild::ogc(), is_bounded);
}

#[test]
fn orders_cost_no_more_than_predicted() {
    on_each(250, &Bench::new(), wild::order(), is_bounded);
}

#[test]
fn activations_downloads_quads_and_tiles_cost_no_more_than_predicted() {
    on_each(200, &Bench::new(), wild::address(), is_bounded);
}

#[test]
fn a_batch_costs_no_more_than_its_start_predicts() {
    on_each(250, &Bench::new(), wild::batch(), |bench, create| {
        let (status, _, body) = bench.send(create);
        prop_assert_eq!(status, StatusCode::CREATED);
        let created = bench.predicted(create, &[]).expect("creating is free");
        prop_assert!(created.totals.is_empty() && bench.billed(Unit::Pu).is_zero());
        let task: Value = serde_json::from_slice(&body).expect("a task");
        let path = format!("{}/{}", create.target, task["id"].as_str().expect("an id"));
        let start = Sent::new(UpstreamKind::SentinelHub, "POST", format!("{path}/start"));
        let shown = [Ok(bench.shown(UpstreamKind::SentinelHub, &path))];
        let Some(predicted) = bench.predicted(&start, &shown) else {
            return Ok(false);
        };
        bench.send(&start);
        bench.check(|unit| total(&predicted, unit), create)?;
        Ok(true)
    });
}

#[test]
fn a_subscription_costs_no_more_than_its_create_and_its_changes_predict() {
    let now: jiff::Timestamp = NOW.parse().expect("a time");
    let two = (
        wild::subscription(now),
        wild::subscription(now),
        0u64..200,
        any::<bool>(),
    );
    on_each(
        250,
        &Bench::new(),
        two,
        |bench, (first, second, days, put)| {
            let all = "/subscriptions/v1";
            let create = Sent::new(UpstreamKind::Planet, "POST", all).with(shifted(first, bench));
            let Some(created) = bench.predicted(&create, &[]) else {
                return Ok(false);
            };
            let (status, _, body) = bench.send(&create);
            prop_assert_eq!(status, StatusCode::OK);
            let one: Value = serde_json::from_slice(&body).expect("a subscription");
            let path = format!("{all}/{}", one["id"].as_str().expect("an id"));
            bench.clock.advance(Duration::from_hours(24 * days));

            let mut change = shifted(second, bench);
            let started = one["source"]["parameters"]["start_time"]
                .as_str()
                .expect("a start");
            change["source"]["parameters"]["start_time"] = json!(started);
            let method = if *put { "PUT" } else { "PATCH" };
            let revise = Sent::new(UpstreamKind::Planet, method, path.as_str()).with(change);
            let shown = [Ok(bench.shown(UpstreamKind::Planet, &path))];
            let revised = bench.predicted(&revise, &shown);
            let revised = revised.filter(|_| bench.send(&revise).0.is_success());

            bench.clock.advance(Duration::from_hours(24 * 700));
            bench.send(&Sent::new(UpstreamKind::Planet, "GET", path.as_str()));
            let sum = |unit| {
                let added = revised
                    .as_ref()
                    .map_or(Amount::ZERO, |revised| total(revised, unit));
                total(&created, unit).saturating_add(added)
            };
            bench.check(sum, &(&create, &revise, days))?;
            Ok(true)
        },
    );
}

/// A subscription's times, moved by as much as the clock has moved since it was made up.
fn shifted(body: &Value, bench: &Bench) -> Value {
    let start: jiff::Timestamp = NOW.parse().expect("a time");
    let by = bench.clock.now().duration_since(start);
    let mut moved = body.clone();
    for name in ["start_time", "end_time"] {
        let time = &mut moved["source"]["parameters"][name];
        let at: jiff::Timestamp = time.as_str().expect("a time").parse().expect("a time");
        *time = json!((at + by).to_string());
    }
    moved
}
