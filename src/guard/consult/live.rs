//! A rehearsal that asks Planet: `estimate --live`.

use std::sync::Arc;

use super::{Consultant, Rights};
use crate::clock::Clock;
use crate::guard::inquiry::Reader;
use crate::guard::places::{Place, PlaceError};
use crate::guard::predict::understand;
use crate::guard::refusal::Refusal;
use crate::guard::rehearse::{Addressed, Rehearsal, Report, judge};
use crate::identity::Presented;
use crate::planet::Found;
use crate::policy::Policy;
use crate::telemetry::Metrics;
use crate::units::UtcTime;
use crate::upstream::{Pool, PoolError, Trust};

/// Why Planet could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error(transparent)]
    Pool(#[from] PoolError),
    #[error("the metrics cannot be set up")]
    Metrics(#[from] prometheus::Error),
}

/// Judges a request against windows in which nothing has been spent yet, with Planet's word on what the
/// request does not say. Scenes are counted whatever the policy says.
///
/// # Errors
/// When nobody can be asked. What Planet does not answer is in the report.
pub async fn rehearse_live(
    policy: &Policy,
    rehearsal: &Rehearsal<'_>,
    presented: Option<&Presented>,
    clock: Arc<dyn Clock>,
) -> Result<Result<Report, Refusal>, LiveError> {
    let now = clock.now();
    let metrics = Arc::new(Metrics::new()?);
    let pool = Pool::new(Trust::Platform)?;
    let addressed = match Addressed::find(policy, rehearsal) {
        Ok(addressed) => addressed,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let place = Arc::new(Place::open(addressed.upstream)?);
    let asking = Asking {
        place: &place,
        presented,
        clock,
        pool,
        metrics,
    };
    Ok(asking.rehearse(policy, rehearsal, &addressed, now).await)
}

/// What Planet is asked with, where no guard runs.
struct Asking<'a> {
    place: &'a Arc<Place>,
    presented: Option<&'a Presented>,
    clock: Arc<dyn Clock>,
    pool: Pool,
    metrics: Arc<Metrics>,
}

impl Asking<'_> {
    async fn rehearse(
        self,
        policy: &Policy,
        rehearsal: &Rehearsal<'_>,
        addressed: &Addressed<'_>,
        now: UtcTime,
    ) -> Result<Report, Refusal> {
        let caller = (&rehearsal.headers, addressed.target.query());
        let reader = Reader {
            pool: &self.pool,
            clock: self.clock.as_ref(),
            place: self.place,
            caller,
        };
        let shown = reader.read_back(&addressed.asked(Found::default())).await?;
        let found = Found {
            shown: &shown,
            ..Found::default()
        };
        let understood = understand(policy, &addressed.asked(found), now)?;
        let rights = Rights::of(self.place, caller.0, caller.1, self.presented);
        let consultant = Consultant::new(policy, self.pool, self.clock, self.metrics).that_counts();
        let consulted = consultant.complete(understood, &rights, policy, now);
        judge(
            policy,
            rehearsal,
            addressed.route.api,
            consulted.await?,
            now,
        )
    }
}
