//! How every budget stands in its current window, from the policy's limits and the ledger's rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ledger::{AccountKey, Balance};
use crate::policy::{Account, Budget, Dimension, Policy};
use crate::telemetry::BudgetReading;
use crate::units::UtcTime;

/// One reading for each budget in force and each of its partitions. A budget that nobody has touched in
/// this window stands there with all of its limit left.
pub(super) fn readings(
    policy: &Policy,
    balances: Vec<Balance>,
    now: UtcTime,
) -> Vec<BudgetReading> {
    let mut rows: BTreeMap<AccountKey, Balance> = balances
        .into_iter()
        .map(|balance| (AccountKey::from(&balance.account), balance))
        .collect();
    let mut readings = Vec::new();
    for budget in policy.budgets() {
        let Some(window) = budget.window().at(now) else {
            continue;
        };
        for partition in known_partitions(budget, policy) {
            let account = Account {
                budget: Arc::clone(budget.name()),
                partition,
                unit: budget.unit(),
                window,
            };
            rows.entry(AccountKey::from(&account))
                .or_insert_with(|| Balance::empty(account));
        }
        let current = rows.values().filter(|balance| {
            let account = &balance.account;
            account.budget == *budget.name()
                && account.unit == budget.unit()
                && account.window.start == window.start
        });
        readings.extend(current.map(|balance| reading(budget, balance)));
    }
    readings
}

/// The partitions that exist before anybody spends: the whole, or each team that the policy names.
fn known_partitions(budget: &Budget, policy: &Policy) -> Vec<Arc<str>> {
    let per: Vec<&Dimension> = budget.per().iter().collect();
    match per.as_slice() {
        [] => vec![Arc::from("")],
        [Dimension::Team] => policy
            .teams()
            .filter(|team| {
                budget
                    .matching()
                    .teams()
                    .is_none_or(|teams| teams.contains(team.name()))
            })
            .map(|team| format!("team={}", team.name()).into())
            .collect(),
        _ => Vec::new(),
    }
}

fn reading(budget: &Budget, balance: &Balance) -> BudgetReading {
    BudgetReading {
        budget: budget.name().to_string(),
        unit: budget.unit(),
        partition: balance.account.partition.to_string(),
        limit: budget.limit(),
        settled: balance.settled,
        held: balance.held,
        unknown: balance.unknown,
        overrun: balance.overrun,
        remaining: budget.limit().map(|limit| balance.remaining(limit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Amount, Unit};

    const POLICY: &str = r#"
        [upstreams.planet]
        url = "https://api.planet.com"
        mount = "/"
        [[teams]]
        name = "agriculture"
        keys = []
        [[budgets]]
        name = "org"
        unit = "pu"
        limit = 10
        window = "month"
        [[budgets]]
        name = "teams"
        unit = "requests"
        limit = 5
        window = "day"
        per = ["team"]
    "#;

    fn at(text: &str) -> UtcTime {
        text.parse().expect(text)
    }

    #[test]
    fn an_untouched_budget_has_all_of_its_limit_left_and_an_old_window_is_gone() {
        let policy = Policy::parse(POLICY, "policy.toml").unwrap_or_else(|error| panic!("{error}"));
        let november = policy.budgets()[0]
            .window()
            .at(at("2026-11-22T00:00:00Z"))
            .expect("a window");
        let account = Account {
            budget: "org".into(),
            partition: "".into(),
            unit: Unit::Pu,
            window: november,
        };
        let spent = Balance {
            settled: Amount::ONE,
            ..Balance::empty(account)
        };
        let left = |now: &str| {
            let readings = readings(&policy, vec![spent.clone()], at(now));
            assert_eq!(readings.len(), 2);
            assert_eq!(readings[1].partition, "team=agriculture");
            readings[0].remaining.expect("a limit").to_string()
        };
        assert_eq!(left("2026-11-30T23:59:59Z"), "9");
        assert_eq!(left("2026-12-01T00:00:00Z"), "10");
    }
}
