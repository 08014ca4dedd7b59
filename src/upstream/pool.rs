//! Connections to upstreams, kept and used again; and [`Pool::send`], the one door through which a
//! request leaves.
//!
//! Whether an upstream may have acted on a request decides what becomes of its reservation, so errors
//! are sorted by what is proven: nothing counts as unsent unless no connection had been found for it.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::{CaptureConnection, HttpConnector, capture_connection};
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::{Instant, sleep_until, timeout};

use super::body::{self, Body};
use super::headers::{Arrival, prepare_request, prepare_response};
use super::progress::{Progress, watch_progress};
use crate::units::ByteCount;

/// An idle connection is closed before servers commonly close it, so that few requests race a close.
const POOL_IDLE: Duration = Duration::from_secs(30);
const POOL_IDLE_PER_HOST: usize = 64;
const KEEPALIVE: Duration = Duration::from_mins(1);
/// What an HTTP/2 upstream may send ahead of one slow client.
const H2_STREAM_WINDOW: u32 = 1 << 20;
/// The same over TCP alone, where the system decides: Linux lets a window grow to 32 MiB, and
/// a little more has been handed to the sender's own.
const TCP_WINDOW: u64 = 40 << 20;
/// The most there is: one connection carries everybody, and a client that stops reading must fill its
/// own stream's window only.
const H2_CONNECTION_WINDOW: u32 = (1 << 31) - 1;
/// HTTP/2 upstreams are asked for a sign of life, so that a dead path is noticed.
const H2_PING_EVERY: Duration = Duration::from_secs(20);
const H2_PING_WAIT: Duration = Duration::from_secs(10);

const CONNECT: Duration = Duration::from_secs(10);
/// SDKs give up on a silent download after two minutes.
const BODY_IDLE: Duration = Duration::from_secs(90);

/// How long each part of an exchange may take.
#[derive(Clone, Copy, Debug)]
pub struct SendLimits {
    /// Name lookup, TCP and TLS together.
    pub connect: Duration,
    /// From the last byte of the request to the answer's head.
    pub answer: Duration,
    /// Between two pieces of the answer's body.
    pub idle: Duration,
}

impl SendLimits {
    /// The usual patience, and `answer` for the head of the answer.
    pub fn answer_within(answer: Duration) -> Self {
        Self {
            connect: CONNECT,
            answer,
            idle: BODY_IDLE,
        }
    }
}

/// What an upstream that speaks this may have sent when we hang up on it, and we have not seen.
pub fn on_the_way(version: Version) -> ByteCount {
    ByteCount(match version {
        Version::HTTP_2 => H2_STREAM_WINDOW.into(),
        _ => TCP_WINDOW,
    })
}

/// Whose word is taken for an upstream's certificate.
#[derive(Clone, Debug)]
pub enum Trust {
    /// The platform's roots.
    Platform,
    /// These certificates alone, such as a test's own.
    Only(Vec<CertificateDer<'static>>),
}

type Cause = Box<dyn Error + Send + Sync>;

/// Why a request got no answer from upstream; the variant decides what becomes of its reservation.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Not one byte was sent: what was reserved is void.
    #[error("could not connect to {host}")]
    NeverLeft {
        host: String,
        #[source]
        cause: Cause,
    },
    /// Not one byte was sent either: upstream could not be shown who calls.
    #[error("no access token could be had from {host}")]
    NoToken {
        host: String,
        #[source]
        cause: Cause,
    },
    /// It may have been acted on: the outcome is unknown.
    #[error("{host} did not answer within {waited:?}")]
    Unanswered { host: String, waited: Duration },
    /// The connection broke while a request was under way: the outcome is unknown.
    #[error("the exchange with {host} broke off before its answer")]
    Broken {
        host: String,
        #[source]
        cause: Cause,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    #[error("the certificates to trust upstreams by cannot be used")]
    Trust(#[from] rustls::Error),
}

#[derive(Debug, thiserror::Error)]
enum NoConnection {
    #[error("no connection within {0:?}")]
    TimedOut(Duration),
}

#[derive(Debug, thiserror::Error)]
#[error("upstream switched to another protocol, which nobody had asked for")]
struct Switched;

/// The way out. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Pool {
    client: Client<HttpsConnector<HttpConnector>, Body>,
}

impl Pool {
    pub fn new(trust: Trust) -> Result<Self, PoolError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(trust)?)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_IDLE_PER_HOST)
            .http2_initial_stream_window_size(H2_STREAM_WINDOW)
            .http2_initial_connection_window_size(H2_CONNECTION_WINDOW)
            .http2_keep_alive_interval(H2_PING_EVERY)
            .http2_keep_alive_timeout(H2_PING_WAIT)
            .build(connector);
        Ok(Self { client })
    }

    /// Sends a request whose URI is absolute, and answers as soon as the head of the answer is there.
    ///
    /// The headers of both directions are made fit here; an [`Arrival`] in the extensions makes the
    /// request one that is passed on (`Via`, `X-Forwarded-*`), without it the guard asks for itself.
    /// Redirects are not followed, and nothing is sent again unless hyper can prove that its first byte
    /// had not been written to a kept connection.
    pub async fn send(
        &self,
        mut request: Request<Body>,
        limits: SendLimits,
    ) -> Result<Response<Body>, SendError> {
        let host = request
            .uri()
            .authority()
            .map_or_else(String::new, ToString::to_string);
        prepare(&mut request);
        let connection = capture_connection(&mut request);
        let (request, progress) = watch_progress(request);
        let answer = self.client.request(request);
        let answer = answered(answer, connection, progress, limits)
            .await
            .map_err(|failure| failure.named(host.clone()))?;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            let cause = Box::new(Switched);
            return Err(SendError::Broken { host, cause });
        }
        let (mut parts, incoming) = answer.into_parts();
        prepare_response(&mut parts.headers, parts.version);
        Ok(Response::from_parts(
            parts,
            body::from_wire(incoming, limits.idle),
        ))
    }
}

/// What is known when no answer came.
enum Failure {
    NeverLeft(Cause),
    Unanswered(Duration),
    Broken(Cause),
}

impl Failure {
    fn named(self, host: String) -> SendError {
        match self {
            Self::NeverLeft(cause) => SendError::NeverLeft { host, cause },
            Self::Unanswered(waited) => SendError::Unanswered { host, waited },
            Self::Broken(cause) => SendError::Broken { host, cause },
        }
    }
}

/// Waits for a connection and then for the answer's head. Until a connection is captured the request
/// has been handed to none.
async fn answered(
    answer: impl Future<Output = Result<Response<Incoming>, ClientError>>,
    connection: CaptureConnection,
    mut progress: Progress,
    limits: SendLimits,
) -> Result<Response<Incoming>, Failure> {
    tokio::pin!(answer);
    let broken = |error: ClientError, connected: bool| {
        if error.is_connect() || !connected {
            Failure::NeverLeft(error.into())
        } else {
            Failure::Broken(error.into())
        }
    };
    let mut handed_over = connection.clone();
    let no_connection = sleep_until(Instant::now() + limits.connect);
    tokio::select! {
        biased;
        answer = &mut answer => {
            let connected = connection.connection_metadata().is_some();
            return answer.map_err(|error| broken(error, connected));
        }
        _ = handed_over.wait_for_connection_metadata() => {}
        () = no_connection => {
            return Err(Failure::NeverLeft(NoConnection::TimedOut(limits.connect).into()));
        }
    }
    loop {
        tokio::select! {
            biased;
            answer = &mut answer => return answer.map_err(|error| broken(error, true)),
            moved = timeout(limits.answer, progress.moved()) => {
                moved.map_err(|_| Failure::Unanswered(limits.answer))?;
            }
        }
    }
}

/// The last touch before a request leaves: headers, framing and version are ours, not the caller's.
fn prepare(request: &mut Request<Body>) {
    let arrival = request.extensions().get::<Arrival>().copied();
    let version = request.version();
    prepare_request(request.headers_mut(), arrival, version);
    *request.version_mut() = Version::HTTP_11; // what is spoken is settled by ALPN
    let announced = request.headers_mut().remove(CONTENT_LENGTH);
    match request.body().size_hint().exact() {
        Some(0) if announced.is_none() => {}
        Some(length) => {
            request
                .headers_mut()
                .insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        None => {}
    }
}

fn tls(trust: Trust) -> Result<ClientConfig, PoolError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = match trust {
        Trust::Platform => builder.try_with_platform_verifier()?.with_no_client_auth(),
        Trust::Only(certificates) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates {
                roots.add(certificate)?;
            }
            builder.with_root_certificates(roots).with_no_client_auth()
        }
    };
    Ok(config)
}
