//! Work that goes on after the answer: asynchronous images, batches, and changes to collections.

use std::num::NonZeroU128;

use crate::planet::{AsyncAsk, BatchAsk};
use crate::units::Unit;

use super::imagery::{self, Ratio, SOURCE};
use super::{Line, Prices};

/// Pixels from which an asynchronous image costs less, and beyond which one of a batch does.
const DISCOUNT_PIXELS: u64 = 10_000;

const BYTES_PER_MB: u128 = 1_000_000;

/// The image, and what leaves for another region; `None` when it costs more than can be counted.
pub fn asynchronous(ask: &AsyncAsk, prices: &Prices) -> Option<Vec<Line>> {
    let pixels = ask.imagery.width.checked_mul(ask.imagery.height)?;
    let (over, under) = if pixels >= DISCOUNT_PIXELS {
        (2, 3)
    } else {
        (1, 1)
    };
    let cost = Ratio::of(&ask.imagery)?.times(over, under)?.amount()?;
    let mut line = imagery::line(
        "async-process",
        &ask.imagery,
        cost.max(prices.async_minimum.amount()),
    );
    line.quantity += if pixels >= DISCOUNT_PIXELS {
        " × 2/3 (asynchronous)"
    } else {
        ""
    };
    if ask.leaving_bytes == 0 {
        return Some(vec![line]);
    }
    Some(vec![line, leaving(ask, prices)?])
}

fn leaving(ask: &AsyncAsk, prices: &Prices) -> Option<Line> {
    let rate = prices.region_egress_mb.amount();
    let amount = rate.checked_scale_ceil(ask.leaving_bytes, NonZeroU128::new(BYTES_PER_MB)?)?;
    Some(Line {
        rule: "region-egress",
        unit: Unit::Pu,
        amount,
        quantity: format!(
            "{} bytes uncompressed, to another region",
            ask.leaving_bytes
        ),
        source: SOURCE,
        exact: false,
    })
}

/// All tiles of a batch, once it is started.
pub fn batch(ask: &BatchAsk, prices: &Prices) -> Option<Line> {
    let pixels = ask.tile.width.checked_mul(ask.tile.height)?;
    let discounted = pixels > DISCOUNT_PIXELS;
    let (over, under) = if discounted { (1, 3) } else { (1, 1) };
    let cost = Ratio::of(&ask.tile)?
        .times(ask.tiles.into(), 1)?
        .times(over, under)?
        .amount()?;
    let mut line = imagery::line(
        "batch-process",
        &ask.tile,
        cost.max(prices.batch_minimum.amount()),
    );
    let discount = if discounted { " × 1/3 (batch)" } else { "" };
    line.quantity = format!("{} tiles{discount} × {}", ask.tiles, line.quantity);
    Some(line)
}

/// One change to a collection of the caller's own.
pub fn collection_write(prices: &Prices) -> Line {
    Line {
        rule: "collection-write",
        unit: Unit::Pu,
        amount: prices.collection_write.amount(),
        quantity: "1 write".to_owned(),
        source: SOURCE,
        exact: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planet::batch::Leaving;
    use crate::planet::{Correction, Format, Imagery, Source};

    fn imagery(side: u64) -> Imagery {
        Imagery {
            width: side,
            height: side,
            sources: vec![Source {
                collection: "sentinel-2-l2a".into(),
                bands: 3,
                samples: 1,
                remote: false,
            }],
            format: Format::UpTo16Bit,
            correction: Correction::None,
            speckle_filter: false,
            bounded: vec![],
        }
    }

    fn asynchronous_pu(side: u64, leaving_bytes: u64) -> Vec<String> {
        let ask = AsyncAsk {
            imagery: imagery(side),
            leaving_bytes,
        };
        let lines = asynchronous(&ask, &Prices::default()).unwrap();
        lines.iter().map(|line| line.amount.to_string()).collect()
    }

    #[test]
    fn a_large_asynchronous_image_costs_two_thirds_and_never_less_than_ten() {
        assert_eq!(asynchronous_pu(5120, 0), ["66.666667"]);
        assert_eq!(
            asynchronous_pu(1024, 0),
            ["10"],
            "two thirds of 4 are below the minimum"
        );
        assert_eq!(asynchronous_pu(99, 0), ["10"]);
    }

    #[test]
    fn what_leaves_the_region_is_a_line_of_its_own() {
        assert_eq!(asynchronous_pu(5120, 100_000_000), ["66.666667", "3"]);
        assert_eq!(asynchronous_pu(5120, 1), ["66.666667", "0.000001"]);
    }

    #[test]
    fn a_batch_costs_a_third_for_every_tile_and_never_less_than_a_hundred() {
        let pu = |side, tiles| {
            batch(
                &BatchAsk {
                    tile: imagery(side),
                    tiles,
                    leaving: Leaving::Nothing,
                },
                &Prices::default(),
            )
            .unwrap()
            .amount
            .to_string()
        };
        assert_eq!(pu(5120, 9), "300");
        assert_eq!(pu(512, 9), "100");
        assert_eq!(
            pu(100, 100_000),
            "3814.697266",
            "exactly 10,000 px get no discount"
        );
        let line = batch(
            &BatchAsk {
                tile: imagery(512),
                tiles: 9,
                leaving: Leaving::Nothing,
            },
            &Prices::default(),
        )
        .unwrap();
        assert_eq!(
            line.quantity,
            "9 tiles × 1/3 (batch) × 512 × 512 px × 3 bands × 1 sample"
        );
    }

    #[test]
    fn a_write_costs_one() {
        assert_eq!(collection_write(&Prices::default()).amount.to_string(), "1");
    }
}
