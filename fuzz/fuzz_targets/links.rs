//! Any answer, in any chunks: what comes out does not depend on where it was cut, and never holds the
//! guard's own key.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use quota_guard::planet::{Mount, UpstreamKind};
use quota_guard::upstream::{Form, HiddenKey, Linked, Links};

const KEY: &str = "PLAK0123456789abcdef";

static LINKS: LazyLock<Arc<Links>> = LazyLock::new(|| {
    let mount = Mount::parse("/").expect("a mount");
    let linked = [Linked {
        name: "planet",
        kind: UpstreamKind::Planet,
        url: "https://api.planet.com",
        also_known_as: &[],
        mount: &mount,
    }];
    Arc::new(Links::new("https://guard.example.org", &linked).expect("links"))
});

fuzz_target!(|input: (u8, &str)| {
    let (chunk, page) = input;
    // the fuzzer cannot guess the key or an origin, so that one letter stands for each
    let page = page.replace('\u{1}', KEY).replace('\u{2}', "https://api.planet.com/a?api_key=");
    let hidden = || Some(HiddenKey::new(Some(KEY), Some("team-key")));
    let rewrite = || LINKS.in_answer_of("planet", hidden());
    for form in [Form::Json, Form::Xml] {
        let whole = rewrite().body(form, page.as_bytes());
        let mut rewriter = rewrite().streaming(form);
        let mut pieces = Vec::new();
        for piece in page.as_bytes().chunks(usize::from(chunk).max(1)) {
            rewriter.push(piece, &mut pieces);
        }
        rewriter.finish(&mut pieces);
        assert_eq!(whole, pieces);
        assert!(!String::from_utf8_lossy(&whole).contains(KEY));
    }
});
