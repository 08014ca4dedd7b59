//! What it costs to change a subscription, or to let it go on.
//!
//! A subscription commits all its time when it is created, so a change costs what it adds: the new state from
//! now on (or the whole of it, where it has not begun), less what is committed from tomorrow on. Nothing is
//! given back, and what is new in kind or place is not set off against what was there.

use std::collections::HashMap;

use super::subscriptions::{self, Span};
use super::{BillableAssets, Estimate, Plan, Prices};
use crate::planet::Unbounded;
use crate::planet::subscriptions::{Presence, Present, Revision, Source, SubscriptionAsk};
use crate::units::{Amount, Unit, UtcTime, tomorrow};

/// Rules that count an area once, wherever it lies: another area is all new.
const ONCE_FOR_EACH_PLACE: [&str; 3] = ["aum-union", "aum-union-of-footprints", "reserved-area"];

/// The most that the change adds.
pub fn revision(
    change: &Revision,
    prices: &Prices,
    plan: &Plan,
    now: UtcTime,
    until: Option<UtcTime>,
    billable: BillableAssets,
) -> Result<Estimate, Unbounded> {
    let Revision { before, after } = change;
    let between = |ask: &SubscriptionAsk, start, end| {
        subscriptions::counting(ask, prices, plan, Span { start, end }, billable)
    };
    let cost =
        |ask: &SubscriptionAsk, start| between(ask, start, subscriptions::end(ask, now, until));
    let committed = before.presence != Presence::Over && before.ask.end.is_none_or(|end| end > now);
    let has_begun = before.ask.start <= now;
    let goes_on = committed && has_begun && after.start == before.ask.start;
    let mut new = cost(after, if goes_on { now } else { after.start })?;
    if committed {
        // what has no bound has reserved nothing that could be set off
        let whole = cost(&before.ask, before.ask.start).unwrap_or_default();
        let past = between(&before.ask, before.ask.start, tomorrow(now)).unwrap_or_default();
        let future = cost(&before.ask, tomorrow(now)).unwrap_or_default();
        let stays = before.ask.geometry == after.geometry && same_product(&before.ask, after);
        set_off(&mut new, ahead(&whole, &past, &future), stays);
    }
    for line in &mut new.lines {
        let since = if goes_on {
            "from now on"
        } else {
            "for all of its time"
        };
        line.quantity = format!("{} ({since}, as it is changed)", line.quantity);
    }
    Ok(new)
}

/// The most that is delivered when subscriptions go on: what was held back since they stood still, and what
/// is to come. When they did is not shown; the time of their last change is, and is no earlier than that.
pub fn reactivation(
    all: &[Present],
    prices: &Prices,
    plan: &Plan,
    now: UtcTime,
    until: Option<UtcTime>,
    billable: BillableAssets,
) -> Result<Estimate, Unbounded> {
    let mut sum = Estimate::default();
    for present in all {
        let ask = &present.ask;
        let since = match present.presence {
            Presence::Live => continue,
            Presence::Suspended => present.updated.unwrap_or(ask.start),
            Presence::Over => ask.start,
        };
        let span = Span {
            start: since.min(now),
            end: subscriptions::end(ask, now, until),
        };
        let mut one = subscriptions::counting(ask, prices, plan, span, billable)?;
        for line in &mut one.lines {
            line.quantity = format!("{} (since it stood still at {since})", line.quantity);
        }
        sum.lines.extend(one.lines);
    }
    Ok(sum)
}

fn same_product(one: &SubscriptionAsk, other: &SubscriptionAsk) -> bool {
    match (&one.source, &other.source) {
        (Source::Product(one), Source::Product(other)) => one == other,
        (Source::Catalog(_), Source::Catalog(_)) => true,
        _ => false,
    }
}

/// Amounts by rule.
type ByRule = HashMap<(&'static str, Unit), Amount>;

/// What is committed to what is still to come: what was, without all that may have been charged until then. Each
/// stretch is rounded up for itself, so that two of them are more than both at once.
fn ahead(whole: &Estimate, past: &Estimate, future: &Estimate) -> ByRule {
    let (whole, past) = (by_rule(whole), by_rule(past));
    let mut ahead = by_rule(future);
    for (key, amount) in &mut ahead {
        let of = |sums: &ByRule| sums.get(key).copied().unwrap_or_default();
        if !ONCE_FOR_EACH_PLACE.contains(&key.0) {
            *amount = of(&whole).minus(of(&past)).min(*amount);
        }
    }
    ahead
}

fn by_rule(estimate: &Estimate) -> ByRule {
    let mut sums = ByRule::new();
    for line in &estimate.lines {
        let sum = sums.entry((line.rule, line.unit)).or_default();
        *sum = sum.saturating_add(line.amount);
    }
    sums
}

/// Takes what is committed by the same rule off each line.
fn set_off(new: &mut Estimate, mut committed: ByRule, stays: bool) {
    for line in &mut new.lines {
        if !stays && ONCE_FOR_EACH_PLACE.contains(&line.rule) {
            continue;
        }
        let Some(left) = committed.get_mut(&(line.rule, line.unit)) else {
            continue;
        };
        let taken = line.amount.min(*left);
        if taken.is_zero() {
            continue;
        }
        line.amount = line.amount.minus(taken);
        *left = left.minus(taken);
        line.quantity = format!("{}, less {taken} that is committed already", line.quantity);
    }
}

#[cfg(test)]
mod tests;
