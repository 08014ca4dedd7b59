//! What arrives upstream, and what comes back.

use http::Method;
use http_body_util::BodyExt;

use super::*;
use crate::upstream::empty;

#[tokio::test]
async fn a_request_and_its_answer_cross_with_their_own_headers() {
    let (url, asked) = answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Encoding: gzip\r\nKeep-Alive: timeout=9\r\n\
         X-ProcessUnits: 0.67\r\n\r\n\x1f~zz",
    )
    .await;
    let guard = Guard::forwarding_to(&url).await;
    let answer = guard
        .say(
            "GET /data/v1/x%2Fy?a=%20b HTTP/1.1\r\nHost: guard\r\nRange: bytes=0-3\r\n\
             Accept-Encoding: gzip\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nQuota-Guard-Tag: t\r\n\r\n",
        )
        .await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "\x1f~zz");
    for line in [
        "content-length: 4",
        "content-encoding: gzip",
        "x-processunits: 0.67",
        "via: 1.1 quota-guard",
    ] {
        assert!(head.lines().any(|have| have == line), "{line} in {head}");
    }
    assert!(!head.contains("keep-alive"), "{head}");
    let asked = asked.await.unwrap();
    let mut lines: Vec<_> = asked.trim_end().lines().collect();
    lines[1..].sort_unstable();
    let host = format!("host: {}", url.strip_prefix("http://").unwrap());
    assert_eq!(
        lines,
        [
            "GET /data/v1/x%2Fy?a=%20b HTTP/1.1",
            "accept-encoding: gzip",
            &host,
            "range: bytes=0-3",
            "via: 1.1 quota-guard",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-host: guard",
            "x-forwarded-proto: http",
        ]
    );
}

#[tokio::test]
async fn head_keeps_the_length_that_it_asks_for() {
    let (url, _) = answering("HTTP/1.1 200 OK\r\nContent-Length: 123456789\r\n\r\n").await;
    let guard = Guard::forwarding_to(&url).await;
    let answer = guard
        .say("HEAD /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    assert!(answer.contains("content-length: 123456789\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn a_body_that_was_replaced_is_announced_with_its_own_length() {
    let (url, _) = answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let guard = Guard::forwarding_to(&url).await;
    let answer = guard
        .say("GET /replaced HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    assert!(answer.contains("content-length: 7\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nanother"), "{answer}");
}

#[tokio::test]
async fn a_part_and_a_not_modified_come_back_as_they_are() {
    for (said, line) in [
        (
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\nab",
            "content-length: 2\r\n",
        ),
        (
            "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n",
            "etag: \"a\"\r\n",
        ),
    ] {
        let (url, _) = answering(said).await;
        let guard = Guard::forwarding_to(&url).await;
        let answer = guard
            .say("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .await;
        assert_eq!(answer[..12], said[..12]);
        assert!(answer.contains(line), "{answer}");
    }
}

#[tokio::test]
async fn whoever_expects_to_be_told_to_continue_is_told_by_the_guard() {
    let (url, asked) = answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    let guard = Guard::forwarding_to(&url).await;
    let mut stream = guard.connect().await;
    let head = "POST /understood HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let told = read_until(&mut stream, "\r\n\r\n").await;
    assert!(told.starts_with("HTTP/1.1 100 Continue\r\n"), "{told}");
    stream.write_all(b"abc").await.unwrap();
    let answer = read_until(&mut stream, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    let asked = asked.await.unwrap();
    assert!(!asked.contains("expect"), "{asked}");
    assert!(asked.contains("content-length: 3\r\n"), "{asked}");
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let (url, _) = answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let guard = Guard::forwarding_to(&url).await;
    let mut stream = guard.connect().await;
    stream
        .write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut stream, "\r\n\r\nok").await;
    stream
        .write_all(b"GET /panic HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut stream, "HTTP/1.1 500 Internal Server Error\r\n").await;
}

/// client –h2→ guard –h2→ guard –h1→ upstream
#[tokio::test]
async fn http2_is_spoken_on_both_sides() {
    let (url, asked) = answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let inner = Guard::start(&url, LIMITS, true).await;
    let outer = Guard::start(&format!("https://{}/under", inner.address), LIMITS, true).await;
    let mut request = Request::new(full("abc"));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = format!("https://{}/a", outer.address).parse().unwrap();
    let answer = pool().send(request, SEND).await.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
    assert_eq!(answer.headers()["content-length"], "2");
    let vias: Vec<_> = answer.headers().get_all("via").iter().collect();
    assert_eq!(
        vias,
        ["1.1 quota-guard", "2.0 quota-guard", "2.0 quota-guard"]
    );
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");
    let asked = asked.await.unwrap();
    assert!(asked.starts_with("POST /under/a HTTP/1.1\r\n"), "{asked}");
    let host = format!("x-forwarded-host: {}\r\n", inner.address);
    assert!(asked.contains(&host), "{asked}");
    assert!(asked.contains("x-forwarded-proto: https\r\n"), "{asked}");
    assert!(asked.contains("content-length: 3\r\n"), "{asked}");
}

#[tokio::test]
async fn a_client_that_offers_no_protocol_gets_http1_over_tls() {
    let (url, _) = answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let guard = Guard::start(&url, LIMITS, true).await;
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(CA).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = "localhost".try_into().unwrap();
    let mut stream = connector
        .connect(name, guard.connect().await)
        .await
        .unwrap();
    stream
        .write_all(b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
}

#[tokio::test]
async fn no_upstream_is_an_error_and_not_a_hang() {
    let (listener, url) = untouched().await;
    drop(listener);
    let guard = Guard::forwarding_to(&url).await;
    let answer = guard
        .say("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert!(
        answer.contains("could not connect to 127.0.0.1"),
        "{answer}"
    );
    let mut request = Request::new(empty());
    *request.uri_mut() = format!("https://{}/a", guard.address).parse().unwrap();
    let outcome = pool().send(request, SEND).await;
    assert!(
        matches!(outcome, Err(SendError::NeverLeft { .. })),
        "{outcome:?}"
    );
}
