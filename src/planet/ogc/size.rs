//! The pixels of an OGC image, and the box that they show.

use std::borrow::Cow;

use super::super::catalog::numbers;
use super::super::extent::{Extent, Ground};
use super::super::frame::{RawSize, Side, SizeRule};
use super::super::imagery::{Notes, Unread};
use super::super::process::MAX_SIDE;
use super::{Misread, Parameters, shown};

const SIZE: SizeRule = SizeRule {
    place: "the query",
    most: MAX_SIDE,
    default: None,
};

/// The side of a tile whose matrix set is not known: that of the largest known one.
const LARGEST_TILE: u64 = 512;

impl<'a> Parameters<'a> {
    pub(super) fn size(&self, notes: &mut Notes) -> Result<(u64, u64), Unread> {
        let bbox = self.bbox()?;
        let ground = bbox.map(|(_, ground)| ground);
        let size = RawSize {
            width: self.side("WIDTH")?,
            height: self.side("HEIGHT")?,
            resx: self.step("RESX", ground)?,
            resy: self.step("RESY", ground)?,
        };
        let (extent, ground) = match bbox {
            Some(bbox) => bbox,
            None if size.resx.or(size.resy).is_some() => {
                notes.add("the size of the box is not stated");
                return Ok((MAX_SIDE, MAX_SIDE));
            }
            // Pixels alone need no box; any will do.
            None => (
                Extent {
                    west: 0.0,
                    south: 0.0,
                    east: 1.0,
                    north: 1.0,
                },
                Ground::Metres,
            ),
        };
        let frame = size.of(extent, ground, SIZE, notes)?;
        Ok((frame.width, frame.height))
    }

    fn side(&self, name: &str) -> Result<Option<Side>, Misread> {
        let Some(text) = self.value(name)? else {
            return Ok(None);
        };
        match text.trim().parse() {
            Ok(pixels) => Ok(Some(Side(pixels))),
            Err(_) => Err(Misread::new(format!(
                "{name} is '{}'; write a whole number of pixels such as 512",
                shown(&text)
            ))),
        }
    }

    /// The size of a pixel in the units of the box. Metres on a box of degrees become degrees, at most as
    /// many pixels as they can be.
    fn step(&self, name: &str, ground: Option<Ground>) -> Result<Option<f64>, Misread> {
        const METRES_PER_DEGREE: f64 = 111_700.0;
        let Some(text) = self.value(name)? else {
            return Ok(None);
        };
        let trimmed = text.trim();
        let metres = trimmed.strip_suffix('m');
        let step: Option<f64> = metres.unwrap_or(trimmed).parse().ok();
        let step = step.filter(|step| step.is_finite()).ok_or_else(|| {
            Misread::new(format!(
                "{name} is '{}'; write a number such as 10, or 10m for metres",
                shown(&text)
            ))
        })?;
        let scaled = metres.is_some() && ground == Some(Ground::Degrees);
        Ok(Some(if scaled {
            step / METRES_PER_DEGREE
        } else {
            step
        }))
    }

    pub(super) fn bbox(&self) -> Result<Option<(Extent, Ground)>, Misread> {
        let Some(text) = self.value("BBOX")? else {
            return Ok(None);
        };
        let mut bbox = numbers(
            text.rsplit_once(",urn:")
                .map_or(&*text, |(numbers, _)| numbers),
            "BBOX",
        )?;
        let crs = self.crs()?;
        let ground = crs.as_deref().map_or(Ground::Metres, Ground::of_crs);
        bbox.truncate(4);
        Ok(Some((Extent::read(&bbox, "BBOX")?, ground)))
    }

    pub(super) fn crs(&self) -> Result<Option<Cow<'a, str>>, Misread> {
        for name in ["CRS", "SRS", "SRSNAME"] {
            if let Some(crs) = self.value(name)? {
                return Ok(Some(crs));
            }
        }
        Ok(None)
    }

    pub(super) fn tile(&self, notes: &mut Notes) -> Result<(u64, u64), Misread> {
        let side = match self.value("TILEMATRIXSET")?.as_deref() {
            Some("PopularWebMercator256") => 256,
            Some("PopularWebMercator512") => 512,
            _ => {
                notes.add("the size of a tile of this matrix set is not published");
                LARGEST_TILE
            }
        };
        Ok((side, side))
    }
}
