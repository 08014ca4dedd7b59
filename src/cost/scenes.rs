//! What is known of each item type's scenes: how many, how large, how heavy.
//!
//! Planet publishes prices by scene and by GB, and a request shows neither, so a bound needs these
//! figures. The policy's `[prices.scenes.ITEM_TYPE]` overrides them, and adds what is missing here.

use std::collections::BTreeMap;
use std::num::NonZeroU128;

use serde::Deserialize;

use super::Pace;
use crate::planet::geometry::{Extent, Shape};
use crate::units::SquareKm;

/// Figures of one item type.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SceneFigures {
    /// The most scenes of one day that show one and the same point.
    pub per_day: u64,
    /// The shorter side of a scene, in metres.
    pub side_m: u64,
    /// The most that one scene covers.
    pub footprint: SquareKm,
    /// Bytes of one image asset for each km²: pixels × bands × bytes of a sample, uncompressed.
    pub image_bytes_per_km2: u64,
    /// Bytes of one mask asset for each km².
    pub mask_bytes_per_km2: u64,
}

/// [`SceneFigures`] by item type.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "BTreeMap<String, Override>")]
pub struct SceneTable(BTreeMap<String, SceneFigures>);

/// One table of the policy; what it leaves out stays as published.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Override {
    per_day: Option<u64>,
    side_m: Option<u64>,
    footprint_km2: Option<SquareKm>,
    image_bytes_per_km2: Option<u64>,
    mask_bytes_per_km2: Option<u64>,
}

#[derive(Debug, thiserror::Error)]
pub enum InvalidScenes {
    #[error(
        "the item type '{item_type}' has no published figures; give per_day, side_m, footprint_km2, \
         image_bytes_per_km2 and mask_bytes_per_km2, all above zero"
    )]
    Incomplete { item_type: String },
}

/// Item type, scenes a day, side, footprint in km², bytes of images and of masks for each km².
///
/// - `PSScene`: Planet counts two scenes to an observation of an area in its ordering example, and an
///   observation a day. A scene is 32.5 × 19.6 km, 637 km² (a tenth is added); 8 bands of 16 bits and 8
///   of 8 bits at 3 m.
/// - SkySat: up to ten images a day; scenes of 1 × 2.5 km overlap, three to a point; a collect is
///   20 × 5.9 km; 4 bands of 16 bits and 8 of 8 bits at 0.5 m.
/// - Ortho tiles: 25 × 25 km, four to a corner; RapidEye 5 bands of 16 bits at 5 m, PlanetScope the
///   same at 3.125 m.
const PUBLISHED: [(&str, u64, u64, u64, u64, u64); 5] = [
    ("PSScene", 2, 19_600, 700, 1_777_778, 888_889),
    ("SkySatScene", 30, 1_000, 3, 32_000_000, 32_000_000),
    ("SkySatCollect", 10, 5_900, 130, 32_000_000, 32_000_000),
    ("REOrthoTile", 4, 25_000, 650, 400_000, 400_000),
    ("PSOrthoTile", 8, 25_000, 650, 1_024_000, 819_200),
];

impl Default for SceneTable {
    fn default() -> Self {
        let figures = PUBLISHED.into_iter().filter_map(
            |(item_type, per_day, side_m, footprint_km2, image, mask)| {
                let figures = SceneFigures {
                    per_day,
                    side_m,
                    footprint: SquareKm::from_whole(footprint_km2)?,
                    image_bytes_per_km2: image,
                    mask_bytes_per_km2: mask,
                };
                Some((item_type.to_owned(), figures))
            },
        );
        Self(figures.collect())
    }
}

impl TryFrom<BTreeMap<String, Override>> for SceneTable {
    type Error = InvalidScenes;

    fn try_from(overrides: BTreeMap<String, Override>) -> Result<Self, InvalidScenes> {
        let mut table = Self::default();
        for (item_type, changes) in overrides {
            let figures = changes
                .over(table.0.get(&item_type))
                .filter(|figures| figures.per_day > 0 && figures.side_m > 0)
                .ok_or_else(|| InvalidScenes::Incomplete {
                    item_type: item_type.clone(),
                })?;
            table.0.insert(item_type, figures);
        }
        Ok(table)
    }
}

impl Override {
    fn over(self, known: Option<&SceneFigures>) -> Option<SceneFigures> {
        let Self {
            per_day,
            side_m,
            footprint_km2,
            image_bytes_per_km2,
            mask_bytes_per_km2,
        } = self;
        let or = |given: Option<u64>, known: Option<u64>| given.or(known);
        Some(SceneFigures {
            per_day: or(per_day, known.map(|known| known.per_day))?,
            side_m: or(side_m, known.map(|known| known.side_m))?,
            footprint: footprint_km2.or(known.map(|known| known.footprint))?,
            image_bytes_per_km2: or(
                image_bytes_per_km2,
                known.map(|known| known.image_bytes_per_km2),
            )?,
            mask_bytes_per_km2: or(
                mask_bytes_per_km2,
                known.map(|known| known.mask_bytes_per_km2),
            )?,
        })
    }
}

impl SceneTable {
    pub fn of(&self, item_type: &str) -> Option<&SceneFigures> {
        self.0.get(item_type)
    }
}

impl SceneFigures {
    /// The most scenes that touch `shape`, each delivered `times` times.
    ///
    /// Of scenes that lie `d` deep over every point, `d × (1 + width / side) × (1 + height / side)` touch
    /// a box of that width and height. Far-flung parts are counted one by one, near ones together.
    pub fn pace(&self, shape: &Shape, times: u64) -> Option<Pace> {
        let together = self.touching(shape.extent())?;
        let apart = shape.parts().iter().try_fold(0u128, |sum, part| {
            sum.checked_add(self.touching(part.extent())?)
        });
        let square = u128::from(self.side_m).checked_mul(self.side_m.into())?;
        let scenes = apart
            .map_or(together, |apart| apart.min(together))
            .checked_mul(self.per_day.into())?
            .checked_mul(times.into())?;
        Some(Pace {
            times: scenes,
            days: NonZeroU128::new(square)?,
        })
    }

    /// `(side + width) × (side + height)`.
    fn touching(&self, extent: Extent) -> Option<u128> {
        u128::from(self.side_m)
            .checked_add(extent.east_m.into())?
            .checked_mul(u128::from(self.side_m).checked_add(extent.north_m.into())?)
    }

    /// What the footprints of all scenes that touch `shape` cover together at most: each reaches no
    /// further than a scene's diagonal, which is less than its footprint over its shorter side plus
    /// that side.
    pub fn footprints_around(&self, shape: &Shape) -> Option<SquareKm> {
        let footprint_m2 = u128::from(self.footprint.micros().unsigned_abs());
        let reach = footprint_m2
            .div_ceil(self.side_m.into())
            .checked_add(self.side_m.into())?
            .checked_mul(2)?;
        shape.parts().iter().try_fold(SquareKm::ZERO, |sum, part| {
            let extent = part.extent();
            let across = reach.checked_add(extent.east_m.into())?;
            let along = reach.checked_add(extent.north_m.into())?;
            let micros = i64::try_from(across.checked_mul(along)?).ok()?;
            sum.checked_add(SquareKm::from_micros(micros)?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::Prices;
    use crate::planet::geometry::samples::{self, shape};

    fn square(side: u32) -> Shape {
        shape(samples::square(side))
    }

    #[test]
    fn a_field_meets_two_scenes_a_day_and_a_region_meets_more() {
        let table = SceneTable::default();
        let scenes = table.of("PSScene").unwrap();
        let field = scenes.pace(&square(100), 1).unwrap().within(365).unwrap();
        assert!((730..735).contains(&field), "{field}");
        let region = scenes
            .pace(&square(1_000_000), 1)
            .unwrap()
            .within(365)
            .unwrap();
        assert!(region > 20 * field, "{region}");
        assert_eq!(
            scenes
                .pace(&square(100), u64::MAX)
                .and_then(|pace| pace.within(u64::MAX)),
            None
        );
    }

    #[test]
    fn footprints_reach_a_diagonal_past_the_area() {
        let table = SceneTable::default();
        let around = table.of("PSScene").unwrap().footprints_around(&square(100));
        assert!(around.unwrap() > SquareKm::from_whole(5_776).unwrap());
    }

    #[test]
    fn the_policy_overrides_one_figure_or_adds_a_type() {
        let prices: Prices = toml::from_str("[scenes.PSScene]\nper_day = 5\n").unwrap();
        let scenes = prices.scenes.of("PSScene").unwrap();
        assert_eq!((scenes.per_day, scenes.side_m), (5, 19_600));
        for (text, expected) in [
            ("[scenes.New]\nper_day = 5\n", "New"),
            ("[scenes.PSScene]\nside_m = 0\n", "above zero"),
            ("[scenes.PSScene]\nsides = 0\n", "sides"),
        ] {
            let error = toml::from_str::<Prices>(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
