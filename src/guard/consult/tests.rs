use std::time::Duration;

use futures_util::future::join_all;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::errand::{Errand, Mishap};
use super::*;
use crate::clock::SystemClock;
use crate::guard::places::Places;
use crate::guard::predict::understand;
use crate::guard::refusal::Problem;
use crate::planet::counts::Count;
use crate::planet::subscriptions::{Source, SubscriptionAsk};
use crate::planet::{Asked, Deployment, Found, Target, UpstreamKind, classify};
use crate::simulator::{Fault, Options, Simulator};
use crate::upstream::{SendLimits, Trust, full};

const NOW: &str = "2026-06-15T12:00:00Z";

/// A pretend Planet, and a consultant who knows the way there.
struct Bench {
    simulator: Simulator,
    policy: Policy,
    places: Places,
    consultant: Consultant,
}

impl Bench {
    async fn new(rules: &str) -> Self {
        let any_port = ([127, 0, 0, 1], 0).into();
        let simulator = Simulator::start(any_port, Options::default(), Arc::new(SystemClock));
        let simulator = simulator.await.unwrap();
        let text = format!(
            "[upstreams.planet]\nurl = \"http://{}\"\nmount = \"/\"\n{rules}",
            simulator.address()
        );
        let policy = Policy::parse(&text, "p.toml").unwrap();
        let pool = Pool::new(Trust::Only(vec![])).unwrap();
        let metrics = Arc::new(Metrics::new().unwrap());
        Self {
            places: Places::open(&policy).unwrap(),
            consultant: Consultant::new(&policy, pool, Arc::new(SystemClock), metrics),
            policy,
            simulator,
        }
    }

    /// Asks the pretend Planet directly.
    async fn planet(&self, key: &str, path: &str, body: &Value) -> Value {
        let request = Request::post(format!("http://{}{path}", self.simulator.address()))
            .header(AUTHORIZATION, format!("api-key {key}"))
            .body(full(body.to_string()))
            .unwrap();
        let pool = Pool::new(Trust::Only(vec![])).unwrap();
        let limits = SendLimits::answer_within(Duration::from_secs(10));
        let answer = pool.send(request, limits).await.unwrap();
        let answer = answer.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&answer).unwrap()
    }

    /// So many fields of this caller's in a collection of their own: its reference, and theirs.
    async fn fields(&self, key: &str, many: usize) -> (String, Vec<String>) {
        let collections = "/features/v1/ogc/my/collections";
        let made = self
            .planet(key, collections, &json!({"title": "Fields"}))
            .await;
        let id = made["id"].as_str().unwrap().to_owned();
        let fields = vec![json!({"type": "Feature", "geometry": field(), "properties": {}}); many];
        let items = format!("{collections}/{id}/items");
        let made = self.planet(key, &items, &json!({"features": fields})).await;
        let references = made.as_array().unwrap().iter();
        let references = references.map(|one| one.as_str().unwrap().to_owned());
        (format!("pl:features/my/{id}"), references.collect())
    }

    async fn complete(&self, key: &str, path: &str, body: &Value) -> Result<Ask, Refusal> {
        let target = Target::parse(path).unwrap();
        let body = body.to_string();
        let mut headers = HeaderMap::new();
        let credential = HeaderValue::from_str(&format!("api-key {key}")).unwrap();
        headers.insert(AUTHORIZATION, credential);
        let now = NOW.parse().unwrap();
        let asked = Asked {
            method: &Method::POST,
            route: &classify(UpstreamKind::Planet, &Method::POST, path),
            path,
            query: target.query(),
            headers: &headers,
            body: body.as_bytes(),
            deployment: Deployment::Main,
            found: Found::default(),
        };
        let understood = understand(&self.policy, &asked, now)?;
        let presented = Presented::find(&headers, None).unwrap();
        let (place, _) = self.places.find(path).unwrap();
        let rights = Rights::of(place, &headers, target.query(), Some(&presented));
        let completed = self
            .consultant
            .complete(understood, &rights, &self.policy, now);
        completed.await.map(|understood| understood.reading.ask)
    }

    async fn subscribe(&self, key: &str, reference: &str) -> Result<Ask, Refusal> {
        let geometry = json!({"type": "ref", "content": reference});
        let body = subscription(&geometry, &json!({}));
        self.complete(key, "/subscriptions/v1", &body).await
    }

    fn suffer(&self, path: &str, times: u32, fault: &str) {
        let fault = Fault::new(None, path, times, fault).unwrap();
        self.simulator.inject(fault);
    }

    fn arrived(&self) -> u64 {
        self.simulator.bill().total_requests()
    }
}

fn field() -> Value {
    json!({"type": "Polygon", "coordinates":
        [[[14.0, 46.0], [14.01, 46.0], [14.01, 46.01], [14.0, 46.01], [14.0, 46.0]]]})
}

fn subscription(geometry: &Value, more: &Value) -> Value {
    let mut parameters = json!({"item_types": ["PSScene"], "asset_types": ["ortho_visual"],
        "geometry": geometry, "start_time": "2025-01-01T00:00:00Z", "end_time": "2026-01-01T00:00:00Z"});
    for (name, value) in more.as_object().unwrap() {
        parameters[name] = value.clone();
    }
    json!({"name": "s", "source": {"parameters": parameters}, "delivery": {"type": "amazon_s3"}})
}

fn subscriptions(ask: &Ask) -> &[SubscriptionAsk] {
    match ask {
        Ask::Subscriptions(all) => all,
        other => panic!("{other:?}"),
    }
}

fn why(ask: &Ask) -> &str {
    match ask {
        Ask::Unbounded(unbounded) => &unbounded.why,
        other => panic!("{other:?}"),
    }
}

fn count(ask: &Ask) -> &Count {
    match &subscriptions(ask)[0].source {
        Source::Catalog(catalog) => &catalog.counts[0],
        Source::Product(product) => panic!("{product:?}"),
    }
}

#[tokio::test]
async fn twenty_who_name_one_feature_have_it_looked_up_once() {
    let bench = Bench::new("").await;
    let (_, fields) = bench.fields("K", 1).await;
    let before = bench.arrived();
    let asked = (0..20).map(|_| bench.subscribe("K", &fields[0]));
    for ask in join_all(asked).await {
        let ask = ask.unwrap();
        assert!(subscriptions(&ask)[0].geometry.shape().is_some(), "{ask:?}");
    }
    assert_eq!(bench.arrived() - before, 1);
}

#[tokio::test]
async fn what_one_caller_was_shown_is_shown_to_no_other() {
    let bench = Bench::new("").await;
    let (collection, fields) = bench.fields("K", 2).await;
    for reference in [&fields[0], &collection] {
        assert!(bench.subscribe("K", reference).await.is_ok());
        let refusal = bench.subscribe("L", reference).await.unwrap_err();
        assert_eq!(refusal.problem, Problem::NotUnderstood);
        assert!(refusal.detail.contains(&**reference), "{}", refusal.detail);
    }
}

#[tokio::test]
async fn a_feature_is_looked_up_anew_once_one_has_changed() {
    let bench = Bench::new("").await;
    let (_, fields) = bench.fields("K", 1).await;
    let before = bench.arrived();
    for lookups in [1, 1] {
        bench.subscribe("K", &fields[0]).await.unwrap();
        assert_eq!(bench.arrived() - before, lookups);
    }
    bench.consultant.features_changed();
    bench.subscribe("K", &fields[0]).await.unwrap();
    assert_eq!(bench.arrived() - before, 2);
}

#[tokio::test]
async fn a_feature_that_goes_by_another_name_is_found_in_its_collection() {
    let bench = Bench::new("").await;
    let (collection, fields) = bench.fields("K", 150).await;
    let collection = collection.trim_start_matches("pl:features/my/");
    let items = format!("/features/v1/ogc/my/collections/{collection}/items/");
    bench.suffer(&items, 1, "status=404");
    let ask = bench.subscribe("K", &fields[140]).await.unwrap();
    assert_eq!(
        subscriptions(&ask)[0].feature.as_ref().unwrap().as_str(),
        fields[140]
    );
    let strange = format!("{}x", fields[0]);
    assert!(bench.subscribe("K", &strange).await.is_err());
}

#[tokio::test]
async fn a_collection_is_read_to_its_end_unless_it_is_huge() {
    let bench = Bench::new("").await;
    let (collection, fields) = bench.fields("K", 250).await;
    let before = bench.arrived();
    let ask = bench.subscribe("K", &collection).await.unwrap();
    assert_eq!(bench.arrived() - before, 3, "a hundred at a time");
    let mut found: Vec<_> = subscriptions(&ask)
        .iter()
        .map(|one| one.feature.as_ref().unwrap().as_str())
        .collect();
    found.sort_unstable();
    let mut fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(found, fields);

    let (huge, _) = bench.fields("K", 1_001).await;
    let before = bench.arrived();
    let ask = bench.subscribe("K", &huge).await.unwrap();
    assert!(
        why(&ask).contains("more than 1000 features"),
        "{}",
        why(&ask)
    );
    assert_eq!(bench.arrived() - before, 1, "its first page says how many");
    let (empty, _) = bench.fields("K", 0).await;
    let ask = bench.subscribe("K", &empty).await.unwrap();
    assert!(why(&ask).contains("holds no feature"), "{}", why(&ask));
}

#[tokio::test]
async fn without_an_answer_an_area_has_no_bound() {
    let bench = Bench::new("[server.limits]\nupstream_timeout = \"300ms\"\n").await;
    let (_, fields) = bench.fields("K", 1).await;
    for (fault, expected) in [
        ("stall", "did not answer within 300ms"),
        ("status=500", "answered 500"),
        ("status=403", "answered 403"),
        ("reset-after-charge", "broke off"),
        ("truncate", ""),                 // while its head or its body is read
        ("slow-body=2s", "within 300ms"), // by the clock of the body or of the whole errand
        ("gzip", "compressed"),
    ] {
        bench.suffer("/features", 1, fault);
        let ask = bench.subscribe("K", &fields[0]).await.unwrap();
        let why = why(&ask);
        assert!(
            why.contains(expected) && why.contains(&fields[0]),
            "{fault}: {why}"
        );
    }
    assert!(
        bench.subscribe("K", &fields[0]).await.is_ok(),
        "a failure is not remembered"
    );
    let elsewhere = bench
        .subscribe("K", "pl:features/elsewhere/a/b")
        .await
        .unwrap();
    assert!(why(&elsewhere).contains("can be looked up"));
}

#[tokio::test]
async fn what_needs_no_word_of_planets_asks_for_none() {
    let bench = Bench::new("").await;
    let body = subscription(&field(), &json!({}));
    let ask = bench
        .complete("K", "/subscriptions/v1", &body)
        .await
        .unwrap();
    assert!(
        matches!(&subscriptions(&ask)[0].source, Source::Catalog(catalog)
        if catalog.counts.is_empty())
    );
    assert_eq!(bench.arrived(), 0);
}

const LIVE: &str =
    "[policy]\nlive_estimates = true\n[server.limits]\nupstream_timeout = \"300ms\"\n";

#[tokio::test]
async fn scenes_are_counted_once_for_a_dry_run_and_the_request_behind_it() {
    let bench = Bench::new(LIVE).await;
    for _ in 0..2 {
        let body = subscription(&field(), &json!({}));
        let ask = bench
            .complete("K", "/subscriptions/v1", &body)
            .await
            .unwrap();
        assert!(matches!(count(&ask), Count::Counted(_)), "{ask:?}");
    }
    assert_eq!(
        bench.arrived(),
        3,
        "all, their sum, and those at their last stage"
    );
}

#[tokio::test]
async fn a_count_that_fails_is_told_and_of_two_the_second_may() {
    let bench = Bench::new(LIVE).await;
    let body = subscription(&field(), &json!({"publishing_stages": ["finalized"]}));
    for fault in ["stall", "status=429", "truncate", "reset-before-charge"] {
        bench.suffer("/data/v1/stats", 1, fault);
        let ask = bench
            .complete("K", "/subscriptions/v1", &body)
            .await
            .unwrap();
        assert!(matches!(count(&ask), Count::Failed(_)), "{fault}: {ask:?}");
    }
    let twice = subscription(&field(), &json!({}));
    bench.suffer("/data/v1/stats", 3, "status=500");
    let ask = bench
        .complete("K", "/subscriptions/v1", &twice)
        .await
        .unwrap();
    assert!(matches!(count(&ask), Count::Failed(_)), "{ask:?}");
}

#[tokio::test]
async fn more_counts_than_anybody_waits_for_are_not_asked_for() {
    let bench = Bench::new(LIVE).await;
    let many = vec![subscription(&field(), &json!({})); 21];
    let body = json!({ "subscriptions": many });
    let ask = bench
        .complete("K", "/subscriptions/v1/bulk", &body)
        .await
        .unwrap();
    assert!(
        matches!(count(&ask), Count::Failed(why) if why.contains("more calls")),
        "{ask:?}"
    );
    assert_eq!(bench.arrived(), 0);
}

#[tokio::test]
async fn nothing_is_asked_that_could_cost() {
    let bench = Bench::new("").await;
    let headers = HeaderMap::new();
    let (place, _) = bench.places.find("/").unwrap();
    let rights = Rights::of(place, &headers, Query::new(None), None);
    let visit = Visit {
        errands: &bench.consultant.errands,
        rights: &rights,
        deadline: Instant::now() + Duration::from_secs(5),
        patience: Duration::from_secs(5),
    };
    for errand in [
        Errand::get("/data/v1/assets/abc/activate".into()),
        Errand::get("/data/v1/download?token=x".into()),
        Errand::post("/account/v1/quota-reservations/", "{}"),
        Errand::get(
            "/features/v1/ogc/my/collections/../../../../../data/v1/assets/x/activate".into(),
        ),
        Errand::get("/never/heard/of".into()),
    ] {
        let mishap = visit.run(errand.clone()).await.unwrap_err();
        assert!(
            matches!(mishap, Mishap::Unsendable(_)),
            "{errand:?}: {mishap}"
        );
    }
    assert_eq!(bench.arrived(), 0);
}
