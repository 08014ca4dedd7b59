//! Clients that keep asking for small images, each on a connection of its own, whatever becomes of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use quota_guard::units::Amount;
use serde_json::json;
use tokio::task::JoinSet;

use crate::caps::one_pu;
use crate::fleet::until;
use crate::harness::KEY;

/// Requests under way at a time.
const CLIENTS: u64 = 24;
/// Before a client that found nobody, or was sent away, comes again.
const PAUSE: Duration = Duration::from_millis(20);
/// Longer than any story takes to bring a guard back.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where clients find guards: a URL for each that they should go to.
#[derive(Clone, Default)]
pub(crate) struct Doors(Arc<Mutex<Vec<(usize, String)>>>);

/// What has come of a crowd's requests so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) served: AtomicU64,
    /// Over the budget.
    pub(crate) refused: AtomicU64,
    /// `temporary-reduced-capacity`.
    pub(crate) sent_away: AtomicU64,
    /// No answer, or that upstream gave none.
    pub(crate) lost: AtomicU64,
}

pub(crate) struct Crowd {
    pub(crate) tally: Arc<Tally>,
    clients: JoinSet<()>,
}

/// An image of 64 × 64 px, which costs a 64th of a PU: a sum of them is exact.
pub(crate) fn small_image() -> Bytes {
    let mut image = one_pu();
    image["output"]["width"] = json!(64);
    image["output"]["height"] = json!(64);
    image.to_string().into()
}

/// What so many small images cost.
pub(crate) fn images(count: u64) -> Amount {
    Amount::from_micros(i64::try_from(count).expect("few") * 15_625).expect("an amount")
}

impl Doors {
    pub(crate) fn open(&self, guard: usize, url: &str) {
        self.close(guard);
        let url = format!("{url}/sentinel-hub/api/v1/process");
        self.0.lock().expect("no panic").push((guard, url));
    }

    pub(crate) fn close(&self, guard: usize) {
        self.0
            .lock()
            .expect("no panic")
            .retain(|(number, _)| *number != guard);
    }

    fn one(&self, turn: u64) -> Option<String> {
        let doors = self.0.lock().expect("no panic");
        let place = usize::try_from(turn).expect("few") % doors.len().max(1);
        doors.get(place).map(|(_, url)| url.clone())
    }
}

impl Tally {
    pub(crate) fn of(count: &AtomicU64) -> u64 {
        count.load(Ordering::SeqCst)
    }

    pub(crate) fn answers(&self) -> u64 {
        [&self.served, &self.refused, &self.sent_away, &self.lost]
            .into_iter()
            .map(Self::of)
            .sum()
    }

    fn count(&self, status: Option<StatusCode>) {
        let counter = match status {
            Some(StatusCode::OK) => &self.served,
            Some(StatusCode::FORBIDDEN) => &self.refused,
            Some(StatusCode::SERVICE_UNAVAILABLE) => &self.sent_away,
            None | Some(StatusCode::GATEWAY_TIMEOUT | StatusCode::BAD_GATEWAY) => &self.lost,
            Some(other) => panic!("{other} is not among the answers of a guard to these"),
        };
        counter.fetch_add(1, Ordering::SeqCst);
    }
}

impl Crowd {
    pub(crate) fn start(doors: &Doors, requests: u64) -> Self {
        let (tally, next) = (Arc::new(Tally::default()), Arc::new(AtomicU64::new(0)));
        let http = Client::builder(TokioExecutor::new()).build_http();
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (http, doors) = (http.clone(), doors.clone());
            let (tally, next) = (Arc::clone(&tally), Arc::clone(&next));
            clients.spawn(async move {
                loop {
                    let turn = next.fetch_add(1, Ordering::SeqCst);
                    if turn >= requests {
                        return;
                    }
                    let status = match doors.one(turn) {
                        Some(url) => ask(&http, url).await,
                        None => None,
                    };
                    tally.count(status);
                    if matches!(status, None | Some(StatusCode::SERVICE_UNAVAILABLE)) {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            });
        }
        Self { tally, clients }
    }

    /// Waits until so many of its requests have come to an end.
    pub(crate) async fn answered(&self, requests: u64) {
        let enough = async || (self.tally.answers() >= requests).then_some(());
        until("answers", PATIENCE, enough).await;
    }

    /// Waits until a counter has risen by so much.
    pub(crate) async fn more(&self, counter: impl Fn(&Tally) -> &AtomicU64, more: u64) {
        let before = Tally::of(counter(&self.tally));
        let enough = async || (Tally::of(counter(&self.tally)) >= before + more).then_some(());
        until("more answers", PATIENCE, enough).await;
    }

    /// Waits for its last request.
    pub(crate) async fn end(self) -> Arc<Tally> {
        self.clients.join_all().await;
        self.tally
    }

    /// Goes home, whatever is still under way.
    pub(crate) async fn go_home(mut self) -> Arc<Tally> {
        self.clients.shutdown().await;
        self.tally
    }
}

/// `None` when no answer came, or only a part of one.
async fn ask(http: &Client<HttpConnector, Full<Bytes>>, url: String) -> Option<StatusCode> {
    let request = Request::post(url)
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "application/json")
        .body(Full::from(small_image()))
        .expect("a request");
    let answered = async {
        let (head, body) = http.request(request).await.ok()?.into_parts();
        body.collect().await.ok()?;
        Some(head.status)
    };
    tokio::time::timeout(PATIENCE, answered)
        .await
        .ok()
        .flatten()
}
