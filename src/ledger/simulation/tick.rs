//! The beat of a replica: reports to the books, marks to the journal.

use super::auditor::{Audited, Promise, violation};
use super::calls::{Answer, Call};
use super::lies::Lie;
use super::tale;
use super::world::World;
use crate::ledger::{LedgerError, Marks};

impl World {
    /// A whole beat: what is due is sent, and what was answered is heard.
    pub(super) fn beat(&mut self, who: usize) -> Audited<()> {
        for _ in 0..2 {
            self.report(who)?;
            self.mark(who);
        }
        Ok(())
    }

    /// Sends the report that is due, or hears the answer to the one that was sent.
    pub(super) fn report(&mut self, who: usize) -> Audited<()> {
        let replica = &mut self.replicas[who];
        let now = replica.now(self.now);
        let Some(process) = replica.awake().filter(|process| !process.fenced) else {
            return Ok(());
        };
        if let Some((report, Some(answer))) = &process.report {
            process.book.acknowledge(report.number, answer);
            process.report = None;
            let life = process.book.epoch();
            self.auditor.heard(life);
            return self.auditor.spending_is_covered();
        }
        let Some(due) = process.book.report_due(now) else {
            return Ok(());
        };
        if let Some((sent, _)) = &process.report {
            self.seen.note("reported late");
            if *sent != due {
                let what = format!("{sent:#?} was sent, and then {due:#?}");
                return Err(violation(Promise::Once, what));
            }
        }
        process.report = Some((due.clone(), None));
        let answered = self.call(who, Call::Report(due))?;
        match (answered, &mut self.replicas[who].process) {
            (Ok(Answer::Leased(leased)), Some(process)) => {
                self.auditor.answered(process.book.epoch());
                if let Some((_, answer)) = &mut process.report {
                    *answer = Some(leased);
                }
            }
            (Err(LedgerError::Fenced), _) => self.is_fenced(who),
            _ => {}
        }
        Ok(())
    }

    /// Takes the marks that are due, or writes them.
    pub(super) fn mark(&mut self, who: usize) {
        let trouble = self.dice.chance(self.trouble * 2);
        let way = self.dice.below(8);
        let replica = &mut self.replicas[who];
        let Some(process) = replica.awake() else {
            return;
        };
        let Some(due) = process.marks.take() else {
            let due = process.book.marks_due();
            process.marks = (!due.is_empty()).then_some(due);
            return;
        };
        let mut proof = process.proof(&due);
        if self.lie == Lie::BelievesMarksBeforeTheDisk {
            proof.marks = Some(Marks::new());
        }
        let written = !trouble || way > 4;
        if trouble {
            process.book.not_marked();
        } else {
            process.book.marked(&due);
        }
        if written {
            replica.journal = Some(proof);
        }
        self.tell(|| {
            let marks = tale::of_marks(&due);
            format!("{who}: marks {marks}: written {written}, trouble {trouble}")
        });
        if trouble && way == 7 {
            self.crash(who);
        }
    }
}
