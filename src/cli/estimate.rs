//! `estimate`: what a request would cost, as JSON.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::guard::{Refusal, Rehearsal, Report, rehearse};
use crate::identity::{self, Presented};
use crate::policy::{Caller, Policy};
use crate::units::UtcTime;

#[derive(Args, Debug)]
pub(super) struct Request {
    /// The policy file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[arg(long, default_value = "GET")]
    method: Method,
    /// Path and query on the guard's data port, such as /compute/ops/orders/v2.
    #[arg(long)]
    path: String,
    /// A header of the request; one with a key in it says who is asking.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// A file with the body, or - for standard input.
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// Who is asking, instead of a key.
    #[arg(long)]
    team: Option<String>,
}

pub(super) fn run(request: &Request, now: UtcTime) -> anyhow::Result<()> {
    let policy = super::load(&request.config)?;
    let mut headers = headers(&request.headers)?;
    headers
        .entry(CONTENT_TYPE)
        .or_insert(HeaderValue::from_static("application/json"));
    let body = match &request.body {
        None => Vec::new(),
        Some(path) if path.as_os_str() == "-" => {
            std::io::read_to_string(std::io::stdin())?.into_bytes()
        }
        Some(path) => {
            std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?
        }
    };
    let caller = caller(&policy, request.team.as_deref(), &headers, now)?;
    let rehearsal = Rehearsal {
        caller,
        method: request.method.clone(),
        target: &request.path,
        headers,
        body: &body,
    };
    let report = match rehearse(&policy, &rehearsal, now) {
        Ok(report) => report,
        Err(Refusal {
            problem, detail, ..
        }) if problem.is_callers_mistake() => bail!("{detail}"),
        Err(refusal) => Report::refused(&refusal),
    };
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

fn headers(written: &[String]) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for line in written {
        let (name, value) = line
            .split_once(':')
            .with_context(|| format!("'{line}' is no header: write NAME: VALUE"))?;
        let name = HeaderName::from_bytes(name.trim().as_bytes())
            .with_context(|| format!("'{name}' is no header's name"))?;
        headers.append(
            name,
            value
                .trim()
                .parse()
                .context("a header's value holds control characters")?,
        );
    }
    Ok(headers)
}

/// Whoever the key or `--team` says. Without either only budgets that bind everybody are asked.
fn caller(
    policy: &Policy,
    team: Option<&str>,
    headers: &HeaderMap,
    now: UtcTime,
) -> anyhow::Result<Caller> {
    match team {
        Some(team) => {
            let team = policy
                .team(team)
                .with_context(|| format!("the policy has no team '{team}'"))?;
            Ok(Caller {
                team: Arc::clone(team.name()),
                key: "".into(),
                apis: None,
            })
        }
        None => match Presented::find(headers, None) {
            Ok(presented) => Ok(identity::recognise(policy, &presented, now)?),
            Err(identity::Refusal::Missing) => Ok(Caller {
                team: "".into(),
                key: "".into(),
                apis: None,
            }),
            Err(refusal) => Err(refusal.into()),
        },
    }
}
