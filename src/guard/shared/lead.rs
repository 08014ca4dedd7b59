//! [`Part`]: what one request does for those that are like it, from before it is sent until its answer is
//! there.

use std::sync::Arc;

use http::{HeaderMap, Response, StatusCode};

use super::answer::{Shared, Times};
use super::flight::Flight;
use super::gather::{Gathered, Taken, gather, whole};
use super::key::Key;
use super::{GATHERED_WITHIN, Sharing};
use crate::guard::answer::Provenance;
use crate::guard::pipeline::Guard;
use crate::units::UtcTime;
use crate::upstream::{Body, SendError, may_be_shared};

/// The part that a request has in the answers of others.
pub(in crate::guard) enum Part {
    /// It is none of those whose answers are shared.
    None,
    /// It might share, and asks for itself this time.
    Alone,
    /// Its answer is for all who wait behind it, and may be kept.
    Lead(Box<Lead>),
    /// It is answered.
    Answered(Provenance),
}

/// Dropped before it is sent, it leaves the lead to another.
pub(in crate::guard) struct Lead {
    sharing: Arc<Sharing>,
    key: Key,
    flight: Option<Flight>,
    /// What is kept, if upstream can be asked whether it still holds.
    stale: Option<Arc<Shared>>,
    request: HeaderMap,
    asked: UtcTime,
}

impl Part {
    /// Asks upstream whether what is kept still holds, where something is.
    pub(in crate::guard) fn ask(&mut self, request: &mut HeaderMap) {
        if let Self::Lead(lead) = self {
            let stale = lead.stale.take();
            lead.stale = stale.filter(|stale| stale.ask_whether_it_holds(request));
        }
    }

    /// Whose answer it got; `None` where that is no question.
    pub(in crate::guard) const fn provenance(&self) -> Option<Provenance> {
        match self {
            Self::Answered(whose) => Some(*whose),
            Self::None | Self::Alone | Self::Lead(_) => None,
        }
    }

    /// Hands the answer to whom it may concern; the request's own goes on.
    pub(in crate::guard) async fn land(
        self,
        sent: Result<Response<Body>, SendError>,
        guard: &Guard,
    ) -> (Result<Response<Body>, SendError>, Self) {
        match (self, sent) {
            (part @ (Self::None | Self::Answered(_)), sent) => (sent, part),
            (Self::Alone, sent) => (sent, Self::Answered(Provenance::Miss)),
            (Self::Lead(lead), Err(cause)) => {
                lead.fail();
                (Err(cause), Self::Answered(Provenance::Miss))
            }
            (Self::Lead(lead), Ok(response)) => {
                let sharing = Arc::clone(&lead.sharing);
                let (response, provenance) = lead.land(response, guard.clock.now()).await;
                if let Some(kept) = &sharing.kept {
                    guard.metrics.set_cache_bytes(kept.bytes());
                }
                (Ok(response), Self::Answered(provenance))
            }
        }
    }
}

impl Lead {
    pub(super) fn new(
        sharing: Arc<Sharing>,
        key: Key,
        flight: Option<Flight>,
        stale: Option<Arc<Shared>>,
        request: HeaderMap,
        asked: UtcTime,
    ) -> Self {
        Self {
            sharing,
            key,
            flight,
            stale,
            request,
            asked,
        }
    }

    pub(super) async fn land(
        mut self,
        response: Response<Body>,
        received: UtcTime,
    ) -> (Response<Body>, Provenance) {
        let times = Times {
            asked: self.asked,
            received,
        };
        match (response.status(), self.stale.take()) {
            (StatusCode::OK, _) => (self.land_new(response, times).await, Provenance::Miss),
            (StatusCode::NOT_MODIFIED, Some(stale)) => {
                let answer = self.land_renewed(&stale, response.headers(), times);
                (answer, Provenance::Revalidated)
            }
            _ => {
                self.fail();
                (response, Provenance::Miss)
            }
        }
    }

    async fn land_new(self, response: Response<Body>, times: Times) -> Response<Body> {
        if !may_be_shared(response.headers()) {
            self.be_alone();
            return response;
        }
        let (head, body) = response.into_parts();
        let (largest, room) = (self.sharing.largest, Arc::clone(&self.sharing.room));
        let body = match gather(body, largest, &room, GATHERED_WITHIN).await {
            Gathered::Whole(bytes, taken) => {
                let taken = Arc::new(taken);
                let body = whole(bytes.clone(), Arc::clone(&taken));
                match Shared::new(head.headers.clone(), bytes, &self.request, times) {
                    Some(shared) => self.share(Arc::new(shared), taken),
                    None => self.be_alone(),
                }
                body
            }
            Gathered::Not(body) => {
                self.fail();
                body
            }
            Gathered::TooMuch(body) => {
                self.be_alone();
                body
            }
        };
        Response::from_parts(head, body)
    }

    /// What is kept still holds: it is the answer, to this request as well.
    fn land_renewed(self, stale: &Shared, news: &HeaderMap, times: Times) -> Response<Body> {
        let age = stale.age_at(times.received);
        let Some(renewed) = stale.renewed(news, &self.request, times) else {
            self.be_alone();
            return stale.response(Some(age));
        };
        let response = renewed.response(Some(renewed.age_at(times.received)));
        if may_be_shared(response.headers()) {
            let taken = self.sharing.room.none();
            self.share(Arc::new(renewed), Arc::new(taken));
        } else {
            self.be_alone();
        }
        response
    }

    fn share(self, shared: Arc<Shared>, taken: Arc<Taken>) {
        if let Some(kept) = &self.sharing.kept {
            kept.keep(self.key, Arc::clone(&shared));
        }
        if let Some(flight) = self.flight {
            flight.land((shared, taken));
        }
    }

    pub(super) fn fail(self) {
        if let Some(flight) = self.flight {
            flight.fail();
        }
    }

    fn be_alone(self) {
        if let Some(flight) = self.flight {
            flight.be_alone();
        }
    }
}
