//! [`Turn`]: the right to send a create, from its arrival until everybody knows how it ended; and
//! [`Delivery`], which watches its answer on the way to the client.

use std::sync::Arc;

use http::Response;
use tokio::sync::watch;
use tracing::error;

use super::memory::LARGEST_ANSWER;
use super::{Kept, Progress, Resends};
use crate::guard::answer::{Answer, Reply};
use crate::ledger::{Fingerprint, RequestId};
use crate::upstream::{Body, counted, overhear};

/// What became of a create at Planet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::guard) enum Ending {
    /// Nothing; an identical one may be sent.
    Nothing,
    TookEffect,
    Unknown,
}

/// Dropped before its end it leaves no trace here, and those who wait try their own luck: if it was
/// forwarded its reservation stands in the books and stops them.
pub(in crate::guard) struct Turn {
    of: Delivery,
    progress: watch::Sender<Progress>,
    ended: bool,
}

/// Tells that an answer has reached its client, when it has.
#[derive(Clone)]
pub(in crate::guard) struct Delivery {
    resends: Arc<Resends>,
    fingerprint: Fingerprint,
    request: RequestId,
}

impl Turn {
    pub(super) fn new(
        resends: Arc<Resends>,
        fingerprint: Fingerprint,
        request: RequestId,
        progress: watch::Sender<Progress>,
    ) -> Self {
        let of = Delivery {
            resends,
            fingerprint,
            request,
        };
        Self {
            of,
            progress,
            ended: false,
        }
    }

    pub(in crate::guard) const fn fingerprint(&self) -> Fingerprint {
        self.of.fingerprint
    }

    /// Tells those who wait how it ended, and keeps the answer for those who come.
    pub(in crate::guard) async fn end(mut self, ending: Ending, mut answer: Answer) -> Answer {
        match (ending, answer.reply) {
            (Ending::Nothing, reply) => {
                self.of.clone().done();
                answer.reply = reply;
            }
            (Ending::TookEffect, Reply::Forwarded(response)) => {
                let (response, progress) = self.keep(response).await;
                self.publish(progress);
                answer.reply = Reply::Forwarded(response);
                answer.delivery = Some(self.of.clone());
            }
            (Ending::TookEffect, reply) => {
                self.publish(Progress::Unkept);
                answer.reply = reply;
            }
            (Ending::Unknown, reply) => {
                self.publish(Progress::Unknown);
                answer.reply = reply;
            }
        }
        answer
    }

    async fn keep(&self, response: Response<Body>) -> (Response<Body>, Progress) {
        let (head, body) = response.into_parts();
        let (whole, body) = overhear(body, LARGEST_ANSWER).await;
        let kept = whole
            .filter(|whole| self.of.resends.memory().has_room_for(whole.len()))
            .map(|body| Kept {
                status: head.status,
                headers: head.headers.clone(),
                body,
            });
        let progress = kept.map_or(Progress::Unkept, |kept| Progress::Answered(Arc::new(kept)));
        (Response::from_parts(head, body), progress)
    }

    fn publish(&mut self, progress: Progress) {
        self.ended = true;
        self.progress.send_replace(progress);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.ended {
            let Delivery {
                resends,
                fingerprint,
                request,
            } = &self.of;
            resends.memory().forget(*fingerprint, *request);
        }
    }
}

impl Delivery {
    /// Of an answer that is given again.
    pub(super) const fn again(
        resends: Arc<Resends>,
        fingerprint: Fingerprint,
        first: RequestId,
    ) -> Self {
        Self {
            resends,
            fingerprint,
            request: first,
        }
    }

    /// The body, which tells when its last byte was handed to the client's connection.
    pub(in crate::guard) fn watch(self, body: Body) -> Body {
        counted(body, move |passed| {
            if passed.whole {
                self.done();
            }
        })
    }

    /// From here on an identical create is a new one.
    fn done(self) {
        let Self {
            resends,
            fingerprint,
            request,
        } = self;
        let mut memory = resends.memory();
        memory.note_delivered(request);
        memory.forget(fingerprint, request);
        drop(memory);
        let exchanges = resends.exchanges.clone();
        drop(exchanges.detach(async move {
            let booked = resends.ledger.delivered(request, resends.clock.now()).await;
            resends.memory().delivery_is_booked(request);
            if let Err(cause) = booked {
                let error = &cause as &dyn std::error::Error;
                error!(request.id = %request, error, "an identical create will be refused for a while");
            }
        }));
    }
}
