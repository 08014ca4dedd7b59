//! Reads Planet's own figures once a day, on one guard of many, and enters what was spent elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

use crate::cost::Charged;
use crate::guard::{Guard, Unasked};
use crate::ledger::{LedgerError, Meter};
use crate::planet::answer::Doubt;
use crate::planet::quota::{PAGE, PLANS_PATH, Used, products_path, read_downloaded, read_reserved};
use crate::units::{Amount, SquareKm, Unit, UtcTime, today, tomorrow};

/// How often the clock is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// After its start a guard has more urgent things to do.
const FIRST: Duration = Duration::from_mins(1);
/// After figures that could not be read; then twice as long, each time.
const AGAIN: Duration = Duration::from_mins(1);
const AGAIN_AT_MOST: Duration = Duration::from_hours(1);
/// Pages of products. What an account has beyond them is not compared.
const MOST_PAGES: usize = 20;
/// The name of what plans count as downloaded, which is of no one product.
pub(super) const DOWNLOADS: &str = "downloads";

/// Why figures could not be compared.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error(transparent)]
    Unasked(#[from] Unasked),
    #[error("Planet answered {0}")]
    Status(StatusCode),
    #[error("Planet's answer cannot be used: {0}")]
    Doubtful(#[from] Doubt),
    #[error("the books cannot be used")]
    Books(#[from] LedgerError),
}

pub(super) struct Comparer {
    pub(super) guard: Arc<Guard>,
    pub(super) upstream: Arc<str>,
}

/// The meters of an upstream, by product and unit.
pub(super) type Known = BTreeMap<(String, Unit), Meter>;

/// Compares every day until it is stopped; `None` where no account shows what it has used.
pub fn compare_daily(guard: Arc<Guard>) -> Option<JoinHandle<()>> {
    let upstream = match guard.policy.compared() {
        Ok(upstream) => Arc::clone(upstream.name()),
        Err(why) => {
            info!(%why, "what is used beside the guard is not seen");
            return None;
        }
    };
    let first = later(guard.clock.now(), FIRST);
    let comparer = Comparer { guard, upstream };
    Some(tokio::spawn(async move { comparer.run(first).await }))
}

impl Comparer {
    async fn run(&self, mut next: UtcTime) {
        let mut pause = AGAIN;
        loop {
            tokio::time::sleep(LOOK).await;
            let now = self.guard.clock.now();
            if now < next {
                continue;
            }
            match self.compare_today(now).await {
                Ok(()) => (next, pause) = (tomorrow(now), AGAIN),
                Err(why) => {
                    let error = &why as &dyn std::error::Error;
                    warn!(
                        upstream = &*self.upstream,
                        error, "Planet's own figures could not be compared"
                    );
                    next = later(now, pause);
                    pause = pause.saturating_mul(2).min(AGAIN_AT_MOST);
                }
            }
        }
    }

    /// Unless this guard or another has done so today.
    async fn compare_today(&self, now: UtcTime) -> Result<(), Unread> {
        let mut known = self.known().await?;
        let done = known.values().any(|meter| same_day(meter.read_at, now));
        if !done {
            for used in self.reserved().await? {
                let name = used.names.first().cloned().unwrap_or_default();
                self.read((&name, Unit::Quota), &used, &known, now).await?;
            }
            if let Some(area) = self.downloaded().await? {
                let names = Vec::new();
                let used = Used { names, area };
                self.read((DOWNLOADS, Unit::Km2), &used, &known, now)
                    .await?;
            }
            known = self.known().await?;
            Self::tell_missing(&known, now);
        }
        self.show(&known);
        Ok(())
    }

    async fn known(&self) -> Result<Known, LedgerError> {
        let meters = self.guard.ledger.meters().await?;
        let own = meters
            .into_iter()
            .filter(|meter| meter.upstream == self.upstream);
        let named = own.map(|meter| ((meter.product.to_string(), meter.unit), meter));
        Ok(named.collect())
    }

    /// What was reserved of each product.
    async fn reserved(&self) -> Result<Vec<Used>, Unread> {
        let mut all = Vec::new();
        for page in 0..MOST_PAGES {
            let path = products_path(page * PAGE);
            let answer = self.guard.ask_as_itself(&self.upstream, &path).await?;
            let (StatusCode::OK, text) = answer else {
                return Err(Unread::Status(answer.0));
            };
            let (used, more) = read_reserved(&text)?;
            all.extend(used);
            if !more {
                break;
            }
        }
        Ok(all)
    }

    /// What was downloaded, where that is charged. An account without such a plan answers with an error.
    async fn downloaded(&self) -> Result<Option<SquareKm>, Unread> {
        if !self.guard.policy.plan().charges.contains(&Charged::Km2) {
            return Ok(None);
        }
        match self.guard.ask_as_itself(&self.upstream, PLANS_PATH).await? {
            (StatusCode::OK, text) => Ok(read_downloaded(&text)?),
            (status, _) if status.is_client_error() => {
                debug!(%status, "the account shows no plan that counts downloads");
                Ok(None)
            }
            (status, _) => Err(Unread::Status(status)),
        }
    }

    fn tell_missing(known: &Known, now: UtcTime) {
        let missing = known.values().filter(|meter| !same_day(meter.read_at, now));
        for meter in missing {
            let (product, last) = (&*meter.product, meter.read_at);
            info!(product, %last, "Planet shows no figure of it today; nothing is concluded");
        }
    }

    /// All products of a unit together.
    fn show(&self, known: &Known) {
        let mut sums: BTreeMap<Unit, (Amount, Amount)> = BTreeMap::new();
        for meter in known.values() {
            let (ours, theirs) = sums.entry(meter.unit).or_default();
            *ours = ours.saturating_add(meter.ours);
            *theirs = theirs.saturating_add(meter.growth());
        }
        for (unit, (ours, theirs)) in sums {
            let metrics = &self.guard.metrics;
            metrics.set_captured(&self.upstream, unit, ours, theirs);
        }
    }
}

fn later(now: UtcTime, by: Duration) -> UtcTime {
    now.checked_add(by).unwrap_or(UtcTime::MAX)
}

fn same_day(one: UtcTime, other: UtcTime) -> bool {
    today(one) == today(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_utc() {
        let at = |text: &str| text.parse::<UtcTime>().expect(text);
        let (morning, night) = (at("2026-11-22T00:00:00Z"), at("2026-11-22T23:59:59Z"));
        assert!(same_day(morning, night));
        assert!(!same_day(night, at("2026-11-23T00:00:00Z")));
    }
}
