//! What is remembered of creates, within limits. What is forgotten early is still in the books, and then
//! answered without its answer.

use std::collections::{HashMap, HashSet};

use tokio::sync::watch;

use super::Progress;
use crate::ledger::{Fingerprint, RequestId};
use crate::units::UtcTime;

/// Creates remembered at one time.
pub(super) const MOST_CREATES: usize = 1024;
/// Of one answer that is kept.
pub(super) const LARGEST_ANSWER: usize = 256 * 1024;
/// Of all answers that are kept.
const MOST_BYTES: usize = 32 * 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct Memory {
    creates: HashMap<Fingerprint, Create>,
    /// Delivered, while the books do not know it yet.
    delivered: HashSet<RequestId>,
}

#[derive(Debug)]
struct Create {
    request: RequestId,
    arrived: UtcTime,
    progress: watch::Receiver<Progress>,
}

pub(super) enum Entered {
    First(watch::Sender<Progress>),
    Again(RequestId, watch::Receiver<Progress>),
    Full,
}

impl Memory {
    /// Notes a create, unless the same one is there already.
    pub(super) fn enter(
        &mut self,
        fingerprint: Fingerprint,
        request: RequestId,
        since: UtcTime,
        now: UtcTime,
    ) -> Entered {
        self.creates
            .retain(|_, create| create.arrived >= since || create.is_under_way());
        if let Some(create) = self.creates.get(&fingerprint) {
            return Entered::Again(create.request, create.progress.clone());
        }
        if self.creates.len() >= MOST_CREATES && !self.forget_the_oldest() {
            return Entered::Full;
        }
        let (sender, progress) = watch::channel(Progress::UnderWay);
        let create = Create {
            request,
            arrived: now,
            progress,
        };
        self.creates.insert(fingerprint, create);
        Entered::First(sender)
    }

    /// Whether there is room for an answer of `bytes` bytes.
    pub(super) fn has_room_for(&self, bytes: usize) -> bool {
        let kept: usize = self.creates.values().map(Create::kept_bytes).sum();
        kept.saturating_add(bytes) <= MOST_BYTES
    }

    pub(super) fn forget(&mut self, fingerprint: Fingerprint, request: RequestId) {
        let same = |create: &Create| create.request == request;
        if self.creates.get(&fingerprint).is_some_and(same) {
            self.creates.remove(&fingerprint);
        }
    }

    pub(super) fn note_delivered(&mut self, request: RequestId) {
        self.delivered.insert(request);
    }

    /// The books know it now.
    pub(super) fn delivery_is_booked(&mut self, request: RequestId) {
        self.delivered.remove(&request);
    }

    pub(super) fn is_delivered(&self, request: RequestId) -> bool {
        self.delivered.contains(&request)
    }

    fn forget_the_oldest(&mut self) -> bool {
        let ended = self.creates.iter().filter(|(_, one)| !one.is_under_way());
        let oldest = ended.min_by_key(|(_, create)| create.arrived);
        let Some((fingerprint, _)) = oldest else {
            return false;
        };
        let fingerprint = *fingerprint;
        self.creates.remove(&fingerprint).is_some()
    }
}

impl Create {
    fn is_under_way(&self) -> bool {
        matches!(*self.progress.borrow(), Progress::UnderWay)
    }

    fn kept_bytes(&self) -> usize {
        match &*self.progress.borrow() {
            Progress::Answered(kept) => kept.body.len(),
            _ => 0,
        }
    }
}
