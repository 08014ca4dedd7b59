use jiff::ToSpan;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::cost::AumRule;
use crate::planet::geometry::samples::square;
use crate::planet::subscriptions as asked;

const NOW: &str = "2026-06-15T12:00:00Z";
const START: &str = "2026-01-01T00:00:00Z";
const END: &str = "2027-01-01T00:00:00Z";
/// From the day of [`NOW`], which counts, up to [`END`].
const DAYS_LEFT: u64 = 200;

fn at(text: &str) -> UtcTime {
    text.parse().expect(text)
}

fn subscription(side: u32, start: &str, end: Option<&str>) -> SubscriptionAsk {
    let body = json!({"source": {"parameters": {
            "item_types": ["PSScene"], "asset_types": ["ortho_analytic_8b_sr"],
            "geometry": square(side), "start_time": start, "end_time": end}},
        "tools": [{"type": "clip", "parameters": {}}],
        "hosting": {"type": "sentinel_hub", "parameters": {}}});
    asked::read(body.to_string().as_bytes()).unwrap()
}

fn present(ask: SubscriptionAsk, presence: Presence) -> Present {
    Present {
        ask,
        presence,
        updated: Some(at("2026-05-16T08:00:00Z")),
    }
}

fn revised(before: Present, after: SubscriptionAsk, plan: &Plan) -> Estimate {
    let (now, until) = (at(NOW), Some(at("2027-06-15T12:00:00Z")));
    let change = Revision { before, after };
    revision(
        &change,
        &Prices::default(),
        plan,
        now,
        until,
        BillableAssets::All,
    )
    .unwrap()
}

fn total(estimate: &Estimate, unit: Unit) -> Amount {
    estimate.totals().unwrap().get(unit).unwrap_or_default()
}

fn whole(ask: &SubscriptionAsk, from: &str, to: &str) -> Estimate {
    let (prices, plan) = (Prices::default(), Plan::default());
    subscriptions::during(ask, &prices, &plan, at(from), at(to)).unwrap()
}

fn aum(side: u32, days: u64) -> Amount {
    let ask = subscription(side, START, None);
    let area = ask.geometry.shape().unwrap().area().amount();
    area.checked_mul(days).unwrap()
}

#[test]
fn a_change_that_adds_nothing_costs_what_today_may_bring_twice() {
    let same = || subscription(20_000, START, Some(END));
    let estimate = revised(present(same(), Presence::Live), same(), &Plan::default());
    assert_eq!(total(&estimate, Unit::Aum), aum(20_000, 1));
    let a_day = whole(&same(), "2026-06-15T00:00:00Z", "2026-06-16T00:00:00Z");
    assert!(total(&estimate, Unit::Pu) <= total(&a_day, Unit::Pu));
    assert!(
        estimate.lines[0].quantity.contains("committed already"),
        "{estimate:?}"
    );
}

#[test]
fn while_it_runs_a_larger_area_counts_from_now_on() {
    let before = present(subscription(20_000, START, Some(END)), Presence::Live);
    let after = subscription(40_000, START, Some(END));
    let estimate = revised(before, after, &Plan::default());
    let added = aum(40_000, DAYS_LEFT).minus(aum(20_000, DAYS_LEFT - 1));
    assert_eq!(total(&estimate, Unit::Aum), added);
    assert!(
        estimate.lines[0].quantity.contains("from now on"),
        "{estimate:?}"
    );
}

#[test]
fn before_it_begins_a_change_counts_for_all_of_its_time() {
    let soon = "2026-08-01T00:00:00Z";
    let before = present(subscription(20_000, soon, Some(END)), Presence::Live);
    let earlier = subscription(20_000, "2026-07-01T00:00:00Z", Some(END));
    let estimate = revised(before, earlier, &Plan::default());
    assert_eq!(total(&estimate, Unit::Aum), aum(20_000, 31));
}

#[test]
fn a_start_that_has_passed_and_is_moved_all_the_same_counts_from_there() {
    let before = present(subscription(20_000, START, Some(END)), Presence::Live);
    let after = subscription(20_000, "2016-01-01T00:00:00Z", Some(END));
    let estimate = revised(before, after, &Plan::default());
    assert!(
        total(&estimate, Unit::Aum) > aum(20_000, 3_650),
        "ten years of backfill"
    );
}

#[test]
fn what_has_ended_or_is_in_no_known_state_has_nothing_to_set_off() {
    let longer = || subscription(20_000, START, Some("2027-03-01T00:00:00Z"));
    for before in [
        present(subscription(20_000, START, Some(END)), Presence::Over),
        present(
            subscription(20_000, START, Some("2026-06-01T00:00:00Z")),
            Presence::Live,
        ),
    ] {
        let estimate = revised(before, longer(), &Plan::default());
        assert_eq!(
            total(&estimate, Unit::Aum),
            aum(20_000, 424),
            "from its start to its new end"
        );
    }
}

#[test]
fn another_place_is_all_new_where_an_area_counts_once() {
    for (aum_rule, all_new) in [(AumRule::Union, true), (AumRule::AreaXDays, false)] {
        let plan = Plan {
            aum: aum_rule,
            ..Plan::default()
        };
        let before = present(subscription(40_000, START, Some(END)), Presence::Live);
        let smaller = subscription(20_000, START, Some(END));
        let estimate = revised(before, smaller, &plan);
        assert_eq!(
            !total(&estimate, Unit::Aum).is_zero(),
            all_new,
            "{aum_rule:?}"
        );
    }
}

#[test]
fn another_product_draws_on_a_reservation_of_its_own() {
    let product = |id: &str| {
        let body = json!({"source": {"parameters": {"id": id, "geometry": square(20_000),
            "start_time": START, "end_time": END}}});
        asked::read(body.to_string().as_bytes()).unwrap()
    };
    let reserved = |after: &str| {
        let before = present(product("PS_ARD_SR_DAILY"), Presence::Live);
        let estimate = revised(before, product(after), &Plan::default());
        total(&estimate, Unit::Quota).whole_floor()
    };
    assert_eq!(
        (
            reserved("PS_ARD_SR_DAILY"),
            reserved("BIOMASS-PROXY_V4.0_10")
        ),
        (0, 25)
    );
}

#[test]
fn what_cannot_be_bounded_is_refused_and_what_was_not_is_not_set_off() {
    let unknown = |tool: &str| {
        let mut ask = subscription(20_000, START, Some(END));
        ask.tools.unknown = Some(tool.into());
        ask
    };
    let (now, until) = (at(NOW), Some(at("2027-06-15T12:00:00Z")));
    let price = |before, after| {
        let change = Revision {
            before: present(before, Presence::Live),
            after,
        };
        let (prices, plan) = (Prices::default(), Plan::default());
        revision(&change, &prices, &plan, now, until, BillableAssets::All)
    };
    let known = || subscription(20_000, START, Some(END));
    assert!(
        price(known(), unknown("upscale"))
            .unwrap_err()
            .why
            .contains("upscale")
    );
    let all_of_it = price(unknown("upscale"), known()).unwrap();
    assert_eq!(total(&all_of_it, Unit::Aum), aum(20_000, DAYS_LEFT));
}

#[test]
fn what_goes_on_brings_what_was_held_back_and_what_is_to_come() {
    let (now, until) = (at(NOW), Some(at("2027-06-15T12:00:00Z")));
    let cost = |presence, updated: Option<&str>| {
        let one = Present {
            updated: updated.map(at),
            ..present(subscription(20_000, START, Some(END)), presence)
        };
        let (prices, plan) = (Prices::default(), Plan::default());
        let estimate =
            reactivation(&[one], &prices, &plan, now, until, BillableAssets::All).unwrap();
        total(&estimate, Unit::Aum)
    };
    let stood_still = Some("2026-06-05T08:00:00Z");
    assert_eq!(
        cost(Presence::Suspended, stood_still),
        aum(20_000, DAYS_LEFT + 10)
    );
    assert_eq!(
        cost(Presence::Suspended, None),
        aum(20_000, 365),
        "since its start"
    );
    assert_eq!(cost(Presence::Over, stood_still), aum(20_000, 365));
    assert_eq!(
        cost(Presence::Live, stood_still),
        Amount::ZERO,
        "it never stood still"
    );
    let later_than_now = Some("2030-01-01T00:00:00Z");
    assert_eq!(
        cost(Presence::Suspended, later_than_now),
        aum(20_000, DAYS_LEFT)
    );
}

#[test]
fn what_runs_without_end_is_looked_at_for_a_year() {
    let before = present(subscription(20_000, START, Some(END)), Presence::Live);
    let endless = subscription(20_000, START, None);
    let estimate = revised(before, endless, &Plan::default());
    assert_eq!(
        total(&estimate, Unit::Aum),
        aum(20_000, 366 - (DAYS_LEFT - 1))
    );
}

fn some_subscription() -> impl Strategy<Value = Value> {
    (1i64..400, 1i64..800, 100u32..100_000, 1usize..4, 0usize..3).prop_map(
        |(start, days, side, assets, tools)| {
            let start = at(START) + (start * 24).hours();
            let end = start + (days * 24).hours();
            let assets = ["ortho_visual", "ortho_udm2", "ortho_analytic_8b"][..assets].to_vec();
            let tools: Vec<_> = ["clip", "toar", "harmonize"][..tools]
                .iter()
                .map(|tool| json!({"type": tool, "parameters": {}}))
                .collect();
            json!({"source": {"parameters": {"item_types": ["PSScene"], "asset_types": assets,
                "geometry": square(side), "start_time": start.to_string(), "end_time": end.to_string()}},
                "tools": tools, "delivery": {"type": "amazon_s3", "parameters": {}}})
        },
    )
}

proptest! {
    /// Up to today as it was, from today as it is changed: the create and the change together bound that.
    #[test]
    fn a_create_and_a_change_bound_what_both_deliver(
        before in some_subscription(), changed in some_subscription(),
        rule in prop::sample::select(vec![AumRule::AreaXDays, AumRule::Union, AumRule::Larger]),
    ) {
        let (now, horizon) = (at(NOW), at("2037-06-15T12:00:00Z"));
        let until = Some(horizon);
        let plan = Plan { aum: rule, ..Plan::default() };
        let prices = Prices::default();
        let read = |body: &Value| asked::read(body.to_string().as_bytes()).unwrap();
        let (before, mut after) = (read(&before), read(&changed));
        if before.start <= now && after.end.is_none_or(|end| end > before.start) {
            after.start = before.start;
        }
        let cost = |ask: &SubscriptionAsk, start: UtcTime, end: UtcTime| {
            subscriptions::during(ask, &prices, &plan, start, end).unwrap()
        };
        let ends = |ask: &SubscriptionAsk| ask.end.unwrap_or(horizon);
        let created = cost(&before, before.start, ends(&before));
        let change = Revision { before: present(before.clone(), Presence::Live), after: after.clone() };
        let added = revision(&change, &prices, &plan, now, until, BillableAssets::All).unwrap();
        let until_now = cost(&before, before.start, now.max(before.start).min(ends(&before)));
        let from_now = cost(&after, now.max(after.start), ends(&after));
        for unit in [Unit::Pu, Unit::Aum] {
            if unit == Unit::Aum && rule == AumRule::Union {
                continue; // an area counts once however often it is looked at
            }
            let reserved = total(&created, unit).saturating_add(total(&added, unit));
            let delivered = total(&until_now, unit).saturating_add(total(&from_now, unit));
            // of a scene that is rounded up in each of two stretches, there is one in both together
            let rounding = total(&cost(&before, before.start, before.start + 1.hours()), unit);
            prop_assert!(
                reserved.saturating_add(rounding) >= delivered,
                "{unit:?}: {reserved} + {rounding} < {delivered}"
            );
        }
    }
}
