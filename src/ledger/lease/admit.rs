//! Requests in and out of leases: the way that thousands take each second.

use std::sync::Arc;

use super::slice::Lease;
use super::{LEASE_LIFE, LeaseBook, MOST_LEASES, MOST_WAITING, Place, Request};
use crate::ledger::{AccountKey, LedgerError, NewReservation, Outcome, RequestId, Standing, State};
use crate::policy::Claim;
use crate::units::{Amount, UtcTime};

/// No single charge is believed that is more than this part of what can be counted at all.
const COUNTABLE_PART: u64 = 1 << 20;

impl LeaseBook {
    /// Admits a small request from the leases of all its accounts, or from none: `None` means that it must
    /// reserve in the books.
    pub fn admit(&mut self, new: &NewReservation, now: UtcTime) -> Option<Vec<Standing>> {
        if new.certain || self.requests.contains_key(&new.request) {
            return None;
        }
        let places = self.places_of(&new.claims)?;
        let good = self.is_good(now) && !self.shown && self.requests.len() < MOST_WAITING;
        let fits = places.iter().zip(&new.claims).all(|(place, claim)| {
            self.lease(*place)
                .is_some_and(|lease| lease.admits(claim.amount))
        });
        if !(good && fits) {
            return None;
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
        Some(standings)
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

    /// The leases of these claims, made if they are not there yet, with the demand noted. `None` when there
    /// are too many, or an account is claimed twice.
    fn places_of(&mut self, claims: &[Claim]) -> Option<Vec<Place>> {
        let mut places = Vec::with_capacity(claims.len());
        for claim in claims {
            let place = self.place_of(claim)?;
            if places.contains(&place) {
                return None;
            }
            places.push(place);
        }
        for (place, claim) in places.iter().zip(claims) {
            if let Some(lease) = self.lease_mut(*place) {
                lease.bind(claim.limit.filter(|_| claim.enforced));
                lease.demand.ask(claim.amount);
            }
        }
        Some(places)
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
        };
        claims.iter().zip(places).map(standing).collect()
    }
}

fn is_uncountable(state: &State, claim: &Claim) -> bool {
    let charged = state.charged(claim).unwrap_or(claim.amount);
    charged > Amount::MAX.part_floor(COUNTABLE_PART)
}
