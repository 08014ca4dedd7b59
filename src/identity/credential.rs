//! The caller's credential comes off and upstream's goes on.

use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, InvalidHeaderValue};

use super::Secret;
use super::presented::{QUERY_KEY, is_query_key};
use crate::planet::UpstreamKind;

/// Removes the caller's credential everywhere; answers the query that remains, its other parameters
/// untouched.
pub fn strip(headers: &mut HeaderMap, query: Option<&str>) -> Option<String> {
    headers.remove(AUTHORIZATION);
    let kept: Vec<&str> = query?
        .split('&')
        .filter(|pair| !is_key_pair(pair))
        .collect();
    (!kept.is_empty()).then(|| kept.join("&"))
}

/// The part of a query that holds the caller's credential; empty where there is none.
pub fn query_key(query: Option<&str>) -> String {
    let pairs = query.unwrap_or_default().split('&');
    let keys: Vec<&str> = pairs.filter(|pair| is_key_pair(pair)).collect();
    keys.join("&")
}

/// Puts upstream's credential where that kind of upstream looks for it; answers the query to send.
pub fn inject(
    kind: UpstreamKind,
    secret: &Secret,
    headers: &mut HeaderMap,
    query: Option<String>,
) -> Result<Option<String>, InvalidHeaderValue> {
    let scheme = match kind {
        UpstreamKind::Planet => "api-key",
        UpstreamKind::SentinelHub => "Bearer",
        UpstreamKind::Tiles => {
            let key = form_urlencoded::Serializer::new(String::new())
                .append_pair(QUERY_KEY, secret.expose())
                .finish();
            return Ok(Some(
                query.map_or(key.clone(), |query| format!("{query}&{key}")),
            ));
        }
    };
    let mut value = HeaderValue::try_from(format!("{scheme} {}", secret.expose()))?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    Ok(query)
}

/// Puts a token where every kind of upstream looks for it.
pub fn bear(token: &Secret, headers: &mut HeaderMap) -> Result<(), InvalidHeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    Ok(())
}

fn is_key_pair(pair: &str) -> bool {
    form_urlencoded::parse(pair.as_bytes()).any(|(name, _)| is_query_key(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carrying(authorization: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, HeaderValue::from_static(authorization));
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer again"));
        headers.append("accept", HeaderValue::from_static("*/*"));
        headers
    }

    #[test]
    fn the_callers_credential_goes_and_nothing_else_does() {
        let mut headers = carrying("api-key K");
        for (query, kept) in [
            (None, None),
            (Some("api_key=K"), None),
            (
                Some("a=%2F&api_key=K&b=+&api%5fkey=K&c"),
                Some("a=%2F&b=+&c"),
            ),
            (Some("API_KEY=K&x=api_key"), Some("x=api_key")),
        ] {
            assert_eq!(strip(&mut headers, query).as_deref(), kept, "{query:?}");
        }
        assert_eq!(headers.len(), 1);
        assert!(headers.contains_key("accept"));
    }

    #[test]
    fn of_a_query_the_credential_alone_is_kept() {
        for (query, key) in [
            (None, ""),
            (Some("a=1&b=2"), ""),
            (
                Some("a=%2F&api_key=K&b=+&api%5fkey=K&c"),
                "api_key=K&api%5fkey=K",
            ),
        ] {
            assert_eq!(query_key(query), key, "{query:?}");
        }
    }

    #[test]
    fn a_token_takes_the_place_of_what_was_there() {
        let mut headers = carrying("api-key K");
        bear(&Secret::from_text("T").unwrap(), &mut headers).unwrap();
        let values: Vec<_> = headers.get_all(AUTHORIZATION).iter().collect();
        assert_eq!(values, ["Bearer T"]);
        assert!(values[0].is_sensitive());
    }

    #[test]
    fn each_kind_of_upstream_is_shown_its_key_where_it_looks() {
        let secret = Secret::from_text("a+b").unwrap();
        for (kind, header, query) in [
            (UpstreamKind::Planet, Some("api-key a+b"), "q=1"),
            (UpstreamKind::SentinelHub, Some("Bearer a+b"), "q=1"),
            (UpstreamKind::Tiles, None, "q=1&api_key=a%2Bb"),
        ] {
            let mut headers = HeaderMap::new();
            let sent = inject(kind, &secret, &mut headers, Some("q=1".into())).unwrap();
            assert_eq!(sent.as_deref(), Some(query));
            let value = headers.get(AUTHORIZATION);
            assert_eq!(value.map(|value| value.to_str().unwrap()), header);
            assert!(value.is_none_or(HeaderValue::is_sensitive));
        }
        let alone = inject(UpstreamKind::Tiles, &secret, &mut HeaderMap::new(), None);
        assert_eq!(alone.unwrap().as_deref(), Some("api_key=a%2Bb"));
    }
}
