//! Reservations of quota: for which product, over which features.

use serde::Deserialize;

use super::Misread;
use super::geometry::FeatureRef;
use super::spelling;

/// Members that the reserved area hangs on.
const PRICED: &[&str] = &["aoi_refs", "collection_id", "product_id", "quota_units"];

/// A reservation, one by one or in bulk. How many km² it takes, Planet's own estimate says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReservationAsk {
    /// A number of the account's own, from `/my/products`.
    pub product_id: i64,
    /// Features, and collections that stand for each of theirs.
    pub aoi_refs: Vec<FeatureRef>,
    /// A whole collection or only a label: Planet's pages disagree.
    pub collection_id: Option<String>,
}

#[derive(Deserialize)]
struct RawReservation {
    product_id: i64,
    aoi_refs: Option<Vec<String>>,
    collection_id: Option<String>,
}

/// Reads the body of a create, a bulk create or an estimate.
pub fn read(body: &[u8]) -> Result<ReservationAsk, Misread> {
    let RawReservation {
        product_id,
        aoi_refs,
        collection_id,
    } = spelling::read(body, PRICED)?;
    let aoi_refs = aoi_refs
        .unwrap_or_default()
        .iter()
        .enumerate()
        .map(|(place, content)| FeatureRef::read(Some(content), &format!("aoi_refs[{place}]")))
        .collect::<Result<Vec<_>, _>>()?;
    if aoi_refs.is_empty() && collection_id.is_none() {
        return Err(Misread::new(
            "the reservation names no area; give 'aoi_refs' or a 'collection_id'",
        ));
    }
    Ok(ReservationAsk {
        product_id,
        aoi_refs,
        collection_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_reservation_is_read() {
        let ask = read(br#"{"product_id":290378,"aoi_refs":["pl:features/my/blocks-8v/12-am"]}"#);
        let ask = ask.unwrap();
        assert_eq!((ask.product_id, ask.aoi_refs.len()), (290_378, 1));
        let whole = read(br#"{"product_id":1,"collection_id":"blocks-8v"}"#).unwrap();
        assert_eq!(whole.collection_id.as_deref(), Some("blocks-8v"));
    }

    #[test]
    fn what_is_not_one_is_refused() {
        for (body, expected) in [
            ("{}", "product_id"),
            (r#"{"product_id":1}"#, "no area"),
            (r#"{"product_id":1,"aoi_refs":[]}"#, "no area"),
            (r#"{"product_id":1,"aoi_refs":["x"]}"#, "aoi_refs[0]"),
            (r#"{"product_id":"1","aoi_refs":[]}"#, "product_id"),
            (r#"{"product_id":1,"AOI_refs":[]}"#, "write 'aoi_refs'"),
            (r#"{"product_id":1,"product_id":2}"#, "stands twice"),
        ] {
            let sentence = read(body.as_bytes()).expect_err(body).sentence;
            assert!(sentence.contains(expected), "{body}: {sentence}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&body);
        }

        #[test]
        fn whatever_stands_in_a_body_names_an_area_or_is_refused(
            body in crate::planet::wild::variations(serde_json::json!(
                {"product_id": 1, "aoi_refs": ["pl:features/my/a/b"], "collection_id": "c"})),
        ) {
            if let Ok(ask) = read(body.to_string().as_bytes()) {
                prop_assert!(ask.collection_id.is_some() || !ask.aoi_refs.is_empty());
            }
        }
    }
}
