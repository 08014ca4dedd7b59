//! Connections, and how long anything on them may take: nobody waits for ever for a database, and a guard
//! that stands still does not keep others waiting.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Executor};
use tokio::time::timeout;

use super::address::Address;
use crate::ledger::LedgerError;

pub(super) const CONNECT: Duration = Duration::from_secs(5);
/// A whole batch or a whole question, when the network has swallowed what the server said.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the server lets a statement run, wait for a lock, and a transaction stand still. A lock may
/// take longer than a transaction stands still, so that the one who stands still is the one to fail.
const LIMITS: [(&str, &str); 3] = [
    ("statement_timeout", "8s"),
    ("lock_timeout", "5s"),
    ("idle_in_transaction_session_timeout", "3s"),
];
/// The writer looks everything up by its key. A plan that was made while a table was small would read all of
/// it for ever after, and compiling such a plan would take longer than to follow it.
const BY_KEY: [(&str, &str); 4] = [
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];
/// Bringing many tables up to date takes as long as it takes.
const LIMITS_OF_MIGRATION: [(&str, &str); 1] = [("statement_timeout", "1h")];

/// What is committed is on the server's disk, whatever the database was set to.
const DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') = 'off'";

pub(super) fn options(address: &Address) -> PgConnectOptions {
    limited(address).options(LIMITS)
}

/// A connection to write with.
pub(super) async fn writing(address: &Address) -> Result<PgConnection, sqlx::Error> {
    let mut connection = connect(&options(address).options(BY_KEY)).await?;
    connection.execute(DURABLE).await?;
    Ok(connection)
}

/// A connection to make and change tables with.
pub(super) async fn migrating(address: &Address) -> Result<PgConnection, sqlx::Error> {
    connect(&limited(address).options(LIMITS_OF_MIGRATION)).await
}

/// The answer, unless it takes too long.
pub(super) async fn within<T>(
    work: impl Future<Output = Result<T, LedgerError>>,
) -> Result<T, LedgerError> {
    timeout(ANSWER, work).await.unwrap_or_else(|_| {
        let late = format!("the database did not answer within {ANSWER:?}");
        Err(LedgerError::Unavailable(late.into()))
    })
}

fn limited(address: &Address) -> PgConnectOptions {
    let options = address.options.clone();
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("quota-guard"),
    };
    options.options([("search_path", &address.schema)])
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    timeout(CONNECT, options.connect())
        .await
        .unwrap_or_else(|_| {
            let late = std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                format!("no connection within {CONNECT:?}"),
            );
            Err(late.into())
        })
}
