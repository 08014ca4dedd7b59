//! Rewriting a 200 KiB page with 1,000 links, in chunks as they come off a socket. Should pass 300 MB/s.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use quota_guard::planet::{Mount, UpstreamKind};
use quota_guard::upstream::{Form, HiddenKey, Linked, Links};

const LINKS: usize = 1_000;
const CHUNK: usize = 16 * 1024;

/// A page of search results: each item has one link and some of the properties around it.
fn page() -> String {
    let mut page = String::from(r#"{"type":"FeatureCollection","features":["#);
    for at in 0..LINKS {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(
            page,
            r#"{comma}{{"_links":{{"_self":"https://api.planet.com/data/v1/item-types/PSScene/items/20260601_{at:06}"}},"type":"Feature","properties":{{"cloud_cover":0.0{at},"instrument":"PSB.SD","published":"2026-06-01"}}}}"#
        );
    }
    page + "]}"
}

fn rewriting(criterion: &mut Criterion) {
    let mounts = ["/", "/tiles"].map(|mount| Mount::parse(mount).expect("a mount"));
    let upstreams = [
        ("planet", "https://api.planet.com"),
        ("tiles", "https://tiles.planet.com"),
    ];
    let linked: Vec<Linked<'_>> = upstreams
        .iter()
        .zip(&mounts)
        .map(|((name, url), mount)| Linked {
            name,
            kind: UpstreamKind::Planet,
            url,
            also_known_as: &[],
            mount,
        })
        .collect();
    let links = Arc::new(Links::new("https://guard.example.org", &linked).expect("links"));
    let page = page();
    let mut group = criterion.benchmark_group("links");
    group.throughput(Throughput::Bytes(page.len() as u64));
    let hidden = HiddenKey::new(Some("PLAK0123456789abcdef"), Some("team-key"));
    for (name, hidden) in [("pass-through", None), ("hidden key", Some(hidden))] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut out = Vec::with_capacity(page.len() * 2);
                let mut rewriter = links
                    .in_answer_of("planet", hidden.clone())
                    .streaming(Form::Json);
                for chunk in black_box(page.as_bytes()).chunks(CHUNK) {
                    rewriter.push(chunk, &mut out);
                }
                rewriter.finish(&mut out);
                out
            });
        });
    }
    group.finish();
}

criterion_group!(benches, rewriting);
criterion_main!(benches);
