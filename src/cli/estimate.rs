//! `estimate`: what a request would cost, as JSON.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::clock::Clock;
use crate::guard::{Refusal, Rehearsal, Report, rehearse, rehearse_live};
use crate::identity::{self, Presented};
use crate::policy::{Caller, Credential, Policy};
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
    /// Ask Planet, by free calls, what the request does not say: areas, scenes of the past, reservations, the
    /// batch that it starts, the subscription that it changes.
    #[arg(long)]
    pub(super) live: bool,
}

pub(super) fn run(request: &Request, now: UtcTime) -> anyhow::Result<()> {
    let policy = super::load(&request.config)?;
    let (headers, body) = parts(request)?;
    let rehearsal = rehearsal(request, &policy, headers, &body, now)?;
    tell(rehearse(&policy, &rehearsal, now))
}

pub(super) async fn run_live(request: &Request, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let policy = super::load(&request.config)?;
    let (headers, body) = parts(request)?;
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let presented = match Presented::find(&headers, Some(query)) {
        Ok(presented) => Some(presented),
        Err(identity::Refusal::Missing) => None,
        Err(refusal) => return Err(refusal.into()),
    };
    let upstream = policy.upstream_for(path).map(|(upstream, _)| upstream);
    let passes_through =
        upstream.is_some_and(|upstream| *upstream.credential() == Credential::PassThrough);
    if presented.is_none() && passes_through {
        bail!(
            "this upstream is called with the caller's own key: give it by --header \
             'Authorization: api-key KEY'"
        );
    }
    let rehearsal = rehearsal(request, &policy, headers, &body, clock.now())?;
    tell(rehearse_live(&policy, &rehearsal, presented.as_ref(), clock).await?)
}

/// The request's headers, with what a JSON body needs, and its body.
fn parts(request: &Request) -> anyhow::Result<(HeaderMap, Vec<u8>)> {
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
    Ok((headers, body))
}

fn rehearsal<'a>(
    request: &'a Request,
    policy: &Policy,
    headers: HeaderMap,
    body: &'a [u8],
    now: UtcTime,
) -> anyhow::Result<Rehearsal<'a>> {
    Ok(Rehearsal {
        caller: caller(policy, request.team.as_deref(), &headers, now)?,
        method: request.method.clone(),
        target: &request.path,
        headers,
        body,
    })
}

fn tell(outcome: Result<Report, Refusal>) -> anyhow::Result<()> {
    let report = match outcome {
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
