//! From the text of a policy file to a [`Policy`]: syntax, keys, values, and then what they say of each
//! other.

use toml::de::DeTable;

use super::fault::{Fault, Path, Source};
use super::raw::{RawPolicy, RawRules};
use super::{Policy, PolicyError, budgets, expectation, not_yet, people, server, upstreams};
use crate::cost::Plan;

pub(super) fn parse(text: &str, file: &str) -> Result<Policy, PolicyError> {
    let source = Source { file, text };
    let tree = DeTable::parse(text).map_err(|error| PolicyError::from_toml(&error, &source))?;
    let located = |fault: Fault| PolicyError::from_fault(&fault, tree.get_ref(), &source);
    if let Some(fault) = not_yet::find(tree.get_ref()) {
        return Err(located(fault));
    }
    let raw: RawPolicy =
        toml::from_str(text).map_err(|error| PolicyError::from_toml(&error, &source))?;
    Policy::try_from(raw).map_err(located)
}

impl TryFrom<RawPolicy> for Policy {
    type Error = Fault;

    fn try_from(raw: RawPolicy) -> Result<Self, Fault> {
        let RawPolicy {
            server,
            store,
            upstreams,
            plan,
            teams,
            identity,
            budgets,
            policy:
                RawRules {
                    unclassified,
                    unpredictable,
                    meter_egress: _,
                    live_estimates: _,
                },
            prices,
            tests,
        } = raw;
        charges_something(&plan)?;
        let people = people::people(teams, &identity)?;
        let budgets = budgets::budgets(budgets, &people, &plan)?;
        let has_budget = |name: &str| budgets.iter().any(|budget| &**budget.name() == name);
        Ok(Self {
            server: server::server(server)?,
            store: server::store(store)?,
            upstreams: upstreams::upstreams(upstreams)?,
            plan,
            prices,
            expectations: expectation::expectations(tests, &people, has_budget)?,
            teams: people.teams,
            keys: people.keys,
            unknown_keys: people.unknown_keys,
            budgets,
            unclassified,
            unpredictable,
        })
    }
}

fn charges_something(plan: &Plan) -> Result<(), Fault> {
    if plan.charges.is_empty() {
        return Err(Fault::new(
            Path::to("plan").key("charges"),
            "an account that is charged in nothing needs no guard",
            "write [\"pu\"], [\"km2\"] or both",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_policy_guards_planet_and_knows_nobody() {
        let text = "[upstreams.planet]\nurl = \"https://api.planet.com\"\nmount = \"/\"\n";
        let policy = parse(text, "p.toml").unwrap();
        assert_eq!(policy.server().public_url, "http://127.0.0.1:8080");
        assert_eq!(policy.upstream_for("/data/v1").unwrap().1, "/data/v1");
        assert_eq!(policy.teams().count(), 0);
    }
}
