//! What a proxy may pass on of a message's headers, and what it adds. Pure; the same rules both ways.

use std::net::SocketAddr;

use http::header::{
    CONNECTION, EXPECT, HOST, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, Version};

/// The name under which the guard shows itself in `Via`.
const PSEUDONYM: &str = "quota-guard";

/// What concerns one connection only (RFC 9110 §7.6.1), besides what `Connection` names.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Tells a client where else to find this server: past the guard.
const ALT_SVC: HeaderName = HeaderName::from_static("alt-svc");
const OURS: &str = "quota-guard-";

/// How a request came to us; `front` puts it into the request's extensions. It describes a connection
/// and says nothing of who is calling.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Arrival {
    pub peer: SocketAddr,
    pub secure: bool,
}

/// Removes what concerned one connection alone, and every header that `Connection` names.
pub(super) fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Makes a request's headers fit to leave. `Host` goes, since the pool names the upstream's own.
///
/// `X-Forwarded-For` is appended to; `-Proto` and `-Host` say what this guard saw, whatever came in; the
/// older proxies' `Forwarded` is dropped rather than left to contradict them.
pub(super) fn prepare_request(headers: &mut HeaderMap, arrival: Option<Arrival>, version: Version) {
    drop_hop_by_hop(headers);
    drop_ours(headers);
    headers.remove(EXPECT); // hyper has answered it when the body was first read
    headers.remove(IDEMPOTENCY_KEY);
    headers.remove(FORWARDED);
    let host = headers.remove(HOST);
    if let Some(arrival) = arrival {
        append(
            headers,
            FORWARDED_FOR,
            &arrival.peer.ip().to_canonical().to_string(),
        );
        let proto = if arrival.secure { "https" } else { "http" };
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(proto));
        headers.remove(FORWARDED_HOST);
        if let Some(host) = host {
            headers.insert(FORWARDED_HOST, host);
        }
        append_via(headers, version);
    }
}

/// Makes an answer's headers fit for the client. `Quota-Guard-*` is ours to say, never upstream's.
pub(super) fn prepare_response(headers: &mut HeaderMap, version: Version) {
    drop_hop_by_hop(headers);
    drop_ours(headers);
    headers.remove(ALT_SVC);
    append_via(headers, version);
}

fn drop_ours(headers: &mut HeaderMap) {
    let ours: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with(OURS))
        .cloned()
        .collect();
    for name in ours {
        headers.remove(name);
    }
}

fn append_via(headers: &mut HeaderMap, received: Version) {
    let protocol = match received {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2.0",
        _ => "1.1",
    };
    append(headers, VIA, &format!("{protocol} {PSEUDONYM}"));
}

/// Adds to the end of a list header, keeping what other proxies wrote.
fn append(headers: &mut HeaderMap, name: HeaderName, entry: &str) {
    if let Ok(value) = HeaderValue::from_str(entry) {
        headers.append(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn all<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
        let values = headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap()).collect()
    }

    const ARRIVAL: Arrival = Arrival {
        peer: SocketAddr::new(
            std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 2, 3)),
            5000,
        ),
        secure: true,
    };

    #[test]
    fn what_concerns_one_connection_and_what_it_names_goes() {
        let mut sent = headers(&[
            ("connection", "close, X-Secret-Hop"),
            ("connection", " ,te,\"no name\""),
            ("x-secret-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic x"),
            ("proxy-connection", "keep-alive"),
            ("te", "trailers"),
            ("trailer", "X-Sum"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("accept-encoding", "gzip"),
            ("content-encoding", "gzip"),
            ("range", "bytes=0-9"),
            ("if-none-match", "\"a\""),
        ]);
        drop_hop_by_hop(&mut sent);
        let mut left: Vec<_> = sent.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(
            left,
            [
                "accept-encoding",
                "content-encoding",
                "if-none-match",
                "range"
            ]
        );
    }

    #[test]
    fn a_forwarded_request_says_where_it_came_from_and_keeps_our_words_to_ourselves() {
        let mut sent = headers(&[
            ("host", "guard.example"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-proto", "ftp"),
            ("x-forwarded-host", "evil.example"),
            ("forwarded", "for=192.0.2.1"),
            ("via", "1.1 lb"),
            ("quota-guard-dry-run", "1"),
            ("quota-guard-max", "pu=1"),
            ("idempotency-key", "k"),
        ]);
        prepare_request(&mut sent, Some(ARRIVAL), Version::HTTP_2);
        assert_eq!(all(&sent, "x-forwarded-for"), ["192.0.2.1", "10.1.2.3"]);
        assert_eq!(all(&sent, "x-forwarded-proto"), ["https"]);
        assert_eq!(all(&sent, "x-forwarded-host"), ["guard.example"]);
        assert_eq!(all(&sent, "via"), ["1.1 lb", "2.0 quota-guard"]);
        for gone in [
            "host",
            "forwarded",
            "quota-guard-dry-run",
            "quota-guard-max",
            "idempotency-key",
        ] {
            assert!(!sent.contains_key(gone), "{gone}");
        }
    }

    #[test]
    fn a_request_of_the_guards_own_is_not_dressed_as_forwarded() {
        let mut sent = headers(&[("host", "x"), ("accept", "*/*")]);
        prepare_request(&mut sent, None, Version::HTTP_11);
        assert_eq!(sent, headers(&[("accept", "*/*")]));
    }

    #[test]
    fn an_answer_keeps_its_own_headers_and_cannot_speak_for_the_guard() {
        let mut answer = headers(&[
            ("content-length", "7"),
            ("content-encoding", "gzip"),
            ("etag", "\"a\""),
            ("x-processunits", "0.67"),
            ("connection", "keep-alive"),
            ("alt-svc", "h3=\":443\""),
            ("quota-guard-charge", "pu=0"),
        ]);
        prepare_response(&mut answer, Version::HTTP_11);
        let kept = [
            ("content-length", "7"),
            ("content-encoding", "gzip"),
            ("etag", "\"a\""),
            ("x-processunits", "0.67"),
            ("via", "1.1 quota-guard"),
        ];
        assert_eq!(answer, headers(&kept));
    }
}
