//! What people and machines do beside the requests: policies, top-ups, evidence, clocks.

use std::sync::Arc;

use jiff::SignedDuration;

use super::auditor::Audited;
use super::calls::Call;
use super::world::{World, after};
use crate::ledger::LedgerError;

impl World {
    pub(super) fn edit_the_policy(&mut self) {
        self.rules = Arc::new(self.rules.edited(&mut self.dice));
        self.tell(|| "the policy is edited".into());
    }

    /// A replica reads the policy again, if it has changed, and tells the others.
    pub(super) fn publish(&mut self, who: usize) -> Audited<()> {
        let rules = Arc::clone(&self.rules);
        let Some(process) = self.replicas[who].awake().filter(|process| !process.fenced) else {
            return Ok(());
        };
        if !Arc::ptr_eq(&process.rules, &rules) {
            process.rules = rules;
            process.unpublished = true;
            self.tell(|| format!("{who}: has read the policy again"));
            return Ok(());
        }
        if !process.unpublished {
            return Ok(());
        }
        match self.call(who, Call::Publish(rules.caps()))? {
            Ok(_) => {
                if let Some(process) = &mut self.replicas[who].process {
                    process.unpublished = false;
                }
            }
            Err(LedgerError::Fenced) => self.is_fenced(who),
            Err(_) => {}
        }
        Ok(())
    }

    pub(super) fn top_up(&mut self, who: usize) -> Audited<()> {
        let new = self.rules.top_up(&mut self.dice, self.now);
        self.call_of_people(who, &Call::TopUp(new)).map(drop)
    }

    /// Somebody looks up at Planet what became of one request in doubt.
    pub(super) fn look_up(&mut self, who: usize) -> Audited<()> {
        let doubts = self.auditor.doubts(&self.going_on());
        if doubts.is_empty() {
            return Ok(());
        }
        let place = self.dice.index(doubts.len());
        let (request, evidence) = doubts[place].clone();
        self.seen.note("people gave evidence");
        self.call_of_people(who, &Call::Reconcile(request, evidence))
            .map(drop)
    }

    pub(super) fn step_the_clock(&mut self, who: usize) {
        let most = self.dice.pick(&[100, 15_000, 7_200_000]);
        let millis = i64::try_from(self.dice.below(2 * most)).expect("small");
        let most = i64::try_from(most).expect("small");
        self.replicas[who].skew = SignedDuration::from_millis(millis - most);
        self.tell(|| format!("{who}: its clock is off by {} ms", millis - most));
    }

    pub(super) fn lose_the_books(&mut self) {
        let millis = self.dice.between(50, 15_000);
        self.outage_until = after(self.now, std::time::Duration::from_millis(millis));
        self.tell(|| format!("the books are away for {millis} ms"));
    }
}
