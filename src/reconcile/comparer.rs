//! Reads Planet's own figures once a day, on one guard of many, and enters what was spent elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

use super::figures::{self, Ours, Shown, begin, compare, settled_until};
use crate::cost::Charged;
use crate::guard::{Guard, Unasked};
use crate::ledger::{ACCOUNT, LedgerError, Meter, NewReservation, Reading, Spending, UNATTRIBUTED};
use crate::planet::Api;
use crate::planet::answer::Doubt;
use crate::planet::quota::{PAGE, PLANS_PATH, Used, products_path, read_downloaded, read_reserved};
use crate::policy::{Call, Caller};
use crate::telemetry::Correction;
use crate::units::{Amount, Amounts, SquareKm, Unit, UtcTime};

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
const DOWNLOADS: &str = "downloads";

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

struct Comparer {
    guard: Arc<Guard>,
    upstream: Arc<str>,
}

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
                Ok(()) => (next, pause) = (midnight_after(now), AGAIN),
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
            self.tell_missing(&known, now);
        }
        self.show(&known);
        Ok(())
    }

    async fn known(&self) -> Result<BTreeMap<(String, Unit), Meter>, LedgerError> {
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

    /// Reads one figure and keeps what comes of it.
    async fn read(
        &self,
        (product, unit): (&str, Unit),
        used: &Used,
        known: &BTreeMap<(String, Unit), Meter>,
        now: UtcTime,
    ) -> Result<(), LedgerError> {
        let theirs = used.area.amount();
        let before = known.get(&(product.to_owned(), unit));
        let reading = match before {
            Some(before) if before.last <= theirs => {
                let ours = self.ours(before, &used.names, now).await?;
                self.judged(before, compare(before, theirs, ours, now), now)
            }
            fallen_or_new => Reading {
                before: fallen_or_new.map(|before| before.read_at),
                meter: begin((&self.upstream, product, unit), theirs, now),
                external: None,
                note: fallen_or_new.map(|before| {
                    format!(
                        "Planet's figure for {product} fell from {} to {theirs} {}: a new term is counted from there",
                        before.last,
                        unit.label()
                    )
                }),
            },
        };
        let kept = self.guard.ledger.keep_reading(&reading, now).await?;
        if let Some(external) = reading.external.filter(|_| kept) {
            let correction = Correction {
                after: external.predicted,
                ..Correction::default()
            };
            let metrics = &self.guard.metrics;
            metrics.count_corrected(Api::Account, UNATTRIBUTED, &correction);
        }
        Ok(())
    }

    async fn ours(
        &self,
        meter: &Meter,
        names: &[String],
        now: UtcTime,
    ) -> Result<Ours, LedgerError> {
        let until = settled_until(meter, now);
        let between = |since, until| Spending {
            unit: meter.unit,
            products: names.to_vec(),
            since,
            until,
        };
        let ledger = &self.guard.ledger;
        let settled = between(meter.counted_until, until);
        Ok(Ours {
            settled: ledger.spending(&settled).await?,
            recent: ledger.spending(&between(until, UtcTime::MAX)).await?,
            until,
        })
    }

    fn judged(&self, before: &Meter, shown: Shown, now: UtcTime) -> Reading {
        let Shown {
            meter,
            external,
            low,
            stale,
        } = shown;
        let (product, unit) = (&*meter.product, meter.unit.label());
        if stale {
            info!(product, unit, figure = %meter.last, "Planet's figure stands still while the guard spends");
        }
        let mut note = None;
        if low {
            let (ours, theirs) = (meter.ours, meter.growth());
            warn!(product, unit, %ours, %theirs, "much is used beside the guard");
            note = Some(format!(
                "since {} Planet counted {theirs} {unit} of {product}, of which only {ours} passed through the \
                 guard: less than {} %",
                meter.since,
                figures::LEAST_CAPTURED
            ));
        }
        if !external.is_zero() {
            let entered =
                format!("{external} {unit} of {product} were spent elsewhere, and are entered");
            note = Some(note.map_or_else(|| entered.clone(), |note| format!("{note}; {entered}")));
        }
        let external = Some(external).filter(|external| !external.is_zero());
        Reading {
            before: Some(before.read_at),
            external: external.map(|amount| self.adjustment(&meter, amount, now)),
            note,
            meter,
        }
    }

    /// What budgets count it, as if a team of nobody's had asked.
    fn adjustment(&self, meter: &Meter, amount: Amount, now: UtcTime) -> NewReservation {
        let predicted = Amounts::of(meter.unit, amount);
        let product = Some(&meter.product).filter(|product| &***product != DOWNLOADS);
        let products: Vec<Arc<str>> = product.into_iter().cloned().collect();
        let caller = Caller {
            team: UNATTRIBUTED.into(),
            key: "".into(),
            apis: None,
        };
        let call = Call {
            api: Api::Account,
            products: &products,
        };
        let mut claims = self.guard.policy.judge(&caller, call, &predicted, now);
        claims.retain(|claim| !claim.counts_requests());
        for claim in &mut claims {
            claim.enforced = false;
        }
        NewReservation {
            request: meter.adjustment(now),
            team: caller.team,
            key: caller.key,
            api: ACCOUNT,
            product: products.first().cloned(),
            tag: None,
            fingerprint: None,
            predicted,
            claims,
            certain: true,
        }
    }

    fn tell_missing(&self, known: &BTreeMap<(String, Unit), Meter>, now: UtcTime) {
        let missing = known.values().filter(|meter| !same_day(meter.read_at, now));
        for meter in missing {
            let (product, last) = (&*meter.product, meter.read_at);
            info!(product, %last, "Planet shows no figure of it today; nothing is concluded");
        }
    }

    /// All products of a unit together.
    fn show(&self, known: &BTreeMap<(String, Unit), Meter>) {
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

const DAY: i64 = 86_400;

fn same_day(one: UtcTime, other: UtcTime) -> bool {
    one.as_second().div_euclid(DAY) == other.as_second().div_euclid(DAY)
}

fn midnight_after(now: UtcTime) -> UtcTime {
    let day = now.as_second().div_euclid(DAY) + 1;
    UtcTime::from_second(day * DAY).unwrap_or(UtcTime::MAX)
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
        assert_eq!(midnight_after(morning), at("2026-11-23T00:00:00Z"));
        assert_eq!(midnight_after(night), at("2026-11-23T00:00:00Z"));
    }
}
