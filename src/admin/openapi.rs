//! The description of the API that programs read, served at `/openapi.json`.

/// `OpenAPI` 3.1. A test holds it to the pages that there are.
pub(super) const DOCUMENT: &str = include_str!("openapi.json");

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn document() -> Value {
        serde_json::from_str(DOCUMENT).expect("JSON")
    }

    #[test]
    fn it_is_of_this_version() {
        assert_eq!(document()["info"]["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(document()["openapi"], "3.1.0");
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn follow(here: &Value, whole: &Value, met: &mut usize) {
            if let Some(reference) = here.get("$ref").and_then(Value::as_str) {
                let pointer = reference.strip_prefix('#').expect("a local reference");
                assert!(whole.pointer(pointer).is_some(), "{reference}");
                *met += 1;
            }
            let inner: Vec<&Value> = match here {
                Value::Object(members) => members.values().collect(),
                Value::Array(items) => items.iter().collect(),
                _ => Vec::new(),
            };
            for part in inner {
                follow(part, whole, met);
            }
        }
        let (whole, mut met) = (document(), 0);
        follow(&whole, &whole, &mut met);
        assert!(met > 10, "{met} references");
    }
}
