//! Who is calling: the key in a request, found wherever an SDK puts one, and whose key it is.
//!
//! Keys are known by their SHA-256 alone. Looking one up compares digests, never keys, so the time it
//! takes says nothing about a key. Whatever holds a key prints `…`.

mod credential;
mod presented;
mod seal;
mod secret;
mod token;

pub use credential::{bear, inject, query_key, strip};
pub use presented::Presented;
pub use seal::Seal;
pub use secret::{NewKey, Secret, SecretError, hash};
pub use token::{Issued, Tokens};

use std::sync::Arc;

use crate::planet::Api;
pub use crate::policy::Caller;
use crate::policy::{Key, KeyHash, Policy, UNKNOWN_KEY};
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
    #[error(
        "this token of the guard's own has ended, or the key behind it has: ask the token endpoint for \
         another"
    )]
    TokenEnded,
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
    let hash = presented.hash();
    if policy.key(&hash).is_some() {
        return caller_with(policy, &hash, now);
    }
    let team = policy.unknown_keys().ok_or(Refusal::Unknown)?;
    in_service(policy, team)?;
    Ok(Caller {
        team: team.clone(),
        key: UNKNOWN_KEY.into(),
        apis: None,
    })
}

/// The caller whose key has this id, if it may be used now: for what the guard gave to that key alone.
pub fn holder(policy: &Policy, id: &str, now: UtcTime) -> Result<Caller, Refusal> {
    caller_of(policy, policy.key_named(id).ok_or(Refusal::Missing)?, now)
}

/// The caller whose key has this hash, if it may be used now.
fn caller_with(policy: &Policy, hash: &KeyHash, now: UtcTime) -> Result<Caller, Refusal> {
    caller_of(policy, policy.key(hash).ok_or(Refusal::Unknown)?, now)
}

fn caller_of(policy: &Policy, key: &Key, now: UtcTime) -> Result<Caller, Refusal> {
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

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn policy(unknown_keys: &str) -> Policy {
        let key = |id: &str, rest: &str| {
            let sha256 = hash(&format!("key of {id}"));
            format!("{{ id = \"{id}\", sha256 = \"{sha256}\"{rest} }}, ")
        };
        let text = format!(
            "[upstreams.planet]\nurl = \"https://a\"\nmount = \"/\"\n\
             [identity]\nunknown_keys = \"{unknown_keys}\"\n\
             [[teams]]\nname = \"ag\"\nkeys = [ {}{}{}]\n\
             [[teams]]\nname = \"shut\"\ndisabled = true\nkeys = [ {}]\n",
            key("good", ", apis = [\"orders\"]"),
            key("ended", ", expires = 2026-06-01T00:00:00Z"),
            key("off", ", disabled = true"),
            key("shut-1", ""),
        );
        Policy::parse(&text, "p.toml").unwrap()
    }

    fn recognised(unknown_keys: &str, key: &str, now: &str) -> Result<Caller, Refusal> {
        let query: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("api_key", key)
            .finish();
        let presented = Presented::find(&HeaderMap::new(), Some(&query))?;
        recognise(&policy(unknown_keys), &presented, now.parse().unwrap())
    }

    #[test]
    fn a_known_key_names_its_team_and_reaches_as_far_as_it_may() {
        let caller = recognised("reject", "key of good", "2026-05-31T00:00:00Z").unwrap();
        assert_eq!((&*caller.team, &*caller.key), ("ag", "good"));
        assert_eq!(permit(&caller, Api::Orders), Ok(()));
        let refusal = permit(&caller, Api::Process).unwrap_err();
        assert!(
            refusal.to_string().contains("may not use the process API"),
            "{refusal}"
        );
    }

    #[test]
    fn a_key_lasts_up_to_the_moment_it_expires() {
        let at = |now: &str| recognised("reject", "key of ended", now);
        assert!(at("2026-05-31T23:59:59.999Z").is_ok());
        let refusal = at("2026-06-01T00:00:00Z").unwrap_err();
        assert!(matches!(refusal, Refusal::Expired { .. }), "{refusal}");
    }

    #[test]
    fn what_was_given_to_a_key_is_worth_what_the_key_is() {
        let of = |id: &str| holder(&policy("ag"), id, "2026-07-01T00:00:00Z".parse().unwrap());
        assert_eq!(&*of("good").unwrap().team, "ag");
        assert!(matches!(of("off"), Err(Refusal::KeyDisabled { .. })));
        assert!(matches!(of("ended"), Err(Refusal::Expired { .. })));
        assert!(matches!(of("shut-1"), Err(Refusal::TeamDisabled { .. })));
        for nobody in ["gone", "", UNKNOWN_KEY] {
            assert_eq!(of(nobody), Err(Refusal::Missing));
        }
    }

    #[test]
    fn a_key_that_is_off_stays_off_where_unknown_keys_pass() {
        for unknown_keys in ["reject", "ag"] {
            let of = |key: &str| recognised(unknown_keys, key, "2026-07-01T00:00:00Z");
            assert!(matches!(of("key of off"), Err(Refusal::KeyDisabled { .. })));
            assert!(matches!(
                of("key of shut-1"),
                Err(Refusal::TeamDisabled { .. })
            ));
            assert!(matches!(of("key of ended"), Err(Refusal::Expired { .. })));
        }
    }

    #[test]
    fn an_unknown_key_is_turned_away_or_counted_for_a_team() {
        let of = |team: &str| recognised(team, "whatever", "2026-07-01T00:00:00Z");
        assert_eq!(of("reject"), Err(Refusal::Unknown));
        let caller = of("ag").unwrap();
        assert_eq!((&*caller.team, &*caller.key), ("ag", UNKNOWN_KEY));
        assert_eq!(
            of("shut"),
            Err(Refusal::TeamDisabled {
                team: "shut".into()
            })
        );
    }
}
