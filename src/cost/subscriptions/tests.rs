use super::*;
use crate::cost::AumRule;
use crate::planet::counts::{self, Count};
use crate::planet::geometry::samples::{square, ten_fields};
use crate::planet::{subscriptions, wild};
use crate::units::Amount;
use jiff::ToSpan;
use proptest::prelude::*;
use serde_json::{Value, json};

fn at(text: &str) -> UtcTime {
    text.parse().expect(text)
}

fn body(geometry: &Value, start: &str, end: Option<&str>) -> Value {
    json!({"name": "s", "source": {"parameters": {
            "item_types": ["PSScene"], "asset_types": ["ortho_analytic_8b_sr"],
            "geometry": geometry, "start_time": start, "end_time": end}},
        "tools": [{"type": "harmonize", "parameters": {"target_sensor": "Sentinel-2"}},
                  {"type": "clip", "parameters": {}}],
        "delivery": {"type": "google_cloud_storage", "parameters": {"bucket": "b"}}})
}

fn ask(body: &Value) -> SubscriptionAsk {
    subscriptions::read(body.to_string().as_bytes()).unwrap()
}

fn whole(ask: &SubscriptionAsk, plan: &Plan) -> Estimate {
    let now = at("2026-11-22T00:00:00Z");
    estimate(ask, &Prices::default(), plan, now, end(ask, now, None)).unwrap()
}

fn total(estimate: &Estimate, unit: Unit) -> Amount {
    estimate.totals().unwrap().get(unit).unwrap_or_default()
}

fn rule(estimate: &Estimate, name: &str) -> i64 {
    let line = estimate
        .lines
        .iter()
        .find(|line| line.rule == name)
        .expect(name);
    line.amount.whole_floor()
}

const YEAR: (&str, Option<&str>) = ("2025-01-01T00:00:00Z", Some("2026-01-01T00:00:00Z"));

#[test]
fn the_bound_covers_planets_ordering_example_line_by_line() {
    let estimate = whole(&ask(&body(&ten_fields(), YEAR.0, YEAR.1)), &Plan::default());
    assert!(rule(&estimate, "asset-activation") >= 11_680);
    assert!(rule(&estimate, "clip") >= 2_920);
    assert!(rule(&estimate, "harmonize") >= 5_840);
    assert!(rule(&estimate, "egress") >= 92);
    let pu = total(&estimate, Unit::Pu).whole_floor();
    assert!((20_531..400_000).contains(&pu), "{pu}");
}

#[test]
fn less_than_half_a_square_kilometre_since_2016_is_over_a_thousand_and_tens_of_thousands_of_pu() {
    let field = square(7_200);
    let mut whole_body = body(&field, "2016-01-01T00:00:00Z", Some("2026-11-22T00:00:00Z"));
    whole_body["tools"] = json!([{"type": "clip", "parameters": {}}]);
    let ask = ask(&whole_body);
    let shape = ask.geometry.shape().unwrap().area();
    assert!((430_000..450_000).contains(&shape.micros()), "{shape}");
    for aum in [AumRule::AreaXDays, AumRule::Larger] {
        let plan = Plan {
            aum,
            ..Plan::default()
        };
        let estimate = whole(&ask, &plan);
        assert_eq!(
            Some(total(&estimate, Unit::Aum)),
            shape.amount().checked_mul(3_978)
        );
        assert!(total(&estimate, Unit::Aum).whole_floor() > 1_000);
        assert!(total(&estimate, Unit::Pu).whole_floor() > 20_000);
        assert_eq!(fill(&ask, at("2026-11-22T00:00:00Z")), Fill::Backfill);
    }
}

#[test]
fn each_rule_for_managed_area_is_named_by_its_line() {
    let clipped = ask(&body(&square(100_000), YEAR.0, YEAR.1));
    let mut unclipped = clipped.clone();
    unclipped.tools.clip = None;
    let line = |ask: &SubscriptionAsk, aum| {
        let lines = whole(
            ask,
            &Plan {
                aum,
                ..Plan::default()
            },
        )
        .lines;
        let line = lines
            .into_iter()
            .find(|line| line.unit == Unit::Aum)
            .unwrap();
        (line.rule, line.amount)
    };
    let area = clipped.geometry.shape().unwrap().area().amount();
    assert_eq!(line(&clipped, AumRule::Union), ("aum-union", area));
    assert_eq!(
        line(&clipped, AumRule::UnionOfFootprints),
        ("aum-union", area)
    );
    assert_eq!(line(&clipped, AumRule::Larger).0, "aum-area-x-days");
    let (name, footprints) = line(&unclipped, AumRule::UnionOfFootprints);
    assert_eq!(name, "aum-union-of-footprints");
    assert!(footprints.whole_floor() > 5_000);
}

#[test]
fn a_parcel_counts_a_hectare_at_least_by_the_union_rules() {
    let day = ("2025-01-01T00:00:00Z", Some("2025-01-02T00:00:00Z"));
    let tiny = ask(&body(&square(100), day.0, day.1));
    let total = |aum| {
        let plan = Plan {
            aum,
            ..Plan::default()
        };
        total(&whole(&tiny, &plan), Unit::Aum).micros()
    };
    assert!(total(AumRule::AreaXDays) < 1_000, "it is a fraction of one");
    for rule in [AumRule::Union, AumRule::UnionOfFootprints, AumRule::Larger] {
        assert_eq!(total(rule), 10_000, "{rule:?}");
    }
}

#[test]
fn a_stretch_costs_its_share_and_nothing_outside_the_subscription() {
    let ask = ask(&body(&square(100_000), YEAR.0, YEAR.1));
    let cost = |start: &str, end: &str| {
        during(
            &ask,
            &Prices::default(),
            &Plan::default(),
            at(start),
            at(end),
        )
        .unwrap()
    };
    let june = cost("2025-06-01T00:00:00Z", "2025-07-01T00:00:00Z");
    let area = ask.geometry.shape().unwrap().area().amount();
    assert_eq!(Some(total(&june, Unit::Aum)), area.checked_mul(30));
    for (start, end) in [
        ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
        ("2024-12-01T00:00:00Z", "2025-01-01T00:00:00Z"),
        ("2025-06-01T00:00:00Z", "2025-06-01T00:00:00Z"),
    ] {
        assert_eq!(cost(start, end), Estimate::default(), "{start} {end}");
    }
}

#[test]
fn what_runs_without_end_is_looked_at_up_to_the_end_of_a_window_or_for_a_year() {
    let endless = ask(&body(&square(100_000), "2026-11-01T00:00:00Z", None));
    let (prices, plan, now) = (
        Prices::default(),
        Plan::default(),
        at("2026-11-22T12:00:00Z"),
    );
    assert_eq!(end(&endless, now, None), at("2027-11-22T12:00:00Z"));
    let month_end = at("2026-12-01T00:00:00Z");
    let month = end(&endless, now, Some(month_end));
    let bounded = estimate(&endless, &prices, &plan, now, month).unwrap();
    let area = endless.geometry.shape().unwrap().area().amount();
    assert_eq!(Some(total(&bounded, Unit::Aum)), area.checked_mul(30));
    let quantity = &bounded.lines[0].quantity;
    assert!(
        quantity.contains("backfill and forward fill up to 2026-12-01"),
        "{quantity}"
    );
    assert!(quantity.contains("runs on"), "{quantity}");
}

#[test]
fn the_horizon_never_cuts_backfill_off() {
    let past = ask(&body(&square(100_000), YEAR.0, YEAR.1));
    let (prices, plan, now) = (
        Prices::default(),
        Plan::default(),
        at("2026-11-22T12:00:00Z"),
    );
    let end = end(&past, now, Some(at("2025-02-01T00:00:00Z")));
    let cut = estimate(&past, &prices, &plan, now, end).unwrap();
    assert_eq!(cut.totals(), whole(&past, &plan).totals());
}

#[test]
fn a_product_draws_on_reserved_area_and_is_managed_for_its_days() {
    let body = json!({"name": "arps", "source": {"parameters": {"id": "PS_ARD_SR_DAILY",
            "geometry": square(20_000), "start_time": YEAR.0, "end_time": YEAR.1}},
        "hosting": {"type": "sentinel_hub", "parameters": {}}});
    let estimate = whole(&ask(&body), &Plan::default());
    assert_eq!(total(&estimate, Unit::Quota).whole_floor(), 25);
    assert!((1_000..1_500).contains(&total(&estimate, Unit::Aum).whole_floor()));
    assert_eq!(total(&estimate, Unit::Pu), Amount::ZERO);
    assert!(estimate.lines[0].quantity.contains("not published"));
}

#[test]
fn what_is_reserved_already_is_not_counted_twice_and_a_product_has_its_own_minimum() {
    let body = json!({"name": "arps", "source": {"parameters": {"id": "PS_ARD_SR_DAILY",
            "geometry": square(100_000), "start_time": YEAR.0, "end_time": YEAR.1}}});
    let drawn = |minimum, reserved| {
        let mut ask = ask(&body);
        let Source::Product(product) = &mut ask.source else {
            panic!("a product");
        };
        let km2 = |whole| SquareKm::from_whole(whole).unwrap();
        product.entitlement = Some(crate::planet::quota::Entitlement {
            minimum: km2(minimum),
            reserved: km2(reserved),
        });
        let estimate = whole(&ask, &Plan::default());
        total(&estimate, Unit::Quota).whole_floor()
    };
    // 86 km² lie in the area
    let of = [(0, 0), (100, 0), (0, 80), (100, 100), (0, 500)];
    assert_eq!(
        of.map(|(minimum, reserved)| drawn(minimum, reserved)),
        [86, 100, 6, 0, 0]
    );
}

#[test]
fn lines_say_whether_planet_counted_the_scenes() {
    let mut ask = ask(&body(&square(7_200), YEAR.0, YEAR.1));
    let sources = |ask: &SubscriptionAsk| {
        let lines = whole(ask, &Plan::default()).lines;
        let of_scenes = lines.into_iter().filter(|line| line.unit == Unit::Pu);
        of_scenes.map(|line| line.source).collect::<Vec<_>>()
    };
    assert!(
        sources(&ask)
            .iter()
            .all(|source| !source.contains("scenes"))
    );
    let bound = total(&whole(&ask, &Plan::default()), Unit::Pu);
    let count = |ask: &mut SubscriptionAsk, count| {
        let Source::Catalog(catalog) = &mut ask.source else {
            panic!("a catalog");
        };
        catalog.counts = vec![count];
    };
    count(&mut ask, Count::Failed("it did not answer".into()));
    assert!(
        sources(&ask)
            .iter()
            .all(|source| source.contains("by the bound"))
    );
    assert_eq!(total(&whole(&ask, &Plan::default()), Unit::Pu), bound);
    let question = &counts::questions(&ask, at("2026-11-22T00:00:00Z")).unwrap()[0];
    let none = question.deliveries(std::collections::BTreeMap::new(), 0, None);
    count(&mut ask, Count::Counted(none.unwrap().into()));
    assert!(
        sources(&ask)
            .iter()
            .all(|source| source.contains("counted by Planet"))
    );
    assert_eq!(
        total(&whole(&ask, &Plan::default()), Unit::Pu),
        Amount::ZERO
    );
}

#[test]
fn what_cannot_be_bounded_says_why() {
    let plain = body(&square(100_000), YEAR.0, YEAR.1);
    let changed = |pointer: &str, value: Value| {
        let mut body = plain.clone();
        *body.pointer_mut(pointer).expect(pointer) = value;
        let end = at("2026-11-22T00:00:00Z");
        let error = estimate(&ask(&body), &Prices::default(), &Plan::default(), end, end);
        error.unwrap_err().why
    };
    let reference = json!({"type": "ref", "content": "pl:features/my/a/b"});
    for (pointer, value, named) in [
        (
            "/source/parameters/item_types/0",
            json!("Sentinel9"),
            "Sentinel9",
        ),
        (
            "/source/parameters/geometry",
            reference,
            "pl:features/my/a/b",
        ),
        ("/tools/0/type", json!("upscale"), "upscale"),
        (
            "/source/parameters",
            {
                let mut parameters = plain["source"]["parameters"].clone();
                parameters["time_range_type"] = json!("published");
                parameters
            },
            "published",
        ),
    ] {
        let why = changed(pointer, value);
        assert!(why.contains(named), "{why}");
    }
}

#[test]
fn amounts_past_counting_have_no_bound() {
    let ages = body(
        &square(5_000_000),
        "1970-01-01T00:00:00Z",
        Some("9999-01-01T00:00:00Z"),
    );
    let prices: Prices = toml::from_str("asset_activation = 9e12").unwrap();
    let (now, end) = (at("2026-11-22T00:00:00Z"), at("9999-01-01T00:00:00Z"));
    let why = estimate(&ask(&ages), &prices, &Plan::default(), now, end)
        .unwrap_err()
        .why;
    assert!(why.contains("more than can be counted"), "{why}");
}

proptest! {
    #[test]
    fn whatever_stands_in_a_body_gives_a_price_or_a_sentence(
        body in wild::variations(body(&square(20_000), YEAR.0, YEAR.1)),
    ) {
        let body = body.to_string();
        if let Ok(ask) = subscriptions::read(body.as_bytes()) {
            let now = at("2026-11-22T00:00:00Z");
            let end = end(&ask, now, Some(now));
            let estimate = estimate(&ask, &Prices::default(), &Plan::default(), now, end);
            let is_future = ask.start >= now;
            prop_assert!(is_future || estimate.is_err() || !estimate.unwrap().lines.is_empty());
        }
    }

    #[test]
    fn more_days_area_assets_and_tools_never_cost_less(
        days in 1i64..1000, more_days in 0i64..1000,
        side in 100u32..500_000, more_side in 0u32..500_000,
        assets in 1usize..4, more_assets in 0usize..3,
        tools in 0usize..3, more_tools in 0usize..3,
        rule in prop::sample::select(vec![
            AumRule::AreaXDays, AumRule::Union, AumRule::UnionOfFootprints, AumRule::Larger]),
    ) {
        let cost = |days: i64, side, assets: usize, tools: usize| {
            let start = at("2016-01-01T00:00:00Z");
            let end = start + (days * 24).hours();
            let mut body = body(&square(side), &start.to_string(), Some(&end.to_string()));
            let names = ["ortho_visual", "ortho_udm2", "ortho_analytic_4b_xml", "ortho_analytic_4b",
                "ortho_analytic_8b", "ortho_analytic_8b_sr"];
            body["source"]["parameters"]["asset_types"] = json!(names[..assets]);
            let mut list = vec![json!({"type": "clip", "parameters": {}})];
            list.extend(["toar", "harmonize", "bandmath", "reproject", "cloud_filter"][..tools]
                .iter().map(|tool| json!({"type": tool})));
            body["tools"] = Value::Array(list);
            whole(&ask(&body), &Plan { aum: rule, ..Plan::default() })
        };
        let less = cost(days, side, assets, tools);
        let more = cost(days + more_days, side + more_side, assets + more_assets, tools + more_tools);
        for unit in [Unit::Pu, Unit::Aum] {
            prop_assert!(total(&more, unit) >= total(&less, unit));
        }
    }

    #[test]
    fn two_stretches_cost_no_less_than_the_whole(split in 1i64..364) {
        let ask = ask(&body(&square(100_000), YEAR.0, YEAR.1));
        let (start, end) = (at(YEAR.0), at("2026-01-01T00:00:00Z"));
        let middle = start + (split * 24 + 7).hours();
        let cost = |from, to| {
            total(&during(&ask, &Prices::default(), &Plan::default(), from, to).unwrap(), Unit::Pu)
        };
        let halves = cost(start, middle).checked_add(cost(middle, end)).unwrap();
        prop_assert!(halves >= cost(start, end));
    }

    #[test]
    fn a_rate_prices_any_stretch_as_the_whole_request_does(
        first in 0i64..400, days in 1i64..400, side in 100u32..3_000_000, clipped: bool, masks: bool,
        rule in prop::sample::select(vec![
            AumRule::AreaXDays, AumRule::Union, AumRule::UnionOfFootprints, AumRule::Larger]),
    ) {
        let mut body = body(&square(side), YEAR.0, None);
        if !clipped {
            body["tools"] = json!([]);
        }
        if masks {
            body["source"]["parameters"]["asset_types"] = json!(["ortho_visual", "ortho_udm2"]);
        }
        let (ask, prices) = (ask(&body), Prices::default());
        let plan = Plan { aum: rule, ..Plan::default() };
        let from = at(YEAR.0) + (first * 24).hours();
        let to = from + (days * 24).hours();
        let rate = rate(&ask, &prices, &plan).unwrap();
        let by_rate = rate.between(from, from, to).unwrap();
        let by_request = settled(&ask, &prices, &plan, from, to).unwrap().totals().unwrap();
        for unit in [Unit::Pu, Unit::Aum] {
            let (rated, priced) = (by_rate.get(unit).unwrap(), by_request.get(unit).unwrap());
            // the bytes of each scene are rounded up, and not those of all
            let more = rated.checked_sub(priced);
            prop_assert!(more.is_some_and(|more| more.micros() <= days * 10_000), "{rated} {priced}");
        }
    }
}
