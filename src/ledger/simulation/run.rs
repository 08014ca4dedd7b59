//! A run from its seed to its end, and the tests that make thousands of them.

use std::env;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::auditor::{Audited, Promise, Violation};
use super::lies::Lie;
use super::seen::Seen;
use super::world::World;
use crate::units::UtcTime;

/// Seeds in an ordinary test run.
const SEEDS: u64 = 1000;
const STEPS: u64 = 250;
/// How much of a failing run is told.
const TOLD: usize = 400;

/// What broke a promise, and what led there.
struct Failure {
    seed: u64,
    violation: Violation,
}

fn run(seed: u64, lie: Lie) -> Result<Seen, Failure> {
    let _told = TellOnPanic(seed);
    let mut world = World::of(seed, lie, false);
    let result = world.live();
    result
        .map(|()| world.seen)
        .map_err(|violation| Failure { seed, violation })
}

/// The run once more, with every step told.
fn explain(failure: &Failure, lie: Lie) -> String {
    let mut world = World::of(failure.seed, lie, true);
    let again = world.live();
    let story = world.story();
    let skipped = story.len().saturating_sub(TOLD);
    format!(
        "{}\n\nseed {} breaks a promise: {}\nSIMULATION_SEED={} runs it again ({})",
        story[skipped..].join("\n"),
        failure.seed,
        failure.violation,
        failure.seed,
        if again.is_err() {
            "it fails again"
        } else {
            "it does not fail again"
        },
    )
}

struct TellOnPanic(u64);

impl Drop for TellOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("in the simulation of seed {}", self.0);
        }
    }
}

impl World {
    fn live(&mut self) -> Audited<()> {
        for _ in 0..STEPS {
            let long = self.pass_time()?;
            if long {
                for who in 0..self.replicas.len() {
                    if self.dice.chance(850) {
                        self.beat(who)?;
                    }
                }
            }
            let who = self.dice.index(self.replicas.len());
            self.step(who)?;
        }
        self.end()
    }

    fn step(&mut self, who: usize) -> Audited<()> {
        if self.replicas[who].process.is_none() {
            return if self.dice.chance(300) {
                self.start(who)
            } else {
                Ok(())
            };
        }
        if self.replicas[who].suspended {
            if self.dice.chance(60) {
                self.tell(|| format!("{who}: wakes up"));
                self.replicas[who].suspended = false;
            }
            return Ok(());
        }
        match self.dice.below(1000) {
            0..330 => self.ask(who),
            330..600 => self.advance(who),
            600..650 => self.report(who),
            650..700 => {
                self.mark(who);
                Ok(())
            }
            700..870 => self.beat(who),
            870..890 => self.renew(who),
            890..910 => self.clear_up_orphans(who),
            910..930 => self.publish(who),
            930..940 => self.look_up(who),
            940..950 => self.give_up(who),
            950..960 => {
                self.hang_up(who);
                Ok(())
            }
            960..970 => self.repeat(),
            970..975 => self.top_up(who),
            _ => self.accident(who),
        }
    }

    /// What a calm run is spared.
    fn accident(&mut self, who: usize) -> Audited<()> {
        if !self.dice.chance(200 + self.trouble * 3) {
            return Ok(());
        }
        match self.dice.below(9) {
            0 | 1 => self.crash(who),
            7 | 8 => self.fall_silent(who)?,
            2 => {
                self.tell(|| format!("{who}: is suspended"));
                self.seen.note("suspended");
                self.replicas[who].suspended = true;
            }
            3 => self.leave(who, 60)?,
            4 => self.step_the_clock(who),
            5 => self.edit_the_policy(),
            _ => self.lose_the_books(),
        }
        Ok(())
    }

    /// All replicas stop well, and after that people clear up what is in doubt.
    fn end(&mut self) -> Audited<()> {
        self.tell(|| "all come to an end".into());
        self.calm_down();
        self.now += jiff::SignedDuration::from_secs(100);
        self.land_bills()?;
        for who in 0..self.replicas.len() {
            self.replicas[who].suspended = false;
            if self.replicas[who].process.is_none() {
                self.start(who)?;
            }
        }
        for who in 0..self.replicas.len() {
            self.leave(who, 1000)?;
        }
        let last = self.replica();
        self.replicas.push(last);
        let who = self.replicas.len() - 1;
        self.start(who)?;
        self.give_up_since(who, UtcTime::MAX)?;
        self.leave(who, 10)?;
        self.auditor.all_have_stopped()?;
        for (request, evidence) in self.auditor.doubts(&[]) {
            let call = super::calls::Call::Reconcile(request, evidence);
            drop(self.call_of_people(who, &call)?);
        }
        self.auditor.all_is_cleared_up()
    }
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().expect("a whole number"))
}

/// Runs all seeds, on as many threads as there are cores.
fn run_all(seeds: u64) -> Seen {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let next = AtomicU64::new(0);
    let work = || {
        let mut seen = Seen::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= seeds {
                return seen;
            }
            seen.add(&run_one(number));
        }
    };
    let mut seen = Seen::default();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            seen.add(&worker.join().expect("a promise is broken, see above"));
        }
    });
    seen
}

fn run_one(seed: u64) -> Seen {
    run(seed, Lie::None).unwrap_or_else(|failure| panic!("{}", explain(&failure, Lie::None)))
}

#[test]
fn every_promise_holds_in_every_run() {
    if let Some(seed) = number("SIMULATION_SEED") {
        run_one(seed);
        return;
    }
    let seeds = number("SIMULATION_SEEDS").unwrap_or(SEEDS);
    let seen = run_all(seeds);
    println!("{seen:?}");
    assert_eq!(seen.never(), [""; 0], "{seen:#?}");
}

/// A planted bug must be caught by the promise that it breaks, within so many seeds.
#[track_caller]
fn catches(lie: Lie, promise: Promise, seeds: u64) {
    let mut caught = Vec::new();
    for seed in 0..seeds {
        if let Err(failure) = run(seed, lie) {
            if failure.violation.promise == promise {
                return;
            }
            caught.push(failure.violation.promise);
        }
    }
    panic!("{lie:?} breaks {promise:?}, and {seeds} seeds have only seen {caught:?}");
}

macro_rules! planted {
    ($($test:ident: $lie:ident breaks $promise:ident within $seeds:literal;)+) => {
        $(
            #[test]
            fn $test() {
                catches(Lie::$lie, Promise::$promise, $seeds);
            }
        )+
    };
}

planted! {
    the_simulation_catches_a_budget_that_is_never_checked:
        ChecksAllButTheFirst breaks Cap within 10;
    the_simulation_catches_leases_beyond_the_cap:
        LeasesBeyondTheCap breaks Cap within 10;
    the_simulation_catches_a_dropped_overrun:
        DropsOverruns breaks Actuals within 10;
    the_simulation_catches_a_report_that_is_booked_twice:
        TakesReportsTwice breaks Once within 50;
    the_simulation_catches_a_repeat_that_refunds:
        VoidsOnRepeat breaks Once within 50;
    the_simulation_catches_unknown_spending_that_time_frees:
        FreesTheUnknown breaks NoAmnesia within 10;
    the_simulation_catches_a_start_that_forgets_the_marks:
        ForgetsMarks breaks NoAmnesia within 50;
    the_simulation_catches_a_budget_that_is_not_debited:
        DebitsAllButTheLast breaks SameSet within 10;
    the_simulation_catches_a_budget_that_is_not_settled:
        ReportsAllButTheLast breaks SameSet within 10;
    the_simulation_catches_zero_taken_for_unlimited:
        TakesZeroForUnlimited breaks Monotone within 10;
    the_simulation_catches_one_more_budget_that_admits:
        IsContentWithOneOfThree breaks Monotone within 50;
    the_simulation_catches_marks_believed_before_they_are_on_the_disk:
        BelievesMarksBeforeTheDisk breaks NoAmnesia within 50;
    the_simulation_catches_a_stop_that_drops_what_was_not_reported:
        LeavesWithoutReporting breaks NoAmnesia within 50;
    the_simulation_catches_a_client_who_hangs_up_and_is_forgotten:
        ForgetsWhoHangsUp breaks NoAmnesia within 100;
}
