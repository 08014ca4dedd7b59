//! Bodies gone wrong, for tests: a valid one with parts of it replaced by whatever JSON there is.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

/// Variations of `body`, from nearly right to beyond recognition.
pub(crate) fn variations(body: Value) -> impl Strategy<Value = Value> {
    prop::collection::vec((any::<Index>(), anything()), 0..4).prop_map(move |changes| {
        let mut body = body.clone();
        for (place, part) in changes {
            let mut paths = Vec::new();
            collect(&body, String::new(), &mut paths);
            let path = place.get(&paths);
            if let Some(target) = body.pointer_mut(path) {
                *target = part;
            }
        }
        body
    })
}

fn collect(value: &Value, path: String, paths: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                collect(member, format!("{path}/{name}"), paths);
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                collect(item, format!("{path}/{place}"), paths);
            }
        }
        _ => {}
    }
    paths.push(path);
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "\\PC{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            json!("PSScene"),
            json!("ref"),
            json!("pl:features/my/a/b"),
            json!("9999-12-31T23:59:59Z"),
            json!("-9999-01-01T00:00:00Z"),
            json!([[0, 0], [1, 0], [1, 1], [0, 0]]),
            json!([[[0, 0], [1e308, 0], [1, 1], [0, 0]]]),
            json!({}),
            json!([]),
        ]),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-z_]{1,10}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
