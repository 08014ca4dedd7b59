//! Bytes that a client may try, and that upstream never sees.

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn what_could_be_read_in_two_ways_never_reaches_upstream() {
    let (listener, url) = untouched().await;
    let guard = Guard::forwarding_to(&url).await;
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        "GET http://api.planet.com/data HTTP/1.1\r\nHost: api.planet.com\r\n\r\n",
        "GET //a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT api.planet.com:443 HTTP/1.1\r\nHost: api.planet.com:443\r\n\r\n",
        "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX-HTTP-Method-Override: POST\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: a-miracle\r\nContent-Length: 1\r\n\r\na",
        "\x16\x03\x01 this is TLS\r\n\r\n",
    ] {
        let with_close = request.replacen("Host: a\r\n", "Host: a\r\nConnection: close\r\n", 1);
        let mut stream = guard.connect().await;
        stream.write_all(with_close.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            !answer.contains(" 200 ") && !answer.contains(" 502 "),
            "{request}: {answer}"
        );
    }
    assert!(!was_touched(listener));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let (listener, url) = untouched().await;
    let guard = Guard::forwarding_to(&url).await;
    let header = "x".repeat(LIMITS.max_header_bytes);
    let answer = guard
        .say(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {header}"))
        .await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert!(!was_touched(listener));
}

#[tokio::test]
async fn what_follows_a_chunked_request_is_never_read_as_another() {
    let (url, asked) = answering(OK).await;
    let guard = Guard::forwarding_to(&url).await;
    let answer = guard
        .say(
            "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 60\r\nTransfer-Encoding: chunked\r\n\r\n\
             3\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    let asked = asked.await.unwrap();
    assert!(
        asked.ends_with("\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
        "no trailer: {asked}"
    );
    assert!(!asked.contains("content-length"), "{asked}");
}

#[tokio::test]
async fn a_body_that_must_be_understood_is_refused_before_it_is_sent() {
    let (listener, url) = untouched().await;
    let guard = Guard::forwarding_to(&url).await;
    for (header, sentence) in [
        ("Content-Length: 11", "larger than 10 bytes"),
        (
            "Content-Length: 5\r\nContent-Encoding: gzip",
            "send it uncompressed",
        ),
    ] {
        let request = format!(
            "POST /understood HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{header}\r\n\r\n"
        );
        let answer = guard.say(request).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains(sentence), "{answer}");
    }
    assert!(!was_touched(listener));
}

#[tokio::test]
async fn a_target_in_full_is_taken_when_it_is_ours() {
    let (url, asked) = answering(OK).await;
    let guard = Guard::forwarding_to(&url).await;
    let own = &guard.address;
    let answer = guard
        .say(format!(
            "GET http://{own}/a?b HTTP/1.1\r\nHost: {own}\r\nConnection: close\r\n\r\n"
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(asked.await.unwrap().starts_with("GET /a?b HTTP/1.1\r\n"));
}
