//! Which assets a product bundle holds, in the state of August 2024.

use serde_json::{Map, Value, json};

type Bundle = (
    &'static str,
    &'static [(&'static str, &'static [&'static str])],
);

const SKYSAT: [&str; 2] = ["SkySatScene", "SkySatCollect"];

const BUNDLES: [Bundle; 13] = [
    (
        "analytic_udm2",
        &[
            (
                "PSScene",
                &["ortho_analytic_4b", "ortho_analytic_4b_xml", "ortho_udm2"],
            ),
            (
                SKYSAT[0],
                &[
                    "ortho_analytic",
                    "ortho_analytic_udm",
                    "ortho_analytic_udm2",
                ],
            ),
            (
                SKYSAT[1],
                &[
                    "ortho_analytic",
                    "ortho_analytic_udm",
                    "ortho_analytic_udm2",
                ],
            ),
            ("PelicanScene", &["ortho_analytic", "ortho_analytic_udm2"]),
        ],
    ),
    (
        "analytic_3b_udm2",
        &[(
            "PSScene",
            &["ortho_analytic_3b", "ortho_analytic_3b_xml", "ortho_udm2"],
        )],
    ),
    (
        "analytic_8b_udm2",
        &[(
            "PSScene",
            &["ortho_analytic_8b", "ortho_analytic_8b_xml", "ortho_udm2"],
        )],
    ),
    (
        "analytic_sr_udm2",
        &[
            (
                "PSScene",
                &[
                    "ortho_analytic_4b_sr",
                    "ortho_analytic_4b_xml",
                    "ortho_udm2",
                ],
            ),
            (
                SKYSAT[0],
                &[
                    "ortho_analytic_sr",
                    "ortho_analytic_udm",
                    "ortho_analytic_udm2",
                ],
            ),
            (
                SKYSAT[1],
                &[
                    "ortho_analytic_sr",
                    "ortho_analytic_udm",
                    "ortho_analytic_udm2",
                ],
            ),
            (
                "PelicanScene",
                &["ortho_analytic_sr", "ortho_analytic_udm2"],
            ),
        ],
    ),
    (
        "analytic_8b_sr_udm2",
        &[(
            "PSScene",
            &[
                "ortho_analytic_8b_sr",
                "ortho_analytic_8b_xml",
                "ortho_udm2",
            ],
        )],
    ),
    (
        "visual",
        &[
            ("PSScene", &["ortho_visual"]),
            (SKYSAT[0], &["ortho_visual"]),
            (SKYSAT[1], &["ortho_visual"]),
            ("PelicanScene", &["ortho_visual"]),
            ("TanagerScene", &["ortho_visual"]),
            ("REOrthoTile", &["visual", "visual_xml"]),
        ],
    ),
    (
        "basic_analytic_udm2",
        &[
            (
                "PSScene",
                &[
                    "basic_analytic_4b",
                    "basic_udm2",
                    "basic_analytic_4b_rpc",
                    "basic_analytic_4b_xml",
                ],
            ),
            (
                SKYSAT[0],
                &[
                    "basic_analytic",
                    "basic_analytic_rpc",
                    "basic_analytic_udm",
                    "basic_analytic_udm2",
                ],
            ),
        ],
    ),
    (
        "basic_analytic_8b_udm2",
        &[(
            "PSScene",
            &[
                "basic_analytic_8b",
                "basic_udm2",
                "basic_analytic_4b_rpc",
                "basic_analytic_8b_xml",
            ],
        )],
    ),
    (
        "analytic",
        &[
            (SKYSAT[0], &["ortho_analytic", "ortho_analytic_udm"]),
            (SKYSAT[1], &["ortho_analytic", "ortho_analytic_udm"]),
            ("REOrthoTile", &["analytic", "analytic_xml", "udm"]),
        ],
    ),
    (
        "analytic_sr",
        &[
            (SKYSAT[0], &["ortho_analytic_sr", "ortho_analytic_udm"]),
            (SKYSAT[1], &["ortho_analytic_sr", "ortho_analytic_udm"]),
            ("REOrthoTile", &["analytic_sr", "udm", "analytic_xml"]),
        ],
    ),
    (
        "panchromatic_udm2",
        &[
            (
                SKYSAT[0],
                &["ortho_panchromatic", "ortho_panchromatic_udm2"],
            ),
            (
                SKYSAT[1],
                &["ortho_panchromatic", "ortho_panchromatic_udm2"],
            ),
            (
                "PelicanScene",
                &["ortho_panchromatic", "ortho_panchromatic_udm2"],
            ),
        ],
    ),
    (
        "pansharpened_udm2",
        &[
            (
                SKYSAT[0],
                &[
                    "ortho_pansharpened",
                    "ortho_pansharpened_udm",
                    "ortho_pansharpened_udm2",
                ],
            ),
            (
                SKYSAT[1],
                &[
                    "ortho_pansharpened",
                    "ortho_pansharpened_udm",
                    "ortho_pansharpened_udm2",
                ],
            ),
            (
                "PelicanScene",
                &["ortho_pansharpened", "ortho_pansharpened_udm2"],
            ),
        ],
    ),
    (
        "basic_analytic",
        &[
            (
                SKYSAT[0],
                &["basic_analytic", "basic_analytic_rpc", "basic_analytic_udm"],
            ),
            (
                "REScene",
                &[
                    "basic_analytic_b1",
                    "basic_analytic_b2",
                    "basic_analytic_b3",
                    "basic_analytic_b4",
                    "basic_analytic_b5",
                    "basic_analytic_xml",
                    "basic_analytic_rpc",
                    "basic_udm",
                    "basic_analytic_sci",
                    "browse",
                ],
            ),
        ],
    ),
];

/// The assets of the first bundle of a comma list that the item type has.
pub(super) fn assets(item_type: &str, bundles: &str) -> Option<&'static [&'static str]> {
    bundles.split(',').map(str::trim).find_map(|wanted| {
        let (_, by_type) = BUNDLES.iter().find(|(name, _)| *name == wanted)?;
        let of_type = by_type.iter().find(|(name, _)| *name == item_type);
        of_type.map(|(_, assets)| *assets)
    })
}

/// Every asset that an item can have, in the order of the alphabet; unknown types have a visual one.
pub(super) fn assets_of_type(item_type: &str) -> Vec<&'static str> {
    let of_type = BUNDLES.iter().flat_map(|(_, by_type)| by_type.iter());
    let mut assets: Vec<_> = of_type
        .filter(|(name, _)| *name == item_type)
        .flat_map(|(_, assets)| assets.iter().copied())
        .collect();
    assets.sort_unstable();
    assets.dedup();
    if assets.is_empty() {
        assets.push("visual");
    }
    assets
}

pub(super) fn item_types() -> Vec<&'static str> {
    let named = BUNDLES
        .iter()
        .flat_map(|(_, by_type)| by_type.iter().map(|(name, _)| *name));
    let mut types: Vec<_> = named.collect();
    types.sort_unstable();
    types.dedup();
    types
}

/// Pictures and masks are data; what describes them is not.
pub(super) fn is_raster(asset: &str) -> bool {
    const DESCRIPTIONS: [&str; 4] = ["_xml", "_rpc", "_sci", "browse"];
    !DESCRIPTIONS.iter().any(|tail| asset.ends_with(tail))
}

/// The document that Planet's SDK reads before it searches or orders.
pub(super) fn spec() -> Value {
    let bundles: Map<String, Value> = BUNDLES
        .iter()
        .map(|(name, by_type)| {
            let assets: Map<String, Value> = by_type
                .iter()
                .map(|(item_type, assets)| ((*item_type).to_owned(), json!(assets)))
                .collect();
            let entry =
                json!({"name": name, "description": format!("{name} products"), "assets": assets});
            ((*name).to_owned(), entry)
        })
        .collect();
    json!({"version": "2024-08-12", "bundles": bundles})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bundle_that_fits_is_taken() {
        let fallback = assets("PSScene", "no_such, analytic_8b_sr_udm2,visual").unwrap();
        assert_eq!(fallback.len(), 3);
        assert_eq!(fallback.iter().filter(|asset| is_raster(asset)).count(), 2);
        assert_eq!(assets("PSScene", "panchromatic_udm2"), None);
    }

    #[test]
    fn the_document_has_planets_shape() {
        let spec = spec();
        assert_eq!(
            spec["bundles"]["visual"]["assets"]["PSScene"][0],
            "ortho_visual"
        );
    }
}
