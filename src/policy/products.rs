//! Products by the names that Planet gives them. Everything else that a caller writes is `other`, unless
//! the policy itself names it: callers choose these texts, and must not be able to open a fresh budget
//! with each new one.

use crate::planet::collections::Collection;

/// Item types of the Data and Orders APIs, and product sources of subscriptions.
const KNOWN: &[&str] = &[
    "PSScene",
    "PSOrthoTile",
    "REOrthoTile",
    "REScene",
    "SkySatCollect",
    "SkySatScene",
    "SkySatVideo",
    "PelicanScene",
    "TanagerScene",
    "TanagerMethane",
    "Landsat8L1G",
    "Sentinel2L1C",
    "Sentinel1",
    "MOD09GA",
    "MOD09GQ",
    "MYD09GA",
    "MYD09GQ",
    "analysis_ready_ps",
    "biomass_proxy",
    "soil_water_content",
    "land_surface_temperature",
    "forest_carbon_diligence_30m",
    "forest_carbon_monitoring_3m",
    "field_boundaries_sentinel_2_p1m",
];

/// Whether two texts name one product: a Sentinel Hub collection goes by several names, and some upstreams
/// do not mind case, so neither must evade a budget.
pub(super) fn same(one: &str, other: &str) -> bool {
    canonical(one).eq_ignore_ascii_case(canonical(other))
}

/// The product's name as Planet spells it.
pub(super) fn known(written: &str) -> Option<&'static str> {
    let listed = || KNOWN.iter().copied().find(|name| same(name, written));
    Collection::named(written)
        .map(|collection| collection.name)
        .or_else(listed)
}

fn canonical(name: &str) -> &str {
    Collection::named(name).map_or(name, |collection| collection.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_one_by_all_its_names() {
        assert!(same("S2L2A", "sentinel-2-l2a"));
        assert!(same("psscene", "PSScene"));
        assert!(!same("sentinel-2-l1c", "sentinel-2-l2a"));
        assert_eq!(known("S2L2A"), Some("sentinel-2-l2a"));
        assert_eq!(known("PSSCENE"), Some("PSScene"));
        assert_eq!(known("byoc-1"), None);
    }
}
