//! Identical requests under way: the first asks upstream, those behind it wait for its answer.
//!
//! A flight ends in an answer for all, or in none; then those behind go on by themselves, as if they had
//! been alone. One that never left, because a budget had no room for it, leaves no trace, and the next of
//! those behind it becomes the first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::watch;

use super::answer::Shared;
use super::gather::Taken;
use super::key::Key;

/// Flights at one time; what comes beyond flies alone.
const MOST: usize = 1024;
/// Keys that are remembered to have had an answer for one alone, and for how long.
const MOST_LONERS: u64 = 16 * 1024;
const LONER_FOR: Duration = Duration::from_mins(1);

/// The answer, and the room that its body takes while it is handed out.
pub(super) type Landed = (Arc<Shared>, Arc<Taken>);

#[derive(Clone, Debug)]
enum Progress {
    UnderWay,
    Landed(Landed),
    /// There is none for others.
    Alone,
}

#[derive(Debug)]
pub(super) struct Flights {
    under_way: Mutex<HashMap<Key, watch::Receiver<Progress>>>,
    /// Nobody waits behind what would not be shared anyway.
    loners: Cache<Key, ()>,
}

pub(super) enum Boarding {
    First(Flight),
    Behind(Follower),
    Alone,
}

/// Dropped before it has ended, it never left.
#[derive(Debug)]
pub(super) struct Flight {
    flights: Arc<Flights>,
    key: Key,
    progress: watch::Sender<Progress>,
    ended: bool,
}

pub(super) struct Follower(watch::Receiver<Progress>);

/// What came of waiting behind another.
pub(super) enum Arrival {
    Landed(Landed),
    Alone,
    /// The first never left, so somebody else may be the first.
    NeverLeft,
}

impl Default for Flights {
    fn default() -> Self {
        let loners = Cache::builder()
            .max_capacity(MOST_LONERS)
            .time_to_live(LONER_FOR)
            .build();
        Self {
            under_way: Mutex::default(),
            loners,
        }
    }
}

impl Flights {
    pub(super) fn board(self: &Arc<Self>, key: Key) -> Boarding {
        if self.loners.contains_key(&key) {
            return Boarding::Alone;
        }
        let mut under_way = self.under_way();
        if let Some(first) = under_way.get(&key) {
            return Boarding::Behind(Follower(first.clone()));
        }
        if under_way.len() >= MOST {
            return Boarding::Alone;
        }
        let (progress, behind) = watch::channel(Progress::UnderWay);
        under_way.insert(key, behind);
        Boarding::First(Flight {
            flights: Arc::clone(self),
            key,
            progress,
            ended: false,
        })
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<Key, watch::Receiver<Progress>>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    pub(super) fn land(self, landed: Landed) {
        self.end(Progress::Landed(landed));
    }

    /// This time there is no answer for others.
    pub(super) fn fail(self) {
        self.end(Progress::Alone);
    }

    /// Such an answer is for one alone, and so will the next be.
    pub(super) fn be_alone(self) {
        self.flights.loners.insert(self.key, ());
        self.end(Progress::Alone);
    }

    fn end(mut self, progress: Progress) {
        self.ended = true;
        // first out of the way, so that nobody boards what has ended
        self.flights.under_way().remove(&self.key);
        self.progress.send_replace(progress);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.ended {
            self.flights.under_way().remove(&self.key);
        }
    }
}

impl Follower {
    /// Waits for the first, no longer than `patience`.
    pub(super) async fn wait(mut self, patience: Duration) -> Arrival {
        let ended = |progress: &Progress| !matches!(progress, Progress::UnderWay);
        match tokio::time::timeout(patience, self.0.wait_for(ended)).await {
            Ok(Ok(progress)) => match &*progress {
                Progress::Landed(landed) => Arrival::Landed(landed.clone()),
                Progress::UnderWay | Progress::Alone => Arrival::Alone,
            },
            Ok(Err(_)) => Arrival::NeverLeft,
            Err(_) => Arrival::Alone,
        }
    }
}
