//! The admin's own tests: what this policy should decide for a request.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

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
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
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
        expect: RawExpected { decision, budget },
    } = raw;
    let budget = budget.map(|Name(name)| name);
    if let Some(budget) = &budget {
        let here = here.key("expect").key("budget");
        if !has_budget(budget) {
            let rule = "name a budget of this file";
            return Err(Fault::new(here, format!("unknown budget '{budget}'"), rule));
        }
        if decision == Decision::Forward {
            return Err(Fault::new(
                here,
                "no budget refuses a request that is forwarded",
                "remove budget, or expect the decision \"reject\"",
            ));
        }
    }
    let caller = caller(&team, key.as_ref(), people, here)?;
    let RawRequest {
        method,
        path,
        body,
        body_file,
    } = request;
    if !path.starts_with('/') {
        return Err(Fault::new(
            here.key("request").key("path"),
            format!("the path '{path}' does not start with '/'"),
            "write the path as a caller of the guard does, with the upstream's mount before it",
        ));
    }
    let body = match (body, body_file) {
        (None, None) => RequestBody::Empty,
        (Some(text), None) => RequestBody::Text(text),
        (None, Some(file)) => RequestBody::File(file),
        (Some(_), Some(_)) => {
            return Err(Fault::new(
                here.key("request").key("body_file"),
                "a request has one body",
                "keep body or body_file",
            ));
        }
    };
    Ok(Expectation {
        name,
        caller,
        method,
        path,
        body,
        decision,
        budget,
    })
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
