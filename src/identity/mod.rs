//! Who is calling: the key in a request, found wherever an SDK puts one, and whose key it is.
//!
//! Keys are known by their SHA-256 alone. Looking one up compares digests, never keys, so the time it
//! takes says nothing about a key. Whatever holds a key prints `…`.

mod credential;
mod presented;
mod secret;

pub use credential::{inject, strip};
pub use presented::Presented;
pub use secret::{NewKey, Secret, SecretError, hash};

use std::sync::Arc;

use crate::planet::Api;
pub use crate::policy::Caller;
use crate::policy::{Policy, UNKNOWN_KEY};
use crate::units::UtcTime;

/// Why a caller is turned away; the variant decides the status and the problem type.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "the request brings no key: send one as the Basic user name, as 'Authorization: api-key …', as \
         'Authorization: Bearer …' or as ?api_key=…"
    )]
    Missing,
    #[error("the request brings several keys that differ: send one")]
    Ambiguous,
    #[error("the Authorization header cannot be read: {why}")]
    Unreadable { why: &'static str },
    #[error("nobody here knows this key: check that it was copied whole, or ask for one")]
    Unknown,
    #[error("the key '{key}' expired at {at}: ask for a new one")]
    Expired { key: Arc<str>, at: UtcTime },
    #[error("the key '{key}' is disabled: ask whoever runs this guard")]
    KeyDisabled { key: Arc<str> },
    #[error("the team '{team}' is disabled: ask whoever runs this guard")]
    TeamDisabled { team: Arc<str> },
    #[error("the key '{key}' may not use the {api} API: use a key that may, or ask for the right")]
    ApiNotAllowed { key: Arc<str>, api: Api },
}

/// Whose key it is, if it may be used now.
pub fn recognise(policy: &Policy, presented: &Presented, now: UtcTime) -> Result<Caller, Refusal> {
    let Some(key) = policy.key(&presented.hash()) else {
        let team = policy.unknown_keys().ok_or(Refusal::Unknown)?;
        in_service(policy, team)?;
        return Ok(Caller {
            team: team.clone(),
            key: UNKNOWN_KEY.into(),
            apis: None,
        });
    };
    in_service(policy, key.team())?;
    if key.is_disabled() {
        return Err(Refusal::KeyDisabled {
            key: key.id().clone(),
        });
    }
    match key.expires() {
        Some(at) if at <= now => Err(Refusal::Expired {
            key: key.id().clone(),
            at,
        }),
        _ => Ok(key.caller()),
    }
}

/// Whether the caller's key reaches this far.
pub fn permit(caller: &Caller, api: Api) -> Result<(), Refusal> {
    if caller.may_use(api) {
        return Ok(());
    }
    Err(Refusal::ApiNotAllowed {
        key: caller.key.clone(),
        api,
    })
}

fn in_service(policy: &Policy, team: &Arc<str>) -> Result<(), Refusal> {
    let disabled = policy
        .team(team)
        .is_some_and(crate::policy::Team::is_disabled);
    if disabled {
        return Err(Refusal::TeamDisabled { team: team.clone() });
    }
    Ok(())
}
