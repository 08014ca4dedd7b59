//! How Planet charges an account. Its own pages disagree, so it is a setting: the policy's `[plan]`.

use serde::Deserialize;

#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// What imagery is charged in; both may apply.
    pub charges: Vec<Charged>,
    pub quota_style: QuotaStyle,
    pub aum: AumRule,
    pub billable_assets: BillableAssets,
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

impl Default for Plan {
    fn default() -> Self {
        Self {
            charges: vec![Charged::Pu],
            quota_style: QuotaStyle::Premium,
            aum: AumRule::Larger,
            billable_assets: BillableAssets::Rasters,
        }
    }
}
