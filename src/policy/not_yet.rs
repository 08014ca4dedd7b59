//! Keys that the documentation names and this version does not enforce. They are refused rather than
//! ignored; building a feature means taking its line away and giving the key a field in
//! [`raw`](super::raw).

use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Path};

/// Which value of a key is not supported yet.
#[derive(Clone, Copy)]
enum Value {
    Any,
    True,
    Word(&'static str),
    StartsWith(&'static str),
}

/// `*` stands for every name of a table or every item of a list.
const NOT_YET: &[(&str, Value)] = &[
    ("admin", Value::Any),
    ("holds", Value::Any),
    ("notify", Value::Any),
    ("server.tls.client_ca", Value::Any),
    ("store.url", Value::StartsWith("postgres:")),
    ("store.url", Value::StartsWith("postgresql:")),
    ("budgets.*.on_breach", Value::Word("hold")),
    ("policy.live_estimates", Value::True),
    ("policy.max_backfill", Value::Any),
    ("policy.safety_margin", Value::Any),
];

/// The first key in the file that is not supported yet.
pub(super) fn find(tree: &DeTable<'_>) -> Option<Fault> {
    NOT_YET.iter().find_map(|(pattern, value)| {
        let mut steps = pattern.split('.');
        let first = steps.next()?;
        let steps: Vec<&str> = steps.collect();
        let found = walk(tree.get(first)?.as_ref(), &steps, Path::to(first), *value)?;
        Some(Fault::new(
            found,
            format!("{} is not supported yet", name_of(pattern, *value)),
            "remove it: this version would not act on it",
        ))
    })
}

fn walk(here: &DeValue<'_>, steps: &[&str], path: Path, refused: Value) -> Option<Path> {
    let Some((step, rest)) = steps.split_first() else {
        return refused.is(here).then_some(path);
    };
    match here {
        DeValue::Table(table) => table
            .iter()
            .filter(|(name, _)| *step == "*" || name.as_ref() == step)
            .find_map(|(name, value)| walk(value.as_ref(), rest, path.key(name.as_ref()), refused)),
        DeValue::Array(items) if *step == "*" => items
            .iter()
            .enumerate()
            .find_map(|(position, item)| walk(item.as_ref(), rest, path.item(position), refused)),
        _ => None,
    }
}

impl Value {
    fn is(self, written: &DeValue<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::True => written.as_bool() == Some(true),
            Self::Word(word) => written.as_str() == Some(word),
            Self::StartsWith(start) => written.as_str().is_some_and(|text| text.starts_with(start)),
        }
    }
}

fn name_of(pattern: &str, value: Value) -> String {
    let name = pattern.replace(".*", "");
    match value {
        Value::Any => name,
        Value::True => format!("{name} = true"),
        Value::Word(word) => format!("{name} = \"{word}\""),
        Value::StartsWith(start) => format!("{name} = \"{start}…\""),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_refused, read};

    #[test]
    fn what_is_not_built_is_refused_by_name() {
        assert_refused(&[
            (
                "[admin]\ntokens = []",
                "[admin]",
                "admin is not supported yet",
            ),
            (
                "[holds]\nwait = \"60s\"",
                "[holds]",
                "holds is not supported yet",
            ),
            ("[[notify]]\n", "[[notify]]", "notify is not supported yet"),
            (
                "[server]\ntls = { client_ca = \"c\" }",
                "\"c\"",
                "server.tls.client_ca is",
            ),
            (
                "[policy]\nmax_backfill = \"90d\"",
                "\"90d\"",
                "policy.max_backfill is",
            ),
            (
                "[policy]\nsafety_margin = 1.0",
                "1.0",
                "policy.safety_margin is",
            ),
        ]);
    }

    #[test]
    fn of_some_keys_only_one_value_is_refused() {
        let budget = "[[budgets]]\nname = \"b\"\nunit = \"pu\"\nlimit = 1\nwindow = \"day\"\n";
        assert_refused(&[
            (
                "[store]\nurl = \"postgres://h/d\"",
                "\"postgres://h/d\"",
                "\"postgres:…\" is",
            ),
            (
                &format!("{budget}on_breach = \"hold\""),
                "\"hold\"",
                "budgets.on_breach = \"hold\" is not supported yet",
            ),
            (
                "[policy]\nlive_estimates = true",
                "true",
                "live_estimates = true is",
            ),
        ]);
    }

    #[test]
    fn what_is_switched_off_is_no_contradiction() {
        assert!(read("[policy]\nlive_estimates = false").is_ok());
    }
}
