//! Land that is locked already: looked for in the books before a request is priced, and kept there once it has
//! succeeded.
//!
//! Whatever goes wrong here, land counts anew, and so do two requests for one place that are under way at the
//! same time: what is counted is an upper bound.

use std::sync::Arc;

use tokio::task::spawn_blocking;
use tracing::{debug, error, warn};

use super::pipeline::Guard;
use super::places::Place;
use super::predict::Understood;
use crate::identity::Presented;
use crate::ledger::{Fingerprint, Land, LandQuery, RequestId};
use crate::planet::geometry::{Locked, Sector, Shape};
use crate::planet::{Api, Ask};
use crate::policy::{Account, Call, Caller};
use crate::units::{Amount, Amounts, Unit, UtcTime};

impl Guard {
    /// Notes what is locked of the land that a call asks for: all that was booked on every account that its
    /// own area will be booked on.
    pub(super) async fn survey(
        &self,
        mut understood: Understood,
        place: &Place,
        (presented, caller): (&Presented, &Caller),
        api: Api,
        now: UtcTime,
    ) -> Understood {
        let reading = &mut understood.reading;
        if !self.policy.plan().aum.counts_land_once() {
            return understood;
        }
        let Some(sector) = reading.ask.sector() else {
            return understood;
        };
        let call = Call {
            api,
            products: &reading.products,
        };
        let plan = plan(&reading.ask, place, presented);
        let accounts = self.area_accounts(caller, call, now);
        let since = accounts.iter().map(|account| account.window.start).max();
        let outlines = self.locked(plan, sector, accounts).await;
        let mut ask = reading.ask.clone();
        let surveyed = spawn_blocking(move || {
            cover(&mut ask, &outlines, since);
            ask
        });
        match surveyed.await {
            Ok(ask) => reading.ask = ask,
            Err(cause) => error!(%cause, "land could not be compared and counts as new"),
        }
        understood
    }

    /// The accounts on which the area of a call would be booked.
    fn area_accounts(&self, caller: &Caller, call: Call<'_>, now: UtcTime) -> Vec<Account> {
        let any = Amounts::of(Unit::Aum, Amount::ONE);
        let claims = self.policy.judge(caller, call, &any, now).into_iter();
        let accounts = claims.map(|claim| claim.account);
        accounts
            .filter(|account| account.unit == Unit::Aum)
            .collect()
    }

    async fn locked(
        &self,
        plan: Fingerprint,
        sector: Sector,
        accounts: Vec<Account>,
    ) -> Vec<Arc<str>> {
        if accounts.is_empty() {
            return Vec::new(); // there is no term in which it would be locked
        }
        let query = LandQuery {
            plan,
            sector,
            accounts,
        };
        self.ledger
            .locked_land(&query)
            .await
            .unwrap_or_else(|cause| {
                let error = &cause as &dyn std::error::Error;
                warn!(
                    error,
                    "what land is locked could not be read; it counts as new"
                );
                Vec::new()
            })
    }

    /// The land of a request that has succeeded is locked from here on.
    pub(super) async fn lock_land(
        &self,
        request: RequestId,
        ask: &Ask,
        place: &Place,
        presented: &Presented,
    ) {
        let rule = self.policy.plan().aum;
        let Some(shape) = ask.locks().filter(|_| rule.counts_land_once()) else {
            return;
        };
        let land = Land {
            request,
            plan: plan(ask, place, presented),
            sector: shape.sector(),
            outline: shape.to_geojson().to_string().into(),
        };
        match self.ledger.lock_land(&land, self.clock.now()).await {
            Ok(kept) => debug!(request.id = %request, kept, "its land is locked"),
            Err(cause) => {
                let error = &cause as &dyn std::error::Error;
                warn!(request.id = %request, error, "its land could not be kept and counts again");
            }
        }
    }
}

/// Notes what these outlines cover, locked at the earliest since then; what lies twice in one request counts
/// once.
pub(super) fn cover(ask: &mut Ask, outlines: &[Arc<str>], since: Option<UtcTime>) {
    let mut locked = Locked::default();
    for outline in outlines {
        match Shape::from_geojson(outline) {
            Ok(shape) => locked.add(&shape),
            Err(cause) => warn!(%cause, "land in the books cannot be read and counts as new"),
        }
    }
    ask.cover(&mut locked, since);
}

/// What Planet keeps apart: what one account has locked is not locked for another, nor in another plan.
fn plan(ask: &Ask, place: &Place, presented: &Presented) -> Fingerprint {
    let account = if place.calls_as_the_caller() {
        presented.hash().to_string()
    } else {
        String::new()
    };
    let plan = match ask {
        Ask::Order(order) => order.plan_id.map(|id| id.to_string()),
        _ => None,
    };
    let words = [
        "land",
        place.upstream.name(),
        &account,
        &plan.unwrap_or_default(),
    ];
    Fingerprint::of(&words.map(str::as_bytes))
}
