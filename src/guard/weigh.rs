//! What a request would take of which budgets, before it takes anything: the part that a real request
//! and a rehearsal have in common.

use http::StatusCode;

use super::commitments::Promise;
use super::margins::Margins;
use super::outlook::{Outlook, Shares};
use super::predict::{Predicted, Understood, price};
use super::refusal::Refusal;
use super::rehearse::{BudgetReport, Report};
use super::settle::Terms;
use crate::cost::{self, Estimate, Margin};
use crate::ledger::Breach;
use crate::planet::{Api, Operation};
use crate::policy::{Account, BreachStatus, Budget, Call, Caller, Claim, Decision, Policy};
use crate::units::{Amount, Amounts, Unit, UtcTime};

/// Rules that one refusal explains.
const MOST_RULES: usize = 2;

/// A request that was priced and judged.
pub(super) struct Weighed {
    pub(super) api: Api,
    pub(super) predicted: Predicted,
    pub(super) claims: Vec<Claim>,
    /// What shorter windows settle at beyond their own share, for it is the longest that a call settles at.
    pub(super) spare: Vec<(Account, Amount)>,
    /// What goes on spending when the call has been answered.
    pub(super) promise: Option<Box<Promise>>,
}

/// Prices a call and says what it must claim.
pub(super) fn weigh(
    policy: &Policy,
    margins: &Margins,
    caller: &Caller,
    api: Api,
    understood: Understood,
    now: UtcTime,
) -> Result<Weighed, Refusal> {
    let margin = margins.of(api, &caller.team);
    if understood.reading.ask.goes_on() {
        return weigh_each_window(policy, margin, caller, api, understood, now);
    }
    let by_the_byte = understood.by_the_byte;
    let mut predicted = price(policy, understood, None, now)?.with(margin)?;
    if by_the_byte {
        let (prices, plan) = (policy.prices(), policy.plan());
        let notice = cost::egress::notice(&predicted.estimate, prices, plan);
        predicted.estimate.lines.extend(notice);
    }
    let call = Call {
        api,
        products: &predicted.reading.products,
    };
    let claims = policy.judge(caller, call, &predicted.totals, now);
    Ok(Weighed {
        api,
        predicted,
        claims,
        spare: Vec::new(),
        promise: None,
    })
}

/// The same of a call that goes on spending: each window is asked for its share.
fn weigh_each_window(
    policy: &Policy,
    margin: Margin,
    caller: &Caller,
    api: Api,
    understood: Understood,
    now: UtcTime,
) -> Result<Weighed, Refusal> {
    let products = understood.reading.products.clone();
    let call = Call {
        api,
        products: &products,
    };
    let outlook = Outlook::of(policy, understood, margin, now)?;
    let Shares {
        predicted,
        claims,
        settles_at,
    } = outlook.shares(caller, call)?;
    let spare = claims.iter().zip(settles_at).map(|(claim, own)| {
        let longest = predicted.settles_at.get(claim.account.unit);
        let settled = longest.unwrap_or(claim.amount).min(claim.amount);
        (claim.account.clone(), settled.minus(own))
    });
    Ok(Weighed {
        api,
        spare: spare.filter(|(_, amount)| !amount.is_zero()).collect(),
        predicted,
        claims,
        promise: None,
    })
}

impl Weighed {
    /// What its end will depend on.
    pub(super) fn terms(&self, operation: Operation) -> Terms {
        Terms {
            operation,
            settles_at: self.predicted.settles_at.clone(),
            counts_requests: self.claims.iter().any(Claim::counts_requests),
        }
    }

    /// Whether it may cost anything.
    pub(super) fn spends(&self) -> bool {
        !self.predicted.bounded || !self.predicted.totals.is_empty()
    }

    /// Whether a budget of nothing says that nothing like it passes, not even for free.
    pub(super) fn is_forbidden(&self) -> bool {
        let nothing = |claim: &Claim| claim.enforced && claim.limit == Some(Amount::ZERO);
        self.claims.iter().any(nothing)
    }

    /// What would become of it where each claim's budget has as much left as `remaining` says.
    pub(super) fn report(
        self,
        policy: &Policy,
        remaining: &[Option<Amount>],
        now: UtcTime,
    ) -> Report {
        let with_remaining = || self.claims.iter().zip(remaining.iter().copied());
        let short: Vec<Breach> = with_remaining()
            .filter_map(|(claim, left)| shortage(claim, left))
            .collect();
        let budgets = with_remaining()
            .map(|(claim, left)| BudgetReport::of(claim, left))
            .collect();
        let mut report = Report {
            api: self.api,
            decision: Decision::Forward,
            exact: self.predicted.estimate.is_exact(),
            estimate: self.predicted.totals.clone(),
            lines: Vec::new(),
            budgets,
            suggestion: None,
            reason: None,
        };
        if !short.is_empty() {
            report.refuse(&over_budget(policy, &self.predicted, short, now));
        }
        report.lines = self.predicted.estimate.lines;
        report
    }
}

fn shortage(claim: &Claim, left: Option<Amount>) -> Option<Breach> {
    let (limit, remaining) = claim.limit.filter(|_| claim.enforced).zip(left)?;
    (claim.amount > remaining).then(|| Breach {
        account: claim.account.clone(),
        needed: claim.amount,
        remaining,
        limit,
        elsewhere: Amount::ZERO,
        lent: Amount::ZERO,
    })
}

/// The refusal of budgets that are short: in the way the first of them wants to be answered with, and
/// with the nearest request that all of them would let pass.
pub(super) fn over_budget(
    policy: &Policy,
    predicted: &Predicted,
    breaches: Vec<Breach>,
    now: UtcTime,
) -> Refusal {
    let short = breaches
        .first()
        .and_then(|breach| policy.budget(&breach.account.budget));
    let status = match short.map(Budget::status).unwrap_or_default() {
        BreachStatus::Forbidden => StatusCode::FORBIDDEN,
        BreachStatus::PaymentRequired => StatusCode::PAYMENT_REQUIRED,
        BreachStatus::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
    };
    let mut left = Amounts::default();
    for breach in &breaches {
        let unit = breach.account.unit;
        let least = left
            .get(unit)
            .map_or(breach.remaining, |left| left.min(breach.remaining));
        left.set(unit, least);
    }
    let area_rules = area_rules(&predicted.estimate, &breaches);
    let ask = &predicted.reading.ask;
    let left = predicted.margin.within(&left);
    let ends = || breaches.iter().map(|breach| breach.account.window.end);
    let until = ends()
        .flatten()
        .max()
        .filter(|_| ends().all(|end| end.is_some()));
    let nearest = cost::suggest(ask, policy.prices(), policy.plan(), now, until, &left);
    let mut hints: Vec<String> = area_rules.collect();
    hints.extend(nearest.iter().map(ToString::to_string));
    hints.extend(cost::hints(ask).into_iter().map(ToOwned::to_owned));
    Refusal {
        suggestion: nearest
            .and_then(|nearest| serde_json::to_value(nearest).ok())
            .map(Box::new),
        ..Refusal::over_budget(predicted.totals.clone(), breaches, status, &hints)
    }
}

/// By which rule an area that is too much was counted: Planet's pages disagree, and the policy chooses.
fn area_rules<'a>(
    estimate: &'a Estimate,
    breaches: &[Breach],
) -> impl Iterator<Item = String> + 'a {
    let short = breaches
        .iter()
        .any(|breach| breach.account.unit == Unit::Aum);
    let lines = estimate.lines.iter();
    lines
        .filter(move |line| short && line.unit == Unit::Aum && !line.amount.is_zero())
        .take(MOST_RULES)
        .map(|line| format!("The rule '{}' counts {}.", line.rule, line.quantity))
}
