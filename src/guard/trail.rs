//! Where a call leads to something that Planet goes on with: it makes that, or it shows how that goes on.
//!
//! What a create has made is noted before its reservation ends; a guard that stops in between leaves a request in
//! doubt, and not one that nobody looks after. Answers pass on as they came.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use tokio::sync::mpsc;
use tracing::{debug, error, warn};

use super::exchange::Exchange;
use super::lent::Lent;
use super::pipeline::Guard;
use super::places::Place;
use crate::ledger::{Followed, NewFollowed};
use crate::planet::answer::Doubt;
use crate::planet::{Asked, Kind, Made};
use crate::upstream::{Body, SendError, coding, overhear};

/// An answer that names one thing is small. What is larger passes on unread.
const LARGEST_ANSWER: usize = 256 * 1024;
/// One that shows an order lists its files.
const LARGEST_SHOWN: usize = 4 * 1024 * 1024;
/// Answers that wait for somebody to look at them. What comes when there are more is not looked at.
const MOST_SIGHTINGS: usize = 64;

/// An answer to a caller that shows something which is followed.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// What is open of it, as the books have it.
    pub open: Vec<Followed>,
    pub status: StatusCode,
    pub answer: Bytes,
}

/// Where sightings go to.
pub type Sightings = mpsc::Sender<Sighting>;

/// A way for sightings, which holds a few.
pub fn sightings() -> (Sightings, mpsc::Receiver<Sighting>) {
    mpsc::channel(MOST_SIGHTINGS)
}

/// A call whose answer leads to something that goes on with Planet.
#[derive(Debug)]
pub(super) enum Trail {
    /// It makes it. The path is the one behind the mount.
    Makes {
        path: String,
        lent: Option<Lent>,
    },
    Shows {
        kind: Kind,
        name: String,
    },
}

impl Trail {
    /// `None` for a call that leads to nothing which goes on.
    pub(super) fn of(place: &Place, asked: &Asked<'_>) -> Option<Self> {
        let Asked { route, path, .. } = *asked;
        if Kind::made_by(route.operation).is_some() {
            let lends = place.calls_as_the_caller();
            return Some(Self::Makes {
                path: path.to_owned(),
                lent: lends.then(|| Lent::of(asked.headers, asked.query)),
            });
        }
        let (kind, name) = Kind::shown_by(route, path).filter(|_| *asked.method == Method::GET)?;
        let name = name.to_owned();
        Some(Self::Shows { kind, name })
    }
}

impl Exchange {
    /// Reads an answer that leads to something which goes on with Planet.
    pub(super) async fn trace(
        &mut self,
        sent: Result<Response<Body>, SendError>,
    ) -> Result<Response<Body>, SendError> {
        let Some(trail) = self.trail.take() else {
            return sent;
        };
        let response = sent?;
        let (status, plain) = (response.status(), coding(response.headers()).is_none());
        match trail {
            Trail::Makes { path, lent } if status.is_success() && self.reservation.is_some() => {
                let (whole, response) = read(response, LARGEST_ANSWER).await;
                if let Some(new) = self.read_made(&path, whole.filter(|_| plain)) {
                    self.made =
                        (new.made.kind == Kind::Subscription).then(|| (*new.made.name).into());
                    Arc::clone(&self.guard).follow_from_now(new, lent).await;
                }
                Ok(response)
            }
            Trail::Shows { kind, name } if plain && shows(status) => {
                let upstream = Arc::clone(self.place.upstream.name());
                let open = Arc::clone(&self.guard).open(upstream, kind, name).await;
                if open.is_empty() {
                    return Ok(response);
                }
                let (whole, response) = read(response, LARGEST_SHOWN).await;
                if let Some(answer) = whole {
                    self.guard.sight(Sighting {
                        open,
                        status,
                        answer,
                    });
                }
                Ok(response)
            }
            Trail::Makes { .. } | Trail::Shows { .. } => Ok(response),
        }
    }

    fn read_made(&self, path: &str, answer: Option<Bytes>) -> Option<NewFollowed> {
        let request = self.case.request;
        let unread = || Doubt::new("it broke off, is compressed or is too long");
        let made = answer
            .ok_or_else(unread)
            .and_then(|answer| Made::read(&self.route, path, &answer));
        let made = made.unwrap_or_else(|doubt| {
            warn!(request.id = %request, api = %self.route.api, %doubt, "what it made is not followed");
            None
        });
        Some(NewFollowed {
            request,
            upstream: self.place.upstream.name().clone(),
            made: made?,
        })
    }
}

impl Guard {
    async fn follow_from_now(self: Arc<Self>, new: NewFollowed, lent: Option<Lent>) {
        if let Err(cause) = self.ledger.follow(&new, self.clock.now()).await {
            let error = &cause as &dyn std::error::Error;
            error!(request.id = %new.request, error, "what it made could not be noted, and is not followed");
            return;
        }
        if let Some(lent) = lent {
            self.lent.lend(new.request, lent);
        }
    }

    /// What is still followed under this name.
    async fn open(self: Arc<Self>, upstream: Arc<str>, kind: Kind, name: String) -> Vec<Followed> {
        let found = self.ledger.followed(&upstream, kind, &name).await;
        let mut open = found.unwrap_or_else(|cause| {
            debug!(%cause, "whether it is followed cannot be told");
            Vec::new()
        });
        open.retain(|one| one.over_at.is_none());
        open
    }

    fn sight(&self, sighting: Sighting) {
        if self.sightings.try_send(sighting).is_err() {
            debug!("too many answers wait to be looked at; this one is not");
        }
    }
}

/// That something is gone says something of it too, where Planet shows it no longer than it lasts.
fn shows(status: StatusCode) -> bool {
    matches!(status, StatusCode::OK | StatusCode::NOT_FOUND)
}

async fn read(response: Response<Body>, max: usize) -> (Option<Bytes>, Response<Body>) {
    let (head, body) = response.into_parts();
    let (whole, body) = overhear(body, max).await;
    (whole, Response::from_parts(head, body))
}
