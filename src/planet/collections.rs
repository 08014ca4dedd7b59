//! Sentinel Hub's collections: the bands that each holds, where it is stored, and how many scenes can
//! cover a place in a day.
//!
//! The figures are upper bounds: a band that a script can name counts, whether or not many do.

use serde::Deserialize;

use super::extent::{Extent, Ground};
use super::number;

/// One of the places where Sentinel Hub runs, by the name that the policy file gives it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Deployment {
    #[default]
    Main,
    #[serde(rename = "us-west-2")]
    UsWest2,
    Creodias,
    Cdse,
}

/// What is published of a collection.
#[derive(Debug)]
pub struct Collection {
    pub name: &'static str,
    /// Names of older requests.
    aliases: &'static [&'static str],
    /// Every name that counts as a band.
    pub bands: &'static [&'static str],
    homes: &'static [Deployment],
    scenes: Scenes,
}

/// How scenes tile the ground.
#[derive(Clone, Copy, Debug)]
enum Scenes {
    /// One data set for all time.
    Timeless,
    /// Side of the largest square that one scene is sure to cover, in km, and passes in a day.
    Grid { km: f64, passes: u64 },
}

use Deployment::{Cdse, Creodias, Main, UsWest2};

const EVERYWHERE: &[Deployment] = &[Main, UsWest2, Creodias, Cdse];

#[rustfmt::skip]
const COLLECTIONS: &[Collection] = &[
    Collection {
        name: "sentinel-2-l1c", aliases: &["S2L1C", "DSS1"], homes: &[Main, Cdse], scenes: Scenes::Grid { km: 100.0, passes: 4 },
        bands: &["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12", "CLP", "CLM",
            "sunAzimuthAngles", "sunZenithAngles", "viewAzimuthMean", "viewZenithMean"],
    },
    Collection {
        name: "sentinel-2-l2a", aliases: &["S2L2A", "DSS2"], homes: &[Main, Cdse], scenes: Scenes::Grid { km: 100.0, passes: 4 },
        bands: &["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12", "CLP", "CLM", "AOT",
            "SCL", "SNW", "CLD", "sunAzimuthAngles", "sunZenithAngles", "viewAzimuthMean", "viewZenithMean"],
    },
    Collection {
        name: "sentinel-1-grd", aliases: &["S1GRD", "DSS3"], homes: &[Main, Cdse], scenes: Scenes::Grid { km: 100.0, passes: 4 },
        bands: &["VV", "VH", "HH", "HV", "localIncidenceAngle", "scatteringArea", "shadowMask"],
    },
    Collection { name: "dem", aliases: &["DEM"], homes: EVERYWHERE, scenes: Scenes::Timeless, bands: &["DEM"] },
    Collection {
        name: "landsat-ot-l1", aliases: &["L8L1C", "DSS12"], homes: &[UsWest2], scenes: Scenes::Grid { km: 150.0, passes: 2 },
        bands: &["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B09", "B10", "B11", "BQA", "QA_RADSAT", "VAA",
            "VZA", "SAA", "SZA"],
    },
    Collection {
        name: "landsat-ot-l2", aliases: &["DSS13"], homes: &[UsWest2], scenes: Scenes::Grid { km: 150.0, passes: 2 },
        bands: &["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B10", "BQA", "QA_RADSAT", "SR_QA_AEROSOL", "ST_QA",
            "ST_TRAD", "ST_URAD", "ST_DRAD", "ST_ATRAN", "ST_EMIS", "ST_EMSD", "ST_CDIST"],
    },
    Collection {
        name: "landsat-mss-l1", aliases: &["DSS14"], homes: &[UsWest2], scenes: Scenes::Grid { km: 150.0, passes: 2 },
        bands: &["B01", "B02", "B03", "B04", "BQA", "QA_RADSAT", "VAA", "VZA", "SAA", "SZA"],
    },
    Collection {
        name: "landsat-tm-l1", aliases: &["DSS15"], homes: &[UsWest2], scenes: Scenes::Grid { km: 150.0, passes: 2 },
        bands: &["B01", "B02", "B03", "B04", "B05", "B06", "B07", "BQA", "QA_RADSAT", "VAA", "VZA", "SAA", "SZA"],
    },
    Collection {
        name: "landsat-tm-l2", aliases: &["DSS16"], homes: &[UsWest2], scenes: Scenes::Grid { km: 150.0, passes: 2 },
        bands: &["B01", "B02", "B03", "B04", "B05", "B06", "B07", "BQA", "QA_RADSAT", "SR_ATMOS_OPACITY", "SR_CLOUD_QA",
            "ST_QA", "ST_TRAD", "ST_URAD", "ST_DRAD", "ST_ATRAN", "ST_EMIS", "ST_EMSD", "ST_CDIST"],
    },
    Collection {
        name: "landsat-etm-l1", aliases: &["DSS17"], homes: &[UsWest2], scenes: Scenes::Grid { km: 150.0, passes: 2 },
        bands: &["B01", "B02", "B03", "B04", "B05", "B06_VCID_1", "B06_VCID_2", "B07", "B08", "BQA", "QA_RADSAT", "VAA",
            "VZA", "SAA", "SZA"],
    },
    Collection {
        name: "landsat-etm-l2", aliases: &["DSS18"], homes: &[UsWest2], scenes: Scenes::Grid { km: 150.0, passes: 2 },
        bands: &["B01", "B02", "B03", "B04", "B05", "B06", "B07", "BQA", "QA_RADSAT", "SR_ATMOS_OPACITY", "SR_CLOUD_QA",
            "ST_QA", "ST_TRAD", "ST_URAD", "ST_DRAD", "ST_ATRAN", "ST_EMIS", "ST_EMSD", "ST_CDIST"],
    },
    Collection {
        name: "hls", aliases: &[], homes: &[UsWest2], scenes: Scenes::Grid { km: 100.0, passes: 4 },
        bands: &["CoastalAerosol", "Blue", "Green", "Red", "RedEdge1", "RedEdge2", "RedEdge3", "NIR_Broad", "NIR_Narrow",
            "SWIR1", "SWIR2", "WaterVapor", "Cirrus", "ThermalInfrared1", "ThermalInfrared2", "QA", "VAA", "VZA", "SAA", "SZA"],
    },
    Collection {
        name: "modis", aliases: &["MODIS", "DSS5"], homes: &[UsWest2], scenes: Scenes::Grid { km: 1000.0, passes: 1 },
        bands: &["B01", "B02", "B03", "B04", "B05", "B06", "B07"],
    },
    Collection {
        name: "sentinel-3-olci", aliases: &["S3OLCI", "DSS8"], homes: &[Creodias, Cdse], scenes: Scenes::Grid { km: 1000.0, passes: 30 },
        bands: &["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B09", "B10", "B11", "B12", "B13", "B14", "B15",
            "B16", "B17", "B18", "B19", "B20", "B21", "VAA", "VZA", "SAA", "SZA", "HUMIDITY", "SEA_LEVEL_PRESSURE",
            "TOTAL_COLUMN_OZONE", "TOTAL_COLUMN_WATER_VAPOUR", "QUALITY_FLAGS"],
    },
    Collection {
        name: "sentinel-3-slstr", aliases: &["S3SLSTR", "DSS9"], homes: &[Creodias, Cdse], scenes: Scenes::Grid { km: 1000.0, passes: 30 },
        bands: &["S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9", "F1", "F2"],
    },
    Collection {
        name: "sentinel-5p-l2", aliases: &["S5PL2", "DSS7"], homes: &[Creodias, Cdse], scenes: Scenes::Grid { km: 1000.0, passes: 15 },
        bands: &["CO", "HCHO", "NO2", "O3", "SO2", "CH4", "AER_AI_340_380", "AER_AI_354_388", "CLOUD_BASE_PRESSURE",
            "CLOUD_TOP_PRESSURE", "CLOUD_BASE_HEIGHT", "CLOUD_TOP_HEIGHT", "CLOUD_OPTICAL_THICKNESS", "CLOUD_FRACTION"],
    },
];

impl Collection {
    /// By the `type` of a request, or the `DSS` name of a WFS call.
    pub fn named(name: &str) -> Option<&'static Self> {
        COLLECTIONS
            .iter()
            .find(|collection| collection.name == name || collection.aliases.contains(&name))
    }

    pub fn is_timeless(&self) -> bool {
        matches!(self.scenes, Scenes::Timeless)
    }

    pub fn is_local_to(&self, deployment: Deployment) -> bool {
        self.homes.contains(&deployment)
    }

    /// Scenes that can touch the box in one day: one more in each direction than fit side by side.
    pub(super) fn scenes_a_day(&self, extent: &Extent, ground: Ground) -> Option<u64> {
        let Scenes::Grid { km, passes } = self.scenes else {
            return Some(1);
        };
        let (width, height) = extent.km(ground);
        let across = number::ceil(width / km)?.checked_add(1)?;
        let along = number::ceil(height / km)?.checked_add(1)?;
        across.checked_mul(along)?.checked_mul(passes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_names_mean_the_same_collections() {
        for (old, new) in [
            ("S2L2A", "sentinel-2-l2a"),
            ("L8L1C", "landsat-ot-l1"),
            ("DSS7", "sentinel-5p-l2"),
        ] {
            assert_eq!(Collection::named(old).unwrap().name, new);
        }
        assert!(Collection::named("byoc-1234").is_none());
    }

    #[test]
    fn no_collection_lists_a_band_twice_or_the_mask() {
        for collection in COLLECTIONS {
            let mut bands = collection.bands.to_vec();
            bands.sort_unstable();
            bands.dedup();
            assert_eq!(bands.len(), collection.bands.len(), "{}", collection.name);
            assert!(!bands.contains(&"dataMask"), "{}", collection.name);
        }
    }

    #[test]
    fn the_elevation_model_is_everywhere_and_landsat_in_the_west() {
        let (dem, landsat) = (
            Collection::named("dem").unwrap(),
            Collection::named("landsat-ot-l2").unwrap(),
        );
        for deployment in EVERYWHERE {
            assert!(dem.is_local_to(*deployment));
            assert_eq!(landsat.is_local_to(*deployment), *deployment == UsWest2);
        }
    }

    #[test]
    fn a_larger_box_is_touched_by_more_scenes() {
        let s2 = Collection::named("sentinel-2-l2a").unwrap();
        let scenes = |side: f64| {
            let extent = Extent {
                west: 0.0,
                south: 0.0,
                east: side,
                north: side,
            };
            s2.scenes_a_day(&extent, Ground::Metres).unwrap()
        };
        assert_eq!(
            scenes(500.0),
            16,
            "at a corner of four tiles, each seen four times"
        );
        assert_eq!(scenes(250_000.0), 64);
    }
}
