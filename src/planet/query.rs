//! The query of a request: decoded for reading, untouched for forwarding.
//!
//! A name that stands twice means its first value to one server and its last to another, so whoever
//! reads a single value gets a refusal instead.

use std::borrow::Cow;
use std::fmt;

use super::Misread;

/// A query as it came, without its question mark; `None` where there was none.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub struct Query<'a>(Option<&'a str>);

impl<'a> Query<'a> {
    pub const fn new(raw: Option<&'a str>) -> Self {
        Self(raw)
    }

    pub const fn raw(self) -> Option<&'a str> {
        self.0
    }

    /// Names and values, decoded, in their order.
    pub fn pairs(self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
        form_urlencoded::parse(self.0.unwrap_or_default().as_bytes())
    }

    /// The value of a name that may stand once.
    pub fn single(self, name: &str) -> Result<Option<Cow<'a, str>>, Misread> {
        self.only(name, |found| found == name)
    }

    /// As [`Query::single`], for OGC, whose names have no case.
    pub fn single_any_case(self, name: &str) -> Result<Option<Cow<'a, str>>, Misread> {
        self.only(name, |found| found.eq_ignore_ascii_case(name))
    }

    /// The raw query without any pair of this name, order and encoding of the others kept; `None` when
    /// nothing is left to ask.
    pub fn without(self, name: &str) -> Option<Cow<'a, str>> {
        let raw = self.0?;
        if !raw
            .split('&')
            .any(|pair| is_named(pair, |found| found == name))
        {
            return Some(Cow::Borrowed(raw));
        }
        let kept: Vec<&str> = raw
            .split('&')
            .filter(|pair| !is_named(pair, |found| found == name))
            .collect();
        (!kept.is_empty()).then(|| Cow::Owned(kept.join("&")))
    }

    fn only(
        self,
        name: &str,
        is_it: impl Fn(&str) -> bool + Copy,
    ) -> Result<Option<Cow<'a, str>>, Misread> {
        let raw = self.0.unwrap_or_default();
        let mut values = self
            .pairs()
            .filter(|(found, _)| is_it(found))
            .map(|(_, value)| value);
        let value = values.next();
        let hidden = behind_semicolons(raw).any(|pair| is_named(pair, is_it));
        if values.next().is_some() || hidden {
            return Err(Misread::new(format!(
                "the query names '{name}' more than once, and servers disagree on which counts; keep one"
            )));
        }
        Ok(value)
    }
}

/// Values stay unprinted: one may be a key or a token.
impl fmt::Debug for Query<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Query(…)"
        } else {
            "Query()"
        })
    }
}

/// What an old server, to which a semicolon separates pairs too, would read and a new one would not.
fn behind_semicolons(raw: &str) -> impl Iterator<Item = &str> {
    raw.split('&').flat_map(|pair| pair.split(';').skip(1))
}

fn is_named(pair: &str, is_it: impl Fn(&str) -> bool) -> bool {
    form_urlencoded::parse(pair.as_bytes()).any(|(found, _)| is_it(&found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(raw: &str) -> Query<'_> {
        Query::new(Some(raw))
    }

    #[test]
    fn pairs_are_decoded_and_keep_their_order() {
        let pairs: Vec<_> = query("b=1&a=%2Fx+y&flag&&b=2").pairs().collect();
        let expected = [("b", "1"), ("a", "/x y"), ("flag", ""), ("b", "2")];
        assert_eq!(
            pairs,
            expected.map(|(name, value)| (name.into(), value.into()))
        );
    }

    #[test]
    fn a_single_value_is_read_once_or_refused() {
        assert_eq!(query("a=1&b=2").single("b"), Ok(Some("2".into())));
        assert_eq!(query("a=1").single("b"), Ok(None));
        assert_eq!(Query::default().single("b"), Ok(None));
        for twice in ["b=1&b=1", "b=1&%62=2", "a=1;b=2", "b=1&a=x;b=2"] {
            assert!(query(twice).single("b").is_err(), "{twice}");
        }
        assert_eq!(query("B=1&b=2").single("b"), Ok(Some("2".into())));
        assert_eq!(
            query("format=image/tiff;depth=32f").single("format"),
            Ok(Some("image/tiff;depth=32f".into()))
        );
    }

    #[test]
    fn names_without_case_count_together() {
        assert_eq!(
            query("ReQuest=GetMap").single_any_case("REQUEST"),
            Ok(Some("GetMap".into()))
        );
        let sentence = query("REQUEST=GetCapabilities&request=GetMap")
            .single_any_case("REQUEST")
            .unwrap_err()
            .sentence;
        assert!(sentence.contains("'REQUEST' more than once"), "{sentence}");
    }

    #[test]
    fn one_name_is_removed_and_the_rest_left_as_it_was() {
        for (raw, left) in [
            ("api_key=K", None),
            ("api_key=K&a=%7e", Some("a=%7e")),
            (
                "a=1&api%5Fkey=K&b={lx},{ly}&api_key&c",
                Some("a=1&b={lx},{ly}&c"),
            ),
            ("a=api_key&my_api_key=2", Some("a=api_key&my_api_key=2")),
            ("", Some("")),
        ] {
            assert_eq!(query(raw).without("api_key").as_deref(), left, "{raw}");
        }
        assert_eq!(Query::default().without("api_key"), None);
    }

    #[test]
    fn a_query_is_printed_without_its_values() {
        assert_eq!(format!("{:?}", query("api_key=secret")), "Query(…)");
    }
}
