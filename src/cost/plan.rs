//! How Planet charges an account. Its own pages disagree, so it is a setting: the policy's `[plan]`.

use serde::Deserialize;

use crate::planet::tools::Delivery;

#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// What imagery is charged in; both may apply.
    pub charges: Vec<Charged>,
    pub quota_style: QuotaStyle,
    pub aum: AumRule,
    pub billable_assets: BillableAssets,
    /// Whether what is downloaded by links is charged by the byte as it passes, so that an order reserves
    /// nothing of it. It is no key of `[plan]`: `policy.meter_egress` says it.
    #[serde(skip)]
    pub meters_downloads: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Charged {
    /// Processing units: the self-service plans.
    Pu,
    /// A download quota in km².
    Km2,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum QuotaStyle {
    Premium,
    Preferred,
    Starter,
}

/// Which of Planet's accounts of area under management holds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum AumRule {
    /// Area × days from start to end.
    AreaXDays,
    /// The union of all areas, once a term.
    Union,
    /// The union of the footprints that were delivered.
    UnionOfFootprints,
    /// The larger of `area-x-days` and `union`.
    Larger,
}

/// Which assets of a bundle are settled on; all of them are reserved.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum BillableAssets {
    All,
    Rasters,
    Images,
}

impl AumRule {
    /// Whether land counts once in a term, so that it matters what is locked already.
    pub const fn counts_land_once(self) -> bool {
        match self {
            Self::AreaXDays => false,
            Self::Union | Self::UnionOfFootprints | Self::Larger => true,
        }
    }
}

impl Plan {
    /// Whether the bytes of a delivery are paid for with what orders it.
    pub(super) fn predicts_egress(&self, delivery: Delivery) -> bool {
        match delivery {
            Delivery::Collection => false,
            Delivery::Cloud => true,
            Delivery::Links => !self.meters_downloads,
        }
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            charges: vec![Charged::Pu],
            quota_style: QuotaStyle::Premium,
            aum: AumRule::Larger,
            billable_assets: BillableAssets::Rasters,
            meters_downloads: true,
        }
    }
}
