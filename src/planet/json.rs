//! Reading JSON so that no other parser could read it differently.
//!
//! A key that stands twice in one object means one thing to a parser that keeps the first and another to
//! one that keeps the last, so it is refused, wherever it stands.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess};

use super::{Misread, spelling};

/// Reads the whole of `text` as a `T`. The error names the path, line and column of what is wrong.
pub fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, Misread> {
    check(text)?;
    read_checked(text)
}

/// As [`read`], of what borrows from the text. The error names a line and a column alone.
pub(super) fn read_borrowed<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Result<T, Misread> {
    check(text)?;
    serde_json::from_slice(text)
        .map_err(|error| Misread::new(format!("the JSON cannot be understood: {error}")))
}

/// As [`read`], of text that has passed [`check`] before.
pub(super) fn read_checked<T: DeserializeOwned>(text: &[u8]) -> Result<T, Misread> {
    serde_json::from_slice(text).map_err(|error| {
        let mut reader = serde_json::Deserializer::from_slice(text);
        let at = match serde_path_to_error::deserialize::<_, T>(&mut reader) {
            Err(traced) if traced.path().iter().next().is_some() => {
                format!(" at '{}'", traced.path())
            }
            _ => String::new(),
        };
        Misread::new(format!("the JSON body cannot be understood{at}: {error}"))
    })
}

/// Refuses what is not JSON, nests too deep, holds a number past a double, or repeats a key.
pub fn check(text: &[u8]) -> Result<(), Misread> {
    check_spelt(text, &[])
}

/// As [`check`], and refuses a key that is one of `names` in another case.
pub(super) fn check_spelt(text: &[u8], names: &[&str]) -> Result<(), Misread> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    Unambiguous { names }
        .deserialize(&mut reader)
        .and_then(|()| reader.end())
        .map_err(|error| {
            Misread::new(format!(
                "the body is not the JSON that this API takes: {error}"
            ))
        })
}

#[derive(Clone, Copy)]
struct Unambiguous<'a> {
    names: &'a [&'a str],
}

impl<'de> DeserializeSeed<'de> for Unambiguous<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> de::Visitor<'de> for Unambiguous<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = members.next_key::<String>()? {
            if seen.contains(&key) {
                return Err(de::Error::custom(format_args!(
                    "the key '{key}' stands twice in one object, and parsers disagree on which counts; keep one"
                )));
            }
            if let Some(name) = spelling::disguised(&key, self.names) {
                return Err(de::Error::custom(format_args!(
                    "some parsers read the key '{key}' as '{name}'; write '{name}'"
                )));
            }
            members.next_value_seed(self)?;
            seen.insert(key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_stands_twice_is_refused_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"[{"x":{"b":1,"\u0062":2}}]"#] {
            let sentence = check(text.as_bytes()).unwrap_err().sentence;
            assert!(sentence.contains("stands twice"), "{sentence}");
        }
        assert_eq!(check(br#"{"a":{"a":1},"b":[{"a":1},{"a":1}]}"#), Ok(()));
    }

    #[test]
    fn what_is_not_json_is_refused() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        for text in [
            "",
            "{",
            "{}x",
            "NaN",
            "[1e999]",
            "{'a':1}",
            "\u{feff}{}",
            deep.as_str(),
        ] {
            assert!(check(text.as_bytes()).is_err(), "{text}");
        }
        assert!(check(b"\"\xff\"").is_err());
    }

    #[test]
    fn the_error_names_the_path_of_what_is_wrong() {
        #[derive(Debug, serde::Deserialize)]
        struct Outer {
            #[expect(dead_code, reason = "only its reading is of interest")]
            inner: Vec<u32>,
        }
        let sentence = read::<Outer>(br#"{"inner":[1,"x"]}"#).unwrap_err().sentence;
        assert!(sentence.contains("inner[1]"), "{sentence}");
    }
}
