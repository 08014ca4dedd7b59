//! What would become of a request, without sending it and without touching the books: for the
//! `estimate` command and the policy's own tests.

use http::{HeaderMap, Method};
use serde::Serialize;

use super::predict::{Predicted, predict};
use super::refusal::Refusal;
use crate::cost::Line;
use crate::planet::{Api, Asked, Target, classify};
use crate::policy::{Call, Caller, Claim, Decision, Policy};
use crate::units::{Amount, Amounts, Unit, UtcTime};

/// A request that is not sent.
#[derive(Clone, Debug)]
pub struct Rehearsal<'a> {
    pub caller: Caller,
    pub method: Method,
    /// Path and query on the guard's data port.
    pub target: &'a str,
    pub headers: HeaderMap,
    pub body: &'a [u8],
}

/// The estimate document of the contract.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub api: Api,
    pub decision: Decision,
    pub exact: bool,
    pub estimate: Amounts,
    pub lines: Vec<Line>,
    pub budgets: Vec<BudgetReport>,
    /// Why it would not pass, where no budget is the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What one budget would be asked for.
#[derive(Clone, Debug, Serialize)]
pub struct BudgetReport {
    pub budget: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub partition: String,
    pub unit: Unit,
    pub needed: Amount,
    /// `null` without a limit.
    pub remaining: Option<Amount>,
    /// Whether this budget would refuse.
    #[serde(skip)]
    pub short: bool,
}

/// Judges a request against windows in which nothing has been spent yet.
///
/// # Errors
/// When the request cannot be understood, as the guard would answer it.
pub fn rehearse(
    policy: &Policy,
    rehearsal: &Rehearsal<'_>,
    now: UtcTime,
) -> Result<Report, Refusal> {
    let target = Target::parse(rehearsal.target)?;
    let Some((upstream, path)) = policy.upstream_for(target.path()) else {
        return Err(super::pipeline::nothing_here());
    };
    let route = classify(upstream.kind(), &rehearsal.method, path);
    super::pipeline::permit(policy, &rehearsal.caller, &route, &rehearsal.method, path)?;
    let asked = Asked {
        method: &rehearsal.method,
        route: &route,
        path,
        query: target.query(),
        headers: &rehearsal.headers,
        body: rehearsal.body,
        deployment: upstream.deployment(),
    };
    let predicted = predict(policy, &asked, now)?;
    let call = Call {
        api: route.api,
        products: &predicted.reading.products,
    };
    let claims = policy.judge(&rehearsal.caller, call, &predicted.totals, now);
    Ok(Report::of(route.api, predicted, &claims))
}

impl Report {
    fn of(api: Api, predicted: Predicted, claims: &[Claim]) -> Self {
        let budgets: Vec<BudgetReport> = claims.iter().map(BudgetReport::of).collect();
        let short = budgets.iter().any(|budget| budget.short);
        Self {
            api,
            decision: if short {
                Decision::Reject
            } else {
                Decision::Forward
            },
            exact: predicted.estimate.is_exact(),
            estimate: predicted.totals,
            lines: predicted.estimate.lines,
            budgets,
            reason: None,
        }
    }

    /// A request that no budget had to judge.
    pub fn refused(refusal: &Refusal) -> Self {
        Self {
            api: Api::Unknown,
            decision: Decision::Reject,
            exact: false,
            estimate: Amounts::default(),
            lines: Vec::new(),
            budgets: Vec::new(),
            reason: Some(refusal.detail.clone()),
        }
    }
}

impl BudgetReport {
    fn of(claim: &Claim) -> Self {
        Self {
            budget: claim.account.budget.to_string(),
            partition: claim.account.partition.to_string(),
            unit: claim.account.unit,
            needed: claim.amount,
            remaining: claim.limit,
            short: claim.enforced && claim.limit.is_some_and(|limit| claim.amount > limit),
        }
    }
}
