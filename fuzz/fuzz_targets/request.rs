//! Any body to any call: it is priced or refused in words, and never brings the guard down.
#![no_main]

use std::sync::LazyLock;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use libfuzzer_sys::fuzz_target;
use quota_guard::guard::predict;
use quota_guard::planet::{Asked, Deployment, Found, Target, UpstreamKind, classify};
use quota_guard::policy::Policy;

const CALLS: [(UpstreamKind, &str); 10] = [
    (UpstreamKind::Planet, "/compute/ops/orders/v2"),
    (UpstreamKind::Planet, "/subscriptions/v1"),
    (UpstreamKind::Planet, "/subscriptions/v1/bulk"),
    (UpstreamKind::Planet, "/account/v1/quota-reservations"),
    (UpstreamKind::SentinelHub, "/api/v1/process"),
    (UpstreamKind::SentinelHub, "/api/v1/statistics"),
    (UpstreamKind::SentinelHub, "/api/v1/async/process"),
    (UpstreamKind::SentinelHub, "/api/v1/catalog/1.0.0/search"),
    (UpstreamKind::SentinelHub, "/ogc/wms/0b1c"),
    (UpstreamKind::SentinelHub, "/batch/v2/process"),
];

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let text = "[plan]\ncharges = [\"pu\", \"km2\"]\n\
                [upstreams.planet]\nurl = \"https://api.planet.com\"\nmount = \"/\"\n";
    Policy::parse(text, "fuzz.toml").expect("a policy")
});

fuzz_target!(|input: (u8, bool, &[u8])| {
    let (which, is_form, body) = input;
    let (kind, path) = CALLS[usize::from(which) % CALLS.len()];
    let target = Target::parse(path).expect("a path");
    let media = if is_form {
        "application/x-www-form-urlencoded"
    } else {
        "application/json"
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    let asked = Asked {
        method: &Method::POST,
        route: &classify(kind, &Method::POST, target.path()),
        path: target.path(),
        query: target.query(),
        headers: &headers,
        body,
        deployment: Deployment::Main,
        found: Found::default(),
    };
    let now = "2026-06-15T12:00:00Z".parse().expect("a time");
    drop(predict(&POLICY, &asked, now));
});
