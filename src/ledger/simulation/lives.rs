//! How replicas begin, fall silent, crash, are given up, begin anew, and stop well.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use super::auditor::Audited;
use super::calls::{Answer, Call};
use super::lies::Lie;
use super::replica::Process;
use super::world::World;
use crate::ledger::{Begun, Epoch, LedgerError, Marks, Proof};
use crate::units::UtcTime;

/// Who was silent for so long is given up: longer than any of its leases can live.
const SILENCE: Duration = Duration::from_secs(20);

impl World {
    pub(super) fn start(&mut self, who: usize) -> Audited<()> {
        let proof = self.replicas[who].journal.clone();
        let Some((begun, now)) = self.begin(who, proof)? else {
            return Ok(());
        };
        let rules = Arc::clone(&self.rules);
        let process = Process::begun(begun.epoch, now, rules);
        self.replicas[who].process = Some(process);
        Ok(())
    }

    /// Begins a life, and now and then does it again, as if the answer had been lost.
    fn begin(&mut self, who: usize, proof: Option<Proof>) -> Audited<Option<(Begun, UtcTime)>> {
        let now = self.replicas[who].now(self.now);
        let call = Call::Begin(proof);
        let mut answered = self.call(who, call.clone())?;
        if answered.is_ok() && self.dice.chance(200) {
            answered = self.make(who, &call, true)?;
        }
        Ok(match answered {
            Ok(Answer::Begun(begun)) => Some((begun, now)),
            _ => None,
        })
    }

    /// The books have closed this life: the replica goes on in another, and says what became of the old one
    /// when it knows.
    pub(super) fn renew(&mut self, who: usize) -> Audited<()> {
        let Some(process) = self.replicas[who].awake() else {
            return Ok(());
        };
        if !process.fenced {
            return Ok(());
        }
        let proof = if self.dice.chance(700) {
            process.book.proof()
        } else {
            Proof {
                marks: None,
                ..process.proof(&Marks::new())
            }
        };
        let Some((begun, now)) = self.begin(who, Some(proof))? else {
            return Ok(());
        };
        if let Some(process) = &mut self.replicas[who].process {
            let orphans = process.book.begin_anew(begun.epoch, begun.reported, now);
            process.orphans.push(orphans);
            (process.report, process.marks, process.fenced) = (None, None, false);
            process.unpublished = true;
        }
        Ok(())
    }

    /// What became of the leases of lives that were given up.
    pub(super) fn clear_up_orphans(&mut self, who: usize) -> Audited<()> {
        let Some(process) = self.replicas[who].awake() else {
            return Ok(());
        };
        let evidence = &mut process.evidence;
        process.orphans.retain(|life| match life.evidence() {
            Some(all) => {
                evidence.extend(all);
                false
            }
            None => true,
        });
        let Some((request, shown)) = evidence.pop() else {
            return Ok(());
        };
        match self.call(who, Call::Reconcile(request, shown.clone()))? {
            Ok(_) => self.seen.note("orphans gave evidence"),
            Err(LedgerError::Unavailable(_)) => {
                if let Some(process) = &mut self.replicas[who].process {
                    process.evidence.push((request, shown));
                }
            }
            Err(_) => {}
        }
        Ok(())
    }

    pub(super) fn give_up(&mut self, who: usize) -> Audited<()> {
        let now = self.replicas[who].now(self.now);
        self.give_up_since(who, now - SignedDuration::try_from(SILENCE).expect("short"))
    }

    pub(super) fn give_up_since(&mut self, who: usize, since: UtcTime) -> Audited<()> {
        let awake = self.replicas[who].awake();
        if awake.is_none_or(|process| process.fenced) {
            return Ok(());
        }
        if let Err(LedgerError::Fenced) = self.call(who, Call::GiveUp(since))? {
            self.is_fenced(who);
        }
        Ok(())
    }

    /// Gets no time for longer than a lease lives, so that the others give it up.
    pub(super) fn fall_silent(&mut self, who: usize) -> Audited<()> {
        self.tell(|| format!("{who}: falls silent"));
        self.seen.note("fell silent");
        self.replicas[who].suspended = true;
        for _ in 0..4 {
            self.now += SignedDuration::from_secs(6);
            self.land_bills()?;
            for other in 0..self.replicas.len() {
                self.beat(other)?;
            }
        }
        for other in 0..self.replicas.len() {
            self.give_up(other)?;
        }
        self.replicas[who].suspended = self.dice.chance(300);
        Ok(())
    }

    pub(super) fn crash(&mut self, who: usize) {
        let Some(process) = self.replicas[who].process.take() else {
            return;
        };
        self.seen.note("crashed");
        self.tell(|| format!("{who}: crashes"));
        for exchange in &process.exchanges {
            self.auditor_forgets(exchange);
        }
        self.replicas[who].suspended = false;
        if self.dice.chance(100) {
            self.tell(|| format!("{who}: its journal is lost"));
            self.seen.note("lost its journal");
            self.replicas[who].journal = None;
        } else if self.dice.chance(50) {
            self.tell(|| format!("{who}: its disk is lost"));
            self.seen.note("lost its disk");
            self.replicas[who] = self.replica();
        }
    }

    /// Stops well: nothing new, what is under way is ended, all of it is told to the books. When that takes
    /// too long it is killed.
    pub(super) fn leave(&mut self, who: usize, patience: u32) -> Audited<()> {
        for _ in 0..patience {
            let Some(process) = self.replicas[who].awake() else {
                return Ok(());
            };
            if process.fenced {
                self.renew(who)?;
            } else if let Some(mut exchange) = process.exchanges.pop() {
                if exchange.outcome.is_none() {
                    self.give_up_unsent(who, exchange);
                } else {
                    self.cut_off(&mut exchange);
                    self.close(who, exchange)?;
                }
            } else if !process.orphans.is_empty() || !process.evidence.is_empty() {
                self.clear_up_orphans(who)?;
            } else if process.book.has_news() && self.lie != Lie::LeavesWithoutReporting {
                process.book.give_back_all();
                self.report(who)?;
            } else {
                match self.call(who, Call::Leave)? {
                    Ok(_) => {
                        self.seen.note("left well");
                        self.replicas[who].process = None;
                    }
                    Err(LedgerError::Fenced) => self.is_fenced(who),
                    Err(_) => {}
                }
            }
        }
        self.crash(who);
        Ok(())
    }

    /// The lives that go on in some replica's memory, whatever the books think of them.
    pub(super) fn going_on(&self) -> Vec<Epoch> {
        let epochs = self
            .replicas
            .iter()
            .filter_map(super::replica::Replica::epoch);
        epochs.collect()
    }
}
