//! What the writer needs of a database: read what a batch of steps is about, write what has changed.

use std::collections::HashMap;

use super::desk::Changes;
use super::rows::Found;
use crate::ledger::{Balance, LedgerError, Record, RequestId};
use crate::policy::Account;

/// The tables of one database in the hands of the one task that writes them. Each batch is a `load`,
/// then a `save` or, when nothing has changed, a `leave`.
pub(super) trait Tables: Send + 'static {
    /// Whether nobody else writes, so that what was read once stays true from batch to batch. Otherwise
    /// `load` locks what it reads, for nobody else to change it until the batch is over.
    const SOLE_WRITER: bool;

    /// Begins a batch with everything its steps ask for: the records, and the rows both of the accounts
    /// and of all that the records have claimed.
    fn load(&mut self, wanted: &Wanted) -> impl Future<Output = Result<Loaded, Failure>> + Send;

    /// Makes all changes durable, or leaves the tables as they were, and ends the batch.
    fn save(&mut self, changes: &Changes<'_>) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Ends a batch that changes nothing.
    fn leave(&mut self) -> impl Future<Output = ()> + Send;

    fn close(self) -> impl Future<Output = ()> + Send;
}

/// What the steps of a batch are about, each once.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) requests: Vec<RequestId>,
    pub(super) accounts: Vec<Account>,
}

#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) rows: Vec<Row>,
    /// Those of the wanted requests that have reserved.
    pub(super) records: Vec<Record>,
    /// Those that have, but whose records cannot be read.
    pub(super) broken: Vec<(RequestId, LedgerError)>,
}

/// A row of the books and its id in the tables.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) balance: Balance,
    /// Whether the tables have it. A new one has a number of its own and nothing booked on it.
    pub(super) stored: bool,
}

/// Why a batch came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// Another writer was first. Nothing is written, and the same batch may pass when it is tried again.
    Overtaken(LedgerError),
    /// Nothing is written.
    Failed(LedgerError),
    /// The connection was lost at the commit: everything is written, or nothing. The next batch sees which.
    InDoubt(LedgerError),
}

impl Loaded {
    /// Puts the accounts of `rows` where the records that were found refer to them.
    pub(super) fn new(found: Vec<(RequestId, Result<Found, LedgerError>)>, rows: Vec<Row>) -> Self {
        let (mut records, mut broken) = (Vec::with_capacity(found.len()), Vec::new());
        if !found.is_empty() {
            let accounts = accounts(&rows);
            for (request, found) in found {
                match found.and_then(|found| found.complete(&accounts)) {
                    Ok(record) => records.push(record),
                    Err(why) => broken.push((request, why)),
                }
            }
        }
        Self {
            rows,
            records,
            broken,
        }
    }
}

/// The accounts of rows by the numbers that claims refer to.
pub(super) fn accounts(rows: &[Row]) -> HashMap<i64, Account> {
    let numbered = |row: &Row| (row.id, row.balance.account.clone());
    rows.iter().map(numbered).collect()
}

impl From<LedgerError> for Failure {
    fn from(cause: LedgerError) -> Self {
        Self::Failed(cause)
    }
}
