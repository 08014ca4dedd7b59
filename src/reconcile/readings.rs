//! What one reading of a figure comes to: what is kept of it, what is entered, and what people are told.

use std::sync::Arc;

use tracing::{info, warn};

use super::comparer::{Comparer, DOWNLOADS, Known};
use super::figures::{LEAST_CAPTURED, Ours, Shown, begin, compare, settled_until};
use crate::ledger::{ACCOUNT, LedgerError, Meter, NewReservation, Reading, Spending, UNATTRIBUTED};
use crate::planet::Api;
use crate::planet::quota::Used;
use crate::policy::{Call, Caller};
use crate::telemetry::Correction;
use crate::units::{Amount, Amounts, Unit, UtcTime};

impl Comparer {
    /// Reads one figure and keeps what comes of it.
    pub(super) async fn read(
        &self,
        (product, unit): (&str, Unit),
        used: &Used,
        known: &Known,
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
                meter.since, LEAST_CAPTURED
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
}
