//! How every budget stands in its current window, from the policy's limits and the ledger's rows.
//!
//! For whoever reads it a lease is still there to be spent: requests of the guard that has it are admitted
//! from it, and what none takes comes back within seconds. What requests under way take of this guard's own
//! leases is held; of other guards' leases it shows once they have reported. So settled, overrun, unknown,
//! held and remaining add up to the limit and what top-ups allow beyond it, unless a prediction was too low.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::ledger::{AccountKey, Balance, Cap, ReplicaId, TopUp, left};
use crate::policy::{Account, Budget, Dimension, Policy};
use crate::telemetry::BudgetReading;
use crate::units::{Amount, Percent, Span, Unit, UtcTime};

/// What the books say, as far as it bears on how budgets stand.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) balances: Vec<Balance>,
    pub(super) top_ups: Vec<TopUp>,
    /// The limits that guards on the same books have published: of two, the lower one holds.
    pub(super) published: Vec<(ReplicaId, Cap)>,
}

/// A budget, or one partition of it, as it stands.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Standing {
    pub(super) name: Arc<str>,
    pub(super) unit: Unit,
    pub(super) limit: Option<Amount>,
    pub(super) partition: Arc<str>,
    window: Span,
    pub(super) settled: Amount,
    pub(super) held: Amount,
    pub(super) unknown: Amount,
    pub(super) overrun: Amount,
    /// What top-ups allow in this window: what it draws of them, and what is left.
    top_up: Amount,
    pub(super) remaining: Option<Amount>,
    /// Used of the limit and the top-ups, to two decimals, rounded down.
    percent: Option<Amount>,
    pub(super) state: State,
    /// Until the window ends, the day that has begun included.
    days_left: Option<i64>,
    /// When nothing is left, should this window go on as it did so far; nothing where it lasts.
    exhausts_at: Option<UtcTime>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Ok,
    Low,
    Exhausted,
    Over,
    Unlimited,
}

/// One for each budget in force and each of its partitions, in the order of names. A budget that nobody
/// has touched in this window stands there with all of its limit left.
pub(super) fn standings(policy: &Policy, books: Books, now: UtcTime) -> Vec<Standing> {
    let Books {
        balances,
        top_ups,
        published,
    } = books;
    let mut rows: BTreeMap<AccountKey, Balance> = balances
        .into_iter()
        .map(|balance| (AccountKey::from(&balance.account), balance))
        .collect();
    let mut standings = Vec::new();
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
        let limit = lowest(budget, &published);
        standings.extend(current.map(|balance| {
            let own = top_ups
                .iter()
                .filter(|top_up| top_up.is_for(&balance.account));
            let top_up = balance.drawn.saturating_add(left(own, now));
            Standing::of(budget, window, limit, top_up, balance, now)
        }));
    }
    standings
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

fn lowest(budget: &Budget, published: &[(ReplicaId, Cap)]) -> Option<Amount> {
    let same = |cap: &&Cap| cap.budget == *budget.name() && cap.unit == budget.unit();
    let caps = published.iter().map(|(_, cap)| cap).filter(same);
    let published = caps.filter_map(|cap| cap.limit);
    published.chain(budget.limit()).min()
}

impl Standing {
    fn of(
        budget: &Budget,
        window: Span,
        limit: Option<Amount>,
        top_up: Amount,
        balance: &Balance,
        now: UtcTime,
    ) -> Self {
        let used = balance.used().unwrap_or(Amount::MAX).minus(balance.leased);
        let most = limit.map(|limit| limit.saturating_add(top_up));
        let remaining = most.map(|most| most.minus(used));
        let rate = Rate {
            spent: used.minus(balance.held),
            since: window.start,
        };
        Self {
            name: Arc::clone(budget.name()),
            unit: budget.unit(),
            limit,
            partition: Arc::clone(&balance.account.partition),
            window,
            settled: balance.settled,
            held: balance.held,
            unknown: balance.unknown,
            overrun: balance.overrun,
            top_up,
            remaining,
            percent: most.map(|most| percent(used, most)),
            state: most.map_or(State::Unlimited, |most| state(budget, used, most)),
            days_left: window.end.map(|end| days_until(end, now)),
            exhausts_at: remaining
                .zip(window.end)
                .and_then(|(left, end)| rate.exhausts(left, now).filter(|at| *at < end)),
        }
    }

    /// Where it stands in the list: sorts as the list does.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.name, self.partition)
    }
}

impl State {
    pub(super) const ALL: [Self; 5] = [
        Self::Ok,
        Self::Low,
        Self::Exhausted,
        Self::Over,
        Self::Unlimited,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Low => "low",
            Self::Exhausted => "exhausted",
            Self::Over => "over",
            Self::Unlimited => "unlimited",
        }
    }
}

impl From<&Standing> for BudgetReading {
    fn from(standing: &Standing) -> Self {
        Self {
            budget: standing.name.to_string(),
            unit: standing.unit,
            partition: standing.partition.to_string(),
            limit: standing.limit,
            settled: standing.settled,
            held: standing.held,
            unknown: standing.unknown,
            overrun: standing.overrun,
            remaining: standing.remaining,
        }
    }
}

/// Where nothing may be spent, all of it is used.
fn percent(used: Amount, most: Amount) -> Amount {
    const HUNDREDTH_OF_A_PERCENT: i128 = 10_000;
    const ALL: i64 = 100_000_000;
    let hundredths = i128::from(used.micros())
        .saturating_mul(HUNDREDTH_OF_A_PERCENT)
        .checked_div(i128::from(most.micros()));
    let micros = hundredths.map_or(ALL, |hundredths| {
        i64::try_from(hundredths.saturating_mul(10_000)).unwrap_or(i64::MAX)
    });
    Amount::from_micros(micros).unwrap_or_default()
}

fn state(budget: &Budget, used: Amount, most: Amount) -> State {
    let warning = budget.alerts().iter().rev().find(|alert| alert.0 < 100);
    let Percent(low) = warning.copied().unwrap_or(Percent(90));
    let part = i128::from(used.micros()).saturating_mul(100);
    if used > most {
        State::Over
    } else if used == most {
        State::Exhausted
    } else if part >= i128::from(most.micros()).saturating_mul(low.into()) {
        State::Low
    } else {
        State::Ok
    }
}

fn days_until(end: UtcTime, now: UtcTime) -> i64 {
    const DAY: i64 = 86_400;
    let seconds = end.as_second().saturating_sub(now.as_second()).max(0);
    seconds.saturating_add(DAY - 1) / DAY
}

/// How fast a window has been spent since it began.
struct Rate {
    spent: Amount,
    since: UtcTime,
}

impl Rate {
    /// Before this a window says too little about itself.
    const EARLIEST: Duration = Duration::from_hours(1);

    fn exhausts(&self, left: Amount, now: UtcTime) -> Option<UtcTime> {
        let elapsed = Duration::try_from(now.duration_since(self.since)).ok()?;
        if elapsed < Self::EARLIEST || left.is_zero() {
            return None;
        }
        let elapsed = i128::try_from(elapsed.as_micros()).ok()?;
        let wait = i128::from(left.micros())
            .checked_mul(elapsed)?
            .checked_div(i128::from(self.spent.micros()))?;
        let wait = u64::try_from(wait / 1_000_000).ok()?;
        now.checked_add(Duration::from_secs(wait)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::NewTopUp;

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
        alerts = [50, 80, 100]
        [[budgets]]
        name = "tally"
        unit = "aum"
        window = "forever"
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

    fn amount(text: &str) -> Amount {
        text.parse().expect(text)
    }

    fn policy() -> Policy {
        Policy::parse(POLICY, "policy.toml").unwrap_or_else(|error| panic!("{error}"))
    }

    fn november() -> Balance {
        let window = policy().budgets()[0]
            .window()
            .at(at("2026-11-22T00:00:00Z"))
            .expect("a window");
        Balance::empty(Account {
            budget: "org".into(),
            partition: "".into(),
            unit: Unit::Pu,
            window,
        })
    }

    fn org(balance: Balance, top_ups: Vec<TopUp>, now: &str) -> Standing {
        let books = Books {
            balances: vec![balance],
            top_ups,
            published: Vec::new(),
        };
        let mut all = standings(&policy(), books, at(now));
        assert_eq!(all.len(), 3, "{all:?}");
        all.remove(0)
    }

    fn top_up(amount: Amount, drawn: Amount) -> TopUp {
        let new = NewTopUp {
            budget: "org".into(),
            partition: "".into(),
            unit: Unit::Pu,
            amount,
            expires_at: None,
            reason: "harvest".into(),
            by: "ops".into(),
            key: None,
        };
        TopUp {
            drawn,
            ..TopUp::of(new, 1, UtcTime::UNIX_EPOCH)
        }
    }

    #[test]
    fn an_untouched_budget_has_all_of_its_limit_left_and_an_old_window_is_gone() {
        let spent = Balance {
            settled: Amount::ONE,
            ..november()
        };
        let left = |now: &str| {
            let standing = org(spent.clone(), Vec::new(), now);
            standing.remaining.expect("a limit").to_string()
        };
        assert_eq!(left("2026-11-30T23:59:59Z"), "9");
        assert_eq!(left("2026-12-01T00:00:00Z"), "10");
        let books = Books::default();
        let all = standings(&policy(), books, at("2026-11-22T00:00:00Z"));
        let places: Vec<_> = all.iter().map(Standing::place).collect();
        assert_eq!(places, ["org:", "tally:", "teams:team=agriculture"]);
        assert_eq!(all[1].state, State::Unlimited);
        assert_eq!((all[1].remaining, all[1].percent), (None, None));
    }

    #[test]
    fn every_column_counts_but_a_lease_that_may_still_be_spent() {
        let balance = Balance {
            settled: amount("1"),
            overrun: amount("0.25"),
            unknown: amount("2"),
            held: amount("0.5"),
            leased: amount("3"),
            drawn: amount("1"),
            ..november()
        };
        let all = [top_up(amount("4"), amount("1"))];
        let standing = org(balance, all.to_vec(), "2026-11-22T12:00:00Z");
        assert_eq!(standing.held, amount("0.5"));
        assert_eq!(standing.top_up, amount("4"), "drawn and what is left of it");
        assert_eq!(standing.remaining, Some(amount("10.25")));
        assert_eq!(standing.percent, Some(amount("26.78")), "3.75 of 14");
        assert_eq!(standing.days_left, Some(9));
    }

    #[test]
    fn the_state_is_low_from_the_highest_alert_below_a_hundred() {
        for (used, percent, state) in [
            ("7.999999", "79.99", State::Ok),
            ("8", "80", State::Low),
            ("9.999999", "99.99", State::Low),
            ("10", "100", State::Exhausted),
            ("10.000001", "100", State::Over),
            ("20", "200", State::Over),
        ] {
            let balance = Balance {
                unknown: amount(used),
                ..november()
            };
            let standing = org(balance, Vec::new(), "2026-11-22T12:00:00Z");
            assert_eq!(standing.state, state, "{used}");
            assert_eq!(standing.percent, Some(amount(percent)), "{used}");
            assert!(State::ALL.contains(&state));
        }
    }

    #[test]
    fn a_budget_runs_out_when_it_goes_on_as_it_did() {
        let spent = |settled: &str, held: &str| Balance {
            settled: amount(settled),
            held: amount(held),
            ..november()
        };
        let out = |balance, now: &str| org(balance, Vec::new(), now).exhausts_at;
        let half = at("2026-11-16T00:00:00Z");
        assert_eq!(
            out(spent("7.5", "0"), "2026-11-16T00:00:00Z"),
            Some(at("2026-11-21T00:00:00Z"))
        );
        assert_eq!(
            out(spent("5", "0"), "2026-11-16T00:00:00Z"),
            None,
            "{half} is too early"
        );
        assert_eq!(
            out(spent("0", "9"), "2026-11-16T00:00:00Z"),
            None,
            "nothing is spent"
        );
        assert_eq!(
            out(spent("10", "0"), "2026-11-16T00:00:00Z"),
            None,
            "it has run out"
        );
        assert_eq!(
            out(spent("5", "0"), "2026-11-01T00:30:00Z"),
            None,
            "it has just begun"
        );
    }

    #[test]
    fn the_lowest_limit_that_a_guard_has_published_is_the_one_that_holds() {
        let replica = |number| ReplicaId::from_uuid(uuid::Uuid::from_u128(number));
        let cap = |limit: Option<&str>| Cap {
            budget: "org".into(),
            unit: Unit::Pu,
            limit: limit.map(amount),
        };
        let limits = [Some("12"), Some("4"), None];
        let books = Books {
            published: (1..).map(replica).zip(limits.map(cap)).collect(),
            ..Books::default()
        };
        let all = standings(&policy(), books, at("2026-11-22T12:00:00Z"));
        assert_eq!(all[0].limit, Some(amount("4")));
    }
}
