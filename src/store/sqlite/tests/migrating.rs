//! Files of earlier versions open with everything that stood in them.

use sqlx::Executor;
use sqlx::migrate::Migrator;

use super::*;
use crate::ledger::{EntryKind, State, replay};
use crate::units::{Amount, Unit};

/// Rows as the version before wrote them: one request settled, one held, one that claimed nothing.
const ROWS: &str = "
    PRAGMA application_id = 0x51477264;
    INSERT INTO account VALUES
        (1, 'org', '', 'pu', 1793491200000000, 1796083200000000, 7000000, 0, 0, 10000000),
        (2, 'org', '', 'requests', 1793491200000000, NULL, 0, 0, 0, 1000000);
    INSERT INTO reservation (id, team, key, api, predicted, state, charged, source, reserved_at, closed_at)
        VALUES (x'01', 'agriculture', 'ag', 'process', '{}', 'settled', '{\"pu\":7000000}', 'header',
                1795348800000000, 1795348800000000),
               (x'02', 'agriculture', 'ag', 'orders', '{}', 'held', NULL, NULL, 1795348800000000, NULL),
               (x'03', 'agriculture', 'ag', 'data', '{}', 'voided', NULL, NULL, 1795348800000000,
                1795348800000000);
    UPDATE reservation SET id = unhex('000000000000000000000000000000' || hex(id));
    INSERT INTO claim
        SELECT id, 1, 9000000, NULL, 0 FROM reservation WHERE state = 'settled' UNION ALL
        SELECT id, 2, 1000000, 5000000, 1 FROM reservation WHERE state = 'held' UNION ALL
        SELECT id, 1, 10000000, 50000000, 1 FROM reservation WHERE state = 'held';
    INSERT INTO entry (at, reservation, account, kind, reserved, charged, note)
        SELECT 1795348800000000, id, 1, 'reserve', 9000000, 0, '' FROM reservation WHERE state = 'settled' UNION ALL
        SELECT 1795348800000000, id, 1, 'settle', 9000000, 7000000, 'header' FROM reservation WHERE state = 'settled' UNION ALL
        SELECT 1795348800000000, id, 1, 'reserve', 10000000, 0, '' FROM reservation WHERE state = 'held' UNION ALL
        SELECT 1795348800000000, id, 2, 'reserve', 1000000, 0, '' FROM reservation WHERE state = 'held';
";

fn numbered(number: u128) -> crate::ledger::RequestId {
    crate::ledger::RequestId::from_uuid(uuid::Uuid::from_u128(number))
}

async fn a_file_of_version_2() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file(&folder));
    let options = options.create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    let all = sqlx::migrate!("src/store/migrations/sqlite");
    let former = all.iter().filter(|migration| migration.version <= 2);
    let former = Migrator::with_migrations(former.cloned().collect());
    former.run(&mut connection).await.unwrap();
    connection.execute(ROWS).await.unwrap();
    folder
}

#[tokio::test]
async fn claims_of_a_former_file_are_carried_over() {
    let folder = a_file_of_version_2().await;
    let (store, in_doubt) = open_in_doubt(&folder).await;
    assert_eq!(in_doubt, 1);
    let books: Books = store;
    assert_eq!(columns(&books, "org").await, [7, 0, 10, 0]);

    let settled = books.record(numbered(1)).await.unwrap().unwrap();
    assert_eq!(settled.claims, [tally("org", units(9))]);
    let unknown = books.record(numbered(2)).await.unwrap().unwrap();
    assert!(matches!(unknown.state, State::Unknown { .. }));
    let mut calls = account("org");
    (calls.unit, calls.window.end) = (Unit::Requests, None);
    assert_eq!(
        unknown.claims,
        [claim("org", 10, 50), claim_on(calls.clone(), 1, 5)],
        "in the order of their accounts, as they were made"
    );
    assert_eq!(books.record(numbered(3)).await.unwrap().unwrap().claims, []);

    let entries = books.entries(0, 100).await.unwrap();
    let kinds: Vec<_> = entries.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds[1..3], [EntryKind::Settle, EntryKind::Reserve]);
    assert_eq!(kinds[4..], [EntryKind::Unknown, EntryKind::Unknown]);
    assert_eq!(replay(&entries).unwrap(), books.balances().await.unwrap());
    books
        .reconcile(numbered(2), &evidence(3), noon())
        .await
        .unwrap();
    assert_eq!(columns(&books, "org").await, [10, 0, 0, 0]);
    let calls = books.balance(&calls).await.unwrap();
    assert_eq!(
        calls.settled,
        Amount::ONE,
        "not named by the evidence, so as reserved"
    );
}
