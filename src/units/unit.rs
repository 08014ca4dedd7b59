//! What is counted, and amounts of several units at once.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Amount;

/// What a budget counts.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Processing units.
    Pu,
    /// Area under management, km².
    Aum,
    /// Downloaded area, km².
    Km2,
    /// Reserved area, km².
    Quota,
    Tiles,
    Requests,
}

impl Unit {
    pub const ALL: [Self; 6] = [
        Self::Pu,
        Self::Aum,
        Self::Km2,
        Self::Quota,
        Self::Tiles,
        Self::Requests,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Pu => "pu",
            Self::Aum => "aum",
            Self::Km2 => "km2",
            Self::Quota => "quota",
            Self::Tiles => "tiles",
            Self::Requests => "requests",
        }
    }

    /// As a person reads it behind a number.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Pu => "PU",
            Self::Aum => "km² of AUM",
            Self::Km2 => "km² downloaded",
            Self::Quota => "km² reserved",
            Self::Tiles => "tiles",
            Self::Requests => "requests",
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Unit {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|unit| unit.name() == name)
            .ok_or(())
    }
}

/// An amount for each unit that has one, printed as `pu=26.5, aum=1606.2`.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Amounts(BTreeMap<Unit, Amount>);

impl Amounts {
    pub fn of(unit: Unit, amount: Amount) -> Self {
        Self(BTreeMap::from([(unit, amount)]))
    }

    /// `None` when the sum is too large to count.
    #[must_use = "the sum may have overflowed"]
    pub fn add(&mut self, unit: Unit, amount: Amount) -> Option<()> {
        let sum = self.0.entry(unit).or_default();
        *sum = sum.checked_add(amount)?;
        Some(())
    }

    pub fn set(&mut self, unit: Unit, amount: Amount) {
        self.0.insert(unit, amount);
    }

    pub fn get(&self, unit: Unit) -> Option<Amount> {
        self.0.get(&unit).copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = (Unit, Amount)> + '_ {
        self.0.iter().map(|(unit, amount)| (*unit, *amount))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Unit, Amount)> for Amounts {
    fn from_iter<I: IntoIterator<Item = (Unit, Amount)>>(amounts: I) -> Self {
        Self(amounts.into_iter().collect())
    }
}

impl fmt::Display for Amounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (unit, amount)) in self.iter().enumerate() {
            let comma = if position == 0 { "" } else { ", " };
            write!(f, "{comma}{unit}={amount}")?;
        }
        Ok(())
    }
}
