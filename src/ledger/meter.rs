//! Planet's own figures of what an account has used, read once a day and compared with the books: what grows there
//! and is not known here was spent elsewhere, and is entered as an adjustment.
//!
//! A figure only ever adds. One that is smaller than ours gives nothing back; one that falls is a new term's.

use std::sync::Arc;

use super::{NewReservation, Record, RequestId};
use crate::units::{Amount, Unit, UtcTime, today};

/// The team that adjustments are booked for.
pub const UNATTRIBUTED: &str = "unattributed";
/// The API of what is no request: an adjustment.
pub const ACCOUNT: &str = "account";

/// One of Planet's figures, and what the books have of the same since it was first read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Meter {
    pub upstream: Arc<str>,
    /// As Planet names what it counts.
    pub product: Arc<str>,
    pub unit: Unit,
    /// When it was first read, in this term.
    pub since: UtcTime,
    pub first: Amount,
    pub last: Amount,
    pub read_at: UtcTime,
    /// When the figure was last seen to differ.
    pub moved_at: UtcTime,
    /// What the books have of requests before `counted_until`, which nobody corrects any more.
    pub counted: Amount,
    pub counted_until: UtcTime,
    /// What the books had in all at the last reading.
    pub ours: Amount,
    /// What was entered as spent elsewhere.
    pub adjusted: Amount,
}

/// What a reading of a meter comes to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reading {
    /// When the meter had been read before; `None`: never. A meter that somebody else has read meanwhile is
    /// left as it is.
    pub before: Option<UtcTime>,
    pub meter: Meter,
    /// What was spent elsewhere.
    pub external: Option<NewReservation>,
    /// What people want to read about.
    pub note: Option<String>,
}

/// Which of the books' requests a meter counts too.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Spending {
    pub unit: Unit,
    /// Empty: of all.
    pub products: Vec<String>,
    /// By when they reserved.
    pub since: UtcTime,
    pub until: UtcTime,
}

impl Meter {
    /// What tells it from others.
    pub fn key(&self) -> (Arc<str>, Arc<str>, Unit) {
        let (upstream, product) = (Arc::clone(&self.upstream), Arc::clone(&self.product));
        (upstream, product, self.unit)
    }

    /// How much Planet's figure has grown.
    pub fn growth(&self) -> Amount {
        self.last.minus(self.first)
    }

    /// The name of a day's adjustment: whoever makes it, it is the same.
    pub fn adjustment(&self, now: UtcTime) -> RequestId {
        let day = now.strftime("%Y-%m-%d");
        let (upstream, product, unit) = self.key();
        let name = format!("{upstream}\n{product}\n{unit}\n{day}");
        RequestId::of_name(today(now), &name)
    }
}

impl Spending {
    /// What it counts of one request: what was charged, as far as that is known, or what is predicted.
    pub fn of(&self, record: &Record) -> Amount {
        let of_product = |product: &Arc<str>| self.products.iter().any(|one| **one == **product);
        let meant = self.products.is_empty() || record.product.as_ref().is_some_and(of_product);
        let reserved = self.since <= record.reserved_at && record.reserved_at < self.until;
        if !meant || !reserved || &*record.api == ACCOUNT {
            return Amount::ZERO;
        }
        let charged = record.state.charged_of(self.unit);
        let predicted = record.predicted.get(self.unit);
        predicted.map_or(Amount::ZERO, |predicted| charged.unwrap_or(predicted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UtcTime {
        text.parse().expect(text)
    }

    fn meter(product: &str) -> Meter {
        let now = UtcTime::UNIX_EPOCH;
        Meter {
            upstream: "planet".into(),
            product: product.into(),
            unit: Unit::Quota,
            since: now,
            first: Amount::ONE,
            last: Amount::ZERO,
            read_at: now,
            moved_at: now,
            counted: Amount::ZERO,
            counted_until: now,
            ours: Amount::ZERO,
            adjusted: Amount::ZERO,
        }
    }

    #[test]
    fn a_day_has_one_adjustment_of_each_meter() {
        let (morning, night) = (at("2026-11-22T00:00:00Z"), at("2026-11-22T23:59:59Z"));
        let one = meter("PS").adjustment(morning);
        assert_eq!(one, meter("PS").adjustment(night));
        assert_ne!(one, meter("PS").adjustment(at("2026-11-23T00:00:00Z")));
        assert_ne!(one, meter("SkySat").adjustment(morning));
    }

    #[test]
    fn a_figure_that_has_fallen_has_not_grown() {
        assert_eq!(meter("PS").growth(), Amount::ZERO);
    }
}
