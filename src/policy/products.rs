//! Products by the names that Planet gives them. Everything else that a caller writes is `other`, unless
//! the policy itself names it: callers choose these texts, and must not be able to open a fresh budget
//! with each new one.

/// Item types of the Data and Orders APIs, product sources of subscriptions, collections of Sentinel Hub.
pub(super) const KNOWN: &[&str] = &[
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
    "sentinel-1-grd",
    "sentinel-2-l1c",
    "sentinel-2-l2a",
    "sentinel-3-olci",
    "sentinel-3-slstr",
    "sentinel-5p-l2",
    "landsat-mss-l1",
    "landsat-tm-l1",
    "landsat-tm-l2",
    "landsat-etm-l1",
    "landsat-etm-l2",
    "landsat-ot-l1",
    "landsat-ot-l2",
    "hls",
    "modis",
    "dem",
];

/// Upstreams read some of these in any case, so a change of case must not evade a budget.
pub(super) fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}
