//! Sealed words: text that only the guard, or another with the same secrets, can read and make.
//!
//! Links carry them to callers and back, so nothing is kept here. The same text seals to the same words:
//! the nonce is a MAC of the text (as in AES-SIV), so there is none to use up and a page reads the same
//! twice. What differs in a byte, or is opened for another purpose, does not open.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::Sha256;

use super::secret::derived;
use super::{Secret, SecretError};

const PURPOSE: &[u8] = b"quota-guard sealed words, version 1";
const NONCES: &[u8] = b"quota-guard nonces of sealed words, version 1";

/// Closes and opens. The keys are derived as those of [`Tokens`](super::Tokens) are.
pub struct Seal {
    key: LessSafeKey,
    nonces: Hmac<Sha256>,
}

impl Seal {
    /// Derives the keys from `secrets`, whose order must be the same in every replica. Without any they
    /// are random, and what was sealed before a restart stays closed.
    pub fn new<'a>(secrets: impl Iterator<Item = &'a Secret> + Clone) -> Result<Self, SecretError> {
        let key = derived(PURPOSE, secrets.clone())?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, &key);
        let nonces: [u8; 32] = derived(NONCES, secrets)?;
        Ok(Self {
            key: LessSafeKey::new(key.map_err(|_| SecretError::NoCipher)?),
            nonces: Hmac::new_from_slice(&nonces).map_err(|_| SecretError::NoCipher)?,
        })
    }

    /// Seals `text` for a purpose, as letters that a URL can hold. `None` for what no cipher takes at
    /// once, far beyond any link.
    pub fn close(&self, purpose: &str, text: &str) -> Option<String> {
        let nonce = self.nonce(purpose, text.as_bytes());
        let mut sealed = Vec::with_capacity(NONCE_LEN + text.len() + CHACHA20_POLY1305.tag_len());
        sealed.extend_from_slice(&nonce);
        let mut content = text.as_bytes().to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key
            .seal_in_place_append_tag(nonce, Aad::from(purpose), &mut content)
            .ok()?;
        sealed.append(&mut content);
        Some(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// What was sealed for this purpose.
    pub fn open(&self, purpose: &str, sealed: &str) -> Option<String> {
        let mut sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, content) = sealed.split_first_chunk_mut::<NONCE_LEN>()?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let text = self
            .key
            .open_in_place(nonce, Aad::from(purpose), content)
            .ok()?;
        String::from_utf8(text.to_vec()).ok()
    }

    fn nonce(&self, purpose: &str, text: &[u8]) -> [u8; NONCE_LEN] {
        let length = u64::try_from(purpose.len()).unwrap_or(u64::MAX);
        let mac = self
            .nonces
            .clone()
            .chain_update(length.to_be_bytes())
            .chain_update(purpose)
            .chain_update(text)
            .finalize()
            .into_bytes();
        std::array::from_fn(|at| mac[at])
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "https://storage.example/b/f?X-Goog-Signature=ab%2Fcd";

    fn seal(secret: &str) -> Seal {
        Seal::new([Secret::from_text(secret).unwrap()].iter()).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_for_its_purpose_and_for_who_has_the_secrets() {
        let words = seal("upstream").close("planet", TEXT).unwrap();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        assert!(words.bytes().all(fits), "{words}");
        let opened = |seal: &Seal, purpose| seal.open(purpose, &words);
        assert_eq!(opened(&seal("upstream"), "planet").as_deref(), Some(TEXT));
        assert_eq!(opened(&seal("upstream"), "tiles"), None);
        assert_eq!(opened(&seal("another"), "planet"), None);
        let random = || Seal::new(std::iter::empty()).unwrap();
        assert_eq!(opened(&random(), "planet"), None);
        let own = random();
        let words = own.close("planet", TEXT).unwrap();
        assert_eq!(own.open("planet", &words).as_deref(), Some(TEXT));
        assert_eq!(random().open("planet", &words), None);
    }

    #[test]
    fn the_same_text_seals_to_the_same_words_and_another_to_others() {
        let seal = seal("upstream");
        let words = |purpose, text| seal.close(purpose, text).unwrap();
        assert_eq!(words("p", "a"), words("p", "a"));
        assert_ne!(words("p", "a")[..16], words("p", "b")[..16]);
        assert_ne!(words("p", "a")[..16], words("pa", "")[..16]);
        assert!(!words("p", TEXT).contains("storage"));
        assert_eq!(format!("{seal:?}"), "Seal(…)");
    }

    #[test]
    fn no_letter_of_sealed_words_can_be_changed() {
        let seal = seal("upstream");
        let words = seal.close("p", TEXT).unwrap();
        for position in 0..words.len() {
            let mut changed = words.clone();
            let other = if &words[position..=position] == "A" {
                "B"
            } else {
                "A"
            };
            changed.replace_range(position..=position, other);
            assert_eq!(seal.open("p", &changed), None, "{position}");
        }
        for nonsense in ["", "A", &words[..20], &words[..words.len() - 4]] {
            assert_eq!(seal.open("p", nonsense), None, "{nonsense}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_sealed_and_any_words_have_an_answer(text in "\\PC{0,80}", words in "\\PC{0,80}") {
            let seal = seal("upstream");
            let sealed = seal.close("p", &text).unwrap();
            prop_assert_eq!(seal.open("p", &sealed), Some(text));
            prop_assert_eq!(seal.open("p", &words), None);
        }
    }
}
