//! Which assets a product bundle holds, by item type.
//!
//! From the bundle specification of 2024-08-12, the last that Planet's client repository kept. What is
//! not listed here is not guessed at: it has no upper bound.

use super::Unbounded;

/// How many assets of each sort; Planet's texts differ on which of them it charges for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AssetCounts {
    /// Image rasters.
    pub images: u64,
    /// Usable data masks: rasters too.
    pub masks: u64,
    /// XML, RPC and JSON files.
    pub metadata: u64,
}

impl AssetCounts {
    const fn of(images: u64, masks: u64, metadata: u64) -> Self {
        Self {
            images,
            masks,
            metadata,
        }
    }

    /// Counts an asset type by its name.
    pub fn add_named(&mut self, asset_type: &str) {
        let name = asset_type.to_ascii_lowercase();
        if ["_xml", "_rpc", "_json", "metadata"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            self.metadata += 1;
        } else if name.contains("udm") {
            self.masks += 1;
        } else {
            self.images += 1;
        }
    }

    pub fn all(self) -> u64 {
        self.images + self.masks + self.metadata
    }

    /// Enough of each sort for either of two.
    #[must_use]
    fn or(self, other: Self) -> Self {
        Self {
            images: self.images.max(other.images),
            masks: self.masks.max(other.masks),
            metadata: self.metadata.max(other.metadata),
        }
    }
}

/// Bundles of one item type: the names that share the counts of images, masks and metadata files.
type Table = &'static [(&'static [&'static str], AssetCounts)];

const PS_SCENE: Table = &[
    (
        &[
            "analytic_udm2",
            "analytic_3b_udm2",
            "analytic_8b_udm2",
            "analytic_sr_udm2",
            "analytic_8b_sr_udm2",
        ],
        AssetCounts::of(1, 1, 1),
    ),
    (&["visual"], AssetCounts::of(1, 0, 0)),
    (
        &["basic_analytic_udm2", "basic_analytic_8b_udm2"],
        AssetCounts::of(1, 1, 2),
    ),
];

const RE_ORTHO_TILE: Table = &[
    (&["analytic", "analytic_sr"], AssetCounts::of(1, 1, 1)),
    (&["visual"], AssetCounts::of(1, 0, 1)),
];

/// Five band files and a browse image.
const RE_SCENE: Table = &[(
    &["basic_analytic", "basic_analytic_nitf"],
    AssetCounts::of(6, 1, 3),
)];

const PS_ORTHO_TILE: Table = &[
    (
        &["analytic", "analytic_5b", "analytic_sr", "uncalibrated_dn"],
        AssetCounts::of(1, 1, 1),
    ),
    (
        &[
            "analytic_udm2",
            "analytic_5b_udm2",
            "analytic_sr_udm2",
            "uncalibrated_dn_udm2",
        ],
        AssetCounts::of(1, 2, 1),
    ),
    (&["visual"], AssetCounts::of(1, 0, 1)),
];

const SKY_SAT_COLLECT: Table = &[
    (
        &[
            "analytic",
            "analytic_sr",
            "uncalibrated_dn",
            "panchromatic",
            "panchromatic_udm2",
            "panchromatic_dn",
            "pansharpened",
        ],
        AssetCounts::of(1, 1, 0),
    ),
    (
        &[
            "analytic_udm2",
            "analytic_sr_udm2",
            "uncalibrated_dn_udm2",
            "panchromatic_dn_udm2",
            "pansharpened_udm2",
        ],
        AssetCounts::of(1, 2, 0),
    ),
    (&["visual"], AssetCounts::of(1, 0, 0)),
];

/// One asset, by the name `basic_l1a_all_frames`: an archive of frames.
const SKY_SAT_COLLECT_BASIC: Table = &[(&["basic_l1a_dn"], AssetCounts::of(1, 0, 0))];

const SKY_SAT_SCENE_BASIC: Table = &[
    (
        &[
            "basic_analytic",
            "basic_uncalibrated_dn",
            "basic_panchromatic",
            "basic_panchromatic_dn",
        ],
        AssetCounts::of(1, 1, 1),
    ),
    (
        &["basic_analytic_udm2", "basic_uncalibrated_dn_udm2"],
        AssetCounts::of(1, 2, 1),
    ),
    (&["basic_l1a_dn"], AssetCounts::of(1, 0, 1)),
];

/// Known to hold one image in two or three assets.
const PELICAN_SCENE: Table = &[
    (
        &[
            "analytic_udm2",
            "analytic_sr_udm2",
            "panchromatic_udm2",
            "pansharpened_udm2",
        ],
        AssetCounts::of(1, 1, 0),
    ),
    (&["visual"], AssetCounts::of(1, 0, 0)),
    (&["basic_l1a_dn"], AssetCounts::of(1, 0, 1)),
];

const ITEM_TYPES: &[(&str, &[Table])] = &[
    ("PSScene", &[PS_SCENE]),
    ("REOrthoTile", &[RE_ORTHO_TILE]),
    ("REScene", &[RE_SCENE]),
    ("PSOrthoTile", &[PS_ORTHO_TILE]),
    ("SkySatScene", &[SKY_SAT_COLLECT, SKY_SAT_SCENE_BASIC]),
    ("SkySatCollect", &[SKY_SAT_COLLECT, SKY_SAT_COLLECT_BASIC]),
    ("PelicanScene", &[PELICAN_SCENE]),
    ("TanagerScene", &[]),
    ("TanagerMethane", &[]),
];

/// The item type that a name means, whatever its case: upstream may correct the case or refuse the
/// name, and the price of the corrected one covers both.
pub fn item_type(name: &str) -> Option<&'static str> {
    ITEM_TYPES
        .iter()
        .map(|(known, _)| *known)
        .find(|known| known.eq_ignore_ascii_case(name))
}

/// The assets that one item is delivered with.
///
/// `bundles` may be a comma list: the first that an item has is delivered, so each could be.
pub fn assets(item_type_name: &str, bundles: &str) -> Result<AssetCounts, Unbounded> {
    let item_type = item_type(item_type_name).ok_or_else(|| Unbounded {
        why: format!("the item type '{}' is not known", shown(item_type_name)),
    })?;
    let mut most = AssetCounts::default();
    for bundle in bundles.split(',').map(str::trim) {
        let counts = one_bundle(item_type, bundle).ok_or_else(|| Unbounded {
            why: format!(
                "the assets of the bundle '{}' of {item_type} are not known",
                shown(bundle)
            ),
        })?;
        most = most.or(counts);
    }
    Ok(most)
}

fn one_bundle(item_type: &str, bundle: &str) -> Option<AssetCounts> {
    if let Some(counts) = tanager(item_type, bundle) {
        return Some(counts);
    }
    if item_type == "PelicanScene" && bundle.starts_with("basic_") && bundle != "basic_l1a_dn" {
        return Some(AssetCounts::of(1, 1, 1));
    }
    let (_, tables) = ITEM_TYPES.iter().find(|(name, _)| *name == item_type)?;
    tables
        .iter()
        .flat_map(|table| table.iter())
        .find(|(names, _)| names.contains(&bundle))
        .map(|(_, counts)| *counts)
}

/// Tanager's bundles are whole families of names. The methane assets are a mixture that is not broken
/// down anywhere: all of them count as images.
fn tanager(item_type: &str, bundle: &str) -> Option<AssetCounts> {
    let images = match item_type {
        "TanagerScene" if bundle == "visual" || bundle.ends_with("_hdf5") => 1,
        "TanagerMethane" if bundle.contains("quicklook") => 5,
        "TanagerMethane" if bundle.contains("methane") => 7,
        "TanagerMethane" if bundle.contains("quality") || bundle.contains("integrated") => 2,
        _ => return None,
    };
    Some(AssetCounts::of(images, 0, 0))
}

/// At most the first 60 characters of what a caller wrote.
fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_matches_the_published_bundles() {
        for (item_type, bundle, counts) in [
            ("PSScene", "analytic_8b_sr_udm2", (1, 1, 1)),
            ("PSScene", "visual", (1, 0, 0)),
            ("PSScene", "basic_analytic_8b_udm2", (1, 1, 2)),
            ("REOrthoTile", "visual", (1, 0, 1)),
            ("REScene", "basic_analytic_nitf", (6, 1, 3)),
            ("PSOrthoTile", "analytic_udm2", (1, 2, 1)),
            ("SkySatScene", "analytic_sr_udm2", (1, 2, 0)),
            ("SkySatScene", "panchromatic_udm2", (1, 1, 0)),
            ("SkySatScene", "basic_analytic_udm2", (1, 2, 1)),
            ("SkySatScene", "basic_l1a_dn", (1, 0, 1)),
            ("SkySatCollect", "basic_l1a_dn", (1, 0, 0)),
            ("PelicanScene", "basic_analytic_udm2", (1, 1, 1)),
            ("TanagerScene", "basic_radiance_hdf5", (1, 0, 0)),
        ] {
            let (images, masks, metadata) = counts;
            assert_eq!(
                assets(item_type, bundle),
                Ok(AssetCounts::of(images, masks, metadata)),
                "{item_type} {bundle}"
            );
        }
    }

    #[test]
    fn a_list_of_fallbacks_costs_what_its_dearest_does() {
        let fallbacks = assets("PSScene", "visual, basic_analytic_udm2");
        assert_eq!(fallbacks, Ok(AssetCounts::of(1, 1, 2)));
    }

    #[test]
    fn the_wrong_case_is_priced_as_the_right_one() {
        assert_eq!(assets("psscene", "visual"), assets("PSScene", "visual"));
    }

    #[test]
    fn what_is_unknown_is_named_and_never_free() {
        for (item_type, bundle, named) in [
            ("Sentinel9", "visual", "Sentinel9"),
            ("PSScene", "everything", "everything"),
            ("PSScene", "visual,everything", "everything"),
            ("PSScene", "", "''"),
            ("SkySatCollect", "basic_analytic", "basic_analytic"),
        ] {
            let why = assets(item_type, bundle).unwrap_err().why;
            assert!(why.contains(named), "{why}");
        }
    }

    #[test]
    fn an_asset_type_is_sorted_by_its_name() {
        let mut counts = AssetCounts::default();
        for asset_type in [
            "ortho_analytic_8b_sr",
            "ortho_udm2",
            "ortho_analytic_8b_xml",
            "basic_analytic_4b_rpc",
        ] {
            counts.add_named(asset_type);
        }
        assert_eq!(counts, AssetCounts::of(1, 1, 2));
    }
}
