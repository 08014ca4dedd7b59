//! The way in: listeners, TLS, HTTP/1.1 and HTTP/2, the layers that know no policy, and the drain.
//!
//! Every wait for a client has an end, and beyond `max_connections` new ones wait in the system's
//! backlog. What a request means is nobody's business here.

mod annotate;
mod connection;
mod layers;
mod patience;
pub mod respond;
#[cfg(test)]
mod tests;
mod tls;
mod token;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::policy;
use crate::upstream::{Body, Exchanges};

pub use tls::{TlsError, server_config};

/// How long to wait when the system has no room for another connection.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// How long the books may take for what was cut off at the end.
const LAST_ENTRIES: Duration = Duration::from_secs(2);
const MAX_HEADER_BYTES: usize = 64 * 1024;
/// Longer than clients that poll wait between two looks.
const IDLE: Duration = Duration::from_secs(75);
const STALL: Duration = Duration::from_secs(90);

/// What a client may take of the guard's time and memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub max_connections: usize,
    /// From a connection's or a request's first byte to the end of its head; also for TLS.
    pub header_timeout: Duration,
    pub max_header_bytes: usize,
    /// Between two requests on one connection.
    pub idle_timeout: Duration,
    /// Between two pieces of a body, whichever way it goes.
    pub stall_timeout: Duration,
    /// For everything under way when the guard is told to stop.
    pub drain_timeout: Duration,
}

impl From<&policy::Limits> for Limits {
    fn from(set: &policy::Limits) -> Self {
        let max_connections = usize::try_from(set.max_connections).unwrap_or(usize::MAX);
        Self {
            max_connections,
            header_timeout: set.header_timeout,
            max_header_bytes: MAX_HEADER_BYTES,
            idle_timeout: IDLE,
            stall_timeout: STALL,
            drain_timeout: set.drain_timeout,
        }
    }
}

/// A place where clients connect.
pub struct Listener {
    tcp: TcpListener,
    tls: Option<Arc<ServerConfig>>,
}

impl Listener {
    pub fn plain(tcp: TcpListener) -> Self {
        Self { tcp, tls: None }
    }

    pub fn tls(tcp: TcpListener, tls: Arc<ServerConfig>) -> Self {
        Self {
            tcp,
            tls: Some(tls),
        }
    }
}

/// What was still under way when the drain's time was over; all zero after a clean stop.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[must_use]
pub struct CutOff {
    pub connections: usize,
    pub exchanges: usize,
}

/// Answers requests with `handler` until `shutdown`, then finishes what is under way, `exchanges`
/// included, within `drain_timeout`.
pub async fn serve<H, F>(
    listener: Listener,
    handler: H,
    limits: Limits,
    exchanges: Exchanges,
    shutdown: impl Future<Output = ()>,
) -> CutOff
where
    H: Fn(Request<Body>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let (draining, drain) = watch::channel(false);
    let slots = Arc::new(Semaphore::new(
        limits.max_connections.min(Semaphore::MAX_PERMITS),
    ));
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            (socket, peer, slot) = accept(&listener.tcp, &slots) => {
                let terms = connection::Terms {
                    peer,
                    tls: listener.tls.clone(),
                    limits,
                    draining: drain.clone(),
                };
                let handler = handler.clone();
                connections.spawn(async move {
                    connection::run(socket, terms, handler).await;
                    drop(slot);
                });
            }
        }
    }
    drop(listener);
    draining.send_replace(true);
    finish(connections, &exchanges, limits.drain_timeout).await
}

async fn accept(
    tcp: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    loop {
        let Ok(slot) = Arc::clone(slots).acquire_owned().await else {
            std::future::pending().await // nobody closes the semaphore
        };
        match tcp.accept().await {
            Ok((socket, peer)) => return (socket, peer, slot),
            Err(error) => {
                warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

async fn finish(mut connections: JoinSet<()>, exchanges: &Exchanges, within: Duration) -> CutOff {
    info!(
        connections = connections.len(),
        exchanges = exchanges.under_way(),
        "finishing what is under way"
    );
    let all_done = async {
        while connections.join_next().await.is_some() {}
        exchanges.finished().await;
    };
    if timeout(within, all_done).await.is_ok() {
        return CutOff::default();
    }
    let cut_off = CutOff {
        connections: connections.len(),
        exchanges: exchanges.under_way(),
    };
    warn!(
        connections = cut_off.connections,
        exchanges = cut_off.exchanges,
        "the time to finish is over"
    );
    connections.shutdown().await;
    // what was cut off has been counted, and is written down now
    _ = timeout(LAST_ENTRIES, exchanges.finished()).await;
    cut_off
}
