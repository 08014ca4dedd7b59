//! The encoding of an answer, as far as it makes a difference to the price.

use serde::Deserialize;

use super::evalscript::{SampleTypes, Script};
use super::imagery::{Declared, Format, Notes};

#[derive(Debug, Deserialize)]
pub(super) struct RawResponse {
    format: Option<RawFormat>,
}

#[derive(Debug, Deserialize)]
struct RawFormat {
    r#type: Option<String>,
}

/// The encodings that a request asks for. The `Accept` header and the body may differ, and then the
/// dearer is taken.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Wanted {
    pub(super) octet_stream: bool,
    pub(super) tiff: bool,
}

impl Wanted {
    pub(super) fn read(accept: Option<&str>, responses: &[RawResponse]) -> Self {
        let accepted = accept.into_iter().flat_map(|accept| accept.split(','));
        let stated = responses
            .iter()
            .filter_map(|response| response.format.as_ref()?.r#type.as_deref());
        accepted
            .chain(stated)
            .fold(Self::default(), |wanted, media| {
                let media = media
                    .split(';')
                    .next()
                    .unwrap_or_default()
                    .trim()
                    .to_ascii_lowercase();
                Self {
                    octet_stream: wanted.octet_stream || media == "application/octet-stream",
                    tiff: wanted.tiff || media == "image/tiff",
                }
            })
    }
}

/// What an API takes an unstated sample type for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unstated {
    EightBit,
    /// Documented so for statistics, though not all bills agree.
    Float32,
}

pub(super) fn read(
    script: &Script,
    wanted: Wanted,
    unstated: Unstated,
    declared: Declared,
    notes: &mut Notes,
) -> Format {
    let types = match script {
        Script::Setup(setup) => setup.sample_types,
        Script::Simple(_) => SampleTypes {
            unstated: true,
            ..SampleTypes::default()
        },
        Script::Unreadable(_) => SampleTypes {
            float32: declared.float32 != Some(false),
            ..SampleTypes::default()
        },
    };
    let unstated_float = types.unstated && unstated == Unstated::Float32;
    if unstated_float {
        notes.add("an output without a sampleType counts as FLOAT32");
    }
    let float32 = types.float32 || unstated_float;
    if types.float32 && (types.up_to_16_bit || types.unstated) {
        notes.add("of outputs of several types, the dearest counts");
    }
    if types.float32 && unstated == Unstated::EightBit && !wanted.tiff {
        notes.add("FLOAT32 counts in any encoding");
    }
    match (float32, wanted.octet_stream) {
        (false, false) => Format::UpTo16Bit,
        (true, false) => Format::Float32,
        (false, true) => Format::OctetStream,
        (true, true) => Format::Float32OctetStream,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planet::evalscript;

    fn format(
        output: &str,
        accept: Option<&str>,
        response: &str,
        unstated: Unstated,
    ) -> (Format, bool) {
        let script = format!("function setup() {{ return {{input: ['B04'], output: {output}}} }}");
        let responses: Vec<RawResponse> = serde_json::from_str(response).unwrap();
        let mut notes = Notes::default();
        let wanted = Wanted::read(accept, &responses);
        let format = read(
            &evalscript::read(&script),
            wanted,
            unstated,
            Declared::default(),
            &mut notes,
        );
        (format, notes.into_clauses().is_empty())
    }

    const TIFF: &str = r#"[{"identifier":"default","format":{"type":"image/tiff"}}]"#;
    const BYTES: &str = r#"[{"format":{"type":"application/octet-stream"}}]"#;

    #[test]
    fn the_dearer_of_header_and_body_counts() {
        let (small, float) = (
            "{bands: 1, sampleType: 'UINT16'}",
            "{bands: 1, sampleType: 'FLOAT32'}",
        );
        for (output, accept, response, expected) in [
            (small, None, "[]", (Format::UpTo16Bit, true)),
            (
                small,
                Some("image/tiff"),
                BYTES,
                (Format::OctetStream, true),
            ),
            (
                small,
                Some("image/png, application/octet-stream;q=0.1"),
                TIFF,
                (Format::OctetStream, true),
            ),
            (small, Some("*/*"), TIFF, (Format::UpTo16Bit, true)),
            (float, None, TIFF, (Format::Float32, true)),
            (float, None, "[]", (Format::Float32, false)),
            (
                float,
                Some("application/octet-stream"),
                TIFF,
                (Format::Float32OctetStream, true),
            ),
            (
                "[{sampleType: 'FLOAT32'}, {sampleType: 'UINT8'}]",
                None,
                TIFF,
                (Format::Float32, false),
            ),
            ("{bands: 1}", None, TIFF, (Format::UpTo16Bit, true)),
        ] {
            assert_eq!(
                format(output, accept, response, Unstated::EightBit),
                expected,
                "{output} {accept:?} {response}"
            );
        }
    }

    #[test]
    fn an_unstated_type_is_8_bit_in_images_and_bounded_by_float32_in_statistics() {
        let unstated = "[{id: 'default', bands: 1}]";
        assert_eq!(
            format(unstated, None, "[]", Unstated::Float32),
            (Format::Float32, false)
        );
        assert_eq!(
            format(unstated, None, "[]", Unstated::EightBit),
            (Format::UpTo16Bit, true)
        );
    }
}
