//! The one task that writes. It takes what waits, decides step by step, commits once and then answers
//! everybody; nobody hears of a grant that is not on the disk. While it commits, the next batch gathers.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, error};

use super::desk::Desk;
use super::lock::StoreLock;
use super::{flush, read, rows};
use crate::ledger::{
    AccountKey, Balance, Evidence, LedgerError, NewReservation, Outcome, RequestId, Reserved,
    Standing,
};
use crate::policy::Account;
use crate::units::UtcTime;

/// Steps to a commit, so that the first of them does not wait for ever more.
const BATCH: usize = 256;

type Reply<T> = oneshot::Sender<Result<T, LedgerError>>;

pub(super) enum Step {
    Reserve {
        new: Box<NewReservation>,
        now: UtcTime,
        reply: Reply<Reserved>,
    },
    End {
        request: RequestId,
        ending: Ending,
        now: UtcTime,
        reply: Reply<Vec<Standing>>,
    },
}

pub(super) enum Ending {
    Close(Outcome),
    Reconcile(Evidence),
    /// Ends nothing: its answer has reached the client.
    Deliver,
}

/// A decided step, not yet told.
enum Answer {
    Reserve {
        request: RequestId,
        now: UtcTime,
        /// Whether this step made the reservation, and did not merely find it made.
        fresh: bool,
        reply: Reply<Reserved>,
        result: Result<Reserved, LedgerError>,
    },
    End {
        reply: Reply<Vec<Standing>>,
        result: Result<Vec<Standing>, LedgerError>,
    },
}

/// Writes until every sender is gone; holds the lock until the file is closed.
pub(super) async fn run(
    connection: SqliteConnection,
    lock: StoreLock,
    mut waiting: mpsc::Receiver<Step>,
) {
    let mut writer = Writer {
        connection,
        desk: Desk::default(),
        next_account: None,
    };
    let mut steps = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut steps, BATCH).await > 0 {
        while !steps.is_empty() {
            steps = writer.batch(std::mem::take(&mut steps)).await;
        }
    }
    if let Err(cause) = writer.connection.close().await {
        error!(%cause, "the store did not close well; what was committed is safe");
    }
    drop(lock);
}

struct Writer {
    connection: SqliteConnection,
    desk: Desk,
    /// Accounts are numbered here, which needs no question to the tables: nobody else writes.
    next_account: Option<i64>,
}

impl Writer {
    /// One commit. Gives back the steps that undo grants which nobody waited for.
    async fn batch(&mut self, steps: Vec<Step>) -> Vec<Step> {
        let known = self.known(&steps).await;
        let mut answers = Vec::with_capacity(steps.len());
        for step in steps {
            answers.push(self.decide(step, &known).await);
        }
        if self.desk.changes().entries.is_empty() && self.desk.changes().records.is_empty() {
            self.desk.committed();
            return deliver(answers);
        }
        match flush::flush(&mut self.connection, &self.desk).await {
            Ok(()) => {
                self.desk.committed();
                deliver(answers)
            }
            Err(cause) => {
                error!(%cause, steps = answers.len(), "the books could not be written; nothing was granted");
                self.desk = Desk::default();
                self.next_account = None;
                refuse(answers, &Arc::new(cause));
                Vec::new()
            }
        }
    }

    /// Which of the steps' requests the tables have met before: one question for the whole batch.
    async fn known(&mut self, steps: &[Step]) -> Result<HashSet<RequestId>, Arc<LedgerError>> {
        let requests: Vec<_> = steps.iter().map(Step::request).collect();
        let unmet = requests
            .into_iter()
            .filter(|id| self.desk.record(*id).is_none());
        let unmet: Vec<_> = unmet.collect();
        read::reserved(&mut self.connection, &unmet)
            .await
            .map_err(Arc::new)
    }

    async fn decide(
        &mut self,
        step: Step,
        known: &Result<HashSet<RequestId>, Arc<LedgerError>>,
    ) -> Answer {
        let prepared = match known {
            Ok(known) => self.prepare(&step, known).await,
            Err(cause) => Err(unavailable(cause)),
        };
        match step {
            Step::Reserve { new, now, reply } => Answer::Reserve {
                request: new.request,
                now,
                fresh: self.desk.record(new.request).is_none(),
                reply,
                result: prepared.and_then(|()| self.desk.reserve(&new, now)),
            },
            Step::End {
                request,
                ending,
                now,
                reply,
            } => Answer::End {
                reply,
                result: prepared.and_then(|()| self.desk.end(request, &ending, now)),
            },
        }
    }

    /// Brings to the desk what the step needs and is not there yet.
    async fn prepare(
        &mut self,
        step: &Step,
        known: &HashSet<RequestId>,
    ) -> Result<(), LedgerError> {
        let request = step.request();
        if self.desk.record(request).is_none() && known.contains(&request) {
            let found = read::records(&mut self.connection, &[request]).await?;
            for record in found {
                self.desk.put_record(record);
            }
        }
        let mut accounts: Vec<Account> = Vec::new();
        if let Step::Reserve { new, .. } = step {
            accounts.extend(new.claims.iter().map(|claim| claim.account.clone()));
        }
        if let Some(record) = self.desk.record(request) {
            accounts.extend(record.claims.iter().map(|claim| claim.account.clone()));
        }
        for account in accounts {
            self.fetch(account).await?;
        }
        Ok(())
    }

    async fn fetch(&mut self, account: Account) -> Result<(), LedgerError> {
        let key = AccountKey::from(&account);
        if self.desk.has_row(&key) {
            return Ok(());
        }
        let (id, balance) = match read::stored(&mut self.connection, &key).await? {
            Some(found) => found,
            None => (self.number_account().await?, Balance::empty(account)),
        };
        self.desk.put_row(key, id, balance);
        Ok(())
    }

    async fn number_account(&mut self) -> Result<i64, LedgerError> {
        let next = match self.next_account {
            Some(next) => next,
            None => sqlx::query_scalar("SELECT coalesce(max(id), 0) + 1 FROM account")
                .fetch_one(&mut self.connection)
                .await
                .map_err(rows::failed)?,
        };
        self.next_account = Some(next + 1);
        Ok(next)
    }
}

impl Step {
    fn request(&self) -> RequestId {
        match self {
            Self::Reserve { new, .. } => new.request,
            Self::End { request, .. } => *request,
        }
    }
}

/// Tells everybody. A grant whose caller has gone away before it could learn of it was certainly not
/// forwarded: it is taken back, unless another step that repeated it was told.
fn deliver(answers: Vec<Answer>) -> Vec<Step> {
    let (mut lost, mut told) = (BTreeMap::new(), HashSet::new());
    for answer in answers {
        match answer {
            Answer::End { reply, result } => {
                if reply.send(result).is_err() {
                    debug!("nobody waited for the end of a reservation; it is written");
                }
            }
            Answer::Reserve {
                request,
                now,
                fresh,
                reply,
                result,
            } => {
                let granted = matches!(result, Ok(Reserved::Granted(_)));
                match reply.send(result) {
                    Ok(()) => _ = told.insert(request),
                    Err(_) if granted && fresh => _ = lost.insert(request, now),
                    Err(_) => {}
                }
            }
        }
    }
    lost.retain(|request, _| !told.contains(request));
    lost.into_iter()
        .map(|(request, now)| take_back(request, now))
        .collect()
}

fn take_back(request: RequestId, now: UtcTime) -> Step {
    Step::End {
        request,
        ending: Ending::Close(Outcome::Voided),
        now,
        reply: oneshot::channel().0,
    }
}

fn refuse(answers: Vec<Answer>, cause: &Arc<LedgerError>) {
    for answer in answers {
        let unheard = match answer {
            Answer::Reserve { reply, .. } => reply.send(Err(unavailable(cause))).is_err(),
            Answer::End { reply, .. } => reply.send(Err(unavailable(cause))).is_err(),
        };
        if unheard {
            debug!("nobody waited for an answer that was an error anyway");
        }
    }
}

fn unavailable(cause: &Arc<LedgerError>) -> LedgerError {
    LedgerError::Unavailable(Arc::clone(cause).into())
}
