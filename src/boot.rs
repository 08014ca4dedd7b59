//! Settings in, concrete parts wired together: the only file that knows every type.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use http::uri::Authority;
use http::{Request, Response};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::{error, info};

use crate::admin::Admin;
use crate::clock::Clock;
use crate::front::{self, CutOff, Limits, Listener, TlsError, respond};
use crate::guard::{
    Commitments, Consultant, Downloads, Guard, Lending, Margins, Pacer, PastCharge, PlaceError,
    Places, Relay, Resends, Revising, Sharing, Sighting, sightings,
};
use crate::identity::{Seal, SecretError, Tokens};
use crate::ledger::{Cap, Ledger, RequestId};
use crate::policy::{Policy, SafetyMargin, Server, Tls};
use crate::reconcile;
use crate::store::{self, LeasedBooks, OpenError};
use crate::telemetry::Metrics;
use crate::upstream::{Body, Exchanges, LinkError, Pool, PoolError, Trust};

/// The admin port serves a few people and scrapers.
const ADMIN_CONNECTIONS: usize = 128;

#[derive(Debug, thiserror::Error)]
pub enum BootError {
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        cause: std::io::Error,
    },
    #[error("the file {} cannot be read", path.display())]
    File {
        path: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    #[error("the public URL '{url}' names no host")]
    PublicUrl { url: String },
    #[error("TLS cannot be set up")]
    Tls(#[from] TlsError),
    #[error("the store cannot be opened")]
    Store(#[from] OpenError),
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error("tokens cannot be issued")]
    Tokens(#[from] SecretError),
    #[error("links cannot lead back to the guard")]
    Link(#[from] LinkError),
    #[error(transparent)]
    Pool(#[from] PoolError),
    #[error("the metrics cannot be set up")]
    Metrics(#[from] prometheus::Error),
}

/// A guard that serves. Dropping it leaves it running; [`Running::stop`] ends it well.
pub struct Running {
    pub guard: SocketAddr,
    pub admin: SocketAddr,
    /// What links to the guard begin with.
    pub public_url: String,
    stopping: watch::Sender<bool>,
    serving: [JoinHandle<CutOff>; 2],
    books: Arc<LeasedBooks>,
    /// What works beside the requests.
    beside: Vec<JoinHandle<()>>,
}

impl Running {
    /// Takes no more requests, finishes what is under way, and says what was cut off.
    pub async fn stop(self) -> CutOff {
        self.stopping.send_replace(true);
        let [guard, admin] = self.serving;
        _ = admin.await;
        let cut_off = guard.await.unwrap_or_default();
        for task in self.beside {
            task.abort(); // what it has not written down the next guard does again
            _ = task.await;
        }
        if let Err(cause) = self.books.shut_down().await {
            error!(
                error = &cause as &dyn std::error::Error,
                "the books could not be told of the end; the next start counts what is open as unknown"
            );
        }
        cut_off
    }
}

/// Opens everything a policy names and serves it.
pub async fn start(policy: Policy, clock: Arc<dyn Clock>) -> Result<Running, BootError> {
    let policy = Arc::new(policy);
    let server = policy.server();
    let tcp = bind(server.listen).await?;
    let admin_tcp = bind(server.admin_listen).await?;
    let (address, admin_address) = (
        local(&tcp, server.listen)?,
        local(&admin_tcp, server.admin_listen)?,
    );
    let public_url = public_url(server, address);
    let books = open_books(&policy, &clock).await?;
    let ledger: Arc<dyn Ledger> = books.clone();
    let metrics = Arc::new(Metrics::new()?);
    metrics.count_policy_load(true);
    let places = Places::open(&policy)?;
    let exchanges = Exchanges::default();
    let pool = Pool::new(Trust::Platform)?;
    let (seen, to_look_at) = sightings();
    let guard = Arc::new(Guard {
        resends: resends(&policy, &ledger, &clock, &exchanges),
        revising: Revising::default(),
        commitments: Commitments::default(),
        lent: Lending::default(),
        sightings: seen,
        tokens: Tokens::new(places.secrets())?,
        downloads: Downloads::new(Seal::new(places.secrets())?, &policy, &public_url),
        places,
        pacer: Pacer::new(&policy),
        sharing: Sharing::new(&policy),
        margins: margins(&policy, books.as_ref(), &metrics).await?,
        relay: Relay::new(&policy, &public_url)?,
        consultant: Consultant::new(
            &policy,
            pool.clone(),
            Arc::clone(&clock),
            Arc::clone(&metrics),
        ),
        ledger: Arc::clone(&ledger),
        clock: Arc::clone(&clock),
        metrics: Arc::clone(&metrics),
        pool,
        exchanges,
        own: vec![authority(&public_url)?],
        policy: Arc::clone(&policy),
    });
    let admin = Arc::new(Admin {
        policy: Arc::clone(&policy),
        ledger,
        metrics,
        clock: Arc::clone(&clock),
    });
    let (stopping, stopped) = watch::channel(false);
    let listener = listener(tcp, server.tls.as_ref())?;
    let beside = work_beside(&guard, to_look_at);
    let serving = [
        serve_guard(guard, listener, public_url.clone(), stopped.clone()),
        serve_admin(admin, Listener::plain(admin_tcp), stopped),
    ];
    info!(%address, %admin_address, public_url, "serving");
    Ok(Running {
        guard: address,
        admin: admin_address,
        public_url,
        stopping,
        serving,
        beside,
        books,
    })
}

fn resends(
    policy: &Policy,
    ledger: &Arc<dyn Ledger>,
    clock: &Arc<dyn Clock>,
    exchanges: &Exchanges,
) -> Arc<Resends> {
    Resends::new(
        Arc::clone(ledger),
        Arc::clone(clock),
        exchanges.clone(),
        policy.resend_window(),
    )
}

/// What works beside the requests, until it is aborted.
fn work_beside(guard: &Arc<Guard>, to_look_at: mpsc::Receiver<Sighting>) -> Vec<JoinHandle<()>> {
    let store = guard.policy.store().clone();
    let beside = [
        Some(guard.keep_booking()),
        Some(reconcile::follow(Arc::clone(guard), to_look_at)),
        reconcile::compare_daily(Arc::clone(guard)),
        store::roll_up_daily(store, Arc::clone(&guard.clock)),
    ];
    beside.into_iter().flatten().collect()
}

/// The books, told of the limits that the policy sets.
async fn open_books(
    policy: &Policy,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<LeasedBooks>, OpenError> {
    let books = store::open(policy.store(), clock).await?;
    let caps: Vec<Cap> = policy.budgets().iter().map(Cap::from).collect();
    books.publish(&caps, clock.now()).await?;
    Ok(books)
}

/// Margins, with what the books tell of charges where they are learned from.
async fn margins(
    policy: &Policy,
    books: &dyn Ledger,
    metrics: &Metrics,
) -> Result<Margins, OpenError> {
    let told = match policy.safety_margin() {
        SafetyMargin::Learned => books.told().await?,
        SafetyMargin::Fixed(_) => Vec::new(),
    };
    let margins = Margins::new(
        policy,
        told.into_iter().filter_map(PastCharge::from_the_books),
    );
    for (api, team, factor) in margins.factors() {
        metrics.set_margin(api, &team, factor);
    }
    Ok(margins)
}

fn serve_guard(
    guard: Arc<Guard>,
    listener: Listener,
    public_url: String,
    stopped: watch::Receiver<bool>,
) -> JoinHandle<CutOff> {
    let limits = Limits::from(&guard.policy.server().limits);
    let exchanges = guard.exchanges.clone();
    let public_url: Arc<str> = public_url.into();
    let handler = move |request: Request<Body>| {
        let (guard, public_url) = (Arc::clone(&guard), Arc::clone(&public_url));
        async move { answer(&guard, &public_url, request).await }
    };
    tokio::spawn(front::serve(
        listener,
        handler,
        limits,
        exchanges,
        told_to_stop(stopped),
    ))
}

/// The guard's own pages, or an upstream's answer.
async fn answer(guard: &Arc<Guard>, public_url: &str, request: Request<Body>) -> Response<Body> {
    if let Some(page) = respond::own_page(&request) {
        return page;
    }
    let now = guard.clock.now();
    let id = request.extensions().get::<RequestId>().copied();
    let id = id.unwrap_or_else(|| RequestId::new(now, [0; 10]));
    let answer = guard.handle(id, request).await;
    respond::respond(answer, public_url, guard.clock.now())
}

fn serve_admin(
    admin: Arc<Admin>,
    listener: Listener,
    stopped: watch::Receiver<bool>,
) -> JoinHandle<CutOff> {
    let limits = Limits::from(&admin.policy.server().limits);
    let limits = Limits {
        max_connections: ADMIN_CONNECTIONS,
        ..limits
    };
    let handler = move |request: Request<Body>| {
        let admin = Arc::clone(&admin);
        async move { admin.handle(request).await }
    };
    tokio::spawn(front::serve(
        listener,
        handler,
        limits,
        Exchanges::default(),
        told_to_stop(stopped),
    ))
}

async fn told_to_stop(mut stopped: watch::Receiver<bool>) {
    // the sender lives as long as somebody can tell
    _ = stopped.wait_for(|stop| *stop).await;
}

async fn bind(address: SocketAddr) -> Result<TcpListener, BootError> {
    TcpListener::bind(address)
        .await
        .map_err(|cause| BootError::Listen { address, cause })
}

fn local(tcp: &TcpListener, address: SocketAddr) -> Result<SocketAddr, BootError> {
    tcp.local_addr()
        .map_err(|cause| BootError::Listen { address, cause })
}

/// What the policy says. Where it names port 0 the system has chosen another by now.
fn public_url(server: &Server, address: SocketAddr) -> String {
    server
        .public_url
        .replace(&server.listen.to_string(), &address.to_string())
}

fn authority(public_url: &str) -> Result<Authority, BootError> {
    let uri: Option<http::Uri> = public_url.parse().ok();
    uri.and_then(|uri| uri.authority().cloned())
        .ok_or_else(|| BootError::PublicUrl {
            url: public_url.into(),
        })
}

fn listener(tcp: TcpListener, tls: Option<&Tls>) -> Result<Listener, BootError> {
    let Some(tls) = tls else {
        return Ok(Listener::plain(tcp));
    };
    let read = |path: &PathBuf| {
        std::fs::read(path).map_err(|cause| BootError::File {
            path: path.clone(),
            cause,
        })
    };
    let config = front::server_config(&read(&tls.cert)?, &read(&tls.key)?, None)?;
    Ok(Listener::tls(tcp, config))
}
