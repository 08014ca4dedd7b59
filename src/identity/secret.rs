//! Secrets of our own: upstream credentials as boot reads them, and new keys.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::policy::{KeyHash, Role, SecretSource};

/// A credential in the clear. It leaves through [`Secret::expose`] alone.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(String);

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("{place} is not set, or is not plain text")]
    NotSet { place: String },
    #[error("{place} cannot be read")]
    Unreadable {
        place: String,
        #[source]
        cause: std::io::Error,
    },
    #[error(
        "{place} must hold one line of visible ASCII characters: the credential and nothing else"
    )]
    Malformed { place: String },
    #[error("the cipher takes no key")]
    NoCipher,
    #[error("the machine gives no random numbers to make a key from: {0}")]
    NoRandomness(getrandom::Error),
}

/// A key that was just made. It is shown once and kept nowhere.
#[derive(Clone, Debug)]
pub struct NewKey {
    key: Secret,
    hash: KeyHash,
}

impl Secret {
    /// Reads it from where the policy says; a line break at its end is not part of it.
    pub fn read(source: &SecretSource) -> Result<Self, SecretError> {
        let place = source.to_string();
        let text = match source {
            SecretSource::Env(name) => std::env::var(name).map_err(|_| SecretError::NotSet {
                place: place.clone(),
            })?,
            SecretSource::File(path) => {
                std::fs::read_to_string(path).map_err(|cause| SecretError::Unreadable {
                    place: place.clone(),
                    cause,
                })?
            }
        };
        Self::from_text(text.trim_end_matches(['\r', '\n'])).ok_or(SecretError::Malformed { place })
    }

    /// `None` for what could not stand in a header.
    pub fn from_text(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.into()))
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl NewKey {
    pub fn generate() -> Result<Self, SecretError> {
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(SecretError::NoRandomness)?;
        let key = format!("qg_{}", URL_SAFE_NO_PAD.encode(random));
        let hash = hash(&key);
        Ok(Self {
            key: Secret(key),
            hash,
        })
    }

    pub const fn secret(&self) -> &Secret {
        &self.key
    }

    /// What to paste into the policy, under a team that may be there already.
    pub fn toml_lines(&self, team: &str, id: &str) -> String {
        format!(
            "# in the [[teams]] entry with name = \"{team}\", add to keys:\n\
             {{ id = \"{id}\", sha256 = \"{}\" }},\n",
            self.hash
        )
    }

    /// The same for a token of the admin port.
    pub fn admin_toml_lines(&self, name: &str, role: Role) -> String {
        format!(
            "# in [admin], add to tokens:\n\
             {{ name = \"{name}\", sha256 = \"{}\", role = \"{role}\" }},\n",
            self.hash
        )
    }
}

/// A key for one purpose, the same wherever the secrets are the same and stand in the same order; random
/// where there are none.
pub(super) fn derived<'a>(
    purpose: &[u8],
    secrets: impl Iterator<Item = &'a Secret>,
) -> Result<[u8; 32], SecretError> {
    let mut digest = Sha256::new().chain_update(purpose);
    let mut any = false;
    for secret in secrets {
        any = true;
        digest.update(Sha256::digest(secret.expose()));
    }
    if !any {
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(SecretError::NoRandomness)?;
        digest.update(random);
    }
    Ok(digest.finalize().into())
}

/// The SHA-256 by which the policy knows a key.
pub fn hash(key: &str) -> KeyHash {
    KeyHash::from_bytes(Sha256::digest(key.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_published_example() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            hash("abc").to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn a_new_key_is_long_fresh_and_fit_for_every_place() {
        let (one, other) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
        assert_ne!(one.secret(), other.secret());
        let key = one.secret().expose();
        assert!(
            key.starts_with("qg_") && key.len() == 46,
            "{} characters",
            key.len()
        );
        assert!(
            key.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        );
    }

    #[test]
    fn the_lines_for_the_policy_admit_the_key_and_do_not_hold_it() {
        let new = NewKey::generate().unwrap();
        let lines = new.toml_lines("water", "w-1");
        assert!(!lines.contains(new.secret().expose()));
        let policy = format!(
            "[upstreams.planet]\nurl = \"https://a\"\nmount = \"/\"\n\
             [[teams]]\nname = \"water\"\nkeys = [\n{lines}]\n"
        );
        let policy = crate::policy::Policy::parse(&policy, "p.toml").unwrap();
        let found = policy.key(&hash(new.secret().expose())).unwrap();
        assert_eq!((&**found.team(), &**found.id()), ("water", "w-1"));
    }

    #[test]
    fn the_line_for_an_admin_admits_the_token_to_the_admin_port() {
        let new = NewKey::generate().unwrap();
        let line = new.admin_toml_lines("ops", Role::Approver);
        assert!(!line.contains(new.secret().expose()));
        let policy = format!(
            "[upstreams.planet]\nurl = \"https://a\"\nmount = \"/\"\n[admin]\ntokens = [\n{line}]\n"
        );
        let policy = crate::policy::Policy::parse(&policy, "p.toml").unwrap();
        let found = policy.admin_token(&hash(new.secret().expose())).unwrap();
        assert_eq!((&**found.name(), found.role()), ("ops", Role::Approver));
    }

    #[test]
    fn a_secret_is_one_line_that_fits_a_header() {
        assert_eq!(Secret::from_text("PLAK1").unwrap().expose(), "PLAK1");
        for bad in ["", "a b", "a\nb", "é", "\u{7f}"] {
            assert!(Secret::from_text(bad).is_none(), "{bad:?}");
        }
        assert_eq!(
            format!("{:?}", Secret::from_text("PLAK1")),
            "Some(Secret(…))"
        );
    }

    #[test]
    fn a_secret_is_read_from_a_file_without_its_line_break() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "PLAK1\r\n").unwrap();
        let source = SecretSource::File(file.clone());
        assert_eq!(Secret::read(&source).unwrap().expose(), "PLAK1");
        std::fs::write(&file, "PLAK1\nPLAK2\n").unwrap();
        let said = Secret::read(&source).unwrap_err().to_string();
        assert!(
            said.contains("one line") && !said.contains("PLAK"),
            "{said}"
        );
        let absent = SecretSource::Env("QUOTA_GUARD_TEST_NOT_SET".into());
        let said = Secret::read(&absent).unwrap_err().to_string();
        assert!(
            said.contains("QUOTA_GUARD_TEST_NOT_SET is not set"),
            "{said}"
        );
    }
}
