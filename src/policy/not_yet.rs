//! Keys that the documentation names and this version does not enforce. They are refused rather than
//! ignored; building a feature means taking its line away and giving the key a field in
//! [`raw`](super::raw).

use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Path};

/// Which value of a key is not supported yet.
#[derive(Clone, Copy)]
enum Value {
    Any,
    Word(&'static str),
}

/// `*` stands for every name of a table or every item of a list.
const NOT_YET: &[(&str, Value)] = &[
    ("holds", Value::Any),
    ("notify", Value::Any),
    ("server.tls.client_ca", Value::Any),
    ("budgets.*.on_breach", Value::Word("hold")),
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
            Self::Word(word) => written.as_str() == Some(word),
        }
    }
}

fn name_of(pattern: &str, value: Value) -> String {
    let name = pattern.replace(".*", "");
    match value {
        Value::Any => name,
        Value::Word(word) => format!("{name} = \"{word}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_refused;

    #[test]
    fn what_is_not_built_is_refused_by_name() {
        assert_refused(&[
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
        ]);
    }

    #[test]
    fn of_some_keys_only_one_value_is_refused() {
        let budget = "[[budgets]]\nname = \"b\"\nunit = \"pu\"\nlimit = 1\nwindow = \"day\"\n";
        assert_refused(&[(
            &format!("{budget}on_breach = \"hold\""),
            "\"hold\"",
            "budgets.on_breach = \"hold\" is not supported yet",
        )]);
    }
}
