//! `check`: proves a policy, says what it means, and runs the admin's own tests.

use std::path::Path;

use anyhow::{Context as _, bail};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};

use crate::guard::{Rehearsal, Report, rehearse};
use crate::policy::{Expectation, Policy, RequestBody, describe};
use crate::units::UtcTime;

pub(super) fn run(config: &Path, now: UtcTime) -> anyhow::Result<()> {
    let policy = super::load(config)?;
    print!("{}", describe(&policy, now));
    let folder = config.parent().unwrap_or(Path::new(""));
    let mut failed = 0;
    for expectation in policy.expectations() {
        let name = &expectation.name;
        match disappointment(&policy, expectation, folder, now)? {
            None => println!("test '{name}' ... ok"),
            Some(why) => {
                println!("test '{name}' ... FAILED: {why}");
                failed += 1;
            }
        }
    }
    match failed {
        0 => Ok(()),
        _ => bail!(
            "{failed} of {} tests in {} failed",
            policy.expectations().len(),
            config.display()
        ),
    }
}

/// How a decision differs from what was expected; `None` when it does not.
fn disappointment(
    policy: &Policy,
    expectation: &Expectation,
    folder: &Path,
    now: UtcTime,
) -> anyhow::Result<Option<String>> {
    let report = decide(policy, expectation, folder, now)?;
    let expected = expectation.decision;
    if report.decision != expected {
        let because = report.reason.as_deref().map_or_else(
            || format!("estimate {}", report.estimate),
            ToOwned::to_owned,
        );
        let (got, wanted) = (report.decision.name(), expected.name());
        return Ok(Some(format!(
            "decided {got}, expected {wanted} ({because})"
        )));
    }
    let Some(budget) = &expectation.budget else {
        return Ok(None);
    };
    let refuses = report
        .budgets
        .iter()
        .any(|touched| touched.short && *touched.budget == **budget);
    Ok((!refuses).then(|| format!("the budget '{budget}' is not what decided it")))
}

fn decide(
    policy: &Policy,
    expectation: &Expectation,
    folder: &Path,
    now: UtcTime,
) -> anyhow::Result<Report> {
    let body = match &expectation.body {
        RequestBody::Empty => Vec::new(),
        RequestBody::Text(text) => text.clone().into_bytes(),
        RequestBody::File(name) => {
            let path = folder.join(name);
            std::fs::read(&path).with_context(|| {
                format!(
                    "test '{}': {} cannot be read",
                    expectation.name,
                    path.display()
                )
            })?
        }
    };
    let method = Method::from_bytes(expectation.method.as_bytes()).with_context(|| {
        format!(
            "test '{}': '{}' is no method",
            expectation.name, expectation.method
        )
    })?;
    let json = (CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let rehearsal = Rehearsal {
        caller: expectation.caller.clone(),
        method,
        target: &expectation.path,
        headers: HeaderMap::from_iter([json]),
        body: &body,
    };
    Ok(rehearse(policy, &rehearsal, now).unwrap_or_else(|refusal| Report::refused(&refusal)))
}
