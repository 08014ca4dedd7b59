//! The admin's own tests: what this policy should decide for a request.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::fault::{Fault, Path};
use super::people::{Caller, People, UNKNOWN_KEY};
use super::raw::{RawExpectation, RawExpected, RawRequest};
use super::text::Name;

/// One `[[tests]]` entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    pub name: String,
    /// Who sends the request.
    pub caller: Caller,
    pub method: String,
    /// A path on the guard's data port, with its query.
    pub path: String,
    pub body: RequestBody,
    pub decision: Decision,
    /// A budget that must be among those that refuse.
    pub budget: Option<Arc<str>>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RequestBody {
    Empty,
    Text(String),
    /// A file, named from the folder of the policy.
    File(PathBuf),
}

/// What can become of a request.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    Forward,
    Reject,
    Hold,
}

impl Decision {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Reject => "reject",
            Self::Hold => "hold",
        }
    }
}

pub(super) fn expectations(
    raw: Vec<RawExpectation>,
    people: &People,
    has_budget: impl Fn(&str) -> bool,
) -> Result<Vec<Expectation>, Fault> {
    raw.into_iter()
        .enumerate()
        .map(|(position, raw)| {
            let here = Path::to("tests").item(position);
            expectation(raw, people, &has_budget, &here)
        })
        .collect()
}

fn expectation(
    raw: RawExpectation,
    people: &People,
    has_budget: impl Fn(&str) -> bool,
    here: &Path,
) -> Result<Expectation, Fault> {
    let RawExpectation {
        name,
        team,
        key,
        request,
        expect,
    } = raw;
    let RawRequest {
        method,
        path,
        body,
        body_file,
    } = request;
    let request = here.key("request");
    if !path.starts_with('/') {
        return Err(Fault::new(
            request.key("path"),
            format!("the path '{path}' does not start with '/'"),
            "write the path as a caller of the guard does, with the upstream's mount before it",
        ));
    }
    Ok(Expectation {
        name,
        caller: caller(&team, key.as_ref(), people, here)?,
        method,
        path,
        body: one_body(body, body_file, &request)?,
        decision: expect.decision,
        budget: refusing_budget(expect, has_budget, &here.key("expect"))?,
    })
}

fn one_body(
    text: Option<String>,
    file: Option<PathBuf>,
    here: &Path,
) -> Result<RequestBody, Fault> {
    match (text, file) {
        (None, None) => Ok(RequestBody::Empty),
        (Some(text), None) => Ok(RequestBody::Text(text)),
        (None, Some(file)) => Ok(RequestBody::File(file)),
        (Some(_), Some(_)) => Err(Fault::new(
            here.key("body_file"),
            "a request has one body",
            "keep body or body_file",
        )),
    }
}

fn refusing_budget(
    raw: RawExpected,
    has_budget: impl Fn(&str) -> bool,
    here: &Path,
) -> Result<Option<Arc<str>>, Fault> {
    let RawExpected { decision, budget } = raw;
    let Some(Name(budget)) = budget else {
        return Ok(None);
    };
    if !has_budget(&budget) {
        return Err(Fault::new(
            here.key("budget"),
            format!("unknown budget '{budget}'"),
            "name a budget of this file",
        ));
    }
    if decision == Decision::Forward {
        return Err(Fault::new(
            here.key("budget"),
            "no budget refuses a request that is forwarded",
            "remove budget, or expect the decision \"reject\"",
        ));
    }
    Ok(Some(budget))
}

/// The key that is named, or the team's first.
fn caller(team: &Name, key: Option<&Name>, people: &People, here: &Path) -> Result<Caller, Fault> {
    let Name(name) = team;
    let Some(team) = people.teams.get(name) else {
        let message = format!("unknown team '{name}'");
        return Err(Fault::new(
            here.key("team"),
            message,
            people.teams_for(name),
        ));
    };
    let id = key.map(|Name(id)| id).or_else(|| team.keys().first());
    let Some(id) = id else {
        return Ok(Caller {
            team: team.name().clone(),
            key: UNKNOWN_KEY.into(),
            apis: None,
        });
    };
    let of_team = people
        .keys
        .values()
        .find(|key| key.id() == id && key.team() == team.name());
    of_team.map(super::Key::caller).ok_or_else(|| {
        let message = format!("team '{name}' has no key '{id}'");
        let known: Vec<&str> = team.keys().iter().map(|id| &**id).collect();
        let rule = super::suggest::among(id, &known, "its keys are");
        Fault::new(here.key("key"), message, rule)
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_refused, policy};
    use super::*;

    const BUDGET: &str = "[[budgets]]\nname = \"b\"\nunit = \"pu\"\nlimit = 1\nwindow = \"day\"\n";

    fn test(who: &str, request: &str, expect: &str) -> String {
        format!(
            "{BUDGET}[[tests]]\nname = \"a test\"\n{who}\n\
             request = {{ method = \"GET\", {request} }}\nexpect = {{ {expect} }}\n"
        )
    }

    #[test]
    fn a_test_says_who_sends_what_and_what_becomes_of_it() {
        let text = test(
            "team = \"forest\"",
            "path = \"/data/v1?x=1\", body_file = \"a.json\"",
            "decision = \"reject\", budget = \"b\"",
        );
        let policy = policy(&text);
        let [rehearsed] = policy.expectations() else {
            panic!("one test");
        };
        assert_eq!(
            (&*rehearsed.caller.team, &*rehearsed.caller.key),
            ("forest", "fo-1")
        );
        assert_eq!(rehearsed.body, RequestBody::File("a.json".into()));
        assert_eq!(
            (rehearsed.decision, rehearsed.budget.as_deref()),
            (Decision::Reject, Some("b"))
        );
    }

    #[test]
    fn a_team_without_keys_is_rehearsed_as_an_unknown_key() {
        let text = "[[teams]]\nname = \"guests\"\n".to_owned()
            + &test(
                "team = \"guests\"",
                "path = \"/\"",
                "decision = \"forward\"",
            );
        assert_eq!(&*policy(&text).expectations()[0].caller.key, UNKNOWN_KEY);
    }

    #[test]
    fn a_test_of_what_is_not_there_is_refused() {
        let (team, path) = ("team = \"forest\"", "path = \"/\"");
        let forward = "decision = \"forward\"";
        let both = "path = \"/\", body = \"{}\", body_file = \"a\"";
        assert_refused(&[
            (
                &test("team = \"forrest\"", path, forward),
                "\"forrest\"",
                "unknown team",
            ),
            (
                &test("team = \"forest\"\nkey = \"ag-1\"", path, forward),
                "\"ag-1\"",
                "'forest' has no key 'ag-1'",
            ),
            (
                &test(team, "path = \"data\"", forward),
                "\"data\"",
                "does not start with '/'",
            ),
            (&test(team, both, forward), "\"a\"", "one body"),
            (
                &test(team, path, "decision = \"reject\", budget = \"c\""),
                "\"c\"",
                "unknown budget 'c'",
            ),
            (
                &test(team, path, "decision = \"forward\", budget = \"b\""),
                "\"b\"",
                "no budget refuses",
            ),
            (
                &test(team, path, "decision = \"maybe\""),
                "\"maybe\"",
                "not a choice",
            ),
        ]);
    }
}
