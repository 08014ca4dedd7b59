//! Requests in and out of leases: the way that thousands take each second.

use std::sync::Arc;

use super::slice::Lease;
use super::{LEASE_LIFE, LeaseBook, MOST_LEASES, MOST_WAITING, Place, Request};
use crate::ledger::{AccountKey, LedgerError, NewReservation, Outcome, RequestId, Standing, State};
use crate::policy::Claim;
use crate::units::{Amount, UtcTime};

/// No single charge is believed that is more than this part of what can be counted at all.
const COUNTABLE_PART: u64 = 1 << 20;

/// Why a request was not admitted from leases.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Denial {
    /// The leases have room for it that the journal does not show yet: it may ask again in a moment.
    Unmarked,
    /// It must reserve in the books.
    Unleased,
}

impl LeaseBook {
    /// Admits a small request from the leases of all its accounts, or from none.
    pub fn admit(&mut self, new: &NewReservation, now: UtcTime) -> Result<Vec<Standing>, Denial> {
        let places = self.places_of(new)?;
        for (place, claim) in places.iter().zip(&new.claims) {
            if let Some(lease) = self.lease_mut(*place) {
                lease.bind(claim.limit.filter(|_| claim.enforced));
                lease.demand.ask(claim.amount);
            }
        }
        self.enter(new, places, now)
    }

    /// [`admit`](Self::admit) of a request that has asked already: it is not demanded twice.
    pub fn admit_marked(
        &mut self,
        new: &NewReservation,
        now: UtcTime,
    ) -> Result<Vec<Standing>, Denial> {
        let places = self.places_of(new)?;
        self.enter(new, places, now)
    }

    fn enter(
        &mut self,
        new: &NewReservation,
        places: Vec<Place>,
        now: UtcTime,
    ) -> Result<Vec<Standing>, Denial> {
        if !self.is_good(now) || self.shown || self.requests.len() >= MOST_WAITING {
            return Err(Denial::Unleased);
        }
        let denials = places.iter().zip(&new.claims).filter_map(|(place, claim)| {
            let lease = self.lease(*place);
            lease.map_or(Some(Denial::Unleased), |lease| lease.denies(claim.amount))
        });
        if let Some(denial) = denials.max() {
            self.short |= denial == Denial::Unmarked;
            return Err(denial);
        }
        for (place, claim) in places.iter().zip(&new.claims) {
            if let Some(lease) = self.leases.get_mut(*place).and_then(Option::as_mut) {
                lease.under_way = lease.under_way.saturating_add(claim.amount);
                self.short |= lease.runs_short();
            }
        }
        let standings = self.standings(&new.claims, &places);
        let record = new.held(now);
        self.requests
            .insert(new.request, Request { record, places });
        Ok(standings)
    }

    /// Ends a request that was admitted here; `None` when it was not.
    pub fn close(
        &mut self,
        request: RequestId,
        outcome: &Outcome,
        now: UtcTime,
    ) -> Option<Result<Vec<Standing>, LedgerError>> {
        let known = self.requests.get_mut(&request)?;
        if known.record.state == State::Held {
            let state = outcome.state();
            let uncountable = |claim: &&Claim| is_uncountable(&state, claim);
            if let Some(claim) = known.record.claims.iter().find(uncountable) {
                let budget = Arc::clone(&claim.account.budget);
                return Some(Err(LedgerError::Overflow { budget }));
            }
            (known.record.state, known.record.closed_at) = (state, Some(now));
            for (place, claim) in known.places.iter().zip(&known.record.claims) {
                if let Some(lease) = self.leases.get_mut(*place).and_then(Option::as_mut) {
                    lease.under_way = lease.under_way.minus(claim.amount);
                    lease.spent = lease.spent.saturating_add(known.record.taken(claim));
                }
            }
            self.ended.push_back(request);
        }
        let Request { record, places } = self.requests.get(&request)?;
        Some(Ok(self.standings(&record.claims, places)))
    }

    /// Whether the books have been heard of lately enough. A clock that was set back proves no more than
    /// one that was set forward.
    fn is_good(&self, now: UtcTime) -> bool {
        now.duration_since(self.heard_at).unsigned_abs() < LEASE_LIFE
    }

    /// The leases of a request's claims, made if they are not there yet. None of what is in the books or goes
    /// there anyway, where there are too many, or where an account is claimed twice.
    fn places_of(&mut self, new: &NewReservation) -> Result<Vec<Place>, Denial> {
        if new.certain || self.requests.contains_key(&new.request) {
            return Err(Denial::Unleased);
        }
        let mut places = Vec::with_capacity(new.claims.len());
        for claim in &new.claims {
            let place = self.place_of(claim).ok_or(Denial::Unleased)?;
            if places.contains(&place) {
                return Err(Denial::Unleased);
            }
            places.push(place);
        }
        Ok(places)
    }

    fn place_of(&mut self, claim: &Claim) -> Option<Place> {
        let key = AccountKey::from(&claim.account);
        if let Some(place) = self.places.get(&key) {
            return Some(*place);
        }
        if self.places.len() >= MOST_LEASES {
            return None;
        }
        let lease = Some(Lease::watching(claim));
        let place = if let Some(place) = self.vacant.pop() {
            *self.leases.get_mut(place)? = lease;
            place
        } else {
            self.leases.push(lease);
            self.leases.len() - 1
        };
        self.places.insert(key, place);
        Some(place)
    }

    fn standings(&self, claims: &[Claim], places: &[Place]) -> Vec<Standing> {
        let standing = |(claim, place): (&Claim, &Place)| Standing {
            account: claim.account.clone(),
            limit: claim.limit,
            remaining: claim.limit.map(|limit| {
                let known = self.lease(*place).and_then(Lease::left);
                known.unwrap_or(limit)
            }),
            lent: Amount::ZERO, // what is left counts it
        };
        claims.iter().zip(places).map(standing).collect()
    }
}

fn is_uncountable(state: &State, claim: &Claim) -> bool {
    let charged = state.charged(claim).unwrap_or(claim.amount);
    charged > Amount::MAX.part_floor(COUNTABLE_PART)
}
