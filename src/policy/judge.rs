//! [`Policy::judge`]: which budgets a request touches, and with how much.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

use super::budgets::{Budget, Dimension};
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
/// What stands there for a product that nobody has heard of.
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
        let all = |budget: &Budget, _| Ok(totals.get(budget.unit()).unwrap_or_default());
        let claims: Result<_, Infallible> = self.judge_each(caller, call, now, all);
        claims.unwrap_or_else(|never| match never {})
    }

    /// The same of what goes on spending: each budget is asked for the `share` that its window will see.
    pub fn judge_each<E>(
        &self,
        caller: &Caller,
        call: Call<'_>,
        now: UtcTime,
        mut share: impl FnMut(&Budget, Span) -> Result<Amount, E>,
    ) -> Result<Vec<Claim>, E> {
        let mut claims = Vec::new();
        for budget in &self.budgets {
            let Some(window) = budget.window().at(now) else {
                continue;
            };
            let partitions = self.partitions(budget, caller, call);
            if partitions.is_empty() {
                continue;
            }
            let amount = match budget.unit() {
                Unit::Requests => Amount::ONE,
                _ => share(budget, window)?,
            };
            if amount.is_zero() {
                continue;
            }
            let of = |partition| claim(budget, partition, window, amount);
            claims.extend(partitions.into_iter().map(of));
        }
        claims.sort_by(|one, other| one.account.cmp(&other.account));
        Ok(claims)
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
        let in_policy = || {
            self.budgets
                .iter()
                .flat_map(|budget| budget.matching().products().unwrap_or_default())
                .find(|name| products::same(name, written))
        };
        products::known(written)
            .or_else(|| in_policy().map(|name| &**name))
            .unwrap_or(OTHER_PRODUCT)
    }
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

#[cfg(test)]
mod tests {
    use super::super::testing::{at, caller, policy, products};
    use super::*;

    const NOON: &str = "2026-11-22T12:00:00Z";

    fn pu(whole: u64) -> Amounts {
        Amounts::of(Unit::Pu, Amount::from_whole(whole).unwrap())
    }

    /// `budget/partition=amount` of each claim of agriculture's key.
    fn claims(more: &str, api: Api, names: &[&str], totals: &Amounts, now: &str) -> Vec<String> {
        let products = products(names);
        let call = Call {
            api,
            products: &products,
        };
        policy(more)
            .judge(&caller("agriculture", "ag-1"), call, totals, at(now))
            .iter()
            .map(|claim| {
                let Account {
                    budget, partition, ..
                } = &claim.account;
                format!("{budget}/{partition}={}", claim.amount)
            })
            .collect()
    }

    fn budget(name: &str, rest: &str) -> String {
        format!("[[budgets]]\nname = \"{name}\"\nlimit = 100\nwindow = \"day\"\n{rest}\n")
    }

    #[test]
    fn budgets_claim_what_is_counted_in_their_unit() {
        let text = [
            budget("b-pu", "unit = \"pu\""),
            budget("c-calls", "unit = \"requests\""),
            budget("a-aum", "unit = \"aum\""),
        ]
        .concat();
        let of = |totals: &Amounts| claims(&text, Api::Process, &[], totals, NOON);
        assert_eq!(of(&pu(7)), ["b-pu/=7", "c-calls/=1"]);
        assert_eq!(of(&Amounts::default()), ["c-calls/=1"]);
        assert_eq!(of(&pu(0)), ["c-calls/=1"], "nothing spent, nothing claimed");
        let several = Amounts::of(Unit::Requests, Amount::from_whole(9).unwrap());
        assert_eq!(of(&several), ["c-calls/=1"], "a request is one request");
    }

    #[test]
    fn every_list_of_a_match_must_match() {
        for (matching, api, names, touched) in [
            ("{}", Api::Orders, &[][..], true),
            ("{ teams = [\"agriculture\"] }", Api::Orders, &[], true),
            ("{ teams = [\"forest\"] }", Api::Orders, &[], false),
            ("{ keys = [\"fo-1\", \"ag-1\"] }", Api::Orders, &[], true),
            ("{ keys = [\"unknown\"] }", Api::Orders, &[], false),
            ("{ apis = [\"orders\"] }", Api::Process, &[], false),
            (
                "{ apis = [\"orders\"], teams = [\"forest\"] }",
                Api::Orders,
                &[],
                false,
            ),
            (
                "{ products = [\"PSScene\"] }",
                Api::Orders,
                &["psscene"],
                true,
            ),
            (
                "{ products = [\"PSScene\"] }",
                Api::Orders,
                &["dem", "PSScene"],
                true,
            ),
            ("{ products = [\"PSScene\"] }", Api::Orders, &["dem"], false),
            (
                "{ products = [\"S2L2A\"] }",
                Api::Process,
                &["sentinel-2-l2a"],
                true,
            ),
            ("{ products = [\"PSScene\"] }", Api::Orders, &[], false),
        ] {
            let text = budget("b", &format!("unit = \"pu\"\nmatch = {matching}"));
            let claims = claims(&text, api, names, &pu(1), NOON);
            assert_eq!(!claims.is_empty(), touched, "{matching} {api} {names:?}");
        }
    }

    #[test]
    fn a_budget_is_kept_apart_by_what_it_is_per() {
        let text = budget("b", "unit = \"pu\"\nper = [\"api\", \"key\", \"team\"]");
        assert_eq!(
            claims(&text, Api::Process, &["dem"], &pu(1), NOON),
            ["b/team=agriculture,key=ag-1,api=process=1"],
            "in one order, however the list was written"
        );
    }

    #[test]
    fn each_product_is_asked_for_all_of_it_and_unheard_ones_share_a_partition() {
        let per_product = budget("b", "unit = \"pu\"\nper = [\"product\"]");
        let of = |names: &[&str]| claims(&per_product, Api::Orders, names, &pu(3), NOON);
        assert_eq!(
            of(&["SkySatScene", "psscene", "PSScene"]),
            ["b/product=PSScene=3", "b/product=SkySatScene=3"]
        );
        assert_eq!(of(&["x1", "x2"]), ["b/product=other=3"]);
        assert_eq!(of(&[]), ["b/product=none=3"]);
        let named = budget("a", "unit = \"aum\"\nmatch = { products = [\"byoc-1\"] }");
        assert_eq!(
            claims(
                &(per_product + &named),
                Api::Process,
                &["BYOC-1"],
                &pu(3),
                NOON
            ),
            ["b/product=byoc-1=3"],
            "a product that the policy names is known"
        );
    }

    #[test]
    fn a_product_outside_the_match_has_no_partition() {
        let text = budget(
            "b",
            "unit = \"pu\"\nper = [\"product\"]\nmatch = { products = [\"PSScene\"] }",
        );
        assert_eq!(
            claims(
                &text,
                Api::Orders,
                &["PSScene", "SkySatScene"],
                &pu(3),
                NOON
            ),
            ["b/product=PSScene=3"]
        );
    }

    #[test]
    fn a_term_binds_from_its_start_up_to_its_end() {
        let text = "[[budgets]]\nname = \"t\"\nunit = \"pu\"\nlimit = 1\n\
                    window = { start = 2026-01-01T00:00:00Z, end = 2027-01-01T00:00:00+01:00 }";
        for (now, in_force) in [
            ("2025-12-31T23:59:59Z", false),
            ("2026-01-01T00:00:00Z", true),
            ("2026-12-31T22:59:59Z", true),
            ("2026-12-31T23:00:00Z", false),
        ] {
            let claims = claims(text, Api::Process, &[], &pu(1), now);
            assert_eq!(!claims.is_empty(), in_force, "{now}");
        }
    }

    #[test]
    fn days_begin_in_the_time_zone_of_the_budget() {
        let text = budget("b", "unit = \"pu\"\ntimezone = \"Pacific/Auckland\"");
        let call = Call {
            api: Api::Process,
            products: &[],
        };
        let claims = policy(&text).judge(&caller("forest", "fo-1"), call, &pu(1), at(NOON));
        assert_eq!(claims[0].account.window.start, at("2026-11-22T11:00:00Z"));
    }

    #[test]
    fn what_is_allowed_over_the_limit_is_claimed_without_force() {
        let text = budget("a", "unit = \"pu\"\non_breach = \"allow\"")
            + "[[budgets]]\nname = \"b\"\nunit = \"pu\"\nwindow = \"forever\"\n"
            + &budget("c", "unit = \"pu\"");
        let call = Call {
            api: Api::Process,
            products: &[],
        };
        let claims = policy(&text).judge(&caller("forest", "fo-1"), call, &pu(1), at(NOON));
        let force: Vec<_> = claims
            .iter()
            .map(|c| (c.limit.is_some(), c.enforced))
            .collect();
        assert_eq!(force, [(true, false), (false, false), (true, true)]);
    }

    #[test]
    fn claims_come_in_account_order() {
        let text = ["z", "m", "a"].map(|name| budget(name, "unit = \"pu\"\nper = [\"product\"]"));
        let call = Call {
            api: Api::Orders,
            products: &products(&["SkySatScene", "PSScene"]),
        };
        let claims =
            policy(&text.concat()).judge(&caller("forest", "fo-1"), call, &pu(1), at(NOON));
        let accounts: Vec<_> = claims.iter().map(|claim| claim.account.clone()).collect();
        let mut sorted = accounts.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!((accounts.len(), &accounts), (6, &sorted));
    }
}
