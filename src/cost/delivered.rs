//! What is left of an order's price when some of its items were not delivered.
//!
//! The order as Planet shows it is priced twice, whole and without them. What it does not show, such as where it
//! was delivered to, is in neither price; so their ratio is what counts, and not their difference.

use std::num::NonZeroU128;

use super::{Plan, Prices, orders};
use crate::planet::orders::{OrderAsk, Ordered};
use crate::units::{Amount, Unit};

/// How much of `charged` PU an order costs without the items that are `missing`, rounded up; `None` where that
/// cannot be said.
pub fn without(
    ask: &OrderAsk,
    missing: &[String],
    charged: Amount,
    prices: &Prices,
    plan: &Plan,
) -> Option<Amount> {
    let mut rest = ask.clone();
    for product in &mut rest.products {
        if let Ordered::Scenes(scenes) = product {
            scenes.item_ids.retain(|item| !missing.contains(item));
        }
    }
    rest.products.retain(
        |product| !matches!(product, Ordered::Scenes(scenes) if scenes.item_ids.is_empty()),
    );
    let pu = |ask: &OrderAsk| {
        let estimate = orders::settled(ask, prices, plan).ok()?;
        estimate.totals()?.get(Unit::Pu)
    };
    let whole = u128::try_from(pu(ask)?.micros()).ok()?;
    let rest = u64::try_from(pu(&rest)?.micros()).ok()?;
    let left = charged.checked_scale_ceil(rest, NonZeroU128::new(whole)?)?;
    Some(left.min(charged))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::planet::orders::read;

    fn left(tools: &Value, missing: &[&str], charged: u64) -> Option<i64> {
        let body = json!({"tools": tools, "products": [
            {"item_type": "PSScene", "product_bundle": "visual", "item_ids": ["a", "b", "c", "d"]}]});
        let ask = read(body.to_string().as_bytes()).unwrap();
        let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
        let charged = Amount::from_whole(charged).unwrap();
        let left = without(
            &ask,
            &missing,
            charged,
            &Prices::default(),
            &Plan::default(),
        );
        left.map(Amount::whole_floor)
    }

    #[test]
    fn each_item_is_worth_its_part() {
        assert_eq!(left(&json!([]), &["a"], 400), Some(300));
        assert_eq!(left(&json!([]), &["a", "b", "d"], 400), Some(100));
        assert_eq!(left(&json!([]), &["unknown"], 400), Some(400));
    }

    #[test]
    fn what_is_priced_by_the_order_is_not_divided() {
        let coregistered = json!([{"coregister": {"anchor_item": "d"}}]);
        let part = left(&coregistered, &["a", "b", "c"], 1000).unwrap();
        assert!(part > 250, "{part}");
    }

    #[test]
    fn what_has_no_price_is_not_guessed() {
        assert_eq!(left(&json!([{"upscale": {}}]), &["a"], 400), None);
    }
}
