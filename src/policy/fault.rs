//! What is wrong with a policy file, said where it is wrong: file, line, column, the line itself with a
//! caret, and the rule.

use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{excerpt, reword};

/// A policy that cannot be used, and the place to mend.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}\n{excerpt}")]
pub struct PolicyError {
    file: String,
    line: usize,
    column: usize,
    message: String,
    excerpt: String,
}

impl PolicyError {
    /// Counted from 1.
    pub const fn line(&self) -> usize {
        self.line
    }

    /// Counted from 1, in characters.
    pub const fn column(&self) -> usize {
        self.column
    }

    /// What is wrong, without the place and the excerpt.
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn from_fault(fault: &Fault, tree: &DeTable<'_>, source: &Source<'_>) -> Self {
        source.error(fault.path.find(tree), &fault.message, &fault.rule)
    }

    /// What the TOML reader says, in our words where we have better ones.
    pub(super) fn from_toml(error: &toml::de::Error, source: &Source<'_>) -> Self {
        let end = source.text.len();
        let (message, rule) = reword::reword(error.message());
        source.error(error.span().unwrap_or(end..end), &message, &rule)
    }
}

/// A broken rule, and where in the tree of keys it was broken.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    path: Path,
    message: String,
    rule: String,
}

impl Fault {
    pub(super) fn new(path: Path, message: impl fmt::Display, rule: impl fmt::Display) -> Self {
        Self {
            path,
            message: message.to_string(),
            rule: rule.to_string(),
        }
    }
}

/// The way to a value through tables and lists.
#[derive(Clone, Debug, Default)]
pub(super) struct Path(Vec<Step>);

#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Item(usize),
}

impl Path {
    pub(super) fn to(key: &str) -> Self {
        Self::default().key(key)
    }

    #[must_use]
    pub(super) fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.into()))
    }

    #[must_use]
    pub(super) fn item(&self, position: usize) -> Self {
        self.with(Step::Item(position))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// Where the value stands, or the nearest table around it that is written down.
    fn find(&self, tree: &DeTable<'_>) -> Range<usize> {
        let Some((Step::Key(first), rest)) = self.0.split_first() else {
            return 0..0;
        };
        let Some((name, mut here)) = tree.get_key_value(first.as_str()) else {
            return 0..0;
        };
        let mut place = visible(name.span(), here);
        for step in rest {
            let next = match step {
                Step::Key(key) => here.as_ref().as_table().and_then(|table| {
                    let (name, value) = table.get_key_value(key.as_str())?;
                    Some((name.span(), value))
                }),
                Step::Item(position) => here
                    .as_ref()
                    .get(*position)
                    .map(|value| (value.span(), value)),
            };
            let Some((name, value)) = next else { break };
            place = visible(name, value);
            here = value;
        }
        place
    }
}

/// A list of tables has no place of its own; its name has.
fn visible(name: Range<usize>, value: &Spanned<DeValue<'_>>) -> Range<usize> {
    if value.span().is_empty() {
        name
    } else {
        value.span()
    }
}

/// The file that is being read.
pub(super) struct Source<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
}

impl Source<'_> {
    fn error(&self, span: Range<usize>, message: &str, rule: &str) -> PolicyError {
        // Behind the last line there is nothing to show, so what is missing there is shown at its end.
        let last = self.text.trim_end().len();
        let start = floor_boundary(self.text, span.start.min(last));
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        let shown = self.text[line_start..].lines().next().unwrap_or_default();
        let length = span.end.saturating_sub(start).max(1);
        let room = shown.chars().count().saturating_sub(column - 1).max(1);
        PolicyError {
            file: self.file.into(),
            line,
            column,
            message: message.into(),
            excerpt: excerpt::draw(shown, line, column, length.min(room), rule),
        }
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source<'_> {
        Source {
            file: "p.toml",
            text,
        }
    }

    #[test]
    fn an_error_shows_its_line_with_a_caret_and_the_rule() {
        let text = "a = 1\n\tb = \"né\" # c\n";
        let at = text.find("\"né\"").unwrap();
        let error = source(text).error(at..at + 5, "too short", "write more");
        assert_eq!(
            error.to_string(),
            "p.toml:2:6: too short\n  |\n2 | \tb = \"né\" # c\n  | \t    ^^^^^\n  = write more"
        );
    }

    #[test]
    fn a_place_past_the_end_is_the_end() {
        let error = source("a = 1").error(99..120, "cut off", "");
        assert_eq!((error.line(), error.column()), (1, 6));
        assert!(error.to_string().ends_with('^'), "{error}");
    }

    #[test]
    fn a_value_that_is_missing_is_reported_at_the_table_around_it() {
        let text = "[[budgets]]\nname = \"a\"\n[[budgets]]\nname = \"b\"\n";
        let tree = DeTable::parse(text).unwrap().into_inner();
        let path = Path::to("budgets").item(1).key("limit");
        let fault = Fault::new(path, "m", "r");
        let error = PolicyError::from_fault(&fault, &tree, &source(text));
        assert_eq!((error.line(), error.column()), (3, 1));
    }
}
