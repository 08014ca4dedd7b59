//! Writes what a batch has changed: all of it in one transaction, many rows to a statement.

use sqlx::query_builder::Separated;
use sqlx::{Executor, QueryBuilder, Sqlite as Dialect, SqliteConnection};
use tracing::debug;

use super::land;
use super::read::bytes;
use crate::ledger::{Cap, Commitment, Epoch, Event, Followed, LedgerError, TopUp};
use crate::store::commitments::terms_text;
use crate::store::desk::{ChangedMeter, ChangedRecord, Changes, NewEntry};
use crate::store::rows::{amounts_text, claims_text, draws_text, leases_text, state_columns};
use crate::store::tables::{Life, Row};
use crate::units::{Amount, UtcTime};

/// Rows to a statement. Only these few texts are ever made, so that each is prepared once.
pub(super) const PORTIONS: [usize; 3] = [64, 8, 1];

/// Makes a batch's changes durable, or leaves the disk as it was.
///
/// The transaction is in plain words. When a disk is full SQLite has rolled back by itself, and a
/// `sqlx::Transaction` would wait for ever for a rollback of its own to succeed.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    changes: &Changes<'_>,
) -> Result<(), sqlx::Error> {
    connection.execute("BEGIN IMMEDIATE").await?;
    let written = match put_all(connection, changes).await {
        Ok(()) => connection.execute("COMMIT").await.map(drop),
        Err(cause) => Err(cause),
    };
    if written.is_err()
        && let Err(cause) = connection.execute("ROLLBACK").await
    {
        debug!(%cause, "there was nothing left to roll back");
    }
    written
}

async fn put_all(
    connection: &mut SqliteConnection,
    changes: &Changes<'_>,
) -> Result<(), sqlx::Error> {
    let Changes {
        rows,
        records,
        commitments,
        lives,
        top_ups,
        followed,
        meters,
        caps,
        entries,
        events,
        land,
        freed,
    } = changes;
    put(connection, &ACCOUNT, rows, |to, row| {
        bind_row(to, row);
    })
    .await?;
    put(connection, &RESERVATION, records, bind_record).await?;
    let commitments = stored(commitments)?;
    put(connection, &COMMITMENT, &commitments, bind_commitment).await?;
    put(connection, &ENTRY, entries, bind_entry).await?;
    put(connection, &LIFE, lives, bind_life).await?;
    put(connection, &TOP_UP, top_ups, |to, top_up| {
        bind_top_up(to, top_up);
    })
    .await?;
    put(connection, &FOLLOWED, followed, |to, one| {
        bind_followed(to, one);
    })
    .await?;
    put(connection, &METER, meters, bind_meter).await?;
    put(connection, &EVENT, events, bind_event).await?;
    if let Some((replica, caps)) = caps {
        let replica = replica.to_string();
        sqlx::query("DELETE FROM cap WHERE replica = ?")
            .bind(&replica)
            .execute(&mut *connection)
            .await?;
        put(connection, &CAP, caps, |to, cap| {
            bind_cap(to, &replica, cap);
        })
        .await?;
    }
    land::put(connection, land, freed).await
}

/// A statement around its rows of values.
struct Put {
    head: &'static str,
    tail: &'static str,
}

const ACCOUNT: Put = Put {
    head: "INSERT INTO account (id, budget, partition, unit, starts_at, ends_at,
           settled, overrun, unknown, held, leased, leases, draws, recalled_at) ",
    tail: " ON CONFLICT (id) DO UPDATE SET settled = excluded.settled,
           overrun = excluded.overrun, unknown = excluded.unknown, held = excluded.held,
           leased = excluded.leased, leases = excluded.leases, draws = excluded.draws,
           recalled_at = excluded.recalled_at",
};

const RESERVATION: Put = Put {
    head: "INSERT INTO reservation (id, team, key, api, product, tag, predicted, claims,
           state, charged, source, why, reserved_at, closed_at, fingerprint, holder) ",
    tail: " ON CONFLICT (id) DO UPDATE SET predicted = excluded.predicted,
           claims = excluded.claims, state = excluded.state, charged = excluded.charged,
           source = excluded.source, why = excluded.why, closed_at = excluded.closed_at,
           fingerprint = excluded.fingerprint, holder = excluded.holder,
           claims = excluded.claims, predicted = excluded.predicted",
};

const COMMITMENT: Put = Put {
    head: "INSERT INTO commitment (request, number, version, upstream, subscription, course, terms) ",
    tail: " ON CONFLICT (request, number) DO UPDATE SET version = excluded.version,
           subscription = excluded.subscription, course = excluded.course, terms = excluded.terms",
};

const ENTRY: Put = Put {
    head: "INSERT INTO entry (at, reservation, account, kind, reserved, charged, note) ",
    tail: "",
};

const LIFE: Put = Put {
    head: "INSERT INTO life (id, replica, began_at, seen_at, over, reported) ",
    tail: " ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, over = excluded.over,
           reported = excluded.reported",
};

const TOP_UP: Put = Put {
    head: "INSERT INTO top_up (id, budget, partition, unit, amount, drawn, at, expires_at, reason,
           author, key) ",
    tail: " ON CONFLICT (id) DO UPDATE SET drawn = excluded.drawn",
};

const FOLLOWED: Put = Put {
    head: "INSERT INTO followed (reservation, upstream, kind, name, path, since, tries, next_at, state,
           over_at) ",
    tail: " ON CONFLICT (reservation) DO UPDATE SET tries = excluded.tries,
           next_at = excluded.next_at, state = excluded.state, over_at = excluded.over_at",
};

const METER: Put = Put {
    head: "INSERT INTO meter (upstream, product, unit, since, first, last, read_at, moved_at, counted,
           counted_until, ours, adjusted) ",
    tail: " ON CONFLICT (upstream, product, unit) DO UPDATE SET since = excluded.since,
           first = excluded.first, last = excluded.last, read_at = excluded.read_at,
           moved_at = excluded.moved_at, counted = excluded.counted,
           counted_until = excluded.counted_until, ours = excluded.ours, adjusted = excluded.adjusted",
};

const EVENT: Put = Put {
    head: "INSERT INTO event (at, author, what) ",
    tail: "",
};

const CAP: Put = Put {
    head: "INSERT INTO cap (replica, budget, unit, most) ",
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
        .push_bind(balance.held.micros())
        .push_bind(balance.leased.micros())
        .push_bind(leases_text(&row.leases))
        .push_bind(draws_text(&row.draws))
        .push_bind(row.recalled_at.map(UtcTime::as_microsecond));
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
        .push_bind(record.fingerprint.map(|print| print.as_bytes().to_vec()))
        .push_bind(met.holder.map(Epoch::number));
}

fn stored<'a>(
    commitments: &[&'a Commitment],
) -> Result<Vec<(&'a Commitment, String)>, sqlx::Error> {
    let terms = |it: &&'a Commitment| Ok((*it, terms_text(it).map_err(encode)?));
    commitments.iter().map(terms).collect()
}

fn encode(cause: LedgerError) -> sqlx::Error {
    sqlx::Error::Encode(cause.into())
}

fn bind_commitment(to: &mut Values<'_>, (commitment, terms): &(&Commitment, String)) {
    to.push_bind(bytes(commitment.id.request))
        .push_bind(i64::from(commitment.id.number))
        .push_bind(i64::try_from(commitment.version).unwrap_or(i64::MAX))
        .push_bind(commitment.upstream.to_string())
        .push_bind(commitment.subscription.as_deref().map(str::to_owned))
        .push_bind(commitment.course.name())
        .push_bind(terms.clone());
}

fn bind_entry(to: &mut Values<'_>, entry: &NewEntry) {
    to.push_bind(entry.at.as_microsecond())
        .push_bind(entry.request.map(bytes))
        .push_bind(entry.account_id)
        .push_bind(entry.kind.name())
        .push_bind(entry.reserved.micros())
        .push_bind(entry.charged.micros())
        .push_bind(entry.note.to_string());
}

fn bind_life(to: &mut Values<'_>, (epoch, life): &(Epoch, &Life)) {
    to.push_bind(epoch.number())
        .push_bind(life.replica.to_string())
        .push_bind(life.began_at.as_microsecond())
        .push_bind(life.seen_at.as_microsecond())
        .push_bind(life.over)
        .push_bind(i64::try_from(life.reported).unwrap_or(i64::MAX));
}

fn bind_top_up(to: &mut Values<'_>, top_up: &TopUp) {
    to.push_bind(top_up.id)
        .push_bind(top_up.budget.to_string())
        .push_bind(top_up.partition.to_string())
        .push_bind(top_up.unit.name())
        .push_bind(top_up.amount.micros())
        .push_bind(top_up.drawn.micros())
        .push_bind(top_up.at.as_microsecond())
        .push_bind(top_up.expires_at.map(UtcTime::as_microsecond))
        .push_bind(top_up.reason.clone())
        .push_bind(top_up.by.clone())
        .push_bind(top_up.key.map(|key| key.as_bytes().to_vec()));
}

fn bind_followed(to: &mut Values<'_>, one: &Followed) {
    to.push_bind(bytes(one.request))
        .push_bind(one.upstream.to_string())
        .push_bind(one.made.kind.name())
        .push_bind(one.made.name.clone())
        .push_bind(one.made.path.clone())
        .push_bind(one.since.as_microsecond())
        .push_bind(i64::from(one.tries))
        .push_bind(one.next_at.as_microsecond())
        .push_bind(one.state.clone())
        .push_bind(one.over_at.map(UtcTime::as_microsecond));
}

fn bind_meter(to: &mut Values<'_>, changed: &ChangedMeter<'_>) {
    let meter = changed.meter;
    to.push_bind(meter.upstream.to_string())
        .push_bind(meter.product.to_string())
        .push_bind(meter.unit.name())
        .push_bind(meter.since.as_microsecond())
        .push_bind(meter.first.micros())
        .push_bind(meter.last.micros())
        .push_bind(meter.read_at.as_microsecond())
        .push_bind(meter.moved_at.as_microsecond())
        .push_bind(meter.counted.micros())
        .push_bind(meter.counted_until.as_microsecond())
        .push_bind(meter.ours.micros())
        .push_bind(meter.adjusted.micros());
}

fn bind_event(to: &mut Values<'_>, event: &Event) {
    to.push_bind(event.at.as_microsecond())
        .push_bind(event.by.clone())
        .push_bind(event.what.clone());
}

fn bind_cap(to: &mut Values<'_>, replica: &str, cap: &Cap) {
    to.push_bind(replica.to_owned())
        .push_bind(cap.budget.to_string())
        .push_bind(cap.unit.name())
        .push_bind(cap.limit.map(Amount::micros));
}
