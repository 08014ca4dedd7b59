//! Which requests may be read at all: those that every server on the way reads alike.
//!
//! What a proxy and the server behind it can understand differently (a second `Host`, a method in a
//! header, another authority in the target) would let a call be classified as one thing and executed
//! as another, so it is refused here, before anybody classifies.

use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, UPGRADE};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

use super::headers::drop_hop_by_hop;

/// Some servers let these replace the method or the path.
const OVERRIDES: [&str; 6] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-url",
    "x-original-uri",
    "x-rewrite-url",
];

/// A server may read the first or the last of two.
const ONCE: [HeaderName; 4] = [HOST, AUTHORIZATION, CONTENT_TYPE, CONTENT_LENGTH];

/// Why a request is not passed on, whatever it asks for.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unforwardable {
    #[error("the method {method} is not passed on to Planet")]
    Method { method: Method },
    #[error(
        "this guard is no forward proxy: the request is meant for {authority}; \
             use the guard's own address as the base URL"
    )]
    ForeignTarget { authority: Authority },
    #[error("the request's target must be a path that begins with '/'")]
    Target,
    #[error(
        "the header '{name}' stands more than once, and servers disagree on which counts; keep one"
    )]
    Repeated { name: HeaderName },
    #[error("a request must name the host it is meant for, once, in 'Host'")]
    Host,
    #[error("the header '{name}' changes what a request means and is not passed on; leave it out")]
    Override { name: HeaderName },
    #[error("switching to another protocol ('Upgrade') is not passed on to Planet")]
    Upgrade,
    #[error("the only expectation that can be met is '100-continue'")]
    Expectation,
}

/// Refuses what cannot be understood in one way only, then removes what concerned this connection
/// alone. Afterwards `Host` says whom the client addressed, in every version of HTTP. `own` are the authorities by which clients know the guard, such as that of its public URL.
pub fn admit(request: &mut Parts, own: &[Authority]) -> Result<(), Unforwardable> {
    check_method(&request.method)?;
    check_target(request, own)?;
    check_headers(&request.headers)?;
    drop_hop_by_hop(&mut request.headers);
    if let Some(host) = request.uri.authority().and_then(as_header) {
        request.headers.insert(HOST, host);
    }
    Ok(())
}

fn check_method(method: &Method) -> Result<(), Unforwardable> {
    match *method {
        Method::CONNECT | Method::TRACE => Err(Unforwardable::Method {
            method: method.clone(),
        }),
        _ => Ok(()),
    }
}

/// In HTTP/1.1 only a client of a forward proxy writes an authority into the target; in HTTP/2 it is
/// always there and stands for `Host`.
fn check_target(request: &Parts, own: &[Authority]) -> Result<(), Unforwardable> {
    let host = request.headers.get(HOST);
    if !request.uri.path().starts_with('/') {
        return Err(Unforwardable::Target);
    }
    let Some(authority) = request.uri.authority() else {
        let needs_host = request.version >= Version::HTTP_11;
        return if needs_host && host.is_none() {
            Err(Unforwardable::Host)
        } else {
            Ok(())
        };
    };
    let http1 = request.version < Version::HTTP_2;
    if http1 && !own.iter().any(|name| name == authority) {
        return Err(Unforwardable::ForeignTarget {
            authority: authority.clone(),
        });
    }
    match host {
        Some(host) if !is_authority(host.as_bytes(), authority) => Err(Unforwardable::Host),
        _ => Ok(()),
    }
}

fn as_header(authority: &Authority) -> Option<HeaderValue> {
    HeaderValue::from_str(authority.as_str()).ok()
}

fn is_authority(host: &[u8], authority: &Authority) -> bool {
    host.eq_ignore_ascii_case(authority.as_str().as_bytes())
}

fn check_headers(headers: &HeaderMap) -> Result<(), Unforwardable> {
    if let Some(name) = ONCE.iter().find(|name| count(headers, name) > 1) {
        return Err(Unforwardable::Repeated { name: name.clone() });
    }
    if let Some(name) = OVERRIDES.iter().find(|name| headers.contains_key(**name)) {
        return Err(Unforwardable::Override {
            name: HeaderName::from_static(name),
        });
    }
    if headers
        .get_all(UPGRADE)
        .iter()
        .any(|value| !is_h2c(value.as_bytes()))
    {
        return Err(Unforwardable::Upgrade);
    }
    let continues = |value: &[u8]| value.trim_ascii().eq_ignore_ascii_case(b"100-continue");
    if headers
        .get_all(EXPECT)
        .iter()
        .any(|value| !continues(value.as_bytes()))
    {
        return Err(Unforwardable::Expectation);
    }
    Ok(())
}

/// curl offers HTTP/2 this way on plain connections; a server is free to take no notice.
fn is_h2c(value: &[u8]) -> bool {
    value.trim_ascii().eq_ignore_ascii_case(b"h2c")
}

fn count(headers: &HeaderMap, name: &HeaderName) -> usize {
    headers.get_all(name).iter().count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn parts(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn own() -> Vec<Authority> {
        vec!["guard.example:8080".parse().unwrap()]
    }

    const HOST_OK: (&str, &str) = ("host", "anything.example");

    #[test]
    fn an_ordinary_request_passes_and_loses_what_was_the_connections() {
        let mut request = parts(
            "POST",
            "/api/v1/process?a=b",
            &[
                HOST_OK,
                ("connection", "x-hop"),
                ("x-hop", "1"),
                ("expect", "100-Continue"),
                ("upgrade", "h2c"),
                ("content-type", "application/json"),
            ],
        );
        assert_eq!(admit(&mut request, &own()), Ok(()));
        let mut left: Vec<_> = request.headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-type", "expect", "host"]);
    }

    #[test]
    fn what_two_servers_could_read_differently_is_refused() {
        let twice = |name: &'static str| Unforwardable::Repeated {
            name: HeaderName::from_static(name),
        };
        let replaced = |name: &'static str| Unforwardable::Override {
            name: HeaderName::from_static(name),
        };
        for (method, headers, refusal) in [
            (
                "CONNECT",
                vec![HOST_OK],
                Unforwardable::Method {
                    method: Method::CONNECT,
                },
            ),
            (
                "TRACE",
                vec![HOST_OK],
                Unforwardable::Method {
                    method: Method::TRACE,
                },
            ),
            ("GET", vec![], Unforwardable::Host),
            ("GET", vec![HOST_OK, HOST_OK], twice("host")),
            (
                "GET",
                vec![HOST_OK, ("authorization", "a"), ("authorization", "b")],
                twice("authorization"),
            ),
            (
                "GET",
                vec![HOST_OK, ("content-type", "a/b"), ("content-type", "c/d")],
                twice("content-type"),
            ),
            (
                "GET",
                vec![HOST_OK, ("x-http-method-override", "POST")],
                replaced("x-http-method-override"),
            ),
            (
                "GET",
                vec![HOST_OK, ("x-original-url", "/free")],
                replaced("x-original-url"),
            ),
            (
                "GET",
                vec![HOST_OK, ("upgrade", "websocket")],
                Unforwardable::Upgrade,
            ),
            (
                "GET",
                vec![HOST_OK, ("expect", "a-miracle")],
                Unforwardable::Expectation,
            ),
        ] {
            let mut request = parts(method, "/data/v1", &headers);
            assert_eq!(admit(&mut request, &own()), Err(refusal), "{headers:?}");
        }
    }

    #[test]
    fn a_target_with_an_authority_must_be_ours() {
        for (uri, host, passes) in [
            (
                "http://guard.example:8080/a",
                Some("guard.example:8080"),
                true,
            ),
            (
                "http://GUARD.example:8080/a",
                Some("guard.example:8080"),
                true,
            ),
            ("http://guard.example:8080/a", None, true),
            ("http://guard.example:8080/a", Some("other.example"), false),
            ("http://api.planet.com/a", Some("api.planet.com"), false),
            ("http://user@guard.example:8080/a", None, false),
        ] {
            let headers: Vec<_> = host.iter().map(|host| ("host", *host)).collect();
            let mut request = parts("GET", uri, &headers);
            assert_eq!(
                admit(&mut request, &own()).is_ok(),
                passes,
                "{uri} {host:?}"
            );
        }
    }

    #[test]
    fn in_http2_the_authority_is_the_host_and_may_be_any_name_but_not_two() {
        for (host, passes) in [
            (None, true),
            (Some("lb.example"), true),
            (Some("b.example"), false),
        ] {
            let headers: Vec<_> = host.iter().map(|host| ("host", *host)).collect();
            let mut request = parts("GET", "https://lb.example/a", &headers);
            request.version = Version::HTTP_2;
            assert_eq!(admit(&mut request, &own()).is_ok(), passes, "{host:?}");
            assert!(!passes || request.headers[HOST] == "lb.example", "{host:?}");
        }
    }

    #[test]
    fn a_target_that_is_no_path_is_refused() {
        for uri in ["*", "guard.example:8080"] {
            let mut request = parts("OPTIONS", uri, &[HOST_OK]);
            assert_eq!(
                admit(&mut request, &own()),
                Err(Unforwardable::Target),
                "{uri}"
            );
        }
    }
}
