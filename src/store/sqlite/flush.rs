//! Writes what a batch has changed: all of it in one transaction, many rows to a statement.

use sqlx::query_builder::Separated;
use sqlx::{Connection, QueryBuilder, Sqlite as Dialect, SqliteConnection};

use super::read::bytes;
use crate::store::desk::{ChangedRecord, Changes, NewEntry};
use crate::store::rows::{amounts_text, claims_text, state_columns};
use crate::store::tables::Row;
use crate::units::UtcTime;

/// Rows to a statement. Only these few texts are ever made, so that each is prepared once.
pub(super) const PORTIONS: [usize; 3] = [64, 8, 1];

/// Makes a batch's changes durable, or leaves the disk as it was.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    changes: &Changes<'_>,
) -> Result<(), sqlx::Error> {
    let Changes {
        rows,
        records,
        entries,
    } = changes;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    put(&mut transaction, &ACCOUNT, rows, |to, row| {
        bind_row(to, row);
    })
    .await?;
    put(&mut transaction, &RESERVATION, records, bind_record).await?;
    put(&mut transaction, &ENTRY, entries, bind_entry).await?;
    transaction.commit().await
}

/// A statement around its rows of values.
struct Put {
    head: &'static str,
    tail: &'static str,
}

const ACCOUNT: Put = Put {
    head: "INSERT INTO account (id, budget, partition, unit, starts_at, ends_at,
           settled, overrun, unknown, held) ",
    tail: " ON CONFLICT (id) DO UPDATE SET settled = excluded.settled,
           overrun = excluded.overrun, unknown = excluded.unknown, held = excluded.held",
};

const RESERVATION: Put = Put {
    head: "INSERT INTO reservation (id, team, key, api, product, tag, predicted, claims,
           state, charged, source, why, reserved_at, closed_at, fingerprint) ",
    tail: " ON CONFLICT (id) DO UPDATE SET state = excluded.state, charged = excluded.charged,
           source = excluded.source, why = excluded.why, closed_at = excluded.closed_at,
           fingerprint = excluded.fingerprint",
};

const ENTRY: Put = Put {
    head: "INSERT INTO entry (at, reservation, account, kind, reserved, charged, note) ",
    tail: "",
};

type Values<'a> = Separated<'a, Dialect, &'static str>;

async fn put<T>(
    connection: &mut SqliteConnection,
    statement: &Put,
    mut rows: &[T],
    bind: impl Fn(&mut Values<'_>, &T),
) -> Result<(), sqlx::Error> {
    for size in PORTIONS {
        while let Some((portion, rest)) = rows.split_at_checked(size) {
            let mut query = QueryBuilder::<Dialect>::new(statement.head);
            query.push_values(portion, |mut to, row| bind(&mut to, row));
            query.push(statement.tail);
            query.build().execute(&mut *connection).await?;
            rows = rest;
        }
    }
    Ok(())
}

fn bind_row(to: &mut Values<'_>, row: &Row) {
    let (account, balance) = (&row.balance.account, &row.balance);
    to.push_bind(row.id)
        .push_bind(account.budget.to_string())
        .push_bind(account.partition.to_string())
        .push_bind(account.unit.name())
        .push_bind(account.window.start.as_microsecond())
        .push_bind(account.window.end.map(UtcTime::as_microsecond))
        .push_bind(balance.settled.micros())
        .push_bind(balance.overrun.micros())
        .push_bind(balance.unknown.micros())
        .push_bind(balance.held.micros());
}

fn bind_record(to: &mut Values<'_>, met: &ChangedRecord<'_>) {
    let record = met.record;
    let (charged, source, why) = state_columns(&record.state);
    to.push_bind(bytes(record.request))
        .push_bind(record.team.to_string())
        .push_bind(record.key.to_string())
        .push_bind(record.api.to_string())
        .push_bind(record.product.as_deref().map(str::to_owned))
        .push_bind(record.tag.as_deref().map(str::to_owned))
        .push_bind(amounts_text(&record.predicted))
        .push_bind(claims_text(&met.claims))
        .push_bind(record.state.name())
        .push_bind(charged)
        .push_bind(source.map(str::to_owned))
        .push_bind(why.map(str::to_owned))
        .push_bind(record.reserved_at.as_microsecond())
        .push_bind(record.closed_at.map(UtcTime::as_microsecond))
        .push_bind(record.fingerprint.map(|print| print.as_bytes().to_vec()));
}

fn bind_entry(to: &mut Values<'_>, entry: &NewEntry) {
    to.push_bind(entry.at.as_microsecond())
        .push_bind(bytes(entry.request))
        .push_bind(entry.account_id)
        .push_bind(entry.kind.name())
        .push_bind(entry.reserved.micros())
        .push_bind(entry.charged.micros())
        .push_bind(entry.note.to_string());
}
