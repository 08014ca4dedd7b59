//! The quantities that rules calculate with, each a type of its own over [`Amount`].

use std::fmt;
use std::num::NonZeroU128;

use serde::{Deserialize, Serialize};

use super::Amount;

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
        )]
        #[serde(transparent)]
        pub struct $name(Amount);

        impl $name {
            pub const ZERO: Self = Self(Amount::ZERO);

            pub const fn from_micros(micros: i64) -> Option<Self> {
                match Amount::from_micros(micros) {
                    Some(amount) => Some(Self(amount)),
                    None => None,
                }
            }

            pub fn from_whole(units: u64) -> Option<Self> {
                Amount::from_whole(units).map(Self)
            }

            /// `over / under`, rounded up: an estimate never falls short.
            pub fn from_ratio_ceil(over: u128, under: NonZeroU128) -> Option<Self> {
                Amount::from_ratio_ceil(over, under).map(Self)
            }

            pub const fn amount(self) -> Amount {
                self.0
            }

            pub const fn micros(self) -> i64 {
                self.0.micros()
            }

            pub fn checked_add(self, other: Self) -> Option<Self> {
                self.0.checked_add(other.0).map(Self)
            }

            pub fn checked_mul(self, times: u64) -> Option<Self> {
                self.0.checked_mul(times).map(Self)
            }
        }

        impl From<Amount> for $name {
            fn from(amount: Amount) -> Self {
                Self(amount)
            }
        }

        impl From<$name> for Amount {
            fn from(quantity: $name) -> Self {
                quantity.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

quantity!(
    /// Processing units.
    Pu
);
quantity!(
    /// An area; a millionth of it is one square metre. Also AUM, which is billed in km².
    SquareKm
);

/// Bytes that crossed a wire.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct ByteCount(pub u64);

/// A share of a cap at which somebody wants to hear of it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Percent(pub u16);
