//! What bytes cost that leave Planet: the price of a prediction, and of those that were counted.

use super::batch::PRICE_LIST;
use super::{Charged, Estimate, Line, Plan, Prices};
use crate::units::{Amount, ByteCount, Unit};

/// GB are taken for 10^9 bytes: the smaller of the two readings, so that there are more of them.
const BYTES_PER_GB: u128 = 1_000_000_000;
/// The rule under which bytes behind a link are predicted where they are not counted, or where what leads
/// to them is charged already.
pub(super) const BY_LINK: &str = "download-egress";

/// What so many bytes cost that pass by a link; nothing on a plan that charges no PU. More than can be
/// counted is the most that there is.
pub fn passing(bytes: ByteCount, prices: &Prices, plan: &Plan) -> Amount {
    if !plan.charges.contains(&Charged::Pu) {
        return Amount::ZERO;
    }
    price(bytes.0.into(), prices).unwrap_or(Amount::MAX)
}

/// What an estimate reserves for bytes that will pass by a link.
pub fn reserved(estimate: &Estimate) -> Amount {
    let lines = estimate.lines.iter();
    lines
        .filter(|line| line.rule == BY_LINK)
        .fold(Amount::ZERO, |sum, line| sum.saturating_add(line.amount))
}

/// Tells who only asks that bytes will be charged as they pass, where nothing is reserved for them.
pub fn notice(estimate: &Estimate, prices: &Prices, plan: &Plan) -> Option<Line> {
    let is_charged = plan.charges.contains(&Charged::Pu);
    let is_new = is_charged && reserved(estimate).is_zero();
    is_new.then(|| Line {
        rule: "metered-egress",
        unit: Unit::Pu,
        amount: Amount::ZERO,
        quantity: format!(
            "each byte as it passes, {} PU for each GB",
            prices.egress_gb
        ),
        source: PRICE_LIST,
        exact: false,
    })
}

/// Rounded up to a millionth; `None` when past counting.
pub(super) fn price(bytes: u128, prices: &Prices) -> Option<Amount> {
    let micros = u128::from(prices.egress_gb.micros().unsigned_abs())
        .checked_mul(bytes)?
        .div_ceil(BYTES_PER_GB);
    Amount::from_micros(i64::try_from(micros).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(bytes: u64, plan: &Plan) -> i64 {
        passing(ByteCount(bytes), &Prices::default(), plan).micros()
    }

    #[test]
    fn a_gigabyte_is_200_pu_and_a_single_byte_is_not_free() {
        let plan = Plan::default();
        assert_eq!(micros(1_000_000_000, &plan), 200_000_000);
        // Planet's example: 0.46 GB are 92 PU
        assert_eq!(micros(460_000_000, &plan), 92_000_000);
        assert_eq!(micros(1, &plan), 1);
        assert_eq!(micros(0, &plan), 0);
        let dear = Prices {
            egress_gb: Amount::MAX.into(),
            ..Prices::default()
        };
        assert_eq!(passing(ByteCount(u64::MAX), &dear, &plan), Amount::MAX);
    }

    #[test]
    fn a_plan_without_pu_charges_no_bytes() {
        let plan = Plan {
            charges: vec![Charged::Km2],
            ..Plan::default()
        };
        assert_eq!(micros(1_000_000_000, &plan), 0);
        let estimate = Estimate::default();
        assert_eq!(notice(&estimate, &Prices::default(), &plan), None);
        let told = notice(&estimate, &Prices::default(), &Plan::default()).unwrap();
        assert!(told.amount.is_zero() && !told.exact && told.quantity.contains("200 PU"));
    }
}
