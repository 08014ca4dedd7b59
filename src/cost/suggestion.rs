//! The nearest request that would pass: a later start, or fewer items.

use jiff::ToSpan;
use jiff::tz::TimeZone;

use super::{Estimate, Plan, Prices, orders, subscriptions};
use crate::planet::orders::OrderAsk;
use crate::planet::subscriptions::SubscriptionAsk;
use crate::units::{Amounts, UtcTime};

/// Whether every unit that `left` names has enough of it left.
pub fn fits(estimate: &Estimate, left: &Amounts) -> bool {
    estimate.totals().is_some_and(|totals| {
        totals
            .iter()
            .all(|(unit, needed)| left.get(unit).is_none_or(|left| needed <= left))
    })
}

/// The earliest midnight after the subscription's start from which it would fit into `left` up to
/// `end`; `None` when not even its last day would.
pub fn later_start(
    ask: &SubscriptionAsk,
    prices: &Prices,
    plan: &Plan,
    end: UtcTime,
    left: &Amounts,
) -> Option<UtcTime> {
    let end = ask.end.map_or(end, |its_end| its_end.min(end));
    let first = ask.start.to_zoned(TimeZone::UTC).date();
    let days = end.duration_since(ask.start).as_hours() / 24;
    let midnight = |days: i64| {
        let date = first.checked_add(days.days()).ok()?;
        Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    let passes = |days: i64| {
        midnight(days)
            .filter(|start| *start < end)
            .and_then(|start| subscriptions::during(ask, prices, plan, start, end).ok())
            .is_some_and(|estimate| fits(&estimate, left))
    };
    // Costs never rise with a later start, so all that pass lie behind all that do not; past the end
    // nothing passes.
    let last = (-1..=1)
        .map(|more| days + more)
        .rfind(|days| passes(*days))?;
    let (mut fails, mut passing) = (0, last);
    while passing - fails > 1 {
        let middle = i64::midpoint(fails, passing);
        if passes(middle) {
            passing = middle;
        } else {
            fails = middle;
        }
    }
    midnight(passing).filter(|start| *start > ask.start)
}

/// The most items of the order, counted from its first, that would fit into `left`; `None` when not
/// even one would, or all do.
pub fn fewer_items(ask: &OrderAsk, prices: &Prices, plan: &Plan, left: &Amounts) -> Option<usize> {
    let passes = |items: usize| {
        orders::estimate(&ask.first_items(items), prices, plan)
            .is_ok_and(|estimate| fits(&estimate, left))
    };
    let (mut passing, mut fails) = (0, ask.item_count());
    if passes(fails) {
        return None;
    }
    while fails - passing > 1 {
        let middle = usize::midpoint(passing, fails);
        if passes(middle) {
            passing = middle;
        } else {
            fails = middle;
        }
    }
    (passing > 0).then_some(passing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planet::geometry::samples::square;
    use crate::units::{Amount, Unit};
    use serde_json::json;

    fn at(text: &str) -> UtcTime {
        text.parse().expect(text)
    }

    fn subscription(start: &str) -> SubscriptionAsk {
        let body = json!({"source": {"parameters": {"item_types": ["PSScene"],
            "asset_types": ["ortho_visual"], "geometry": square(7_200), "start_time": start,
            "end_time": "2026-11-22T00:00:00Z"}}, "tools": [{"type": "clip"}]});
        crate::planet::subscriptions::read(body.to_string().as_bytes()).unwrap()
    }

    fn left(unit: Unit, whole: u64) -> Amounts {
        Amounts::of(unit, Amount::from_whole(whole).unwrap())
    }

    #[test]
    fn a_later_start_just_fits() {
        let ask = subscription("2016-01-01T06:00:00Z");
        let end = at("2026-11-22T00:00:00Z");
        let (prices, plan, left) = (Prices::default(), Plan::default(), left(Unit::Pu, 5_000));
        let start = later_start(&ask, &prices, &plan, end, &left).unwrap();
        let cost = |start| subscriptions::during(&ask, &prices, &plan, start, end).unwrap();
        assert!(fits(&cost(start), &left));
        assert!(!fits(&cost(start - 24.hours()), &left));
        assert_eq!(start.to_zoned(TimeZone::UTC).hour(), 0);
    }

    #[test]
    fn from_midnight_to_midnight_there_is_a_later_start_too() {
        let ask = subscription("2016-01-01T00:00:00Z");
        let end = at("2026-11-22T00:00:00Z");
        let (prices, plan, left) = (Prices::default(), Plan::default(), left(Unit::Pu, 5_000));
        let start = later_start(&ask, &prices, &plan, end, &left).unwrap();
        let cost = |start| subscriptions::during(&ask, &prices, &plan, start, end).unwrap();
        assert!(fits(&cost(start), &left));
        assert!(!fits(&cost(start - 24.hours()), &left));
    }

    #[test]
    fn there_is_no_later_start_when_a_day_is_too_much() {
        let ask = subscription("2016-01-01T00:00:00Z");
        let end = at("2026-11-22T00:00:00Z");
        let start = later_start(
            &ask,
            &Prices::default(),
            &Plan::default(),
            end,
            &left(Unit::Pu, 1),
        );
        assert_eq!(start, None);
    }

    #[test]
    fn a_start_within_the_last_day_gives_a_start_or_none_but_no_panic() {
        let ask = subscription("2026-11-21T23:00:00Z");
        let end = at("2026-11-22T00:00:00Z");
        let start = later_start(
            &ask,
            &Prices::default(),
            &Plan::default(),
            end,
            &left(Unit::Pu, 9),
        );
        assert_eq!(start, None);
    }

    #[test]
    fn fewer_items_just_fit() {
        let items: Vec<_> = (0..100).map(|item| format!("item-{item}")).collect();
        let body = json!({"products": [{"item_type": "PSScene", "product_bundle": "visual",
            "item_ids": items}], "hosting": {"sentinel_hub": {}}});
        let ask = crate::planet::orders::read(body.to_string().as_bytes()).unwrap();
        let fewer = |left| fewer_items(&ask, &Prices::default(), &Plan::default(), &left);
        assert_eq!(fewer(left(Unit::Pu, 205)), Some(10));
        assert_eq!(fewer(left(Unit::Pu, 19)), None);
        assert_eq!(fewer(left(Unit::Pu, 2_000)), None);
        assert_eq!(fewer(left(Unit::Tiles, 0)), None);
    }
}
