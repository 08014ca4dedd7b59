//! From what is calculated here, in floats as an upstream would, to the exact amounts of the bill.

use crate::units::{Amount, Pu, SquareKm};

/// A cost as the header states it: single precision, widened and printed in full.
pub(super) fn header_text(cost: f64) -> String {
    f64::from(single(cost)).to_string()
}

/// The amount that a printed number stands for; what is no amount counts nothing.
pub(super) fn pu_of_text(text: &str) -> Pu {
    Amount::parse_ceil(text).unwrap_or_default().into()
}

pub(super) fn pu(cost: f64) -> Pu {
    pu_of_text(&format!("{cost:.6}"))
}

pub(super) fn whole_pu(cost: u64) -> Pu {
    Pu::from_whole(cost).unwrap_or_default()
}

/// An area of so many square metres, to the nearest one.
pub(super) fn square_metres(area: f64) -> SquareKm {
    Amount::parse_ceil(&format!("{:.6}", area.round() / 1e6))
        .unwrap_or_default()
        .into()
}

pub(super) fn processing_units(pu: Pu) -> f64 {
    pu.amount().to_string().parse().unwrap_or_default()
}

pub(super) fn square_km(area: SquareKm) -> f64 {
    area.amount().to_string().parse().unwrap_or_default()
}

/// The nearest whole number that is not negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and NaN becomes nothing"
)]
pub(super) fn nearest(value: f64) -> u32 {
    value.round() as u32
}

/// Counts are small here; a huge one loses its last digits, which nobody would notice.
#[expect(clippy::cast_precision_loss, reason = "a count, not an amount")]
pub(super) fn float(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, reason = "upstream's own precision")]
fn single(cost: f64) -> f32 {
    cost as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_printed_as_a_single_float_that_was_widened() {
        assert_eq!(header_text(4.0 / 3.0), "1.3333333730697632");
        assert_eq!(header_text(1.0), "1");
        assert_eq!(pu_of_text("1.3333333730697632").micros(), 1_333_334);
    }

    #[test]
    fn areas_are_whole_square_metres() {
        assert_eq!(square_metres(3_104_292.77).micros(), 3_104_293);
        assert_eq!(square_metres(f64::NAN).micros(), 0);
    }

    #[test]
    fn the_nearest_whole_number_never_wraps() {
        assert_eq!(nearest(2.5), 3);
        assert_eq!(nearest(-1.0), 0);
        assert_eq!(nearest(f64::NAN), 0);
        assert_eq!(nearest(1e30), u32::MAX);
    }
}
