//! Planet's rule for queries, by the Catalog and by WFS: area × months, between a minimum and a maximum.

use std::num::NonZeroU128;

use crate::planet::SearchAsk;
use crate::units::{Amount, Unit};

use super::imagery::SOURCE;
use super::{Line, Prices};

/// km² of which the area is 1, in millionths.
const UNIT_MICRO_KM2: u128 = 1_000_000_000_000;
/// The smallest area is one part in so many.
const SMALLEST_AREA: u128 = 100;
/// The shortest month: how Planet counts months is not published.
const MONTH_DAYS: u64 = 28;

/// One query. It always has a price, since a maximum bounds it.
pub fn search(ask: SearchAsk, prices: &Prices) -> Line {
    let (least, most) = (prices.query_minimum.amount(), prices.query_maximum.amount());
    let counted = counted(ask);
    Line {
        rule: "query",
        unit: Unit::Pu,
        amount: counted.unwrap_or(most).max(least).min(most),
        quantity: quantity(ask),
        source: SOURCE,
        exact: counted.is_none_or(|amount| amount >= most) || is_small(ask),
    }
}

/// Before the minimum and the maximum; `None` without end.
fn counted(ask: SearchAsk) -> Option<Amount> {
    let area = u128::from(ask.area?.micros().unsigned_abs()).max(UNIT_MICRO_KM2 / SMALLEST_AREA);
    let over = area.checked_mul(months(ask.days?).into())?;
    Amount::from_ratio_ceil(over, NonZeroU128::new(UNIT_MICRO_KM2)?)
}

fn months(days: u64) -> u64 {
    days.div_ceil(MONTH_DAYS).max(1)
}

/// One month by any calendar, of an area below the smallest.
fn is_small(ask: SearchAsk) -> bool {
    let small = |micros: i64| u128::from(micros.unsigned_abs()) < UNIT_MICRO_KM2 / SMALLEST_AREA;
    ask.days.is_some_and(|days| days <= MONTH_DAYS)
        && ask.area.is_some_and(|area| small(area.micros()))
}

fn quantity(ask: SearchAsk) -> String {
    let area = ask.area.map_or_else(
        || "the whole world".to_owned(),
        |area| format!("{} km²", area.amount().whole_floor()),
    );
    let time = match ask.days.map(months) {
        None => "all time".to_owned(),
        Some(1) => "1 month".to_owned(),
        Some(months) => format!("{months} months of {MONTH_DAYS} days"),
    };
    format!("{area} × {time}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::units::SquareKm;

    fn line(km2: Option<u64>, days: Option<u64>) -> Line {
        let area = km2.map(|km2| SquareKm::from_whole(km2).unwrap());
        search(SearchAsk { area, days }, &Prices::default())
    }

    #[test]
    fn area_times_months_between_the_minimum_and_the_maximum() {
        for (km2, days, pu, exact) in [
            (Some(1), Some(1), "0.01", true),
            (Some(9_999), Some(28), "0.01", true),
            (Some(100), Some(365), "0.14", false),
            (Some(12_363), Some(31), "0.024726", false),
            (Some(100_000), Some(1), "0.1", false),
            (Some(1), Some(100_000), "1", true),
            (Some(510_065_881), Some(1), "1", true),
            (None, Some(1), "1", true),
            (Some(1), None, "1", true),
        ] {
            let line = line(km2, days);
            assert_eq!(
                (line.amount.to_string().as_str(), line.exact),
                (pu, exact),
                "{km2:?} {days:?}"
            );
        }
    }

    #[test]
    fn a_line_says_what_was_counted() {
        assert_eq!(
            line(Some(12_363), Some(31)).quantity,
            "12363 km² × 2 months of 28 days"
        );
        assert_eq!(line(None, None).quantity, "the whole world × all time");
    }

    proptest! {
        #[test]
        fn more_area_or_time_never_costs_less(km2 in 0u64..1_000_000_000, days in 1u64..40_000, more in 0u64..1_000_000) {
            let less = line(Some(km2), Some(days)).amount;
            prop_assert!(line(Some(km2 + more), Some(days)).amount >= less);
            prop_assert!(line(Some(km2), Some(days + more)).amount >= less);
        }
    }
}
