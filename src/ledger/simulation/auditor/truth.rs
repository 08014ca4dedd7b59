//! What really happened to a request, whatever the books and the guards know of it.

use crate::ledger::{AccountKey, Epoch, NewReservation, Outcome, ReplicaId, State};
use crate::policy::Claim;
use crate::units::{Amount, Amounts, UtcTime};

#[derive(Debug)]
pub(in crate::ledger::simulation) struct Truth {
    pub(super) claims: Vec<Claim>,
    /// The accounts of the claims, in their order.
    pub(super) keys: Vec<AccountKey>,
    pub(super) life: Epoch,
    pub(super) from_lease: bool,
    pub(super) bill: Amounts,
    /// Nothing more will be billed.
    pub(super) done: bool,
    /// How it ended, as its guard said first.
    pub(super) said: Option<Outcome>,
    /// What the books have of it.
    pub(super) booked: Option<State>,
}

#[derive(Debug)]
pub(super) struct LifeTruth {
    pub(super) replica: ReplicaId,
    pub(super) began_at: UtcTime,
    pub(super) over: bool,
    pub(super) reported: u64,
}

impl LifeTruth {
    pub(super) const fn of(replica: ReplicaId, began_at: UtcTime) -> Self {
        Self {
            replica,
            began_at,
            over: false,
            reported: 0,
        }
    }
}

impl Truth {
    pub(super) fn of(new: &NewReservation, life: Epoch, from_lease: bool, done: bool) -> Self {
        Self {
            claims: new.claims.clone(),
            keys: new
                .claims
                .iter()
                .map(|claim| AccountKey::from(&claim.account))
                .collect(),
            life,
            from_lease,
            bill: Amounts::default(),
            done,
            said: None,
            booked: None,
        }
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = (&AccountKey, &Claim)> {
        self.keys.iter().zip(&self.claims)
    }

    /// What Planet has billed, each unit named, once it will bill nothing more.
    pub(in crate::ledger::simulation) fn evidence(&self) -> Option<Amounts> {
        let named = |claim: &Claim| (claim.account.unit, self.billed(claim));
        self.done.then(|| self.claims.iter().map(named).collect())
    }

    pub(super) fn billed(&self, claim: &Claim) -> Amount {
        self.bill.get(claim.account.unit).unwrap_or_default()
    }

    /// What may come of it, up to what was predicted.
    pub(super) fn possible(&self, claim: &Claim) -> Amount {
        if self.done {
            self.billed(claim).min(claim.amount)
        } else {
            claim.amount
        }
    }

    /// What it takes out of the lease that it was admitted from, as its guard counts.
    pub(super) fn taken(&self, claim: &Claim) -> Amount {
        let said = self.said.as_ref().map(Outcome::state);
        let charged = said.and_then(|state| state.charged(claim));
        charged.map_or(claim.amount, |charged| charged.min(claim.amount))
    }

    /// Whether the books know for good what it cost.
    pub(super) fn is_final(&self) -> bool {
        match &self.booked {
            None | Some(State::Held | State::Unknown { .. }) => false,
            Some(state) => !state.is_only_predicted(),
        }
    }
}
