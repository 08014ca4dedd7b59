//! The request target, in the one form that is both classified and forwarded.
//!
//! Two servers can read one path differently: a dot segment, an encoded slash or a doubled encoding
//! means nothing to one and a way upwards to the other. What has a single reading is brought to one
//! spelling; what has two is refused in a sentence, before anybody looks at the call.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode_str;

use super::{Misread, Query};

/// A canonical path and the query as it came. To hold one is proof that upstream reads it as we do.
#[derive(Clone, Eq, PartialEq)]
pub struct Target<'a> {
    path: Cow<'a, str>,
    query: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Reads the origin form, `/path?query`. Nothing is allocated when it is canonical already.
    pub fn parse(origin_form: &'a str) -> Result<Self, Misread> {
        let (path, query) = match origin_form.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (origin_form, None),
        };
        if let Some(query) = query {
            check_query(query)?;
        }
        Ok(Self {
            path: canonical(path)?,
            query,
        })
    }

    /// Collapsed and normalised, with its trailing slash, if it had one.
    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn query(&self) -> Query<'a> {
        Query::new(self.query)
    }
}

/// The query stays unprinted: it is a place for keys and download tokens.
impl fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let query = if self.query.is_some() { "?…" } else { "" };
        write!(f, "Target({}{query})", self.path)
    }
}

pub(super) fn canonical(path: &str) -> Result<Cow<'_, str>, Misread> {
    if !path.starts_with('/') {
        return Err(Misread::new("the request path must begin with '/'"));
    }
    if let Some(byte) = path.bytes().find(|byte| !may_stand_in_a_path(*byte)) {
        return Err(refused_raw(byte));
    }
    let is_plain = memchr::memchr(b'%', path.as_bytes()).is_none() && !path.contains("//");
    let path = if is_plain {
        Cow::Borrowed(path)
    } else {
        rewrite(path)?
    };
    if has_dot_segment(&path) {
        return Err(Misread::new(
            "the path holds a '.' or '..' segment, plain or encoded; send the path it leads to",
        ));
    }
    Ok(path)
}

/// Looks only where a segment begins with a dot, which is seldom.
fn has_dot_segment(path: &str) -> bool {
    memchr::memmem::find_iter(path.as_bytes(), "/.").any(|at| {
        let behind = &path[at + 1..];
        let segment = behind
            .split_once('/')
            .map_or(behind, |(segment, _)| segment);
        matches!(segment, "." | "..")
    })
}

/// Unreserved, the sub-delimiters but for the semicolon, and what RFC 3986 allows besides in a segment.
const fn may_stand_in_a_path(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(
            byte,
            b'/' | b'%'
                | b':'
                | b'@'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b'='
        )
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn refused_raw(byte: u8) -> Misread {
    Misread::new(match byte {
        b';' => "the path holds ';', which some servers cut a segment at; remove it".to_owned(),
        b'#' => {
            "the request holds a fragment ('#…'), which is no part of a call; remove it".to_owned()
        }
        b'\\' => "the path holds '\\', which some servers take for '/'; remove it".to_owned(),
        b'!'..=b'~' => format!(
            "the path holds '{}', which must be percent-encoded in a URL",
            char::from(byte)
        ),
        _ => format!("the path holds the raw byte 0x{byte:02X}; percent-encode it as UTF-8"),
    })
}

/// Decodes what need not be encoded, writes the rest in upper case and takes doubled slashes together.
fn rewrite(path: &str) -> Result<Cow<'_, str>, Misread> {
    let mut out = String::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'%' => {
                push_encoded(&mut out, encoded_byte(rest)?)?;
                rest = &rest[2..];
            }
            b'/' if out.ends_with('/') => {}
            _ => out.push(char::from(byte)),
        }
    }
    check_encodings(&out)?;
    Ok(if out == path {
        Cow::Borrowed(path)
    } else {
        Cow::Owned(out)
    })
}

fn push_encoded(out: &mut String, byte: u8) -> Result<(), Misread> {
    match byte {
        b'/' | b'\\' | b';' | b'?' | b'#' => Err(Misread::new(format!(
            "the path holds '%{byte:02X}', an encoded '{}', which some servers decode before they split \
             the path and others do not; remove it",
            char::from(byte)
        ))),
        byte if byte.is_ascii_control() => Err(Misread::new(format!(
            "the path holds the control character '%{byte:02X}'; remove it"
        ))),
        byte if is_unreserved(byte) => {
            out.push(char::from(byte));
            Ok(())
        }
        byte => {
            out.push_str(percent_encoding::percent_encode_byte(byte));
            Ok(())
        }
    }
}

/// The byte that two hexadecimal digits behind a '%' stand for.
fn encoded_byte(digits: &[u8]) -> Result<u8, Misread> {
    let digit = |at: usize| {
        digits
            .get(at)
            .and_then(|digit| char::from(*digit).to_digit(16))
    };
    digit(0)
        .zip(digit(1))
        .and_then(|(high, low)| u8::try_from(high * 16 + low).ok())
        .ok_or_else(|| {
            Misread::new("the URL holds a '%' without two hexadecimal digits; write '%25' for a percent sign")
        })
}

/// What a second decoding would change, or what no decoding makes text of.
fn check_encodings(path: &str) -> Result<(), Misread> {
    let twice = path
        .split("%25")
        .skip(1)
        .any(|behind| encoded_byte(behind.as_bytes()).is_ok());
    if twice {
        return Err(Misread::new(
            "the path is percent-encoded twice ('%25…'); encode it once",
        ));
    }
    if percent_decode_str(path).decode_utf8().is_err() {
        return Err(Misread::new(
            "the path is not UTF-8 once its percent-encoding is undone; encode it as UTF-8",
        ));
    }
    Ok(())
}

fn check_query(query: &str) -> Result<(), Misread> {
    for byte in query.bytes() {
        if byte == b'#' {
            return Err(refused_raw(byte));
        }
        if !byte.is_ascii_graphic() {
            return Err(Misread::new(format!(
                "the query holds the raw byte 0x{byte:02X}; percent-encode it as UTF-8"
            )));
        }
    }
    memchr::memchr_iter(b'%', query.as_bytes())
        .try_for_each(|at| encoded_byte(&query.as_bytes()[at + 1..]).map(|_| ()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(origin_form: &str) -> Result<String, Misread> {
        Target::parse(origin_form).map(|target| target.path().to_owned())
    }

    fn refusal(origin_form: &str) -> String {
        path(origin_form).expect_err(origin_form).sentence
    }

    #[test]
    fn a_canonical_target_is_borrowed_and_unchanged() {
        for form in [
            "/",
            "/data/v1/item-types/PSScene",
            "/a/%C3%A9%20/",
            "/x:y@z,1=2/~(a)",
        ] {
            let target = Target::parse(form).unwrap();
            assert!(
                matches!(target.path, Cow::Borrowed(same) if same == form),
                "{form}"
            );
        }
    }

    #[test]
    fn spellings_of_one_path_become_one() {
        for (spelt, canonical) in [
            ("//compute//ops/orders/v2//", "/compute/ops/orders/v2/"),
            ("/compute/ops/%6Frders/v2", "/compute/ops/orders/v2"),
            ("/catalog/1%2e0%2E0/search", "/catalog/1.0.0/search"),
            ("/a/%c3%a9/%7e", "/a/%C3%A9/~"),
            ("/a%20b", "/a%20b"),
            ("/a/100%25", "/a/100%25"),
        ] {
            assert_eq!(path(spelt).as_deref(), Ok(canonical), "{spelt}");
        }
    }

    #[test]
    fn what_two_servers_may_read_differently_is_refused_in_a_sentence() {
        for (form, rule) in [
            ("/free/../compute/ops/orders/v2", "'.' or '..'"),
            ("/compute/./ops", "'.' or '..'"),
            ("/free/%2e%2E/compute", "'.' or '..'"),
            ("/free/.%2e", "'.' or '..'"),
            ("/compute%2fops", "encoded '/'"),
            ("/compute%5Cops", "encoded '\\'"),
            ("/compute\\ops", "'\\'"),
            ("/free/%252e%252e/compute", "encoded twice"),
            ("/free/%25%32e/compute", "encoded twice"),
            ("/compute%252fops", "encoded twice"),
            ("/a%00b", "control character '%00'"),
            ("/a%7f", "control character '%7F'"),
            ("/a%", "hexadecimal"),
            ("/a%4", "hexadecimal"),
            ("/a%zz", "hexadecimal"),
            ("/a%+1", "hexadecimal"),
            ("/a;jsessionid=1/b", "';'"),
            ("/a%3Bx", "encoded ';'"),
            ("/a%3Fx", "encoded '?'"),
            ("/a%23x", "encoded '#'"),
            ("/a#b", "fragment"),
            ("/a?b#c", "fragment"),
            ("/a b", "0x20"),
            ("/caf\u{e9}", "0xC3"),
            ("/a\u{1}", "0x01"),
            ("/a/%C0%AE%C0%AE/b", "not UTF-8"),
            ("/a{b}", "percent-encoded"),
            ("/a?x=\u{e9}", "0xC3"),
            ("/a?x=%g1", "hexadecimal"),
            ("", "begin with '/'"),
            ("*", "begin with '/'"),
            ("data/v1", "begin with '/'"),
        ] {
            let sentence = refusal(form);
            assert!(sentence.contains(rule), "{form}: {sentence}");
        }
    }

    #[test]
    fn a_query_keeps_its_spelling() {
        let target = Target::parse("/a?b=%7e&&bbox={lx},{ly}&url=https://x/../y;z").unwrap();
        assert_eq!(
            target.query().raw(),
            Some("b=%7e&&bbox={lx},{ly}&url=https://x/../y;z")
        );
        assert_eq!(Target::parse("/a").unwrap().query().raw(), None);
        assert_eq!(Target::parse("/a?").unwrap().query().raw(), Some(""));
    }

    #[test]
    fn a_target_is_printed_without_its_query() {
        let printed = format!("{:?}", Target::parse("/a?api_key=secret").unwrap());
        assert_eq!(printed, "Target(/a?…)");
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_its_own_canonical_form(form in "/[a-z.%0-9A-F/;~]{0,24}") {
            if let Ok(canonical) = path(&form) {
                prop_assert_eq!(path(&canonical), Ok(canonical.clone()));
                prop_assert!(!canonical.contains("//"), "{canonical}");
            }
        }

        #[test]
        fn arbitrary_text_never_panics(form in "\\PC{0,40}") {
            let _ = Target::parse(&form);
        }
    }
}
