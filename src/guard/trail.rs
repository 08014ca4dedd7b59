//! What a create has made is noted before its reservation ends, so that its final figures can be looked for; a
//! guard that stops in between leaves a request in doubt, and not one that nobody looks after.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use tracing::{error, warn};

use super::exchange::Exchange;
use super::pipeline::Guard;
use crate::ledger::NewFollowed;
use crate::planet::answer::Doubt;
use crate::planet::{Kind, Made, Route};
use crate::upstream::{Body, SendError, coding, overhear};

/// An answer that names one thing is small. What is larger passes on unread.
const LARGEST_ANSWER: usize = 256 * 1024;

/// A call whose answer leads to something that goes on with Planet.
#[derive(Debug)]
pub(super) struct Trail {
    /// Behind the mount.
    path: String,
}

impl Trail {
    /// `None` for a call that makes nothing which goes on.
    pub(super) fn of(route: &Route, path: &str) -> Option<Self> {
        Kind::made_by(route.operation)?;
        Some(Self {
            path: path.to_owned(),
        })
    }
}

impl Exchange {
    /// Notes what a create has made, if its answer says so. The answer passes on as it came.
    pub(super) async fn trace(
        &mut self,
        sent: Result<Response<Body>, SendError>,
    ) -> Result<Response<Body>, SendError> {
        let (Some(trail), Some(_)) = (self.trail.take(), &self.reservation) else {
            return sent;
        };
        let response = sent?;
        if !response.status().is_success() {
            return Ok(response);
        }
        let plain = coding(response.headers()).is_none();
        let (head, body) = response.into_parts();
        let (whole, body) = overhear(body, LARGEST_ANSWER).await;
        if let Some(new) = self.read_made(&trail, whole.filter(|_| plain)) {
            self.made = (new.made.kind == Kind::Subscription).then(|| (*new.made.name).into());
            Arc::clone(&self.guard).follow_from_now(new).await;
        }
        Ok(Response::from_parts(head, body))
    }

    fn read_made(&self, trail: &Trail, answer: Option<Bytes>) -> Option<NewFollowed> {
        let request = self.case.request;
        let unread = || Doubt::new("it broke off, is compressed or is too long");
        let made = answer
            .ok_or_else(unread)
            .and_then(|answer| Made::read(&self.route, &trail.path, &answer));
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
    async fn follow_from_now(self: Arc<Self>, new: NewFollowed) {
        if let Err(cause) = self.ledger.follow(&new, self.clock.now()).await {
            let error = &cause as &dyn std::error::Error;
            error!(request.id = %new.request, error, "what it made could not be noted, and is not followed");
        }
    }
}
