//! A small policy for the tests of this room.

use std::sync::Arc;

use super::{Caller, Policy, PolicyError};
use crate::units::UtcTime;

/// One upstream, two teams with a key each (`ag-1`, `fo-1`), unknown keys counted for `forest`.
pub(super) const BASE: &str = r#"
[upstreams.planet]
url = "https://api.planet.com"
mount = "/"

[[teams]]
name = "agriculture"
keys = [ { id = "ag-1", sha256 = "1111111111111111111111111111111111111111111111111111111111111111" } ]

[[teams]]
name = "forest"
keys = [ { id = "fo-1", sha256 = "2222222222222222222222222222222222222222222222222222222222222222" } ]

[identity]
unknown_keys = "forest"
"#;

/// The base with `more` behind it.
pub(super) fn read(more: &str) -> Result<Policy, PolicyError> {
    Policy::parse(&format!("{BASE}\n{more}"), "p.toml")
}

pub(super) fn policy(more: &str) -> Policy {
    read(more).unwrap_or_else(|error| panic!("{error}"))
}

pub(super) fn caller(team: &str, key: &str) -> Caller {
    Caller {
        team: team.into(),
        key: key.into(),
        apis: None,
    }
}

pub(super) fn products(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

pub(super) fn at(time: &str) -> UtcTime {
    time.parse().unwrap()
}

/// What the base with `more` behind it is refused for: the text over the carets, and the message.
pub(super) fn complaint(more: &str) -> (String, String) {
    let error = read(more).expect_err("this policy should be refused");
    let said = error.to_string();
    let lines: Vec<&str> = said.lines().collect();
    let behind_gutter = |line: &str| line.split_once("| ").map(|(_, text)| text.to_owned());
    let shown = behind_gutter(lines[2]).unwrap_or_default();
    let carets = behind_gutter(lines[3]).unwrap_or_default();
    let marked = carets
        .chars()
        .zip(shown.chars())
        .filter(|(mark, _)| *mark == '^');
    (marked.map(|(_, c)| c).collect(), error.message().into())
}

/// Checks rows of (what stands in the file, what the carets must mark, words of the message).
pub(super) fn assert_refused(rows: &[(&str, &str, &str)]) {
    for (more, marked, words) in rows {
        let (text, message) = complaint(more);
        assert_eq!(text, *marked, "for {more}\nwhich says: {message}");
        assert!(message.contains(words), "for {more}\nwhich says: {message}");
    }
}
