//! Top-ups: what somebody allows beyond a budget's own limit, once.
//!
//! A window uses its own allowance first. What it uses beyond is drawn from the top-ups of its budget,
//! the one that ends earliest first, and stays drawn when the window is over; what was not drawn is
//! there for the next window, until the top-up ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::{Fingerprint, LedgerError};
use crate::policy::Account;
use crate::units::{Amount, Unit, UtcTime};

/// A top-up as somebody orders it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewTopUp {
    pub budget: Arc<str>,
    /// Of a budget that is `per` something, the one that is meant.
    pub partition: Arc<str>,
    pub unit: Unit,
    pub amount: Amount,
    /// `None`: until it is used up.
    pub expires_at: Option<UtcTime>,
    pub reason: String,
    /// Who allowed it.
    pub by: String,
    /// The same order given again has the same key, and is the same top-up.
    pub key: Option<Fingerprint>,
}

/// A top-up in the books.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct TopUp {
    pub id: i64,
    pub budget: Arc<str>,
    pub partition: Arc<str>,
    pub unit: Unit,
    pub amount: Amount,
    /// What windows use of it.
    pub drawn: Amount,
    pub at: UtcTime,
    pub expires_at: Option<UtcTime>,
    pub reason: String,
    pub by: String,
    #[serde(skip)]
    pub key: Option<Fingerprint>,
}

/// What one window draws of each top-up.
pub type Draws = BTreeMap<i64, Amount>;

impl TopUp {
    pub fn of(new: NewTopUp, id: i64, at: UtcTime) -> Self {
        let NewTopUp {
            budget,
            partition,
            unit,
            amount,
            expires_at,
            reason,
            by,
            key,
        } = new;
        Self {
            id,
            budget,
            partition,
            unit,
            amount,
            drawn: Amount::ZERO,
            at,
            expires_at,
            reason,
            by,
            key,
        }
    }

    /// The top-up that an order with a key was given before for, if it was. With the same key nothing else can
    /// be ordered.
    pub fn given_before<'a>(
        new: &NewTopUp,
        all: impl IntoIterator<Item = &'a Self>,
    ) -> Result<Option<&'a Self>, LedgerError> {
        let mut all = all.into_iter();
        let before = all.find(|top_up| new.key.is_some() && top_up.key == new.key);
        match before {
            Some(other) if !other.is_what(new) => Err(LedgerError::AnotherTopUp { id: other.id }),
            before => Ok(before),
        }
    }

    /// Whether this is what `new` orders; stores keep whole microseconds.
    fn is_what(&self, new: &NewTopUp) -> bool {
        let micros = |end: Option<UtcTime>| end.map(UtcTime::as_microsecond);
        self.budget == new.budget
            && self.partition == new.partition
            && self.unit == new.unit
            && self.amount == new.amount
            && micros(self.expires_at) == micros(new.expires_at)
            && self.reason == new.reason
            && self.by == new.by
    }

    /// The order as a sentence for the record.
    pub fn event(&self) -> String {
        let Self {
            budget,
            partition,
            unit,
            amount,
            reason,
            ..
        } = self;
        let of = if partition.is_empty() {
            String::new()
        } else {
            format!(" ({partition})")
        };
        let until = self
            .expires_at
            .map_or_else(String::new, |end| format!(" until {end}"));
        format!(
            "topped up {budget}{of} by {amount} {}{until}: {reason}",
            unit.label()
        )
    }

    pub fn is_for(&self, account: &Account) -> bool {
        self.budget == account.budget
            && self.partition == account.partition
            && self.unit == account.unit
    }

    /// What can still be drawn of it.
    pub fn left(&self, now: UtcTime) -> Amount {
        let over = self.expires_at.is_some_and(|end| end <= now);
        if over {
            Amount::ZERO
        } else {
            self.amount.minus(self.drawn)
        }
    }

    /// Who ends first is drawn first; of two without an end, the older.
    fn turn(&self) -> (UtcTime, i64) {
        (self.expires_at.unwrap_or(UtcTime::MAX), self.id)
    }
}

/// What the top-ups of an account still allow, besides what its window draws already.
pub fn left<'a>(top_ups: impl Iterator<Item = &'a TopUp>, now: UtcTime) -> Amount {
    top_ups.fold(Amount::ZERO, |sum, top_up| {
        sum.saturating_add(top_up.left(now))
    })
}

/// What a window draws of all top-ups together.
pub fn drawn(draws: &Draws) -> Amount {
    let add = |sum: Amount, draw: &Amount| sum.saturating_add(*draw);
    draws.values().fold(Amount::ZERO, add)
}

/// Lets a window draw `wanted` in all, or as much of it as there is. What it no longer needs goes back to
/// the top-ups that end last.
pub fn redraw(top_ups: &mut [&mut TopUp], draws: &mut Draws, wanted: Amount, now: UtcTime) {
    top_ups.sort_by_key(|top_up| top_up.turn());
    let so_far = drawn(draws);
    let mut lacking = wanted.minus(so_far);
    for top_up in &mut *top_ups {
        let step = top_up.left(now).min(lacking);
        top_up.drawn = top_up.drawn.saturating_add(step);
        change(draws, top_up.id, |draw| draw.saturating_add(step));
        lacking = lacking.minus(step);
    }
    let mut needless = so_far.minus(wanted);
    for top_up in top_ups.iter_mut().rev() {
        let step = draws
            .get(&top_up.id)
            .copied()
            .unwrap_or_default()
            .min(needless);
        top_up.drawn = top_up.drawn.minus(step);
        change(draws, top_up.id, |draw| draw.minus(step));
        needless = needless.minus(step);
    }
}

fn change(draws: &mut Draws, id: i64, step: impl Fn(Amount) -> Amount) {
    let draw = step(draws.get(&id).copied().unwrap_or_default());
    if draw.is_zero() {
        draws.remove(&id);
    } else {
        draws.insert(id, draw);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UtcTime {
        text.parse().expect(text)
    }

    fn units(whole: u64) -> Amount {
        Amount::from_whole(whole).expect("small")
    }

    fn top_up(id: i64, amount: u64, expires: Option<&str>) -> TopUp {
        let new = NewTopUp {
            budget: "org".into(),
            partition: "".into(),
            unit: Unit::Pu,
            amount: units(amount),
            expires_at: expires.map(at),
            reason: "harvest".into(),
            by: "ops".into(),
            key: None,
        };
        TopUp::of(new, id, at("2026-11-01T00:00:00Z"))
    }

    /// What each top-up has given after every step, in the order of `all`.
    fn steps(all: &mut [TopUp], wants: &[(u64, &str)]) -> Vec<Vec<u64>> {
        let mut draws = Draws::new();
        let mut seen = Vec::new();
        for (wanted, now) in wants {
            let mut turn: Vec<&mut TopUp> = all.iter_mut().collect();
            redraw(&mut turn, &mut draws, units(*wanted), at(now));
            let whole = |top_up: &TopUp| top_up.drawn.whole_floor().unsigned_abs();
            seen.push(all.iter().map(whole).collect());
            let sum: u64 = draws.values().map(|d| d.whole_floor().unsigned_abs()).sum();
            assert_eq!(
                sum,
                seen.last().map_or(0, |all: &Vec<u64>| all.iter().sum())
            );
        }
        seen
    }

    #[test]
    fn the_earliest_end_is_drawn_first_and_given_back_last() {
        let mut all = [
            top_up(1, 100, None),
            top_up(2, 30, Some("2026-12-24T00:00:00Z")),
            top_up(3, 20, Some("2026-12-01T00:00:00Z")),
        ];
        let now = "2026-11-22T00:00:00Z";
        let seen = steps(
            &mut all,
            &[(10, now), (60, now), (1000, now), (45, now), (0, now)],
        );
        assert_eq!(
            seen,
            [
                vec![0, 0, 10],
                vec![10, 30, 20],
                vec![100, 30, 20],
                vec![0, 25, 20],
                vec![0, 0, 0]
            ]
        );
    }

    #[test]
    fn what_was_drawn_before_the_end_stays_drawn_and_the_rest_is_gone() {
        let mut all = [
            top_up(1, 100, None),
            top_up(2, 50, Some("2026-11-20T00:00:00Z")),
        ];
        let (before, after) = ("2026-11-19T23:59:59Z", "2026-11-20T00:00:00Z");
        let seen = steps(&mut all, &[(30, before), (70, after)]);
        assert_eq!(seen, [vec![0, 30], vec![40, 30]]);
        assert_eq!(left(all.iter(), at(after)), units(60));
    }
}
