//! Which requests a budget is about.

use std::sync::Arc;

use super::fault::{Fault, Path};
use super::people::{Caller, People};
use super::products;
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
        among(self.products(), |listed| products::same(listed, product))
    }
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
    let products = products.map(|names| names.into_iter().map(|name| name.0).collect());
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

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_refused, read};

    fn matching(lists: &str) -> String {
        format!(
            "[[budgets]]\nname = \"b\"\nunit = \"pu\"\nwindow = \"day\"\nmatch = {{ {lists} }}\n"
        )
    }

    #[test]
    fn only_what_the_policy_knows_can_be_matched() {
        assert_refused(&[
            (
                &matching("teams = [\"forest\", \"forrest\"]"),
                "\"forrest\"",
                "unknown team 'forrest'",
            ),
            (
                &matching("keys = [\"ag-2\"]"),
                "\"ag-2\"",
                "unknown key 'ag-2'",
            ),
            (
                &matching("apis = [\"process\", \"order\"]"),
                "\"order\"",
                "unknown API 'order'",
            ),
            (
                &matching("products = [\"a,b\"]"),
                "\"a,b\"",
                "cannot be a name",
            ),
            (&matching("paths = [\"/\"]"), "paths", "unknown key 'paths'"),
        ]);
        let said = read(&matching("apis = [\"order\"]"))
            .unwrap_err()
            .to_string();
        assert!(said.contains("did you mean `orders`?"), "{said}");
    }

    #[test]
    fn an_empty_list_is_refused_because_it_could_be_read_both_ways() {
        for list in ["teams", "keys", "apis", "products"] {
            let text = matching(&format!("{list} = []"));
            assert_refused(&[(&text, "[]", "an empty list matches nothing")]);
        }
    }
}
