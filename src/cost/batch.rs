//! The part that orders and subscriptions share: scenes are activated, worked on and delivered.

use super::{BillableAssets, Charged, Line, Plan, Prices, QuotaStyle, SceneFigures, egress};
use crate::planet::Unbounded;
use crate::planet::bundles::AssetCounts;
use crate::planet::geometry::Shape;
use crate::planet::tools::{Delivery, Tools};
use crate::units::{Amount, Pu, SquareKm, Unit};

pub(super) const PRICE_LIST: &str = "docs.planet.com/platform/processing-units";
pub(super) const QUOTA_STYLES: &str = "support.planet.com/hc/en-us/articles/4408257291793";
/// Added for every file: headers, padding, and the whole of a metadata file, at their most.
const BYTES_PER_FILE: u128 = 1 << 20;
const MICROS_PER_ONE: u128 = 1_000_000;

/// Scenes of one item type, and what is done with them.
pub(super) struct Batch<'a> {
    pub item_type: &'a str,
    /// `None`: there are figures for some types only, and without them an area cannot be bounded.
    pub figures: Option<&'a SceneFigures>,
    pub scenes: u64,
    pub assets: AssetCounts,
    pub tools: &'a Tools,
    pub clip: Option<&'a Shape>,
    pub delivery: Delivery,
    /// How the number of scenes came about: `500 items`.
    pub quantity: String,
}

/// How many of the assets are charged for.
pub(super) fn counted(assets: AssetCounts, billable: BillableAssets) -> u64 {
    match billable {
        BillableAssets::All => assets.all(),
        BillableAssets::Rasters => assets.images + assets.masks,
        BillableAssets::Images => assets.images,
    }
}

/// A line, unless its amount is past counting.
pub(super) fn line(
    rule: &'static str,
    unit: Unit,
    amount: Option<Amount>,
    quantity: String,
    source: &'static str,
) -> Result<Line, Unbounded> {
    let amount = amount.ok_or_else(|| Unbounded {
        why: format!("{quantity} is more than can be counted"),
    })?;
    Ok(Line {
        rule,
        unit,
        amount,
        quantity,
        source,
        exact: false,
    })
}

impl Batch<'_> {
    /// The lines of every unit that the plan charges.
    pub(super) fn lines(
        &self,
        prices: &Prices,
        plan: &Plan,
        billable: BillableAssets,
    ) -> Result<Vec<Line>, Unbounded> {
        let mut lines = Vec::new();
        if plan.charges.contains(&Charged::Pu) {
            self.pu_lines(prices, billable, &mut lines)?;
            if plan.predicts_egress(self.delivery) {
                lines.push(self.egress(prices)?);
            }
        }
        if plan.charges.contains(&Charged::Km2) {
            lines.push(self.downloaded(prices, plan, billable)?);
        }
        Ok(lines)
    }

    fn pu_lines(
        &self,
        prices: &Prices,
        billable: BillableAssets,
        lines: &mut Vec<Line>,
    ) -> Result<(), Unbounded> {
        let assets = counted(self.assets, billable);
        let activated = self.scenes.checked_mul(assets);
        let pu = |price: Pu, times: Option<u64>| Some(price.checked_mul(times?)?.amount());
        lines.push(line(
            "asset-activation",
            Unit::Pu,
            pu(prices.asset_activation, activated),
            format!("{} × {assets} assets", self.quantity),
            PRICE_LIST,
        )?);
        let parts = u64::try_from(self.clip.map_or(1, |shape| shape.parts().len())).ok();
        let outputs = activated.and_then(|activated| activated.checked_mul(parts?));
        let on = format!(
            "{} × {assets} assets × {} areas",
            self.quantity,
            parts.unwrap_or(0)
        );
        if self.tools.clip.is_some() {
            lines.push(line(
                "clip",
                Unit::Pu,
                pu(prices.clip, outputs),
                on.clone(),
                PRICE_LIST,
            )?);
        }
        for tool in &self.tools.others {
            lines.push(line(
                tool,
                Unit::Pu,
                pu(prices.other_tool, outputs),
                on.clone(),
                PRICE_LIST,
            )?);
        }
        Ok(())
    }

    /// Every file of every scene at its uncompressed size.
    fn egress(&self, prices: &Prices) -> Result<Line, Unbounded> {
        let figures = self.known_figures("how large its files are")?;
        let area = self.delivered_area(figures)?;
        let density = u128::from(self.assets.images)
            .checked_mul(figures.image_bytes_per_km2.into())
            .zip(u128::from(self.assets.masks).checked_mul(figures.mask_bytes_per_km2.into()))
            .and_then(|(images, masks)| images.checked_add(masks));
        let parts = self.clip.map_or(1, |shape| shape.parts().len());
        let bytes = density.and_then(|density| {
            let pixels = u128::from(area.micros().unsigned_abs())
                .checked_mul(density)?
                .div_ceil(MICROS_PER_ONE);
            let files = u128::from(self.assets.all()).checked_mul(u128::try_from(parts).ok()?)?;
            pixels
                .checked_add(files.checked_mul(BYTES_PER_FILE)?)?
                .checked_mul(self.scenes.into())
        });
        egress(prices, bytes, self.delivery, &self.quantity)
    }

    /// What a scene covers once it is clipped: no more than the clip, and no more than the scene, part
    /// by part.
    fn delivered_area(&self, figures: &SceneFigures) -> Result<SquareKm, Unbounded> {
        let Some(clip) = self.clip else {
            return Ok(figures.footprint);
        };
        sum(clip
            .parts()
            .iter()
            .map(|part| part.area().min(figures.footprint)))
    }

    /// km² of a download quota.
    fn downloaded(
        &self,
        prices: &Prices,
        plan: &Plan,
        billable: BillableAssets,
    ) -> Result<Line, Unbounded> {
        let figures = self.known_figures("how large its scenes are")?;
        let minimum = match plan.quota_style {
            QuotaStyle::Premium => prices.premium_minimum,
            QuotaStyle::Preferred | QuotaStyle::Starter => prices.preferred_minimum,
        };
        let each = match self.clip {
            None => figures.footprint,
            Some(clip) => sum(clip
                .parts()
                .iter()
                .map(|part| part.area().min(figures.footprint).max(minimum)))?,
        };
        // Metadata files are not charged in km², by Planet's own word; each raster may be.
        let rasters = match billable {
            BillableAssets::All | BillableAssets::Rasters => self.assets.images + self.assets.masks,
            BillableAssets::Images => self.assets.images,
        };
        let amount = self
            .scenes
            .checked_mul(rasters)
            .and_then(|files| each.checked_mul(files));
        let quantity = format!("{} × {rasters} rasters × {each} km²", self.quantity);
        line(
            "download-quota",
            Unit::Km2,
            amount.map(SquareKm::amount),
            quantity,
            QUOTA_STYLES,
        )
    }

    fn known_figures(&self, what: &str) -> Result<&SceneFigures, Unbounded> {
        self.figures.ok_or_else(|| Unbounded {
            why: format!(
                "nothing says {what} for {}; set [prices.scenes.{}] in the policy",
                self.item_type, self.item_type
            ),
        })
    }
}

/// At most so many `bytes` at the price of egress. What is downloaded by links is charged when it is
/// downloaded, under the rule's other name.
pub(super) fn egress(
    prices: &Prices,
    bytes: Option<u128>,
    delivery: Delivery,
    quantity: &str,
) -> Result<Line, Unbounded> {
    let rule = match delivery {
        Delivery::Links => egress::BY_LINK,
        Delivery::Cloud | Delivery::Collection => "egress",
    };
    let amount = bytes.and_then(|bytes| egress::price(bytes, prices));
    let megabytes = bytes.unwrap_or(u128::MAX).div_ceil(1_000_000);
    line(
        rule,
        Unit::Pu,
        amount,
        format!("{quantity}, at most {megabytes} MB"),
        PRICE_LIST,
    )
}

/// Merge and coregister are priced by the request.
pub(super) fn per_request(tools: &Tools, prices: &Prices) -> Result<Vec<Line>, Unbounded> {
    [
        ("merge", prices.merge, tools.merges),
        ("coregister", prices.coregister, tools.coregisters),
    ]
    .into_iter()
    .filter(|(_, _, times)| *times > 0)
    .map(|(rule, price, times)| {
        let amount = price.checked_mul(times).map(Pu::amount);
        let request = line(
            rule,
            Unit::Pu,
            amount,
            format!("{times} × {price} PU"),
            PRICE_LIST,
        )?;
        Ok(Line {
            exact: true,
            ..request
        })
    })
    .collect()
}

/// Refuses what no rule knows.
pub(super) fn known(tools: &Tools, unread: Option<&str>) -> Result<(), Unbounded> {
    if let Some(tool) = &tools.unknown {
        return Err(Unbounded {
            why: format!("the price of the tool '{tool}' is not known, or it stands twice"),
        });
    }
    if let Some(member) = unread {
        return Err(Unbounded {
            why: format!("the member '{member}' is not known, and could change what is charged"),
        });
    }
    Ok(())
}

pub(super) fn sum(areas: impl Iterator<Item = SquareKm>) -> Result<SquareKm, Unbounded> {
    let mut areas = areas;
    areas
        .try_fold(SquareKm::ZERO, SquareKm::checked_add)
        .ok_or_else(|| Unbounded {
            why: "the area is more than can be counted".into(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::Estimate;

    const NO_CLIP: Option<&Shape> = None;

    fn batch(tools: &Tools, delivery: Delivery) -> Batch<'_> {
        Batch {
            item_type: "PSScene",
            figures: None,
            scenes: 10,
            assets: AssetCounts {
                images: 1,
                masks: 1,
                metadata: 1,
            },
            tools,
            clip: NO_CLIP,
            delivery,
            quantity: "10 items".into(),
        }
    }

    #[test]
    fn planets_ordering_example_costs_what_its_lines_add_up_to() {
        // 292 observations of ten fields in a year. Two overlapping scenes to each observation are
        // activated; clip and harmonize are counted by field. Planet prints 20,531, one less than the
        // sum of the lines that it prints: 11,680 + 2,920 + 5,840 + 92.
        let prices = Prices::default();
        let pu = |price: Pu, times: u64| price.checked_mul(times).unwrap().amount();
        let activation = pu(prices.asset_activation, 292 * 2);
        let clip = pu(prices.clip, 292 * 10);
        let harmonize = pu(prices.other_tool, 292 * 10);
        let egress = egress(&prices, Some(460_000_000), Delivery::Cloud, "0.46 GB").unwrap();
        let lines = [activation, clip, harmonize, egress.amount];
        assert_eq!(lines.map(Amount::whole_floor), [11_680, 2_920, 5_840, 92]);
        let total: i64 = lines.iter().map(|amount| amount.micros()).sum();
        assert_eq!(total, 20_532_000_000);
    }

    #[test]
    fn the_three_counts_of_assets_are_each_a_price() {
        let tools = Tools::default();
        let cost = |billable| {
            let lines = batch(&tools, Delivery::Collection)
                .lines(&Prices::default(), &Plan::default(), billable)
                .unwrap();
            Estimate { lines }
                .totals()
                .unwrap()
                .get(Unit::Pu)
                .unwrap()
                .whole_floor()
        };
        assert_eq!(cost(BillableAssets::All), 600);
        assert_eq!(cost(BillableAssets::Rasters), 400);
        assert_eq!(cost(BillableAssets::Images), 200);
    }

    #[test]
    fn without_figures_egress_and_km2_have_no_bound() {
        let tools = Tools::default();
        let by_links = batch(&tools, Delivery::Links);
        let prices = Prices::default();
        let plan = Plan {
            meters_downloads: false,
            ..Plan::default()
        };
        assert!(by_links.lines(&prices, &plan, BillableAssets::All).is_err());
        let km2 = Plan {
            charges: vec![Charged::Km2],
            ..plan
        };
        let why = batch(&tools, Delivery::Collection)
            .lines(&prices, &km2, BillableAssets::All)
            .unwrap_err()
            .why;
        assert!(why.contains("prices.scenes.PSScene"), "{why}");
    }
}
