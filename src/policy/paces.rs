//! `[[paces]]`: how many requests in a second, whatever they cost.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::fault::{Fault, Path};
use super::people::{Caller, People};
use super::raw::RawPace;
use super::text::{Text, texts};
use super::{Dimension, Match, matching};
use crate::planet::Api;

texts!(Rate);

/// So many requests in a second, with so many at once after a rest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pace {
    name: Arc<str>,
    /// Whom it is counted apart for; `None`: all together.
    per: Option<Dimension>,
    matching: Match,
    rate: Rate,
    burst: NonZeroU32,
}

/// `10/s`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    pub count: NonZeroU32,
    pub span: Duration,
}

impl Pace {
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub const fn per(&self) -> Option<Dimension> {
        self.per
    }

    pub const fn matching(&self) -> &Match {
        &self.matching
    }

    pub const fn rate(&self) -> Rate {
        self.rate
    }

    /// How many may come at once.
    pub const fn burst(&self) -> NonZeroU32 {
        self.burst
    }

    /// Who a call is counted for; `None` where it is not meant. Teams, keys and APIs all stand in the
    /// policy or in the program, so there are only so many answers, whoever calls.
    pub fn lane(&self, caller: &Caller, api: Api) -> Option<Arc<str>> {
        self.matching.covers(caller, api).then(|| match self.per {
            Some(Dimension::Team) => Arc::clone(&caller.team),
            Some(Dimension::Key) => Arc::clone(&caller.key),
            Some(Dimension::Api) => api.name().into(),
            Some(Dimension::Product) | None => "".into(),
        })
    }
}

impl Rate {
    /// The time from one request to the next.
    pub fn interval(self) -> Duration {
        self.span / self.count.get()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.span.as_secs() {
            1 => "s",
            60 => "m",
            _ => "h",
        };
        write!(f, "{}/{unit}", self.count)
    }
}

impl Text for Rate {
    const EXPECTED: &str = "a rate such as \"10/s\"";

    fn read(text: &str) -> Result<Self, String> {
        let read = || {
            let (count, unit) = text.split_once('/')?;
            let span = match unit {
                "s" => Duration::from_secs(1),
                "m" => Duration::from_mins(1),
                "h" => Duration::from_hours(1),
                _ => return None,
            };
            let digits = count.bytes().all(|byte| byte.is_ascii_digit());
            let count: NonZeroU32 = count.parse().ok().filter(|_| digits)?;
            Some(Self { count, span }).filter(|rate| !rate.interval().is_zero())
        };
        read().ok_or_else(|| {
            format!(
                "'{text}' is not a rate\nwrite a whole number above 0 and /s, /m or /h: \"10/s\""
            )
        })
    }
}

pub(super) fn paces(raw: Vec<RawPace>, people: &People) -> Result<Vec<Pace>, Fault> {
    let mut all: Vec<Pace> = Vec::with_capacity(raw.len());
    for (position, raw) in raw.into_iter().enumerate() {
        let here = Path::to("paces").item(position);
        if all.iter().any(|other| other.name == raw.name.0) {
            return Err(Fault::new(
                here.key("name"),
                format!("there is a pace '{}' already", raw.name.0),
                "each pace needs a name of its own: refusals name it",
            ));
        }
        all.push(pace(raw, people, &here)?);
    }
    Ok(all)
}

fn pace(raw: RawPace, people: &People, here: &Path) -> Result<Pace, Fault> {
    let RawPace {
        name,
        per,
        matching,
        rate,
        burst,
    } = raw;
    let of_products = |key: Path| {
        Err(Fault::new(
            key,
            "a request is paced before its products are looked at",
            "remove it: a pace knows teams, keys and APIs",
        ))
    };
    if per == Some(Dimension::Product) {
        return of_products(here.key("per"));
    }
    if matching.products.is_some() {
        return of_products(here.key("match").key("products"));
    }
    Ok(Pace {
        name: name.0,
        per,
        matching: matching::matching(matching, people, &here.key("match"))?,
        rate,
        burst: burst.unwrap_or(rate.count),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_refused, caller, policy};
    use super::*;

    fn pace(rest: &str) -> String {
        format!("[[paces]]\nname = \"p\"\n{rest}\n")
    }

    #[test]
    fn a_pace_counts_for_whom_it_says() {
        for (rest, lane) in [
            ("rate = \"10/s\"", Some("")),
            ("rate = \"10/s\"\nper = \"key\"", Some("ag-1")),
            ("rate = \"10/s\"\nper = \"team\"", Some("agriculture")),
            ("rate = \"10/s\"\nper = \"api\"", Some("process")),
            (
                "rate = \"10/s\"\nmatch = { apis = [\"process\"] }",
                Some(""),
            ),
            ("rate = \"10/s\"\nmatch = { apis = [\"orders\"] }", None),
            ("rate = \"10/s\"\nmatch = { teams = [\"forest\"] }", None),
        ] {
            let policy = policy(&pace(rest));
            let found = policy.paces()[0].lane(&caller("agriculture", "ag-1"), Api::Process);
            assert_eq!(found.as_deref(), lane, "{rest}");
        }
    }

    #[test]
    fn a_burst_is_what_comes_in_one_span_unless_it_is_said() {
        let of = |rest: &str| policy(&pace(rest)).paces()[0].clone();
        assert_eq!(of("rate = \"10/s\"").burst().get(), 10);
        let slow = of("rate = \"30/m\"\nburst = 1");
        assert_eq!(
            (slow.burst().get(), slow.rate().interval()),
            (1, Duration::from_secs(2))
        );
    }

    #[test]
    fn a_pace_is_refused_where_it_means_nothing() {
        let twice = pace("rate = \"1/s\"")
            .repeat(2)
            .replacen("\"p\"", "\"p\" ", 1);
        assert_refused(&[
            (&twice, "\"p\"", "a pace 'p' already"),
            (&pace("rate = \"0/s\""), "\"0/s\"", "is not a rate"),
            (&pace("rate = \"10\""), "\"10\"", "is not a rate"),
            (&pace("rate = \"+1/s\""), "\"+1/s\"", "is not a rate"),
            (&pace("rate = \"1/d\""), "\"1/d\"", "is not a rate"),
            (&pace("rate = \"1/s\"\nburst = 0"), "0", ""),
            (
                &pace("rate = \"1/s\"\nper = \"product\""),
                "\"product\"",
                "before its products",
            ),
            (
                &pace("rate = \"1/s\"\nmatch = { products = [\"dem\"] }"),
                "[\"dem\"]",
                "before its products",
            ),
            (
                &pace("rate = \"1/s\"\nmatch = { apis = [] }"),
                "[]",
                "matches nothing",
            ),
        ]);
    }
}
