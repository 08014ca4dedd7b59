//! Limits as a policy sets them, and what an edit of it changes, in sentences for the record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Cap, ReplicaId};
use crate::policy::Budget;
use crate::units::{Amount, Unit};

impl From<&Budget> for Cap {
    fn from(budget: &Budget) -> Self {
        Self {
            budget: Arc::clone(budget.name()),
            unit: budget.unit(),
            limit: budget.limit().filter(|_| budget.is_enforced()),
        }
    }
}

/// What is different in `after`; nothing where it is the same.
pub fn changes(before: &[Cap], after: &[Cap]) -> Vec<String> {
    let same = |one: &Cap, other: &Cap| one.budget == other.budget && one.unit == other.unit;
    let mut said = Vec::new();
    for cap in after {
        let was = before.iter().find(|old| same(old, cap));
        match was {
            Some(old) if old.limit == cap.limit => {}
            Some(old) => said.push(format!(
                "budget {} ({}): the limit is {}, it was {}",
                cap.budget,
                cap.unit,
                shown(cap.limit),
                shown(old.limit)
            )),
            None => said.push(format!(
                "budget {} ({}) is new, with the limit {}",
                cap.budget,
                cap.unit,
                shown(cap.limit)
            )),
        }
    }
    let gone = |old: &&Cap| !after.iter().any(|cap| same(old, cap));
    let fresh = |cap: &&Cap| !before.iter().any(|old| same(old, cap));
    for old in before.iter().filter(gone) {
        let twin = |cap: &&Cap| cap.unit == old.unit && cap.limit == old.limit;
        let renamed = after.iter().filter(fresh).find(twin);
        said.push(match renamed {
            Some(cap) => format!(
                "budget {} ({}) is gone and {} has the same limit: if that is a new name for it, nothing \
                 that was spent counts under the new one; the old name brings it back",
                old.budget, old.unit, cap.budget
            ),
            None => format!("budget {} ({}) is gone", old.budget, old.unit),
        });
    }
    said
}

/// The budgets whose limits are not the same with every replica that has published any: of each limit the lower
/// one holds until they agree.
pub fn differing(published: &[(ReplicaId, Cap)]) -> BTreeSet<(Arc<str>, Unit)> {
    let replicas: BTreeSet<ReplicaId> = published.iter().map(|(replica, _)| *replica).collect();
    let name = |cap: &Cap| (Arc::clone(&cap.budget), cap.unit);
    let mut limits: BTreeMap<_, Vec<Option<Amount>>> = BTreeMap::new();
    for (_, cap) in published {
        limits.entry(name(cap)).or_default().push(cap.limit);
    }
    let differ = |limits: &Vec<Option<Amount>>| {
        limits.len() < replicas.len() || limits.windows(2).any(|two| two[0] != two[1])
    };
    let differing = limits.into_iter().filter(|(_, limits)| differ(limits));
    differing.map(|(name, _)| name).collect()
}

fn shown(limit: Option<Amount>) -> String {
    limit.map_or_else(|| "none".into(), |limit| limit.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cap(budget: &str, limit: Option<u64>) -> Cap {
        Cap {
            budget: budget.into(),
            unit: Unit::Pu,
            limit: limit.map(|whole| Amount::from_whole(whole).expect("small")),
        }
    }

    #[test]
    fn each_change_is_a_sentence_and_no_change_is_none() {
        let before = [cap("org", Some(50)), cap("team", Some(9)), cap("old", None)];
        assert_eq!(changes(&before, &before), [""; 0]);
        let after = [
            cap("org", Some(40)),
            cap("crew", Some(9)),
            cap("new", Some(1)),
        ];
        let said = changes(&before, &after);
        assert_eq!(said.len(), 5, "{said:#?}");
        assert_eq!(said[0], "budget org (pu): the limit is 40, it was 50");
        assert_eq!(said[1], "budget crew (pu) is new, with the limit 9");
        assert!(said[3].starts_with("budget team (pu) is gone and crew has the same limit"));
        assert_eq!(said[4], "budget old (pu) is gone");
    }

    #[test]
    fn a_limit_differs_when_one_guard_has_another_or_none() {
        let guard = |number| ReplicaId::from_uuid(uuid::Uuid::from_u128(number));
        let cap = |budget, whole| cap(budget, Some(whole));
        let mut published = vec![
            (guard(1), cap("org", 5)),
            (guard(1), cap("team", 5)),
            (guard(2), cap("org", 5)),
            (guard(2), cap("team", 4)),
        ];
        let names = |published: &[(ReplicaId, Cap)]| {
            let differing = differing(published);
            differing
                .into_iter()
                .map(|(budget, _)| budget.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&published), ["team"]);
        published.push((guard(2), cap("new", 1)));
        assert_eq!(names(&published), ["new", "team"]);
    }
}
