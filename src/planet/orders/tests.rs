use super::*;
use proptest::prelude::*;

fn sentence(body: &str) -> String {
    read(body.as_bytes()).expect_err(body).sentence
}

const SCENES: &str = r#"{"name":"farm-7","products":[
    {"item_ids":["a","b"],"item_type":"PSScene","product_bundle":"analytic_8b_sr_udm2,analytic_sr_udm2"}],
    "tools":[{"clip":{"aoi":{"type":"Polygon","coordinates":[[[14.5,46.0],[14.52,46.0],[14.52,46.02],[14.5,46.02],[14.5,46.0]]]}}},
             {"harmonize":{"target_sensor":"Sentinel-2"}}],
    "order_type":"partial","subscription_id":123,"delivery":{"destination":{"ref":"pl:destinations/default"}}}"#;

#[test]
fn an_order_of_scenes_is_read() {
    let ask = read(SCENES.as_bytes()).unwrap();
    let [Ordered::Scenes(scenes)] = ask.products.as_slice() else {
        panic!("{ask:?}");
    };
    assert_eq!(scenes.item_ids, ["a", "b"]);
    assert_eq!(scenes.bundle, "analytic_8b_sr_udm2,analytic_sr_udm2");
    assert_eq!(ask.tools.others, ["harmonize"]);
    assert_eq!(ask.delivery, Delivery::Cloud);
    assert!(ask.partial && ask.unread.is_none() && ask.plan_id == Some(123));
    assert_eq!(ask.products(), ["PSScene"]);
}

#[test]
fn an_order_of_basemaps_is_read() {
    let ask = read(
        br#"{"source_type":"basemaps","products":[{"mosaic_name":"global_monthly_2026_07_mosaic",
            "quad_ids":["1205-1103","1206-1103"]}],"tools":[{"merge":{}}]}"#,
    )
    .unwrap();
    assert_eq!((ask.item_count(), ask.tools.merges), (2, 1));
    assert_eq!(ask.products(), ["global_monthly_2026_07_mosaic"]);
}

#[test]
fn a_member_that_nothing_reads_is_remembered() {
    let ask = read(
        br#"{"products":[{"item_ids":["a"],"item_type":"PSScene","product_bundle":"visual","extra":1}]}"#,
    );
    assert_eq!(ask.unwrap().unread.as_deref(), Some("extra"));
}

#[test]
fn what_upstream_would_refuse_or_read_otherwise_is_refused() {
    let five_hundred_and_one = vec!["\"x\""; 501].join(",");
    for (body, expected) in [
        ("[]".to_owned(), "understood"),
        ("{}".into(), "no products"),
        (r#"{"products":[{}]}"#.into(), "item_type"),
        (r#"{"products":7}"#.into(), "products"),
        (
            r#"{"products":[],"Products":[]}"#.into(),
            "write 'products'",
        ),
        (
            r#"{"products":[{"item_type":"PSScene","product_bundle":"visual","item_ids":[]}]}"#
                .into(),
            "lists nothing",
        ),
        (
            format!(
                r#"{{"products":[{{"item_type":"PSScene","product_bundle":"visual","item_ids":[{five_hundred_and_one}]}}]}}"#
            ),
            "501 items",
        ),
        (
            r#"{"products":[{"mosaic_name":"m","quad_ids":["1"]}]}"#.into(),
            "basemaps",
        ),
        (
            r#"{"source_type":"basemaps","products":[{"mosaic_name":"m"}]}"#.into(),
            "quad_ids",
        ),
        (
            r#"{"source_type":"dreams","products":[{"mosaic_name":"m"}]}"#.into(),
            "dreams",
        ),
    ] {
        let sentence = sentence(&body);
        assert!(sentence.contains(expected), "{body}: {sentence}");
    }
}

#[test]
fn an_order_is_cut_to_its_first_items() {
    let ask = read(
        br#"{"products":[{"item_ids":["a","b"],"item_type":"PSScene","product_bundle":"visual"},
            {"item_ids":["c","d"],"item_type":"PSScene","product_bundle":"visual"}]}"#,
    )
    .unwrap();
    assert_eq!(ask.first_items(3).item_count(), 3);
    assert_eq!(ask.first_items(9), ask);
}

#[test]
fn repeated_items_are_kept_and_seen() {
    let scenes = |items: &[&str]| Scenes {
        item_type: "PSScene".into(),
        bundle: "visual".into(),
        item_ids: items.iter().map(|item| (*item).into()).collect(),
    };
    assert!(scenes(&["a", "b", "a"]).repeats());
    assert!(!scenes(&["a", "b"]).repeats());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&body);
    }
}
