//! The `output` of a `setup()`: sample types, and bytes of a pixel.

use super::SampleTypes;
use super::value::Value;

impl SampleTypes {
    pub(super) const UNSTATED: Self = Self {
        float32: false,
        up_to_16_bit: false,
        unstated: true,
    };

    pub(super) fn and(self, other: Self) -> Self {
        Self {
            float32: self.float32 || other.float32,
            up_to_16_bit: self.up_to_16_bit || other.up_to_16_bit,
            unstated: self.unstated || other.unstated,
        }
    }

    fn named(name: &str) -> Option<Self> {
        let none = Self::default();
        Some(match name.to_ascii_uppercase().as_str() {
            "AUTO" => Self::UNSTATED,
            "FLOAT32" => Self {
                float32: true,
                ..none
            },
            "INT8" | "UINT8" | "INT16" | "UINT16" => Self {
                up_to_16_bit: true,
                ..none
            },
            _ => return None,
        })
    }
}

/// What a pixel takes at most, uncompressed.
pub(super) fn output_bytes(output: &Value, outer: Option<SampleTypes>) -> Option<u64> {
    match output {
        Value::Object(_) => {
            let bands = match output.member("bands")? {
                Value::Number(bands) => *bands,
                Value::List(names) => u64::try_from(names.len()).ok()?,
                _ => return None,
            };
            let types = outputs(output, outer, &mut true);
            let bytes = match (types.float32, types.up_to_16_bit) {
                (true, _) => 4,
                (false, true) => 2,
                (false, false) => 1,
            };
            bands.checked_mul(bytes)
        }
        Value::List(outputs) => outputs.iter().try_fold(0u64, |total, one| {
            total.checked_add(output_bytes(one, outer)?)
        }),
        _ => None,
    }
}

/// The types of one `output`, which is an object or a list of them.
pub(super) fn outputs(value: &Value, outer: Option<SampleTypes>, exact: &mut bool) -> SampleTypes {
    let unknown = SampleTypes {
        float32: true,
        ..SampleTypes::UNSTATED
    };
    match value {
        Value::Object(_) => match value.member("sampleType") {
            Some(stated) => sample_types(stated, exact),
            None => outer.unwrap_or(SampleTypes::UNSTATED),
        },
        Value::List(items) | Value::Either(items) => {
            *exact &= !matches!(value, Value::Either(_));
            items
                .iter()
                .map(|item| outputs(item, outer, exact))
                .reduce(SampleTypes::and)
                .unwrap_or(SampleTypes::UNSTATED)
        }
        _ => {
            *exact = false;
            unknown
        }
    }
}

pub(super) fn sample_types(value: &Value, exact: &mut bool) -> SampleTypes {
    let mut all = SampleTypes::default();
    let alternatives = value.clone().alternatives();
    *exact &= alternatives.len() == 1;
    for alternative in alternatives {
        let named = match &alternative {
            Value::Text(name) => SampleTypes::named(name),
            Value::Plain => Some(SampleTypes::UNSTATED),
            _ => None,
        };
        *exact &= named.is_some();
        all = all.and(named.unwrap_or(SampleTypes {
            float32: true,
            ..SampleTypes::UNSTATED
        }));
    }
    all
}
