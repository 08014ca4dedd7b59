//! Mosaics: what their names tell of their price, the quads and tiles that are fetched from them, and how many
//! quads an area touches.

use serde::Deserialize;

use super::answer::Doubt;
use super::geometry::{Shape, is_plain};

/// The only plane in which grids are known to be published.
const MERCATOR: &str = "EPSG:3857";

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

/// How many quads an area touches.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Touched {
    /// Nobody asked Planet.
    NotAsked,
    /// Planet counted them.
    Counted(u64),
    /// No more than so many, by the mosaic's grid.
    AtMost(u64),
    /// Nobody knows, and why.
    Unknown(String),
}

/// A mosaic as Planet lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct Mosaic {
    id: String,
    /// The side of a quad in metres of the map's plane, where its grid is one that is understood.
    quad_side_m: Option<f64>,
}

#[derive(Deserialize)]
struct RawMosaics {
    mosaics: Vec<RawMosaic>,
}

#[derive(Deserialize)]
struct RawMosaic {
    id: String,
    name: String,
    coordinate_system: Option<String>,
    grid: Option<RawGrid>,
}

#[derive(Deserialize)]
struct RawGrid {
    quad_size: f64,
    resolution: f64,
}

#[derive(Deserialize)]
struct RawQuads {
    summary: RawSummary,
}

#[derive(Deserialize)]
struct RawSummary {
    total_quads: u64,
}

/// Where a mosaic is found by its name.
pub fn mosaics_path(name: &str) -> String {
    let name: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
    format!("/basemaps/v1/mosaics?name__is={name}")
}

/// The one mosaic of this name.
pub fn read_mosaic(answer: &[u8], name: &str) -> Result<Mosaic, Doubt> {
    let RawMosaics { mosaics } = serde_json::from_slice(answer)
        .map_err(|cause| Doubt::new(format!("it lists no mosaics: {cause}")))?;
    let mut named = mosaics.into_iter().filter(|mosaic| mosaic.name == name);
    let (Some(mosaic), None) = (named.next(), named.next()) else {
        return Err(Doubt::new("it does not list one mosaic of this name"));
    };
    if !is_plain(&mosaic.id) {
        return Err(Doubt::new("the mosaic's id cannot stand in a path"));
    }
    let is_mercator = mosaic.coordinate_system.as_deref() == Some(MERCATOR);
    let side = mosaic.grid.map(|grid| grid.quad_size * grid.resolution);
    Ok(Mosaic {
        id: mosaic.id,
        quad_side_m: side.filter(|_| is_mercator),
    })
}

/// Planet's own count of the quads that an area touches.
pub fn read_quad_count(answer: &[u8]) -> Result<u64, Doubt> {
    let RawQuads { summary } = serde_json::from_slice(answer).map_err(|cause| {
        Doubt::new(format!("it does not say how many quads there are: {cause}"))
    })?;
    Ok(summary.total_quads)
}

impl Mosaic {
    /// Where Planet counts the quads that an area touches, which is sent there.
    pub fn count_path(&self) -> String {
        let id = &self.id;
        format!("/basemaps/v1/mosaics/{id}/quads/search?minimal=true&summary=true&_page_size=1")
    }

    /// The most quads that `area` can touch; `None` where the grid is not published.
    pub fn most_quads(&self, area: &Shape) -> Option<u64> {
        area.most_squares(self.quad_side_m?)
    }
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
    use crate::planet::geometry::samples::{shape, square};
    use serde_json::{Value, json};

    const NAME: &str = "global_monthly_2026_07_mosaic";

    fn listed(changes: &Value) -> Result<Mosaic, Doubt> {
        let mut mosaic = json!({"id": "0946-2e5a", "name": NAME, "coordinate_system": "EPSG:3857",
            "grid": {"quad_size": 4096, "resolution": 4.777_314_267_823_516}});
        for (member, value) in changes.as_object().unwrap() {
            mosaic[member] = value.clone();
        }
        let other = json!({"id": "other", "name": "other"});
        read_mosaic(
            json!({"mosaics": [other, mosaic]}).to_string().as_bytes(),
            NAME,
        )
    }

    #[test]
    fn a_grid_bounds_what_an_area_touches_and_none_bounds_nothing() {
        let field = shape(square(20_000));
        assert_eq!(listed(&json!({})).unwrap().most_quads(&field), Some(1));
        for unknown in [
            json!({"grid": null}),
            json!({"coordinate_system": "EPSG:4326"}),
            json!({"grid": {"quad_size": 0, "resolution": 4.7}}),
        ] {
            assert_eq!(
                listed(&unknown).unwrap().most_quads(&field),
                None,
                "{unknown}"
            );
        }
    }

    #[test]
    fn a_mosaic_is_the_one_of_its_name_and_its_id_leads_nowhere_else() {
        let path = listed(&json!({})).unwrap().count_path();
        assert!(
            path.starts_with("/basemaps/v1/mosaics/0946-2e5a/quads/search?"),
            "{path}"
        );
        for odd in [
            json!({"name": "another"}),
            json!({"id": "../../orders"}),
            json!({"id": ""}),
        ] {
            listed(&odd).unwrap_err();
        }
        assert!(mosaics_path("a&b=c").ends_with("name__is=a%26b%3Dc"));
        assert_eq!(
            read_quad_count(br#"{"items": [], "summary": {"total_quads": 7}}"#),
            Ok(7)
        );
        for odd in ["{}", r#"{"summary": {"total_quads": -1}}"#, "[]"] {
            read_quad_count(odd.as_bytes()).unwrap_err();
        }
    }

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
