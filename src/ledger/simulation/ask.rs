//! Requests on their way in: from a lease where one can give it, else durably, and refused when that fails.

use super::auditor::{Audited, Promise, violation};
use super::calls::{Answer, Call};
use super::replica::Exchange;
use super::rules::amount;
use super::tale;
use super::world::World;
use crate::ledger::{AccountKey, Breach, LedgerError, NewReservation, RequestId, Reserved};
use crate::policy::{Account, Claim};
use crate::units::{Amount, Span, Unit, UtcTime};

/// How often a request asks again after others were asked to give back.
const ATTEMPTS: u32 = 3;

impl World {
    /// A client's request; from leases often a few of them, as tiles come.
    pub(super) fn ask(&mut self, who: usize) -> Audited<()> {
        while self.ask_once(who)? && self.dice.chance(650) {}
        Ok(())
    }

    /// Whether it was admitted from leases.
    fn ask_once(&mut self, who: usize) -> Audited<bool> {
        let name = self.name();
        let replica = &mut self.replicas[who];
        let now = replica.now(self.now);
        let Some(process) = replica.awake() else {
            return Ok(false);
        };
        let mut random = [0; 10];
        random[2..].copy_from_slice(&name.to_be_bytes());
        let id = RequestId::new(now, random);
        let new = process.rules.request(&mut self.dice, id, now);
        if process.book.admit(&new, now).is_ok() {
            let life = process.book.epoch();
            process.exchanges.push(Exchange::of(&new));
            self.tell(|| {
                format!(
                    "{who}: admits {id} from leases: {}",
                    tale::of_claims(&new.claims)
                )
            });
            self.seen.note("admitted from a lease");
            self.auditor.admitted(&new, life)?;
            return Ok(true);
        }
        self.reserve(who, &new)?;
        Ok(false)
    }

    /// Reserves durably. Where the cap is full of leases, they are called back, and it is tried again.
    fn reserve(&mut self, who: usize, new: &NewReservation) -> Audited<()> {
        for attempt in 0..ATTEMPTS {
            let process = self.replicas[who].process.as_ref();
            if process.is_none_or(|process| process.fenced) {
                return Ok(());
            }
            match self.call(who, Call::Reserve(new.clone()))? {
                Ok(Answer::Reserved(Reserved::Granted(_))) => {
                    if attempt > 0 {
                        self.seen.note("cured by giving back");
                    }
                    if let Some(process) = &mut self.replicas[who].process {
                        process.exchanges.push(Exchange::of(new));
                    }
                    return Ok(());
                }
                Ok(Answer::Reserved(Reserved::Full(breaches))) => {
                    self.refuses_more_too(who, new)?;
                    if !self.give_back(who, &breaches)? {
                        return Ok(());
                    }
                }
                Err(LedgerError::Fenced) => {
                    self.is_fenced(who);
                    return Ok(());
                }
                _ => return self.unanswered(who, new),
            }
        }
        Ok(())
    }

    /// Nobody knows whether it was reserved. The client is refused; what may stand in the books is voided,
    /// or stays held until this life ends.
    fn unanswered(&mut self, who: usize, new: &NewReservation) -> Audited<()> {
        if self.dice.chance(300) && self.replicas[who].process.is_some() {
            self.tell(|| format!("{who}: asks for {} again", new.request));
            let again = self.call(who, Call::Reserve(new.clone()))?;
            let granted = matches!(again, Ok(Answer::Reserved(Reserved::Granted(_))));
            if let (true, Some(process)) = (granted, &mut self.replicas[who].process) {
                process.exchanges.push(Exchange::of(new));
                return Ok(());
            }
        }
        self.auditor.never_sent(new.request);
        let voids = self.dice.chance(500);
        if let (true, Some(process)) = (voids, &mut self.replicas[who].process) {
            let mut exchange = Exchange::of(new);
            exchange.outcome = Some(crate::ledger::Outcome::Voided);
            process.exchanges.push(exchange);
        }
        Ok(())
    }

    /// Gives back what this replica does not need, and asks the others to. Whether it is worth another try.
    fn give_back(&mut self, who: usize, breaches: &[Breach]) -> Audited<bool> {
        let keys: Vec<AccountKey> = breaches
            .iter()
            .map(|breach| AccountKey::from(&breach.account))
            .collect();
        let elsewhere = breaches.iter().filter(|breach| !breach.elsewhere.is_zero());
        let elsewhere: Vec<Account> = elsewhere.map(|breach| breach.account.clone()).collect();
        let Some(process) = &mut self.replicas[who].process else {
            return Ok(false);
        };
        let own = process.book.give_back(keys.iter());
        if own {
            for _ in 0..4 {
                self.report(who)?;
            }
        }
        let curable =
            |breach: &Breach| breach.remaining.saturating_add(breach.elsewhere) >= breach.needed;
        let others = !elsewhere.is_empty()
            && (own || breaches.iter().all(curable))
            && self.replicas[who].process.is_some();
        if others {
            let recalled = self.call(who, Call::Recall(elsewhere))?;
            if matches!(recalled, Err(LedgerError::Fenced)) {
                self.is_fenced(who);
            }
            for other in (0..self.replicas.len()).filter(|other| *other != who) {
                if self.dice.chance(800) {
                    self.beat(other)?;
                    self.beat(other)?;
                }
            }
        }
        Ok(own || others)
    }

    /// What was refused is refused all the more with a lower limit, or when another budget binds it too.
    fn refuses_more_too(&mut self, who: usize, new: &NewReservation) -> Audited<()> {
        if new.claims.is_empty() || !self.dice.chance(400) {
            return Ok(());
        }
        let mut harder = new.clone();
        let place = self.dice.index(harder.claims.len());
        match self.dice.below(3) {
            0 => harder.claims.push(one_more(new)),
            1 => harder.claims[place].lower(Amount::ZERO),
            _ => {
                let limit = harder.claims[place].limit.unwrap_or(Amount::MAX);
                let most = limit.micros().unsigned_abs();
                harder.claims[place].lower(amount(self.dice.below(most)));
            }
        }
        let replica = &self.replicas[who];
        let now = replica.now(self.now);
        let copy = replica.books.apart();
        let answered = self.lie.make(&Call::Reserve(harder.clone()), &copy, now);
        self.seen.note("refused on a copy too");
        match answered {
            Ok(Answer::Reserved(Reserved::Granted(_))) => Err(violation(
                Promise::Monotone,
                format!("{new:#?} is refused, and {harder:#?} is not"),
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn is_fenced(&mut self, who: usize) {
        if let Some(process) = &mut self.replicas[who].process {
            process.fenced = true;
        }
    }
}

impl Claim {
    fn lower(&mut self, limit: Amount) {
        (self.limit, self.enforced) = (Some(limit), true);
    }
}

/// A budget that is nearly unlimited.
fn one_more(new: &NewReservation) -> Claim {
    Claim {
        account: Account {
            budget: "zone".into(),
            partition: "".into(),
            unit: Unit::Pu,
            window: Span {
                start: UtcTime::UNIX_EPOCH,
                end: None,
            },
        },
        amount: new.predicted.get(Unit::Pu).unwrap_or_default(),
        limit: Some(Amount::MAX.part_floor(2)),
        enforced: true,
    }
}
