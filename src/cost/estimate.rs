//! [`Estimate`]: a prediction, line by line.

use serde::Serialize;

use crate::units::{Amount, Amounts, Unit};

/// What a request will cost at most, and why.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Estimate {
    pub lines: Vec<Line>,
}

/// One rule applied once.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// The rule's name, e.g. `process` or `asset-activation`.
    pub rule: &'static str,
    pub unit: Unit,
    pub amount: Amount,
    /// What was counted, for a person: `2 items × 3 assets`.
    pub quantity: String,
    /// Where Planet publishes the rule.
    pub source: &'static str,
    /// Whether this is what Planet will charge, or only never less than it.
    pub exact: bool,
}

impl Estimate {
    /// Whether every line is exact.
    pub fn is_exact(&self) -> bool {
        self.lines.iter().all(|line| line.exact)
    }

    /// The sum of the lines of each unit; `None` when one is too large to count.
    pub fn totals(&self) -> Option<Amounts> {
        let mut totals = Amounts::default();
        for line in &self.lines {
            totals.add(line.unit, line.amount)?;
        }
        Some(totals)
    }
}
