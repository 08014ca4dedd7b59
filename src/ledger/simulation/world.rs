//! Everything in a run: what time it is, the replicas, the books, Planet, and the accidents between them.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use super::auditor::{Audited, Auditor, Step};
use super::calls::{Answer, Answered, Call};
use super::dice::Dice;
use super::lies::Lie;
use super::replica::Replica;
use super::rules::Rules;
use super::seen::Seen;
use super::tale;
use crate::ledger::{Epoch, LedgerError, Model, ReplicaId, RequestId, Reserved};
use crate::units::{Amounts, UtcTime};

pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) now: UtcTime,
    pub(super) replicas: Vec<Replica>,
    pub(super) auditor: Auditor,
    pub(super) lie: Lie,
    pub(super) seen: Seen,
    /// The policy file.
    pub(super) rules: Arc<Rules>,
    /// How many of a thousand calls and answers meet with trouble.
    pub(super) trouble: u64,
    /// Until when the books cannot be reached.
    pub(super) outage_until: UtcTime,
    /// Steps that the store makes although their callers were told that it is away.
    late: Vec<(usize, Epoch, Call)>,
    /// Steps that were made, to be repeated.
    pub(super) made: Vec<(usize, Epoch, Call)>,
    /// Bills that Planet is still writing.
    pub(super) bills: Vec<(UtcTime, RequestId, Amounts)>,
    books: Arc<Model>,
    named: u64,
    story: Option<Vec<String>>,
}

/// Steps that are remembered to be repeated.
const REMEMBERED: usize = 40;

impl World {
    pub(super) fn of(seed: u64, lie: Lie, tell: bool) -> Self {
        let mut dice = Dice::of(seed);
        let start: UtcTime = "2026-10-31T22:59:50Z".parse().expect("a time");
        let now = start + SignedDuration::from_millis(dice_millis(&mut dice, 12_000));
        let books = Arc::new(Model::default());
        let rules = Arc::new(Rules::of(&mut dice, now));
        let mut world = Self {
            now,
            replicas: Vec::new(),
            auditor: Auditor::of(Arc::clone(&books)),
            lie,
            seen: Seen::default(),
            rules,
            trouble: dice.pick(&[0, 30, 100, 250]),
            outage_until: start,
            late: Vec::new(),
            made: Vec::new(),
            bills: Vec::new(),
            books,
            named: 0,
            story: tell.then(Vec::new),
            dice,
        };
        for _ in 0..world.dice.pick(&[1, 1, 2, 2, 2, 3, 4]) {
            let replica = world.replica();
            world.replicas.push(replica);
        }
        world
    }

    /// A machine with nothing on its disk.
    pub(super) fn replica(&mut self) -> Replica {
        let id = ReplicaId::from_uuid(uuid::Uuid::from_u128(self.name().into()));
        Replica {
            id,
            books: self.books.beside(id),
            skew: SignedDuration::ZERO,
            journal: None,
            process: None,
            suspended: false,
        }
    }

    /// A number that was not used before.
    pub(super) fn name(&mut self) -> u64 {
        self.named += 1;
        self.named
    }

    pub(super) fn tell(&mut self, line: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(story) = &mut self.story {
            story.push(format!("{now} {}", line()));
        }
    }

    pub(super) fn story(self) -> Vec<String> {
        self.story.unwrap_or_default()
    }

    /// A step on the books, through everything that can come between. The inner error is what the caller
    /// is told, whether or not the step was made.
    pub(super) fn call(&mut self, who: usize, call: Call) -> Audited<Answered> {
        let accident = self.dice.chance(self.trouble);
        if self.now < self.outage_until {
            return Ok(unavailable("the books are away"));
        }
        if !accident {
            return self.make(who, &call, false);
        }
        match self.dice.below(20) {
            0..8 => {
                self.tell(|| {
                    format!(
                        "{who}: {}, which does not reach the books",
                        tale::of_call(&call)
                    )
                });
                Ok(unavailable("it did not arrive"))
            }
            8..12 if call.may_be_late() => {
                if let Some(epoch) = self.replicas[who].epoch() {
                    self.tell(|| format!("{who}: {}, which is late", tale::of_call(&call)));
                    self.late.push((who, epoch, call));
                }
                Ok(unavailable("it is late"))
            }
            19 => {
                drop(self.make(who, &call, false)?);
                self.tell(|| format!("{who}: stops before it hears"));
                self.crash(who);
                Ok(unavailable("nobody hears"))
            }
            _ => {
                drop(self.make(who, &call, false)?);
                self.tell(|| format!("{who}: the answer is lost"));
                Ok(unavailable("the answer was lost"))
            }
        }
    }

    /// A step of a person, who is told and tries again when something goes wrong.
    pub(super) fn call_of_people(&mut self, who: usize, call: &Call) -> Audited<Answered> {
        let step = Step {
            call,
            by: self.replicas[who].id,
            epoch: None,
            repeated: false,
            now: self.now,
        };
        let answered = self.lie.make(call, &self.replicas[who].books, self.now);
        self.tell(|| {
            format!(
                "somebody {}: {}",
                tale::of_call(call),
                tale::of_answer(&answered)
            )
        });
        self.auditor.check(step, &answered)?;
        Ok(answered)
    }

    pub(super) fn make(&mut self, who: usize, call: &Call, repeated: bool) -> Audited<Answered> {
        let replica = &self.replicas[who];
        let epoch = replica.epoch().filter(|_| !matches!(call, Call::Begin(_)));
        let now = replica.now(self.now);
        let step = Step {
            call,
            by: replica.id,
            epoch,
            repeated,
            now,
        };
        let answered = self.lie.make(call, &replica.books, now);
        self.tell(|| {
            format!(
                "{who}: {}: {}",
                tale::of_call(call),
                tale::of_answer(&answered)
            )
        });
        self.seen.answer(call, &answered);
        self.auditor.check(step, &answered)?;
        let full = matches!(answered, Ok(Answer::Reserved(Reserved::Full(_))));
        let repeatable = answered.is_ok() && call.may_be_late() && !full;
        if let (Some(epoch), true) = (epoch, repeatable) {
            self.made.push((who, epoch, call.clone()));
            let over = self.made.len().saturating_sub(REMEMBERED);
            self.made.drain(..over);
        }
        Ok(answered)
    }

    /// Makes a step once more that was made before: a retry whose first answer was lost.
    pub(super) fn repeat(&mut self) -> Audited<()> {
        if self.made.is_empty() {
            return Ok(());
        }
        let place = self.dice.index(self.made.len());
        let (who, epoch, call) = self.made[place].clone();
        if self.still_lives(who, epoch) {
            self.tell(|| format!("{who}: once more"));
            drop(self.make(who, &call, true)?);
        }
        Ok(())
    }

    /// Time goes on: mostly a little, sometimes past a lease's life, a midnight or a month.
    pub(super) fn pass_time(&mut self) -> Audited<bool> {
        let (millis, long) = match self.dice.below(1000) {
            0..930 => (self.dice.between(0, 6), false),
            930..980 => (self.dice.between(6, 400), false),
            980..995 => (self.dice.between(800, 6_000), true),
            995..998 => (self.dice.between(6_000, 60_000), true),
            _ => (self.dice.between(60_000, 20_000_000), true),
        };
        let millis = i64::try_from(millis).expect("small");
        self.now += SignedDuration::from_millis(millis);
        self.land_bills()?;
        if !self.late.is_empty() && self.dice.chance(100) {
            let place = self.dice.index(self.late.len());
            let (who, epoch, call) = self.late.swap_remove(place);
            if self.still_lives(who, epoch) {
                self.tell(|| format!("{who}: what was late arrives"));
                drop(self.make(who, &call, false)?);
            }
        }
        Ok(long)
    }

    fn still_lives(&self, who: usize, epoch: Epoch) -> bool {
        let process = self.replicas[who].process.as_ref();
        process.is_some_and(|process| process.book.epoch() == epoch && !process.fenced)
    }

    /// Planet writes the bills that are due.
    pub(super) fn land_bills(&mut self) -> Audited<()> {
        let now = self.now;
        let (due, later) = std::mem::take(&mut self.bills)
            .into_iter()
            .partition(|(at, ..)| *at <= now);
        self.bills = later;
        let due: Vec<(UtcTime, RequestId, Amounts)> = due;
        for (_, request, bill) in due {
            self.tell(|| format!("planet: {request} costs {bill}"));
            self.auditor.billed(request, bill)?;
        }
        Ok(())
    }

    /// Whether nothing can go wrong any more.
    pub(super) fn calm_down(&mut self) {
        self.trouble = 0;
        self.outage_until = self.now;
        self.late.clear();
    }
}

pub(super) fn after(now: UtcTime, wait: Duration) -> UtcTime {
    now.saturating_add(wait).expect("not that long")
}

pub(super) fn unavailable(why: &'static str) -> Answered {
    Err(LedgerError::Unavailable(why.into()))
}

fn dice_millis(dice: &mut Dice, end: u64) -> i64 {
    i64::try_from(dice.below(end)).expect("small")
}
