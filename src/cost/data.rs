//! What activating and downloading one asset costs, and what a reservation takes.

use super::aum;
use super::batch::{self, Batch, PRICE_LIST};
use super::{BillableAssets, Charged, Estimate, Plan, Prices};
use crate::planet::Unbounded;
use crate::planet::bundles::AssetCounts;
use crate::planet::data::Asset;
use crate::planet::quota::ReservationAsk;
use crate::planet::tools::{Delivery, Tools};
use crate::units::{Amount, SquareKm, Unit};

const ESTIMATES: &str = "Planet's own estimate, docs.planet.com/develop/apis/quota";

/// One asset, unless somebody has activated it within 24 hours. On km² plans it is the download that
/// is charged.
pub fn activation(asset: &Asset, prices: &Prices, plan: &Plan) -> Result<Estimate, Unbounded> {
    let mut estimate = Estimate::default();
    if plan.charges.contains(&Charged::Pu) {
        estimate.lines.push(batch::line(
            "asset-activation",
            Unit::Pu,
            Some(prices.asset_activation.amount()),
            format!(
                "1 asset of {}, once within 24 hours",
                shown(&asset.item_type)
            ),
            PRICE_LIST,
        )?);
    }
    Ok(estimate)
}

/// One asset that was activated and charged already, less than 24 hours ago.
pub fn activated_before(asset: &Asset, plan: &Plan) -> Result<Estimate, Unbounded> {
    let mut estimate = Estimate::default();
    if plan.charges.contains(&Charged::Pu) {
        let quantity = format!(
            "1 asset of {}, activated within the last 24 hours",
            shown(&asset.item_type)
        );
        let free = Some(Amount::ZERO);
        let line = batch::line("asset-activation", Unit::Pu, free, quantity, PRICE_LIST)?;
        estimate.lines.push(line);
    }
    Ok(estimate)
}

/// One asset's whole scene: as area under management, and on km² plans. A range or a look at the headers is
/// charged as much.
///
/// Its bytes are predicted where they are not counted; and where the scene's km² are charged as soon as it is
/// asked for, for then it is too late to find that there is no room for its bytes.
pub fn download(asset: &Asset, prices: &Prices, plan: &Plan) -> Result<Estimate, Unbounded> {
    let plan = &Plan {
        meters_downloads: plan.meters_downloads && !plan.charges.contains(&Charged::Km2),
        ..plan.clone()
    };
    let mut assets = AssetCounts::default();
    assets.add_named(&asset.asset_type);
    let tools = Tools::default();
    let item_type = shown(&asset.item_type);
    let figures = prices.scenes.of(&asset.item_type);
    let batch = Batch {
        item_type: &item_type,
        figures,
        scenes: 1,
        assets,
        tools: &tools,
        clip: None,
        delivery: Delivery::Links,
        quantity: format!("1 {item_type} item"),
    };
    let mut lines = batch.lines(prices, plan, BillableAssets::All)?;
    lines.retain(|line| line.rule != "asset-activation");
    if batch::counted(assets, BillableAssets::Rasters) > 0 {
        lines.push(aum::footprint(&item_type, figures)?);
    }
    Ok(Estimate { lines })
}

/// Reserved km² are told by Planet's own estimate, and by nothing in the request.
pub fn reservation(ask: &ReservationAsk) -> Result<Estimate, Unbounded> {
    let product = ask.product_id;
    let Some(told) = ask.told else {
        return Err(Unbounded {
            why: format!(
                "how many km² of product {product} the reservation takes is not known until Planet \
                 estimates it"
            ),
        });
    };
    let mut quantity = format!("{} km² of product {product}", told.cost);
    if told.already > SquareKm::ZERO {
        quantity = format!(
            "{quantity}, besides {} km² that is reserved already",
            told.already
        );
    }
    let amount = Some(told.cost.amount());
    let line = batch::line("reservation", Unit::Quota, amount, quantity, ESTIMATES)?;
    Ok(Estimate { lines: vec![line] })
}

fn shown(name: &str) -> String {
    name.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asset(item_type: &str, asset_type: &str) -> Asset {
        Asset {
            item_type: item_type.into(),
            item: "a".into(),
            asset_type: asset_type.into(),
        }
    }

    fn totals(estimate: Result<Estimate, Unbounded>) -> String {
        estimate.unwrap().totals().unwrap().to_string()
    }

    #[test]
    fn an_activation_is_twenty_pu_of_whatever_type() {
        for item_type in ["PSScene", "Unheard"] {
            let asset = asset(item_type, "ortho_udm2");
            let estimate = activation(&asset, &Prices::default(), &Plan::default());
            assert_eq!(totals(estimate), "pu=20");
        }
    }

    #[test]
    fn a_reservation_takes_what_planet_says_and_has_no_price_before() {
        let body = br#"{"product_id": 7, "aoi_refs": ["pl:features/my/a/b"]}"#;
        let mut ask = crate::planet::quota::read(body, true).unwrap();
        assert!(reservation(&ask).unwrap_err().why.contains("product 7"));
        ask.told = Some(crate::planet::quota::Told {
            cost: SquareKm::from_whole(50).unwrap(),
            already: SquareKm::from_whole(25).unwrap(),
        });
        let estimate = reservation(&ask).unwrap();
        assert!(estimate.lines[0].quantity.contains("besides 25 km²"));
        assert_eq!(totals(Ok(estimate)), "quota=50");
    }

    #[test]
    fn a_download_costs_its_bytes_or_its_whole_scene() {
        let prices = Prices::default();
        let charging = |charges: &[Charged], meters_downloads| Plan {
            charges: charges.to_vec(),
            meters_downloads,
            ..Plan::default()
        };
        let pu = charging(&[Charged::Pu], false);
        let km2 = charging(&[Charged::Km2], true);
        let image = asset("PSScene", "ortho_analytic_8b_sr");
        let metadata = asset("PSScene", "ortho_analytic_8b_xml");
        let estimate = download(&image, &prices, &pu).unwrap();
        let rules: Vec<_> = estimate.lines.iter().map(|line| line.rule).collect();
        assert_eq!(rules, ["download-egress", "aum-footprints"]);
        assert_eq!(estimate.lines[0].amount.whole_floor(), 249);
        assert_eq!(estimate.lines[1].amount.whole_floor(), 700);
        assert_eq!(totals(download(&metadata, &prices, &pu)), "pu=0.209716");
        assert_eq!(totals(download(&image, &prices, &km2)), "aum=700, km2=700");
        assert_eq!(totals(download(&metadata, &prices, &km2)), "km2=0");
        let metered = charging(&[Charged::Pu], true);
        for plan in [&pu, &km2, &metered] {
            assert!(download(&asset("Unheard", "visual"), &prices, plan).is_err());
        }
        assert_eq!(totals(download(&image, &prices, &metered)), "aum=700");
        assert_eq!(totals(download(&metadata, &prices, &metered)), "");
        let both = charging(&[Charged::Pu, Charged::Km2], true);
        let estimate = download(&image, &prices, &both).unwrap();
        assert_eq!(super::super::egress::reserved(&estimate).whole_floor(), 249);
    }
}
