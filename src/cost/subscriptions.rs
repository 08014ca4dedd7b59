//! What subscriptions will cost, for the whole of their time or for a part of it.
//!
//! A start in the past is backfill, which is charged at once; the rest is forward fill, a commitment
//! that is charged as images come in. [`during`] prices any stretch, so that each window of a budget
//! can be asked for its share, and [`rate`] is what is kept to price those that are yet to begin.

use jiff::ToSpan;
use jiff::tz::TimeZone;

use super::aum::{self, Watched};
use super::batch::{self, Batch};
use super::sightings::{Sightings, Stretch};
use super::{BillableAssets, Charged, Estimate, Line, Plan, Prices, Rate, Term};
use crate::planet::geometry::{Geometry, Shape};
use crate::planet::subscriptions::{Catalog, Product, Source, SubscriptionAsk};
use crate::planet::tools::{Clip, Delivery};
use crate::planet::{Unbounded, bundles};
use crate::units::{Amounts, SquareKm, Unit, UtcTime};

const RESERVATIONS: &str = "docs.planet.com/platform/get-started/access-data/reserve-quota";

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

/// Where a subscription is looked at no further: its end, or `until` where that comes first. One without
/// either is looked at for a plan's term, a year.
pub fn end(ask: &SubscriptionAsk, now: UtcTime, until: Option<UtcTime>) -> UtcTime {
    match (ask.end, until) {
        (Some(end), Some(until)) => end.min(until.max(now)),
        (Some(end), None) => end,
        (None, Some(until)) => until.max(now),
        (None, None) => {
            let first = ask.start.max(now).to_zoned(TimeZone::UTC);
            let year = first.checked_add(1.year());
            year.map_or(UtcTime::MAX, |then| then.timestamp())
        }
    }
}

/// The most that the subscription can cost from its start up to `end`.
pub fn estimate(
    ask: &SubscriptionAsk,
    prices: &Prices,
    plan: &Plan,
    now: UtcTime,
    end: UtcTime,
) -> Result<Estimate, Unbounded> {
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

/// What it goes on to cost, with the assets that this plan is charged for. Of an area that is reserved for
/// good nothing comes again.
pub fn rate(ask: &SubscriptionAsk, prices: &Prices, plan: &Plan) -> Result<Rate, Unbounded> {
    batch::known(&ask.tools, ask.unread.as_deref())?;
    let shape = known_shape(&ask.geometry)?;
    let Source::Catalog(catalog) = &ask.source else {
        let mut rate = Rate::default();
        aum::paced(shape, true, &[], plan.aum, prices, &mut rate)?;
        return Ok(rate);
    };
    let clip = clipped_to(ask, shape)?;
    let mut rate = Rate::default();
    let mut all_figures = Vec::new();
    for seen in sightings(catalog, shape, prices) {
        let one_scene = delivered(ask, catalog, clip, &seen, 1, "1 scene".into());
        let lines = one_scene.lines(prices, plan, plan.billable_assets)?;
        rate.terms.push(Term {
            pace: seen.pace()?,
            each: summed(lines)?,
        });
        all_figures.push(seen.figures);
    }
    if plan.charges.contains(&Charged::Pu) {
        rate.each_time = summed(batch::per_request(&ask.tools, prices)?)?;
    }
    aum::paced(
        shape,
        clip.is_some(),
        &all_figures,
        plan.aum,
        prices,
        &mut rate,
    )?;
    Ok(rate)
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
    let Some(stretch) = Stretch::between(start.max(ask.start), end) else {
        return Ok(Estimate::default());
    };
    match &ask.source {
        Source::Catalog(catalog) => {
            catalog_lines(ask, catalog, shape, stretch, prices, plan, billable)
        }
        Source::Product(product) => {
            product_lines(ask, product, shape, stretch.days(), prices, plan)
        }
    }
}

fn catalog_lines(
    ask: &SubscriptionAsk,
    catalog: &Catalog,
    shape: &Shape,
    stretch: Stretch,
    prices: &Prices,
    plan: &Plan,
    billable: BillableAssets,
) -> Result<Estimate, Unbounded> {
    let clip = clipped_to(ask, shape)?;
    let mut lines = Vec::new();
    let mut all_figures = Vec::new();
    for of_type in sightings(catalog, shape, prices) {
        let seen = of_type.during(stretch)?;
        let (scenes, quantity) = (seen.scenes, seen.quantity);
        let batch = delivered(ask, catalog, clip, &of_type, scenes, quantity);
        let of_scenes = batch.lines(prices, plan, billable)?.into_iter();
        lines.extend(of_scenes.map(|line| seen.basis.note(line)));
        all_figures.push(of_type.figures);
    }
    if plan.charges.contains(&Charged::Pu) {
        lines.extend(batch::per_request(&ask.tools, prices)?);
    }
    let watched = Watched {
        shape,
        covered: &ask.covered,
        days: stretch.days(),
        clipped: clip.is_some(),
        figures: &all_figures,
    };
    lines.push(aum::managed(&watched, plan.aum, prices)?);
    Ok(Estimate { lines })
}

/// Where scenes of each item type are looked for.
fn sightings<'a>(
    catalog: &'a Catalog,
    shape: &'a Shape,
    prices: &'a Prices,
) -> impl Iterator<Item = Sightings<'a>> {
    let numbered = catalog.item_types.iter().enumerate();
    numbered.map(move |(place, name)| {
        let item_type = bundles::item_type(name).unwrap_or(name);
        Sightings {
            item_type,
            figures: prices.scenes.of(item_type),
            shape,
            times: catalog.times(),
            by_publication: catalog.by_publication,
            count: catalog.counts.get(place),
        }
    })
}

/// So many scenes of one item type as the subscription delivers them.
fn delivered<'a>(
    ask: &'a SubscriptionAsk,
    catalog: &Catalog,
    clip: Option<&'a Shape>,
    seen: &Sightings<'a>,
    scenes: u64,
    quantity: String,
) -> Batch<'a> {
    Batch {
        item_type: seen.item_type,
        figures: seen.figures,
        scenes,
        assets: catalog.assets,
        tools: &ask.tools,
        clip,
        delivery: ask.delivery,
        quantity,
    }
}

/// Planetary Variables and analysis-ready products draw on quota that is reserved by area, whatever the
/// time, and Planet's page on backfill counts area by days for any subscription. What Planet says is
/// reserved already was counted when it was. No PU price is published for them.
fn product_lines(
    ask: &SubscriptionAsk,
    product: &Product,
    shape: &Shape,
    days: u64,
    prices: &Prices,
    plan: &Plan,
) -> Result<Estimate, Unbounded> {
    let id = &product.id;
    if ask.delivery == Delivery::Cloud && plan.charges.contains(&Charged::Pu) {
        return Err(Unbounded {
            why: format!("how many GB '{id}' delivers to the bucket is not known"),
        });
    }
    let entitlement = product.entitlement.unwrap_or_default();
    let minimum = prices.product_minimum.max(entitlement.minimum);
    let areas = shape.parts().iter();
    let drawn = batch::sum(areas.map(|part| part.area().max(minimum)))?;
    let reserved = entitlement.reserved;
    let mut quantity = format!(
        "{drawn} km² of {id}, at least {minimum} km² an area; its price in PU is not published"
    );
    if reserved > SquareKm::ZERO {
        quantity = format!("{quantity}; {reserved} km² of it is reserved already");
    }
    let amount = Some(drawn.amount().minus(reserved.amount()));
    let watched = Watched {
        shape,
        covered: &ask.covered,
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

fn clipped_to<'a>(
    ask: &'a SubscriptionAsk,
    shape: &'a Shape,
) -> Result<Option<&'a Shape>, Unbounded> {
    match &ask.tools.clip {
        None => Ok(None),
        Some(Clip::Source) => Ok(Some(shape)),
        Some(Clip::To(aoi)) => known_shape(aoi).map(Some),
    }
}

fn summed(lines: Vec<Line>) -> Result<Amounts, Unbounded> {
    let too_much = || Unbounded {
        why: "one scene costs more than can be counted".into(),
    };
    Estimate { lines }.totals().ok_or_else(too_much)
}

fn known_shape(geometry: &Geometry) -> Result<&Shape, Unbounded> {
    match geometry {
        Geometry::Shape(shape) => Ok(shape),
        Geometry::Reference(feature) => Err(Unbounded {
            why: format!("the area of {} is not known here", feature.as_str()),
        }),
    }
}

#[cfg(test)]
mod tests;
