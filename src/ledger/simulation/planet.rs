//! A Planet that bills on write: what it charges is decided when the request arrives, whatever becomes of
//! the answer, and whether or not somebody still waits for it.

use std::time::Duration;

use super::dice::Dice;
use super::rules::{amount, micros};
use crate::ledger::{Charge, ChargeSource, NewReservation, Outcome};
use crate::units::{Amount, Amounts, Unit};

/// What came of a request that was sent.
#[derive(Debug)]
pub(super) struct Delivery {
    /// Nothing where it was refused or never arrived.
    pub(super) bill: Amounts,
    /// How long the bill takes to be written.
    pub(super) bill_after: Duration,
    /// What the guard makes of the answer, if one comes.
    pub(super) outcome: Outcome,
}

/// Receives a request. The more `trouble` (of a thousand), the rarer a plain answer.
pub(super) fn receive(new: &NewReservation, dice: &mut Dice, trouble: u64) -> Delivery {
    let predicted = new.predicted.get(Unit::Pu).unwrap_or_default();
    if !dice.chance(trouble) {
        return answered(billed(predicted), dice);
    }
    let actual = actual(predicted, dice);
    match dice.below(9) {
        0 | 1 => answered(billed(actual), dice),
        2 => Delivery {
            outcome: predicted_only(),
            ..answered(billed(actual), dice)
        },
        3 => Delivery {
            outcome: Outcome::Voided,
            ..answered(Amounts::default(), dice)
        },
        4 => answered(refused_but_counted(), dice),
        5 => lost("reset before the charge", Amounts::default()),
        6 => lost("reset after the charge", billed(actual)),
        7 => Delivery {
            bill_after: Duration::from_millis(dice.between(1, 90_000)),
            ..lost("stalled", billed(actual))
        },
        _ => lost("server error on a create", Amounts::default()),
    }
}

fn answered(bill: Amounts, dice: &mut Dice) -> Delivery {
    let mut amounts = bill.clone();
    if bill.get(Unit::Requests).is_some() && dice.chance(500) {
        // a unit that the charge does not name settles at what was reserved, which is one request
        amounts = Amounts::of(Unit::Pu, bill.get(Unit::Pu).unwrap_or_default());
    }
    let source = ChargeSource::Header;
    Delivery {
        bill,
        bill_after: Duration::ZERO,
        outcome: Outcome::Settled(Charge { amounts, source }),
    }
}

fn lost(why: &str, bill: Amounts) -> Delivery {
    Delivery {
        bill,
        bill_after: Duration::ZERO,
        outcome: Outcome::Unknown { why: why.into() },
    }
}

fn predicted_only() -> Outcome {
    Outcome::Settled(Charge {
        amounts: Amounts::default(),
        source: ChargeSource::Predicted,
    })
}

fn billed(pu: Amount) -> Amounts {
    let mut bill = Amounts::of(Unit::Pu, pu);
    bill.set(Unit::Requests, Amount::ONE);
    bill
}

/// An answer that costs nothing, and is a request all the same.
fn refused_but_counted() -> Amounts {
    billed(Amount::ZERO)
}

/// Predictions are from above, and still sometimes too low.
fn actual(predicted: Amount, dice: &mut Dice) -> Amount {
    let predicted = micros(predicted);
    amount(match dice.below(4) {
        0 => predicted,
        1 => dice.between(predicted, predicted * 3),
        _ => dice.between(0, predicted),
    })
}
