//! Requests on their way to Planet and back, and their ends in the books.

use std::time::Duration;

use super::auditor::Audited;
use super::calls::Call;
use super::lies::Lie;
use super::planet::{self, Delivery};
use super::replica::Exchange;
use super::tale;
use super::world::{World, after};
use crate::ledger::{ChargeSource, LedgerError, Outcome};

/// How often a reservation is tried to be closed before it is left held.
const CLOSE_ATTEMPTS: u32 = 6;

impl World {
    /// A few of a replica's requests take their next step.
    pub(super) fn advance(&mut self, who: usize) -> Audited<()> {
        self.advance_one(who)?;
        while self.dice.chance(400) {
            self.advance_one(who)?;
        }
        Ok(())
    }

    fn advance_one(&mut self, who: usize) -> Audited<()> {
        let Some(process) = self.replicas[who].awake() else {
            return Ok(());
        };
        if process.exchanges.is_empty() {
            return Ok(());
        }
        let place = self.dice.index(process.exchanges.len());
        let exchange = process.exchanges.swap_remove(place);
        if exchange.outcome.is_some() {
            return self.close(who, exchange);
        }
        if self.dice.chance(40) {
            self.give_up_unsent(who, exchange);
            return Ok(());
        }
        self.send(who, exchange)
    }

    /// It never leaves for upstream.
    pub(super) fn give_up_unsent(&mut self, who: usize, mut exchange: Exchange) {
        self.tell(|| format!("{who}: {} never left", exchange.new.request));
        self.auditor.never_sent(exchange.new.request);
        exchange.outcome = Some(Outcome::Voided);
        self.keep(who, exchange);
    }

    fn send(&mut self, who: usize, mut exchange: Exchange) -> Audited<()> {
        let Delivery {
            bill,
            bill_after,
            outcome,
        } = planet::receive(&exchange.new, &mut self.dice, self.trouble * 2);
        let request = exchange.new.request;
        self.tell(|| {
            format!(
                "{who}: sends {request}, billed [{bill}]: {}",
                tale::of_outcome(&outcome)
            )
        });
        exchange.outcome = Some(outcome);
        let predicted = |(unit, amount)| Some(amount) > exchange.new.predicted.get(unit);
        if bill.iter().any(predicted) {
            self.seen.note("a charge beyond the prediction");
        }
        self.keep(who, exchange);
        if bill_after == Duration::ZERO {
            return self.auditor.billed(request, bill);
        }
        self.bills
            .push((after(self.now, bill_after), request, bill));
        Ok(())
    }

    /// Ends a request: in the lease book that admitted it, among the orphans of a life before, or durably.
    pub(super) fn close(&mut self, who: usize, exchange: Exchange) -> Audited<()> {
        let replica = &mut self.replicas[who];
        let now = replica.now(self.now);
        let process = replica.process.as_mut().expect("it is awake");
        let request = exchange.new.request;
        let outcome = exchange.outcome.clone().expect("it has ended");
        if let Some(closed) = process.book.close(request, &outcome, now) {
            closed.expect("countable");
            if self.dice.chance(100) {
                let other = Outcome::Voided;
                drop(process.book.close(request, &other, now));
            }
            self.tell(|| format!("{who}: {request} ended: {}", tale::of_outcome(&outcome)));
            self.auditor.said(request, &outcome);
            return self.auditor.spending_is_covered();
        }
        let mut orphans = process.orphans.iter_mut();
        if orphans.any(|life| life.close(request, &outcome, now)) {
            self.tell(|| {
                format!(
                    "{who}: orphan {request} ended: {}",
                    tale::of_outcome(&outcome)
                )
            });
            self.auditor.said(request, &outcome);
            return Ok(());
        }
        if process.fenced {
            self.keep(who, exchange);
            return Ok(());
        }
        self.close_durably(who, exchange, outcome)
    }

    fn close_durably(
        &mut self,
        who: usize,
        mut exchange: Exchange,
        outcome: Outcome,
    ) -> Audited<()> {
        let request = exchange.new.request;
        exchange.attempts += 1;
        match self.call(who, Call::Close(request, outcome))? {
            Ok(_) | Err(LedgerError::NotReserved(_)) => {}
            Err(LedgerError::Fenced) => {
                self.is_fenced(who);
                self.keep(who, exchange);
            }
            Err(_) if exchange.attempts < CLOSE_ATTEMPTS => self.keep(who, exchange),
            Err(_) => self.tell(|| format!("{who}: {request} stays held")),
        }
        Ok(())
    }

    /// The client hangs up, which changes nothing: the exchange goes on in a task of its own.
    pub(super) fn hang_up(&mut self, who: usize) {
        let forgets = self.lie == Lie::ForgetsWhoHangsUp;
        let Some(process) = self.replicas[who].awake().filter(|_| forgets) else {
            return;
        };
        if process.exchanges.is_empty() {
            return;
        }
        let place = self.dice.index(process.exchanges.len());
        let exchange = process.exchanges.swap_remove(place);
        if exchange.outcome.is_none() {
            self.auditor.never_sent(exchange.new.request);
        }
    }

    /// The guard stops: what is under way is cut off.
    pub(super) fn cut_off(&mut self, exchange: &mut Exchange) {
        let certain = |outcome: &Outcome| matches!(outcome, Outcome::Settled(charge) if charge.source == ChargeSource::Header);
        if exchange.outcome.as_ref().is_some_and(certain) && self.dice.chance(200) {
            let why = "cut off when the guard stopped".into();
            exchange.outcome = Some(Outcome::Unknown { why });
        }
    }

    fn keep(&mut self, who: usize, exchange: Exchange) {
        match &mut self.replicas[who].process {
            Some(process) => process.exchanges.push(exchange),
            None => self.auditor_forgets(&exchange),
        }
    }

    /// The process is gone, and what it had not sent with it.
    pub(super) fn auditor_forgets(&mut self, exchange: &Exchange) {
        if exchange.outcome.is_none() {
            self.auditor.never_sent(exchange.new.request);
        }
    }
}
