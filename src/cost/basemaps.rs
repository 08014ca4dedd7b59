//! What basemap quads and tiles cost.

use super::batch::{self, PRICE_LIST};
use super::{Charged, Estimate, Line, Plan, Prices};
use crate::planet::Unbounded;
use crate::planet::basemaps::{MosaicKind, Quad, Tile, Touched, mosaic_kind};
use crate::planet::orders::{OrderAsk, Quads, Wanted};
use crate::planet::tools::Delivery;
use crate::units::{Amount, Pu, Unit};

/// 4096 × 4096 pixels, eight bands and a mask of 16 bits each, uncompressed.
const QUAD_BYTES: u128 = 4_096 * 4_096 * 9 * 2;

/// One quad by `GET …/quads/{id}/full`. Its bytes are predicted even where they are counted: the quad is
/// charged as soon as it is asked for, and then it is too late to find that there is no room for them.
pub fn quad(quad: &Quad, prices: &Prices, plan: &Plan) -> Result<Estimate, Unbounded> {
    priced(plan)?;
    let bytes = Some(QUAD_BYTES);
    Ok(Estimate {
        lines: vec![
            quads_line(&quad.mosaic, 1, prices)?,
            batch::egress(prices, bytes, Delivery::Links, "1 quad")?,
        ],
    })
}

/// Quads have a price in PU alone.
fn priced(plan: &Plan) -> Result<(), Unbounded> {
    if plan.charges.contains(&Charged::Pu) {
        return Ok(());
    }
    Err(Unbounded {
        why: "basemaps are priced in PU, and the plan charges none".into(),
    })
}

/// One tile of a basemap or a scene, on a miss: a PU by the one published tile price, and one of the
/// tile quota.
pub fn tile(tile: &Tile, prices: &Prices, plan: &Plan) -> Result<Estimate, Unbounded> {
    let quantity = format!("1 tile of {}", tile.product);
    let mut lines = vec![Line {
        exact: true,
        ..batch::line(
            "tile-quota",
            Unit::Tiles,
            Some(Amount::ONE),
            quantity.clone(),
            batch::QUOTA_STYLES,
        )?
    }];
    if plan.charges.contains(&Charged::Pu) {
        let price = Some(prices.basemap_tile.amount());
        lines.push(batch::line("tile", Unit::Pu, price, quantity, PRICE_LIST)?);
    }
    Ok(Estimate { lines })
}

/// The quads of one product of an order.
pub(super) fn ordered(
    quads: &Quads,
    ask: &OrderAsk,
    prices: &Prices,
    plan: &Plan,
) -> Result<Vec<Line>, Unbounded> {
    priced(plan)?;
    let (count, basis) = count(quads)?;
    let mut line = quads_line(&quads.mosaic, count, prices)?;
    line.quantity.push_str(basis);
    let mut lines = vec![line];
    let quantity = format!("{count} quads");
    let worked_on = |price: Pu| price.checked_mul(count).map(Pu::amount);
    if ask.tools.clip.is_some() {
        let clip = worked_on(prices.clip);
        lines.push(batch::line(
            "clip",
            Unit::Pu,
            clip,
            quantity.clone(),
            PRICE_LIST,
        )?);
    }
    for tool in &ask.tools.others {
        let price = worked_on(prices.other_tool);
        lines.push(batch::line(
            tool,
            Unit::Pu,
            price,
            quantity.clone(),
            PRICE_LIST,
        )?);
    }
    if plan.predicts_egress(ask.delivery) {
        let bytes = QUAD_BYTES.checked_mul(count.into());
        lines.push(batch::egress(prices, bytes, ask.delivery, &quantity)?);
    }
    Ok(lines)
}

/// How many quads there are at most, and who says so.
fn count(quads: &Quads) -> Result<(u64, &'static str), Unbounded> {
    let unknown = |why: &str| Unbounded {
        why: format!(
            "how many quads of {} the geometry touches is not known{why}; list quad_ids",
            quads.mosaic
        ),
    };
    match (&quads.wanted, &quads.touched) {
        (Wanted::Listed(ids), _) => Ok((u64::try_from(ids.len()).unwrap_or(u64::MAX), "")),
        (Wanted::Touching(_), Touched::Counted(count)) => Ok((*count, ", as counted by Planet")),
        (Wanted::Touching(_), Touched::AtMost(count)) => {
            Ok((*count, ", at most, by the mosaic's grid"))
        }
        (Wanted::Touching(_), Touched::NotAsked) => Err(unknown(" here")),
        (Wanted::Touching(_), Touched::Unknown(why)) => Err(unknown(&format!(" ({why})"))),
    }
}

/// `count` quads at the price of their mosaic; the dearest where none is published.
fn quads_line(mosaic: &str, count: u64, prices: &Prices) -> Result<Line, Unbounded> {
    let dearest = prices.quad_visual.max(prices.quad_surface_reflectance);
    let (rule, price) = match mosaic_kind(mosaic) {
        MosaicKind::MonthlyVisual => ("quad-visual", prices.quad_visual),
        MosaicKind::MonthlySurfaceReflectance => {
            ("quad-surface-reflectance", prices.quad_surface_reflectance)
        }
        MosaicKind::Other => ("quad-dearest", dearest),
    };
    let name: String = mosaic.chars().take(80).collect();
    let amount = price.checked_mul(count).map(Pu::amount);
    let quantity = format!("{count} quads of {name} × {price} PU");
    batch::line(rule, Unit::Pu, amount, quantity, PRICE_LIST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planet::orders::{self, Ordered};

    fn pu(estimate: &Estimate, rule: &str) -> Option<i64> {
        let line = estimate.lines.iter().find(|line| line.rule == rule)?;
        Some(line.amount.whole_floor())
    }

    #[test]
    fn a_quad_costs_what_its_mosaic_does_and_the_dearest_when_nobody_knows() {
        for (mosaic, rule, cost) in [
            ("global_monthly_2026_07_mosaic", "quad-visual", 1_500),
            (
                "ps_monthly_normalized_analytic_2026_07_mosaic",
                "quad-surface-reflectance",
                3_000,
            ),
            ("7d3a4d1f", "quad-dearest", 3_000),
        ] {
            let ask = Quad {
                mosaic: mosaic.into(),
            };
            let estimate = quad(&ask, &Prices::default(), &Plan::default()).unwrap();
            assert_eq!(pu(&estimate, rule), Some(cost), "{mosaic}");
            assert!(pu(&estimate, "download-egress").is_some());
        }
    }

    #[test]
    fn a_quad_has_no_price_where_no_pu_are_charged_and_is_not_free() {
        let plan = Plan {
            charges: vec![Charged::Km2],
            ..Plan::default()
        };
        let ask = Quad {
            mosaic: "global_monthly_2026_07_mosaic".into(),
        };
        let why = quad(&ask, &Prices::default(), &plan).unwrap_err().why;
        assert!(why.contains("priced in PU"), "{why}");
    }

    #[test]
    fn a_tile_is_a_pu_and_a_tile() {
        let ask = Tile {
            product: "PSScene".into(),
        };
        let totals = tile(&ask, &Prices::default(), &Plan::default())
            .unwrap()
            .totals()
            .unwrap();
        assert_eq!(totals.to_string(), "pu=1, tiles=1");
    }

    #[test]
    fn an_order_of_quads_adds_them_up_and_merges_once() {
        let order = |wanted: &str| {
            orders::read(
                format!(
                    r#"{{"source_type":"basemaps","hosting":{{"sentinel_hub":{{}}}},"tools":[{{"merge":{{}}}}],
                        "products":[{{"mosaic_name":"global_monthly_2026_07_mosaic",{wanted}}}]}}"#
                )
                .as_bytes(),
            )
            .unwrap()
        };
        let price = |ask: OrderAsk| {
            super::super::orders::estimate(&ask, &Prices::default(), &Plan::default())
        };
        let listed = price(order(r#""quad_ids":["1205-1103","1206-1103"]"#)).unwrap();
        assert_eq!(listed.totals().unwrap().to_string(), "pu=3010");
        let touching = r#""geometry":{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]}"#;
        let mut touching = order(touching);
        assert!(
            price(touching.clone())
                .unwrap_err()
                .why
                .contains("quad_ids")
        );
        for (touched, pu) in [
            (Touched::Counted(3), Ok("pu=4510")),
            (Touched::AtMost(4), Ok("pu=6010")),
            (
                Touched::Unknown("Planet sleeps".into()),
                Err("Planet sleeps"),
            ),
        ] {
            let Ordered::Quads(quads) = &mut touching.products[0] else {
                panic!("{touching:?}");
            };
            quads.touched = touched;
            match (price(touching.clone()), pu) {
                (Ok(estimate), Ok(pu)) => assert_eq!(estimate.totals().unwrap().to_string(), pu),
                (Err(unbounded), Err(why)) => assert!(unbounded.why.contains(why), "{unbounded}"),
                (other, _) => panic!("{other:?}"),
            }
        }
    }
}
