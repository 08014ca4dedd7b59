//! The books, held against themselves: the journal against the rows, the rows against the requests that are
//! open, leases against the guards that have them, limits against what other guards enforce.

use std::collections::BTreeMap;
use std::time::Duration;

use super::finding::Findings;
use super::journal::{Replay, named};
use crate::clock::Clock;
use crate::ledger::{AccountKey, Cap, Epoch, LedgerError, Record, RequestId, State};
use crate::policy::Policy;
use crate::store::{InspectError, Inspection, LifeSeen, OpenError, OpenRequest, Shelf};
use crate::units::{Amount, Amounts, UtcTime};

/// Lines to a question.
const LINES: u32 = 5000;
const REQUESTS: u32 = 1000;
/// A guard says something every few seconds.
const SILENT: Duration = Duration::from_mins(1);
/// What two clocks may differ by.
const APART: Duration = Duration::from_secs(2);
/// What is rolled up once a day may be that late.
const LATE: Duration = Duration::from_hours(72);

/// Why there are no books to look into.
pub(super) fn not_opened(cause: &InspectError, findings: &mut Findings) {
    let told = chain(cause);
    let theirs = match cause {
        InspectError::Missing { .. } | InspectError::Older { .. } => false,
        InspectError::Open(open) => matches!(
            open,
            OpenError::NotOurs { .. }
                | OpenError::Newer { .. }
                | OpenError::TooOld { .. }
                | OpenError::Standby { .. }
                | OpenError::ReadOnly { .. }
                | OpenError::Encoding { .. }
                | OpenError::Rights { .. }
                | OpenError::Books(LedgerError::Corrupt { .. })
        ),
    };
    if theirs || is_damage(&told) {
        findings.wrong("store", told, Vec::new());
    } else {
        findings.unchecked("store", told);
    }
}

/// Looks through everything, as of one moment. What cannot be read ends only its own part.
pub(super) async fn examine(
    mut store: Box<dyn Inspection>,
    policy: &Policy,
    clock: &dyn Clock,
    findings: &mut Findings,
) {
    let mut look = Look {
        store: &mut *store,
        policy,
        findings,
    };
    let parts = [
        ("store", look.store().await),
        ("clock", look.clock(clock).await),
        ("journal", look.journal().await),
        ("requests", look.requests(clock.now()).await),
        ("top-ups", look.top_ups().await),
        ("limits", look.limits(clock.now()).await),
        ("retention", look.retention(clock.now()).await),
    ];
    for (check, outcome) in parts {
        if let Err(cause) = outcome {
            let told = chain(&cause);
            if matches!(cause, LedgerError::Corrupt { .. }) || is_damage(&told) {
                findings.wrong(check, told, Vec::new());
            } else {
                findings.unchecked(check, told);
            }
        }
    }
}

struct Look<'a> {
    store: &'a mut dyn Inspection,
    policy: &'a Policy,
    findings: &'a mut Findings,
}

impl Look<'_> {
    async fn store(&mut self) -> Result<(), LedgerError> {
        let place = self.policy.store().to_string();
        let damage = self.store.damage().await?;
        let beside = match self.store.in_use() {
            Some(true) => "; a guard has it in use, and it was read beside it",
            Some(false) => "; no guard has it in use",
            None => "",
        };
        let well = format!("{place} is whole{beside}");
        let wrong = format!("{place} is damaged: stop the guard and go back to a backup");
        self.findings.judge("store", &well, &wrong, damage);
        Ok(())
    }

    async fn clock(&mut self, clock: &dyn Clock) -> Result<(), LedgerError> {
        let theirs = self.store.clock().await?;
        let now = clock.now();
        if let Some(theirs) = theirs {
            let apart = now.duration_since(theirs).unsigned_abs();
            let told = format!("this machine's clock and the store's are {apart:.1?} apart");
            let faults = if apart > APART {
                vec![format!("here it is {now}, there {theirs}")]
            } else {
                Vec::new()
            };
            self.findings.judge("clock", &told, &told, faults);
            return Ok(());
        }
        match self.store.latest().await? {
            Some(latest) if latest > now.saturating_add(APART).unwrap_or(UtcTime::MAX) => {
                self.findings.wrong(
                    "clock",
                    format!("the books hold what was written at {latest}, and here it is {now}"),
                    Vec::new(),
                );
            }
            _ => self
                .findings
                .well("clock", "nothing in the books is from the future"),
        }
        Ok(())
    }

    /// Every line from the first, page by page, against the rows.
    async fn journal(&mut self) -> Result<(), LedgerError> {
        let shelves = self.store.shelves().await?;
        let mut replay = Replay::default();
        let mut after = 0;
        loop {
            let page = self.store.entries(after, LINES).await?;
            let Some(last) = page.last() else { break };
            after = last.sequence;
            for entry in &page {
                replay.take(entry);
            }
        }
        let well = format!(
            "the {} lines of the journal add up to the {} rows of the books",
            replay.lines,
            shelves.len()
        );
        self.findings.judge(
            "journal",
            &well,
            "rows of the books say something else than their journal",
            replay.differences(&shelves),
        );
        Ok(())
    }

    /// Requests that are open: their sums are in the rows, somebody has those under way, and people should
    /// know of those in doubt.
    async fn requests(&mut self, now: UtcTime) -> Result<(), LedgerError> {
        let shelves = self.store.shelves().await?;
        let lives = self.store.lives().await?;
        let mut open = Open::default();
        let mut after: Option<RequestId> = None;
        loop {
            let page = self.store.open_requests(after, REQUESTS).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.record.request);
            for request in page {
                open.take(request);
            }
        }
        self.findings.judge(
            "requests",
            "what is held and in doubt is what the open requests say",
            "what is held or in doubt is not what the open requests say",
            open.differences(&shelves),
        );
        let guards = Guards {
            lives: &lives,
            in_use: self.store.in_use(),
            now,
        };
        guards.tell(&open.held, &shelves, self.findings);
        tell_doubts(&open, self.findings);
        Ok(())
    }

    async fn top_ups(&mut self) -> Result<(), LedgerError> {
        let top_ups = self.store.top_ups().await?;
        let mut drawn: BTreeMap<i64, Amount> = BTreeMap::new();
        for (id, draw) in self
            .store
            .shelves()
            .await?
            .iter()
            .flat_map(|shelf| &shelf.draws)
        {
            let sum = drawn.entry(*id).or_default();
            *sum = sum.saturating_add(*draw);
        }
        let mut faults = Vec::new();
        for top_up in &top_ups {
            let by_windows = drawn.remove(&top_up.id).unwrap_or_default();
            if by_windows != top_up.drawn {
                faults.push(format!(
                    "top-up {} of {}: {} of it is drawn and by the windows {by_windows}",
                    top_up.id, top_up.budget, top_up.drawn
                ));
            }
        }
        let unknown = drawn
            .keys()
            .map(|id| format!("windows draw of top-up {id}, which is not there"));
        faults.extend(unknown);
        let well = format!("what windows draw of the {} top-ups adds up", top_ups.len());
        let wrong = "what windows draw of top-ups does not add up";
        self.findings.judge("top-ups", &well, wrong, faults);
        Ok(())
    }

    /// Of two limits the lower one holds, which is safe and rarely meant.
    async fn limits(&mut self, now: UtcTime) -> Result<(), LedgerError> {
        if self.store.in_use() == Some(false) {
            return Ok(());
        }
        let lives = self.store.lives().await?;
        let mut faults = Vec::new();
        let mut guards = 0;
        let mut published: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (replica, cap) in self.store.published().await? {
            published.entry(replica).or_default().push(cap);
        }
        for (replica, caps) in published {
            let speaks = |life: &LifeSeen| life.replica == replica && is_heard(life, now);
            if !lives.values().any(speaks) {
                continue;
            }
            guards += 1;
            let own: Vec<_> = self.policy.budgets().iter().map(Cap::from).collect();
            faults.extend(
                crate::ledger::changes(&own, &caps)
                    .into_iter()
                    .map(|change| format!("guard {replica}, against this file: {change}")),
            );
        }
        let well = format!("{guards} running guards enforce the limits of this file");
        let wrong = "running guards enforce other limits than this file says; the lower one holds until \
                     they agree";
        self.findings.judge("limits", &well, wrong, faults);
        Ok(())
    }

    async fn retention(&mut self, now: UtcTime) -> Result<(), LedgerError> {
        let Some(keep) = self.policy.store().keep() else {
            return Ok(());
        };
        let due = now.saturating_sub(keep + LATE).unwrap_or(UtcTime::MIN);
        match self.store.oldest_ended().await? {
            Some(oldest) if oldest < due => self.findings.wrong(
                "retention",
                format!(
                    "a request that ended at {oldest} is still kept: a running guard rolls up once a day, and \
                     `quota-guard roll-up` does it now"
                ),
                Vec::new(),
            ),
            _ => self
                .findings
                .well("retention", "nothing is kept longer than store.keep says"),
        }
        Ok(())
    }
}

/// What the requests that are open add up to.
#[derive(Default)]
struct Open {
    sums: BTreeMap<AccountKey, [Amount; 2]>,
    /// Requests under way, by who has them.
    held: BTreeMap<Option<Epoch>, u64>,
    doubts: Vec<String>,
    predicted: Amounts,
}

impl Open {
    fn take(&mut self, request: OpenRequest) {
        let OpenRequest { record, holder } = request;
        let column = usize::from(record.state != State::Held);
        if column == 0 {
            *self.held.entry(holder).or_default() += 1;
        } else {
            self.doubt(&record);
        }
        for claim in &record.claims {
            let sums = self
                .sums
                .entry(AccountKey::from(&claim.account))
                .or_default();
            sums[column] = sums[column].saturating_add(claim.amount);
        }
    }

    fn doubt(&mut self, record: &Record) {
        for (unit, amount) in record.predicted.iter() {
            let sum = self.predicted.get(unit).unwrap_or_default();
            self.predicted.set(unit, sum.saturating_add(amount));
        }
        let State::Unknown { why } = &record.state else {
            return;
        };
        self.doubts.push(format!(
            "{} of {}, {} by {}, {}: {why}",
            record.request, record.reserved_at, record.api, record.team, record.predicted
        ));
    }

    fn differences(&self, shelves: &[Shelf]) -> Vec<String> {
        let differs = |shelf: &Shelf| {
            let key = shelf.key();
            let [held, unknown] = self.sums.get(&key).copied().unwrap_or_default();
            let row = &shelf.balance;
            let same = row.held == held && row.unknown == unknown;
            (!same).then(|| {
                format!(
                    "{}: held {} and by requests {held}; unknown {} and by requests {unknown}",
                    named(&key),
                    row.held,
                    row.unknown
                )
            })
        };
        shelves.iter().filter_map(differs).collect()
    }
}

fn tell_doubts(open: &Open, findings: &mut Findings) {
    match open.doubts.len() {
        0 => findings.well("doubts", "nothing is in doubt"),
        count => findings.note(
            "doubts",
            format!(
                "{count} requests are in doubt and count as spent ({}); `quota-guard unknowns resolve` says \
                 how one ended",
                open.predicted
            ),
            open.doubts.clone(),
        ),
    }
}

/// Who holds and leases, and whether anybody is there.
struct Guards<'a> {
    lives: &'a BTreeMap<Epoch, LifeSeen>,
    in_use: Option<bool>,
    now: UtcTime,
}

impl Guards<'_> {
    fn tell(
        &self,
        held: &BTreeMap<Option<Epoch>, u64>,
        shelves: &[Shelf],
        findings: &mut Findings,
    ) {
        let mut faults = Vec::new();
        let mut left: BTreeMap<Epoch, u64> = BTreeMap::new();
        for (holder, count) in held {
            match holder.filter(|life| self.lives(*life)) {
                Some(life) => *left.entry(life).or_default() += count,
                None => faults.push(format!("{count} requests are held by no guard that lives")),
            }
        }
        for shelf in shelves {
            let sum = shelf
                .leases
                .values()
                .fold(Amount::ZERO, |sum, lease| sum.saturating_add(*lease));
            if sum != shelf.balance.leased {
                let (row, leased) = (named(&shelf.key()), shelf.balance.leased);
                faults.push(format!("{row}: {leased} is leased and by its leases {sum}"));
            }
            for (life, lease) in shelf.leases.iter().filter(|(_, lease)| !lease.is_zero()) {
                if self.lives(*life) {
                    left.entry(*life).or_default();
                } else {
                    let row = named(&shelf.key());
                    faults.push(format!("{row}: {lease} is leased to no guard that lives"));
                }
            }
        }
        self.tell_of_the_gone(&left, findings);
        findings.judge(
            "guards",
            "whatever is held or leased is some guard's",
            "something is held or leased and nobody has it",
            faults,
        );
    }

    /// Guards that have something and say nothing: the next one that starts, or another one that runs, counts
    /// what they have as unknown.
    fn tell_of_the_gone(&self, left: &BTreeMap<Epoch, u64>, findings: &mut Findings) {
        let silent = left.iter().filter_map(|(epoch, count)| {
            let life = self.lives.get(epoch)?;
            let gone =
                self.in_use == Some(false) || (self.in_use.is_none() && !is_heard(life, self.now));
            gone.then(|| {
                format!(
                    "guard {}, last heard at {}, with {count} requests under way and leases",
                    life.replica, life.seen_at
                )
            })
        });
        let silent: Vec<String> = silent.collect();
        if silent.is_empty() {
            return;
        }
        let watched =
            self.in_use.is_none() && self.lives.values().any(|life| is_heard(life, self.now));
        let told = "guards ended without giving back what they had; it counts as unknown from the next start on";
        if watched {
            findings.wrong(
                "silence",
                "a guard is silent, and those that run have not given it up",
                silent,
            );
        } else {
            findings.note("silence", told, silent);
        }
    }

    fn lives(&self, epoch: Epoch) -> bool {
        self.lives.get(&epoch).is_some_and(|life| !life.over)
    }
}

fn is_heard(life: &LifeSeen, now: UtcTime) -> bool {
    let silence = now.duration_since(life.seen_at);
    !life.over && (silence.is_negative() || silence.unsigned_abs() < SILENT)
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let (mut told, mut cause) = (vec![error.to_string()], error.source());
    while let Some(next) = cause {
        told.push(next.to_string());
        cause = next.source();
    }
    told.join(": ")
}

/// What SQLite says when a file is not what it was written as.
fn is_damage(told: &str) -> bool {
    told.contains("malformed") || told.contains("disk image")
}
