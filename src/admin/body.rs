//! What a person orders: small JSON bodies, read so that nothing in them is overlooked.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::problem::Problem;
use crate::planet::json;
use crate::units::{Amount, Amounts, Unit};
use crate::upstream::{Body, collect_request};

/// Orders are short; whatever is longer is none.
const LONGEST: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);
/// Of a reason, in characters.
const LONGEST_REASON: usize = 500;

/// Reads an order. Unknown keys, repeated keys and wrong types are errors that name their place.
pub(super) async fn read<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    let text = collect_request(headers, body, LONGEST, PATIENCE).await?;
    json::check(&text)?;
    if !text.trim_ascii_start().starts_with(b"{") {
        // a list would be read by the order of its items
        return Err(Problem::bad_request("The body must be a JSON object."));
    }
    Ok(json::read(&text)?)
}

/// A number exactly as it was written: not by way of a floating-point number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Exact(pub(super) Amount);

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let written = Box::<RawValue>::deserialize(reader)?;
        exact(written.get()).map(Self).map_err(D::Error::custom)
    }
}

/// One number, or one for each unit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Said {
    One(Amount),
    Each(Amounts),
}

impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let written = Box::<RawValue>::deserialize(reader)?;
        if !written.get().starts_with('{') {
            return exact(written.get())
                .map(Self::One)
                .map_err(D::Error::custom);
        }
        let each: BTreeMap<Unit, Exact> =
            serde_json::from_str(written.get()).map_err(D::Error::custom)?;
        let each = each.into_iter().map(|(unit, Exact(amount))| (unit, amount));
        Ok(Self::Each(each.collect()))
    }
}

fn exact(written: &str) -> Result<Amount, String> {
    let amount = written.parse::<Amount>();
    amount.map_err(|cause| cause.to_string())
}

/// Why somebody does something, fit for the record.
pub(super) fn reason(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    let length = text.chars().count();
    let wrong = if text.is_empty() {
        "is empty: say in a few words why, for whoever reads the record later"
    } else if length > LONGEST_REASON {
        "is too long: 500 characters are the most"
    } else if text.chars().any(char::is_control) {
        "has control characters or line breaks in it: write one line of plain text"
    } else {
        return Ok(text.to_owned());
    };
    Err(Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        format!("The reason {wrong}."),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::full;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        #[expect(dead_code, reason = "what is read is not looked at")]
        amount: Said,
    }

    async fn order(text: &str) -> Result<Order, Problem> {
        read(&HeaderMap::new(), full(text.to_owned())).await
    }

    #[tokio::test]
    async fn nothing_in_an_order_is_overlooked() {
        for (text, status, words) in [
            ("", 400, "not the JSON"),
            ("[1]", 400, "must be a JSON object"),
            ("{}", 400, "missing field `amount`"),
            (
                "{\"amount\": 1, \"amuont\": 2}",
                400,
                "unknown field `amuont`",
            ),
            ("{\"amount\": 1, \"amount\": 2}", 400, "amount"),
            ("{\"amount\": \"1\"}", 400, "at 'amount'"),
            ("{\"amount\": -1}", 400, "'-1' is not a plain decimal"),
            ("{\"amount\": 0.0000001}", 400, "more than 6 decimals"),
            ("{\"amount\": null}", 400, "at 'amount'"),
            ("{\"amount\": {\"eur\": 1}}", 400, "eur"),
            ("{\"amount\": {\"pu\": \"1\"}}", 400, "not a plain decimal"),
        ] {
            let problem = order(text).await.unwrap_err();
            let said = format!("{problem:?}");
            assert_eq!(
                problem.respond().status().as_u16(),
                status,
                "{text}: {said}"
            );
            assert!(said.contains(words), "{text}: {said}");
        }
        let long = format!("{{\"amount\": {}}}", " ".repeat(LONGEST));
        let problem = order(&long).await.unwrap_err();
        assert_eq!(problem.respond().status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[test]
    fn amounts_are_read_as_they_are_written() {
        let read = |text: &str| serde_json::from_str::<Said>(text).unwrap();
        let most = "9223372036854.775807";
        assert_eq!(read(most), Said::One(Amount::MAX));
        let each = read("{\"pu\": 9223372036854.775807, \"aum\": 0}");
        let amounts = [(Unit::Pu, Amount::MAX), (Unit::Aum, Amount::ZERO)];
        assert_eq!(each, Said::Each(amounts.into_iter().collect()));
    }

    #[test]
    fn a_reason_is_a_line_that_says_something() {
        assert_eq!(reason(" harvest "), Ok("harvest".into()));
        for text in ["", "  ", "a\nb", &"x".repeat(501)] {
            assert!(reason(text).is_err(), "{text:?}");
        }
    }
}
