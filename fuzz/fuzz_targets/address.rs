//! Any request line: the canonical path stays what it is when it is read again, and so does its route.
#![no_main]

use http::Method;
use libfuzzer_sys::fuzz_target;
use quota_guard::planet::{Target, UpstreamKind, classify};

const KINDS: [UpstreamKind; 3] = [
    UpstreamKind::Planet,
    UpstreamKind::Tiles,
    UpstreamKind::SentinelHub,
];

fuzz_target!(|line: &str| {
    let (method, target) = line.split_once(' ').unwrap_or(("GET", line));
    let (Ok(method), Ok(target)) = (method.parse::<Method>(), Target::parse(target)) else {
        return;
    };
    let again = Target::parse(target.path()).expect("a canonical path can be read");
    assert_eq!(again.path(), target.path());
    for kind in KINDS {
        let route = classify(kind, &method, target.path());
        assert_eq!(route, classify(kind, &method, again.path()));
    }
    target.query().pairs().for_each(drop);
});
