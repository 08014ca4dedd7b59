//! Which databases open, and what is said of those that do not.

use super::*;
use crate::store::contract::reading;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guards_that_start_at_once_make_the_tables_once() {
    let fresh = Arc::new(Fresh::schema());
    let guards: Vec<_> = (0..6)
        .map(|_| {
            let fresh = Arc::clone(&fresh);
            tokio::spawn(async move { fresh.open().await })
        })
        .collect();
    for (number, guard) in (0..).zip(guards) {
        let books: Books = guard.await.unwrap();
        grant(&books, number, vec![claim("org", 1, 50)]).await;
        assert_eq!(
            columns(&books, "org").await[3],
            i64::try_from(number).unwrap() + 1
        );
    }
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let (store, fresh) = empty_store().await;
    let books: Books = store.clone();
    grant(&books, 1, vec![claim("org", 30, 50), claim("team", 30, 40)]).await;
    close(&books, 1, charged(35)).await;
    let before = (
        books.balances().await.unwrap(),
        books.entries(0, 9).await.unwrap(),
    );
    drop(books);
    let_go(store).await;
    let books: Books = fresh.open().await;
    let after = (
        books.balances().await.unwrap(),
        books.entries(0, 9).await.unwrap(),
    );
    assert_eq!(after, before);
    refused(&books, 2, vec![claim("org", 16, 50)]).await;
    grant(&books, 2, vec![claim("org", 15, 50), claim("new", 1, 50)]).await;
}

#[tokio::test]
async fn a_schema_of_another_program_is_left_alone() {
    let fresh = Fresh::schema();
    run(&format!(
        "CREATE SCHEMA {0}; CREATE TABLE {0}.account (title TEXT)",
        fresh.schema
    ))
    .await;
    let refusal = fresh.try_open().await;
    assert!(matches!(refusal, OpenError::NotOurs { .. }), "{refusal:?}");
    assert!(
        refusal.to_string().contains("name another schema"),
        "{refusal}"
    );
    let tables = sqlx::query("SELECT 1 FROM pg_tables WHERE schemaname = $1");
    let tables = tables
        .bind(&fresh.schema)
        .fetch_all(&mut fresh.behind_its_back().await)
        .await;
    assert_eq!(tables.unwrap().len(), 1);
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused_in_a_sentence() {
    let (store, fresh) = empty_store().await;
    let_go(store).await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'from the future', true, '\\x00', 0)",
    )
    .execute(&mut fresh.behind_its_back().await)
    .await
    .unwrap();
    let refusal = fresh.try_open().await;
    assert!(
        matches!(refusal, OpenError::Newer { version: 9999, .. }),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn a_database_that_takes_no_writes_is_refused_in_a_sentence() {
    let fresh = Fresh::schema();
    let read_only = fresh.by(|url| {
        let option = "-c default_transaction_read_only=on";
        url.query_pairs_mut().append_pair("options", option);
    });
    let refusal = read_only.try_open().await;
    assert!(matches!(refusal, OpenError::ReadOnly { .. }), "{refusal:?}");
    assert!(refusal.to_string().contains("takes no writes"), "{refusal}");
}

#[tokio::test]
async fn a_user_without_rights_is_told_which_to_get() {
    let fresh = Fresh::schema();
    let user = format!("{}_user", fresh.schema);
    run(&format!("CREATE ROLE {user} LOGIN PASSWORD 'hunter2'")).await;
    let theirs = fresh.by(|url| {
        url.set_username(&user).unwrap();
        url.set_password(Some("hunter2")).unwrap();
    });
    let refusals = [theirs.try_open().await, {
        run(&format!("CREATE SCHEMA {}", fresh.schema)).await;
        theirs.try_open().await
    }];
    for refusal in refusals {
        assert!(matches!(refusal, OpenError::Rights { .. }), "{refusal:?}");
        let sentence = refusal.to_string();
        assert!(
            sentence.contains(&format!("AUTHORIZATION {user}")),
            "{sentence}"
        );
        assert!(!format!("{refusal:?}{sentence}").contains("hunter2"));
    }
    run(&format!("ALTER SCHEMA {} OWNER TO {user}", fresh.schema)).await;
    let books: Books = theirs.open().await;
    grant(&books, 1, vec![claim("org", 1, 50)]).await;
    drop(books);
    run(&format!("DROP OWNED BY {user} CASCADE; DROP ROLE {user}")).await;
}

#[tokio::test]
async fn the_password_is_in_no_error() {
    let fresh = Fresh::schema();
    let nobody = fresh.by(|url| {
        url.set_username("nobody").unwrap();
        url.set_password(Some("hunter2")).unwrap();
        url.set_path("/no_such_database");
    });
    let refusal = nobody.try_open().await;
    let everything = format!(
        "{refusal} {refusal:?} {:?}",
        anyhow::Error::from(nobody.try_open().await)
    );
    assert!(
        everything.contains("/no_such_database (schema test_"),
        "{everything}"
    );
    assert!(!everything.contains("hunter2"), "{everything}");
}

/// A database of its own for as long as `test` takes.
async fn in_a_database(how: &str, test: impl AsyncFnOnce(Fresh)) {
    let fresh = Fresh::schema();
    let name = fresh.schema.clone();
    run(&format!("CREATE DATABASE {name} TEMPLATE template0 {how}")).await;
    test(fresh.by(|url| url.set_path(&name))).await;
    run(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
}

#[tokio::test]
async fn a_database_that_cannot_keep_every_name_is_refused() {
    in_a_database("ENCODING 'SQL_ASCII' LOCALE 'C'", async |fresh| {
        let refusal = fresh.try_open().await;
        assert!(matches!(refusal, OpenError::Encoding { .. }), "{refusal:?}");
        assert!(refusal.to_string().contains("ENCODING 'UTF8'"), "{refusal}");
    })
    .await;
}

#[tokio::test]
async fn the_collation_of_the_database_does_not_matter() {
    let how = "ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C'";
    in_a_database(how, async |fresh| {
        let books: Books = fresh.open().await;
        reading::balances_come_in_the_order_of_their_accounts(Arc::clone(&books)).await;
        let names = ["B", "c", "ä", "A", "b-1", "b1", "b 1", "ß", "ss"];
        grant(&books, 99, names.map(|name| claim(name, 1, 9)).into()).await;
        for name in names {
            assert_eq!(columns(&books, name).await, [0, 0, 0, 1], "{name}");
        }
        let balances = books.balances().await.unwrap();
        assert!(balances.is_sorted_by(|one, next| one.account < next.account));
    })
    .await;
}

#[tokio::test]
async fn the_journal_cannot_be_edited() {
    let (store, fresh) = empty_store().await;
    let books: Books = store;
    grant(&books, 1, vec![claim("org", 30, 50)]).await;
    for edit in ["UPDATE entry SET reserved = 0", "TRUNCATE entry"] {
        let edit = sqlx::query(edit)
            .execute(&mut fresh.behind_its_back().await)
            .await;
        let refusal = edit.unwrap_err().to_string();
        assert!(
            refusal.contains("entries are added, never edited"),
            "{refusal}"
        );
    }
}
