//! `policy.safety_margin`: how much more than predicted is reserved.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer};

use crate::cost::Factor;
use crate::units::Amount;

/// What predictions are multiplied by before they are reserved.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SafetyMargin {
    Fixed(Factor),
    /// For each API and team, so that at most one request in a hundred costs more.
    Learned,
}

impl Default for SafetyMargin {
    fn default() -> Self {
        Self::Fixed(Factor::ONE)
    }
}

impl<'de> Deserialize<'de> for SafetyMargin {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(Visitor)
    }
}

struct Visitor;

impl de::Visitor<'_> for Visitor {
    type Value = SafetyMargin;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number from 1 to 100, or \"learned\"")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<SafetyMargin, E> {
        fixed(&number)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<SafetyMargin, E> {
        fixed(&number)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<SafetyMargin, E> {
        fixed(&number)
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<SafetyMargin, E> {
        match word {
            "learned" => Ok(SafetyMargin::Learned),
            _ => Err(wrong(&word)),
        }
    }
}

fn fixed<E: de::Error>(number: &impl ToString) -> Result<SafetyMargin, E> {
    let number = number.to_string();
    let factor = number.parse::<Amount>().ok().and_then(Factor::new);
    factor
        .map(SafetyMargin::Fixed)
        .ok_or_else(|| wrong(&number))
}

fn wrong<E: de::Error>(written: &impl fmt::Display) -> E {
    E::custom(format_args!(
        "{written} is no safety margin\nwrite a number from 1 to 100 with at most 6 decimals, or \"learned\""
    ))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_refused, policy};
    use super::*;

    fn margin(written: &str) -> SafetyMargin {
        policy(&format!("[policy]\nsafety_margin = {written}")).safety_margin()
    }

    #[test]
    fn a_margin_is_a_number_or_learned_and_nothing_unless_it_is_written() {
        assert_eq!(policy("").safety_margin(), SafetyMargin::Fixed(Factor::ONE));
        for (written, number) in [("1", "1"), ("1.0", "1"), ("1.05", "1.05"), ("100", "100")] {
            let factor = Factor::new(number.parse().unwrap()).unwrap();
            assert_eq!(margin(written), SafetyMargin::Fixed(factor));
        }
        assert_eq!(margin("\"learned\""), SafetyMargin::Learned);
    }

    #[test]
    fn a_margin_that_takes_away_or_is_no_number_is_refused_where_it_stands() {
        let refused = |written: &str, words: &str| {
            let text = format!("[policy]\nsafety_margin = {written}");
            assert_refused(&[(&text, written, words)]);
        };
        for number in ["0", "0.99", "-1", "100.5", "1.0000001", "inf", "nan"] {
            refused(number, "is no safety margin");
        }
        refused("\"learnt\"", "learnt is no safety margin");
        refused("true", "cannot stand here");
    }
}
