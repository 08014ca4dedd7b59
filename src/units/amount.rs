//! [`Amount`]: how much of some [`Unit`](super::Unit), in whole millionths.

use std::fmt;
use std::num::NonZeroU128;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const MICROS_PER_ONE: i64 = 1_000_000;
const DECIMALS: usize = 6;

/// A quantity that is never negative, kept as whole micro-units so that sums are exact.
///
/// It fits a database's signed 64-bit integer: at most about nine trillion units.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Amount(i64);

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidAmount {
    #[error("'{text}' is not a plain decimal number such as 50000 or 0.25")]
    NotANumber { text: String },
    #[error("'{text}' has more than {DECIMALS} decimals, and amounts are kept to {DECIMALS}")]
    TooFine { text: String },
    #[error("'{text}' is larger than the largest amount, {}", Amount::MAX)]
    TooLarge { text: String },
}

impl Amount {
    pub const ZERO: Self = Self(0);
    pub const MAX: Self = Self(i64::MAX);
    pub const ONE: Self = Self(MICROS_PER_ONE);

    /// `None` when negative.
    pub const fn from_micros(micros: i64) -> Option<Self> {
        if micros < 0 { None } else { Some(Self(micros)) }
    }

    pub fn from_whole(units: u64) -> Option<Self> {
        i64::try_from(units)
            .ok()?
            .checked_mul(MICROS_PER_ONE)
            .map(Self)
    }

    /// `over / under` units, rounded up: an estimate never falls short.
    pub fn from_ratio_ceil(over: u128, under: NonZeroU128) -> Option<Self> {
        let micros = over
            .checked_mul(MICROS_PER_ONE.unsigned_abs().into())?
            .div_ceil(under.get());
        i64::try_from(micros).ok().map(Self)
    }

    /// A decimal as an upstream writes it (`1.3333334922790527`, `2.5e-3`), rounded up to a millionth.
    pub fn parse_ceil(text: &str) -> Result<Self, InvalidAmount> {
        let decimal = Decimal::read(text)?;
        decimal
            .micros(true)
            .map(Self)
            .ok_or_else(|| InvalidAmount::TooLarge { text: text.into() })
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Whole units, rounded down: what is left is never shown as more than it is.
    pub const fn whole_floor(self) -> i64 {
        self.0 / MICROS_PER_ONE
    }

    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// `None` when `other` is larger.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        Self::from_micros(self.0.checked_sub(other.0)?)
    }

    pub fn checked_mul(self, times: u64) -> Option<Self> {
        self.0.checked_mul(i64::try_from(times).ok()?).map(Self)
    }

    /// `self × over / under`, rounded up.
    pub fn checked_scale_ceil(self, over: u64, under: NonZeroU128) -> Option<Self> {
        let micros = u128::from(self.0.unsigned_abs()).checked_mul(over.into())?;
        i64::try_from(micros.div_ceil(under.get())).ok().map(Self)
    }

    /// One of `parts` equal parts, rounded down; nothing of no parts.
    #[must_use]
    pub fn part_floor(self, parts: u64) -> Self {
        let parts = i64::try_from(parts).unwrap_or(i64::MAX);
        Self(self.0.checked_div(parts).unwrap_or(0))
    }

    /// What remains of `self` after `other`, nothing if `other` is larger.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(0))
    }

    /// The sum, or the largest amount there is: only for showing, never for deciding.
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / MICROS_PER_ONE, self.0 % MICROS_PER_ONE);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{rest:0DECIMALS$}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

impl FromStr for Amount {
    type Err = InvalidAmount;

    /// An exact amount: a seventh decimal is an error, not a rounding.
    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        let decimal = Decimal::read(text)?;
        if !decimal.fits_exactly() {
            return Err(InvalidAmount::TooFine { text: text.into() });
        }
        decimal
            .micros(false)
            .map(Self)
            .ok_or_else(|| InvalidAmount::TooLarge { text: text.into() })
    }
}

/// A JSON number in the unit, exact to six decimals.
impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::value::RawValue::from_string(self.to_string())
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

/// Integers and decimals of a JSON or TOML document.
impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Amount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number that is not negative")
            }

            fn visit_u64<E: de::Error>(self, units: u64) -> Result<Amount, E> {
                units.to_string().parse().map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, units: i64) -> Result<Amount, E> {
                units.to_string().parse().map_err(E::custom)
            }

            fn visit_f64<E: de::Error>(self, units: f64) -> Result<Amount, E> {
                units.to_string().parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// The digits of a decimal number and the power of ten that its last digit stands for.
struct Decimal<'a> {
    text: &'a str,
    whole: &'a str,
    fraction: &'a str,
    exponent: i32,
}

impl<'a> Decimal<'a> {
    fn read(text: &'a str) -> Result<Self, InvalidAmount> {
        let wrong = || InvalidAmount::NotANumber {
            text: text.chars().take(64).collect(),
        };
        let trimmed = text.trim();
        let (mantissa, exponent) = match trimmed.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse().map_err(|_| wrong())?),
            None => (trimmed, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
            return Err(wrong());
        }
        Ok(Self {
            text,
            whole,
            fraction,
            exponent,
        })
    }

    fn digits(&self) -> impl Iterator<Item = u8> + '_ {
        self.whole
            .bytes()
            .chain(self.fraction.bytes())
            .map(|byte| byte - b'0')
    }

    /// How many of [`Self::digits`] stand left of the micro point; negative: zeros come first.
    fn kept(&self) -> i64 {
        let whole = i64::try_from(self.whole.len()).unwrap_or(i64::MAX);
        whole.saturating_add(self.exponent.into()).saturating_add(6)
    }

    fn fits_exactly(&self) -> bool {
        let kept = usize::try_from(self.kept().max(0)).unwrap_or(usize::MAX);
        self.digits().skip(kept).all(|digit| digit == 0)
    }

    fn micros(&self, round_up: bool) -> Option<i64> {
        debug_assert!(!self.text.is_empty());
        let kept = self.kept();
        let mut micros: i64 = 0;
        let mut taken: i64 = 0;
        for digit in self
            .digits()
            .take(usize::try_from(kept.max(0)).unwrap_or(usize::MAX))
        {
            micros = micros.checked_mul(10)?.checked_add(digit.into())?;
            taken += 1;
        }
        while taken < kept && micros != 0 {
            micros = micros.checked_mul(10)?;
            taken += 1;
        }
        if round_up && !self.fits_exactly() {
            micros = micros.checked_add(1)?;
        }
        Some(micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        text.parse().expect(text)
    }

    #[test]
    fn decimals_are_exact_and_print_as_they_were_written() {
        for text in [
            "0",
            "1",
            "26.5",
            "0.000001",
            "1606.2",
            "9223372036854.775807",
        ] {
            assert_eq!(amount(text).to_string(), text);
        }
        assert_eq!(amount("2.5e3"), amount("2500"));
        assert_eq!(amount("1e-6").micros(), 1);
    }

    #[test]
    fn a_seventh_decimal_is_refused_where_amounts_are_exact_and_rounded_up_where_they_are_measured()
    {
        assert!(matches!(
            "0.0000001".parse::<Amount>(),
            Err(InvalidAmount::TooFine { .. })
        ));
        assert_eq!(Amount::parse_ceil("0.0000001").unwrap().micros(), 1);
        assert_eq!(
            Amount::parse_ceil("1.3333334922790527").unwrap().micros(),
            1_333_334
        );
        assert_eq!(Amount::parse_ceil("1e-300").unwrap().micros(), 1);
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        for text in [
            "",
            ".",
            "-1",
            "+1",
            "NaN",
            "inf",
            "1e",
            "1e999999999999",
            "1,5",
            "0x10",
            "1 2",
        ] {
            assert!(Amount::parse_ceil(text).is_err(), "{text}");
        }
        for text in ["1e13", "9223372036854.775808", "1e2000000000"] {
            assert!(
                matches!(text.parse::<Amount>(), Err(InvalidAmount::TooLarge { .. })),
                "{text}"
            );
        }
        assert_eq!("0e2000000000".parse(), Ok(Amount::ZERO));
    }

    #[test]
    fn json_numbers_keep_six_decimals() {
        assert_eq!(serde_json::to_string(&amount("0.1")).unwrap(), "0.1");
        assert_eq!(
            serde_json::to_string(&amount("9007199254.740993")).unwrap(),
            "9007199254.740993"
        );
        assert_eq!(
            serde_json::from_str::<Amount>("26.5").unwrap(),
            amount("26.5")
        );
        assert!(serde_json::from_str::<Amount>("-1").is_err());
    }

    #[test]
    fn ratios_round_up() {
        let three = NonZeroU128::new(3).unwrap();
        assert_eq!(Amount::from_ratio_ceil(2, three).unwrap().micros(), 666_667);
        assert_eq!(Amount::from_ratio_ceil(u128::MAX, three), None);
    }
}
