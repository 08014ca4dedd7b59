//! Links in headers and bodies, whole and in chunks.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::identity::{Seal, Secret};
use crate::planet::Api;
use crate::upstream::hosts::Hosts;
use crate::upstream::ticket::{Goal, Ticket};

fn links() -> Arc<Links> {
    let also = ["https://link.planet.com".to_owned()];
    let mounts = ["/", "/tiles", "/sentinel-hub"].map(|mount| Mount::parse(mount).unwrap());
    let linked = |name, url, also_known_as, mount| Linked {
        name,
        kind: match name {
            "tiles" => UpstreamKind::Tiles,
            "sentinel-hub" => UpstreamKind::SentinelHub,
            _ => UpstreamKind::Planet,
        },
        url,
        also_known_as,
        mount,
    };
    let upstreams = [
        linked("planet", "https://api.planet.com", &also[..], &mounts[0]),
        linked("tiles", "https://tiles.planet.com", &[], &mounts[1]),
        linked(
            "sentinel-hub",
            "https://services.sentinel-hub.com/",
            &[],
            &mounts[2],
        ),
    ];
    Arc::new(Links::new("http://guard:8080/", &upstreams).unwrap())
}

fn rewrite() -> Rewrite {
    links().in_answer_of("planet", None)
}

fn body(rewrite: &Rewrite, form: Form, text: &str) -> String {
    String::from_utf8(rewrite.body(form, text.as_bytes())).unwrap()
}

fn json(text: &str) -> String {
    body(&rewrite(), Form::Json, text)
}

#[test]
fn values_that_begin_with_a_known_origin_lead_to_its_mount() {
    for (text, expected) in [
        (
            r#"{"_self": "https://api.planet.com/data/v1/x?b=%7e&a=1"}"#,
            r#"{"_self": "http://guard:8080/data/v1/x?b=%7e&a=1"}"#,
        ),
        (
            r#"["https://link.planet.com/basemaps/v1/full","HTTPS://API.PLANET.COM:443/y"]"#,
            r#"["http://guard:8080/basemaps/v1/full","http://guard:8080/y"]"#,
        ),
        (
            r#"{"quads":"https://api.planet.com/q?bbox={lx},{ly},{ux},{uy}"}"#,
            r#"{"quads":"http://guard:8080/q?bbox={lx},{ly},{ux},{uy}"}"#,
        ),
        (
            r#"{"tiles":"https://tiles{0-3}.planet.com/gmap/{z}/{x}/{y}.png"}"#,
            r#"{"tiles":"http://guard:8080/tiles/gmap/{z}/{x}/{y}.png"}"#,
        ),
        (
            r#"{"next":"https:\/\/services.sentinel-hub.com\/catalog\/v1?a=1\u0026b=2"}"#,
            r#"{"next":"http://guard:8080/sentinel-hub/catalog/v1?a=1&b=2"}"#,
        ),
        (r#""https://api.planet.com""#, r#""http://guard:8080""#),
    ] {
        assert_eq!(json(text), expected);
    }
}

#[test]
fn what_is_no_link_of_ours_is_left_byte_for_byte() {
    for text in [
        r#"{"a":"see https://api.planet.com/x"}"#,
        r#"{"a":"say \"https://api.planet.com/x\" twice"}"#,
        r#"{"https://api.planet.com/x" : 1}"#,
        r#"{"a":"https://api.planet.com.evil.org/x"}"#,
        r#"{"a":"https://api.planet.com@evil.org/x"}"#,
        r#"{"a":"https:\/\/evil.org\/x"}"#,
        r#"{"a":"https://storage.googleapis.com/b/f?X-Goog-Signature=ab%2Fcd&u=https://api.planet.com"}"#,
        r#"{"a":"https://api.planet.com"#,
        "not json \"http",
        "",
    ] {
        assert_eq!(json(text), text);
    }
}

#[test]
fn upstreams_on_one_origin_are_told_apart_by_their_path_then_by_who_answered() {
    let mounts = ["/", "/tiles", "/eu"].map(|mount| Mount::parse(mount).unwrap());
    let url = ["http://sim:9", "http://sim:9", "http://sim:9/eu-central"];
    let names = ["planet", "tiles", "eu"];
    let linked: Vec<Linked<'_>> = (0..3)
        .map(|at| Linked {
            name: names[at],
            kind: UpstreamKind::Planet,
            url: url[at],
            also_known_as: &[],
            mount: &mounts[at],
        })
        .collect();
    let links = Arc::new(Links::new("https://guard", &linked).unwrap());
    for (answered, url, expected) in [
        ("planet", "http://sim:9/x", "https://guard/x"),
        ("tiles", "http://sim:9/x", "https://guard/tiles/x"),
        ("tiles", "http://sim:9/eu-central/x", "https://guard/eu/x"),
        ("tiles", "/x", "https://guard/tiles/x"),
        ("eu", "/eu-central/x", "https://guard/eu/x"),
    ] {
        let location = links.in_answer_of(answered, None).location(url);
        assert_eq!(
            location.as_deref(),
            Some(expected),
            "{url} in an answer of {answered}"
        );
    }
}

#[test]
fn a_location_is_rewritten_even_when_relative_to_its_host() {
    for (value, expected) in [
        (
            "https://api.planet.com/x?token=a.b",
            Some("http://guard:8080/x?token=a.b"),
        ),
        ("//api.planet.com/x", Some("http://guard:8080/x")),
        ("/compute/ops", Some("http://guard:8080/compute/ops")),
        ("next?page=2", None),
        ("https://storage.googleapis.com/b?sig=1", None),
        ("//evil.org/x", None),
        ("", None),
    ] {
        assert_eq!(rewrite().location(value).as_deref(), expected, "{value}");
        let stays_relative = matches!(value, "next?page=2" | "");
        assert_eq!(
            rewrite().leads_back(value),
            expected.is_some() || stays_relative,
            "{value}"
        );
    }
}

#[test]
fn each_reference_of_a_link_header_is_rewritten() {
    let value = r#"<https://api.planet.com/a?p=2>; rel="next"; title="a <https://api.planet.com> \" b", </c>;rel=x"#;
    let expected = r#"<http://guard:8080/a?p=2>; rel="next"; title="a <https://api.planet.com> \" b", <http://guard:8080/c>;rel=x"#;
    assert_eq!(rewrite().link_header(value).as_deref(), Some(expected));
    assert_eq!(
        rewrite().link_header("<https://evil.org/a>; rel=next"),
        None
    );
    assert_eq!(rewrite().link_header("<https://api.planet.com/a"), None);
}

#[test]
fn planets_key_never_reaches_a_caller() {
    let hidden = HiddenKey::new(Some("PLAK1"), Some("mine"));
    let rewrite = links().in_answer_of("planet", Some(hidden));
    let text = r#"{"full":"https://link.planet.com/q?api_key=PLAK1","hook":"https://h.org/?api_key=theirs","note":"use PLAK1"}"#;
    let expected = r#"{"full":"http://guard:8080/q?api_key=mine","hook":"https://h.org/?api_key=theirs","note":"use mine"}"#;
    assert_eq!(body(&rewrite, Form::Json, text), expected);
    let location = rewrite.location("https://storage.googleapis.com/x?k=PLAK1");
    assert_eq!(
        location.as_deref(),
        Some("https://storage.googleapis.com/x?k=mine")
    );
}

#[test]
fn capabilities_documents_are_rewritten_in_attributes_and_text() {
    let text = r#"<a xlink:href="https://tiles.planet.com/t?x=1&amp;api_key=P&amp;y=2" b='https://api.planet.com/c'><U>https://api.planet.com/u</U><V>see https://api.planet.com</V></a>"#;
    let expected = r#"<a xlink:href="http://guard:8080/tiles/t?x=1&amp;y=2" b='http://guard:8080/c'><U>http://guard:8080/u</U><V>see https://api.planet.com</V></a>"#;
    let rewrite = links().in_answer_of("tiles", Some(HiddenKey::new(None, None)));
    assert_eq!(body(&rewrite, Form::Xml, text), expected);
}

const STORED: &str = "https://storage.googleapis.com/b/o/a_1.tif?X-Goog-Signature=ab%2Fcd&X-Goog-Date=20260601T101500Z&X-Goog-Expires=3600";

fn seal() -> Arc<Seal> {
    Arc::new(Seal::new([Secret::from_text("upstream").unwrap()].iter()).unwrap())
}

fn sealing() -> Rewrite {
    let storage: url::Url = "https://storage.googleapis.com".parse().unwrap();
    rewrite().sealing(Some(Sealing {
        seal: seal(),
        hosts: Arc::new(Hosts::new(&[storage.origin()])),
        page: "http://guard:8080/quota-guard/v1/downloads/planet".into(),
        holder: "ag-1".into(),
        api: Api::Orders,
    }))
}

/// The ticket in the words that stand behind `before` and in front of `behind`.
fn ticket(text: &str, goal: Goal, before: &str, behind: &str) -> Ticket {
    let words = text.strip_prefix(before).expect(text);
    let words = words.strip_suffix(behind).expect(text);
    Ticket::open(&seal(), goal, "planet", words).expect(text)
}

#[test]
fn the_token_of_a_download_is_exchanged_and_nothing_else_of_its_link() {
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let claims =
        base64::Engine::encode(&claims, format!(r#"{{"exp":1780000000,"url":"{STORED}"}}"#));
    let token = format!("e30.{claims}.c2ln");
    for (link, before, behind) in [
        (
            "https://api.planet.com/compute/ops/download/?token=TOKEN",
            "/compute/ops/download/?token=",
            "",
        ),
        (
            "https://link.planet.com/orders/v2/download?a=%7e&token=TOKEN&b=1",
            "/orders/v2/download?a=%7e&token=",
            "&b=1",
        ),
        (
            "https://api.planet.com//data/v1/download?token=TOKEN",
            "//data/v1/download?token=",
            "",
        ),
    ] {
        let link = link.replace("TOKEN", &token);
        let expected = Ticket {
            ends: Some("2026-05-28T20:26:40Z".parse().unwrap()),
            holder: "ag-1".into(),
            api: Api::Orders,
            goal: token.clone(),
        };
        let text = format!(r#"{{"location": "{link}"}}"#);
        let before = format!(r#"{{"location": "http://guard:8080{before}"#);
        let rewritten = body(&sealing(), Form::Json, &text);
        assert_eq!(
            ticket(&rewritten, Goal::Token, &before, &format!("{behind}\"}}")),
            expected
        );
        let header = sealing().location(&link).unwrap();
        assert!(!header.contains(&claims), "{header}");
    }
    for other in [
        "https://api.planet.com/data/v1/searches?token=a.b.c",
        "https://api.planet.com/compute/ops/orders/v2?page_token=a.b.c",
        "https://tiles.planet.com/data/v1/download?token=a.b.c",
    ] {
        let text = format!(r#"["{other}"]"#);
        assert!(
            body(&sealing(), Form::Json, &text).ends_with("token=a.b.c\"]"),
            "{other}"
        );
    }
}

#[test]
fn an_address_in_storage_is_exchanged_whole_and_keeps_its_name() {
    let expected = Ticket {
        ends: Some("2026-06-01T11:15:00Z".parse().unwrap()),
        holder: "ag-1".into(),
        api: Api::Orders,
        goal: STORED.into(),
    };
    let page = "http://guard:8080/quota-guard/v1/downloads/planet/";
    let location = sealing().location(STORED).unwrap();
    assert_eq!(ticket(&location, Goal::Address, page, "/a_1.tif"), expected);
    let json = body(&sealing(), Form::Json, &format!("[\"{STORED}\"]"));
    assert_eq!(json, format!("[\"{location}\"]"));
    let escaped = STORED.replace('/', r"\/").replace('&', r"\u0026");
    assert_eq!(
        body(&sealing(), Form::Json, &format!("[\"{escaped}\"]")),
        json
    );
    let xml = format!("<a href='{}'/>", STORED.replace('&', "&amp;"));
    assert_eq!(
        body(&sealing(), Form::Xml, &xml),
        format!("<a href='{location}'/>")
    );
    for other in [
        "https://storage.googleapis.com.evil.org/b?X-Goog-Signature=1",
        "https://hooks.example/?sig=1",
        "see https://storage.googleapis.com/b?X-Goog-Signature=1",
    ] {
        let text = format!(r#"["{other}"]"#);
        assert_eq!(body(&sealing(), Form::Json, &text), text);
    }
}

#[test]
fn text_of_an_element_may_stand_on_lines_of_its_own_or_in_a_section() {
    for (text, expected) in [
        (
            "<U>\n  https://api.planet.com/u?api_key=P\n</U>",
            "<U>\n  http://guard:8080/u\n</U>",
        ),
        (
            "<U><![CDATA[https://api.planet.com/u]]></U>",
            "<U><![CDATA[http://guard:8080/u]]></U>",
        ),
        (
            "<href><![CDATA[ https://tiles2.planet.com/{z} ]]></href>",
            "<href><![CDATA[ http://guard:8080/tiles/{z} ]]></href>",
        ),
        ("<U>\n  see https://api.planet.com/u\n</U>", ""),
        ("<U>\n\n", ""),
    ] {
        let rewrite = links().in_answer_of("tiles", Some(HiddenKey::new(None, None)));
        let expected = if expected.is_empty() { text } else { expected };
        assert_eq!(body(&rewrite, Form::Xml, text), expected);
    }
}

#[test]
fn planets_key_stays_out_of_any_text() {
    let hidden = HiddenKey::new(Some("PLAK1"), Some("mine"));
    let rewrite = links().in_answer_of("planet", Some(hidden));
    let text = "id,link\n1,\"https://api.planet.com/q?api_key=PLAK1&a=1\"\n2,see PLAK1 \"https\n";
    let expected = "id,link\n1,\"http://guard:8080/q?api_key=mine&a=1\"\n2,see mine \"https\n";
    assert_eq!(body(&rewrite, Form::Text, text), expected);
}

#[test]
fn no_more_than_one_link_is_held_back() {
    let mut rewriter = rewrite().streaming(Form::Json);
    let mut out = Vec::new();
    rewriter.push(b"[\"https://api.planet.com/", &mut out);
    assert_eq!(out, b"[");
    rewriter.push("x".repeat(20 * 1024).as_bytes(), &mut out);
    assert!(out.starts_with(b"[\"https://api.planet.com/xxx"));
    assert_eq!(out.len(), 25 + 20 * 1024);
}

/// JSON with links, near-links, keys, escapes and Planet's key in all places.
fn document() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "https?://(api|link|tiles[0-3])\\.planet\\.com[/?#][a-z&=/?{}\"\\\\]{0,12}",
        "https://(api\\.planet\\.com\\.evil|evil)\\.org/[a-z]{0,4}",
        "https://api.planet.com/x\\?a=1&api_key=PLAK1(&b=2)?",
        "https://api.planet.com/data/v1/download\\?token=[a.]{0,9}(&b=2)?",
        "https://storage.googleapis.com[/?#][a-z&=/?{}\"\\\\]{0,12}",
        "[\"\\\\a-z:/\u{e9}]{0,8}",
        Just("say \"https://api.planet.com/x\"".to_owned()),
        Just("PLAPLAK1PLAK".to_owned()),
    ];
    let leaf = prop_oneof![
        text.clone().prop_map(Value::from),
        Just(json!(1.5)),
        Just(Value::Null)
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(text.clone(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn in_chunks(rewrite: Rewrite, form: Form, text: &[u8], sizes: &[usize]) -> Vec<u8> {
    let mut rewriter = rewrite.streaming(form);
    let mut out = Vec::new();
    let mut rest = text;
    for size in sizes.iter().cycle() {
        let (chunk, behind) = rest.split_at((*size).min(rest.len()));
        rewriter.push(chunk, &mut out);
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    rewriter.finish(&mut out);
    out
}

/// The same rule, applied to the parsed value instead of to its bytes.
fn expected(value: &Value, rewrite: &Rewrite) -> Value {
    match value {
        Value::String(text) => {
            let mut link = Vec::new();
            if rewrite.put_link(text.as_bytes(), b"&", &mut link) {
                Value::String(String::from_utf8(link).unwrap())
            } else {
                value.clone()
            }
        }
        Value::Array(items) => items.iter().map(|item| expected(item, rewrite)).collect(),
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(key, item)| (key.clone(), expected(item, rewrite)));
            Value::Object(members.collect())
        }
        _ => value.clone(),
    }
}

proptest! {
    #[test]
    fn exactly_the_values_that_are_links_change(document in document(), pretty: bool) {
        let text = if pretty { serde_json::to_vec_pretty(&document) } else { serde_json::to_vec(&document) };
        let hidden = HiddenKey::new(None, Some("mine"));
        let rewrite = links().in_answer_of("planet", Some(hidden));
        let rewritten: Value = serde_json::from_slice(&rewrite.body(Form::Json, &text.unwrap())).unwrap();
        prop_assert_eq!(rewritten, expected(&document, &rewrite));
    }

    #[test]
    fn chunks_make_no_difference(document in document(), sizes in prop::collection::vec(1_usize..9, 1..6)) {
        let text = serde_json::to_vec(&document).unwrap();
        let hidden = Some(HiddenKey::new(Some("PLAK1"), None));
        let hiding = links().in_answer_of("planet", hidden);
        for rewrite in [rewrite(), hiding, sealing()] {
            let whole = rewrite.body(Form::Json, &text);
            prop_assert_eq!(in_chunks(rewrite, Form::Json, &text, &sizes), whole);
        }
    }

    #[test]
    fn bytes_that_are_no_json_come_through_in_chunks_as_whole(
        text in prop::collection::vec(prop::sample::select(&b"\"\\htps:/ ,x>[]<\n"[..]), 0..80),
        sizes in prop::collection::vec(1_usize..9, 1..6),
    ) {
        for form in [Form::Json, Form::Xml, Form::Text] {
            prop_assert_eq!(&in_chunks(rewrite(), form, &text, &sizes), &text);
        }
    }

    #[test]
    fn documents_of_every_form_read_the_same_in_chunks(
        parts in prop::collection::vec(prop::sample::select(&[
            "https://api.planet.com/a?api_key=PLAK1&amp;b=1", "https://storage.googleapis.com/b/c?s=1",
            "\"", "'", ">", "<U>", " \n ", "<![CDATA[", "]]>", "x", "http", "PLAK1",
        ][..]), 0..12),
        sizes in prop::collection::vec(1_usize..9, 1..6),
    ) {
        let text = parts.concat().into_bytes();
        for form in [Form::Json, Form::Xml, Form::Text] {
            let hidden = Some(HiddenKey::new(Some("PLAK1"), None));
            let hiding = links().in_answer_of("planet", hidden);
            for rewrite in [sealing(), hiding] {
                let whole = rewrite.body(form, &text);
                prop_assert_eq!(in_chunks(rewrite, form, &text, &sizes), whole);
            }
        }
    }
}
