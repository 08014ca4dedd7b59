//! How commitments stand in the tables, and back: what is looked for in columns, everything else as JSON, in
//! whole millionths and microseconds.

use std::collections::BTreeMap;
use std::num::NonZeroU128;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::rows::{Cells, amount, corrupt, instant};
use crate::cost::{Pace, Rate, Term};
use crate::ledger::{Ahead, Commitment, CommitmentId, Course, LedgerError};
use crate::policy::Account;
use crate::units::{Amounts, Span, Unit, UtcTime};

type Micros = BTreeMap<Unit, i64>;

/// All that nobody looks for.
#[derive(Deserialize, Serialize)]
struct Terms {
    team: Arc<str>,
    key: Arc<str>,
    products: Vec<Arc<str>>,
    tag: Option<Arc<str>>,
    rate: StoredRate,
    start: i64,
    end: Option<i64>,
    since: i64,
    booked_until: i64,
    predicted_until: i64,
    ahead: Vec<StoredAhead>,
}

#[derive(Deserialize, Serialize)]
struct StoredRate {
    terms: Vec<StoredTerm>,
    each_time: Micros,
    each_year: Micros,
}

#[derive(Deserialize, Serialize)]
struct StoredTerm {
    times: u128,
    days: NonZeroU128,
    each: Micros,
}

#[derive(Deserialize, Serialize)]
struct StoredAhead {
    budget: Arc<str>,
    partition: Arc<str>,
    unit: Unit,
    starts_at: i64,
    ends_at: Option<i64>,
    amount: i64,
    from: i64,
    until: i64,
}

/// The column of everything that is not looked for.
pub(super) fn terms_text(commitment: &Commitment) -> Result<String, LedgerError> {
    let Commitment {
        id: _,
        version: _,
        upstream: _,
        subscription: _,
        team,
        key,
        products,
        tag,
        rate,
        start,
        end,
        since,
        course: _,
        booked_until,
        predicted_until,
        ahead,
    } = commitment.clone();
    let terms = Terms {
        team,
        key,
        products,
        tag,
        rate: stored_rate(&rate),
        start: start.as_microsecond(),
        end: end.map(UtcTime::as_microsecond),
        since: since.as_microsecond(),
        booked_until: booked_until.as_microsecond(),
        predicted_until: predicted_until.as_microsecond(),
        ahead: ahead.into_iter().map(stored_ahead).collect(),
    };
    serde_json::to_string(&terms).map_err(|cause| corrupt("the terms of a commitment", cause))
}

pub(super) fn commitment(row: &impl Cells) -> Result<Commitment, LedgerError> {
    let terms: Terms = serde_json::from_str(row.text("terms")?)
        .map_err(|cause| corrupt("the terms of a commitment", cause))?;
    let (number, version) = (row.number("number")?, row.number("version")?);
    let course = row.text("course")?;
    let known = Course::ALL.into_iter().find(|one| one.name() == course);
    Ok(Commitment {
        id: CommitmentId {
            request: row.request("request")?,
            number: u32::try_from(number)
                .map_err(|_| corrupt("the number of a commitment", number))?,
        },
        version: u64::try_from(version).map_err(|_| corrupt("a version", version))?,
        upstream: row.text("upstream")?.into(),
        subscription: row.text_if_any("subscription")?.map(Arc::from),
        team: terms.team,
        key: terms.key,
        products: terms.products,
        tag: terms.tag,
        rate: rate(terms.rate)?,
        start: instant(terms.start)?,
        end: terms.end.map(instant).transpose()?,
        since: instant(terms.since)?,
        course: known.ok_or_else(|| corrupt("a commitment's course", course))?,
        booked_until: instant(terms.booked_until)?,
        predicted_until: instant(terms.predicted_until)?,
        ahead: terms
            .ahead
            .into_iter()
            .map(ahead)
            .collect::<Result<_, _>>()?,
    })
}

fn stored_rate(rate: &Rate) -> StoredRate {
    let term = |term: &Term| StoredTerm {
        times: term.pace.times,
        days: term.pace.days,
        each: micros(&term.each),
    };
    StoredRate {
        terms: rate.terms.iter().map(term).collect(),
        each_time: micros(&rate.each_time),
        each_year: micros(&rate.each_year),
    }
}

fn rate(stored: StoredRate) -> Result<Rate, LedgerError> {
    let term = |term: StoredTerm| {
        Ok(Term {
            pace: Pace {
                times: term.times,
                days: term.days,
            },
            each: amounts(term.each)?,
        })
    };
    Ok(Rate {
        terms: stored
            .terms
            .into_iter()
            .map(term)
            .collect::<Result<_, _>>()?,
        each_time: amounts(stored.each_time)?,
        each_year: amounts(stored.each_year)?,
    })
}

fn stored_ahead(ahead: Ahead) -> StoredAhead {
    let window = ahead.account.window;
    StoredAhead {
        budget: ahead.account.budget,
        partition: ahead.account.partition,
        unit: ahead.account.unit,
        starts_at: window.start.as_microsecond(),
        ends_at: window.end.map(UtcTime::as_microsecond),
        amount: ahead.amount.micros(),
        from: ahead.from.as_microsecond(),
        until: ahead.until.as_microsecond(),
    }
}

fn ahead(stored: StoredAhead) -> Result<Ahead, LedgerError> {
    let window = Span {
        start: instant(stored.starts_at)?,
        end: stored.ends_at.map(instant).transpose()?,
    };
    Ok(Ahead {
        account: Account {
            budget: stored.budget,
            partition: stored.partition,
            unit: stored.unit,
            window,
        },
        amount: amount(stored.amount)?,
        from: instant(stored.from)?,
        until: instant(stored.until)?,
    })
}

fn micros(amounts: &Amounts) -> Micros {
    let pairs = amounts.iter();
    pairs
        .map(|(unit, amount)| (unit, amount.micros()))
        .collect()
}

fn amounts(micros: Micros) -> Result<Amounts, LedgerError> {
    let pairs = micros.into_iter();
    pairs.map(|(unit, it)| Ok((unit, amount(it)?))).collect()
}
