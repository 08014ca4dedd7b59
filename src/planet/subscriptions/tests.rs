use super::*;
use crate::planet::tools::Clip;
use proptest::prelude::*;
use serde_json::{Value, json};

fn catalog() -> Value {
    json!({"name": "block-12 weekly",
        "source": {"type": "catalog", "parameters": {
            "item_types": ["PSScene"], "asset_types": ["ortho_analytic_8b_sr", "ortho_udm2"],
            "geometry": {"type": "Polygon", "coordinates":
                [[[14.5, 46.0], [14.52, 46.0], [14.52, 46.02], [14.5, 46.02], [14.5, 46.0]]]},
            "start_time": "2026-03-01T00:00:00Z", "end_time": "2026-10-31T00:00:00Z",
            "rrule": "FREQ=MONTHLY;BYMONTH=3,4,5",
            "filter": {"type": "RangeFilter", "field_name": "cloud_cover", "config": {"lte": 0.3}}}},
        "tools": [{"type": "harmonize", "parameters": {"target_sensor": "Sentinel-2"}},
                  {"type": "clip", "parameters": {}}],
        "delivery": {"type": "google_cloud_storage", "parameters": {"bucket": "b", "credentials": "s"}}})
}

fn with(pointer: &str, value: Value) -> Value {
    let mut body = catalog();
    let (parent, member) = pointer.rsplit_once('/').expect(pointer);
    let parent = body.pointer_mut(parent).expect(pointer);
    parent
        .as_object_mut()
        .expect(pointer)
        .insert(member.into(), value);
    body
}

fn parse(body: &Value) -> Result<SubscriptionAsk, Misread> {
    read(body.to_string().as_bytes())
}

#[test]
fn a_catalog_subscription_is_read() {
    let ask = parse(&catalog()).unwrap();
    let Source::Catalog(source) = &ask.source else {
        panic!("{ask:?}");
    };
    assert_eq!((source.assets.images, source.assets.masks), (1, 1));
    assert_eq!(ask.tools.clip, Some(Clip::Source));
    assert_eq!(
        (ask.delivery, ask.unread.as_deref()),
        (Delivery::Cloud, None)
    );
    assert_eq!(ask.products(), ["PSScene"]);
    assert!(!format!("{ask:?}").contains("credentials"));
}

#[test]
fn a_product_subscription_needs_no_type() {
    let body = json!({"name": "arps", "source": {"parameters": {"id": "PS_ARD_SR_DAILY",
            "geometry": {"type": "ref", "content": "pl:features/my/blocks-8v/12-am"},
            "start_time": "2026-06-01T00:00:00Z"}},
        "hosting": {"type": "sentinel_hub", "parameters": {"create_configuration": true}}});
    let ask = parse(&body).unwrap();
    let Source::Product(product) = &ask.source else {
        panic!("{ask:?}");
    };
    assert_eq!(
        (&*product.id, product.entitlement),
        ("PS_ARD_SR_DAILY", None)
    );
    assert_eq!((ask.delivery, ask.end), (Delivery::Collection, None));
}

#[test]
fn a_filter_is_kept_and_an_odd_relation_is_remembered() {
    let Source::Catalog(source) = parse(&catalog()).unwrap().source else {
        panic!("a catalog");
    };
    assert_eq!(
        source.filter,
        Some(catalog()["source"]["parameters"]["filter"].clone())
    );
    for (relation, unread) in [
        ("intersects", None),
        ("within", None),
        ("disjoint", Some("geometry_relation")),
    ] {
        let ask = parse(&with(
            "/source/parameters/geometry_relation",
            json!(relation),
        ))
        .unwrap();
        assert_eq!(ask.unread.as_deref(), unread, "{relation}");
    }
    let shouting = with("/source/parameters/FILTER", json!({}));
    assert!(parse(&shouting).is_err());
}

#[test]
fn bad_times_are_refused() {
    for (start, end, expected) in [
        (json!("0000-01-01T00:00:00Z"), json!(null), "before 1970"),
        (json!("yesterday"), json!(null), "is not a time"),
        (json!("2026-03-01"), json!(null), "is not a time"),
        (json!("2026-03-01T00:00:00"), json!(null), "is not a time"),
        (json!("2026-02-30T00:00:00Z"), json!(null), "is not a time"),
        (json!(null), json!(null), "no 'start_time'"),
        (json!(20_260_301), json!(null), "start_time"),
        (
            json!("2026-03-01T00:00:00Z"),
            json!("2026-03-01T00:00:00Z"),
            "not after",
        ),
        (
            json!("2026-03-01T00:00:00Z"),
            json!("2026-03-01T01:00:00+02:00"),
            "not after",
        ),
    ] {
        let mut body = with("/source/parameters/start_time", start);
        body["source"]["parameters"]["end_time"] = end;
        let sentence = parse(&body).expect_err("a bad time").sentence;
        assert!(sentence.contains(expected), "{sentence}");
    }
}

#[test]
fn what_is_missing_or_ambiguous_is_named() {
    for (pointer, value, expected) in [
        ("/source/parameters/item_types", json!([]), "at least one"),
        (
            "/source/parameters/asset_types",
            json!(null),
            "at least one",
        ),
        ("/source/parameters/geometry", json!(null), "no 'geometry'"),
        ("/source/parameters/id", json!("X"), "keep the one"),
        (
            "/source/parameters/Start_time",
            json!("x"),
            "write 'start_time'",
        ),
        ("/source", json!({}), "parameters"),
        ("/tools", json!([{}]), "type"),
        ("/delivery", json!(7), "delivery"),
    ] {
        let sentence = parse(&with(pointer, value)).expect_err(pointer).sentence;
        assert!(sentence.contains(expected), "{pointer}: {sentence}");
    }
    let ask = parse(&with("/source/parameters/resample", json!(3))).unwrap();
    assert_eq!(ask.unread.as_deref(), Some("resample"));
}

#[test]
fn a_bulk_call_counts_each() {
    let body = json!({"subscriptions": [catalog(), catalog()]}).to_string();
    assert_eq!(read_bulk(body.as_bytes()).unwrap().len(), 2);
    let broken =
        json!({"subscriptions": [catalog(), with("/source/parameters/start_time", json!("x"))]});
    let sentence = read_bulk(broken.to_string().as_bytes())
        .unwrap_err()
        .sentence;
    assert!(
        sentence.contains("subscriptions[1].source.parameters.start_time"),
        "{sentence}"
    );
    assert!(read_bulk(br#"{"subscriptions":[]}"#).is_err());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = (read(&body), read_bulk(&body));
    }

    #[test]
    fn any_text_is_a_time_or_a_sentence(text in "\\PC{0,30}|[0-9T:Z+-]{15,30}") {
        let _ = instant(&text, "start_time");
    }
}
