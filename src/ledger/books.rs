//! The words of the books: what a request brings, how it ends, what is kept of it, what can go wrong.

use std::collections::HashSet;
use std::error::Error;
use std::sync::Arc;

use serde::Serialize;

use super::{AccountKey, Fingerprint, RequestId};
use crate::policy::{Account, Claim};
use crate::units::{Amount, Amounts, UtcTime};

/// Everything the books keep of a request when it reserves.
#[derive(Clone, Debug)]
pub struct NewReservation {
    pub request: RequestId,
    pub team: Arc<str>,
    pub key: Arc<str>,
    pub api: &'static str,
    pub product: Option<Arc<str>>,
    pub tag: Option<Arc<str>>,
    /// Of a create, which may be sent again before its answer has arrived.
    pub fingerprint: Option<Fingerprint>,
    /// The prediction in each unit, whether or not a budget counts it.
    pub predicted: Amounts,
    /// In account order, each account once.
    pub claims: Vec<Claim>,
}

/// What came of [`reserve`](super::Ledger::reserve).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reserved {
    /// Every claim was granted; how each account stands with it.
    Granted(Vec<Standing>),
    /// Nothing was; every account that could not give what was claimed.
    Full(Vec<Breach>),
}

/// An account that could not give what a claim asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Breach {
    pub account: Account,
    pub needed: Amount,
    pub remaining: Amount,
    pub limit: Amount,
}

/// How an account stands right after a step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Standing {
    pub account: Account,
    pub limit: Option<Amount>,
    /// `None` without a limit.
    pub remaining: Option<Amount>,
}

/// How a reservation ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It was charged.
    Settled(Charge),
    /// It never left for upstream, or upstream's answer is documented as free.
    Voided,
    /// Upstream may have charged. Counts as spent until there is evidence.
    Unknown { why: String },
}

/// What upstream took. A unit that is not named settles at what was reserved.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Charge {
    pub amounts: Amounts,
    pub source: ChargeSource,
}

/// How we know a charge; the `source` label of the metrics.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChargeSource {
    Header,
    Predicted,
    Metered,
    Reconciled,
}

/// What shows how a reservation in doubt really ended. A unit that is not named settles at what was
/// reserved; what cost nothing is named with zero.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Evidence {
    pub amounts: Amounts,
    /// Who looked: an admin's name, or the part of the guard that compared with Planet's figures.
    pub by: String,
    pub why: String,
}

/// All that the books know of one request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    pub request: RequestId,
    pub team: Arc<str>,
    pub key: Arc<str>,
    pub api: Arc<str>,
    pub product: Option<Arc<str>>,
    pub tag: Option<Arc<str>>,
    /// Until the answer has reached its client.
    pub fingerprint: Option<Fingerprint>,
    pub predicted: Amounts,
    /// As they were made: the window that admitted a request also takes its charge, however late.
    pub claims: Vec<Claim>,
    pub state: State,
    pub reserved_at: UtcTime,
    /// When the state was entered that it has now; `None` while held.
    pub closed_at: Option<UtcTime>,
}

/// Where a reservation is in its life.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum State {
    /// Under way.
    Held,
    Settled(Charge),
    Voided,
    Unknown {
        why: String,
    },
    /// In doubt once, then cleared up.
    Reconciled(Evidence),
}

/// The books could not be read or written; the request must not pass.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Nothing was granted. Trying the same step again is safe.
    #[error("the store cannot be reached or refuses to write")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    #[error("the store holds what the books cannot mean: {what}")]
    Corrupt { what: String },
    #[error("request {0} has no reservation")]
    NotReserved(RequestId),
    #[error("request {0} has ended or has reserved something else: a new attempt needs a new id")]
    Reused(RequestId),
    #[error("request {0} is not in doubt, so no evidence is needed")]
    NotInDoubt(RequestId),
    #[error("budget {budget} is claimed twice by one request")]
    ClaimedTwice { budget: Arc<str> },
    #[error("the sum of budget {budget} is too large to count")]
    Overflow { budget: Arc<str> },
}

impl From<&Breach> for Standing {
    /// A refusal writes nothing, so this is how the account stood and stands.
    fn from(breach: &Breach) -> Self {
        Self {
            account: breach.account.clone(),
            limit: Some(breach.limit),
            remaining: Some(breach.remaining),
        }
    }
}

impl NewReservation {
    /// What the books keep of it from `now` on.
    pub fn held(&self, now: UtcTime) -> Record {
        Record {
            request: self.request,
            team: Arc::clone(&self.team),
            key: Arc::clone(&self.key),
            api: self.api.into(),
            product: self.product.clone(),
            tag: self.tag.clone(),
            fingerprint: self.fingerprint,
            predicted: self.predicted.clone(),
            claims: self.claims.clone(),
            state: State::Held,
            reserved_at: now,
            closed_at: None,
        }
    }

    /// Each account may be claimed once; the order of claims is the caller's.
    pub fn check_claims(&self) -> Result<(), LedgerError> {
        let mut seen = HashSet::new();
        for claim in &self.claims {
            if !seen.insert(AccountKey::from(&claim.account)) {
                let budget = Arc::clone(&claim.account.budget);
                return Err(LedgerError::ClaimedTwice { budget });
            }
        }
        Ok(())
    }

    /// Whether this is `record`'s own reservation, made again because its answer was lost: still under
    /// way, for the same amounts. Limits may differ, for the policy may have been edited in between.
    pub fn repeats(&self, record: &Record) -> bool {
        let same = |ours: &Claim, theirs: &Claim| {
            ours.amount == theirs.amount
                && AccountKey::from(&ours.account) == AccountKey::from(&theirs.account)
        };
        let made_before = |ours: &Claim| record.claims.iter().any(|theirs| same(ours, theirs));
        record.state == State::Held
            && self.claims.len() == record.claims.len()
            && self.claims.iter().all(made_before)
    }
}

impl Outcome {
    pub fn state(&self) -> State {
        match self {
            Self::Settled(charge) => State::Settled(charge.clone()),
            Self::Voided => State::Voided,
            Self::Unknown { why } => State::Unknown { why: why.clone() },
        }
    }
}

impl ChargeSource {
    pub const ALL: [Self; 4] = [
        Self::Header,
        Self::Predicted,
        Self::Metered,
        Self::Reconciled,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Predicted => "predicted",
            Self::Metered => "metered",
            Self::Reconciled => "reconciled",
        }
    }
}

impl State {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Settled(_) => "settled",
            Self::Voided => "voided",
            Self::Unknown { .. } => "unknown",
            Self::Reconciled(_) => "reconciled",
        }
    }

    /// What a claim came to in this state, once that is known.
    pub fn charged(&self, claim: &Claim) -> Option<Amount> {
        let amounts = match self {
            Self::Held | Self::Unknown { .. } => return None,
            Self::Voided => return Some(Amount::ZERO),
            Self::Settled(charge) => &charge.amounts,
            Self::Reconciled(evidence) => &evidence.amounts,
        };
        Some(amounts.get(claim.account.unit).unwrap_or(claim.amount))
    }

    /// The journal's note on entering this state.
    pub fn note(&self) -> Arc<str> {
        match self {
            Self::Held | Self::Voided => "".into(),
            Self::Settled(charge) => charge.source.name().into(),
            Self::Unknown { why } => why.as_str().into(),
            Self::Reconciled(evidence) => format!("{}: {}", evidence.by, evidence.why).into(),
        }
    }
}
