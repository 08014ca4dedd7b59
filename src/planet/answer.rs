//! What Planet says back about cost, and when its word is not taken.

use http::HeaderMap;

use crate::units::{Amount, InvalidAmount, Pu};

/// Why an answer is not relied on, as a clause that fits behind "Planet's answer cannot be used: ".
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{why}")]
pub struct Doubt {
    pub why: String,
}

impl Doubt {
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into() }
    }
}

/// The documented name, and the one that every captured answer has.
pub const COST_HEADERS: [&str; 2] = ["x-processunits", "x-processingunits-spent"];

/// The processing units that an answer says it cost, rounded up to a millionth. `None` where it does
/// not say; should it say twice, the larger counts.
pub fn charged(headers: &HeaderMap) -> Result<Option<Pu>, InvalidAmount> {
    let mut largest = None;
    for value in COST_HEADERS.iter().flat_map(|name| headers.get_all(*name)) {
        let text = String::from_utf8_lossy(value.as_bytes());
        largest = largest.max(Some(Amount::parse_ceil(&text)?.into()));
    }
    Ok(largest)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn charge(headers: &[(&str, &str)]) -> Result<Option<i64>, InvalidAmount> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
                (name, HeaderValue::from_str(value).expect("a value"))
            })
            .collect();
        charged(&headers).map(|charge| charge.map(Pu::micros))
    }

    #[test]
    fn either_name_in_any_case_and_the_larger_of_both() {
        assert_eq!(charge(&[]), Ok(None));
        assert_eq!(
            charge(&[("X-ProcessUnits", "1.3333334922790527")]),
            Ok(Some(1_333_334))
        );
        assert_eq!(charge(&[("x-processingunits-SPENT", "0")]), Ok(Some(0)));
        let both = [("x-processunits", "1"), ("x-processingunits-spent", "2")];
        assert_eq!(charge(&both), Ok(Some(2_000_000)));
    }

    #[test]
    fn what_is_no_amount_is_an_error_and_never_free() {
        for text in ["", "-1", "NaN", "a lot", "1e30", "1,5"] {
            assert!(charge(&[("x-processunits", text)]).is_err(), "{text}");
        }
    }
}
