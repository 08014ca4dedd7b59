//! The API over the model of the books: what each page says, and what it refuses.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::Admin;
use crate::clock::{Clock, ManualClock};
use crate::identity::hash;
use crate::ledger::{Model, NewReservation, Outcome, RequestId, Reserved};
use crate::policy::{Caller, Policy, Role};
use crate::telemetry::Metrics;
use crate::units::{Amount, Amounts, Unit, UtcTime};
use crate::upstream::full;

const NOW: &str = "2026-11-22T12:00:00Z";

struct Desk {
    admin: Admin,
    clock: Arc<ManualClock>,
}

fn at(text: &str) -> UtcTime {
    text.parse().expect(text)
}

fn amount(text: &str) -> Amount {
    text.parse().expect(text)
}

impl Desk {
    fn new() -> Self {
        let token = |role: Role| {
            let sha256 = hash(role.name());
            format!("{{ name = \"the-{role}\", sha256 = \"{sha256}\", role = \"{role}\" }}, ")
        };
        let tokens: String = Role::ALL.map(token).concat();
        let text = format!(
            r#"
            [admin]
            tokens = [{tokens}]
            [upstreams.planet]
            url = "https://api.planet.com"
            mount = "/"
            [[teams]]
            name = "agriculture"
            keys = [{{ id = "ag", sha256 = "{}" }}]
            [[budgets]]
            name = "aum"
            unit = "aum"
            limit = 100
            window = "forever"
            [[budgets]]
            name = "calls"
            unit = "requests"
            window = "day"
            per = ["team"]
            [[budgets]]
            name = "org"
            unit = "pu"
            limit = 10
            window = "month"
            [[budgets]]
            name = "team-api"
            unit = "pu"
            limit = 5
            window = "day"
            per = ["team", "api"]
            "#,
            "1".repeat(64)
        );
        let clock = Arc::new(ManualClock::starting(at(NOW)));
        let admin = Admin {
            policy: Arc::new(Policy::parse(&text, "p.toml").unwrap_or_else(|e| panic!("{e}"))),
            ledger: Arc::new(Model::default()),
            metrics: Arc::new(Metrics::new().unwrap()),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
        };
        Self { admin, clock }
    }

    async fn ask(&self, method: Method, path: &str, role: &str, body: &str) -> (u16, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {role}"))
            .body(full(body.to_owned()))
            .unwrap();
        let response = self.admin.handle(request).await;
        let status = response.status().as_u16();
        let text: Bytes = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&text).into_owned();
        let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        (status, value)
    }

    async fn get(&self, path: &str) -> Value {
        let (status, value) = self.ask(Method::GET, path, "viewer", "").await;
        assert_eq!(status, 200, "{path}: {value}");
        value
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.ask(Method::POST, path, "admin", &body.to_string())
            .await
    }

    /// What the refusal of an order says.
    async fn refused(&self, path: &str, body: &str) -> (u16, String) {
        let (status, problem) = self.ask(Method::POST, path, "admin", body).await;
        assert_eq!(problem["status"], status, "{problem}");
        let detail = problem["detail"].as_str().expect("a detail").to_owned();
        (status, detail)
    }

    /// Reserves for a request of the team's, numbered so that ids sort.
    async fn reserve(&self, number: u8, predicted: Amounts) -> (RequestId, Reserved) {
        let now = self.clock.now();
        let caller = Caller {
            team: "agriculture".into(),
            key: "ag".into(),
            apis: None,
        };
        let call = crate::policy::Call {
            api: crate::planet::Api::Orders,
            products: &[Arc::from("PSScene")],
        };
        let new = NewReservation {
            request: RequestId::new(now, [number; 10]),
            team: "agriculture".into(),
            key: "ag".into(),
            api: "orders",
            product: Some("PSScene".into()),
            tag: Some("harvest".into()),
            fingerprint: None,
            claims: self.admin.policy.judge(&caller, call, &predicted, now),
            predicted,
            certain: true,
        };
        let reserved = self.admin.ledger.reserve(&new, now).await.unwrap();
        (new.request, reserved)
    }

    /// A request in doubt.
    async fn doubt(&self, number: u8, predicted: Amounts) -> RequestId {
        let (id, reserved) = self.reserve(number, predicted).await;
        assert!(matches!(reserved, Reserved::Granted(_)), "{reserved:?}");
        let why = "planet did not answer within 3s".to_owned();
        let outcome = Outcome::Unknown { why };
        let closed = self.admin.ledger.close(id, &outcome, self.clock.now());
        closed.await.unwrap();
        id
    }
}

fn pu(text: &str) -> Amounts {
    Amounts::of(Unit::Pu, amount(text))
}

fn both() -> Amounts {
    [(Unit::Pu, amount("4")), (Unit::Aum, amount("20"))]
        .into_iter()
        .collect()
}

#[tokio::test]
async fn a_budget_says_how_it_stands_in_the_contracts_words() {
    let desk = Desk::new();
    desk.doubt(1, pu("1.000001")).await;
    let list = desk.get("/api/v1/budgets?budget=org").await;
    assert_eq!(list["next"], Value::Null);
    assert_eq!(
        list["items"][0],
        json!({
            "name": "org", "unit": "pu", "limit": 10, "partition": "",
            "window": {"start": "2026-11-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"},
            "settled": 0, "held": 0, "unknown": 1.000_001, "overrun": 0, "top_up": 0,
            "remaining": 8.999_999, "percent": 10, "state": "ok", "days_left": 9,
            "exhausts_at": null,
        })
    );
}

#[tokio::test]
async fn a_list_is_walked_page_by_page_to_its_end() {
    let desk = Desk::new();
    desk.doubt(1, pu("1")).await;
    let mut path = "/api/v1/budgets?limit=1".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = desk.get(&path).await;
        let items = page["items"].as_array().expect("items");
        seen.extend(items.iter().map(|item| {
            let text = |member: &str| item[member].as_str().expect("text").to_owned();
            format!("{} {}", text("name"), text("partition"))
        }));
        match page["next"].as_str() {
            Some(next) => path = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(
        seen,
        [
            "aum ",
            "calls team=agriculture",
            "org ",
            "team-api team=agriculture,api=orders"
        ]
    );
    let low = desk.get("/api/v1/budgets?state=unlimited").await;
    assert_eq!(low["items"].as_array().map(Vec::len), Some(1));
    for (query, status) in [
        ("state=full", 400),
        ("after=org", 400),
        ("budget=other", 404),
        ("limit=0", 400),
        ("order=name", 400),
    ] {
        let path = format!("/api/v1/budgets?{query}");
        let (answered, problem) = desk.ask(Method::GET, &path, "viewer", "").await;
        assert_eq!(answered, status, "{query}: {problem}");
    }
}

#[tokio::test]
async fn a_top_up_lets_a_refused_request_pass_and_stands_in_the_record() {
    let desk = Desk::new();
    let refused = desk.reserve(1, pu("12")).await.1;
    assert!(matches!(refused, Reserved::Full(_)));
    for budget in ["org", "team-api"] {
        let partition = match budget {
            "org" => "",
            _ => "team=agriculture,api=orders",
        };
        let order = json!({"amount": 7.5, "unit": "pu", "reason": "harvest", "partition": partition,
                           "expires": "2027-01-01T00:00:00Z"});
        let path = format!("/api/v1/budgets/{budget}/top-ups");
        let (status, answer) = desk.post(&path, &order).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        assert_eq!(answer["by"], "the-admin");
        assert_eq!(answer["left"], json!(7.5));
        if budget == "org" {
            assert_eq!(answer["remaining"], json!(17.5));
        }
    }
    let granted = desk.reserve(2, pu("12")).await.1;
    assert!(matches!(granted, Reserved::Granted(_)), "{granted:?}");
    let list = desk.get("/api/v1/budgets/org/top-ups").await;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(list["items"][0]["drawn"], json!(2));
    let org = desk.get("/api/v1/budgets?budget=org").await;
    assert_eq!(org["items"][0]["top_up"], json!(7.5));
    assert_eq!(org["items"][0]["remaining"], json!(5.5));
    let record = desk.get("/api/v1/audit?limit=1").await;
    let what = record["items"][0]["what"].as_str().expect("a sentence");
    assert_eq!(
        what,
        "topped up org by 7.5 PU until 2027-01-01T00:00:00Z: harvest"
    );
    assert_eq!(record["next"], "/api/v1/audit?limit=1&after=1");
}

#[tokio::test]
async fn a_top_up_that_would_do_nothing_is_refused() {
    let desk = Desk::new();
    let order = |members: &str| format!("{{\"amount\": 1, \"reason\": \"x\"{members}}}");
    for (budget, body, status, words) in [
        ("other", order(""), 404, "no budget of this name"),
        ("calls", order(""), 409, "refuses nothing"),
        ("org", order(", \"unit\": \"aum\""), 422, "counts pu"),
        (
            "org",
            order(", \"partition\": \"team=agriculture\""),
            422,
            "one for all",
        ),
        (
            "org",
            order(", \"expires\": \"2026-11-22T12:00:00Z\""),
            422,
            "ended already",
        ),
        (
            "org",
            order(", \"expires\": \"tomorrow\""),
            400,
            "at 'expires'",
        ),
        ("org", order(", \"until\": 1"), 400, "unknown field `until`"),
        ("org", order("").replace('1', "0"), 422, "allows nothing"),
        ("org", order("").replace('x', " "), 422, "reason is empty"),
        ("team-api", order(""), 422, "as team=…,api=…"),
        (
            "team-api",
            order(", \"partition\": \"api=orders,team=agriculture\""),
            422,
            "as team=",
        ),
        (
            "team-api",
            order(", \"partition\": \"team=agricultur,api=orders\""),
            422,
            "no team of",
        ),
        (
            "team-api",
            order(", \"partition\": \"team=agriculture,api=order\""),
            422,
            "no api of",
        ),
        (
            "team-api",
            order(", \"partition\": \"team=agriculture,,api=orders\""),
            422,
            "as team=",
        ),
    ] {
        let path = format!("/api/v1/budgets/{budget}/top-ups");
        let (answered, detail) = desk.refused(&path, &body).await;
        assert!(
            answered == status && detail.contains(words),
            "{body}: {answered} {detail}"
        );
    }
    assert!(desk.admin.ledger.top_ups().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_worklist_says_all_that_is_known_and_a_person_clears_it_up() {
    let desk = Desk::new();
    let id = desk.doubt(1, pu("4")).await;
    let list = desk.get("/api/v1/unknowns").await;
    let item = &list["items"][0];
    for (member, value) in [
        ("id", json!(id.to_string())),
        ("team", json!("agriculture")),
        ("key", json!("ag")),
        ("api", json!("orders")),
        ("product", json!("PSScene")),
        ("tag", json!("harvest")),
        ("predicted", json!({"pu": 4})),
        ("at", json!(NOW)),
        ("since", json!(NOW)),
        ("why", json!("planet did not answer within 3s")),
    ] {
        assert_eq!(item[member], value, "{member}");
    }
    assert_eq!(item["budgets"][1]["budget"], "org");
    let path = format!("/api/v1/unknowns/{id}/resolve");
    let order = json!({"amount": 1.5, "reason": "Planet's dashboard shows 1.5"});
    let (status, answer) = desk.post(&path, &order).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["charged"], json!({"pu": 1.5}));
    assert_eq!(answer["budgets"][1]["remaining"], json!(8.5));
    let (status, detail) = desk.refused(&path, &order.to_string()).await;
    assert_eq!(status, 409);
    assert!(
        detail.contains("the-admin settled it at pu=1.5"),
        "{detail}"
    );
    let empty = desk.get("/api/v1/unknowns").await;
    assert_eq!(empty["items"], json!([]));
    let record = desk.get("/api/v1/audit").await;
    assert_eq!(record["items"][0]["by"], "the-admin");
}

#[tokio::test]
async fn every_unit_at_stake_must_be_named_and_no_other() {
    let desk = Desk::new();
    let id = desk.doubt(1, both()).await;
    let path = format!("/api/v1/unknowns/{id}/resolve");
    for (amount, words) in [
        ("4", "they are pu, aum"),
        ("{\"pu\": 4}", "charged in aum too"),
        (
            "{\"pu\": 4, \"aum\": 1, \"tiles\": 1}",
            "tiles cannot have been",
        ),
    ] {
        let body = format!("{{\"amount\": {amount}, \"reason\": \"x\"}}");
        let (status, detail) = desk.refused(&path, &body).await;
        assert!(
            status == 422 && detail.contains(words),
            "{amount}: {detail}"
        );
    }
    let order = json!({"amount": {"pu": 5, "aum": 0}, "reason": "invoice"});
    let (status, answer) = desk.post(&path, &order).await;
    assert_eq!(status, 200, "{answer}");
    let org = desk.get("/api/v1/budgets?budget=org").await;
    assert_eq!(
        org["items"][0]["overrun"],
        json!(1),
        "more than was reserved"
    );
    let calls = desk.get("/api/v1/budgets?budget=calls").await;
    assert_eq!(calls["items"][0]["settled"], json!(1), "it was a request");
}

#[tokio::test]
async fn what_is_not_in_doubt_cannot_be_resolved() {
    let desk = Desk::new();
    let (held, _) = desk.reserve(1, pu("1")).await;
    let body = "{\"amount\": 0, \"reason\": \"x\"}";
    for (id, status, words) in [
        (held.to_string(), 409, "it is under way"),
        ("0".repeat(32), 404, "have no request"),
        ("42".to_owned(), 400, "'42' is not a request id"),
    ] {
        let path = format!("/api/v1/unknowns/{id}/resolve");
        let (answered, detail) = desk.refused(&path, body).await;
        assert!(answered == status && detail.contains(words), "{detail}");
    }
    let voided = desk.admin.ledger.close(held, &Outcome::Voided, at(NOW));
    voided.await.unwrap();
    let path = format!("/api/v1/unknowns/{held}/resolve");
    let (status, detail) = desk.refused(&path, body).await;
    assert!(
        status == 409 && detail.contains("it was not charged"),
        "{detail}"
    );
}

#[tokio::test]
async fn each_role_may_do_its_own_and_no_more() {
    let desk = Desk::new();
    let id = desk.doubt(1, pu("1")).await;
    let resolve = format!("/api/v1/unknowns/{id}/resolve");
    let order = "{\"amount\": 1, \"reason\": \"x\"}";
    for (method, path, role, status) in [
        (Method::GET, "/api/v1/unknowns", "viewer", 200),
        (Method::HEAD, "/api/v1/audit", "viewer", 200),
        (Method::GET, "/openapi.json", "viewer", 200),
        (Method::POST, &*resolve, "viewer", 403),
        (Method::POST, "/api/v1/budgets/org/top-ups", "approver", 403),
        (Method::POST, &*resolve, "approver", 200),
        (Method::POST, "/api/v1/budgets/org/top-ups", "admin", 201),
        (Method::DELETE, "/api/v1/budgets", "viewer", 405),
        (Method::GET, "/api/v1/holds", "viewer", 404),
        (Method::GET, "/api/v1/holds", "nobody", 401),
        (Method::DELETE, "/api/v1/budgets", "nobody", 401),
    ] {
        let (answered, said) = desk.ask(method.clone(), path, role, order).await;
        assert_eq!(answered, status, "{method} {path} as {role}: {said}");
    }
}

#[tokio::test]
async fn time_clears_up_nothing_and_takes_no_top_up_that_was_not_used() {
    let desk = Desk::new();
    let order = json!({"amount": 7, "reason": "harvest"});
    let (status, _) = desk.post("/api/v1/budgets/org/top-ups", &order).await;
    assert_eq!(status, 201);
    let id = desk.doubt(1, pu("3")).await;
    desk.clock.advance(Duration::from_hours(24 * 400));
    let list = desk.get("/api/v1/unknowns").await;
    assert_eq!(list["items"][0]["id"], json!(id.to_string()));
    let org = desk.get("/api/v1/budgets?budget=org").await;
    assert_eq!(org["items"][0]["top_up"], json!(7), "a new window has it");
    assert_eq!(org["items"][0]["remaining"], json!(17));
}
