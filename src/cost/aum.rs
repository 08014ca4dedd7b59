//! Area under management. Planet's pages contradict each other on it, so each reading is a named rule.

use super::batch;
use super::{AumRule, Line, Pace, Prices, Rate, SceneFigures, Term};
use crate::planet::Unbounded;
use crate::planet::geometry::{Covered, Shape};
use crate::units::{Amounts, SquareKm, Unit};

const BACKFILL_ARTICLE: &str =
    "support.planet.com: how quota is consumed by backfill subscriptions";
const UNION_ARTICLE: &str = "support.planet.com/hc/en-us/articles/4408251723025";
const FOOTPRINT_ARTICLE: &str = "support.planet.com/hc/en-us/articles/36906909927197";

/// One stretch of watching one area.
pub struct Watched<'a> {
    pub shape: &'a Shape,
    /// What of its parts is locked already.
    pub covered: &'a [Covered],
    pub days: u64,
    /// Whether images are clipped to the shape.
    pub clipped: bool,
    /// Of each item type that is delivered.
    pub figures: &'a [Option<&'a SceneFigures>],
}

/// What `rule` makes of it.
pub fn managed(watched: &Watched, rule: AumRule, prices: &Prices) -> Result<Line, Unbounded> {
    match rule {
        AumRule::AreaXDays => area_x_days(watched),
        AumRule::Union => union(watched, prices),
        AumRule::UnionOfFootprints => footprints(watched, prices),
        AumRule::Larger => {
            let (days, union) = (area_x_days(watched)?, union(watched, prices)?);
            Ok(if union.amount > days.amount {
                union
            } else {
                days
            })
        }
    }
}

/// What `rule` makes of an area that is watched on and on: so much a day, or once a year.
///
/// A parcel is locked once in a plan's term of twelve months, so a rule that counts it once counts it again
/// only when a year is over; one that takes the larger of both is asked for each stretch.
pub(super) fn paced(
    shape: &Shape,
    clipped: bool,
    figures: &[Option<&SceneFigures>],
    rule: AumRule,
    prices: &Prices,
    rate: &mut Rate,
) -> Result<(), Unbounded> {
    let a_day = Watched {
        shape,
        covered: &[], // what is locked now is not in another year
        days: 1,
        clipped,
        figures,
    };
    if matches!(rule, AumRule::AreaXDays | AumRule::Larger) {
        rate.terms.push(Term {
            pace: Pace::DAILY,
            each: Amounts::of(Unit::Aum, area_x_days(&a_day)?.amount),
        });
    }
    let locked = match rule {
        AumRule::AreaXDays => return Ok(()),
        AumRule::Union | AumRule::Larger => union(&a_day, prices)?,
        AumRule::UnionOfFootprints => footprints(&a_day, prices)?,
    };
    rate.each_year.set(Unit::Aum, locked.amount);
    Ok(())
}

/// Area × days from start to end.
fn area_x_days(watched: &Watched) -> Result<Line, Unbounded> {
    let area = watched.shape.area();
    batch::line(
        "aum-area-x-days",
        Unit::Aum,
        area.checked_mul(watched.days).map(SquareKm::amount),
        format!("{area} km² × {} days", watched.days),
        BACKFILL_ARTICLE,
    )
}

/// The area once, each parcel at its least, without what is locked already.
fn union(watched: &Watched, prices: &Prices) -> Result<Line, Unbounded> {
    once("", watched.shape, watched.covered, prices, UNION_ARTICLE)
}

/// The land that a shape adds to what is locked; `of` says whose area it is.
pub(super) fn once(
    of: &str,
    shape: &Shape,
    covered: &[Covered],
    prices: &Prices,
    source: &'static str,
) -> Result<Line, Unbounded> {
    let new = parcels(shape, covered, prices)?;
    let all = parcels(shape, &[], prices)?;
    let quantity = match locked(covered)? {
        SquareKm::ZERO => format!("{of}{all} km², once"),
        locked => {
            format!("{of}{all} km², once, of which {locked} km² count already: {new} km² are new")
        }
    };
    batch::line("aum-union", Unit::Aum, Some(new.amount()), quantity, source)
}

/// Every parcel of a shape at no less than the least that one counts, without what is locked of it. What is
/// locked wholly is no parcel any more: of it remains what cannot be measured.
fn parcels(shape: &Shape, covered: &[Covered], prices: &Prices) -> Result<SquareKm, Unbounded> {
    let parts = shape.parts().iter().enumerate();
    batch::sum(parts.map(|(place, part)| {
        let covered = covered.get(place).copied().unwrap_or_default();
        let new = without(part.area(), covered.area);
        if covered.wholly {
            new
        } else {
            new.max(prices.parcel_minimum)
        }
    }))
}

fn locked(covered: &[Covered]) -> Result<SquareKm, Unbounded> {
    batch::sum(covered.iter().map(|covered| covered.area))
}

fn without(area: SquareKm, part: SquareKm) -> SquareKm {
    area.amount().minus(part.amount()).into()
}

/// One whole scene of this type.
pub(super) fn footprint(
    item_type: &str,
    figures: Option<&SceneFigures>,
) -> Result<Line, Unbounded> {
    let figures = figures.ok_or_else(|| Unbounded {
        why: format!(
            "nothing says how large scenes of {item_type} are; set [prices.scenes.{item_type}] in the policy"
        ),
    })?;
    let quantity = format!("1 whole scene of {item_type}");
    batch::line(
        "aum-footprints",
        Unit::Aum,
        Some(figures.footprint.amount()),
        quantity,
        FOOTPRINT_ARTICLE,
    )
}

/// The area once when images are clipped to it, else all that the scenes can reach.
fn footprints(watched: &Watched, prices: &Prices) -> Result<Line, Unbounded> {
    if watched.clipped {
        return union(watched, prices);
    }
    let mut reach = SquareKm::ZERO;
    for figures in watched.figures {
        let around = figures
            .and_then(|figures| figures.footprints_around(watched.shape))
            .ok_or_else(|| Unbounded {
                why: "how far the scenes reach past the area is not known; clip them".into(),
            })?;
        reach = reach.max(around);
    }
    // each part is within the reach of its scenes, and so is what is locked of it
    let locked = locked(watched.covered)?;
    let mut quantity = format!("scenes that touch {} km², unclipped", watched.shape.area());
    if locked > SquareKm::ZERO {
        quantity = format!("{quantity}: {reach} km², of which {locked} km² count already");
    }
    batch::line(
        "aum-union-of-footprints",
        Unit::Aum,
        Some(without(reach, locked).amount()),
        quantity,
        FOOTPRINT_ARTICLE,
    )
}
