//! What would become of a request, without sending it and without touching the books: one document for
//! dry runs, the callers' own estimates, the `estimate` command and the policy's own tests.

use std::sync::Arc;

use http::{HeaderMap, Method};
use serde::Serialize;
use serde_json::Value;

use super::land;
use super::margins::Margins;
use super::predict::{Understood, understand};
use super::refusal::Refusal;
use super::weigh::weigh;
use crate::cost::Line;
use crate::planet::{Api, Asked, Found, Route, Target, classify};
use crate::policy::{Caller, Claim, Decision, Policy, Upstream};
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
    /// The nearest request that would pass, where one can be computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<Box<Value>>,
    /// Why it would not pass, in the sentence that its sender would read.
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
    let addressed = Addressed::find(policy, rehearsal)?;
    let understood = understand(policy, &addressed.asked(Found::default()), now)?;
    judge(policy, rehearsal, addressed.route.api, understood, now)
}

/// The end of a rehearsal that was understood.
pub(super) fn judge(
    policy: &Policy,
    rehearsal: &Rehearsal<'_>,
    api: Api,
    mut understood: Understood,
    now: UtcTime,
) -> Result<Report, Refusal> {
    if policy.plan().aum.counts_land_once() {
        land::cover(&mut understood.reading.ask, &[], None);
    }
    let nothing_learned = Margins::new(policy, []);
    let weighed = weigh(
        policy,
        &nothing_learned,
        &rehearsal.caller,
        api,
        understood,
        now,
    )?;
    let untouched: Vec<_> = weighed.claims.iter().map(|claim| claim.limit).collect();
    Ok(weighed.report(policy, &untouched, now))
}

/// A request that is not sent, and may be made: as far as its address goes.
pub(super) struct Addressed<'a> {
    pub(super) target: Target<'a>,
    pub(super) upstream: &'a Arc<Upstream>,
    pub(super) route: Route,
    /// As upstream knows it.
    path: String,
    rehearsal: &'a Rehearsal<'a>,
}

impl<'a> Addressed<'a> {
    pub(super) fn find(policy: &'a Policy, rehearsal: &'a Rehearsal<'a>) -> Result<Self, Refusal> {
        let target = Target::parse(rehearsal.target)?;
        let Some((upstream, path)) = policy.upstream_for(target.path()) else {
            return Err(super::pipeline::nothing_here());
        };
        let route = classify(upstream.kind(), &rehearsal.method, path);
        super::pipeline::permit(policy, &rehearsal.caller, &route, &rehearsal.method, path)?;
        Ok(Self {
            path: path.to_owned(),
            target,
            upstream,
            route,
            rehearsal,
        })
    }

    /// The call, with what was found out besides.
    pub(super) fn asked<'b>(&'b self, found: Found<'b>) -> Asked<'b> {
        Asked {
            method: &self.rehearsal.method,
            route: &self.route,
            path: &self.path,
            query: self.target.query(),
            headers: &self.rehearsal.headers,
            body: self.rehearsal.body,
            deployment: self.upstream.deployment(),
            found,
        }
    }
}

impl Report {
    /// A request that no budget had to judge.
    pub fn refused(refusal: &Refusal) -> Self {
        Self {
            api: Api::Unknown,
            decision: Decision::Reject,
            exact: false,
            estimate: Amounts::default(),
            lines: Vec::new(),
            budgets: Vec::new(),
            suggestion: refusal.suggestion.clone(),
            reason: Some(refusal.detail.clone()),
        }
    }

    /// Turns the decision to what `refusal` says.
    pub(super) fn refuse(&mut self, refusal: &Refusal) {
        self.decision = Decision::Reject;
        self.suggestion.clone_from(&refusal.suggestion);
        self.reason = Some(refusal.detail.clone());
    }
}

impl BudgetReport {
    pub(super) fn of(claim: &Claim, remaining: Option<Amount>) -> Self {
        Self {
            budget: claim.account.budget.to_string(),
            partition: claim.account.partition.to_string(),
            unit: claim.account.unit,
            needed: claim.amount,
            remaining,
            short: claim.enforced && remaining.is_some_and(|left| claim.amount > left),
        }
    }
}
