//! The words of the books: what a request brings, how it ends, what is kept of it, what can go wrong.

use std::collections::HashSet;
use std::error::Error;
use std::sync::Arc;

use serde::Serialize;

use super::{AccountKey, Epoch, Fingerprint, ReplicaId, RequestId};
use crate::policy::{Account, Claim};
use crate::units::{Amount, Amounts, Unit, UtcTime};

/// Everything the books keep of a request when it reserves.
#[derive(Clone, Debug, Eq, PartialEq)]
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
    /// Whether it must be in the books before it is forwarded: what creates or commits, and whatever else
    /// is too large or too rare to be admitted from a lease.
    pub certain: bool,
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
    /// What other replicas hold of it in leases and may still give back when they are asked.
    pub elsewhere: Amount,
    /// Of what is not left, what this replica was lent in its life: its lease, and what it has told to be spent.
    pub lent: Amount,
}

/// How an account stands right after a step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Standing {
    pub account: Account,
    pub limit: Option<Amount>,
    /// `None` without a limit.
    pub remaining: Option<Amount>,
    /// What was lent to this replica besides, as of a [`Breach`].
    pub lent: Amount,
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

/// A limit as one replica's policy has it, for the others to see: of two, the lower one holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cap {
    pub budget: Arc<str>,
    pub unit: Unit,
    /// `None` where nothing refuses.
    pub limit: Option<Amount>,
}

/// Something that people want to read about later, and that moves no amount by itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    pub sequence: u64,
    pub at: UtcTime,
    /// An admin's name, or the replica's.
    pub by: String,
    pub what: String,
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

/// What a request was predicted to cost in PU, and what upstream said that it cost.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Told {
    pub team: Arc<str>,
    pub api: Arc<str>,
    pub predicted: Amount,
    pub charged: Amount,
}

/// Of so many requests, the latest, [`told`](super::Ledger::told) looks at the charges.
pub const MOST_TOLD: u32 = 100_000;

impl Told {
    /// `None` where upstream did not say, or nothing was predicted.
    pub fn of(team: &Arc<str>, api: &Arc<str>, predicted: &Amounts, state: &State) -> Option<Self> {
        let State::Settled(charge) = state else {
            return None;
        };
        let said = charge.source == ChargeSource::Header;
        Some(Self {
            team: Arc::clone(team),
            api: Arc::clone(api),
            predicted: predicted.get(Unit::Pu)?,
            charged: charge.amounts.get(Unit::Pu).filter(|_| said)?,
        })
    }
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

/// Who it was that acted, where no person did.
pub const GUARD: &str = "guard";

/// Stands for the API of what is no request: a lease that nobody can account for.
pub const LOST_LEASE: &str = "lease";

/// Why a lease is in doubt of which a journal tells.
const PROVEN: &str = "a guard stopped; its journal shows that no more than this was spent of its lease, in \
                      small requests that it had not reported";

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
    #[error("nothing that request {0} made is followed")]
    NotFollowed(RequestId),
    #[error(
        "this key was used before for another top-up, number {id}: give each order a key of its own, and the \
         same key only to the same order"
    )]
    AnotherTopUp { id: i64 },
    #[error("budget {budget} is claimed twice by one request")]
    ClaimedTwice { budget: Arc<str> },
    #[error("the sum of budget {budget} is too large to count")]
    Overflow { budget: Arc<str> },
    /// Another replica gave this one up while it was silent. Nothing was written; it must begin anew.
    #[error("this guard was silent for too long, and its life in the books is over")]
    Fenced,
    #[error(
        "the store is older than what this guard has written into it: it was restored from a backup. \
         Nothing is admitted until `quota-guard doctor --accept-restored` says that this is meant"
    )]
    Restored,
}

impl From<&Breach> for Standing {
    /// A refusal writes nothing, so this is how the account stood and stands.
    fn from(breach: &Breach) -> Self {
        Self {
            account: breach.account.clone(),
            limit: Some(breach.limit),
            remaining: Some(breach.remaining),
            lent: breach.lent,
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

    /// How an adjustment ends: it was charged, as it says.
    pub fn adjusted(&self, now: UtcTime) -> Record {
        let charge = Charge {
            amounts: self.predicted.clone(),
            source: ChargeSource::Reconciled,
        };
        self.held(now).entering(State::Settled(charge), now)
    }

    /// What the books keep of it where it is taken at once, as it was claimed.
    pub fn settled(&self, now: UtcTime) -> Record {
        let whole = |(unit, predicted): &(Unit, Amount)| {
            let mut own = self.claims.iter();
            own.all(|claim| claim.account.unit != *unit || claim.amount <= *predicted)
        };
        let charge = Charge {
            amounts: self.predicted.iter().filter(whole).collect(),
            source: ChargeSource::Predicted,
        };
        self.held(now).entering(State::Settled(charge), now)
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

impl Record {
    /// The record as it goes on into another state.
    #[must_use]
    pub fn entering(mut self, state: State, now: UtcTime) -> Self {
        self.state = state;
        self.closed_at = Some(now);
        self
    }

    pub const fn is_unknown(&self) -> bool {
        matches!(self.state, State::Unknown { .. })
    }

    /// What stands in the worklist for the part of a lease that nobody can account for.
    pub fn of_lost_lease(
        epoch: Epoch,
        began_at: UtcTime,
        account: &Account,
        lost: Amount,
        proven: bool,
        now: UtcTime,
    ) -> Self {
        let of_team = account
            .partition
            .split(',')
            .find_map(|part| part.strip_prefix("team="));
        let why = if proven {
            PROVEN
        } else {
            "a guard went silent, and how much it spent of its lease in small requests is not known"
        };
        Self {
            request: RequestId::of_lease(epoch, began_at, &AccountKey::from(account)),
            team: of_team.unwrap_or_default().into(),
            key: "".into(),
            api: LOST_LEASE.into(),
            product: None,
            tag: None,
            fingerprint: None,
            predicted: Amounts::of(account.unit, lost),
            claims: vec![Claim {
                account: account.clone(),
                amount: lost,
                limit: None,
                enforced: false,
            }],
            state: State::Unknown { why: why.into() },
            reserved_at: began_at,
            closed_at: Some(now),
        }
    }

    /// How the doubt about a lost lease goes on when a journal shows that no more than `most` of it can have
    /// been spent. What was spent, the journal does not say.
    #[must_use]
    pub fn lessened(mut self, most: Amount) -> Self {
        for claim in &mut self.claims {
            claim.amount = claim.amount.min(most);
            self.predicted.set(claim.account.unit, claim.amount);
        }
        self.state = State::Unknown { why: PROVEN.into() };
        self
    }
}

impl Evidence {
    /// What a journal says of a part of a lease that it did not allow to be spent.
    pub fn of_journal(account: &Account) -> Self {
        Self {
            amounts: Amounts::of(account.unit, Amount::ZERO),
            by: GUARD.into(),
            why: "the journal of the guard that had the lease did not allow it to be spent".into(),
        }
    }

    /// What a guard says of a request that was given up while it was silent, now that it has ended there
    /// after all. `None` when the guard does not know either: a prediction is no evidence.
    pub fn of_the_guard_itself(outcome: &Outcome) -> Option<Self> {
        let amounts = match outcome {
            Outcome::Settled(charge) if charge.source == ChargeSource::Predicted => return None,
            Outcome::Settled(charge) => charge.amounts.clone(),
            Outcome::Voided => Unit::ALL
                .map(|unit| (unit, Amount::ZERO))
                .into_iter()
                .collect(),
            Outcome::Unknown { .. } => return None,
        };
        Some(Self {
            amounts,
            by: GUARD.into(),
            why: "the guard that sent the request was silent, and has answered".into(),
        })
    }

    /// The evidence as a sentence for the record.
    pub fn event(&self, request: RequestId) -> String {
        format!("settled {request} at {}: {}", self.amounts, self.why)
    }
}

/// The sentence for the record when a silent replica was given up.
pub fn gave_up(replica: ReplicaId) -> String {
    format!("gave up guard {replica}, which was silent; what it held counts as unknown")
}

impl Charge {
    /// Whether nobody but the guard itself has said what it came to.
    fn is_of_a_prediction(&self) -> bool {
        matches!(
            self.source,
            ChargeSource::Predicted | ChargeSource::Reconciled
        )
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

    /// How a reservation goes on whose guard stopped before it was closed.
    pub fn stopped() -> Self {
        let why = "the guard stopped while the request was under way";
        Self::Unknown { why: why.into() }
    }

    /// Whether it was settled without anybody saying what was charged.
    pub fn is_only_predicted(&self) -> bool {
        matches!(self, Self::Settled(charge) if charge.source == ChargeSource::Predicted)
    }

    /// What a claim came to in this state, once that is known. Windows of different lengths claim their own
    /// shares of what goes on spending, so that a mere prediction settles at no more than each has claimed.
    pub fn charged(&self, claim: &Claim) -> Option<Amount> {
        if matches!(self, Self::Held | Self::Unknown { .. }) {
            return None;
        }
        let charged = self.charged_of(claim.account.unit).unwrap_or(claim.amount);
        Some(match self {
            Self::Settled(charge) if charge.is_of_a_prediction() => charged.min(claim.amount),
            _ => charged,
        })
    }

    /// What is known to have been charged of a unit.
    pub fn charged_of(&self, unit: Unit) -> Option<Amount> {
        match self {
            Self::Held | Self::Unknown { .. } => None,
            Self::Voided => Some(Amount::ZERO),
            Self::Settled(charge) => charge.amounts.get(unit),
            Self::Reconciled(evidence) => evidence.amounts.get(unit),
        }
    }

    /// The state of a charge that was predicted, once some of it was given back: it cannot be corrected as a
    /// whole any more. `None` of any other state.
    #[must_use]
    pub fn partly_given_back(&self) -> Option<Self> {
        let Self::Settled(charge) = self else {
            return None;
        };
        (charge.source == ChargeSource::Predicted).then(|| {
            Self::Settled(Charge {
                source: ChargeSource::Reconciled,
                ..charge.clone()
            })
        })
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
