//! Whether each upstream answers and takes the guard's credential.

use crate::guard::{Probe, probe};
use crate::policy::Policy;
use crate::units::UtcTime;
use crate::upstream::{Pool, Trust};

use super::finding::Findings;

pub(super) async fn examine(policy: &Policy, now: UtcTime, findings: &mut Findings) {
    let pool = match Pool::new(Trust::Platform) {
        Ok(pool) => pool,
        Err(cause) => {
            return findings.unchecked("upstreams", format!("{:#}", anyhow::Error::new(cause)));
        }
    };
    for upstream in policy.upstreams() {
        let check = format!("upstream {}", upstream.name());
        let url = upstream.url();
        match probe(upstream, &pool, now).await {
            Ok(Probe::Accepted) => {
                findings.well(&check, format!("{url} takes the guard's credential"));
            }
            Ok(Probe::Refused(status)) => findings.wrong(
                &check,
                format!("{url} answers {status}: it does not take the guard's credential"),
                Vec::new(),
            ),
            Ok(Probe::NoToken(why)) => findings.wrong(
                &check,
                format!("no token for {url}: {why}"),
                Vec::new(),
            ),
            Ok(Probe::CallersOwn) => findings.note(
                &check,
                format!("{url} answers; it is called with what each caller brings, which cannot be checked"),
                Vec::new(),
            ),
            Ok(Probe::Unclear(status)) if status.is_server_error() => {
                findings.unchecked(&check, format!("{url} answers {status}"));
            }
            Ok(Probe::Unclear(_)) => findings.note(
                &check,
                format!("{url} answers; whether it takes the guard's key no free call can tell"),
                Vec::new(),
            ),
            Ok(Probe::Unreachable(why)) => findings.unchecked(&check, why),
            Err(cause) => {
                findings.wrong(&check, format!("{:#}", anyhow::Error::new(cause)), Vec::new());
            }
        }
    }
}
