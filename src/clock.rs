//! The only place that asks what time it is; everything further in takes `now`.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::units::UtcTime;

pub trait Clock: Send + Sync {
    fn now(&self) -> UtcTime;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    fn now(&self) -> UtcTime {
        UtcTime::now()
    }
}

/// A clock that stands still until it is told to move.
#[derive(Debug)]
pub struct ManualClock(Mutex<UtcTime>);

impl ManualClock {
    pub fn starting(now: UtcTime) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves it to any moment, as people and time servers do.
    pub fn set(&self, now: UtcTime) {
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = now;
    }

    pub fn advance(&self, by: Duration) {
        let mut now = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *now = now.saturating_add(by).unwrap_or(UtcTime::MAX);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UtcTime {
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Measures how long something took; it never says what time it is.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "measuring is not telling the time"
    )]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// As if it had stood still for so long.
    #[must_use]
    pub fn without(self, pause: Duration) -> Self {
        Self(self.0.checked_add(pause).unwrap_or(self.0))
    }
}
