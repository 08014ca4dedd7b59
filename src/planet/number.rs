//! Where the decimals of a request become the integers that costs are calculated with.

/// The whole number at or above `value`; `None` when it is negative, not a number, or past 2^53.
pub(super) fn ceil(value: f64) -> Option<u64> {
    whole(value.ceil())
}

/// The whole number nearest to `value`.
pub(super) fn round(value: f64) -> Option<u64> {
    whole(value.round())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the guard in front leaves only whole numbers that fit"
)]
fn whole(value: f64) -> Option<u64> {
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    (0.0..=LARGEST).contains(&value).then_some(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_that_fit_become_integers() {
        assert_eq!(
            (ceil(2.1), ceil(2.0), ceil(-0.5)),
            (Some(3), Some(2), Some(0))
        );
        assert_eq!((round(2.5), round(2.4)), (Some(3), Some(2)));
        for value in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
            assert_eq!(ceil(value), None, "{value}");
        }
    }
}
