//! A rehearsal that asks Planet: `estimate --live`.

use std::sync::Arc;

use super::{Consultant, Rights};
use crate::clock::Clock;
use crate::guard::places::{Place, PlaceError};
use crate::guard::refusal::Refusal;
use crate::guard::rehearse::{Rehearsal, Report, hear, judge};
use crate::identity::Presented;
use crate::planet::Target;
use crate::policy::Policy;
use crate::telemetry::Metrics;
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
    let heard = Target::parse(rehearsal.target)
        .map_err(Refusal::from)
        .and_then(|target| Ok((target, hear(policy, rehearsal, now)?)));
    let (target, (api, understood)) = match heard {
        Ok(heard) => heard,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let Some((upstream, _)) = policy.upstream_for(target.path()) else {
        return Ok(judge(policy, rehearsal, api, understood, now));
    };
    let place = Arc::new(Place::open(upstream)?);
    let rights = Rights::of(&place, &rehearsal.headers, target.query(), presented);
    let consultant = Consultant::new(policy, pool, clock, metrics).that_counts();
    let consulted = consultant.complete(understood, &rights, policy, now).await;
    Ok(consulted.and_then(|understood| judge(policy, rehearsal, api, understood, now)))
}
