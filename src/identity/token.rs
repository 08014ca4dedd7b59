//! Tokens of the guard's own: what a key is exchanged for on a Sentinel Hub mount, whose SDK brings
//! tokens and no keys.
//!
//! A token is a JWT: whose it is, when it ends, the hash of the key behind it, and a MAC over all. The SDK
//! reads whose it is to tell its sessions apart. Nothing is kept here, so there is nothing to fill up. A
//! token is worth what its key is worth at the moment it is used: a key that is disabled, expired or gone
//! takes its tokens with it.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde_json::json;
use sha2::Sha256;

use super::secret::derived;
use super::{Caller, Presented, Refusal, Secret, SecretError, caller_with, recognise};
use crate::policy::{KeyHash, Policy};
use crate::units::UtcTime;

/// As long as Sentinel Hub's own; its SDK fetches another two minutes before the end.
const LIFETIME: Duration = Duration::from_hours(1);
/// What a token begins with: `{"alg":"HS256","kid":"quota-guard","typ":"JWT"}`.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsImtpZCI6InF1b3RhLWd1YXJkIiwidHlwIjoiSldUIn0.";
/// Sets the MAC's key apart from any other use of the same secrets.
const PURPOSE: &[u8] = b"quota-guard access token, version 2";

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

/// What is read of a token that comes back.
#[derive(Deserialize)]
struct Claims {
    exp: i64,
    key: String,
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
        let issued = self.issue(id, &hash, ends, now);
        Some(issued.map(|issued| (caller, issued)))
    }

    /// Whose key or token it is, if it may be used now.
    pub fn recognise(
        &self,
        policy: &Policy,
        presented: &Presented,
        now: UtcTime,
    ) -> Result<Caller, Refusal> {
        if !presented.expose().starts_with(HEADER) {
            return recognise(policy, presented, now);
        }
        let (hash, ends) = self.open(presented.expose()).ok_or(Refusal::TokenEnded)?;
        if ends <= now || policy.key(&hash).is_none() {
            return Err(Refusal::TokenEnded);
        }
        caller_with(policy, &hash, now)
    }

    fn issue(
        &self,
        id: &str,
        hash: &KeyHash,
        ends: UtcTime,
        now: UtcTime,
    ) -> Result<Issued, Refusal> {
        let ends = UtcTime::from_second(ends.as_second()).unwrap_or(now);
        let key = URL_SAFE_NO_PAD.encode(hash.as_bytes());
        let claims = json!({"azp": id, "exp": ends.as_second(), "key": key});
        let signed = format!("{HEADER}{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let mac = URL_SAFE_NO_PAD.encode(self.mac(&signed).finalize().into_bytes());
        let token = Secret::from_text(&format!("{signed}.{mac}"));
        Ok(Issued {
            token: token.ok_or(Refusal::TokenEnded)?,
            lives: Duration::try_from(ends.duration_since(now)).unwrap_or_default(),
            ends,
        })
    }

    /// The hash and the end in a token that is ours. The MAC is compared in constant time, before anything
    /// in the token is read.
    fn open(&self, token: &str) -> Option<(KeyHash, UtcTime)> {
        let (signed, mac) = token.rsplit_once('.')?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        self.mac(signed).verify_slice(&mac).ok()?;
        let claims = URL_SAFE_NO_PAD.decode(signed.strip_prefix(HEADER)?).ok()?;
        let Claims { exp, key } = serde_json::from_slice(&claims).ok()?;
        let hash = URL_SAFE_NO_PAD.decode(key).ok()?.try_into().ok()?;
        Some((KeyHash::from_bytes(hash), UtcTime::from_second(exp).ok()?))
    }

    fn mac(&self, signed: &str) -> Hmac<Sha256> {
        Hmac::new(&self.mac_key.into()).chain_update(signed)
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
    fn a_token_tells_its_bearer_whose_it_is_and_when_it_ends() {
        let issued = issued(&tokens("upstream"), &policy(""));
        let parts: Vec<&str> = issued.token.expose().split('.').collect();
        let read = |part: &str| -> serde_json::Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        let [header, claims, _] = parts[..] else {
            panic!("{parts:?}");
        };
        let expected = json!({"alg": "HS256", "kid": "quota-guard", "typ": "JWT"});
        assert_eq!(read(header), expected);
        let claims = read(claims);
        assert_eq!(
            (&claims["azp"], &claims["exp"]),
            (&"good".into(), &issued.ends.as_second().into())
        );
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
        for position in HEADER.len()..token.len() {
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
        for nonsense in [
            "",
            "A",
            "A.A",
            "%",
            ".",
            &token[HEADER.len()..token.len() - 4],
        ] {
            let presented = used(&tokens, &policy, &format!("{HEADER}{nonsense}"), NOON);
            assert_eq!(presented, Err(Refusal::TokenEnded), "{nonsense}");
        }
    }
}
