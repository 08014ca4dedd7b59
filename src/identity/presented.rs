//! Where a key stands in a request.

use std::fmt;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::{Refusal, hash};
use crate::policy::KeyHash;

/// The query parameter that holds a key.
pub(super) const QUERY_KEY: &str = "api_key";

/// The one key that a request brings.
#[derive(Clone, Eq, PartialEq)]
pub struct Presented {
    key: String,
}

impl Presented {
    /// Finds the key in every place an SDK may put it. Several places must agree: upstream may look at
    /// another one than we do.
    pub fn find(headers: &HeaderMap, query: Option<&str>) -> Result<Self, Refusal> {
        let mut found: Option<String> = None;
        for header in headers.get_all(AUTHORIZATION) {
            agree(&mut found, from_header(header.as_bytes())?)?;
        }
        for key in from_query(query.unwrap_or_default()) {
            agree(&mut found, key)?;
        }
        match found {
            Some(key) if !key.is_empty() => Ok(Self { key }),
            _ => Err(Refusal::Missing),
        }
    }

    /// Of a request that brings what the guard gave to a key in the key's stead.
    pub const fn nothing() -> Self {
        Self { key: String::new() }
    }

    /// The key in the clear, for links that must carry it; empty where there is none.
    pub fn expose(&self) -> &str {
        &self.key
    }

    pub fn hash(&self) -> KeyHash {
        hash(&self.key)
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Presented(…)")
    }
}

fn agree(found: &mut Option<String>, key: String) -> Result<(), Refusal> {
    match found {
        Some(other) if *other != key => Err(Refusal::Ambiguous),
        _ => {
            *found = Some(key);
            Ok(())
        }
    }
}

fn from_header(value: &[u8]) -> Result<String, Refusal> {
    let unreadable = |why| Refusal::Unreadable { why };
    let text = std::str::from_utf8(value).map_err(|_| unreadable("it is not plain text"))?;
    let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    let rest = rest.trim();
    match scheme.to_ascii_lowercase().as_str() {
        "basic" => basic_user(rest).ok_or_else(|| unreadable("its Basic part is not base64 text")),
        "api-key" | "bearer" => Ok(rest.into()),
        _ => Err(unreadable("its scheme must be Basic, api-key or Bearer")),
    }
}

/// The user name is the key; the password means nothing.
fn basic_user(encoded: &str) -> Option<String> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let text = String::from_utf8(LENIENT.decode(encoded).ok()?).ok()?;
    let (user, _) = text.split_once(':').unwrap_or((&text, ""));
    Some(user.into())
}

fn from_query(query: &str) -> impl Iterator<Item = String> + '_ {
    form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| is_query_key(name))
        .map(|(_, key)| key.into_owned())
}

/// Whether a decoded parameter name means the key, to an upstream that may not mind its case.
pub(super) fn is_query_key(name: &str) -> bool {
    name.eq_ignore_ascii_case(QUERY_KEY)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn find(authorization: &[&str], query: Option<&str>) -> Result<String, Refusal> {
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        Presented::find(&headers, query).map(|presented| presented.key)
    }

    #[test]
    fn a_key_is_found_wherever_an_sdk_puts_it() {
        for (headers, query) in [
            (&["Basic a2V5Og=="][..], None),
            (&["basic a2V5OnBhc3M="], None),
            (&["Basic a2V5Og"], None),
            (&["Basic a2V5"], None),
            (&["api-key key"], None),
            (&["API-Key  key "], None),
            (&["Bearer key"], None),
            (&[], Some("api_key=key")),
            (&[], Some("a=1&api_key=key&b=2")),
            (&[], Some("api%5Fkey=%6Bey")),
            (&[], Some("API_KEY=key")),
        ] {
            assert_eq!(
                find(headers, query).as_deref(),
                Ok("key"),
                "{headers:?} {query:?}"
            );
        }
    }

    #[test]
    fn several_places_must_agree() {
        assert_eq!(
            find(&["Bearer k", "Basic azo="], Some("api_key=k&api_key=k")).as_deref(),
            Ok("k")
        );
        for (headers, query) in [
            (&["Bearer k"][..], Some("api_key=other")),
            (&["Bearer k", "Bearer other"], None),
            (&[], Some("api_key=k&api_key=other")),
            (&["Bearer k"], Some("api_key=")),
        ] {
            assert_eq!(
                find(headers, query),
                Err(Refusal::Ambiguous),
                "{headers:?} {query:?}"
            );
        }
    }

    #[test]
    fn no_key_is_not_an_empty_key() {
        for (headers, query) in [
            (&[][..], None),
            (&["Bearer"], None),
            (&["Bearer "], None),
            (&["Basic Og=="], None),
            (&[], Some("api_key=")),
            (&[], Some("api_keys=k&xapi_key=k")),
        ] {
            assert_eq!(
                find(headers, query),
                Err(Refusal::Missing),
                "{headers:?} {query:?}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_guessed_at() {
        for header in ["Digest key", "key", "Basic %%%", "Basic /w=="] {
            let refusal = find(&[header], None).unwrap_err();
            assert!(
                matches!(refusal, Refusal::Unreadable { .. }),
                "{header}: {refusal}"
            );
            assert!(!refusal.to_string().contains("key:"), "{refusal}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(
            AUTHORIZATION,
            HeaderValue::from_bytes(b"Bearer \xff").unwrap(),
        );
        assert!(Presented::find(&headers, None).is_err());
    }

    #[test]
    fn a_key_does_not_print() {
        let presented = Presented {
            key: "s3cret".into(),
        };
        assert_eq!(format!("{presented:?}"), "Presented(…)");
    }

    proptest::proptest! {
        #[test]
        fn any_header_and_query_have_an_answer(
            header in proptest::collection::vec(0x20u8..=0xff, 0..60), query in "[api_key=&%0-9A-Fa-z+]{0,60}"
        ) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&header) {
                headers.insert(AUTHORIZATION, value);
            }
            drop(Presented::find(&headers, Some(&query)));
            let kept = super::super::strip(&mut headers, Some(&query));
            let nothing = Presented::find(&headers, kept.as_deref());
            proptest::prop_assert_eq!(nothing, Err(Refusal::Missing), "what is stripped is gone");
        }
    }
}
