//! Links to downloads: which calls they stand for, and when they end.
//!
//! An order's file is behind a token that holds the signed address of the file, an asset behind one that
//! names it; both lead anybody who has them to the bytes. Neither is verified here: upstream does that.

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::{Operation, Query};
use crate::units::UtcTime;

/// The parameter that holds the token of a download.
pub const TOKEN: &str = "token";

impl Operation {
    /// Whether the bytes behind it are what is asked for.
    pub const fn is_download(self) -> bool {
        matches!(
            self,
            Self::DownloadAsset | Self::DownloadOrder | Self::DownloadQuad
        )
    }

    /// Whether its token alone opens it, with Planet's key or without.
    pub const fn is_opened_by_token(self) -> bool {
        matches!(self, Self::DownloadAsset | Self::DownloadOrder)
    }
}

#[derive(Deserialize)]
struct Claims {
    exp: Option<i64>,
}

/// When a token says that it ends.
pub fn token_ends(token: &str) -> Option<UtcTime> {
    let payload = token.split('.').nth(1)?.trim_end_matches('=');
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let Claims { exp } = serde_json::from_slice(&payload).ok()?;
    UtcTime::from_second(exp?).ok()
}

/// When the signature in an address says that it ends: Google's and Amazon's, old and new.
pub fn signature_ends(address: &str) -> Option<UtcTime> {
    let query = Query::new(Some(address.split_once('?')?.1));
    let value = |name: &str| -> Option<Cow<'_, str>> {
        let mut pairs = query.pairs();
        let found = pairs.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    };
    let signed = ["X-Goog", "X-Amz"].into_iter().find_map(|whose| {
        let date = value(&format!("{whose}-Date"))?;
        let lasts: u64 = value(&format!("{whose}-Expires"))?.parse().ok()?;
        let date = DateTime::strptime("%Y%m%dT%H%M%SZ", &*date).ok()?;
        let date = date.to_zoned(TimeZone::UTC).ok()?.timestamp();
        date.checked_add(Duration::from_secs(lasts)).ok()
    });
    signed.or_else(|| UtcTime::from_second(value("Expires")?.parse().ok()?).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> UtcTime {
        text.parse().unwrap()
    }

    #[test]
    fn a_token_ends_when_its_claims_say() {
        let token = |claims: &str| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        let claims =
            r#"{"exp":1780000000,"token_type":"download-asset-stack","url":"https://a/b"}"#;
        assert_eq!(token_ends(&token(claims)), Some(at("2026-05-28T20:26:40Z")));
        for silent in ["{}", r#"{"exp":"soon"}"#, r#"{"exp":9e99}"#, "[]", ""] {
            assert_eq!(token_ends(&token(silent)), None, "{silent}");
        }
        assert_eq!(token_ends("opaque"), None);
    }

    #[test]
    fn an_address_ends_when_its_signature_does() {
        let end = Some(at("2026-06-01T11:15:00Z"));
        for (query, ends) in [
            ("X-Goog-Date=20260601T101500Z&X-Goog-Expires=3600", end),
            ("a=1&x-amz-expires=3600&X-Amz-Date=20260601T101500Z", end),
            ("GoogleAccessId=x&Expires=1780312500&Signature=y", end),
            ("X-Goog-Expires=3600", None),
            ("X-Goog-Date=soon&X-Goog-Expires=3600", None),
            (
                "X-Goog-Date=20260601T101500Z&X-Goog-Expires=18446744073709551615",
                None,
            ),
            ("", None),
        ] {
            let address = format!("https://storage.example/b/f?{query}");
            assert_eq!(signature_ends(&address), ends, "{query}");
        }
        assert_eq!(signature_ends("https://storage.example/b/f"), None);
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,80}|[A-Za-z0-9_.=&?-]{0,80}") {
            let _ = (token_ends(&text), signature_ends(&text));
        }
    }
}
