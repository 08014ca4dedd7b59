//! Writes what a batch has changed: a statement to a table, however many rows. Everybody writes in the same
//! order, the journal last: its lines are numbered only when nothing else can keep the batch waiting.

use sqlx::PgConnection;

use super::{follows, land, meters};

use crate::ledger::{Cap, Commitment, Epoch, Event, LOST_LEASE, TopUp};
use crate::store::commitments::terms_text;
use crate::store::desk::{ChangedRecord, Changes, NewEntry};
use crate::store::rows::{amounts_text, claims_text, draws_text, leases_text, state_columns};
use crate::store::tables::{Life, Row};
use crate::units::{Amount, UtcTime};

pub(super) async fn write(
    connection: &mut PgConnection,
    changes: &Changes<'_>,
) -> Result<(), sqlx::Error> {
    let (stored, new): (Vec<&Row>, Vec<&Row>) = changes.rows.iter().partition(|row| row.stored);
    let (fresh, known): (Vec<&ChangedRecord<'_>>, Vec<_>) =
        changes.records.iter().partition(|changed| changed.fresh);
    if !new.is_empty() {
        add_rows(connection, &new).await?;
    }
    if !stored.is_empty() {
        update_rows(connection, &stored).await?;
    }
    if !fresh.is_empty() {
        add_records(connection, &fresh).await?;
    }
    if !known.is_empty() {
        update_records(connection, &known).await?;
    }
    if !changes.commitments.is_empty() {
        put_commitments(connection, &changes.commitments).await?;
    }
    if !changes.lives.is_empty() {
        put_lives(connection, &changes.lives).await?;
    }
    if !changes.top_ups.is_empty() {
        put_top_ups(connection, &changes.top_ups).await?;
    }
    if !changes.followed.is_empty() {
        follows::put(connection, &changes.followed).await?;
    }
    if !changes.meters.is_empty() {
        meters::put(connection, &changes.meters).await?;
    }
    if let Some((replica, caps)) = changes.caps {
        put_caps(connection, &replica.to_string(), caps).await?;
    }
    land::put(connection, changes.land, changes.freed).await?;
    if !changes.events.is_empty() {
        add_events(connection, changes.events).await?;
    }
    if !changes.entries.is_empty() {
        add_entries(connection, changes.entries).await?;
    }
    Ok(())
}

pub(super) fn column<T, U>(rows: &[T], value: impl Fn(&T) -> U) -> Vec<U> {
    rows.iter().map(value).collect()
}

async fn add_rows(connection: &mut PgConnection, rows: &[&Row]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO account (id, budget, partition, unit, starts_at, ends_at,
             settled, overrun, unknown, held, leased, leases, draws, recalled_at)
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[],
             $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[],
             $12::text[], $13::text[], $14::bigint[])",
    )
    .bind(column(rows, |row| row.id))
    .bind(column(rows, |row| row.balance.account.budget.to_string()))
    .bind(column(rows, |row| {
        row.balance.account.partition.to_string()
    }))
    .bind(column(rows, |row| row.balance.account.unit.name()))
    .bind(column(rows, |row| {
        row.balance.account.window.start.as_microsecond()
    }))
    .bind(column(rows, |row| {
        row.balance.account.window.end.map(UtcTime::as_microsecond)
    }))
    .bind(column(rows, |row| row.balance.settled.micros()))
    .bind(column(rows, |row| row.balance.overrun.micros()))
    .bind(column(rows, |row| row.balance.unknown.micros()))
    .bind(column(rows, |row| row.balance.held.micros()))
    .bind(column(rows, |row| row.balance.leased.micros()))
    .bind(column(rows, |row| leases_text(&row.leases)))
    .bind(column(rows, |row| draws_text(&row.draws)))
    .bind(column(rows, |row| {
        row.recalled_at.map(UtcTime::as_microsecond)
    }))
    .execute(connection)
    .await
    .map(drop)
}

async fn update_rows(connection: &mut PgConnection, rows: &[&Row]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE account SET settled = new.settled, overrun = new.overrun,
             unknown = new.unknown, held = new.held, leased = new.leased, leases = new.leases,
             draws = new.draws, recalled_at = new.recalled_at
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
             $7::text[], $8::text[], $9::bigint[])
             AS new (id, settled, overrun, unknown, held, leased, leases, draws, recalled_at)
         WHERE account.id = new.id",
    )
    .bind(column(rows, |row| row.id))
    .bind(column(rows, |row| row.balance.settled.micros()))
    .bind(column(rows, |row| row.balance.overrun.micros()))
    .bind(column(rows, |row| row.balance.unknown.micros()))
    .bind(column(rows, |row| row.balance.held.micros()))
    .bind(column(rows, |row| row.balance.leased.micros()))
    .bind(column(rows, |row| leases_text(&row.leases)))
    .bind(column(rows, |row| draws_text(&row.draws)))
    .bind(column(rows, |row| row.recalled_at.map(UtcTime::as_microsecond)))
    .execute(connection)
    .await
    .map(drop)
}

async fn add_records(
    connection: &mut PgConnection,
    records: &[&ChangedRecord<'_>],
) -> Result<(), sqlx::Error> {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    sqlx::query(
        "INSERT INTO reservation (id, team, key, api, product, tag, predicted, claims,
             state, charged, source, why, reserved_at, closed_at, fingerprint, holder)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
             $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[],
             $13::bigint[], $14::bigint[], $15::bytea[], $16::bigint[])",
    )
    .bind(column(records, |new| new.record.request.as_uuid()))
    .bind(column(records, |new| new.record.team.to_string()))
    .bind(column(records, |new| new.record.key.to_string()))
    .bind(column(records, |new| new.record.api.to_string()))
    .bind(column(records, |new| owned(new.record.product.as_deref())))
    .bind(column(records, |new| owned(new.record.tag.as_deref())))
    .bind(column(records, |new| amounts_text(&new.record.predicted)))
    .bind(column(records, |new| claims_text(&new.claims)))
    .bind(column(records, |new| new.record.state.name()))
    .bind(column(records, |new| state_columns(&new.record.state).0))
    .bind(column(records, |new| owned(state_columns(&new.record.state).1)))
    .bind(column(records, |new| owned(state_columns(&new.record.state).2)))
    .bind(column(records, |new| new.record.reserved_at.as_microsecond()))
    .bind(column(records, |new| new.record.closed_at.map(UtcTime::as_microsecond)))
    .bind(column(records, |new| fingerprint(new)))
    .bind(column(records, |new| new.holder.map(Epoch::number)))
    .execute(connection)
    .await
    .map(drop)
}

async fn update_records(
    connection: &mut PgConnection,
    records: &[&ChangedRecord<'_>],
) -> Result<(), sqlx::Error> {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    sqlx::query(
        "UPDATE reservation SET state = new.state, charged = new.charged, source = new.source,
             why = new.why, closed_at = new.closed_at, fingerprint = new.fingerprint,
             holder = new.holder, claims = coalesce(new.claims, reservation.claims),
             predicted = coalesce(new.predicted, reservation.predicted)
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bytea[],
             $8::bigint[], $9::text[], $10::text[])
             AS new (id, state, charged, source, why, closed_at, fingerprint, holder, claims, predicted)
         WHERE reservation.id = new.id",
    )
    .bind(column(records, |known| known.record.request.as_uuid()))
    .bind(column(records, |known| known.record.state.name()))
    .bind(column(records, |known| state_columns(&known.record.state).0))
    .bind(column(records, |known| owned(state_columns(&known.record.state).1)))
    .bind(column(records, |known| owned(state_columns(&known.record.state).2)))
    .bind(column(records, |known| known.record.closed_at.map(UtcTime::as_microsecond)))
    .bind(column(records, |known| fingerprint(known)))
    .bind(column(records, |known| known.holder.map(Epoch::number)))
    .bind(column(records, |known| of_lease(known).then(|| claims_text(&known.claims))))
    .bind(column(records, |known| of_lease(known).then(|| amounts_text(&known.record.predicted))))
    .execute(connection)
    .await
    .map(drop)
}

/// Only the doubt about a lost lease changes in what is claimed: it lessens.
fn of_lease(changed: &ChangedRecord<'_>) -> bool {
    &*changed.record.api == LOST_LEASE
}

fn fingerprint(changed: &ChangedRecord<'_>) -> Option<Vec<u8>> {
    let print = changed.record.fingerprint;
    print.map(|print| print.as_bytes().to_vec())
}

async fn add_entries(
    connection: &mut PgConnection,
    entries: &[NewEntry],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH head AS (UPDATE journal SET last = last + cardinality($1) WHERE one RETURNING last - cardinality($1) AS last)
         INSERT INTO entry (sequence, at, reservation, account, kind, reserved, charged, note)
         SELECT head.last + new.place, at, reservation, account, kind, reserved, charged, note
         FROM head, unnest($1::bigint[], $2::uuid[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[],
             $7::text[]) WITH ORDINALITY
             AS new (at, reservation, account, kind, reserved, charged, note, place)",
    )
    .bind(column(entries, |entry| entry.at.as_microsecond()))
    .bind(column(entries, |entry| entry.request.map(|id| id.as_uuid())))
    .bind(column(entries, |entry| entry.account_id))
    .bind(column(entries, |entry| entry.kind.name()))
    .bind(column(entries, |entry| entry.reserved.micros()))
    .bind(column(entries, |entry| entry.charged.micros()))
    .bind(column(entries, |entry| entry.note.to_string()))
    .execute(connection)
    .await
    .map(drop)
}

async fn put_lives(
    connection: &mut PgConnection,
    lives: &[(Epoch, &Life)],
) -> Result<(), sqlx::Error> {
    let put = sqlx::query(
        "INSERT INTO life (id, replica, began_at, seen_at, over, reported)
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::boolean[],
             $6::bigint[])
         ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, over = excluded.over,
             reported = excluded.reported
         WHERE life.replica = excluded.replica",
    )
    .bind(column(lives, |(epoch, _)| epoch.number()))
    .bind(column(lives, |(_, life)| life.replica.to_string()))
    .bind(column(lives, |(_, life)| life.began_at.as_microsecond()))
    .bind(column(lives, |(_, life)| life.seen_at.as_microsecond()))
    .bind(column(lives, |(_, life)| life.over))
    .bind(column(lives, |(_, life)| {
        i64::try_from(life.reported).unwrap_or(i64::MAX)
    }))
    .execute(connection)
    .await?;
    let all = put.rows_affected() == u64::try_from(lives.len()).unwrap_or(u64::MAX);
    // another replica has begun a life under this number in the same moment
    all.then_some(()).ok_or(sqlx::Error::RowNotFound)
}

async fn put_commitments(
    connection: &mut PgConnection,
    commitments: &[&Commitment],
) -> Result<(), sqlx::Error> {
    let terms = commitments.iter().map(|commitment| terms_text(commitment));
    let terms: Result<Vec<String>, _> = terms.collect();
    sqlx::query(
        "INSERT INTO commitment (request, number, version, upstream, subscription, course, terms)
         SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::text[],
             $6::text[], $7::text[])
         ON CONFLICT (request, number) DO UPDATE SET version = excluded.version,
             subscription = excluded.subscription, course = excluded.course, terms = excluded.terms",
    )
    .bind(column(commitments, |it| it.id.request.as_uuid()))
    .bind(column(commitments, |it| i64::from(it.id.number)))
    .bind(column(commitments, |it| {
        i64::try_from(it.version).unwrap_or(i64::MAX)
    }))
    .bind(column(commitments, |it| it.upstream.to_string()))
    .bind(column(commitments, |it| {
        it.subscription.as_deref().map(str::to_owned)
    }))
    .bind(column(commitments, |it| it.course.name()))
    .bind(terms.map_err(|cause| sqlx::Error::Encode(cause.into()))?)
    .execute(connection)
    .await
    .map(drop)
}

async fn put_top_ups(connection: &mut PgConnection, top_ups: &[&TopUp]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO top_up (id, budget, partition, unit, amount, drawn, at, expires_at, reason, author,
             key)
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[],
             $6::bigint[], $7::bigint[], $8::bigint[], $9::text[], $10::text[], $11::bytea[])
         ON CONFLICT (id) DO UPDATE SET drawn = excluded.drawn",
    )
    .bind(column(top_ups, |top_up| top_up.id))
    .bind(column(top_ups, |top_up| top_up.budget.to_string()))
    .bind(column(top_ups, |top_up| top_up.partition.to_string()))
    .bind(column(top_ups, |top_up| top_up.unit.name()))
    .bind(column(top_ups, |top_up| top_up.amount.micros()))
    .bind(column(top_ups, |top_up| top_up.drawn.micros()))
    .bind(column(top_ups, |top_up| top_up.at.as_microsecond()))
    .bind(column(top_ups, |top_up| top_up.expires_at.map(UtcTime::as_microsecond)))
    .bind(column(top_ups, |top_up| top_up.reason.clone()))
    .bind(column(top_ups, |top_up| top_up.by.clone()))
    .bind(column(top_ups, |top_up| top_up.key.map(|key| key.as_bytes().to_vec())))
    .execute(connection)
    .await
    .map(drop)
}

async fn put_caps(
    connection: &mut PgConnection,
    replica: &str,
    caps: &[Cap],
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM cap WHERE replica = $1")
        .bind(replica)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO cap (replica, budget, unit, most)
         SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[])",
    )
    .bind(replica)
    .bind(column(caps, |cap| cap.budget.to_string()))
    .bind(column(caps, |cap| cap.unit.name()))
    .bind(column(caps, |cap| cap.limit.map(Amount::micros)))
    .execute(connection)
    .await
    .map(drop)
}

async fn add_events(connection: &mut PgConnection, events: &[Event]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO event (at, author, what)
         SELECT at, author, what FROM unnest($1::bigint[], $2::text[], $3::text[]) WITH ORDINALITY
             AS new (at, author, what, place) ORDER BY place",
    )
    .bind(column(events, |event| event.at.as_microsecond()))
    .bind(column(events, |event| event.by.clone()))
    .bind(column(events, |event| event.what.clone()))
    .execute(connection)
    .await
    .map(drop)
}
