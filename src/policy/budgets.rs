//! Budgets: how much of a unit, in which window, for whom, and what happens at the limit.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

use super::Match;
use crate::units::{Amount, Percent, Span, Unit, UtcTime, Window, WindowKind};

/// A spending limit that has passed every check.
#[derive(Clone, Debug)]
pub struct Budget {
    pub(super) name: Arc<str>,
    pub(super) unit: Unit,
    pub(super) limit: Option<Amount>,
    pub(super) window: Window,
    pub(super) per: BTreeSet<Dimension>,
    pub(super) matching: Match,
    pub(super) on_breach: OnBreach,
    pub(super) status: BreachStatus,
    pub(super) alerts: Vec<Percent>,
}

/// What a budget can be kept apart by. The order is that of a partition's name.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "lowercase")]
pub enum Dimension {
    Team,
    Key,
    Api,
    Product,
}

/// What happens to a request that does not fit.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum OnBreach {
    #[default]
    Reject,
    /// It passes and is counted, beyond 100 %.
    Allow,
}

/// The status of the refusal.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum BreachStatus {
    #[default]
    Forbidden,
    PaymentRequired,
    TooManyRequests,
}

impl Budget {
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub const fn unit(&self) -> Unit {
        self.unit
    }

    /// `None`: tally only.
    pub const fn limit(&self) -> Option<Amount> {
        self.limit
    }

    pub const fn window(&self) -> &Window {
        &self.window
    }

    pub const fn per(&self) -> &BTreeSet<Dimension> {
        &self.per
    }

    pub const fn matching(&self) -> &Match {
        &self.matching
    }

    pub const fn on_breach(&self) -> OnBreach {
        self.on_breach
    }

    pub const fn status(&self) -> BreachStatus {
        self.status
    }

    /// Shares of the limit at which somebody wants to hear of it, rising.
    pub fn alerts(&self) -> &[Percent] {
        &self.alerts
    }

    /// The stretch of time around `now` of which it counts what goes on spending at once: its window. Of what
    /// never ends, a budget that is not renewed either and refuses nothing counts a month at a time.
    pub fn stretch(&self, now: UtcTime, endless: bool) -> Option<Span> {
        let window = self.window.at(now)?;
        if window.end.is_some() || self.is_enforced() || !endless {
            return Some(window);
        }
        let month = Window {
            kind: WindowKind::Month(1),
            zone: self.window.zone.clone(),
        };
        month.at(now)
    }

    /// Whether the limit refuses.
    pub fn is_enforced(&self) -> bool {
        self.limit.is_some() && self.on_breach == OnBreach::Reject
    }
}

impl Dimension {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Key => "key",
            Self::Api => "api",
            Self::Product => "product",
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl BreachStatus {
    pub const fn code(self) -> u16 {
        match self {
            Self::Forbidden => 403,
            Self::PaymentRequired => 402,
            Self::TooManyRequests => 429,
        }
    }
}
