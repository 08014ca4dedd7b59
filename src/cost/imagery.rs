//! Planet's general rule for rendered pixels, in whole numbers.
//!
//! `area × bands ÷ 3 × format × samples × fusion × corrections`, where 512 × 512 px is an area of 1 and no
//! area counts less than a hundredth. The smallest charge of each API comes last.

use std::num::{NonZeroU64, NonZeroU128};

use crate::planet::{Correction, Format, Imagery};
use crate::units::{Amount, Unit};

use super::{Line, Prices};

pub(super) const SOURCE: &str = "docs.planet.com/platform/processing-units";

/// Pixels of which the area is 1.
const UNIT_PIXELS: u128 = 512 * 512;
/// The smallest area is one part in so many.
const SMALLEST_AREA: u128 = 100;
/// Bands that cost as much as the area alone.
const UNIT_BANDS: u128 = 3;

/// One image of the Processing API; `None` when it costs more than can be counted.
pub fn process(imagery: &Imagery, prices: &Prices) -> Option<Line> {
    let cost = Ratio::of(imagery)?.amount()?;
    Some(line(
        "process",
        imagery,
        cost.max(prices.process_minimum.amount()),
    ))
}

/// One image of an OGC service.
pub fn ogc_image(imagery: &Imagery, prices: &Prices) -> Option<Line> {
    let cost = Ratio::of(imagery)?.amount()?;
    Some(line(
        "ogc-image",
        imagery,
        cost.max(prices.process_minimum.amount()),
    ))
}

/// One request for statistics, all of its intervals together.
pub fn statistics(imagery: &Imagery, prices: &Prices) -> Option<Line> {
    let cost = Ratio::of(imagery)?.amount()?;
    Some(line(
        "statistics",
        imagery,
        cost.max(prices.statistics_minimum.amount()),
    ))
}

/// What would make these pixels cheaper, for a sender who may not know.
pub(super) fn hints(imagery: &Imagery, statistics: bool) -> Vec<&'static str> {
    let mut hints = Vec::new();
    if matches!(imagery.format, Format::Float32 | Format::Float32OctetStream) {
        hints.push(
            "FLOAT32 doubles the price: an 8 or 16 bit sampleType with scaled values costs half.",
        );
    }
    if statistics && (imagery.width, imagery.height) == (256, 256) {
        hints.push(
            "Without a size the grid is 256 × 256; a coarser one, or resx and resy, costs less.",
        );
    }
    if imagery.sources.iter().any(|source| source.samples > 1) {
        hints.push("A shorter time range or a lower maxCloudCoverage means fewer samples.");
    }
    hints
}

/// A product of fractions that is only divided, and rounded up, at the end.
#[derive(Clone, Copy)]
pub(super) struct Ratio {
    over: u128,
    under: u128,
}

impl Ratio {
    /// The general rule. Samples of fused collections may differ, and then the most of any counts for all.
    pub(super) fn of(imagery: &Imagery) -> Option<Self> {
        let samples = NonZeroU64::new(samples(imagery))?.get();
        let (correction, half) = match imagery.correction {
            Correction::None => (1, 1),
            Correction::Orthorectified => (2, 1),
            Correction::RadiometricTerrain => (5, 2),
        };
        Self::area(imagery)?
            .times(bands(imagery)?, UNIT_BANDS)?
            .times(format_tenths(imagery.format), 10)?
            .times(samples.into(), 1)?
            .times(fusion(imagery)?, 1)?
            .times(correction, half)?
            .times(if imagery.speckle_filter { 2 } else { 1 }, 1)
    }

    fn area(imagery: &Imagery) -> Option<Self> {
        let pixels = u128::from(imagery.width).checked_mul(imagery.height.into())?;
        let floor_binds = pixels.checked_mul(SMALLEST_AREA)? < UNIT_PIXELS;
        Some(if floor_binds {
            Self {
                over: 1,
                under: SMALLEST_AREA,
            }
        } else {
            Self {
                over: pixels,
                under: UNIT_PIXELS,
            }
        })
    }

    pub(super) fn times(self, over: u128, under: u128) -> Option<Self> {
        Some(Self {
            over: self.over.checked_mul(over)?,
            under: self.under.checked_mul(under)?,
        })
    }

    pub(super) fn amount(self) -> Option<Amount> {
        Amount::from_ratio_ceil(self.over, NonZeroU128::new(self.under)?)
    }
}

/// The most samples that a pixel has of any collection.
pub(super) fn samples(imagery: &Imagery) -> u64 {
    let samples = imagery.sources.iter().map(|source| source.samples);
    samples.max().unwrap_or(0)
}

fn bands(imagery: &Imagery) -> Option<u128> {
    imagery.sources.iter().try_fold(0u128, |total, source| {
        total.checked_add(source.bands.into())
    })
}

fn format_tenths(format: Format) -> u128 {
    match format {
        Format::UpTo16Bit => 10,
        Format::OctetStream => 14,
        Format::Float32 => 20,
        Format::Float32OctetStream => 28,
    }
}

/// 1 for one collection; of several, each local one counts once and each remote one twice.
fn fusion(imagery: &Imagery) -> Option<u128> {
    if imagery.sources.len() == 1 {
        return Some(1);
    }
    imagery.sources.iter().try_fold(0u128, |total, source| {
        total.checked_add(if source.remote { 2 } else { 1 })
    })
}

pub(super) fn line(rule: &'static str, imagery: &Imagery, amount: Amount) -> Line {
    Line {
        rule,
        unit: Unit::Pu,
        amount,
        quantity: quantity(imagery),
        source: SOURCE,
        exact: imagery.bounded.is_empty(),
    }
}

/// `512 × 512 px × 3 bands × 12 samples × 2 (FLOAT32)`, and what makes it a bound.
fn quantity(imagery: &Imagery) -> String {
    let counted = |count: u128, one: &str| match count {
        1 => format!("1 {one}"),
        more => format!("{more} {one}s"),
    };
    let samples = samples(imagery);
    let mut text = format!(
        "{} × {} px × {} × {}",
        imagery.width,
        imagery.height,
        counted(bands(imagery).unwrap_or(u128::MAX), "band"),
        counted(samples.into(), "sample"),
    );
    text.push_str(match imagery.format {
        Format::UpTo16Bit => "",
        Format::Float32 => " × 2 (FLOAT32)",
        Format::OctetStream => " × 1.4 (octet-stream)",
        Format::Float32OctetStream => " × 2.8 (FLOAT32 as octet-stream)",
    });
    if imagery.sources.len() > 1 {
        let fusion = fusion(imagery).unwrap_or(u128::MAX);
        text += " × ";
        text += &fusion.to_string();
        text += " (fused collections)";
    }
    text.push_str(match imagery.correction {
        Correction::None => "",
        Correction::Orthorectified => " × 2 (orthorectified)",
        Correction::RadiometricTerrain => " × 2.5 (terrain corrected)",
    });
    if imagery.speckle_filter {
        text.push_str(" × 2 (speckle filter)");
    }
    if !imagery.bounded.is_empty() {
        text += "; at most, as ";
        text += &imagery.bounded.join("; ");
    }
    text
}

#[cfg(test)]
mod tests;
