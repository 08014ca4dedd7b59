//! The box that a request is about, and how large it is on the ground.

use super::{Misread, number};
use crate::units::SquareKm;

/// `[min x, min y, max x, max y]` in whatever units the coordinates are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Extent {
    pub(super) west: f64,
    pub(super) south: f64,
    pub(super) east: f64,
    pub(super) north: f64,
}

/// What the numbers of an [`Extent`] are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Ground {
    #[default]
    Degrees,
    Metres,
}

impl Ground {
    /// From a CRS as a URI or a code: longitude and latitude, or metres.
    pub(super) fn of_crs(crs: &str) -> Self {
        let name = crs.rsplit(['/', ':']).next().unwrap_or(crs);
        match name {
            "CRS84" | "84" | "4326" => Self::Degrees,
            _ => Self::Metres,
        }
    }
}

impl Extent {
    /// A box of four numbers whose sides are longer than nothing.
    pub(super) fn read(bbox: &[f64], place: &str) -> Result<Self, Misread> {
        let [west, south, east, north] = *bbox else {
            return Err(Misread::new(format!(
                "{place} has {} numbers; write four: [min x, min y, max x, max y]",
                bbox.len()
            )));
        };
        if west >= east || south >= north {
            return Err(Misread::new(format!(
                "{place} is empty or reversed: [{west}, {south}, {east}, {north}]; write [min x, min y, max x, max y], \
                 and split an area that crosses the 180th meridian in two"
            )));
        }
        Ok(Self {
            west,
            south,
            east,
            north,
        })
    }

    pub(super) fn width(&self) -> f64 {
        self.east - self.west
    }

    pub(super) fn height(&self) -> f64 {
        self.north - self.south
    }

    /// Width and height in km at most: a degree of longitude counts as one at the equator.
    pub(super) fn km(&self, ground: Ground) -> (f64, f64) {
        const KM_PER_DEGREE: f64 = 111.7;
        let scale = match ground {
            Ground::Degrees => KM_PER_DEGREE,
            Ground::Metres => 0.001,
        };
        (self.width() * scale, self.height() * scale)
    }

    /// The area of a box of degrees on the sphere. A box that is wider than the world counts as the world,
    /// and one whose east lies west of its west crosses the 180th meridian.
    pub(super) fn area(&self) -> Option<SquareKm> {
        const EARTH_RADIUS_KM: f64 = 6371.0088;
        const MICROS: f64 = 1e6;
        let width = if self.east < self.west {
            self.width() + 360.0
        } else {
            self.width()
        };
        let latitude = |degrees: f64| degrees.clamp(-90.0, 90.0).to_radians().sin();
        let km2 = EARTH_RADIUS_KM.powi(2)
            * (latitude(self.north) - latitude(self.south)).abs()
            * width.clamp(0.0, 360.0).to_radians();
        SquareKm::from_micros(i64::try_from(number::ceil(km2 * MICROS)?).ok()?)
    }

    /// The area of a box of metres on a map, which may show it smaller than it is by less than 2 %.
    pub(super) fn flat_area(&self) -> Option<SquareKm> {
        let square_metres = number::ceil(self.width() * self.height() * 1.02)?;
        SquareKm::from_micros(i64::try_from(square_metres).ok()?)
    }

    /// The box that these numbers are where the other axis comes first.
    pub(super) fn swapped(self) -> Self {
        Self {
            west: self.south,
            south: self.west,
            east: self.north,
            north: self.east,
        }
    }

    pub(super) fn around(self, other: Self) -> Self {
        Self {
            west: self.west.min(other.west),
            south: self.south.min(other.south),
            east: self.east.max(other.east),
            north: self.north.max(other.north),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_of_other_than_four_numbers_or_without_inside_is_refused() {
        for bbox in [
            &[0.0, 0.0, 0.0, 1.0, 1.0, 1.0][..],
            &[1.0, 0.0, 0.0, 1.0],
            &[0.0, 0.0, 0.0, 1.0],
            &[],
        ] {
            assert!(Extent::read(bbox, "bbox").is_err(), "{bbox:?}");
        }
        assert!(
            Extent::read(&[170.0, -10.0, -170.0, 10.0], "bbox")
                .unwrap_err()
                .sentence
                .contains("180th")
        );
    }

    #[test]
    fn the_world_and_a_degree_have_their_known_areas() {
        let km2 = |west, south, east, north| {
            Extent {
                west,
                south,
                east,
                north,
            }
            .area()
            .unwrap()
            .micros()
                / 1_000_000
        };
        assert_eq!(km2(-180.0, -90.0, 180.0, 90.0), 510_065_880);
        assert_eq!(km2(0.0, 0.0, 1.0, 1.0), 12_363);
        assert_eq!(
            km2(179.0, 0.0, -180.0, 1.0),
            12_363,
            "across the 180th meridian"
        );
    }
}
