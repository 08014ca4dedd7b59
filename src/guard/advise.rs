//! What the guard tells a caller of its own account of things, and sends nowhere: dry runs.

use super::answer::{Answer, Notes, Reply};
use super::pipeline::{Case, Guard};
use super::refusal::Refusal;
use super::rehearse::Report;
use super::weigh::Weighed;
use super::wishes::Wishes;
use crate::telemetry::Decision;
use crate::units::UtcTime;

impl Guard {
    /// Tells what would become of a request, instead of sending it.
    pub(super) async fn dry_run(
        &self,
        weighed: Weighed,
        case: &Case,
        now: UtcTime,
    ) -> Result<Answer, Refusal> {
        let report = self.foretell(weighed, &case.wishes, now).await?;
        Ok(self.tell(report, case))
    }

    /// What would become of a request, with the balances as they are now.
    pub(super) async fn foretell(
        &self,
        weighed: Weighed,
        wishes: &Wishes,
        now: UtcTime,
    ) -> Result<Report, Refusal> {
        let booked = self.book_what_is_due().await;
        booked.map_err(|cause| super::pipeline::books_away(&cause))?;
        let mut remaining = Vec::with_capacity(weighed.claims.len());
        for claim in &weighed.claims {
            let balance = self.ledger.balance(&claim.account).await;
            let balance = balance.map_err(|cause| super::pipeline::books_away(&cause))?;
            remaining.push(claim.limit.map(|limit| balance.left(limit)));
        }
        let ceiling = wishes.allow(&weighed.predicted);
        let mut report = weighed.report(&self.policy, &remaining, now);
        if let Err(refusal) = ceiling {
            report.refuse(&refusal);
        }
        Ok(report)
    }

    /// Answers a dry run; what the policy would refuse is a verdict like any other.
    pub(super) fn tell(&self, mut report: Report, case: &Case) -> Answer {
        report.api = case.api;
        let team = case.team.as_deref().unwrap_or_default();
        self.metrics.count_request(case.api, team, Decision::DryRun);
        let notes = Notes {
            estimate: Some(report.estimate.clone()),
            ..Notes::new(case.request)
        };
        Answer::new(Reply::document(&report), notes)
    }
}
