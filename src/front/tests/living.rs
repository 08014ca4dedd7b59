//! How long connections live, how many, and how the guard stops.

use http_body_util::BodyExt;

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

async fn is_closed(mut stream: TcpStream) {
    let mut rest = Vec::new();
    _ = stream.read_to_end(&mut rest).await;
}

#[tokio::test]
async fn a_client_that_does_not_come_to_its_point_is_shut_out() {
    let (_listener, url) = untouched().await;
    let limits = Limits {
        header_timeout: SHORT,
        ..LIMITS
    };
    let plain = Guard::start(&url, limits, false).await;
    for said in [
        "",
        "G",
        "GET /a HTTP/1.1\r\nHost: a\r\n",
        "PRI * HTTP/2.0\r\n\r\n",
    ] {
        let mut stream = plain.connect().await;
        stream.write_all(said.as_bytes()).await.unwrap();
        is_closed(stream).await;
    }
    let tls = Guard::start(&url, limits, true).await;
    is_closed(tls.connect().await).await;
}

#[tokio::test]
async fn a_connection_that_rests_too_long_is_closed() {
    let (url, _) = answering(OK).await;
    let limits = Limits {
        idle_timeout: SHORT,
        ..LIMITS
    };
    let guard = Guard::start(&url, limits, false).await;
    let mut stream = guard.connect().await;
    stream.write_all(GET).await.unwrap();
    read_until(&mut stream, "\r\n\r\nok").await;
    is_closed(stream).await;
}

#[tokio::test]
async fn an_answer_may_take_longer_than_a_connection_may_rest() {
    let url = upstream(async |mut stream| {
        read_until(&mut stream, "\r\n\r\n").await;
        tokio::time::sleep(SHORT * 4).await; // four times what the guard lets a connection rest
        stream.write_all(OK.as_bytes()).await.unwrap();
    })
    .await;
    let limits = Limits {
        idle_timeout: SHORT,
        header_timeout: SHORT,
        ..LIMITS
    };
    let guard = Guard::start(&url, limits, false).await;
    let answer = guard.say(GET).await;
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
}

#[tokio::test]
async fn a_body_that_stops_coming_is_given_up() {
    let (_listener, url) = untouched().await;
    let limits = Limits {
        stall_timeout: SHORT,
        ..LIMITS
    };
    let guard = Guard::start(&url, limits, false).await;
    let answer = guard
        .say("POST /understood HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nab")
        .await;
    assert!(
        answer.contains("ended before its announced end"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_connection_too_many_waits_for_its_turn() {
    let (url, _) = answering(OK).await;
    let limits = Limits {
        max_connections: 1,
        ..LIMITS
    };
    let guard = Guard::start(&url, limits, false).await;
    let mut first = guard.connect().await;
    first.write_all(b"G").await.unwrap();
    let mut second = guard.connect().await;
    second.write_all(GET).await.unwrap();
    let early = tokio::time::timeout(SHORT, second.read_u8()).await;
    assert!(early.is_err(), "{early:?}");
    drop(first);
    read_until(&mut second, "\r\n\r\nok").await;
}

#[tokio::test]
async fn stopping_finishes_what_is_under_way_and_takes_no_more() {
    let (asked, is_asked) = oneshot::channel();
    let (answer, may_answer) = oneshot::channel();
    let url = upstream(async move |mut stream| {
        read_until(&mut stream, "\r\n\r\n").await;
        asked.send(()).unwrap();
        may_answer.await.unwrap();
        stream.write_all(OK.as_bytes()).await.unwrap();
    })
    .await;
    let guard = Guard::forwarding_to(&url).await;
    let resting = guard.connect().await;
    let mut stream = guard.connect().await;
    stream.write_all(GET).await.unwrap();
    is_asked.await.unwrap();
    guard.stop.send(()).unwrap();
    is_closed(resting).await;
    assert!(TcpStream::connect(&guard.address).await.is_err());
    answer.send(()).unwrap();
    let answer = read_until(&mut stream, "\r\n\r\nok").await;
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(guard.stopped.await.unwrap(), CutOff::default());
}

#[tokio::test]
async fn stopping_lets_an_http2_client_have_its_answer() {
    let (asked, is_asked) = oneshot::channel();
    let (answer, may_answer) = oneshot::channel();
    let url = upstream(async move |mut stream| {
        read_until(&mut stream, "\r\n\r\n").await;
        asked.send(()).unwrap();
        may_answer.await.unwrap();
        stream.write_all(OK.as_bytes()).await.unwrap();
    })
    .await;
    let guard = Guard::start(&url, LIMITS, true).await;
    let mut request = Request::new(full("abc"));
    *request.uri_mut() = format!("https://{}/a", guard.address).parse().unwrap();
    let client = pool();
    let response = tokio::spawn(async move { client.send(request, SEND).await });
    is_asked.await.unwrap();
    guard.stop.send(()).unwrap();
    answer.send(()).unwrap();
    let response = response.await.unwrap().unwrap();
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "ok"
    );
    assert_eq!(guard.stopped.await.unwrap(), CutOff::default());
}

#[tokio::test]
async fn stopping_waits_for_an_exchange_whose_client_has_gone() {
    let (asked, is_asked) = oneshot::channel();
    let (answer, may_answer) = oneshot::channel::<()>();
    let url = upstream(async move |mut stream| {
        read_until(&mut stream, "\r\n\r\n").await;
        asked.send(()).unwrap();
        may_answer.await.unwrap();
        stream.write_all(OK.as_bytes()).await.unwrap();
    })
    .await;
    let mut guard = Guard::forwarding_to(&url).await;
    let mut stream = guard.connect().await;
    stream.write_all(GET).await.unwrap();
    is_asked.await.unwrap();
    drop(stream);
    guard.stop.send(()).unwrap();
    answer.send(()).unwrap();
    assert_eq!(guard.stopped.await.unwrap(), CutOff::default());
    assert!(guard.passed.recv().await.is_some());
}

#[tokio::test]
async fn stopping_has_an_end() {
    let (asked, is_asked) = oneshot::channel();
    let url = upstream(async move |mut stream| {
        read_until(&mut stream, "\r\n\r\n").await;
        asked.send(()).unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let limits = Limits {
        drain_timeout: SHORT,
        ..LIMITS
    };
    let guard = Guard::start(&url, limits, false).await;
    let mut stream = guard.connect().await;
    stream.write_all(GET).await.unwrap();
    is_asked.await.unwrap();
    guard.stop.send(()).unwrap();
    let cut_off = CutOff {
        connections: 1,
        exchanges: 1,
    };
    assert_eq!(guard.stopped.await.unwrap(), cut_off);
    is_closed(stream).await;
}
