//! What subscriptions will cost, for the whole of their time or for a part of it.
//!
//! A start in the past is backfill, which is charged at once; the rest is forward fill, a commitment
//! that is charged as images come in. [`during`] prices any stretch, so that each window of a budget
//! can be asked for its share.

use jiff::ToSpan;
use jiff::tz::TimeZone;

use super::aum::{self, Watched};
use super::batch::{self, Batch};
use super::{BillableAssets, Charged, Estimate, Plan, Prices};
use crate::planet::geometry::{Geometry, Shape};
use crate::planet::subscriptions::{Catalog, Source, SubscriptionAsk};
use crate::planet::tools::{Clip, Delivery};
use crate::planet::{Unbounded, bundles};
use crate::units::{SquareKm, Unit, UtcTime};

const RESERVATIONS: &str = "docs.planet.com/platform/get-started/access-data/reserve-quota";
/// Upstream delivers the stages 'standard' and 'finalized' unless it is told otherwise, and a scene may
/// come at each.
const DEFAULT_STAGES: u64 = 2;

/// From one moment up to and without another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start: UtcTime,
    pub(super) end: UtcTime,
}

/// Whether images are charged at once, over time, or both.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fill {
    Backfill,
    Forward,
    Mixed,
}

/// Which fill a subscription is at `now`.
pub fn fill(ask: &SubscriptionAsk, now: UtcTime) -> Fill {
    if ask.start >= now {
        Fill::Forward
    } else if ask.end.is_some_and(|end| end <= now) {
        Fill::Backfill
    } else {
        Fill::Mixed
    }
}

/// The most that the subscription can cost from its start up to `horizon` or its end, whichever comes
/// first. What was asked to run without end is bounded by the horizon alone.
pub fn estimate(
    ask: &SubscriptionAsk,
    prices: &Prices,
    plan: &Plan,
    now: UtcTime,
    horizon: Option<UtcTime>,
) -> Result<Estimate, Unbounded> {
    let end = match (ask.end, horizon) {
        (Some(end), Some(horizon)) => end.min(horizon.max(now)),
        (Some(end), None) => end,
        (None, Some(horizon)) => horizon.max(now),
        (None, None) => {
            return Err(Unbounded {
                why: "the subscription has no end_time, so it never stops spending".into(),
            });
        }
    };
    let mut estimate = during(ask, prices, plan, ask.start, end)?;
    let kind = match fill(ask, now) {
        Fill::Backfill => "backfill",
        Fill::Forward => "forward fill",
        Fill::Mixed => "backfill and forward fill",
    };
    let runs_on = if ask.end == Some(end) {
        ""
    } else {
        ", which runs on"
    };
    for line in &mut estimate.lines {
        line.quantity = format!("{} ({kind} up to {end}{runs_on})", line.quantity);
    }
    Ok(estimate)
}

/// The most that is charged for images from `start` up to `end`. Nothing outside the subscription's
/// own time costs anything.
pub fn during(
    ask: &SubscriptionAsk,
    prices: &Prices,
    plan: &Plan,
    start: UtcTime,
    end: UtcTime,
) -> Result<Estimate, Unbounded> {
    counting(ask, prices, plan, Span { start, end }, BillableAssets::All)
}

/// [`during`] with the assets that this plan is charged for.
pub fn settled(
    ask: &SubscriptionAsk,
    prices: &Prices,
    plan: &Plan,
    start: UtcTime,
    end: UtcTime,
) -> Result<Estimate, Unbounded> {
    counting(ask, prices, plan, Span { start, end }, plan.billable_assets)
}

/// What would make the subscriptions cheaper, for a sender who may not know.
pub(super) fn hints(all: &[SubscriptionAsk]) -> Vec<&'static str> {
    let mut hints = vec!["A later start_time or an earlier end_time costs less."];
    if all.iter().any(|ask| ask.tools.clip.is_none()) {
        hints.push("The clip tool delivers, and charges, less.");
    }
    hints
}

/// [`during`] with as many assets as `billable` says.
pub(super) fn counting(
    ask: &SubscriptionAsk,
    prices: &Prices,
    plan: &Plan,
    Span { start, end }: Span,
    billable: BillableAssets,
) -> Result<Estimate, Unbounded> {
    batch::known(&ask.tools, ask.unread.as_deref())?;
    let shape = known_shape(&ask.geometry)?;
    let end = ask.end.map_or(end, |its_end| its_end.min(end));
    let days = days_touched(start.max(ask.start), end);
    if days == 0 {
        return Ok(Estimate::default());
    }
    match &ask.source {
        Source::Catalog(catalog) => {
            catalog_lines(ask, catalog, shape, days, prices, plan, billable)
        }
        Source::Product(id) => product_lines(ask, id, shape, days, prices, plan),
    }
}

fn catalog_lines(
    ask: &SubscriptionAsk,
    catalog: &Catalog,
    shape: &Shape,
    days: u64,
    prices: &Prices,
    plan: &Plan,
    billable: BillableAssets,
) -> Result<Estimate, Unbounded> {
    if catalog.by_publication {
        return Err(Unbounded {
            why:
                "time_range_type 'published' counts images by when they were published, and years \
                  of them can be published in a day"
                    .into(),
        });
    }
    let clip = match &ask.tools.clip {
        None => None,
        Some(Clip::Source) => Some(shape),
        Some(Clip::To(aoi)) => Some(known_shape(aoi)?),
    };
    let times = if catalog.stages == 0 {
        DEFAULT_STAGES
    } else {
        catalog.stages
    };
    let mut lines = Vec::new();
    let mut all_figures = Vec::new();
    for name in &catalog.item_types {
        let item_type = bundles::item_type(name).unwrap_or(name);
        let figures = prices.scenes.of(item_type);
        let scenes = figures
            .and_then(|figures| figures.most_touching(shape, days, times))
            .ok_or_else(|| Unbounded {
                why: format!(
                    "how many scenes of {item_type} a day brings is not known; set \
                     [prices.scenes.{item_type}] in the policy"
                ),
            })?;
        let batch = Batch {
            item_type,
            figures,
            scenes,
            assets: catalog.assets,
            tools: &ask.tools,
            clip,
            delivery: ask.delivery,
            quantity: format!("{scenes} {item_type} scenes in {days} days"),
        };
        lines.extend(batch.lines(prices, plan, billable)?);
        all_figures.push(figures);
    }
    if plan.charges.contains(&Charged::Pu) {
        lines.extend(batch::per_request(&ask.tools, prices)?);
    }
    let watched = Watched {
        shape,
        days,
        clipped: clip.is_some(),
        figures: &all_figures,
    };
    lines.push(aum::managed(&watched, plan.aum, prices)?);
    Ok(Estimate { lines })
}

/// Planetary Variables and analysis-ready products draw on quota that is reserved by area, whatever the
/// time, and Planet's page on backfill counts area by days for any subscription. No PU price is
/// published for them.
fn product_lines(
    ask: &SubscriptionAsk,
    id: &str,
    shape: &Shape,
    days: u64,
    prices: &Prices,
    plan: &Plan,
) -> Result<Estimate, Unbounded> {
    if ask.delivery == Delivery::Cloud && plan.charges.contains(&Charged::Pu) {
        return Err(Unbounded {
            why: format!("how many GB '{id}' delivers to the bucket is not known"),
        });
    }
    let areas = shape.parts().iter();
    let reserved = batch::sum(areas.map(|part| part.area().max(prices.product_minimum)))?;
    let quantity = format!(
        "{reserved} km² of {id}, at least {} km² an area; its price in PU is not published",
        prices.product_minimum
    );
    let amount = Some(SquareKm::amount(reserved));
    let watched = Watched {
        shape,
        days,
        clipped: true,
        figures: &[],
    };
    let lines = vec![
        batch::line("reserved-area", Unit::Quota, amount, quantity, RESERVATIONS)?,
        aum::managed(&watched, plan.aum, prices)?,
    ];
    Ok(Estimate { lines })
}

fn known_shape(geometry: &Geometry) -> Result<&Shape, Unbounded> {
    match geometry {
        Geometry::Shape(shape) => Ok(shape),
        Geometry::Reference(feature) => Err(Unbounded {
            why: format!("the area of {} is not known here", feature.as_str()),
        }),
    }
}

/// The days in UTC that have a moment from `start` up to and without `end`.
fn days_touched(start: UtcTime, end: UtcTime) -> u64 {
    if end <= start {
        return 0;
    }
    let day = |time: UtcTime| time.to_zoned(TimeZone::UTC).date();
    let last = end
        .checked_sub(1.nanosecond())
        .map_or(end, |last| last.max(start));
    let between = day(start).duration_until(day(last)).as_hours() / 24;
    u64::try_from(between).unwrap_or(0).saturating_add(1)
}

#[cfg(test)]
mod tests;
