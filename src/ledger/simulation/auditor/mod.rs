//! The auditor knows what Planet has really billed, and looks after every step whether the books still
//! keep what `ledger.md` promises. It reads the books and never writes.

mod coverage;
mod end;
mod lines;
mod records;
mod truth;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt;

pub(super) use self::truth::Truth;

use self::lines::Hold;
use self::truth::LifeTruth;
use super::calls::{Answer, Answered, Call};
use super::tale;
use crate::ledger::{
    AccountKey, Balance, Cap, Entry, Epoch, Ledger, LedgerError, Model, NewReservation, Outcome,
    Record, ReplicaId, RequestId, Reserved,
};
use crate::units::{Amount, Amounts, UtcTime};

/// What the books promise.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Promise {
    /// I1: whatever is debited fits, for every budget it touches.
    Cap,
    /// I2: what was charged is counted, all of it, and nothing else is.
    Actuals,
    /// I3: each hold ends once, and a repeated step changes nothing.
    Once,
    /// I4: nothing is freed by time; what is in doubt counts until there is evidence.
    NoAmnesia,
    /// I5: the budgets checked are the budgets debited and settled.
    SameSet,
    /// I6: one more budget or a lower limit never admits what was refused.
    Monotone,
    /// The rows are what the journal adds up to.
    Journal,
    /// No step fails but for a store that is away or a life that is over.
    Sound,
}

#[derive(Clone, Debug)]
pub(super) struct Violation {
    pub(super) promise: Promise,
    pub(super) what: String,
}

pub(super) type Audited<T> = Result<T, Violation>;

/// A step as it reached the books.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<'a> {
    pub(super) call: &'a Call,
    pub(super) by: ReplicaId,
    /// The life that makes it; `None` of a beginning, and of what people do.
    pub(super) epoch: Option<Epoch>,
    /// Made before with success, so that it must change nothing.
    pub(super) repeated: bool,
    pub(super) now: UtcTime,
}

#[derive(Debug)]
pub(super) struct Auditor {
    books: Arc<Model>,
    /// The last line that was read.
    read: u64,
    rows: BTreeMap<AccountKey, Balance>,
    holds: BTreeMap<(RequestId, AccountKey), Hold>,
    truths: BTreeMap<RequestId, Truth>,
    /// Requests that their callers have given up, and will never send.
    abandoned: BTreeSet<RequestId>,
    lives: BTreeMap<Epoch, LifeTruth>,
    caps: BTreeMap<ReplicaId, Vec<Cap>>,
    /// What all of an account's debits fitted into at their time.
    highest: BTreeMap<AccountKey, Amount>,
    /// The limit that a life's lease was last granted under, of its own policy.
    granted_under: BTreeMap<(Epoch, AccountKey), Option<Amount>>,
    drawn: BTreeMap<i64, Amount>,
    /// Of each account in the report that was taken last, whether it is used beyond its limit.
    told: Vec<(AccountKey, bool)>,
    /// The same of an answer that has come back to a life, which reads it later.
    answered: BTreeMap<Epoch, Vec<(AccountKey, bool)>>,
    /// What each life has read of its leases' accounts.
    heard: BTreeMap<(Epoch, AccountKey), bool>,
}

impl Auditor {
    pub(super) fn of(books: Arc<Model>) -> Self {
        Self {
            books,
            read: 0,
            rows: BTreeMap::new(),
            holds: BTreeMap::new(),
            truths: BTreeMap::new(),
            abandoned: BTreeSet::new(),
            lives: BTreeMap::new(),
            caps: BTreeMap::new(),
            highest: BTreeMap::new(),
            granted_under: BTreeMap::new(),
            drawn: BTreeMap::new(),
            told: Vec::new(),
            answered: BTreeMap::new(),
            heard: BTreeMap::new(),
        }
    }

    /// Looks at the books after a step was made on them.
    pub(super) fn check(&mut self, step: Step<'_>, answered: &Answered) -> Audited<()> {
        is_sound(step, answered)?;
        let lines = self.lines();
        may_write(step, answered, &lines)?;
        let before = self.read_lines(&lines)?;
        self.lines_agree(step, answered, &lines)?;
        self.learn(step, answered);
        self.debits_fit(step, &lines, &before)?;
        self.top_ups_agree(step.now)?;
        self.rows_agree(before.keys())?;
        for request in touched(step.call, &lines) {
            self.record_agrees(request)?;
        }
        self.spending_is_covered()
    }

    /// A replica has admitted a request from its leases, without a word to the books.
    pub(super) fn admitted(&mut self, new: &NewReservation, life: Epoch) -> Audited<()> {
        for claim in &new.claims {
            let place = (life, AccountKey::from(&claim.account));
            if self.heard.get(&place) == Some(&true) {
                let what = format!("a lease admits of {place:?}, which is used beyond its limit");
                return Err(violation(Promise::Cap, what));
            }
            let now = claim.limit.filter(|_| claim.enforced);
            let under = self.granted_under.get(&place).copied().flatten();
            let lowered = now.is_some_and(|now| under.is_none_or(|under| now < under));
            if lowered && self.granted_under.contains_key(&place) {
                return Err(violation(
                    Promise::Cap,
                    format!("a lease granted under {under:?} admits under {now:?}"),
                ));
            }
        }
        self.truths
            .insert(new.request, Truth::of(new, life, true, false));
        self.spending_is_covered()
    }

    /// The answer to the report that was taken last is on its way to the replica.
    pub(super) fn answered(&mut self, life: Epoch) {
        self.answered.insert(life, std::mem::take(&mut self.told));
    }

    /// A replica has read the answer to its last report.
    pub(super) fn heard(&mut self, life: Epoch) {
        let told = self.answered.remove(&life).unwrap_or_default();
        let own = told.into_iter().map(|(key, over)| ((life, key), over));
        self.heard.extend(own);
    }

    /// How a request ended, in the words of the guard that had admitted it.
    pub(super) fn said(&mut self, request: RequestId, outcome: &Outcome) {
        if let Some(truth) = self.truths.get_mut(&request) {
            truth.said.get_or_insert_with(|| outcome.clone());
        }
    }

    /// Planet has written a bill, the last word on this request.
    pub(super) fn billed(&mut self, request: RequestId, bill: Amounts) -> Audited<()> {
        let truth = self.truths.get_mut(&request).expect("it was admitted");
        (truth.bill, truth.done) = (bill, true);
        self.spending_is_covered()
    }

    /// Nobody will ever send this request.
    pub(super) fn never_sent(&mut self, request: RequestId) {
        self.abandoned.insert(request);
        if let Some(truth) = self.truths.get_mut(&request) {
            truth.done = true;
        }
    }

    fn learn(&mut self, step: Step<'_>, answered: &Answered) {
        match (step.call, answered) {
            (Call::Begin(_), Ok(Answer::Begun(begun))) => {
                self.is_over(step.by);
                let life = LifeTruth::of(step.by, step.now);
                self.lives.insert(begun.epoch, life);
            }
            (Call::Leave, Ok(_)) => self.is_over(step.by),
            (Call::GiveUp(_), Ok(Answer::Silent(silent))) => {
                for replica in silent {
                    self.is_over(*replica);
                }
            }
            (Call::Publish(caps), Ok(_)) => drop(self.caps.insert(step.by, caps.clone())),
            (Call::Reserve(new), Ok(Answer::Reserved(Reserved::Granted(_)))) => {
                let life = step.epoch.expect("a life reserves");
                let done = self.abandoned.contains(&new.request);
                let truth = self.truths.entry(new.request);
                truth.or_insert_with(|| Truth::of(new, life, false, done));
            }
            (Call::Close(request, outcome), Ok(_)) => self.said(*request, outcome),
            (Call::Report(report), Ok(_)) => self.learn_report(step, report),
            _ => {}
        }
    }

    fn learn_report(&mut self, step: Step<'_>, report: &crate::ledger::Report) {
        let epoch = step.epoch.expect("a life reports");
        let told = report.wants.iter().map(|want| {
            let over = self.is_beyond(step, &want.account);
            (AccountKey::from(&want.account), over)
        });
        self.told = told.collect();
        let life = self.lives.get_mut(&epoch).expect("it has begun");
        if report.number <= life.reported {
            return;
        }
        life.reported = report.number;
        for want in &report.wants {
            let place = (epoch, AccountKey::from(&want.account));
            self.granted_under.insert(place, want.limit);
        }
    }

    fn is_over(&mut self, replica: ReplicaId) {
        let own = self
            .lives
            .values_mut()
            .filter(|life| life.replica == replica);
        own.for_each(|life| life.over = true);
    }

    fn lines(&mut self) -> Vec<Entry> {
        let lines = now(self.books.entries(self.read, u32::MAX));
        self.read = lines.last().map_or(self.read, |last| last.sequence);
        lines
    }

    fn record(&self, request: RequestId) -> Option<Record> {
        now(self.books.record(request))
    }

    /// The rows that a step has written are what their lines add up to.
    fn rows_agree<'a>(&self, keys: impl Iterator<Item = &'a AccountKey>) -> Audited<()> {
        for row in keys.map(|key| &self.rows[key]) {
            let says = now(self.books.balance(&row.account));
            if says != *row {
                let what = format!("the journal adds up to {row:#?}, and the row says {says:#?}");
                return Err(violation(Promise::Journal, what));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.promise, self.what)
    }
}

pub(super) fn violation(promise: Promise, what: impl Into<String>) -> Violation {
    Violation {
        promise,
        what: what.into(),
    }
}

fn now<T>(reading: impl Future<Output = Result<T, LedgerError>>) -> T {
    let answer = reading.now_or_never().expect("the model never waits");
    answer.expect("the model can be read")
}

/// Steps fail when the store is away, when a life is over, or when there is nothing to do.
fn is_sound(step: Step<'_>, answered: &Answered) -> Audited<()> {
    let expected = match answered {
        Ok(_) | Err(LedgerError::Unavailable(_) | LedgerError::Fenced) => true,
        Err(LedgerError::Reused(_)) => matches!(step.call, Call::Reserve(_)),
        Err(LedgerError::NotReserved(_)) => {
            matches!(step.call, Call::Close(..) | Call::Reconcile(..))
        }
        Err(_) => false,
    };
    let what = || {
        format!(
            "{}: {}",
            tale::of_call(step.call),
            tale::of_answer(answered)
        )
    };
    expected
        .then_some(())
        .ok_or_else(|| violation(Promise::Sound, what()))
}

/// Which lines each step may write. What frees an amount needs its reason.
fn may_write(step: Step<'_>, answered: &Answered, lines: &[Entry]) -> Audited<()> {
    let refused = matches!(answered, Ok(Answer::Reserved(Reserved::Full(_))) | Err(_));
    if let (true, Some(line)) = (refused || step.repeated, lines.first()) {
        let how = if step.repeated { "repeated" } else { "refused" };
        let what = format!("a {how} step wrote {line:?}: {}", tale::of_call(step.call));
        return Err(violation(Promise::Once, what));
    }
    match lines
        .iter()
        .find(|line| !lines::permits(step.call, line.kind))
    {
        None => Ok(()),
        Some(line) => {
            let promise = if line.kind.frees() {
                Promise::NoAmnesia
            } else {
                Promise::Once
            };
            let what = format!("{} wrote {line:?}", tale::of_call(step.call));
            Err(violation(promise, what))
        }
    }
}

fn touched(call: &Call, lines: &[Entry]) -> BTreeSet<RequestId> {
    let mut touched: BTreeSet<RequestId> = lines.iter().filter_map(|line| line.request).collect();
    match call {
        Call::Reserve(new) => drop(touched.insert(new.request)),
        Call::Close(request, _) | Call::Reconcile(request, _) => drop(touched.insert(*request)),
        Call::Report(report) => touched.extend(report.ended.iter().map(|record| record.request)),
        _ => {}
    }
    touched
}
