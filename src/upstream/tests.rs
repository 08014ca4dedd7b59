//! The pool against upstreams that say what they are told, byte by byte.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(30);
const LIMITS: SendLimits = SendLimits {
    connect: LONG,
    answer: LONG,
    idle: LONG,
};

fn pool() -> Pool {
    Pool::new(Trust::Only(Vec::new())).unwrap()
}

/// An upstream whose first connection is handled as given; a second one is never taken.
async fn upstream<F>(handle: impl FnOnce(TcpStream) -> F + Send + 'static) -> Base
where
    F: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        handle(stream).await;
    });
    format!("http://{address}").parse().unwrap()
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

fn get(base: &Base) -> Request<Body> {
    request(base, Method::GET, empty())
}

fn request(base: &Base, method: Method, body: Body) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(base.join("/a?b=c").unwrap())
        .body(body)
        .unwrap()
}

/// Sends a `GET` to an upstream that answers with these bytes and closes.
async fn answered_with(method: Method, answer: &'static [u8]) -> Result<Response<Body>, SendError> {
    let base = upstream(async move |mut stream| {
        read_head(&mut stream).await;
        stream.write_all(answer).await.unwrap();
    })
    .await;
    pool().send(request(&base, method, empty()), LIMITS).await
}

async fn read(answer: Response<Body>) -> Result<Bytes, BodyError> {
    answer
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
}

#[tokio::test]
async fn what_found_no_connection_never_left() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let no_tls = upstream(async |mut stream| {
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
    })
    .await;
    let no_tls = format!("https://{}", no_tls.authority());
    for url in [&refused, &no_tls, "http://no-such-host.invalid"] {
        let outcome = pool().send(get(&url.parse().unwrap()), LIMITS).await;
        assert!(
            matches!(outcome, Err(SendError::NeverLeft { .. })),
            "{url}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_connection_that_is_not_made_in_time_never_left() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", silent.local_addr().unwrap());
    let limits = SendLimits {
        connect: SHORT,
        ..LIMITS
    };
    let outcome = pool().send(get(&url.parse().unwrap()), limits).await;
    assert!(
        matches!(outcome, Err(SendError::NeverLeft { .. })),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn an_upstream_that_keeps_silent_may_have_acted() {
    let (tell, head) = tokio::sync::oneshot::channel();
    let base = upstream(async move |mut stream| {
        tell.send(read_head(&mut stream).await).unwrap();
        assert_eq!(
            stream.read(&mut [0]).await.unwrap(),
            0,
            "the wait ends by a close"
        );
    })
    .await;
    let limits = SendLimits {
        answer: SHORT,
        ..LIMITS
    };
    let outcome = pool().send(get(&base), limits).await;
    assert!(
        matches!(outcome, Err(SendError::Unanswered { .. })),
        "{outcome:?}"
    );
    assert!(head.await.unwrap().starts_with("GET /a?b=c HTTP/1.1\r\n"));
}

#[tokio::test]
async fn an_upstream_that_hangs_up_before_its_answer_may_have_acted() {
    for said in [
        &b""[..],
        b"HTTP/1.1 20",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"garbage\r\n\r\n",
    ] {
        let outcome = answered_with(Method::POST, said).await;
        assert!(
            matches!(outcome, Err(SendError::Broken { .. })),
            "{said:?}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn an_upstream_that_hangs_up_in_its_answer_breaks_the_body() {
    for said in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"[..],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let answer = answered_with(Method::GET, said).await.unwrap();
        let outcome = read(answer).await;
        assert!(matches!(outcome, Err(BodyError::Broken(_))), "{outcome:?}");
    }
}

#[tokio::test]
async fn an_answer_that_stops_coming_is_given_up() {
    let base = upstream(async |mut stream| {
        read_head(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
            .await
            .unwrap();
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    })
    .await;
    let limits = SendLimits {
        idle: SHORT,
        ..LIMITS
    };
    let answer = pool().send(get(&base), limits).await.unwrap();
    let outcome = read(answer).await;
    assert!(
        matches!(outcome, Err(BodyError::Stalled { .. })),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn nobody_asked_to_switch_protocols() {
    let switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";
    let outcome = answered_with(Method::GET, switch).await;
    assert!(
        matches!(outcome, Err(SendError::Broken { .. })),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn what_the_sdks_need_of_an_answer_survives() {
    let zipped =
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\xff";
    let answer = answered_with(Method::GET, zipped).await.unwrap();
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    assert_eq!(answer.headers()["content-length"], "4");
    assert_eq!(read(answer).await.unwrap(), &b"\x1f\x8b\x08\xff"[..]);

    let part = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\nab";
    let answer = answered_with(Method::GET, part).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-range"]),
        (206, &"bytes 0-1/9".parse().unwrap())
    );

    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
    let answer = answered_with(Method::HEAD, head).await.unwrap();
    assert_eq!(answer.headers()["content-length"], "1000000");
    assert_eq!(read(answer).await.unwrap(), "");
}

#[tokio::test]
async fn informational_answers_and_trailers_do_not_come_through() {
    let said = b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nTrailer: X-Sum\r\n\
        Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n";
    let answer = answered_with(Method::GET, said).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key("trailer"));
    let body = answer.into_body().collect().await.unwrap();
    assert!(body.trailers().is_none());
    assert_eq!(body.to_bytes(), "abc");
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let base = upstream(async |mut stream| {
        for number in ["1", "2"] {
            read_head(&mut stream).await;
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let pool = pool();
    for number in ["1", "2"] {
        let answer = pool.send(get(&base), LIMITS).await.unwrap();
        assert_eq!(read(answer).await.unwrap(), number);
    }
}

/// What an upstream reads when `request` is sent.
async fn wire_form(make: impl FnOnce(&Base) -> Request<Body>) -> String {
    let (tell, head) = tokio::sync::oneshot::channel();
    let base = upstream(async move |mut stream| {
        tell.send(read_head(&mut stream).await).unwrap();
        stream
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .await
            .unwrap();
    })
    .await;
    pool().send(make(&base), LIMITS).await.unwrap();
    head.await
        .unwrap()
        .replace(base.authority().as_str(), "UPSTREAM")
}

#[tokio::test]
async fn a_request_leaves_with_the_host_and_framing_of_the_guards_making() {
    let head = wire_form(|base| {
        let mut request = request(base, Method::POST, full("abc"));
        for (name, value) in [
            ("host", "guard"),
            ("content-length", "77"),
            ("te", "trailers"),
            ("accept", "*/*"),
        ] {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        request
    })
    .await;
    assert_eq!(
        head,
        "POST /a?b=c HTTP/1.1\r\naccept: */*\r\ncontent-length: 3\r\nhost: UPSTREAM\r\n\r\n"
    );
}

#[tokio::test]
async fn an_empty_body_is_announced_as_the_caller_did() {
    let announced = wire_form(|base| {
        let mut request = request(base, Method::POST, empty());
        request
            .headers_mut()
            .insert("content-length", "0".parse().unwrap());
        request
    })
    .await;
    assert!(announced.contains("content-length: 0\r\n"), "{announced}");
    let silent = wire_form(get).await;
    assert_eq!(silent, "GET /a?b=c HTTP/1.1\r\nhost: UPSTREAM\r\n\r\n");
}
