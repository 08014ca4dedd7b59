//! What requests have made upstream and Planet goes on with: followed until its final figures are known, or
//! until nobody expects any.
//!
//! A row moves no amount. It says where to look and when, so that of many guards one asks, and that a guard which
//! starts again goes on where the last one stopped.

use std::sync::Arc;
use std::time::Duration;

use super::RequestId;
use crate::planet::{Kind, Made};
use crate::units::UtcTime;

/// What is long at work is asked about more and more seldom.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_mins(15);
/// A subscription runs for months.
const LONGEST_PAUSE_OF_SUBSCRIPTIONS: Duration = Duration::from_hours(6);
/// Stands for the guard in events and evidence that come of following.
pub const TRUE_UP: &str = "true-up";
/// Doublings of the first pause; any more and it is the longest.
const MOST_DOUBLINGS: u32 = 16;

/// Something to follow, as it comes out of the answer to its request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewFollowed {
    /// Which made it, and is corrected by what becomes of it.
    pub request: RequestId,
    /// As the policy names it.
    pub upstream: Arc<str>,
    pub made: Made,
}

/// Something that is followed, or was.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Followed {
    pub request: RequestId,
    pub upstream: Arc<str>,
    pub made: Made,
    pub since: UtcTime,
    /// How often it was due.
    pub tries: u32,
    /// When it is due again.
    pub next_at: UtcTime,
    /// What Planet called its state when it was last seen.
    pub state: Option<String>,
    /// Nothing more is asked from then on.
    pub over_at: Option<UtcTime>,
}

/// What was seen of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seen {
    pub state: String,
    /// Whether there is nothing more to ask.
    pub over: bool,
    /// What people want to read about its end.
    pub note: Option<String>,
}

impl NewFollowed {
    /// It is due after a first pause, for most of what is made is at work for a while.
    pub fn begin(&self, now: UtcTime) -> Followed {
        Followed {
            request: self.request,
            upstream: Arc::clone(&self.upstream),
            made: self.made.clone(),
            since: now,
            tries: 0,
            next_at: later(now, FIRST_PAUSE),
            state: None,
            over_at: None,
        }
    }
}

impl Followed {
    pub fn is_due(&self, now: UtcTime) -> bool {
        self.over_at.is_none() && self.next_at <= now
    }

    /// Whoever asks now has the time until then to write down what was seen.
    pub fn put_off(&mut self, now: UtcTime) {
        self.tries = self.tries.saturating_add(1);
        let doubled = 1 << self.tries.min(MOST_DOUBLINGS);
        let longest = match self.made.kind {
            Kind::Subscription | Kind::Subscriptions => LONGEST_PAUSE_OF_SUBSCRIPTIONS,
            _ => LONGEST_PAUSE,
        };
        let pause = FIRST_PAUSE.saturating_mul(doubled).min(longest);
        self.next_at = later(now, pause);
    }

    /// What is over stays as it ended. Answers what is to be written down about it.
    pub fn see(&mut self, seen: &Seen, now: UtcTime) -> Option<String> {
        if self.over_at.is_some() {
            return None;
        }
        self.state = Some(seen.state.clone());
        self.over_at = seen.over.then_some(now);
        seen.note.clone()
    }
}

fn later(now: UtcTime, pause: Duration) -> UtcTime {
    now.checked_add(pause).unwrap_or(UtcTime::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn followed(kind: Kind) -> Followed {
        let made = Made {
            kind,
            name: "a".into(),
            path: "/a".into(),
        };
        let new = NewFollowed {
            request: RequestId::new(UtcTime::UNIX_EPOCH, [1; 10]),
            upstream: "planet".into(),
            made,
        };
        new.begin(UtcTime::UNIX_EPOCH)
    }

    fn pauses(mut one: Followed, count: usize) -> Vec<i64> {
        let mut pauses = vec![one.next_at.as_second()];
        for _ in 0..count {
            let now = one.next_at;
            one.put_off(now);
            pauses.push(one.next_at.as_second() - now.as_second());
        }
        pauses
    }

    #[test]
    fn it_is_asked_about_more_and_more_seldom() {
        let order = [10, 20, 40, 80, 160, 320, 640, 900, 900];
        assert_eq!(pauses(followed(Kind::Order), 8), order);
        let subscription = pauses(followed(Kind::Subscription), 40);
        assert_eq!(subscription.last(), Some(&(6 * 3600)));
    }

    #[test]
    fn what_is_over_is_never_due_and_stays_as_it_ended() {
        let mut order = followed(Kind::Order);
        let (soon, late) = (order.next_at, UtcTime::MAX);
        assert!(order.is_due(soon) && !order.is_due(UtcTime::UNIX_EPOCH));
        let seen = |state: &str, over| Seen {
            state: state.to_owned(),
            over,
            note: Some("read this".to_owned()),
        };
        assert!(order.see(&seen("success", true), soon).is_some());
        assert!(!order.is_due(late));
        let ended = order.clone();
        assert_eq!(order.see(&seen("running", false), late), None);
        assert_eq!(order, ended);
    }
}
