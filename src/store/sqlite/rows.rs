//! How values stand in the tables, and back. What cannot be read back is a corrupt store, never a
//! default.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::ledger::{
    Balance, Charge, ChargeSource, Entry, EntryKind, Evidence, Fingerprint, LedgerError, Record,
    RequestId, State,
};
use crate::policy::{Account, Claim};
use crate::units::{Amount, Amounts, Span, Unit, UtcTime};

/// The account's columns, wherever an account is read.
pub(super) const ACCOUNT: &str =
    "account.budget, account.partition, account.unit, account.starts_at, account.ends_at";

pub(super) fn failed(cause: sqlx::Error) -> LedgerError {
    match cause {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnNotFound(_) => LedgerError::Corrupt {
            what: cause.to_string(),
        },
        other => LedgerError::Unavailable(other.into()),
    }
}

pub(super) fn account(row: &SqliteRow) -> Result<Account, LedgerError> {
    let end: Option<i64> = column(row, "ends_at")?;
    Ok(Account {
        budget: text(row, "budget")?,
        partition: text(row, "partition")?,
        unit: unit(column(row, "unit")?)?,
        window: Span {
            start: instant(column(row, "starts_at")?)?,
            end: end.map(instant).transpose()?,
        },
    })
}

pub(super) fn balance(row: &SqliteRow) -> Result<Balance, LedgerError> {
    Ok(Balance {
        account: account(row)?,
        settled: amount(column(row, "settled")?)?,
        overrun: amount(column(row, "overrun")?)?,
        unknown: amount(column(row, "unknown")?)?,
        held: amount(column(row, "held")?)?,
        leased: Amount::ZERO,
        drawn: Amount::ZERO,
    })
}

pub(super) fn entry(row: &SqliteRow) -> Result<Entry, LedgerError> {
    let kind: &str = column(row, "kind")?;
    let known = EntryKind::ALL.into_iter().find(|one| one.name() == kind);
    let sequence: i64 = column(row, "sequence")?;
    Ok(Entry {
        sequence: u64::try_from(sequence).map_err(|_| corrupt("a sequence number", sequence))?,
        at: instant(column(row, "at")?)?,
        request: Some(request(column(row, "reservation")?)?),
        account: account(row)?,
        kind: known.ok_or_else(|| corrupt("a kind of entry", kind))?,
        reserved: amount(column(row, "reserved")?)?,
        charged: amount(column(row, "charged")?)?,
        note: text(row, "note")?,
    })
}

pub(super) fn claim(row: &SqliteRow) -> Result<Claim, LedgerError> {
    let most: Option<i64> = column(row, "most")?;
    Ok(Claim {
        account: account(row)?,
        amount: amount(column(row, "amount")?)?,
        limit: most.map(amount).transpose()?,
        enforced: column(row, "enforced")?,
    })
}

/// A record without its claims, which have a table of their own.
pub(super) fn record(row: &SqliteRow) -> Result<Record, LedgerError> {
    let closed: Option<i64> = column(row, "closed_at")?;
    Ok(Record {
        request: request(column(row, "id")?)?,
        team: text(row, "team")?,
        key: text(row, "key")?,
        api: text(row, "api")?,
        product: column::<Option<&str>>(row, "product")?.map(Arc::from),
        tag: column::<Option<&str>>(row, "tag")?.map(Arc::from),
        fingerprint: column::<Option<&[u8]>>(row, "fingerprint")?
            .map(fingerprint)
            .transpose()?,
        predicted: amounts(column(row, "predicted")?)?,
        claims: Vec::new(),
        state: state(row)?,
        reserved_at: instant(column(row, "reserved_at")?)?,
        closed_at: closed.map(instant).transpose()?,
    })
}

/// The columns `charged`, `source` and `why` of a state.
pub(super) fn state_columns(state: &State) -> (Option<String>, Option<&str>, Option<&str>) {
    match state {
        State::Held | State::Voided => (None, None, None),
        State::Unknown { why } => (None, None, Some(why)),
        State::Settled(charge) => (
            Some(amounts_text(&charge.amounts)),
            Some(charge.source.name()),
            None,
        ),
        State::Reconciled(evidence) => (
            Some(amounts_text(&evidence.amounts)),
            Some(&evidence.by),
            Some(&evidence.why),
        ),
    }
}

/// Whole millionths, so that a database can add them up exactly.
pub(super) fn amounts_text(amounts: &Amounts) -> String {
    let micros = amounts
        .iter()
        .map(|(unit, amount)| (unit.name(), amount.micros()));
    let pairs: Vec<_> = micros
        .map(|(unit, micros)| format!("\"{unit}\":{micros}"))
        .collect();
    format!("{{{}}}", pairs.join(","))
}

pub(super) fn request(id: &[u8]) -> Result<RequestId, LedgerError> {
    let id = uuid::Uuid::from_slice(id);
    id.map(RequestId::from_uuid)
        .map_err(|_| corrupt("a request id", "of another length"))
}

pub(super) fn column<'r, T>(row: &'r SqliteRow, name: &str) -> Result<T, LedgerError>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(name).map_err(failed)
}

fn state(row: &SqliteRow) -> Result<State, LedgerError> {
    let charged = || amounts(column::<Option<&str>>(row, "charged")?.unwrap_or(""));
    let why = || Ok(column::<Option<&str>>(row, "why")?.unwrap_or("").to_owned());
    let source: Option<&str> = column(row, "source")?;
    match column(row, "state")? {
        "held" => Ok(State::Held),
        "voided" => Ok(State::Voided),
        "unknown" => Ok(State::Unknown { why: why()? }),
        "settled" => {
            let known = ChargeSource::ALL
                .into_iter()
                .find(|one| Some(one.name()) == source);
            Ok(State::Settled(Charge {
                amounts: charged()?,
                source: known.ok_or_else(|| corrupt("a charge's source", format!("{source:?}")))?,
            }))
        }
        "reconciled" => Ok(State::Reconciled(Evidence {
            amounts: charged()?,
            by: source.unwrap_or("").to_owned(),
            why: why()?,
        })),
        other => Err(corrupt("a state", other)),
    }
}

fn amounts(text: &str) -> Result<Amounts, LedgerError> {
    let pairs: BTreeMap<&str, i64> =
        serde_json::from_str(text).map_err(|_| corrupt("amounts", text))?;
    let read = |(name, micros)| Ok((unit(name)?, amount(micros)?));
    pairs.into_iter().map(read).collect()
}

fn amount(micros: i64) -> Result<Amount, LedgerError> {
    Amount::from_micros(micros).ok_or_else(|| corrupt("an amount", micros))
}

fn unit(name: &str) -> Result<Unit, LedgerError> {
    Unit::from_str(name).map_err(|()| corrupt("a unit", name))
}

fn instant(micros: i64) -> Result<UtcTime, LedgerError> {
    UtcTime::from_microsecond(micros).map_err(|_| corrupt("a time", micros))
}

fn fingerprint(digest: &[u8]) -> Result<Fingerprint, LedgerError> {
    let digest = digest.try_into();
    digest
        .map(Fingerprint::from_bytes)
        .map_err(|_| corrupt("a fingerprint", "of another length"))
}

fn text(row: &SqliteRow, name: &str) -> Result<Arc<str>, LedgerError> {
    column::<&str>(row, name).map(Arc::from)
}

fn corrupt(kind: &str, value: impl std::fmt::Display) -> LedgerError {
    LedgerError::Corrupt {
        what: format!("'{value}' is not {kind}"),
    }
}
