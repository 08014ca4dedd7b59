//! [`Policy::judge`]: which budgets a request touches, and with how much.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::budgets::{Budget, Dimension};
use super::matching::same_product;
use super::products;
use super::{Account, Caller, Claim, Policy};
use crate::planet::Api;
use crate::units::{Amount, Amounts, Span, Unit, UtcTime};

/// What a budget's `match` and `per` look at, besides the caller.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    pub api: Api,
    /// Item types, collections, mosaics; as the caller wrote them.
    pub products: &'a [Arc<str>],
}

/// What stands in a partition for a call that names no product.
const NO_PRODUCT: &str = "none";
/// What stands there for a product that nobody has heard of: callers choose these texts, and must not
/// be able to open a fresh budget with each new one.
const OTHER_PRODUCT: &str = "other";

impl Policy {
    /// The claims of a request, in account order, each account once. A request that costs nothing of a
    /// budget's unit claims nothing of it; of `requests` every request claims one.
    ///
    /// Several products share one cost that cannot be divided between them: a budget that is kept per
    /// product is asked for all of it by each.
    pub fn judge(
        &self,
        caller: &Caller,
        call: Call<'_>,
        totals: &Amounts,
        now: UtcTime,
    ) -> Vec<Claim> {
        let mut claims = Vec::new();
        for budget in &self.budgets {
            let Some(amount) = amount_of(budget.unit(), totals) else {
                continue;
            };
            let Some(window) = budget.window().at(now) else {
                continue;
            };
            for partition in self.partitions(budget, caller, call) {
                claims.push(claim(budget, partition, window, amount));
            }
        }
        claims.sort_by(|one, other| one.account.cmp(&other.account));
        claims
    }

    /// The partitions of `budget` that the call falls in: none if it is not meant.
    fn partitions(&self, budget: &Budget, caller: &Caller, call: Call<'_>) -> BTreeSet<Arc<str>> {
        let matching = budget.matching();
        if !matching.covers(caller, call.api) {
            return BTreeSet::new();
        }
        let meant = |product: &&Arc<str>| matching.covers_product(product);
        let products = call.products.iter().filter(meant);
        let products: BTreeSet<&str> = products.map(|name| self.known_product(name)).collect();
        if products.is_empty() && matching.products().is_some() {
            return BTreeSet::new();
        }
        let of_product = |product: &str| partition(budget, caller, call.api, product);
        if products.is_empty() {
            return BTreeSet::from([of_product(NO_PRODUCT)]);
        }
        products.into_iter().map(of_product).collect()
    }

    /// The product's name as Planet or this policy spells it.
    fn known_product(&self, written: &str) -> &str {
        let in_policy = self.budgets.iter();
        in_policy
            .flat_map(|budget| budget.matching().products().unwrap_or_default())
            .map(|name| &**name)
            .chain(products::KNOWN.iter().copied())
            .find(|known| same_product(known, written))
            .unwrap_or(OTHER_PRODUCT)
    }
}

fn amount_of(unit: Unit, totals: &Amounts) -> Option<Amount> {
    if unit == Unit::Requests {
        return Some(Amount::ONE);
    }
    totals.get(unit).filter(|amount| !amount.is_zero())
}

/// `team=agriculture,api=orders`; empty for a budget that is not `per` anything.
fn partition(budget: &Budget, caller: &Caller, api: Api, product: &str) -> Arc<str> {
    let values: Vec<String> = budget
        .per()
        .iter()
        .map(|dimension| {
            let value = match dimension {
                Dimension::Team => &*caller.team,
                Dimension::Key => &*caller.key,
                Dimension::Api => api.name(),
                Dimension::Product => product,
            };
            format!("{dimension}={value}")
        })
        .collect();
    values.join(",").into()
}

fn claim(budget: &Budget, partition: Arc<str>, window: Span, amount: Amount) -> Claim {
    Claim {
        account: Account {
            budget: budget.name().clone(),
            partition,
            unit: budget.unit(),
            window,
        },
        amount,
        limit: budget.limit(),
        enforced: budget.is_enforced(),
    }
}
