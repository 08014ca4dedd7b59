//! Members that decide a price must be spelled exactly.
//!
//! Some parsers take `Products` for `products`, so a body with both would mean one thing here and
//! another upstream. A name that differs from a known one by its case alone is refused.

use std::fmt;

use serde::de::{self, Deserialize, DeserializeOwned, Deserializer};

use super::{Misread, json};

/// Reads `text` as [`json::read`] does, and refuses a misspelled one of `names` at any depth.
pub(super) fn read<T: DeserializeOwned>(text: &[u8], names: &[&str]) -> Result<T, Misread> {
    json::check_spelt(text, names)?;
    json::read_checked(text)
}

/// The one of `names` that `key` is another spelling of.
pub(super) fn disguised<'a>(key: &str, names: &[&'a str]) -> Option<&'a str> {
    let is_plain = !key.bytes().any(|byte| byte.is_ascii_uppercase()) && key.is_ascii();
    if is_plain {
        return None;
    }
    names
        .iter()
        .copied()
        .find(|name| *name != key && key.chars().map(fold).eq(name.chars()))
}

/// Case folding as far as it can lead to an ASCII letter: the long s and the Kelvin sign do.
fn fold(letter: char) -> char {
    match letter {
        'ſ' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    }
}

/// The names of an object's members, whatever stands in them. Flattened into a struct, those that no
/// field reads: they could change what is charged.
#[derive(Debug, Default)]
pub(super) struct Members(pub Vec<String>);

impl Members {
    /// One of them, cut to a length that can be shown.
    pub(super) fn one(self) -> Option<String> {
        self.0
            .into_iter()
            .next()
            .map(|name| name.chars().take(60).collect())
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut names = Vec::new();
                while let Some((name, de::IgnoredAny)) = map.next_entry()? {
                    names.push(name);
                }
                Ok(Members(names))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_case_of_a_known_name_is_refused_at_any_depth() {
        for text in [
            r#"{"Products":[]}"#,
            r#"{"a":[{"PRODUCTS":1}]}"#,
            r#"{"product\u017f":1}"#,
        ] {
            let sentence = read::<serde_json::Value>(text.as_bytes(), &["products"])
                .expect_err(text)
                .sentence;
            assert!(sentence.contains("write 'products'"), "{sentence}");
        }
        for text in [r#"{"products":[]}"#, r#"{"Other":{"ProductId":1}}"#] {
            assert!(
                read::<serde_json::Value>(text.as_bytes(), &["products"]).is_ok(),
                "{text}"
            );
        }
    }
}
