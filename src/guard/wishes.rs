//! What a caller wants besides the answer: headers that are meant for the guard and go no further.

use std::sync::Arc;

use http::HeaderMap;

use super::predict::Predicted;
use super::refusal::{Problem, Refusal};
use crate::units::{Amount, Amounts, Unit};

const DRY_RUN: &str = "quota-guard-dry-run";
const MOST: &str = "quota-guard-max";
const TAG: &str = "quota-guard-tag";
const IDEMPOTENCY_KEY: &str = "idempotency-key";

const LONGEST_TAG: usize = 64;
const LONGEST_KEY: usize = 255;

/// The caller's own words about one request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Wishes {
    /// Only to be told what would become of it.
    pub(super) dry_run: bool,
    /// What it may cost at most; empty: whatever the budgets allow.
    most: Amounts,
    /// A label under which its cost is shown back.
    pub(super) tag: Option<Arc<str>>,
    /// What tells this request from others that look the same.
    pub(super) idempotency_key: Option<String>,
}

impl Wishes {
    /// Reads the headers. One that cannot be understood is refused: whoever sets a ceiling relies on it.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Refusal> {
        Ok(Self {
            dry_run: match text(headers, DRY_RUN)? {
                None | Some("0") => false,
                Some("1") => true,
                Some(_) => return Err(malformed(DRY_RUN, "write 1")),
            },
            most: text(headers, MOST)?
                .map(amounts)
                .transpose()?
                .unwrap_or_default(),
            tag: text(headers, TAG)?.map(tag).transpose()?,
            idempotency_key: text(headers, IDEMPOTENCY_KEY)?.map(key).transpose()?,
        })
    }

    /// Refuses what would cost more than the caller allows, and what might.
    pub(super) fn allow(&self, predicted: &Predicted) -> Result<(), Refusal> {
        if self.most.is_empty() {
            return Ok(());
        }
        if !predicted.bounded {
            return Err(Refusal::new(
                Problem::CeilingExceeded,
                "The cost of this request cannot be predicted, so no ceiling (Quota-Guard-Max) can be \
                 kept. Leave the ceiling out, or write into the request what bounds its cost.",
            ));
        }
        let over = self
            .most
            .iter()
            .find(|(unit, most)| cost_in(*unit, predicted) > *most);
        over.map_or(Ok(()), |(unit, most)| {
            let (needed, label) = (cost_in(unit, predicted), unit.label());
            let detail = format!(
                "This request would cost up to {needed} {label}, more than the {most} {label} that its \
                 sender allows (Quota-Guard-Max). Raise the ceiling, or ask for less."
            );
            Err(Refusal {
                estimate: Some(predicted.totals.clone()),
                ..Refusal::new(Problem::CeilingExceeded, detail)
            })
        })
    }
}

fn cost_in(unit: Unit, predicted: &Predicted) -> Amount {
    match unit {
        Unit::Requests => Amount::ONE,
        _ => predicted.totals.get(unit).unwrap_or_default(),
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value
            .to_str()
            .map(|text| Some(text.trim()))
            .map_err(|_| malformed(name, "write plain ASCII")),
        (Some(_), Some(_)) => Err(malformed(name, "write it once")),
    }
}

/// `pu=100, aum=50`.
fn amounts(text: &str) -> Result<Amounts, Refusal> {
    const RULE: &str = "write a unit and an amount, such as 'pu=100' or 'pu=100, aum=50.5'; units are \
                        pu, aum, km2, quota, tiles and requests";
    let mut amounts = Amounts::default();
    for part in text.split(',') {
        let pair = part.split_once('=').and_then(|(unit, amount)| {
            Some((
                unit.trim().parse::<Unit>().ok()?,
                amount.trim().parse::<Amount>().ok()?,
            ))
        });
        let (unit, amount) = pair.ok_or_else(|| malformed(MOST, RULE))?;
        if amounts.get(unit).is_some() {
            return Err(malformed(MOST, "name each unit once"));
        }
        amounts.set(unit, amount);
    }
    Ok(amounts)
}

fn tag(text: &str) -> Result<Arc<str>, Refusal> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte);
    if text.is_empty() || text.len() > LONGEST_TAG || !text.bytes().all(fits) {
        return Err(malformed(
            TAG,
            "write 1 to 64 letters, digits, '-', '_', '.', ':' or '/'",
        ));
    }
    Ok(text.into())
}

fn key(text: &str) -> Result<String, Refusal> {
    if text.is_empty() || text.len() > LONGEST_KEY {
        return Err(malformed(IDEMPOTENCY_KEY, "write 1 to 255 characters"));
    }
    Ok(text.into())
}

fn malformed(name: &str, rule: &str) -> Refusal {
    Refusal::new(
        Problem::NotUnderstood,
        format!("The header '{name}' cannot be understood: {rule}."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planet::{Ask, Reading};
    use http::{HeaderName, HeaderValue};

    fn read(headers: &[(&'static str, &str)]) -> Result<Wishes, Refusal> {
        let pairs = headers.iter().map(|(name, value)| {
            let value = HeaderValue::from_str(value).expect("a header's value");
            (HeaderName::from_static(name), value)
        });
        let mut map = HeaderMap::new();
        pairs.for_each(|(name, value)| _ = map.append(name, value));
        Wishes::read(&map)
    }

    fn amount(text: &str) -> Amount {
        text.parse().expect(text)
    }

    #[test]
    fn what_a_caller_wants_is_read_from_its_headers() {
        assert_eq!(read(&[]).unwrap(), Wishes::default());
        let all = read(&[
            (DRY_RUN, "1"),
            (MOST, "pu=100, aum = 50.5"),
            (TAG, "campaign-7"),
            (IDEMPOTENCY_KEY, "a b"),
        ]);
        let mut most = Amounts::of(Unit::Pu, amount("100"));
        most.set(Unit::Aum, amount("50.5"));
        let expected = Wishes {
            dry_run: true,
            most,
            tag: Some("campaign-7".into()),
            idempotency_key: Some("a b".into()),
        };
        assert_eq!(all.unwrap(), expected);
    }

    #[test]
    fn what_cannot_be_understood_is_refused_by_the_headers_name() {
        let long = "x".repeat(65);
        for (name, value) in [
            (DRY_RUN, "yes"),
            (MOST, ""),
            (MOST, "100"),
            (MOST, "pu=1e999"),
            (MOST, "pu=-1"),
            (MOST, "eur=1"),
            (MOST, "pu=1, pu=2"),
            (MOST, "pu=1,"),
            (TAG, ""),
            (TAG, "two words"),
            (TAG, &long),
            (IDEMPOTENCY_KEY, ""),
        ] {
            let refusal = read(&[(name, value)]).unwrap_err();
            assert_eq!(refusal.problem, Problem::NotUnderstood, "{name}: {value}");
            assert!(refusal.detail.contains(name), "{}", refusal.detail);
        }
        assert!(read(&[(TAG, "a"), (TAG, "b")]).is_err());
    }

    #[test]
    fn a_ceiling_holds_in_each_unit_and_when_the_cost_is_not_known() {
        let costs = |bounded| Predicted {
            totals: Amounts::of(Unit::Pu, amount("20")),
            bounded,
            settles_at: Amounts::default(),
            published: Amounts::default(),
            margin: crate::cost::Margin::NONE,
            estimate: crate::cost::Estimate::default(),
            reading: Reading {
                ask: Ask::Nothing,
                products: Vec::new(),
            },
        };
        for (most, passes) in [
            ("pu=20", true),
            ("pu=19.999999", false),
            ("aum=0", true),
            ("requests=0", false),
            ("pu=0", false),
        ] {
            let wishes = read(&[(MOST, most)]).unwrap();
            assert_eq!(wishes.allow(&costs(true)).is_ok(), passes, "{most}");
            assert!(wishes.allow(&costs(false)).is_err(), "{most}");
        }
        assert!(Wishes::default().allow(&costs(false)).is_ok());
    }
}
