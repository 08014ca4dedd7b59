//! Tokens of the guard's own: what a key is exchanged for on a Sentinel Hub mount, whose SDK brings
//! tokens and no keys.
//!
//! A token is self-contained: when it ends, the hash of the key behind it, and a MAC over both. Nothing is
//! kept, so there is nothing to fill up. It is worth what its key is worth at the moment it is used: a
//! key that is disabled, expired or gone takes its tokens with it.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::secret::derived;
use super::{Caller, Presented, Refusal, Secret, SecretError, caller_with, recognise};
use crate::policy::{KeyHash, Policy};
use crate::units::UtcTime;

/// As long as Sentinel Hub's own; its SDK fetches another two minutes before the end.
const LIFETIME: Duration = Duration::from_hours(1);
/// What a token begins with; keys begin with `qg_`.
const PREFIX: &str = "qgt_";
/// Sets the MAC's key apart from any other use of the same secrets.
const PURPOSE: &[u8] = b"quota-guard access token, version 1";

/// Issues tokens, and knows its own again.
///
/// The key of the MAC is derived from the credentials that the guard calls its upstreams with. Whoever
/// holds the same ones, a replica or the same guard after a restart, knows the tokens too, and none need
/// be stored or agreed upon. Without such a credential the key is random: a restart ends every token.
pub struct Tokens {
    mac_key: [u8; 64],
}

/// A token that was just made.
#[derive(Clone, Debug)]
pub struct Issued {
    pub token: Secret,
    pub lives: Duration,
    pub ends: UtcTime,
}

impl Tokens {
    /// Derives the key from `secrets`, whose order must be the same in every replica.
    pub fn new<'a>(secrets: impl Iterator<Item = &'a Secret>) -> Result<Self, SecretError> {
        let mut mac_key = [0; 64];
        mac_key[..32].copy_from_slice(&derived(PURPOSE, secrets)?);
        Ok(Self { mac_key })
    }

    /// A token for the key `id`, whose text is `key`: `None` where that is not so, whatever the reason
    /// may be. A key that may not be used now is refused by name.
    pub fn exchange(
        &self,
        policy: &Policy,
        id: &str,
        key: &str,
        now: UtcTime,
    ) -> Option<Result<(Caller, Issued), Refusal>> {
        let hash = super::hash(key);
        let known = policy.key(&hash).filter(|known| &**known.id() == id)?;
        let caller = match caller_with(policy, &hash, now) {
            Ok(caller) => caller,
            Err(refusal) => return Some(Err(refusal)),
        };
        let longest = now.saturating_add(LIFETIME).unwrap_or(UtcTime::MAX);
        let ends = known.expires().map_or(longest, |end| end.min(longest));
        Some(self.issue(&hash, ends, now).map(|issued| (caller, issued)))
    }

    /// Whose key or token it is, if it may be used now.
    pub fn recognise(
        &self,
        policy: &Policy,
        presented: &Presented,
        now: UtcTime,
    ) -> Result<Caller, Refusal> {
        let Some(encoded) = presented.expose().strip_prefix(PREFIX) else {
            return recognise(policy, presented, now);
        };
        let (hash, ends) = self.open(encoded).ok_or(Refusal::TokenEnded)?;
        if ends <= now || policy.key(&hash).is_none() {
            return Err(Refusal::TokenEnded);
        }
        caller_with(policy, &hash, now)
    }

    fn issue(&self, hash: &KeyHash, ends: UtcTime, now: UtcTime) -> Result<Issued, Refusal> {
        let ends = UtcTime::from_second(ends.as_second()).unwrap_or(now);
        let seconds = ends.as_second().to_be_bytes();
        let mac = self.mac(seconds, hash).finalize().into_bytes();
        let parts = [&seconds[..], hash.as_bytes(), &mac].concat();
        let token = Secret::from_text(&format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(parts)));
        Ok(Issued {
            token: token.ok_or(Refusal::TokenEnded)?,
            lives: Duration::try_from(ends.duration_since(now)).unwrap_or_default(),
            ends,
        })
    }

    /// The hash and the end in a token that is ours. The MAC is compared in constant time.
    fn open(&self, encoded: &str) -> Option<(KeyHash, UtcTime)> {
        let parts: [u8; 72] = URL_SAFE_NO_PAD.decode(encoded).ok()?.try_into().ok()?;
        let (seconds, rest) = parts.split_first_chunk::<8>()?;
        let (hash, mac) = rest.split_first_chunk::<32>()?;
        let hash = KeyHash::from_bytes(*hash);
        self.mac(*seconds, &hash).verify_slice(mac).ok()?;
        let ends = UtcTime::from_second(i64::from_be_bytes(*seconds)).ok()?;
        Some((hash, ends))
    }

    fn mac(&self, seconds: [u8; 8], hash: &KeyHash) -> Hmac<Sha256> {
        Hmac::new(&self.mac_key.into())
            .chain_update(seconds)
            .chain_update(hash.as_bytes())
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(…)")
    }
}

#[cfg(test)]
mod tests {
    use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};

    use super::*;

    const NOON: &str = "2026-11-22T12:00:00Z";

    fn at(time: &str) -> UtcTime {
        time.parse().unwrap()
    }

    /// A policy with one key, `good`, and whatever `rest` says of it.
    fn policy(rest: &str) -> Policy {
        let text = format!(
            "[upstreams.sentinel-hub]\nurl = \"https://a\"\nmount = \"/\"\n\
             [identity]\nunknown_keys = \"ag\"\n\
             [[teams]]\nname = \"ag\"\nkeys = [ {{ id = \"good\", sha256 = \"{}\"{rest} }} ]\n",
            super::super::hash("the key")
        );
        Policy::parse(&text, "p.toml").unwrap()
    }

    fn tokens(secret: &str) -> Tokens {
        Tokens::new([Secret::from_text(secret).unwrap()].iter()).unwrap()
    }

    fn issued(tokens: &Tokens, policy: &Policy) -> Issued {
        let exchanged = tokens.exchange(policy, "good", "the key", at(NOON));
        exchanged.unwrap().unwrap().1
    }

    fn used(tokens: &Tokens, policy: &Policy, token: &str, now: &str) -> Result<Caller, Refusal> {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        headers.insert(AUTHORIZATION, value);
        let presented = Presented::find(&headers, None).unwrap();
        tokens.recognise(policy, &presented, at(now))
    }

    #[test]
    fn a_token_is_its_key_for_an_hour() {
        let (tokens, policy) = (tokens("upstream"), policy(""));
        let issued = issued(&tokens, &policy);
        assert_eq!(
            (issued.lives.as_secs(), issued.ends),
            (3600, at("2026-11-22T13:00:00Z"))
        );
        let token = issued.token.expose();
        let caller = used(&tokens, &policy, token, "2026-11-22T12:59:59Z").unwrap();
        assert_eq!((&*caller.team, &*caller.key), ("ag", "good"));
        let late = used(&tokens, &policy, token, "2026-11-22T13:00:00Z");
        assert_eq!(late, Err(Refusal::TokenEnded));
    }

    #[test]
    fn a_token_is_known_wherever_the_upstream_secrets_are_the_same() {
        let policy = policy("");
        let issued = issued(&tokens("upstream"), &policy);
        let used_by = |other: &Tokens| used(other, &policy, issued.token.expose(), NOON);
        assert!(used_by(&tokens("upstream")).is_ok());
        assert_eq!(used_by(&tokens("another")), Err(Refusal::TokenEnded));
        let random = || Tokens::new(std::iter::empty()).unwrap();
        assert_eq!(used_by(&random()), Err(Refusal::TokenEnded));
        let own = random();
        let issued = super::tests::issued(&own, &policy);
        assert!(used(&own, &policy, issued.token.expose(), NOON).is_ok());
        assert!(used(&random(), &policy, issued.token.expose(), NOON).is_err());
    }

    #[test]
    fn a_token_dies_with_its_key_even_where_unknown_keys_pass() {
        let tokens = tokens("upstream");
        let issued = issued(&tokens, &policy(""));
        let used = |policy: &Policy| used(&tokens, policy, issued.token.expose(), NOON);
        let disabled = used(&policy(", disabled = true"));
        assert!(matches!(disabled, Err(Refusal::KeyDisabled { .. })));
        let expired = used(&policy(", expires = 2026-11-22T12:00:00Z"));
        assert!(matches!(expired, Err(Refusal::Expired { .. })));
        let gone = "[upstreams.planet]\nurl = \"https://a\"\nmount = \"/\"\n\
                    [[teams]]\nname = \"ag\"\n[identity]\nunknown_keys = \"ag\"\n";
        let gone = Policy::parse(gone, "p.toml").unwrap();
        assert_eq!(used(&gone), Err(Refusal::TokenEnded));
    }

    #[test]
    fn a_token_never_outlives_its_key() {
        let policy = policy(", expires = 2026-11-22T12:10:00Z");
        assert_eq!(issued(&tokens("upstream"), &policy).lives.as_secs(), 600);
    }

    #[test]
    fn only_the_key_and_its_own_id_are_exchanged() {
        let tokens = tokens("upstream");
        let exchange =
            |rest: &str, id: &str, key: &str| tokens.exchange(&policy(rest), id, key, at(NOON));
        assert!(exchange("", "good", "another key").is_none());
        assert!(exchange("", "other", "the key").is_none());
        let disabled = exchange(", disabled = true", "good", "the key");
        assert!(matches!(disabled, Some(Err(Refusal::KeyDisabled { .. }))));
    }

    #[test]
    fn no_byte_of_a_token_can_be_changed() {
        let (tokens, policy) = (tokens("upstream"), policy(""));
        let issued = issued(&tokens, &policy);
        let token = issued.token.expose();
        for position in PREFIX.len()..token.len() {
            let mut changed = token.to_owned();
            let other = if &token[position..=position] == "A" {
                "B"
            } else {
                "A"
            };
            changed.replace_range(position..=position, other);
            let refused = used(&tokens, &policy, &changed, NOON);
            assert_eq!(refused, Err(Refusal::TokenEnded), "{position}");
        }
        for nonsense in ["qgt_", "qgt_A", &token[..token.len() - 4], "qgt_é"] {
            let presented = used(&tokens, &policy, &nonsense.replace('é', "%"), NOON);
            assert_eq!(presented, Err(Refusal::TokenEnded), "{nonsense}");
        }
    }
}
