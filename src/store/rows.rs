//! How values stand in the tables, and back. What cannot be read back is a corrupt store, never a
//! default.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use std::sync::Arc;

use super::tables::{Life, Recall, Row, Slice};
use crate::ledger::{
    Balance, Cap, Charge, ChargeSource, Draws, Entry, EntryKind, Epoch, Event, Evidence,
    Fingerprint, Followed, LedgerError, Meter, Record, ReplicaId, RequestId, State, Told, TopUp,
    drawn,
};
use crate::planet::{Kind, Made};
use crate::policy::{Account, Claim};
use crate::units::{Amount, Amounts, Span, Unit, UtcTime};

/// The account's columns, wherever an account is read.
pub(super) const ACCOUNT: &str =
    "account.budget, account.partition, account.unit, account.starts_at, account.ends_at";

/// The latest requests, as many as the parameter says, of which upstream said what they cost.
pub(super) const TOLD: &str =
    "SELECT * FROM (SELECT * FROM reservation ORDER BY id DESC LIMIT $1) AS latest
     WHERE state = 'settled' AND source = 'header' ORDER BY id";

/// One row of an answer, whichever database gave it.
pub(super) trait Cells {
    fn text(&self, column: &str) -> Result<&str, LedgerError>;
    fn text_if_any(&self, column: &str) -> Result<Option<&str>, LedgerError>;
    fn number(&self, column: &str) -> Result<i64, LedgerError>;
    fn number_if_any(&self, column: &str) -> Result<Option<i64>, LedgerError>;
    fn flag(&self, column: &str) -> Result<bool, LedgerError>;
    fn bytes_if_any(&self, column: &str) -> Result<Option<&[u8]>, LedgerError>;
    fn request(&self, column: &str) -> Result<RequestId, LedgerError>;
    fn request_if_any(&self, column: &str) -> Result<Option<RequestId>, LedgerError>;
}

/// A claim as a reservation keeps it; its account is a row of its own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct StoredClaim {
    account_id: i64,
    amount: i64,
    most: Option<i64>,
    enforced: bool,
}

/// A record whose accounts must yet be looked up.
#[derive(Debug)]
pub(super) struct Found {
    record: Record,
    claims: Vec<StoredClaim>,
}

impl StoredClaim {
    pub(super) const fn new(account_id: i64, claim: &Claim) -> Self {
        Self {
            account_id,
            amount: claim.amount.micros(),
            most: match claim.limit {
                Some(limit) => Some(limit.micros()),
                None => None,
            },
            enforced: claim.enforced,
        }
    }
}

impl Found {
    /// The rows that its claims are on.
    pub(super) fn account_ids(&self) -> impl Iterator<Item = i64> {
        self.claims.iter().map(|claim| claim.account_id)
    }

    pub(super) fn complete(self, accounts: &HashMap<i64, Account>) -> Result<Record, LedgerError> {
        let Self { mut record, claims } = self;
        let claim = |stored: StoredClaim| {
            let account = accounts.get(&stored.account_id);
            Ok(Claim {
                account: account
                    .cloned()
                    .ok_or_else(|| corrupt("the number of an account", stored.account_id))?,
                amount: amount(stored.amount)?,
                limit: stored.most.map(amount).transpose()?,
                enforced: stored.enforced,
            })
        };
        record.claims = claims.into_iter().map(claim).collect::<Result<_, _>>()?;
        Ok(record)
    }
}

/// What upstream said of requests; their claims are not asked for.
pub(super) fn told(found: Vec<Found>) -> Vec<Told> {
    let told = |found: Found| {
        let Record {
            team,
            api,
            predicted,
            state,
            ..
        } = found.record;
        Told::of(&team, &api, &predicted, &state)
    };
    found.into_iter().filter_map(told).collect()
}

pub(super) fn failed(cause: sqlx::Error) -> LedgerError {
    match cause {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnNotFound(_) => LedgerError::Corrupt {
            what: cause.to_string(),
        },
        other => LedgerError::Unavailable(other.into()),
    }
}

pub(super) fn account(row: &impl Cells) -> Result<Account, LedgerError> {
    let end = row.number_if_any("ends_at")?;
    Ok(Account {
        budget: row.text("budget")?.into(),
        partition: row.text("partition")?.into(),
        unit: unit(row.text("unit")?)?,
        window: Span {
            start: instant(row.number("starts_at")?)?,
            end: end.map(instant).transpose()?,
        },
    })
}

pub(super) fn balance(row: &impl Cells) -> Result<Balance, LedgerError> {
    Ok(Balance {
        account: account(row)?,
        settled: amount(row.number("settled")?)?,
        overrun: amount(row.number("overrun")?)?,
        unknown: amount(row.number("unknown")?)?,
        held: amount(row.number("held")?)?,
        leased: amount(row.number("leased")?)?,
        drawn: drawn(&draws(row.text("draws")?)?),
    })
}

pub(super) fn entry(row: &impl Cells) -> Result<Entry, LedgerError> {
    let kind = row.text("kind")?;
    let known = EntryKind::ALL.into_iter().find(|one| one.name() == kind);
    let sequence = row.number("sequence")?;
    Ok(Entry {
        sequence: u64::try_from(sequence).map_err(|_| corrupt("a sequence number", sequence))?,
        at: instant(row.number("at")?)?,
        request: row.request_if_any("reservation")?,
        account: account(row)?,
        kind: known.ok_or_else(|| corrupt("a kind of entry", kind))?,
        reserved: amount(row.number("reserved")?)?,
        charged: amount(row.number("charged")?)?,
        note: row.text("note")?.into(),
    })
}

/// A row of the books with its id.
pub(super) fn row(row: &impl Cells) -> Result<Row, LedgerError> {
    Ok(Row {
        id: row.number("id")?,
        balance: balance(row)?,
        leases: leases(row.text("leases")?)?,
        draws: draws(row.text("draws")?)?,
        recalled_at: row.number_if_any("recalled_at")?.map(instant).transpose()?,
        stored: true,
    })
}

pub(super) fn life(row: &impl Cells) -> Result<(Epoch, Life), LedgerError> {
    let (replica, reported) = (row.text("replica")?, row.number("reported")?);
    let life = Life {
        replica: self::replica(replica)?,
        began_at: instant(row.number("began_at")?)?,
        seen_at: instant(row.number("seen_at")?)?,
        over: row.flag("over")?,
        reported: u64::try_from(reported)
            .map_err(|_| corrupt("the number of a report", reported))?,
    };
    Ok((Epoch::from_number(row.number("id")?), life))
}

pub(super) fn top_up(row: &impl Cells) -> Result<TopUp, LedgerError> {
    Ok(TopUp {
        id: row.number("id")?,
        budget: row.text("budget")?.into(),
        partition: row.text("partition")?.into(),
        unit: unit(row.text("unit")?)?,
        amount: amount(row.number("amount")?)?,
        drawn: amount(row.number("drawn")?)?,
        at: instant(row.number("at")?)?,
        expires_at: row.number_if_any("expires_at")?.map(instant).transpose()?,
        reason: row.text("reason")?.into(),
        by: row.text("author")?.into(),
        key: row.bytes_if_any("key")?.map(fingerprint).transpose()?,
    })
}

pub(super) fn cap(row: &impl Cells) -> Result<(ReplicaId, Cap), LedgerError> {
    let cap = Cap {
        budget: row.text("budget")?.into(),
        unit: unit(row.text("unit")?)?,
        limit: row.number_if_any("most")?.map(amount).transpose()?,
    };
    Ok((replica(row.text("replica")?)?, cap))
}

pub(super) fn event(row: &impl Cells) -> Result<Event, LedgerError> {
    let sequence = row.number("sequence")?;
    Ok(Event {
        sequence: u64::try_from(sequence).map_err(|_| corrupt("a sequence number", sequence))?,
        at: instant(row.number("at")?)?,
        by: row.text("author")?.into(),
        what: row.text("what")?.into(),
    })
}

pub(super) fn followed(row: &impl Cells) -> Result<Followed, LedgerError> {
    let (kind, tries) = (row.text("kind")?, row.number("tries")?);
    let over = row.number_if_any("over_at")?;
    Ok(Followed {
        request: row.request("reservation")?,
        upstream: row.text("upstream")?.into(),
        made: Made {
            kind: Kind::named(kind).ok_or_else(|| corrupt("a kind of thing to follow", kind))?,
            name: row.text("name")?.into(),
            path: row.text("path")?.into(),
        },
        since: instant(row.number("since")?)?,
        tries: u32::try_from(tries).map_err(|_| corrupt("a number of tries", tries))?,
        next_at: instant(row.number("next_at")?)?,
        state: row.text_if_any("state")?.map(str::to_owned),
        over_at: over.map(instant).transpose()?,
    })
}

pub(super) fn meter(row: &impl Cells) -> Result<Meter, LedgerError> {
    let at = |column| row.number(column).and_then(instant);
    let sum = |column| row.number(column).and_then(amount);
    Ok(Meter {
        upstream: row.text("upstream")?.into(),
        product: row.text("product")?.into(),
        unit: unit(row.text("unit")?)?,
        since: at("since")?,
        first: sum("first")?,
        last: sum("last")?,
        read_at: at("read_at")?,
        moved_at: at("moved_at")?,
        counted: sum("counted")?,
        counted_until: at("counted_until")?,
        ours: sum("ours")?,
        adjusted: sum("adjusted")?,
    })
}

/// A record and its name, so that one which cannot be read is still known to be there.
pub(super) fn named(
    row: &impl Cells,
) -> Result<(RequestId, Result<Found, LedgerError>), LedgerError> {
    Ok((row.request("id")?, found(row)))
}

pub(super) fn found(row: &impl Cells) -> Result<Found, LedgerError> {
    let closed = row.number_if_any("closed_at")?;
    let record = Record {
        request: row.request("id")?,
        team: row.text("team")?.into(),
        key: row.text("key")?.into(),
        api: row.text("api")?.into(),
        product: row.text_if_any("product")?.map(Arc::from),
        tag: row.text_if_any("tag")?.map(Arc::from),
        fingerprint: row
            .bytes_if_any("fingerprint")?
            .map(fingerprint)
            .transpose()?,
        predicted: amounts(row.text("predicted")?)?,
        claims: Vec::new(),
        state: state(row)?,
        reserved_at: instant(row.number("reserved_at")?)?,
        closed_at: closed.map(instant).transpose()?,
    };
    let claims = claims(row.text("claims")?)?;
    Ok(Found { record, claims })
}

/// `[[account, amount, limit or null, enforced], …]`
pub(super) fn claims_text(claims: &[StoredClaim]) -> String {
    let claims: Vec<_> = claims
        .iter()
        .map(|claim| {
            let most = claim
                .most
                .map_or_else(|| "null".into(), |most| most.to_string());
            let (id, amount, enforced) = (claim.account_id, claim.amount, claim.enforced);
            format!("[{id},{amount},{most},{enforced}]")
        })
        .collect();
    format!("[{}]", claims.join(","))
}

/// `{"life": [amount, spent, recall]}`
pub(super) fn leases_text(leases: &BTreeMap<Epoch, Slice>) -> String {
    let leases = leases.iter().map(|(epoch, slice)| {
        let recall = match slice.recall {
            Recall::No => 0,
            Recall::Asked => 1,
            Recall::Answered => 2,
        };
        let (amount, spent) = (slice.amount.micros(), slice.spent.micros());
        format!("\"{epoch}\":[{amount},{spent},{recall}]")
    });
    format!("{{{}}}", leases.collect::<Vec<_>>().join(","))
}

/// `{"top-up": amount}`
pub(super) fn draws_text(draws: &Draws) -> String {
    let draws = draws
        .iter()
        .map(|(id, draw)| format!("\"{id}\":{}", draw.micros()));
    format!("{{{}}}", draws.collect::<Vec<_>>().join(","))
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

fn state(row: &impl Cells) -> Result<State, LedgerError> {
    let charged = || amounts(row.text_if_any("charged")?.unwrap_or(""));
    let why = || Ok(row.text_if_any("why")?.unwrap_or("").to_owned());
    let source = row.text_if_any("source")?;
    match row.text("state")? {
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

fn claims(text: &str) -> Result<Vec<StoredClaim>, LedgerError> {
    let written: Vec<(i64, i64, Option<i64>, bool)> =
        serde_json::from_str(text).map_err(|_| corrupt("a list of claims", text))?;
    let read = |(account_id, amount, most, enforced)| StoredClaim {
        account_id,
        amount,
        most,
        enforced,
    };
    Ok(written.into_iter().map(read).collect())
}

fn leases(text: &str) -> Result<BTreeMap<Epoch, Slice>, LedgerError> {
    let written: BTreeMap<i64, (i64, i64, u8)> =
        serde_json::from_str(text).map_err(|_| corrupt("a list of leases", text))?;
    let read = |(epoch, (left, spent, recall))| {
        let slice = Slice {
            amount: amount(left)?,
            spent: amount(spent)?,
            recall: match recall {
                0 => Recall::No,
                1 => Recall::Asked,
                2 => Recall::Answered,
                other => return Err(corrupt("the state of a recall", other)),
            },
        };
        Ok((Epoch::from_number(epoch), slice))
    };
    written.into_iter().map(read).collect()
}

fn draws(text: &str) -> Result<Draws, LedgerError> {
    let written: BTreeMap<i64, i64> =
        serde_json::from_str(text).map_err(|_| corrupt("a list of draws", text))?;
    let read = |(id, micros)| Ok((id, amount(micros)?));
    written.into_iter().map(read).collect()
}

fn replica(text: &str) -> Result<ReplicaId, LedgerError> {
    text.parse()
        .map_err(|_| corrupt("the name of a guard", text))
}

pub(super) fn amount(micros: i64) -> Result<Amount, LedgerError> {
    Amount::from_micros(micros).ok_or_else(|| corrupt("an amount", micros))
}

fn unit(name: &str) -> Result<Unit, LedgerError> {
    Unit::from_str(name).map_err(|()| corrupt("a unit", name))
}

pub(super) fn instant(micros: i64) -> Result<UtcTime, LedgerError> {
    UtcTime::from_microsecond(micros).map_err(|_| corrupt("a time", micros))
}

fn fingerprint(digest: &[u8]) -> Result<Fingerprint, LedgerError> {
    let digest = digest.try_into();
    digest
        .map(Fingerprint::from_bytes)
        .map_err(|_| corrupt("a fingerprint", "of another length"))
}

pub(super) fn corrupt(kind: &str, value: impl std::fmt::Display) -> LedgerError {
    LedgerError::Corrupt {
        what: format!("'{value}' is not {kind}"),
    }
}
