//! Which requests a budget is about.

use std::sync::Arc;

use super::fault::{Fault, Path};
use super::people::{Caller, People};
use super::raw::RawMatch;
use super::text::Name;
use crate::planet::Api;

/// All lists that are given must match; one that is left out matches anything.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Match {
    teams: Option<Vec<Arc<str>>>,
    keys: Option<Vec<Arc<str>>>,
    apis: Option<Vec<Api>>,
    products: Option<Vec<Arc<str>>>,
}

impl Match {
    pub fn teams(&self) -> Option<&[Arc<str>]> {
        self.teams.as_deref()
    }

    pub fn keys(&self) -> Option<&[Arc<str>]> {
        self.keys.as_deref()
    }

    pub fn apis(&self) -> Option<&[Api]> {
        self.apis.as_deref()
    }

    pub fn products(&self) -> Option<&[Arc<str>]> {
        self.products.as_deref()
    }

    /// Whether calls of this caller to this API are meant, whatever their products.
    pub(super) fn covers(&self, caller: &Caller, api: Api) -> bool {
        among(self.teams(), |team| *team == caller.team)
            && among(self.keys(), |key| *key == caller.key)
            && among(self.apis(), |listed| *listed == api)
    }

    pub(super) fn covers_product(&self, product: &str) -> bool {
        among(self.products(), |listed| same_product(listed, product))
    }
}

/// Upstreams read some product names in any case, so a change of case must not evade a budget.
pub(super) fn same_product(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

fn among<T>(list: Option<&[T]>, meant: impl FnMut(&T) -> bool) -> bool {
    list.is_none_or(|list| list.iter().any(meant))
}

pub(super) fn matching(raw: RawMatch, people: &People, here: &Path) -> Result<Match, Fault> {
    let RawMatch {
        teams,
        keys,
        apis,
        products,
    } = raw;
    let teams = known_names(teams, &here.key("teams"), "team", |name| {
        (!people.teams.contains_key(name)).then(|| people.teams_for(name))
    })?;
    let keys = known_names(keys, &here.key("keys"), "key", |name| {
        (!people.key_ids.contains(name)).then(|| people.keys_for(name))
    })?;
    let apis = apis.map(|apis| apis.iter().map(|api| api.0).collect());
    let products = products.map(|names| names.iter().map(|name| name.as_str().into()).collect());
    Ok(Match {
        teams,
        keys,
        apis: not_empty(apis, &here.key("apis"))?,
        products: not_empty(products, &here.key("products"))?,
    })
}

fn known_names(
    names: Option<Vec<Name>>,
    here: &Path,
    what: &str,
    rule_if_unknown: impl Fn(&str) -> Option<String>,
) -> Result<Option<Vec<Arc<str>>>, Fault> {
    for (position, Name(name)) in names.iter().flatten().enumerate() {
        if let Some(rule) = rule_if_unknown(name) {
            let message = format!("unknown {what} '{name}'");
            return Err(Fault::new(here.item(position), message, rule));
        }
    }
    let names = names.map(|names| names.into_iter().map(|name| name.0).collect());
    not_empty(names, here)
}

fn not_empty<T>(list: Option<Vec<T>>, here: &Path) -> Result<Option<Vec<T>>, Fault> {
    if list.as_ref().is_some_and(Vec::is_empty) {
        return Err(Fault::new(
            here.clone(),
            "an empty list matches nothing",
            "name at least one, or remove the key to match any",
        ));
    }
    Ok(list)
}
