//! Assets of the Data API, as far as a URL shows which one is meant.
//!
//! The id in `/assets/{id}/activate` is base64url JSON, the token of a download a JWT; both name item,
//! item type and asset type. Neither is verified here: upstream does that.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Unbounded, bundles, json};

/// One asset of one item. Activating it is charged once within 24 hours, so it is also the key to
/// remember that by.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Asset {
    pub item_type: String,
    pub item: String,
    pub asset_type: String,
}

#[derive(Deserialize)]
struct RawId {
    #[serde(rename = "i")]
    item: String,
    #[serde(rename = "c")]
    item_type: String,
    #[serde(rename = "t")]
    asset_type: String,
}

#[derive(Deserialize)]
struct RawToken {
    item_id: String,
    item_type_id: String,
    asset_type: String,
}

impl Asset {
    /// The asset that an id in a path names.
    pub fn of_id(id: &str) -> Result<Self, Unbounded> {
        let RawId {
            item,
            item_type,
            asset_type,
        } = decoded(id).ok_or_else(|| Unbounded {
            why: "the asset's id in the path cannot be decoded".into(),
        })?;
        Ok(Self::new(&item_type, item, asset_type))
    }

    /// The asset that a download token names. The error shows nothing of the token.
    pub fn of_token(token: &str) -> Result<Self, Unbounded> {
        let mut parts = token.split('.');
        let payload = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(_), Some(payload), Some(_), None) => decoded(payload),
            _ => None,
        };
        let RawToken {
            item_id,
            item_type_id,
            asset_type,
        } = payload.ok_or_else(|| Unbounded {
            why: "the download's token does not say which asset it is for".into(),
        })?;
        Ok(Self::new(&item_type_id, item_id, asset_type))
    }

    fn new(item_type: &str, item: String, asset_type: String) -> Self {
        Self {
            item_type: bundles::item_type(item_type)
                .unwrap_or(item_type)
                .to_owned(),
            item,
            asset_type,
        }
    }
}

fn decoded<T: DeserializeOwned>(text: &str) -> Option<T> {
    let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
    json::read(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(json: &str) -> String {
        URL_SAFE_NO_PAD.encode(json)
    }

    fn asset() -> Asset {
        Asset {
            item_type: "PSScene".into(),
            item: "20260601_101500_11_24f1".into(),
            asset_type: "ortho_udm2".into(),
        }
    }

    #[test]
    fn an_id_names_its_asset() {
        let id = encoded(
            r#"{"i":"20260601_101500_11_24f1","c":"PSScene","t":"ortho_udm2","ct":"item-type"}"#,
        );
        assert_eq!(Asset::of_id(&id), Ok(asset()));
        assert_eq!(Asset::of_id(&format!("{id}==")), Ok(asset()));
    }

    #[test]
    fn a_token_names_its_asset() {
        let payload = encoded(
            r#"{"sub":"x","item_id":"20260601_101500_11_24f1","item_type_id":"psscene",
                "asset_type":"ortho_udm2","token_type":"typed-item","exp":1}"#,
        );
        assert_eq!(Asset::of_token(&format!("e30.{payload}.c2ln")), Ok(asset()));
    }

    #[test]
    fn what_cannot_be_read_is_not_free() {
        let twice = encoded(r#"{"i":"a","i":"b","c":"PSScene","t":"visual"}"#);
        for id in ["", "%%%", "e30", &twice] {
            assert!(Asset::of_id(id).is_err(), "{id}");
        }
        let secret = "e30.c2VjcmV0.c2ln";
        for token in ["", "a.b", "e30.e30.e30.e30", secret] {
            let why = Asset::of_token(token).unwrap_err().why;
            assert!(!why.contains("c2VjcmV0"), "{why}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,60}|[A-Za-z0-9_.=-]{0,80}") {
            let _ = (Asset::of_id(&text), Asset::of_token(&text));
        }
    }
}
