//! Planet's published figures. Each can be overridden by its name in the policy's `[prices]`.

use serde::Deserialize;

use super::{NotYetApplied, SceneTable};
use crate::units::{Pu, SquareKm};

macro_rules! prices {
    ($($(#[$doc:meta])* $name:ident: $kind:ident = $micros:literal),+ $(,)?) => {
        /// The price list, with Planet's figures as defaults.
        #[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
        #[serde(default, deny_unknown_fields)]
        pub struct Prices {
            $($(#[$doc])* pub $name: $kind,)+
            /// What is known of each item type's scenes.
            pub scenes: SceneTable,
            /// What Planet announces and does not charge yet.
            pub not_yet_applied: NotYetApplied,
        }

        impl Default for Prices {
            fn default() -> Self {
                Self {
                    $($name: const {
                        match $kind::from_micros($micros) {
                            Some(price) => price,
                            None => panic!("a price is never negative"),
                        }
                    },)+
                    scenes: SceneTable::default(),
                    not_yet_applied: NotYetApplied::default(),
                }
            }
        }
    };
}

prices! {
    /// PU for each asset that is activated, once within 24 hours.
    asset_activation: Pu = 20_000_000,
    /// PU for each data asset that is clipped.
    clip: Pu = 1_000_000,
    /// PU for each order that merges basemap quads.
    merge: Pu = 10_000_000,
    /// PU for each order that coregisters.
    coregister: Pu = 18_000_000,
    /// PU for each data asset and each tool but clip, merge and coregister.
    other_tool: Pu = 2_000_000,
    /// PU for each quad of a visual basemap.
    quad_visual: Pu = 1_500_000_000,
    /// PU for each quad of a surface reflectance basemap.
    quad_surface_reflectance: Pu = 3_000_000_000,
    /// PU for each basemap tile.
    basemap_tile: Pu = 1_000_000,
    /// PU for each GB that leaves Planet, but to data collections.
    egress_gb: Pu = 200_000_000,
    /// The least PU that one Processing API call or OGC image costs.
    process_minimum: Pu = 5_000,
    /// The least PU that one Statistical API call costs.
    statistics_minimum: Pu = 10_000,
    /// The least PU that one asynchronous processing call costs.
    async_minimum: Pu = 10_000_000,
    /// PU for each MB that an asynchronous image sends to another region.
    region_egress_mb: Pu = 30_000,
    /// PU for each started 100 ms that a script runs beyond 200 ms, once that is charged.
    script_time_100ms: Pu = 500_000,
    /// The least PU that one batch task costs.
    batch_minimum: Pu = 100_000_000,
    /// PU for each write to the BYOC and Zarr APIs.
    collection_write: Pu = 1_000_000,
    /// The least and the most PU that one Catalog or WFS query costs.
    query_minimum: Pu = 10_000,
    query_maximum: Pu = 1_000_000,
    /// km² that a clipped area counts at least under the premium quota style.
    premium_minimum: SquareKm = 10_000,
    /// km² that a clipped area counts at least under the preferred quota style.
    preferred_minimum: SquareKm = 100_000_000,
    /// km² that each parcel counts at least under the union rules of area under management.
    parcel_minimum: SquareKm = 10_000,
    /// km² that an area counts at least when quota is reserved for a product; the analysis-ready
    /// product's minimum, the largest that Planet shows.
    product_minimum: SquareKm = 25_000_000,
}
