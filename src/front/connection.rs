//! One client's connection, from its first byte to its last.

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Request, Response, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceBuilder;
use tracing::debug;
use uuid::Uuid;

use super::patience::{Activity, Patient, Protocol};
use super::{Limits, layers};
use crate::ledger::RequestId;
use crate::upstream::{Arrival, Body, counted, from_wire};

/// hyper reads no less than this at once.
const LEAST_BUFFER: usize = 8 * 1024;
const MAX_STREAMS: u32 = 128;
/// What a client may send ahead of a slow upstream, on each of its HTTP/2 streams.
const STREAM_WINDOW: u32 = 256 * 1024;

/// What a connection is served by.
pub(super) struct Terms {
    pub(super) peer: SocketAddr,
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) limits: Limits,
    pub(super) draining: watch::Receiver<bool>,
}

/// Serves one connection until it ends, goes idle for too long, or the drain has let it finish.
pub(super) async fn run<H, F>(socket: TcpStream, terms: Terms, handler: H)
where
    H: Fn(Request<Body>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    if let Err(error) = socket.set_nodelay(true) {
        debug!(%error, "a connection was gone before it was served");
        return;
    }
    let Some(tls) = terms.tls.clone() else {
        return exchange(socket, Protocol::Http1, terms, handler).await;
    };
    let handshake = TlsAcceptor::from(tls).accept(socket);
    match timeout(terms.limits.header_timeout, handshake).await {
        Ok(Ok(stream)) => {
            let protocol = match stream.get_ref().1.alpn_protocol() {
                Some(b"h2") => Protocol::Http2,
                _ => Protocol::Http1,
            };
            Box::pin(exchange(stream, protocol, terms, handler)).await;
        }
        Ok(Err(error)) => debug!(%error, "no TLS with this client"),
        Err(_) => debug!("the TLS handshake took too long"),
    }
}

async fn exchange<S, H, F>(stream: S, protocol: Protocol, terms: Terms, handler: H)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Body>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let Terms {
        peer,
        tls,
        limits,
        mut draining,
    } = terms;
    let arrival = Arrival {
        peer,
        secure: tls.is_some(),
    };
    let activity = Activity::new(protocol);
    let stream = Patient::new(stream, activity.clone(), limits.stall_timeout);
    let requests = activity.clone();
    let service = ServiceBuilder::new()
        .map_request(move |request| receive(request, arrival, limits))
        .layer(layers::trace())
        .layer(layers::catch_panic())
        .service_fn(move |request: Request<Body>| answer(request, handler.clone(), &requests));
    let builder = builder(limits);
    let connection =
        builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::pin!(connection);
    let stop = async {
        tokio::select! {
            () = activity.overdue(limits) => {}
            // an error means that `serve` itself is gone
            _ = draining.wait_for(|draining| *draining) => {}
        }
    };
    tokio::select! {
        ended = connection.as_mut() => return log_end(ended),
        () = stop => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        ended = connection => log_end(ended),
        () = activity.overdue(limits) => debug!("a connection was closed on a client that had gone quiet"),
    }
}

fn builder(limits: Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None) // `Activity` keeps the time, from the first byte on
        .max_buf_size(limits.max_header_bytes.max(LEAST_BUFFER));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(STREAM_WINDOW * MAX_STREAMS);
    builder
}

/// Gives a request what the rest of the guard goes by: its id, where it came from, a body that ends.
fn receive(request: Request<Incoming>, arrival: Arrival, limits: Limits) -> Request<Body> {
    let mut request = request.map(|incoming| from_wire(incoming, limits.stall_timeout));
    let id = RequestId::from_uuid(Uuid::now_v7());
    request.extensions_mut().insert(id);
    request.extensions_mut().insert(arrival);
    request
}

/// A request counts as under way until the last byte of its answer has been taken.
fn answer<H, F>(
    request: Request<Body>,
    handler: H,
    activity: &Activity,
) -> impl Future<Output = Result<Response<Body>, std::convert::Infallible>> + Send + use<H, F>
where
    H: Fn(Request<Body>) -> F + Send,
    F: Future<Output = Response<Body>> + Send,
{
    let under_way = activity.request();
    let last = must_be_last(request.version(), request.headers());
    async move {
        let mut response = handler(request).await;
        if last {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        announce_length(&mut response);
        Ok(response.map(|body| counted(body, move |_| drop(under_way))))
    }
}

/// hyper lets `Transfer-Encoding` win over `Content-Length` and hides the latter. Should a proxy before
/// us have cut the bytes otherwise, the rest must not be read as the next request.
fn must_be_last(version: Version, headers: &HeaderMap) -> bool {
    version < Version::HTTP_2 && headers.contains_key(TRANSFER_ENCODING)
}

/// A step that replaced the body need not have thought of its length. An empty body is left alone: what
/// answers `HEAD` announces what `GET` would bring.
fn announce_length(response: &mut Response<Body>) {
    if let Some(length) = response
        .body()
        .size_hint()
        .exact()
        .filter(|length| *length > 0)
    {
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
}

fn log_end(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        debug!(%error, "a connection ended early");
    }
}
