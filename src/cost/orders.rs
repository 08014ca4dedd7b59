//! What an order will cost.
//!
//! It is reserved with every asset counted; Planet's texts leave open which ones it charges for, so
//! [`settled`] counts those that the plan says.

use super::aum;
use super::basemaps;
use super::batch::{self, Batch};
use super::{BillableAssets, Estimate, Line, Plan, Prices};
use crate::planet::geometry::{Covered, Geometry, Shape};
use crate::planet::orders::{OrderAsk, Ordered, Scenes};
use crate::planet::tools::Clip;
use crate::planet::{Unbounded, bundles};
use crate::units::{SquareKm, Unit};

const AREA_RULES: &str = "support.planet.com/hc/en-us/articles/36906909927197";

/// The most that the order can cost.
pub fn estimate(ask: &OrderAsk, prices: &Prices, plan: &Plan) -> Result<Estimate, Unbounded> {
    counting(ask, prices, plan, BillableAssets::All)
}

/// The same with the assets that this plan is charged for.
pub fn settled(ask: &OrderAsk, prices: &Prices, plan: &Plan) -> Result<Estimate, Unbounded> {
    counting(ask, prices, plan, plan.billable_assets)
}

/// What would make the order cheaper, for a sender who may not know.
pub(super) fn hints(ask: &OrderAsk) -> Vec<&'static str> {
    let mut hints = vec!["Fewer items, or a bundle with fewer assets, cost less."];
    if ask.tools.clip.is_none() {
        hints.push("Clipping to the area of interest delivers, and charges, less.");
    }
    hints
}

fn counting(
    ask: &OrderAsk,
    prices: &Prices,
    plan: &Plan,
    billable: BillableAssets,
) -> Result<Estimate, Unbounded> {
    batch::known(&ask.tools, ask.unread.as_deref())?;
    let clip = clip_shape(ask)?;
    let mut lines = Vec::new();
    let mut delivered = Vec::new();
    for product in &ask.products {
        match product {
            Ordered::Scenes(scenes) => {
                let batch = batch(ask, scenes, clip, prices)?;
                lines.extend(batch.lines(prices, plan, billable)?);
                delivered.push(batch);
            }
            Ordered::Quads(quads) => {
                lines.extend(basemaps::ordered(quads, ask, prices, plan)?);
            }
        }
    }
    if plan.charges.contains(&super::Charged::Pu) {
        lines.extend(batch::per_request(&ask.tools, prices)?);
    }
    if !delivered.is_empty() {
        lines.push(managed_area(&delivered, clip, &ask.covered, prices)?);
    }
    Ok(Estimate { lines })
}

fn clip_shape(ask: &OrderAsk) -> Result<Option<&Shape>, Unbounded> {
    match &ask.tools.clip {
        None | Some(Clip::Source) => Ok(None),
        Some(Clip::To(Geometry::Shape(shape))) => Ok(Some(shape)),
        Some(Clip::To(Geometry::Reference(feature))) => Err(Unbounded {
            why: format!("the area of {} is not known here", feature.as_str()),
        }),
    }
}

fn batch<'a>(
    ask: &'a OrderAsk,
    scenes: &'a Scenes,
    clip: Option<&'a Shape>,
    prices: &'a Prices,
) -> Result<Batch<'a>, Unbounded> {
    let item_type = bundles::item_type(&scenes.item_type).unwrap_or(&scenes.item_type);
    let items = scenes.item_ids.len();
    Ok(Batch {
        item_type,
        figures: prices.scenes.of(item_type),
        scenes: u64::try_from(items).unwrap_or(u64::MAX),
        assets: bundles::assets(item_type, &scenes.bundle)?,
        tools: &ask.tools,
        clip,
        delivery: ask.delivery,
        quantity: format!(
            "{items} {item_type} items{}",
            if scenes.repeats() {
                ", repeated ones counted"
            } else {
                ""
            }
        ),
    })
}

/// Area under management: the clip once, without what is locked already, or every footprint.
///
/// Planet's rules for days of history speak of subscriptions alone; of an order it says that what is not
/// clipped counts with its whole scenes.
fn managed_area(
    delivered: &[Batch],
    clip: Option<&Shape>,
    covered: &[Covered],
    prices: &Prices,
) -> Result<Line, Unbounded> {
    if let Some(clip) = clip {
        return aum::once("the clip's ", clip, covered, prices, AREA_RULES);
    }
    let mut area = Some(SquareKm::ZERO);
    let mut quantity = Vec::new();
    for batch in delivered {
        let Some(figures) = batch.figures else {
            return Err(Unbounded {
                why: format!(
                    "nothing says how large scenes of {} are; clip the order, or set \
                     [prices.scenes.{}] in the policy",
                    batch.item_type, batch.item_type
                ),
            });
        };
        quantity.push(format!(
            "{} × {} km² unclipped",
            batch.quantity, figures.footprint
        ));
        let footprints = figures.footprint.checked_mul(batch.scenes);
        area = area
            .zip(footprints)
            .and_then(|(sum, more)| sum.checked_add(more));
    }
    batch::line(
        "aum-footprints",
        Unit::Aum,
        area.map(SquareKm::amount),
        quantity.join(" + "),
        AREA_RULES,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{Charged, QuotaStyle};
    use crate::planet::geometry::samples::square;
    use crate::planet::{orders, wild};
    use crate::units::Amount;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn order(items: usize, bundle: &str, tools: &Value) -> OrderAsk {
        let items: Vec<_> = (0..items).map(|item| format!("item-{item}")).collect();
        let body = json!({"name": "o", "tools": tools,
            "delivery": {"destination": {"ref": "pl:destinations/default"}}, "products":
                [{"item_type": "PSScene", "product_bundle": bundle, "item_ids": items}]});
        orders::read(body.to_string().as_bytes()).unwrap()
    }

    fn total(estimate: &Estimate, unit: Unit) -> Amount {
        estimate.totals().unwrap().get(unit).unwrap_or_default()
    }

    fn without_egress(estimate: &Estimate) -> i64 {
        let lines = estimate.lines.iter();
        lines
            .filter(|line| line.unit == Unit::Pu && line.rule != "egress")
            .map(|line| line.amount.whole_floor())
            .sum()
    }

    #[test]
    fn two_clipped_and_harmonized_items_by_each_count_of_assets() {
        let tools = json!([{"clip": {"aoi": square(20_000)}}, {"harmonize": {}}]);
        let ask = order(2, "analytic_8b_sr_udm2,analytic_sr_udm2", &tools);
        let prices = Prices::default();
        for (billable, pu) in [
            (BillableAssets::All, 120 + 6 + 12),
            (BillableAssets::Rasters, 92),
            (BillableAssets::Images, 46),
        ] {
            let plan = Plan {
                billable_assets: billable,
                ..Plan::default()
            };
            assert_eq!(without_egress(&settled(&ask, &prices, &plan).unwrap()), pu);
            assert_eq!(
                without_egress(&estimate(&ask, &prices, &plan).unwrap()),
                138
            );
        }
    }

    #[test]
    fn what_is_not_clipped_counts_with_whole_scenes() {
        let plan = Plan::default();
        let cost = |tools: Value| {
            estimate(&order(10, "visual", &tools), &Prices::default(), &plan).unwrap()
        };
        let whole = total(&cost(json!([])), Unit::Aum);
        let clipped = total(&cost(json!([{"clip": {"aoi": square(20_000)}}])), Unit::Aum);
        assert_eq!(whole.whole_floor(), 7_000);
        assert_eq!(clipped.whole_floor(), 3);
    }

    #[test]
    fn a_quota_style_has_its_minimum_for_each_item() {
        let ask = order(10, "visual", &json!([{"clip": {"aoi": square(100)}}]));
        for (style, micros) in [
            (QuotaStyle::Premium, 100_000),
            (QuotaStyle::Preferred, 1_000_000_000),
            (QuotaStyle::Starter, 1_000_000_000),
        ] {
            let plan = Plan {
                charges: vec![Charged::Km2],
                quota_style: style,
                ..Plan::default()
            };
            let estimate = estimate(&ask, &Prices::default(), &plan).unwrap();
            assert_eq!(total(&estimate, Unit::Km2).micros(), micros);
            assert_eq!(total(&estimate, Unit::Pu), Amount::ZERO);
        }
    }

    #[test]
    fn what_no_rule_knows_is_never_free() {
        for (bundle, tools, named) in [
            ("nonsense", json!([]), "nonsense"),
            ("visual", json!([{"upscale": {}}]), "upscale"),
            (
                "visual",
                json!([{"clip": {"aoi": {"type": "ref", "content": "pl:features/my/a/b"}}}]),
                "pl:features/my/a/b",
            ),
        ] {
            let why = estimate(
                &order(1, bundle, &tools),
                &Prices::default(),
                &Plan::default(),
            )
            .unwrap_err()
            .why;
            assert!(why.contains(named), "{why}");
        }
    }

    #[test]
    fn bytes_that_are_counted_as_they_pass_are_not_reserved_with_the_order() {
        let rules = |delivery: Value, meters_downloads| {
            let body = json!({"name": "o", "delivery": delivery, "products":
                [{"item_type": "PSScene", "product_bundle": "visual", "item_ids": ["a"]}]});
            let ask = orders::read(body.to_string().as_bytes()).unwrap();
            let plan = Plan {
                meters_downloads,
                ..Plan::default()
            };
            let estimate = estimate(&ask, &Prices::default(), &plan).unwrap();
            let lines = estimate.lines.into_iter().map(|line| line.rule);
            lines
                .filter(|rule| rule.ends_with("egress"))
                .collect::<Vec<_>>()
        };
        assert_eq!(rules(json!({}), false), ["download-egress"]);
        assert!(rules(json!({}), true).is_empty());
        let cloud = json!({"amazon_s3": {"bucket": "b"}});
        assert_eq!(rules(cloud, true), ["egress"]);
    }

    #[test]
    fn every_line_names_its_source() {
        let tools =
            json!([{"coregister": {"anchor_item": "x"}}, {"clip": {"aoi": square(100_000)}}]);
        let estimate = estimate(
            &order(3, "visual", &tools),
            &Prices::default(),
            &Plan::default(),
        )
        .unwrap();
        assert!(
            estimate
                .lines
                .iter()
                .all(|line| line.source.contains("planet.com"))
        );
        let coregister = estimate
            .lines
            .iter()
            .find(|line| line.rule == "coregister")
            .unwrap();
        assert!(coregister.exact && coregister.amount.whole_floor() == 18);
    }

    proptest! {
        #[test]
        fn whatever_stands_in_a_body_gives_a_price_or_a_sentence(
            body in wild::variations(json!({"source_type": "scenes", "order_type": "full",
                "products": [{"item_type": "PSScene", "product_bundle": "visual", "item_ids": ["a"]}],
                "tools": [{"clip": {"aoi": square(20_000)}}, {"toar": {}}, {"merge": {}}],
                "delivery": {"amazon_s3": {}}, "hosting": {"sentinel_hub": {}}})),
        ) {
            if let Ok(ask) = orders::read(body.to_string().as_bytes()) {
                let estimate = estimate(&ask, &Prices::default(), &Plan::default());
                prop_assert!(estimate.is_err() || !total(&estimate.unwrap(), Unit::Pu).is_zero());
            }
        }

        #[test]
        fn more_items_area_and_tools_never_cost_less(
            items in 1usize..20, more_items in 0usize..20,
            side in 100u32..500_000, more_side in 0u32..500_000,
            tools in 0usize..3, more_tools in 0usize..3,
        ) {
            let cost = |items, side, tools: usize| {
                let mut list = vec![json!({"clip": {"aoi": square(side)}})];
                list.extend(["toar", "harmonize", "bandmath", "tile", "composite"][..tools]
                    .iter().map(|tool| json!({*tool: {}})));
                let ask = order(items, "analytic_udm2", &Value::Array(list));
                estimate(&ask, &Prices::default(), &Plan::default()).unwrap()
            };
            let less = cost(items, side, tools);
            let more = cost(items + more_items, side + more_side, tools + more_tools);
            for unit in [Unit::Pu, Unit::Aum] {
                prop_assert!(total(&more, unit) >= total(&less, unit));
            }
        }
    }
}
