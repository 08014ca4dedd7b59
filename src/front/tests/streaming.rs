//! Bodies pass as they come, no faster than they are taken, and end clearly.

use bytes::Bytes;
use tokio::io::Interest;
use tokio::time::timeout;

use super::*;
use crate::units::ByteCount;

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
/// More than the sockets and the guard may hold between two ends that do not move.
const FAR_TOO_MUCH: usize = 256 << 20;
const MOST_HELD: usize = 32 << 20;
static PIECE: [u8; 64 * 1024] = [7; 64 * 1024];

/// Writes until the other side has taken nothing for a while, or all is written.
async fn write_until_stuck(stream: &TcpStream) -> usize {
    let mut written = 0;
    while written < FAR_TOO_MUCH {
        match stream.try_write(&PIECE) {
            Ok(bytes) => written += bytes,
            Err(_) => {
                if timeout(SHORT * 10, stream.ready(Interest::WRITABLE))
                    .await
                    .is_err()
                {
                    break;
                }
            }
        }
    }
    written
}

#[tokio::test]
async fn the_first_byte_arrives_before_the_last_is_sent() {
    let (go_on, told) = oneshot::channel();
    let url = upstream(async move |mut stream| {
        read_until(&mut stream, "\r\n\r\n").await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
            .await
            .unwrap();
        told.await.unwrap();
        stream.write_all(b"b").await.unwrap();
    })
    .await;
    let mut guard = Guard::forwarding_to(&url).await;
    let mut stream = guard.connect().await;
    stream.write_all(GET).await.unwrap();
    read_until(&mut stream, "\r\n\r\na").await;
    go_on.send(()).unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'b');
    drop(stream);
    let passed = guard.passed.recv().await.unwrap();
    assert_eq!(
        passed,
        Passed {
            bytes: ByteCount(2),
            whole: true
        }
    );
}

#[tokio::test]
async fn an_upload_arrives_as_it_is_sent() {
    let (first, arrived) = oneshot::channel();
    let url = upstream(async move |mut stream| {
        read_until(&mut stream, "\r\n\r\na").await;
        first.send(()).unwrap();
        read_until(&mut stream, "b").await;
        stream
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .await
            .unwrap();
    })
    .await;
    let guard = Guard::forwarding_to(&url).await;
    let mut stream = guard.connect().await;
    stream
        .write_all(b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na")
        .await
        .unwrap();
    arrived.await.unwrap();
    stream.write_all(b"b").await.unwrap();
    read_until(&mut stream, "HTTP/1.1 204 No Content\r\n").await;
}

#[tokio::test]
async fn a_client_that_does_not_read_slows_its_upstream_down() {
    let (stuck, sent) = oneshot::channel();
    let url = upstream(async move |mut stream| {
        read_until(&mut stream, "\r\n\r\n").await;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {FAR_TOO_MUCH}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stuck.send(write_until_stuck(&stream).await).unwrap();
    })
    .await;
    let guard = Guard::forwarding_to(&url).await;
    let mut stream = guard.connect().await;
    stream.write_all(GET).await.unwrap();
    read_until(&mut stream, "\r\n\r\n").await;
    let sent = sent.await.unwrap();
    assert!(
        sent < MOST_HELD,
        "{sent} bytes were taken for a client that reads nothing"
    );
}

/// All of them share one HTTP/2 connection: client –h1→ guard –h2→ guard –h1→ upstream.
#[tokio::test]
async fn clients_that_do_not_read_do_not_stop_the_others() {
    let (listener, url) = untouched().await;
    let (started, mut starts) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let started = started.clone();
            tokio::spawn(async move {
                let length = match read_until(&mut stream, "\r\n\r\n").await {
                    head if head.starts_with("GET /small ") => 2,
                    _ => FAR_TOO_MUCH,
                };
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nok");
                stream.write_all(head.as_bytes()).await.unwrap();
                if length > 2 {
                    write_until_stuck(&stream).await;
                    started.send(()).unwrap();
                }
                _ = stream.read(&mut [0]).await;
            });
        }
    });
    let inner = Guard::start(&url, LIMITS, true).await;
    let outer = Guard::forwarding_to(&format!("https://{}", inner.address)).await;
    let mut slow = Vec::new();
    for _ in 0..8 {
        let mut stream = outer.connect().await;
        stream.write_all(GET).await.unwrap();
        slow.push(stream);
    }
    for _ in 0..8 {
        starts.recv().await.unwrap();
    }
    let answer = outer.say("GET /small HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let answer = timeout(LONG / 4, answer)
        .await
        .expect("not before the others are given up");
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
}

#[tokio::test]
async fn an_upstream_that_does_not_read_slows_its_client_down() {
    let (done, wait) = oneshot::channel::<()>();
    let url = upstream(async move |mut stream| {
        read_until(&mut stream, "\r\n\r\n").await;
        _ = wait.await;
    })
    .await;
    let guard = Guard::forwarding_to(&url).await;
    let mut stream = guard.connect().await;
    let head = format!("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: {FAR_TOO_MUCH}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let sent = write_until_stuck(&stream).await;
    drop(done);
    assert!(
        sent < MOST_HELD,
        "{sent} bytes were taken for an upstream that reads nothing"
    );
}

#[tokio::test]
async fn an_upstream_that_goes_in_its_answer_ends_the_clients_too() {
    let (url, _) = answering("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc").await;
    let mut guard = Guard::forwarding_to(&url).await;
    let answer = guard.say(GET).await;
    assert!(answer.contains("content-length: 9\r\n"), "{answer}");
    assert!(
        answer.len() < answer.find("\r\n\r\n").unwrap() + 4 + 9,
        "{answer}"
    );
    assert!(!guard.passed.recv().await.unwrap().whole);
}

#[tokio::test]
async fn a_client_that_goes_in_its_answer_frees_the_upstream() {
    let (tell, closed) = oneshot::channel();
    let url = upstream(async move |mut stream| {
        read_until(&mut stream, "\r\n\r\n").await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
            .await
            .unwrap();
        tell.send(stream.read(&mut [0]).await.unwrap_or(0)).unwrap();
    })
    .await;
    let mut guard = Guard::forwarding_to(&url).await;
    let mut stream = guard.connect().await;
    stream.write_all(GET).await.unwrap();
    read_until(&mut stream, "\r\n\r\nabc").await;
    drop(stream);
    assert_eq!(closed.await, Ok(0), "the guard hangs up on the upstream");
    let passed = guard.passed.recv().await.unwrap();
    assert_eq!(
        passed,
        Passed {
            bytes: ByteCount(3),
            whole: false
        }
    );
}

#[tokio::test]
async fn a_client_that_goes_before_its_answer_does_not_stop_the_exchange() {
    let (asked, is_asked) = oneshot::channel();
    let (answer, may_answer) = oneshot::channel();
    let url = upstream(async move |mut stream| {
        read_until(&mut stream, "\r\n\r\n").await;
        asked.send(()).unwrap();
        may_answer.await.unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await
            .unwrap();
    })
    .await;
    let mut guard = Guard::forwarding_to(&url).await;
    let mut stream = guard.connect().await;
    stream.write_all(GET).await.unwrap();
    is_asked.await.unwrap();
    drop(stream);
    assert_eq!(guard.exchanges.under_way(), 1);
    answer.send(()).unwrap();
    guard.exchanges.finished().await;
    assert!(
        guard.passed.recv().await.is_some(),
        "the answer was seen to its end"
    );
}

#[tokio::test]
async fn much_passes_unchanged() {
    const PIECES: usize = 512;
    let url = upstream(async move |mut stream| {
        read_until(&mut stream, "\r\n\r\n").await;
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            PIECES * PIECE.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..PIECES {
            stream.write_all(&PIECE).await.unwrap();
        }
    })
    .await;
    let guard = Guard::forwarding_to(&url).await;
    let mut stream = guard.connect().await;
    stream.write_all(GET).await.unwrap();
    read_until(&mut stream, "\r\n\r\n").await;
    let mut piece = vec![0; PIECE.len()];
    for _ in 0..PIECES {
        stream.read_exact(&mut piece).await.unwrap();
        assert!(Bytes::from_static(&PIECE) == piece);
    }
}
