//! Top-ups: what somebody allows beyond a budget's limit, once, and why.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::{HeaderMap, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use tracing::info;

use super::Admin;
use super::access::Bearer;
use super::body::{self, Exact};
use super::problem::Problem;
use super::query::{Page, Query};
use super::standing::standings;
use crate::ledger::{Fingerprint, NewTopUp, TopUp};
use crate::planet::Api;
use crate::policy::{Budget, Dimension};
use crate::units::{Amount, Unit, UtcTime};
use crate::upstream::Body;

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const LONGEST_KEY: usize = 255;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    amount: Exact,
    reason: String,
    /// For whoever wants to be sure: it must be the budget's own.
    unit: Option<Unit>,
    expires: Option<UtcTime>,
    #[serde(default)]
    partition: String,
}

#[derive(Serialize)]
pub(super) struct Document {
    id: i64,
    budget: Arc<str>,
    partition: Arc<str>,
    unit: Unit,
    amount: Amount,
    /// What windows have used of it.
    drawn: Amount,
    /// What can still be used of it.
    left: Amount,
    at: UtcTime,
    expires: Option<UtcTime>,
    reason: String,
    by: String,
}

/// A top-up, and what the budget has left in its present window with it.
#[derive(Serialize)]
pub(super) struct Ordered {
    #[serde(flatten)]
    top_up: Document,
    remaining: Option<Amount>,
}

impl Document {
    fn of(top_up: TopUp, now: UtcTime) -> Self {
        let left = top_up.left(now);
        let TopUp {
            id,
            budget,
            partition,
            unit,
            amount,
            drawn,
            at,
            expires_at,
            reason,
            by,
            key: _,
        } = top_up;
        Self {
            id,
            budget,
            partition,
            unit,
            amount,
            drawn,
            left,
            at,
            expires: expires_at,
            reason,
            by,
        }
    }
}

impl Admin {
    /// Those of one budget, oldest first.
    pub(super) async fn top_ups(
        &self,
        budget: &str,
        uri: &Uri,
        now: UtcTime,
    ) -> Result<Page<Document>, Problem> {
        let query = Query::read(uri, &[])?;
        let (limit, after) = (query.limit()?, query.value("after", "the id of a top-up")?);
        let budget = self.known_budget(budget)?;
        let all = self.ledger.top_ups().await?;
        let wanted = all.into_iter().filter(|top_up| {
            top_up.budget == *budget.name() && after.is_none_or(|after: i64| top_up.id > after)
        });
        let items = wanted.map(|top_up| Document::of(top_up, now));
        let items = items.take(limit + 1).collect();
        Ok(query.page(items, limit, |last: &Document| last.id.to_string()))
    }

    pub(super) async fn top_up(
        &self,
        budget: &str,
        bearer: &Bearer,
        (headers, body): (&HeaderMap, Body),
        now: UtcTime,
    ) -> Result<Ordered, Problem> {
        let budget = self.known_budget(budget)?;
        let key = key(headers, bearer)?;
        let order: Order = body::read(headers, body).await?;
        let new = NewTopUp {
            key,
            ..self.proven(budget, order, bearer, now)?
        };
        let top_up = self.ledger.top_up(&new, now).await?;
        info!(
            budget = %top_up.budget,
            partition = %top_up.partition,
            amount = %top_up.amount,
            admin.name = %bearer.name,
            "topped up"
        );
        let all = standings(&self.policy, self.books().await?, now);
        let own = all.iter().find(|standing| {
            standing.name == top_up.budget && standing.partition == top_up.partition
        });
        Ok(Ordered {
            remaining: own.and_then(|standing| standing.remaining),
            top_up: Document::of(top_up, now),
        })
    }

    fn proven(
        &self,
        budget: &Budget,
        order: Order,
        bearer: &Bearer,
        now: UtcTime,
    ) -> Result<NewTopUp, Problem> {
        let Order {
            amount: Exact(amount),
            reason,
            unit,
            expires,
            partition,
        } = order;
        let (name, own) = (budget.name(), budget.unit());
        if !budget.is_enforced() {
            return Err(Problem::conflict(format!(
                "Budget '{name}' refuses nothing, so there is nothing to top up."
            )));
        }
        if unit.is_some_and(|unit| unit != own) {
            return Err(unprocessable(format!("Budget '{name}' counts {own}.")));
        }
        if amount.is_zero() {
            return Err(unprocessable("A top-up of nothing allows nothing.".into()));
        }
        if let Some(past) = expires.filter(|end| *end <= now) {
            return Err(unprocessable(format!(
                "The top-up would have ended already, at {past}; it is {now}."
            )));
        }
        self.check_partition(budget, &partition)?;
        Ok(NewTopUp {
            budget: Arc::clone(name),
            partition: partition.into(),
            unit: own,
            amount,
            expires_at: expires,
            reason: body::reason(&reason)?,
            by: bearer.name.to_string(),
            key: None,
        })
    }

    /// A partition names a value for each thing that the budget is `per`, in the order of the books, as in
    /// `team=agriculture,api=orders`. A misspelt one would top up nobody.
    fn check_partition(&self, budget: &Budget, partition: &str) -> Result<(), Problem> {
        let form = form(budget.per());
        let wrong = || {
            let name = budget.name();
            unprocessable(if form.is_empty() {
                format!("Budget '{name}' is one for all: leave `partition` out.")
            } else {
                format!(
                    "Budget '{name}' is kept apart: `partition` says which is meant, as {form}."
                )
            })
        };
        let parts: Vec<&str> = partition
            .split(',')
            .filter(|part| !part.is_empty())
            .collect();
        if parts.len() != budget.per().len() || parts.join(",") != partition {
            return Err(wrong());
        }
        for (dimension, part) in budget.per().iter().zip(parts) {
            let value = part.strip_prefix(dimension.name());
            let value = value
                .and_then(|rest| rest.strip_prefix('='))
                .ok_or_else(wrong)?;
            if !self.knows(*dimension, value) {
                return Err(unprocessable(format!(
                    "The policy knows no {dimension} of the name given in `partition`."
                )));
            }
        }
        Ok(())
    }

    fn knows(&self, dimension: Dimension, value: &str) -> bool {
        match dimension {
            Dimension::Team => self.policy.team(value).is_some(),
            Dimension::Key => self.policy.has_key(value),
            Dimension::Api => value.parse::<Api>().is_ok(),
            Dimension::Product => !value.is_empty(),
        }
    }
}

/// What tells an order from others of the same admin, where they say so: given again, it is carried out once.
fn key(headers: &HeaderMap, bearer: &Bearer) -> Result<Option<Fingerprint>, Problem> {
    let mut given = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = given.next() else {
        return Ok(None);
    };
    let plain = key.to_str().ok().map(str::trim);
    let fits = |key: &&str| (1..=LONGEST_KEY).contains(&key.len());
    match plain.filter(fits) {
        Some(key) if given.next().is_none() => {
            let parts = ["top-up", &*bearer.name, key];
            Ok(Some(Fingerprint::of(&parts.map(str::as_bytes))))
        }
        _ => Err(Problem::bad_request(format!(
            "The header Idempotency-Key holds 1 to {LONGEST_KEY} plain characters, and stands once."
        ))),
    }
}

/// `team=…,api=…`
fn form(per: &BTreeSet<Dimension>) -> String {
    let parts = per.iter().map(|dimension| format!("{dimension}=…"));
    parts.collect::<Vec<_>>().join(",")
}

fn unprocessable(detail: String) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
}
