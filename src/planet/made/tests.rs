use http::Method;
use proptest::prelude::*;

use super::*;
use crate::planet::{UpstreamKind, classify};

fn read(kind: UpstreamKind, path: &str, answer: &str) -> Result<Option<Made>, Doubt> {
    let route = classify(kind, &Method::POST, path);
    Made::read(&route, path, answer.as_bytes())
}

fn made(kind: UpstreamKind, path: &str, answer: &str) -> (&'static str, String, String) {
    let made = read(kind, path, answer).unwrap().expect(path);
    (made.kind.name(), made.name, made.path)
}

#[test]
fn each_create_names_what_it_made() {
    use UpstreamKind::{Planet, SentinelHub};
    for (kind, path, answer, wanted) in [
        (
            Planet,
            "/compute/ops/orders/v2",
            r#"{"id": "5f-1", "state": "queued"}"#,
            ("order", "5f-1", "/compute/ops/orders/v2/5f-1"),
        ),
        (
            Planet,
            "/subscriptions/v1/",
            r#"{"id": "s1", "status": "preparing"}"#,
            ("subscription", "s1", "/subscriptions/v1/s1/summary"),
        ),
        (
            Planet,
            "/subscriptions/v1/bulk",
            r#"{"_links": {"list": "https://api.planet.com/subscriptions/v1?created=2026-01-01&name=a"}}"#,
            (
                "subscriptions",
                "created=2026-01-01&name=a",
                "/subscriptions/v1?created=2026-01-01&name=a",
            ),
        ),
        (
            Planet,
            "/account/v1/quota-reservations/bulk-reserve",
            r#"{"job_id": "8016", "status": "pending"}"#,
            (
                "reservations",
                "8016",
                "/account/v1/quota-reservations/jobs/8016",
            ),
        ),
        (
            SentinelHub,
            "/api/v1/async/process",
            r#"{"id": "a1", "status": "RUNNING"}"#,
            ("async", "a1", "/api/v1/async/process/a1"),
        ),
        (
            SentinelHub,
            "/batch/v2/process/t1/start",
            "",
            ("batch", "t1", "/batch/v2/process/t1"),
        ),
        (
            SentinelHub,
            "/api/v1/batch/process/t1/tiles/9/restart",
            "",
            ("batch", "t1", "/api/v1/batch/process/t1"),
        ),
        (
            SentinelHub,
            "/statistics/batch/v1/t2/start",
            "",
            ("batch-statistics", "t2", "/statistics/batch/v1/t2/status"),
        ),
    ] {
        let (kind, name, shown_at) = made(kind, path, answer);
        assert_eq!((kind, &*name, &*shown_at), wanted, "{path}");
    }
}

#[test]
fn what_makes_nothing_that_goes_on_is_not_followed() {
    let free = "/batch/v2/process";
    assert_eq!(read(UpstreamKind::SentinelHub, free, "{}"), Ok(None));
    let search = "/data/v1/quick-search";
    assert_eq!(read(UpstreamKind::Planet, search, "{}"), Ok(None));
}

#[test]
fn a_name_that_would_lead_elsewhere_is_not_asked_for() {
    for answer in [
        "",
        "[]",
        r#"{"id": 7}"#,
        r#"{"id": ""}"#,
        r#"{"id": "../../account/v1/my"}"#,
        r#"{"id": "a?b"}"#,
    ] {
        let order = read(UpstreamKind::Planet, "/compute/ops/orders/v2", answer);
        assert!(order.is_err(), "{answer}");
    }
    for list in [
        "https://api.planet.com/data/v1/searches?x=1",
        "https://api.planet.com/subscriptions/v1",
    ] {
        let answer = format!(r#"{{"_links": {{"list": "{list}"}}}}"#);
        let bulk = read(UpstreamKind::Planet, "/subscriptions/v1/bulk", &answer);
        assert!(bulk.is_err(), "{list}");
    }
}

#[test]
fn what_a_read_shows_is_known_in_every_spelling() {
    use UpstreamKind::{Planet, SentinelHub};
    for (upstream, path, wanted) in [
        (
            Planet,
            "/compute/ops/orders/v2/o1",
            Some((Kind::Order, "o1")),
        ),
        (Planet, "/compute/ops/orders/v2", None),
        (
            Planet,
            "/subscriptions/v1/s1/summary",
            Some((Kind::Subscription, "s1")),
        ),
        (Planet, "/subscriptions/v1/s1", None),
        (
            Planet,
            "/auth/v1/experimental/public/quota-reservations/jobs/7",
            Some((Kind::Reservations, "7")),
        ),
        (
            SentinelHub,
            "/api/v2/batch/process/t1",
            Some((Kind::Batch, "t1")),
        ),
        (SentinelHub, "/api/v1/batch/process/t1/tiles", None),
        (
            SentinelHub,
            "/statistics/batch/v1/t1/status",
            Some((Kind::BatchStatistics, "t1")),
        ),
        (
            SentinelHub,
            "/async/v1/process/a1",
            Some((Kind::AsyncProcess, "a1")),
        ),
    ] {
        let route = classify(upstream, &Method::GET, path);
        assert_eq!(Kind::shown_by(&route, path), wanted, "{path}");
    }
    let path = "/compute/ops/orders/v2/o1";
    let cancel = classify(Planet, &Method::PUT, path);
    assert_eq!(Kind::shown_by(&cancel, path), None);
}

#[test]
fn kinds_are_known_by_their_names() {
    for kind in Kind::ALL {
        assert_eq!(Kind::named(kind.name()), Some(kind));
    }
    assert_eq!(Kind::named("picture"), None);
}

proptest! {
    #[test]
    fn any_answer_is_read_without_a_panic(answer in any::<Vec<u8>>()) {
        for path in ["/compute/ops/orders/v2", "/subscriptions/v1/bulk"] {
            let route = classify(UpstreamKind::Planet, &Method::POST, path);
            let _ = Made::read(&route, path, &answer);
        }
    }
}
