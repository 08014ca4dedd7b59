//! Whether there is room for a download, and what its caller is told where there is none.

use std::fmt::Write as _;

use http::StatusCode;

use super::exchange::Exchange;
use super::pipeline::books_away;
use super::predict::Predicted;
use super::refusal::{Problem, Refusal};
use super::weigh::over_budget;
use crate::cost::egress;
use crate::ledger::Breach;
use crate::units::{Amount, Amounts, ByteCount, Unit};
use crate::upstream::{FollowError, SendError};

/// The least that can be reserved.
pub(super) const LEAST: Amount = match Amount::from_micros(1) {
    Some(least) => least,
    None => Amount::ZERO,
};

impl Exchange {
    /// Refuses at once where nothing is left. What storage has sent by the time that it is hung up on is
    /// little, but not free, and a script may ask a thousand times.
    pub(super) async fn look_ahead(&mut self) -> Result<(), Refusal> {
        let is_reserved = !egress::reserved(&self.predicted.estimate).is_zero();
        let brings_bytes = |download: &super::deliver::Download| download.onward.brings_bytes();
        if !self.download.as_ref().is_some_and(brings_bytes) || is_reserved {
            return Ok(());
        }
        if !self.charges_bytes() {
            return Ok(());
        }
        let mut breaches = Vec::new();
        for claim in self.claims_of(&Amounts::of(Unit::Pu, LEAST)) {
            let Some(limit) = claim.limit.filter(|_| claim.enforced) else {
                continue;
            };
            let balance = self.guard.ledger.balance(&claim.account).await;
            let balance = balance.map_err(|cause| books_away(&cause))?;
            let remaining = balance.left(limit);
            if remaining < claim.amount {
                breaches.push(Breach {
                    account: claim.account,
                    needed: claim.amount,
                    remaining,
                    limit,
                    elsewhere: Amount::ZERO,
                    lent: Amount::ZERO,
                });
            }
        }
        match breaches.first() {
            None => Ok(()),
            Some(first) => {
                let detail = nothing_left(first);
                let now = self.guard.clock.now();
                Err(Refusal {
                    detail,
                    ..over_budget(&self.guard.policy, &self.predicted, breaches, now)
                })
            }
        }
    }
}

fn nothing_left(breach: &Breach) -> String {
    let Breach {
        account,
        remaining,
        limit,
        ..
    } = breach;
    let more = account.window.end.map_or_else(
        || "it is not renewed".into(),
        |end| format!("more comes at {end}"),
    );
    format!(
        "A download is charged by the byte, and budget '{}' has {remaining} of {limit} PU left; {more}. \
         Nothing was asked for.",
        account.budget
    )
}

/// A refusal by budgets, with the number that it is about.
pub(super) fn about_bytes(mut refusal: Refusal, length: Option<ByteCount>) -> Refusal {
    if let (Problem::QuotaExceeded, Some(ByteCount(bytes))) = (refusal.problem, length) {
        _ = write!(
            refusal.detail,
            " It is a download of {bytes} bytes, none of which was passed on; a part of it (Range) costs less."
        );
    }
    refusal
}

/// Of a download whose length storage does not announce.
pub(super) fn unannounced() -> Refusal {
    Refusal::new(
        Problem::CostNotPredictable,
        "The cost of this download cannot be predicted: storage does not say how long it is (no \
         Content-Length), so nothing of it was passed on. Ask for it with 'Accept-Encoding: identity'; if \
         that does not help, tell your platform admin.",
    )
}

/// Of a download that came to no end. Its address stays unsaid: it opens the file.
pub(super) fn not_followed(cause: &FollowError, predicted: &Predicted) -> Refusal {
    let costs = !predicted.settles_at.is_empty();
    let charged = if costs {
        "None of its bytes came; Planet has charged the request itself, and that counts."
    } else {
        "None of its bytes came, and nothing was charged."
    };
    let sent = match cause {
        FollowError::Foreign { .. } => {
            return Refusal::new(
                Problem::NotFollowed,
                format!(
                    "{cause}: it was not followed. {charged} Ask your platform admin whether the host \
                     belongs into the upstream's download_hosts."
                ),
            );
        }
        FollowError::Unreadable | FollowError::Circle => {
            return Refusal::new(
                Problem::NotFollowed,
                format!("{cause}. {charged} Ask for its order or asset again for a new link."),
            );
        }
        FollowError::Send(sent) => sent,
    };
    let problem = match sent {
        SendError::NeverLeft { .. } | SendError::NoToken { .. } => Problem::UpstreamUnreachable,
        SendError::Unanswered { .. } | SendError::Broken { .. } => Problem::OutcomeUnknown,
    };
    let refusal = Refusal::new(problem, format!("{sent}. {charged} Try again in a moment."));
    if costs {
        // SDKs ask again after 502, and would be charged again
        return Refusal {
            status: StatusCode::GATEWAY_TIMEOUT,
            ..refusal
        };
    }
    refusal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{Estimate, Margin};
    use crate::planet::{Ask, Reading};

    fn predicted(settles_at: Amounts) -> Predicted {
        Predicted {
            reading: Reading {
                ask: Ask::Nothing,
                products: Vec::new(),
            },
            estimate: Estimate::default(),
            totals: settles_at.clone(),
            published: settles_at.clone(),
            margin: Margin::NONE,
            settles_at,
            bounded: true,
        }
    }

    fn unreachable() -> FollowError {
        FollowError::Send(SendError::NeverLeft {
            host: "storage.example".into(),
            cause: "refused".into(),
        })
    }

    #[test]
    fn what_costs_when_it_is_asked_for_is_not_asked_for_again_by_an_sdk() {
        let free = not_followed(&unreachable(), &predicted(Amounts::default()));
        assert_eq!(free.status, StatusCode::BAD_GATEWAY);
        assert!(
            free.detail.contains("nothing was charged"),
            "{}",
            free.detail
        );
        let quad = Amounts::of(Unit::Pu, LEAST);
        let charged = not_followed(&unreachable(), &predicted(quad));
        assert_eq!(charged.status, StatusCode::GATEWAY_TIMEOUT);
        assert!(
            charged.detail.contains("has charged the request"),
            "{}",
            charged.detail
        );
    }

    #[test]
    fn a_host_that_is_not_listed_is_named_and_whom_to_ask() {
        let foreign = FollowError::Foreign {
            host: "https://cdn.example:443".into(),
        };
        let refusal = not_followed(&foreign, &predicted(Amounts::default()));
        assert_eq!(refusal.problem, Problem::NotFollowed);
        for part in [
            "https://cdn.example:443",
            "platform admin",
            "download_hosts",
        ] {
            assert!(refusal.detail.contains(part), "{}", refusal.detail);
        }
    }
}
