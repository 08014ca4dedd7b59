//! The worklist of what is in doubt, and a person's word on how it ended. Nothing else clears it up but
//! evidence; time never does.

use std::sync::Arc;

use http::{HeaderMap, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use tracing::info;

use super::Admin;
use super::access::Bearer;
use super::body::{self, Said};
use super::problem::{Problem, sentence};
use super::query::{Page, Query};
use crate::ledger::{self, Evidence, Record, RequestId, State};
use crate::policy::Claim;
use crate::units::{Amount, Amounts, Unit, UtcTime};
use crate::upstream::Body;

/// All that is known of a request whose outcome is not.
#[derive(Serialize)]
pub(super) struct Document {
    id: String,
    team: Arc<str>,
    /// Nothing for what a lease may have spent, in many small requests.
    key: Option<Arc<str>>,
    api: Arc<str>,
    product: Option<Arc<str>>,
    tag: Option<Arc<str>>,
    predicted: Amounts,
    budgets: Vec<Touched>,
    /// When the request reserved.
    at: UtcTime,
    /// Since when it is in doubt.
    since: Option<UtcTime>,
    why: String,
}

/// What counts as spent of a budget until the doubt is cleared up.
#[derive(Serialize)]
struct Touched {
    budget: Arc<str>,
    partition: Arc<str>,
    unit: Unit,
    amount: Amount,
    window_start: UtcTime,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    amount: Said,
    reason: String,
}

/// What a request that was in doubt has been charged with.
#[derive(Serialize)]
pub(super) struct Resolved {
    id: String,
    charged: Amounts,
    by: String,
    reason: String,
    at: UtcTime,
    budgets: Vec<Left>,
}

#[derive(Serialize)]
struct Left {
    budget: Arc<str>,
    partition: Arc<str>,
    unit: Unit,
    limit: Option<Amount>,
    remaining: Option<Amount>,
}

impl From<&Claim> for Touched {
    fn from(claim: &Claim) -> Self {
        Self {
            budget: Arc::clone(&claim.account.budget),
            partition: Arc::clone(&claim.account.partition),
            unit: claim.account.unit,
            amount: claim.amount,
            window_start: claim.account.window.start,
        }
    }
}

impl From<ledger::Standing> for Left {
    fn from(standing: ledger::Standing) -> Self {
        Self {
            budget: standing.account.budget,
            partition: standing.account.partition,
            unit: standing.account.unit,
            limit: standing.limit,
            remaining: standing.remaining,
        }
    }
}

impl Document {
    /// `None` for what is not in doubt.
    fn of(record: Record) -> Option<Self> {
        let State::Unknown { why } = record.state else {
            return None;
        };
        Some(Self {
            id: record.request.to_string(),
            team: record.team,
            key: Some(record.key).filter(|key| !key.is_empty()),
            api: record.api,
            product: record.product,
            tag: record.tag,
            predicted: record.predicted,
            budgets: record.claims.iter().map(Touched::from).collect(),
            at: record.reserved_at,
            since: record.closed_at,
            why,
        })
    }
}

impl Admin {
    /// Oldest first.
    pub(super) async fn unknowns(&self, uri: &Uri) -> Result<Page<Document>, Problem> {
        let query = Query::read(uri, &[])?;
        let limit = query.limit()?;
        let after = query.value("after", "the id of a request")?;
        let most = u32::try_from(limit).unwrap_or(u32::MAX).saturating_add(1);
        let records = self.ledger.unknowns(after, most).await?;
        let items = records.into_iter().filter_map(Document::of).collect();
        Ok(query.page(items, limit, |last: &Document| last.id.clone()))
    }

    pub(super) async fn resolve(
        &self,
        id: &str,
        bearer: &Bearer,
        (headers, body): (&HeaderMap, Body),
        now: UtcTime,
    ) -> Result<Resolved, Problem> {
        let id: RequestId = id.parse().map_err(|cause: ledger::InvalidRequestId| {
            Problem::bad_request(sentence(&cause.to_string()))
        })?;
        let order: Order = body::read(headers, body).await?;
        let record = self.doubted(id).await?;
        let evidence = Evidence {
            amounts: charged(&record, &order.amount)?,
            by: bearer.name.to_string(),
            why: body::reason(&order.reason)?,
        };
        let standings = self.ledger.reconcile(id, &evidence, now).await?;
        let settled = self.ledger.record(id).await?;
        if let Some(Record { state, .. }) = settled.filter(|record| !says(record, &evidence)) {
            return Err(ended(id, &state)); // somebody else was faster
        }
        info!(
            request.id = %id,
            admin.name = %bearer.name,
            charged = %evidence.amounts,
            "an unknown outcome is settled"
        );
        Ok(Resolved {
            id: id.to_string(),
            charged: evidence.amounts,
            by: evidence.by,
            reason: evidence.why,
            at: now,
            budgets: standings.into_iter().map(Left::from).collect(),
        })
    }

    async fn doubted(&self, id: RequestId) -> Result<Record, Problem> {
        let record = self
            .ledger
            .record(id)
            .await?
            .ok_or_else(|| Problem::not_found(format!("The books have no request {id}.")))?;
        match record.state {
            State::Unknown { .. } => Ok(record),
            state => Err(ended(id, &state)),
        }
    }
}

fn says(record: &Record, evidence: &Evidence) -> bool {
    matches!(&record.state, State::Reconciled(kept) if kept == evidence)
}

/// Why there is nothing to resolve.
fn ended(id: RequestId, state: &State) -> Problem {
    let how = match state {
        State::Held => "it is under way".to_owned(),
        State::Voided => "it was not charged".to_owned(),
        State::Settled(charge) => format!("it was charged {}", shown(&charge.amounts)),
        State::Reconciled(Evidence { amounts, by, why }) => {
            format!("{by} settled it at {}: {why}", shown(amounts))
        }
        State::Unknown { .. } => "somebody else is settling it".to_owned(),
    };
    Problem::conflict(sentence(&format!("request {id} is not in doubt: {how}")))
}

fn shown(amounts: &Amounts) -> String {
    if amounts.is_empty() {
        return "nothing that a budget counts".into();
    }
    amounts.to_string()
}

/// What was charged in each unit at stake. A unit that is left out would settle at what was reserved, so
/// none may be, but requests: it was one, unless somebody says that it never was.
fn charged(record: &Record, said: &Said) -> Result<Amounts, Problem> {
    let at_stake: Vec<Unit> = record.predicted.iter().map(|(unit, _)| unit).collect();
    match said {
        Said::One(amount) => one(*amount, &at_stake),
        Said::Each(amounts) => each(amounts, &at_stake),
    }
}

fn one(amount: Amount, at_stake: &[Unit]) -> Result<Amounts, Problem> {
    match at_stake {
        [unit] => Ok(Amounts::of(*unit, amount)),
        [] if amount.is_zero() => Ok(Amounts::default()),
        [] => Err(unprocessable(
            "Nothing but the request itself is at stake: write 0, or {\"requests\": 0} if it was none.".into(),
        )),
        several => Err(unprocessable(format!(
            "Several units are at stake: say what was charged in each, as {{\"pu\": 1, …}}; they are {}.",
            names(several)
        ))),
    }
}

fn each(amounts: &Amounts, at_stake: &[Unit]) -> Result<Amounts, Problem> {
    let known = |unit: &Unit| *unit == Unit::Requests || at_stake.contains(unit);
    let stray: Vec<Unit> = amounts.iter().map(|(unit, _)| unit).collect();
    let stray: Vec<Unit> = stray.into_iter().filter(|unit| !known(unit)).collect();
    if !stray.is_empty() {
        return Err(unprocessable(format!(
            "{} cannot have been charged here: what is at stake is {}.",
            names(&stray),
            names(at_stake)
        )));
    }
    let silent = at_stake.iter().filter(|unit| amounts.get(**unit).is_none());
    let silent: Vec<Unit> = silent.copied().collect();
    if !silent.is_empty() {
        return Err(unprocessable(format!(
            "Say what was charged in {} too; 0 where nothing was.",
            names(&silent)
        )));
    }
    Ok(amounts.clone())
}

fn names(units: &[Unit]) -> String {
    let names: Vec<&str> = units.iter().map(|unit| unit.name()).collect();
    if names.is_empty() {
        return "requests alone".into();
    }
    names.join(", ")
}

fn unprocessable(detail: String) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
}
