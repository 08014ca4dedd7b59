//! Path tricks against another reading of Planet's routes: what the pretended Planet bills, the guard has
//! predicted or never sent. Its router is as lenient as any server might be, and knows nothing of ours.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;
use quota_guard::planet::{Operation, Shown, Target, UpstreamKind, classify};
use quota_guard::units::{Amount, Unit};
use serde_json::json;

use crate::bound::{Bench, NOW};
use crate::wild::{self, Sent};

/// The id of what is made first after a reset.
const FIRST: &str = "9e3779b1-0001-4000-8000-000000000001";

/// What is put into a path, or done to one of its characters.
const PATH_TRICKS: [&str; 34] = [
    "/",
    "//",
    ".",
    "..",
    "./",
    "../",
    "/./",
    "/../",
    "/..;/",
    "%2e",
    "%2E%2e/",
    "%252e",
    "%2f",
    "%2F..",
    "%5c",
    "\\",
    ";",
    ";a=b",
    ";/",
    "%3B",
    "%00",
    "%0a",
    "%20",
    "+",
    "%",
    "%3f",
    "%23",
    "#",
    "?",
    "*",
    "~",
    "encode",
    "encode twice",
    "case",
];

/// What is put into a query.
const QUERY_TRICKS: [&str; 12] = [
    "&REQUEST=GetCapabilities",
    "&request=GetCapabilities",
    "&REQUEST=GetMap",
    "&re%71uest=GetCapabilities",
    ";REQUEST=GetCapabilities",
    "&REQUEST",
    "&=",
    "&SERVICE=WFS",
    "&token=a.b.c",
    "&api_key=K",
    "&%",
    "&a=b?REQUEST=GetCapabilities",
];

#[derive(Clone, Debug)]
struct Trick {
    in_query: bool,
    what: &'static str,
    at: Index,
}

fn trick() -> impl Strategy<Value = Trick> {
    let what = prop_oneof![
        4 => select(&PATH_TRICKS[..]).prop_map(|what| (false, what)),
        1 => select(&QUERY_TRICKS[..]).prop_map(|what| (true, what)),
    ];
    (what, any::<Index>()).prop_map(|((in_query, what), at)| Trick { in_query, what, at })
}

fn applied(target: &str, trick: &Trick) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if trick.in_query {
        let pairs: Vec<&str> = query.split('&').collect();
        let (before, behind) = pairs.split_at(trick.at.index(pairs.len() + 1));
        return format!(
            "{path}?{}{}&{}",
            before.join("&"),
            trick.what,
            behind.join("&")
        );
    }
    if path.is_empty() {
        return target.to_owned();
    }
    let at = trick.at.index(path.len());
    if !path.is_char_boundary(at) || !path.is_char_boundary(at + 1) {
        return target.to_owned();
    }
    let (before, here, after) = (&path[..at], &path[at..=at], &path[at + 1..]);
    let byte = here.as_bytes()[0];
    let changed = match trick.what {
        "encode" => format!("%{byte:02x}"),
        "encode twice" => format!("%25{byte:02X}"),
        "case" if byte.is_ascii_lowercase() => here.to_ascii_uppercase(),
        "case" => here.to_ascii_lowercase(),
        inserted => format!("{inserted}{here}"),
    };
    let tricked = format!("{before}{changed}{after}");
    if query.is_empty() {
        tricked
    } else {
        format!("{tricked}?{query}")
    }
}

/// A subscription, alone or in bulk.
fn commitment() -> impl Strategy<Value = Sent> {
    let now = NOW.parse().expect("a time");
    (wild::subscription(now), any::<bool>()).prop_map(|(body, in_bulk)| {
        let (path, body) = if in_bulk {
            ("/subscriptions/v1/bulk", json!({"subscriptions": [body]}))
        } else {
            ("/subscriptions/v1", body)
        };
        Sent::new(UpstreamKind::Planet, "POST", path).with(body)
    })
}

/// The start of a batch that was made first.
fn start() -> impl Strategy<Value = Sent> {
    let ways = select(vec![
        ("/batch/v2/process", "start"),
        ("/api/v2/batch/process", "start"),
        ("/batch/v1/process", "start"),
        ("/api/v1/batch/process", "restartpartial"),
        ("/batch/v1/process", "tiles/7/restart"),
    ]);
    ways.prop_map(|(base, action)| {
        let target = format!("{base}/{FIRST}/{action}");
        Sent::new(UpstreamKind::SentinelHub, "POST", target)
    })
}

/// Makes the batch that a call is about to start, where it is such a call, and says what Planet shows of it.
fn made_before(bench: &Bench, sent: &Sent) -> Vec<Shown> {
    let Some((base, _)) = sent.target.split_once(FIRST) else {
        return Vec::new();
    };
    let grid = if base.contains("/v1/") {
        "tilingGrid"
    } else {
        "input"
    };
    let mut create = json!({
        "processRequest": {
            "input": {"bounds": {"bbox": [14.0, 46.0, 14.1, 46.1]}, "data": [{"type": "sentinel-2-l2a"}]},
            "output": {"responses": [{"identifier": "default", "format": {"type": "image/tiff"}}]},
            "evalscript": "//VERSION=3\nfunction setup() { return {input: ['B04'], output: {bands: 1}} }"}});
    create[grid] = json!({"type": "tiling-grid", "id": 1, "resolution": 10.0});
    let base = base.trim_end_matches('/');
    bench.send(&Sent::new(sent.kind, "POST", base).with(create));
    vec![Ok(bench.shown(sent.kind, &format!("{base}/{FIRST}")))]
}

/// A call that spends, or that changes nothing and lies beside one.
fn call() -> impl Strategy<Value = Sent> {
    let plain = |kind, call: &'static str| {
        let (method, target) = call.split_once(' ').expect("a method");
        Sent::new(kind, method, target)
    };
    let beside = select(vec![
        plain(
            UpstreamKind::Planet,
            "GET /data/v1/item-types/PSScene/items/a/assets",
        ),
        plain(
            UpstreamKind::Planet,
            "GET /data/v1/assets/eyJpIjoiYSIsImMiOiJQU1NjZW5lIiwidCI6Im9ydGhvX3VkbTIifQ",
        ),
        plain(
            UpstreamKind::Planet,
            "GET /basemaps/v1/mosaics/global_monthly_2026_07_mosaic/quads/1-1",
        ),
        plain(
            UpstreamKind::Planet,
            "GET /basemaps/v1/mosaics/global_monthly_2026_07_mosaic/wmts?REQUEST=GetTile&TILEMATRIX=1&TILECOL=0&TILEROW=0",
        ),
        plain(UpstreamKind::Planet, "GET /subscriptions/v1/bulk"),
        plain(UpstreamKind::Tiles, "GET /basemaps/v1/planet-tiles/m/thumb"),
        plain(
            UpstreamKind::SentinelHub,
            "GET /ogc/wms/abc?SERVICE=WMS&REQUEST=GetCapabilities",
        ),
        plain(UpstreamKind::SentinelHub, "GET /byoc/v1/collections"),
        plain(UpstreamKind::SentinelHub, "GET /batch/v2/process"),
    ]);
    let small = wild::image().prop_map(|image| {
        let mut sent = image;
        if let Some(body) = &mut sent.body {
            for (name, side) in [("width", 40), ("height", 30)] {
                body["output"][name] = side.into();
            }
            let output = body["output"].as_object_mut().expect("an object");
            output.retain(|name, _| name != "resx" && name != "resy");
        }
        sent
    });
    prop_oneof![
        small,
        wild::figures(),
        wild::query(),
        wild::ogc(),
        wild::order(),
        wild::address(),
        commitment(),
        start(),
        beside
    ]
}

fn method() -> impl Strategy<Value = Option<&'static str>> {
    prop::option::weighted(
        0.3,
        select(vec!["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
    )
}

#[test]
fn nothing_that_is_billed_escapes_by_the_spelling_of_its_address() {
    let bench = Bench::new();
    let (sent_on, billed_at_all) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let tricks = prop::collection::vec(trick(), 0..4);
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(3_000)
    };
    let run =
        TestRunner::new(config).run(&(call(), method(), tricks), |(mut sent, method, tricks)| {
            let plain = sent.clone();
            sent.method = method.unwrap_or(sent.method);
            let tricked = tricks
                .iter()
                .fold(sent.target.clone(), |target, trick| applied(&target, trick));
            let Ok(target) = Target::parse(&tricked) else {
                return Ok(()); // refused before anybody looks at the call
            };
            let route = classify(
                sent.kind,
                &sent.method.parse().expect("a method"),
                target.path(),
            );
            if matches!(route.operation, Operation::Unknown | Operation::Refused(_)) {
                return Ok(()); // the policy that is the default lets neither pass
            }
            sent.target.clone_from(&tricked);
            bench.reset();
            let shown = made_before(&bench, &plain);
            let Some(predicted) = bench.predicted(&sent, &shown) else {
                return Ok(());
            };
            // what goes on is the canonical path
            sent.target = target.query().raw().map_or_else(
                || target.path().to_owned(),
                |query| format!("{}?{query}", target.path()),
            );
            if sent.target.parse::<http::Uri>().is_err() {
                return Ok(());
            }
            bench.send(&sent);
            sent_on.set(sent_on.get() + 1);
            for unit in [Unit::Pu, Unit::Aum, Unit::Km2, Unit::Tiles, Unit::Quota] {
                let billed = bench.billed(unit);
                billed_at_all.set(billed_at_all.get() + u32::from(!billed.is_zero()));
                let rounding =
                    Amount::from_micros(billed.micros() / 1_000_000 + 1).expect("an amount");
                let bound = predicted
                    .totals
                    .get(unit)
                    .unwrap_or_default()
                    .saturating_add(rounding);
                prop_assert!(
                    bound >= billed,
                    "{} {tricked} as {:?} was billed {billed}",
                    sent.method,
                    route.operation
                );
            }
            Ok(())
        });
    if let Err(failure) = run {
        panic!("{failure}");
    }
    let (sent_on, billed) = (sent_on.get(), billed_at_all.get());
    assert!(
        sent_on > 500 && billed > 300,
        "{sent_on} were sent on and {billed} billed: that proves little"
    );
}
