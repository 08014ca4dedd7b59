//! Which account's usage is compared with Planet's own figures.

use std::sync::Arc;

use super::{Credential, Policy, Upstream};
use crate::planet::UpstreamKind;

/// Why nothing is compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Incomparable {
    #[error("no upstream is of kind \"planet\"")]
    NoPlanet,
    #[error("the guard has no credential of its own for Planet")]
    NoCredential,
    #[error("which of the upstreams of kind \"planet\" was charged, the books do not tell")]
    Several,
}

impl Policy {
    /// The upstream whose account shows the guard what it has used.
    pub fn compared(&self) -> Result<&Arc<Upstream>, Incomparable> {
        let is_planet = |one: &&Arc<Upstream>| one.kind() == UpstreamKind::Planet;
        let mut planets = self.upstreams().iter().filter(is_planet);
        let one = planets.next().ok_or(Incomparable::NoPlanet)?;
        if planets.next().is_some() {
            return Err(Incomparable::Several);
        }
        match one.credential() {
            Credential::PassThrough => Err(Incomparable::NoCredential),
            Credential::ApiKey(_) | Credential::Client { .. } => Ok(one),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::BASE;

    fn compared(planet: &str, more: &str) -> Result<String, Incomparable> {
        let base = BASE.replace("[upstreams.planet]", planet);
        let policy = Policy::parse(&format!("{base}\n{more}"), "p.toml").expect("a policy");
        policy.compared().map(|one| one.name().to_string())
    }

    #[test]
    fn only_one_account_with_a_credential_of_the_guards_own_is_compared() {
        let own = "[upstreams.planet]\ncredential = { api_key = { env = \"K\" } }";
        assert_eq!(compared(own, ""), Ok("planet".into()));
        let through = "[upstreams.planet]";
        assert_eq!(compared(through, ""), Err(Incomparable::NoCredential));
        let second =
            "[upstreams.b]\nkind = \"planet\"\nurl = \"https://b.example\"\nmount = \"/b\"";
        assert_eq!(compared(own, second), Err(Incomparable::Several));
        let hub = "[upstreams.hub]
kind = \"sentinel-hub\"";
        assert_eq!(compared(hub, ""), Err(Incomparable::NoPlanet));
    }
}
