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

fn is_key_pair(pair: &str) -> bool {
    form_urlencoded::parse(pair.as_bytes()).any(|(name, _)| is_query_key(&name))
}
