//! What has ended long ago is rolled up: a day's lines of the journal become one for each account, kind and
//! whether it cost more than was reserved, and the rows of its requests go. Balances stay what they were,
//! and so do requests that are open, however old.
//!
//! The journal is walked from its beginning, a stretch at a time, and every stretch is replayed before and
//! after: one that would come out otherwise is left as it is.

mod daily;
mod roll;
#[cfg(test)]
pub(super) mod tests;

pub use daily::roll_up_daily;

use std::collections::VecDeque;
use std::time::Duration;

use tracing::warn;

use self::roll::{Sums, replayed, roll_up};
use crate::ledger::{Entry, LedgerError, RequestId};
use crate::units::UtcTime;

/// Lines to a transaction, so that guards do not wait for long.
const STRETCH: u32 = 4000;
/// Requests to a transaction.
const ROWS: u32 = 2000;
/// For others between two transactions.
const PAUSE: Duration = Duration::from_millis(20);
/// Clocks of guards differ by less. A request goes that much later than its lines.
const CLOCKS: Duration = Duration::from_hours(24);
const DAY: i64 = 86_400;

/// What came of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RolledUp {
    /// Lines of the journal that are no more.
    pub lines: u64,
    /// Requests whose rows are no more.
    pub requests: u64,
}

/// A line of the journal as the tables have it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) entry: Entry,
    pub(super) account_id: i64,
    /// Whether it belongs to no request, or to one that ended before the day up to which all is rolled up.
    pub(super) may_go: bool,
}

/// The tables, as far as retention needs them. Each step is a transaction of its own.
pub(super) trait Archive: Send {
    /// Lines behind `after`, oldest first. `before` is the day up to which requests must have ended for
    /// their lines to go.
    fn lines(
        &mut self,
        after: u64,
        limit: u32,
        before: UtcTime,
    ) -> impl Future<Output = Result<Vec<Line>, LedgerError>> + Send;

    /// Takes lines out and puts others in, each in the place of one that went.
    fn replace(
        &mut self,
        gone: &[u64],
        new: &[Line],
    ) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// Takes out requests that ended before then, whose lines are gone. Answers how many there were.
    fn forget(
        &mut self,
        before: UtcTime,
        limit: u32,
    ) -> impl Future<Output = Result<u64, LedgerError>> + Send;

    /// Takes out land that no window which ended at that time or later has booked.
    fn forget_land(
        &mut self,
        before: UtcTime,
    ) -> impl Future<Output = Result<(), LedgerError>> + Send;
}

/// What [`Archive::forget_land`] takes out, in this order; the parameter is a time.
pub(super) const OLD_LAND: [&str; 2] = [
    "DELETE FROM land_account WHERE account IN (SELECT id FROM account WHERE ends_at < $1)",
    "DELETE FROM land WHERE request NOT IN (SELECT request FROM land_account) AND $1 IS NOT NULL",
];

/// Rolls up everything that ended before the day of `before`.
pub(super) async fn run(
    archive: &mut impl Archive,
    before: UtcTime,
) -> Result<RolledUp, LedgerError> {
    run_in(archive, before, STRETCH, PAUSE).await
}

async fn run_in(
    archive: &mut impl Archive,
    before: UtcTime,
    stretch: u32,
    pause: Duration,
) -> Result<RolledUp, LedgerError> {
    let mut walk = Walk::up_to(midnight(before), stretch);
    loop {
        match walk.step(archive).await? {
            Step::End => break,
            Step::Wrote => tokio::time::sleep(pause).await,
            Step::Went => {}
        }
    }
    let all_gone = walk.left_alone.unwrap_or(walk.before);
    let all_gone = all_gone.saturating_sub(CLOCKS).unwrap_or(UtcTime::MIN);
    archive.forget_land(all_gone).await?;
    let mut requests = 0;
    loop {
        let gone = archive.forget(all_gone, ROWS).await?;
        requests += gone;
        if gone < u64::from(ROWS) {
            let lines = walk.lines;
            return Ok(RolledUp { lines, requests });
        }
        tokio::time::sleep(pause).await;
    }
}

/// A walk through the journal, day by day.
struct Walk {
    /// Where a day begins.
    before: UtcTime,
    /// Lines at a time.
    stretch: u32,
    /// What was read and not walked yet, and whether there may be more of it.
    waiting: VecDeque<Line>,
    more: bool,
    after: u64,
    /// The latest day that a line was of. Guards whose clocks differ write out of order; a day is over when
    /// the first line of the next one stands there.
    today: i64,
    sums: Sums,
    /// The first day whose lines could not be rolled up.
    left_alone: Option<UtcTime>,
    lines: u64,
}

enum Step {
    End,
    Went,
    Wrote,
}

impl Walk {
    fn up_to(before: UtcTime, stretch: u32) -> Self {
        Self {
            before,
            stretch,
            waiting: VecDeque::new(),
            more: true,
            after: 0,
            today: i64::MIN,
            sums: Sums::new(),
            left_alone: None,
            lines: 0,
        }
    }

    /// As much of a day as fits.
    async fn step(&mut self, archive: &mut impl Archive) -> Result<Step, LedgerError> {
        let Some(lines) = self.next_lines(archive).await? else {
            return Ok(Step::End);
        };
        let goes_on = self.waiting.is_empty() && self.more;
        let Some(rolled) = roll_up(&lines, &self.sums)? else {
            self.leave_alone(&lines);
            self.pass(&lines, replayed(&self.sums, &lines)?);
            return Ok(Step::Went);
        };
        archive.replace(&rolled.gone, &rolled.new).await?;
        let fewer = rolled.gone.len() - rolled.new.len();
        self.lines += u64::try_from(fewer).unwrap_or(0);
        // the rest of a long day joins what has become of its beginning
        if !goes_on || rolled.new.len() > lines.len() / 2 {
            self.pass(&lines, rolled.sums);
        }
        Ok(Step::Wrote)
    }

    /// The next lines of one day, as many as are read at a time; `None` at the end.
    async fn next_lines(
        &mut self,
        archive: &mut impl Archive,
    ) -> Result<Option<Vec<Line>>, LedgerError> {
        let full = usize::try_from(self.stretch).unwrap_or(usize::MAX);
        loop {
            if self.waiting.is_empty() {
                let read = archive.lines(self.after, self.stretch, self.before);
                self.waiting = read.await?.into();
                self.more = self.waiting.len() == full;
            }
            let Some(first) = self.waiting.front() else {
                return Ok(None);
            };
            self.today = self.today.max(day(first.entry.at));
            if self.today >= day(self.before) {
                return Ok(None);
            }
            let of_today = |line: &&Line| day(line.entry.at) <= self.today;
            let count = self.waiting.iter().take_while(of_today).count();
            if count < self.waiting.len() || !self.more || count == full {
                return Ok(Some(self.waiting.drain(..count).collect()));
            }
            self.waiting.clear(); // its end is not among them
        }
    }

    fn pass(&mut self, lines: &[Line], sums: Sums) {
        self.after = lines.last().map_or(self.after, |line| line.entry.sequence);
        self.sums = sums;
    }

    /// Lines that would not replay keep their requests.
    fn leave_alone(&mut self, lines: &[Line]) {
        let named = |line: &&Line| line.may_go && line.entry.request.is_some();
        let Some(line) = lines.iter().find(named) else {
            return; // they were rolled up before
        };
        let sequence = line.entry.sequence;
        warn!(sequence, "a stretch of the journal cannot be rolled up");
        let today = UtcTime::from_second(self.today.saturating_mul(DAY));
        let today = today.unwrap_or(UtcTime::MIN);
        self.left_alone = Some(self.left_alone.map_or(today, |first| first.min(today)));
    }
}

fn day(at: UtcTime) -> i64 {
    at.as_second().div_euclid(DAY)
}

fn midnight(at: UtcTime) -> UtcTime {
    UtcTime::from_second(day(at).saturating_mul(DAY)).unwrap_or(UtcTime::MIN)
}

/// The first request that could have come at this moment: those that came before sort before it.
pub(super) fn first_at(moment: UtcTime) -> RequestId {
    RequestId::new(moment, [0; 10])
}
