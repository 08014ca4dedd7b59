//! Who may come in: a credential in any of the four places that Planet reads it from.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;

use super::call::Call;
use super::refusal::Refusal;
use super::world::{World, age};

/// Refuses a call without a credential that is known, where one is needed.
pub(super) fn admit(call: &Call, world: &World) -> Result<(), Refusal> {
    if is_open(call) {
        return Ok(());
    }
    let unauthorized = |message: &str| Refusal::new(StatusCode::UNAUTHORIZED, message);
    let Some(presented) = presented(call) else {
        return Err(unauthorized(
            "Please enter your API key, or email and password.",
        ));
    };
    if accepts(world, call, &presented) {
        Ok(())
    } else {
        Err(unauthorized("the API key or token is not valid"))
    }
}

/// The key or token that came with a call.
pub(super) fn presented(call: &Call) -> Option<String> {
    let header = call.authorization().and_then(from_header);
    let key = header.or_else(|| call.parameter("api_key").map(str::to_owned));
    key.filter(|key| !key.is_empty())
}

fn from_header(header: &str) -> Option<String> {
    let (scheme, value) = header.split_once(' ')?;
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" | "api-key" => Some(value.trim().to_owned()),
        "basic" => {
            let decoded = STANDARD.decode(value.trim()).ok()?;
            let text = String::from_utf8(decoded).ok()?;
            text.split(':').next().map(str::to_owned)
        }
        _ => None,
    }
}

/// OGC trusts whoever knows the instance, downloads trust the token, and a few documents are public.
fn is_open(call: &Call) -> bool {
    matches!(
        call.segments().as_slice(),
        ["ogc" | "oauth" | "_storage", ..]
            | ["auth", "realms", ..]
            | ["compute", "ops", "bundles", "spec"]
            | ["compute", "ops", "download"]
            | ["orders", "v2", "download"]
            | ["data", "v1", "download"]
            | ["catalog", "v1"]
            | ["catalog", "v1", "conformance"]
            | ["api", "v1", "catalog", "1.0.0"]
            | ["api", "v1", "catalog", "1.0.0", "conformance"]
    )
}

fn accepts(world: &World, call: &Call, presented: &str) -> bool {
    if let Some((issued, lifetime)) = world.tokens.get(presented) {
        return age(*issued, call.now) < *lifetime;
    }
    let accepted = world.options.accepted_keys.as_ref();
    accepted.is_none_or(|keys| keys.contains(presented))
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;
    use http::{HeaderMap, HeaderValue, Method, Uri};

    use super::*;
    use crate::simulator::options::{LinkOrigins, Options};
    use crate::units::UtcTime;

    fn call(uri: &'static str, authorization: Option<&'static str>) -> Call {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
        }
        let uri = Uri::from_static(uri);
        Call::new(
            Method::GET,
            &uri,
            headers,
            LinkOrigins::default(),
            UtcTime::UNIX_EPOCH,
        )
    }

    #[test]
    fn a_key_is_found_in_all_four_places() {
        for (uri, header) in [
            ("/data/v1", Some("Basic SzE6")),
            ("/data/v1", Some("api-key K1")),
            ("/data/v1", Some("Bearer K1")),
            ("/data/v1?api_key=K1", None),
        ] {
            assert_eq!(
                presented(&call(uri, header)).as_deref(),
                Some("K1"),
                "{header:?}"
            );
        }
    }

    #[test]
    fn only_open_documents_and_ogc_need_no_key() {
        let accepted_keys = Some(["K1".to_owned()].into());
        let world = World::new(Options {
            accepted_keys,
            ..Options::default()
        });
        for (uri, header, admitted) in [
            ("/data/v1", None, false),
            ("/data/v1", Some("api-key "), false),
            ("/data/v1", Some("api-key K2"), false),
            ("/data/v1", Some("api-key K1"), true),
            ("/ogc/wms/abc", None, true),
            ("/compute/ops/bundles/spec", None, true),
            ("/compute/ops/orders/v2", None, false),
        ] {
            assert_eq!(
                admit(&call(uri, header), &world).is_ok(),
                admitted,
                "{uri} {header:?}"
            );
        }
    }
}
