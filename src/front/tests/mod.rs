//! The way in and the way out together, over real sockets: a guard that decides nothing and forwards.

mod forwarding;
mod living;
mod refusing;
mod streaming;

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::*;
use crate::upstream::{
    Base, Passed, Pool, SendError, SendLimits, Trust, admit, collect_request, counted, full,
};

const CA: &[u8] = include_bytes!("../../../tests/tls/ca.pem");
const CERTIFICATE: &[u8] = include_bytes!("../../../tests/tls/localhost.pem");
const KEY: &[u8] = include_bytes!("../../../tests/tls/localhost.key");

/// Longer than any test lasts: a wait that must not end has this, one that must end has [`SHORT`].
const LONG: Duration = Duration::from_mins(1);
const SHORT: Duration = Duration::from_millis(30);
/// Bodies of `POST /understood` are read whole, up to this.
const MAX_BODY: usize = 10;

const LIMITS: Limits = Limits {
    max_connections: 100,
    header_timeout: LONG,
    max_header_bytes: 16 * 1024,
    idle_timeout: LONG,
    stall_timeout: LONG,
    drain_timeout: LONG,
};
const SEND: SendLimits = SendLimits {
    connect: LONG,
    answer: LONG,
    idle: LONG,
};

/// A running guard. What it reports of bodies and exchanges can be waited for.
struct Guard {
    address: String,
    passed: mpsc::UnboundedReceiver<Passed>,
    exchanges: Exchanges,
    stop: oneshot::Sender<()>,
    stopped: JoinHandle<CutOff>,
}

impl Guard {
    async fn forwarding_to(upstream: &str) -> Self {
        Self::start(upstream, LIMITS, false).await
    }

    async fn start(upstream: &str, limits: Limits, tls: bool) -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap().to_string();
        let listener = if tls {
            Listener::tls(tcp, server_config(CERTIFICATE, KEY, None).unwrap())
        } else {
            Listener::plain(tcp)
        };
        let (report, passed) = mpsc::unbounded_channel();
        let exchanges = Exchanges::default();
        let forwarder = Arc::new(Forwarder {
            own: vec![address.parse().unwrap()],
            upstream: upstream.parse().unwrap(),
            pool: pool(),
            exchanges: exchanges.clone(),
            report,
        });
        let handler = move |request| Arc::clone(&forwarder).handle(request);
        let (stop, told) = oneshot::channel();
        let shutdown = async {
            // a test that ends without a word wants it to run on
            if told.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let stopped = tokio::spawn(serve(
            listener,
            handler,
            limits,
            exchanges.clone(),
            shutdown,
        ));
        Self {
            address,
            passed,
            exchanges,
            stop,
            stopped,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.unwrap()
    }

    /// Says these bytes and reads until the guard closes the connection.
    async fn say(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes.as_ref()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }
}

struct Forwarder {
    own: Vec<http::uri::Authority>,
    upstream: Base,
    pool: Pool,
    exchanges: Exchanges,
    report: mpsc::UnboundedSender<Passed>,
}

impl Forwarder {
    async fn handle(self: Arc<Self>, request: Request<Body>) -> Response<Body> {
        let (mut parts, mut body) = request.into_parts();
        if let Err(refusal) = admit(&mut parts, &self.own) {
            return refuse(StatusCode::BAD_REQUEST, &refusal);
        }
        match parts.uri.path() {
            "/panic" => panic!("as asked"),
            "/understood" => match collect_request(&parts.headers, body, MAX_BODY, LONG).await {
                Ok(read) => body = full(read),
                Err(refusal) => return refuse(StatusCode::PAYLOAD_TOO_LARGE, &refusal),
            },
            _ => {}
        }
        let replaced = parts.uri.path() == "/replaced";
        let target = parts.uri.path_and_query().unwrap().as_str();
        parts.uri = self.upstream.join(target).unwrap();
        let (pool, report) = (self.pool.clone(), self.report.clone());
        let exchange = async move {
            let answer = pool.send(Request::from_parts(parts, body), SEND).await?;
            Ok::<_, SendError>(
                answer.map(|body| counted(body, move |passed| _ = report.send(passed))),
            )
        };
        let answer = self.exchanges.detach(exchange).await;
        match answer {
            Ok(answer) if replaced => answer.map(|_| full("another")),
            Ok(answer) => answer,
            Err(error) => refuse(StatusCode::BAD_GATEWAY, &error),
        }
    }
}

fn refuse(status: StatusCode, why: &dyn std::error::Error) -> Response<Body> {
    let mut response = Response::new(full(why.to_string()));
    *response.status_mut() = status;
    response
}

/// Trusts the certificate that a guard with TLS shows.
fn pool() -> Pool {
    Pool::new(Trust::Only(vec![
        CertificateDer::from_pem_slice(CA).unwrap(),
    ]))
    .unwrap()
}

/// An upstream, by its URL, whose first connection is handled as given.
async fn upstream<F>(handle: impl FnOnce(TcpStream) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        handle(stream).await;
    });
    url
}

/// An upstream that answers one request with these bytes, and what it was asked.
async fn answering(answer: &'static str) -> (String, oneshot::Receiver<String>) {
    let (tell, asked) = oneshot::channel();
    let url = upstream(async move |mut stream| {
        let mut asked = read_until(&mut stream, "\r\n\r\n").await;
        if asked.contains("transfer-encoding: chunked") {
            asked += &read_until(&mut stream, "\r\n0\r\n\r\n").await;
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        _ = tell.send(asked);
    })
    .await;
    (url, asked)
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        read.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(read).unwrap()
}

/// An upstream that must not be asked anything.
async fn untouched() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

fn was_touched(listener: TcpListener) -> bool {
    let listener = listener.into_std().unwrap();
    listener.accept().is_ok()
}
