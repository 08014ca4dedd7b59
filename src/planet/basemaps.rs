//! Mosaics: what their names tell of their price, and the quads and tiles that are fetched from them.

/// Which price a mosaic's quads have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MosaicKind {
    MonthlyVisual,
    MonthlySurfaceReflectance,
    /// Another cadence, or a name that tells nothing: no price is published for it.
    Other,
}

/// One quad, downloaded whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Quad {
    /// A name, or the id that stands in a path and tells nothing.
    pub mosaic: String,
}

/// One tile of a map.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tile {
    /// The mosaic, or the item type of a scene's tile.
    pub product: String,
}

/// What a mosaic's name tells: `global_monthly_2026_07_mosaic` is Planet's monthly visual one.
pub fn mosaic_kind(name: &str) -> MosaicKind {
    let name = name.to_ascii_lowercase();
    let says = |word: &str| name.split(['_', '-', '.']).any(|part| part == word);
    if !says("monthly") {
        return MosaicKind::Other;
    }
    let is_analytic = ["sr", "analytic", "normalized", "8b", "4b"]
        .into_iter()
        .any(says);
    if is_analytic {
        MosaicKind::MonthlySurfaceReflectance
    } else if says("visual") || name.starts_with("global_monthly_") {
        MosaicKind::MonthlyVisual
    } else {
        MosaicKind::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_cheap_only_when_it_says_so() {
        for (name, kind) in [
            ("global_monthly_2026_07_mosaic", MosaicKind::MonthlyVisual),
            (
                "ps_monthly_visual_subscription_2026_07_mosaic",
                MosaicKind::MonthlyVisual,
            ),
            (
                "ps_monthly_sen2_normalized_analytic_8b_sr_subscription_2026_07_mosaic",
                MosaicKind::MonthlySurfaceReflectance,
            ),
            ("global_quarterly_2026q2_mosaic", MosaicKind::Other),
            ("ps_weekly_visual_2026_07_mosaic", MosaicKind::Other),
            ("65ba0d84-2f1f-4b7b-8f0c-7d3a4d1f2a11", MosaicKind::Other),
            ("", MosaicKind::Other),
        ] {
            assert_eq!(mosaic_kind(name), kind, "{name}");
        }
    }
}
