//! `input.data[].processing`: the corrections that multiply the price.

use serde::Deserialize;
use serde_json::Value;

use super::Misread;
use super::imagery::{Correction, Notes};
use super::sources::RawData;

/// Values as they are written: published examples write `"true"` for `true`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawProcessing {
    orthorectify: Option<Value>,
    back_coeff: Option<Value>,
    speckle_filter: Option<Value>,
}

/// The dearest correction of all collections, and whether any is filtered for speckle.
pub(super) fn read(data: &[RawData], notes: &mut Notes) -> Result<(Correction, bool), Misread> {
    let mut dearest = Correction::None;
    let mut filtered = false;
    for data in data {
        let Some(processing) = &data.processing else {
            continue;
        };
        let (correction, filter) = (processing.correction()?, processing.filters_speckle()?);
        if (correction > Correction::None || filter) && !data.is_radar() {
            notes.add("radar corrections are asked of a collection that is not known to be radar");
        }
        dearest = dearest.max(correction);
        filtered |= filter;
    }
    Ok((dearest, filtered))
}

impl RawProcessing {
    fn correction(&self) -> Result<Correction, Misread> {
        let terrain = self.back_coeff.as_ref().and_then(Value::as_str) == Some("GAMMA0_TERRAIN");
        let orthorectified = match &self.orthorectify {
            None | Some(Value::Null) => false,
            Some(Value::Bool(yes)) => *yes,
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => true,
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => false,
            Some(_) => {
                return Err(Misread::new(
                    "processing.orthorectify is neither true nor false; write one of them",
                ));
            }
        };
        Ok(match (terrain, orthorectified) {
            (true, _) => Correction::RadiometricTerrain,
            (false, true) => Correction::Orthorectified,
            (false, false) => Correction::None,
        })
    }

    /// Anything but the filter `NONE` counts: a type that is not known today may cost tomorrow.
    fn filters_speckle(&self) -> Result<bool, Misread> {
        match &self.speckle_filter {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Object(filter)) => {
                Ok(filter.get("type").and_then(Value::as_str) != Some("NONE"))
            }
            Some(_) => Err(Misread::new(
                "processing.speckleFilter is not an object; write it like {\"type\": \"LEE\", \"windowSizeX\": 3, \"windowSizeY\": 3}",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corrected(processing: &str) -> Result<(Correction, bool), Misread> {
        let data = format!(r#"{{"type":"sentinel-1-grd","processing":{processing}}}"#);
        read(
            &[serde_json::from_str(&data).unwrap()],
            &mut Notes::default(),
        )
    }

    #[test]
    fn corrections_are_read_leniently_where_examples_are_loose() {
        for (processing, expected) in [
            ("{}", (Correction::None, false)),
            (
                r#"{"orthorectify":true}"#,
                (Correction::Orthorectified, false),
            ),
            (
                r#"{"orthorectify":"TRUE"}"#,
                (Correction::Orthorectified, false),
            ),
            (r#"{"orthorectify":"false"}"#, (Correction::None, false)),
            (
                r#"{"orthorectify":true,"backCoeff":"GAMMA0_TERRAIN"}"#,
                (Correction::RadiometricTerrain, false),
            ),
            (
                r#"{"backCoeff":"SIGMA0_ELLIPSOID"}"#,
                (Correction::None, false),
            ),
            (
                r#"{"speckleFilter":{"type":"LEE","windowSizeX":1,"windowSizeY":1}}"#,
                (Correction::None, true),
            ),
            (
                r#"{"speckleFilter":{"type":"NONE"}}"#,
                (Correction::None, false),
            ),
            (
                r#"{"speckleFilter":null,"orthorectify":null}"#,
                (Correction::None, false),
            ),
        ] {
            assert_eq!(corrected(processing), Ok(expected), "{processing}");
        }
        for processing in [
            r#"{"orthorectify":1}"#,
            r#"{"orthorectify":"yes"}"#,
            r#"{"speckleFilter":"LEE"}"#,
        ] {
            assert!(corrected(processing).is_err(), "{processing}");
        }
    }
}
