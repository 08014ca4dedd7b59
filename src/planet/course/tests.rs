use proptest::prelude::*;
use serde_json::json;

use super::*;

fn course(kind: Kind, answer: &Value) -> Course {
    Course::read(kind, StatusCode::OK, answer.to_string().as_bytes()).unwrap()
}

fn end(kind: Kind, answer: &Value) -> Option<End> {
    course(kind, answer).end
}

fn ordered(state: &str, tools: &Value, files: &[&str]) -> Value {
    let files: Vec<_> = files.iter().map(|name| json!({"name": name})).collect();
    json!({"state": state, "tools": tools, "_links": {"results": files},
        "products": [{"item_type": "PSScene", "product_bundle": "visual", "item_ids": ["a1", "b2"]}]})
}

#[test]
fn an_order_that_delivers_nothing_costs_no_pu_and_keeps_its_square_kilometres() {
    for state in ["failed", "cancelled"] {
        let end = end(Kind::Order, &json!({"state": state}));
        let Some(End::Nothing { units, .. }) = end else {
            panic!("{state}: {end:?}");
        };
        assert_eq!(units, [Unit::Pu]);
    }
    for state in ["queued", "running", "a word of tomorrow"] {
        let course = course(Kind::Order, &json!({"state": state}));
        assert_eq!((course.end, &*course.state), (None, state));
    }
}

#[test]
fn an_order_names_the_items_that_it_left_out() {
    let none = json!([]);
    let whole = ordered("success", &none, &["o/PSScene/a1_3B.tif", "o/b2_3B.tif"]);
    assert_eq!(end(Kind::Order, &whole), Some(End::AsAsked));
    let part = ordered("partial", &none, &["o/a1_3B.tif", "o/manifest.json"]);
    let Some(End::Without(ask, missing)) = end(Kind::Order, &part) else {
        panic!("{part}");
    };
    assert_eq!(missing, ["b2"]);
    assert_eq!(ask.products.len(), 1);
}

#[test]
fn where_files_are_not_named_by_their_items_nothing_is_concluded() {
    let fused = ordered("partial", &json!([{"composite": {}}]), &["o/a1_3B.tif"]);
    let strange = ordered("partial", &json!([]), &["o/one.zip"]);
    let hidden = ordered("success", &json!([]), &[]);
    for order in [fused, strange, hidden, json!({"state": "partial"})] {
        let end = end(Kind::Order, &order);
        assert!(matches!(end, Some(End::Untold(_))), "{order}: {end:?}");
    }
}

#[test]
fn a_task_tells_its_cost_by_either_name() {
    for (status, cost) in [
        ("DONE", "costPU"),
        ("FAILED", "costPu"),
        ("STOPPED", "costPU"),
    ] {
        let course = course(Kind::Batch, &json!({"status": status, cost: 120.25}));
        assert_eq!(
            course.end,
            Some(End::Took(Pu::from_micros(120_250_000).unwrap()))
        );
        assert_eq!(course.state, format!("{status}, 120.25 PU"));
    }
    let silent = end(Kind::BatchStatistics, &json!({"status": "CANCELED"}));
    assert!(matches!(silent, Some(End::Untold(_))), "{silent:?}");
    let working = json!({"status": "PROCESSING", "costPU": 3});
    assert_eq!(end(Kind::Batch, &working), None);
    let wrong = json!({"status": "DONE", "costPU": -1}).to_string();
    assert!(Course::read(Kind::Batch, StatusCode::OK, wrong.as_bytes()).is_err());
}

#[test]
fn a_subscription_gives_back_only_what_is_charged_at_delivery() {
    let summary = |status: &str, success: u64| {
        json!({"subscription": {"status": status},
            "results": {"created": 0, "queued": 0, "processing": 0, "failed": 3, "success": success}})
    };
    for status in ["failed", "invalid", "completed"] {
        let empty = end(Kind::Subscription, &summary(status, 0));
        let Some(End::Nothing { units, .. }) = empty else {
            panic!("{status}: {empty:?}");
        };
        assert_eq!(units, [Unit::Pu, Unit::Km2]);
        let some = end(Kind::Subscription, &summary(status, 1));
        assert!(matches!(some, Some(End::Untold(_))), "{status}: {some:?}");
    }
    let cancelled = end(Kind::Subscription, &summary("cancelled", 0));
    assert!(matches!(cancelled, Some(End::Untold(_))), "{cancelled:?}");
    for status in ["preparing", "pending", "running", "suspended"] {
        assert_eq!(end(Kind::Subscription, &summary(status, 0)), None);
    }
    let uncounted = json!({"subscription": {"status": "failed"}, "results": {"failed": 0}});
    let uncounted = end(Kind::Subscription, &uncounted);
    assert!(matches!(uncounted, Some(End::Untold(_))), "{uncounted:?}");
}

#[test]
fn what_was_made_in_bulk_is_over_when_all_of_it_is() {
    let list = |states: &[&str]| {
        let all: Vec<_> = states
            .iter()
            .map(|status| json!({"status": status}))
            .collect();
        course(Kind::Subscriptions, &json!({"subscriptions": all}))
    };
    assert_eq!(list(&[]).end, None);
    assert_eq!(list(&["completed", "running"]).state, "running");
    assert!(list(&["completed", "failed"]).end.is_some());
}

#[test]
fn an_asynchronous_image_is_gone_when_it_is_over() {
    let running = json!({"id": "a", "status": "RUNNING"});
    assert_eq!(end(Kind::AsyncProcess, &running), None);
    let gone = Course::read(Kind::AsyncProcess, StatusCode::NOT_FOUND, b"").unwrap();
    assert!(matches!(gone.end, Some(End::Untold(_))), "{gone:?}");
    assert!(Course::read(Kind::Order, StatusCode::NOT_FOUND, b"").is_err());
}

#[test]
fn a_job_that_reserved_nothing_takes_no_quota() {
    let job = |status: &str, processed: u64| {
        end(
            Kind::Reservations,
            &json!({"id": 1, "status": status,
            "processed_items": processed, "total_items": 2}),
        )
    };
    assert!(matches!(
        job("completed", 0),
        Some(End::Nothing {
            units: [Unit::Quota],
            ..
        })
    ));
    assert!(matches!(job("completed", 1), Some(End::Untold(_))));
    assert_eq!(job("completed", 2), Some(End::AsAsked));
    assert_eq!(job("pending", 0), None);
}

proptest! {
    #[test]
    fn any_answer_is_read_without_a_panic(answer in any::<Vec<u8>>()) {
        for kind in Kind::ALL {
            let _ = Course::read(kind, StatusCode::OK, &answer);
        }
    }
}
