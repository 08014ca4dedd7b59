//! What an ask will cost: Planet's published tables and formulas as pure functions.
//!
//! Multiply exactly, round once, at the end, and up. Every figure comes from [`Prices`], whose defaults
//! are Planet's; every line of an [`Estimate`] names the rule and the page it came from.
#![deny(clippy::float_arithmetic, clippy::as_conversions)]

pub mod aum;
pub mod backfill;
pub mod basemaps;
mod batch;
pub mod data;
pub mod delivered;
pub mod egress;
mod estimate;
pub mod imagery;
pub mod jobs;
mod margin;
pub mod orders;
mod plan;
mod prices;
pub mod query;
mod rate;
mod ratios;
pub mod revisions;
mod scenes;
mod sightings;
pub mod subscriptions;
pub mod suggestion;
mod surcharges;

pub use estimate::{Estimate, Line};
pub use margin::{Factor, Margin};
pub use plan::{AumRule, BillableAssets, Charged, Plan, QuotaStyle};
pub use prices::Prices;
pub use rate::{Pace, Rate, Term};
pub use ratios::Ratios;
pub use scenes::{SceneFigures, SceneTable};
pub use surcharges::NotYetApplied;

use std::fmt;

use serde::Serialize;

use crate::planet::subscriptions::SubscriptionAsk;
use crate::planet::{Ask, Unbounded};
use crate::units::{Amounts, UtcTime};

/// What `ask` will cost at most, or why that cannot be said. Of what goes on spending, it is what is spent
/// up to `until`; without that all of it, or a year where it has no end.
pub fn estimate(
    ask: &Ask,
    prices: &Prices,
    plan: &Plan,
    now: UtcTime,
    until: Option<UtcTime>,
) -> Result<Estimate, Unbounded> {
    match ask {
        Ask::Nothing => Ok(Estimate::default()),
        Ask::Process(image) => running(1, one(imagery::process(image, prices)), prices),
        Ask::Statistics(figures) => {
            let line = one(imagery::statistics(figures, prices));
            running(imagery::samples(figures), line, prices)
        }
        Ask::OgcImage(image) => running(1, one(imagery::ogc_image(image, prices)), prices),
        Ask::AsyncProcess(job) => running(1, some(jobs::asynchronous(job, prices)), prices),
        Ask::Batch(batch) => {
            let leaving = surcharges::batch_region_egress(&batch.leaving, prices)?;
            let mut estimate = running(batch.tiles, one(jobs::batch(batch, prices)), prices)?;
            estimate.lines.extend(leaving);
            Ok(estimate)
        }
        Ask::Search(search) => one(Some(query::search(*search, prices))),
        Ask::CollectionWrite => one(Some(jobs::collection_write(prices))),
        Ask::Order(order) => orders::estimate(order, prices, plan),
        Ask::Subscriptions(all) => each(all, |one| {
            let end = subscriptions::end(one, now, until);
            subscriptions::estimate(one, prices, plan, now, end)
        }),
        Ask::Revision(change) => {
            revisions::revision(change, prices, plan, now, until, BillableAssets::All)
        }
        Ask::Reactivation(all) => {
            revisions::reactivation(all, prices, plan, now, until, BillableAssets::All)
        }
        Ask::Activation(asset) => data::activation(asset, prices, plan),
        Ask::ActivatedBefore(asset) => data::activated_before(asset, plan),
        Ask::Download(asset) => data::download(asset, prices, plan),
        Ask::Quad(quad) => basemaps::quad(quad, prices, plan),
        Ask::Tile(tile) => basemaps::tile(tile, prices, plan),
        Ask::Reservation(reservation) => data::reservation(reservation),
        Ask::Unbounded(unbounded) => Err(unbounded.clone()),
    }
}

/// What `ask` counts as spent once it has succeeded and nobody says what it really cost: the same, but
/// with those assets alone that the plan is charged for.
pub fn settled(
    ask: &Ask,
    prices: &Prices,
    plan: &Plan,
    now: UtcTime,
    until: Option<UtcTime>,
) -> Result<Estimate, Unbounded> {
    match ask {
        Ask::Order(order) => orders::settled(order, prices, plan),
        Ask::Subscriptions(all) => each(all, |one| {
            let end = subscriptions::end(one, now, until);
            subscriptions::settled(one, prices, plan, one.start, end)
        }),
        Ask::Revision(change) => {
            revisions::revision(change, prices, plan, now, until, plan.billable_assets)
        }
        Ask::Reactivation(all) => {
            revisions::reactivation(all, prices, plan, now, until, plan.billable_assets)
        }
        _ => estimate(ask, prices, plan, now, until),
    }
}

fn one(line: Option<Line>) -> Result<Estimate, Unbounded> {
    some(line.map(|line| vec![line]))
}

/// With the time of a script that runs so often.
fn running(
    times: u64,
    estimate: Result<Estimate, Unbounded>,
    prices: &Prices,
) -> Result<Estimate, Unbounded> {
    let mut estimate = estimate?;
    estimate
        .lines
        .extend(surcharges::script_time(times, prices)?);
    Ok(estimate)
}

/// An estimate, unless it is more than can be counted.
fn some(lines: Option<Vec<Line>>) -> Result<Estimate, Unbounded> {
    let too_much = || Unbounded {
        why: "it is more than can be counted".into(),
    };
    Ok(Estimate {
        lines: lines.ok_or_else(too_much)?,
    })
}

/// The lines of all subscriptions of a bulk request.
fn each(
    all: &[SubscriptionAsk],
    price: impl Fn(&SubscriptionAsk) -> Result<Estimate, Unbounded>,
) -> Result<Estimate, Unbounded> {
    let mut sum = Estimate::default();
    for one in all {
        sum.lines.extend(price(one)?.lines);
    }
    Ok(sum)
}

/// What the sender of `ask` could change to spend less, in sentences.
pub fn hints(ask: &Ask) -> Vec<&'static str> {
    match ask {
        Ask::Process(image) => imagery::hints(image, false),
        Ask::Statistics(figures) => imagery::hints(figures, true),
        Ask::Order(order) => orders::hints(order),
        Ask::Subscriptions(all) => subscriptions::hints(all),
        Ask::Revision(change) => subscriptions::hints(std::slice::from_ref(&change.after)),
        _ => Vec::new(),
    }
}

/// The nearest request that would pass.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Suggestion {
    /// The earliest start of a subscription.
    StartTime(UtcTime),
    /// How many of an order's items, from its first.
    Items(usize),
}

impl fmt::Display for Suggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartTime(start) => write!(f, "It would pass with start_time {start}."),
            Self::Items(items) => write!(f, "Its first {items} items alone would pass."),
        }
    }
}

/// The nearest request that fits into what is `left` up to `until`, where one can be computed.
pub fn suggest(
    ask: &Ask,
    prices: &Prices,
    plan: &Plan,
    now: UtcTime,
    until: Option<UtcTime>,
    left: &Amounts,
) -> Option<Suggestion> {
    match ask {
        Ask::Subscriptions(all) => {
            let [one] = all.as_slice() else { return None };
            let end = subscriptions::end(one, now, until);
            suggestion::later_start(one, prices, plan, end, left).map(Suggestion::StartTime)
        }
        Ask::Order(order) => {
            suggestion::fewer_items(order, prices, plan, left).map(Suggestion::Items)
        }
        _ => None,
    }
}
