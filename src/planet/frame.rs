//! How many pixels a request renders, and of which box.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use super::extent::{Extent, Ground};
use super::imagery::Notes;
use super::outline::RawGeometry;
use super::{Misread, number};

/// How far a computed number of pixels may lie from a whole one and still be meant as that.
const WHOLE_WITHIN: f64 = 1e-6;

/// `input.bounds`
#[derive(Debug, Deserialize)]
pub(super) struct RawBounds {
    bbox: Option<Vec<f64>>,
    geometry: Option<RawGeometry>,
    properties: Option<RawBoundsProperties>,
}

#[derive(Debug, Deserialize)]
struct RawBoundsProperties {
    crs: Option<String>,
}

/// The size, as `output` or `aggregation` states it.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct RawSize {
    pub(super) width: Option<Side>,
    pub(super) height: Option<Side>,
    pub(super) resx: Option<f64>,
    pub(super) resy: Option<f64>,
}

/// A number of pixels as JSON writes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side(pub(super) u64);

/// Pixels of a box.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) width: u64,
    pub(super) height: u64,
    pub(super) extent: Extent,
    pub(super) ground: Ground,
}

/// What an API allows, and what its fields are called in a sentence.
#[derive(Clone, Copy)]
pub(super) struct SizeRule {
    pub(super) place: &'static str,
    pub(super) most: u64,
    /// The side where none is stated.
    pub(super) default: Option<u64>,
}

impl RawBounds {
    /// With a box and a geometry, the box is the picture.
    pub(super) fn read(&self) -> Result<(Extent, Ground), Misread> {
        let crs = self
            .properties
            .as_ref()
            .and_then(|properties| properties.crs.as_deref());
        let ground = crs.map_or(Ground::Degrees, Ground::of_crs);
        let extent = match (&self.bbox, &self.geometry) {
            (Some(bbox), _) => Extent::read(bbox, "input.bounds.bbox")?,
            (None, Some(geometry)) => geometry.area("input.bounds.geometry")?,
            (None, None) => return Err(no_bounds()),
        };
        Ok((extent, ground))
    }
}

pub(super) fn no_bounds() -> Misread {
    Misread::new("input.bounds says nothing of where; write a bbox of four numbers or a geometry")
}

impl RawSize {
    pub(super) fn frame(
        self,
        bounds: Option<&RawBounds>,
        rule: SizeRule,
        notes: &mut Notes,
    ) -> Result<Frame, Misread> {
        let (extent, ground) = bounds.ok_or_else(no_bounds)?.read()?;
        self.of(extent, ground, rule, notes)
    }

    pub(super) fn of(
        self,
        extent: Extent,
        ground: Ground,
        rule: SizeRule,
        notes: &mut Notes,
    ) -> Result<Frame, Misread> {
        let nothing = self.width.is_none()
            && self.height.is_none()
            && self.resx.is_none()
            && self.resy.is_none();
        let (width, height) = match rule.default.filter(|_| nothing) {
            Some(side) => (side, side),
            None => (
                side(
                    "width",
                    self.width,
                    ("resx", self.resx),
                    extent.width(),
                    rule,
                    notes,
                )?,
                side(
                    "height",
                    self.height,
                    ("resy", self.resy),
                    extent.height(),
                    rule,
                    notes,
                )?,
            ),
        };
        Ok(Frame {
            width,
            height,
            extent,
            ground,
        })
    }
}

/// One side, from the number of pixels, or from the size of one.
fn side(
    name: &str,
    pixels: Option<Side>,
    (step_name, step): (&str, Option<f64>),
    length: f64,
    rule: SizeRule,
    notes: &mut Notes,
) -> Result<u64, Misread> {
    let SizeRule { place, most, .. } = rule;
    let stated = pixels.map(|side| side.0);
    if let Some(pixels) = stated.filter(|pixels| !(1..=most).contains(pixels)) {
        return Err(Misread::new(format!(
            "{place}.{name} is {pixels}; write a whole number of pixels from 1 to {most}"
        )));
    }
    let computed = step
        .map(|step| stepped(length, step, &format!("{place}.{step_name}"), most))
        .transpose()?;
    match (stated, computed) {
        (Some(pixels), None) | (None, Some((pixels, true))) => Ok(pixels),
        (None, Some((pixels, false))) => {
            notes.add("the pixels are rounded up from the resolution");
            Ok(pixels)
        }
        (Some(pixels), Some((more, _))) => {
            notes.add("the size is stated both in pixels and as a resolution");
            Ok(pixels.max(more))
        }
        (None, None) => {
            notes.add(format!("the {name} is not stated, and may be {most} px"));
            Ok(most)
        }
    }
}

/// Pixels of a length at so much for each, and whether they come out even. The service rounds to the
/// nearest whole number; the bound is the one above.
fn stepped(length: f64, step: f64, place: &str, most: u64) -> Result<(u64, bool), Misread> {
    if step <= 0.0 {
        return Err(Misread::new(format!(
            "{place} is {step}; write the size of a pixel in the units of the CRS, more than 0"
        )));
    }
    let pixels = length / step;
    let nearest = number::round(pixels).map_or(u64::MAX, |pixels| pixels.max(1));
    if nearest > most {
        return Err(Misread::new(format!(
            "{place} of {step} makes an image {pixels:.0} px long, and at most {most} px are allowed; \
             write a coarser resolution or a smaller area"
        )));
    }
    let even = (pixels - pixels.round()).abs() <= WHOLE_WITHIN;
    if even {
        return Ok((nearest, true));
    }
    let above = number::ceil(pixels).unwrap_or(most);
    Ok((above.clamp(1, most), false))
}

impl<'de> Deserialize<'de> for Side {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SideVisitor)
    }
}

struct SideVisitor;

impl Visitor<'_> for SideVisitor {
    type Value = Side;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number of pixels such as 512")
    }

    fn visit_u64<E>(self, pixels: u64) -> Result<Side, E> {
        Ok(Side(pixels))
    }

    fn visit_f64<E: de::Error>(self, pixels: f64) -> Result<Side, E> {
        match number::round(pixels) {
            Some(whole) if pixels.fract() == 0.0 => Ok(Side(whole)),
            _ => Err(E::invalid_value(de::Unexpected::Float(pixels), &self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: SizeRule = SizeRule {
        place: "output",
        most: 2500,
        default: Some(256),
    };

    fn frame(size: &str) -> Result<(u64, u64, bool), String> {
        let bounds: RawBounds = serde_json::from_str(r#"{"bbox":[0,0,1000,505]}"#).unwrap();
        let size: RawSize = serde_json::from_str(size).map_err(|error| error.to_string())?;
        let mut notes = Notes::default();
        let frame = size
            .frame(Some(&bounds), RULE, &mut notes)
            .map_err(|misread| misread.sentence)?;
        Ok((frame.width, frame.height, notes.into_clauses().is_empty()))
    }

    #[test]
    fn sizes_are_stated_computed_or_the_default() {
        for (size, expected) in [
            ("{}", (256, 256, true)),
            (r#"{"width":512,"height":300}"#, (512, 300, true)),
            (r#"{"width":512.0,"height":2500}"#, (512, 2500, true)),
            (r#"{"width":null,"height":null}"#, (256, 256, true)),
            (r#"{"resx":10,"resy":10}"#, (100, 51, false)),
            (r#"{"resx":10,"resy":5}"#, (100, 101, true)),
            (r#"{"resx":5000,"resy":5000}"#, (1, 1, false)),
            (r#"{"resx":0.4,"resy":1}"#, (2500, 505, true)),
            (r#"{"width":100}"#, (100, 2500, false)),
            (r#"{"width":100,"resy":5}"#, (100, 101, true)),
            (r#"{"width":100,"resx":1,"height":10}"#, (1000, 10, false)),
        ] {
            assert_eq!(frame(size), Ok(expected), "{size}");
        }
    }

    #[test]
    fn sizes_that_upstream_refuses_are_answered_with_what_to_write() {
        for size in [
            r#"{"width":0,"height":1}"#,
            r#"{"width":-5,"height":1}"#,
            r#"{"width":2501,"height":1}"#,
            r#"{"width":1000000000,"height":1}"#,
            r#"{"width":1.5,"height":1}"#,
            r#"{"width":"512","height":1}"#,
            r#"{"width":1e999,"height":1}"#,
            r#"{"resx":0,"resy":1}"#,
            r#"{"resx":-1,"resy":1}"#,
            r#"{"resx":"10","resy":1}"#,
            r#"{"resx":0.1,"resy":1}"#,
            r#"{"resx":1e-300,"resy":1}"#,
        ] {
            assert!(frame(size).is_err(), "{size}");
        }
        assert!(
            frame(r#"{"width":9999}"#)
                .unwrap_err()
                .contains("from 1 to 2500")
        );
    }

    #[test]
    fn a_request_for_nowhere_is_refused() {
        let nowhere: RawBounds = serde_json::from_str("{}").unwrap();
        for bounds in [None, Some(&nowhere)] {
            let frame = RawSize::default().frame(bounds, RULE, &mut Notes::default());
            assert!(frame.is_err(), "{bounds:?}");
        }
    }
}
