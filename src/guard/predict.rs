//! From a classified call to what it will cost at most: a pure step, shared by the pipeline, the
//! `estimate` command and the policy's own tests.

use super::refusal::{Problem, Refusal};
use crate::cost::{self, Estimate};
use crate::planet::{self, Asked, Reading, Unbounded};
use crate::policy::{Policy, Unpredictable};
use crate::units::{Amounts, UtcTime};

/// What a call will cost, and on what.
#[derive(Clone, Debug)]
pub struct Predicted {
    pub reading: Reading,
    pub estimate: Estimate,
    pub totals: Amounts,
    /// What it counts as spent when it has succeeded and upstream does not say.
    pub settles_at: Amounts,
    /// Whether it costs no more than that: the policy may let pass what nobody can bound.
    pub bounded: bool,
}

/// Reads and prices a call. What cannot be bounded passes only where the policy lets it.
pub fn predict(policy: &Policy, asked: &Asked<'_>, now: UtcTime) -> Result<Predicted, Refusal> {
    let reading = planet::read(asked)?;
    let (prices, plan) = (policy.prices(), policy.plan());
    let outlook = cost::estimate(&reading.ask, prices, plan, now)
        .and_then(|estimate| Ok((estimate, cost::settled(&reading.ask, prices, plan, now)?)));
    let bounded = outlook.is_ok();
    let (estimate, settled) = match outlook {
        Ok(both) => both,
        Err(_) if policy.unpredictable() == Unpredictable::Allow => Default::default(),
        Err(unbounded) => return Err(not_predictable(&unbounded)),
    };
    Ok(Predicted {
        totals: estimate.totals().ok_or_else(uncountable)?,
        settles_at: settled.totals().ok_or_else(uncountable)?,
        estimate,
        reading,
        bounded,
    })
}

fn not_predictable(unbounded: &Unbounded) -> Refusal {
    let detail = format!(
        "The cost of this request cannot be predicted: {unbounded}. The guard forwards only what it can \
         put an upper bound on."
    );
    Refusal::new(Problem::CostNotPredictable, detail)
}

fn uncountable() -> Refusal {
    Refusal::new(
        Problem::NotUnderstood,
        "This request would cost more than can be counted.",
    )
}
