//! Secrets of our own: upstream credentials as boot reads them, and new keys.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::policy::{KeyHash, SecretSource};

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
}

/// The SHA-256 by which the policy knows a key.
pub fn hash(key: &str) -> KeyHash {
    KeyHash::from_bytes(Sha256::digest(key.as_bytes()).into())
}
