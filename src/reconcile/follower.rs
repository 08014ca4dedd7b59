//! Follows what is open: asks when it is due, one question at a time, and looks at what callers are shown. Whoever
//! looks writes down what was seen; the books see to it that of many guards one asks.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{debug, error, info, warn};

use super::evidence::{Terms, Verdict, judge};
use crate::guard::{Guard, Sighting, Unasked};
use crate::ledger::{Evidence, Followed, LedgerError, Record, Seen, State};
use crate::planet::{Api, Course, Kind};
use crate::telemetry::Correction;
use crate::units::{Amount, Amounts, Unit, UtcTime};

/// How often the books are looked at for what is due: other guards write into them too.
const LOOK: Duration = Duration::from_secs(2);
/// Taken at a time, so that whoever takes it has asked about all of it before it is due again.
const AT_A_TIME: u32 = 4;
/// A job that is still open then is let go: nobody believes any more that it ends.
const LONGEST: Duration = Duration::from_hours(60 * 24);
/// A subscription runs for a plan's term, and is predicted no further.
const LONGEST_OF_SUBSCRIPTIONS: Duration = Duration::from_hours(400 * 24);

/// Brings predictions to their final figures.
struct Follower {
    guard: Arc<Guard>,
}

/// Follows until it is stopped. What a task that is stopped has not written down, the next one asks again.
pub fn follow(guard: Arc<Guard>, sightings: mpsc::Receiver<Sighting>) -> JoinHandle<()> {
    let follower = Follower { guard };
    tokio::spawn(async move { follower.run(sightings).await })
}

impl Follower {
    async fn run(&self, mut sightings: mpsc::Receiver<Sighting>) {
        loop {
            tokio::select! {
                Some(sighting) = sightings.recv() => self.look_at(&sighting).await,
                () = tokio::time::sleep(LOOK) => self.ask_what_is_due().await,
            }
        }
    }

    async fn look_at(&self, sighting: &Sighting) {
        for one in &sighting.open {
            self.learn(one, sighting.status, &sighting.answer).await;
        }
    }

    /// Asks about everything that is due now.
    async fn ask_what_is_due(&self) {
        loop {
            let now = self.guard.clock.now();
            let next = self.guard.ledger.next_due().await;
            match next {
                Ok(Some(next)) if next <= now => {}
                Ok(_) => return,
                Err(cause) => return not_now(&cause),
            }
            match self.guard.ledger.due(AT_A_TIME, now).await {
                Ok(due) if due.is_empty() => return,
                Ok(due) => {
                    for one in &due {
                        self.ask(one, now).await;
                    }
                }
                Err(cause) => return not_now(&cause),
            }
        }
    }

    async fn ask(&self, one: &Followed, now: UtcTime) {
        if let Some(days) = too_long(one, now) {
            return self.let_go(one, days).await;
        }
        let (kind, name) = (one.made.kind.name(), &*one.made.name);
        match self.guard.ask_about(one).await {
            Ok((status, answer)) => self.learn(one, status, &answer).await,
            Err(Unasked::NoCredential) => {
                debug!(kind, name, "it is followed by what callers read of it");
            }
            Err(why) => {
                warn!(request.id = %one.request, kind, name, %why, "it could not be asked for");
            }
        }
    }

    async fn learn(&self, one: &Followed, status: StatusCode, answer: &[u8]) {
        let (kind, name) = (one.made.kind.name(), &*one.made.name);
        let course = match Course::read(one.made.kind, status, answer) {
            Ok(course) => course,
            Err(doubt) => {
                warn!(request.id = %one.request, kind, name, %doubt, "its state is not known");
                return;
            }
        };
        if let Err(cause) = self.conclude(one, &course).await {
            let error = &cause as &dyn std::error::Error;
            error!(request.id = %one.request, kind, name, error, "what was seen could not be written down");
        }
    }

    /// Writes down what was seen, and what follows from it; the correction first, so that it is never lost.
    async fn conclude(&self, one: &Followed, course: &Course) -> Result<(), LedgerError> {
        let Some(record) = self.guard.ledger.record(one.request).await? else {
            let gone = "its request is no longer in the books";
            self.end_commitment(one, course).await?;
            return self.see(one, course, true, Some(gone)).await;
        };
        let (earlier, started_again) = self.of_the_same(one).await?;
        let policy = &self.guard.policy;
        let terms = Terms {
            prices: policy.prices(),
            plan: policy.plan(),
            earlier,
            started_again,
        };
        match judge(one, course, &record, terms) {
            Verdict::Open => self.see(one, course, false, None).await,
            Verdict::Stands(why) => {
                self.end_commitment(one, course).await?;
                self.see(one, course, true, why.as_deref()).await
            }
            Verdict::Correct(evidence) => {
                self.correct(one, &record, &evidence).await?;
                self.end_commitment(one, course).await?;
                self.see(one, course, true, None).await
            }
        }
    }

    /// A subscription that is over takes nothing of windows to come, whoever ended it.
    async fn end_commitment(&self, one: &Followed, course: &Course) -> Result<(), LedgerError> {
        if one.made.kind != Kind::Subscription || course.end.is_none() {
            return Ok(());
        }
        let (upstream, id) = (&one.upstream, &*one.made.name);
        self.guard.ended_by_itself(upstream, id).await
    }

    /// What earlier requests were charged for the same thing, and whether a later one started it again.
    async fn of_the_same(&self, one: &Followed) -> Result<(Amount, bool), LedgerError> {
        if !matches!(one.made.kind, Kind::Batch | Kind::BatchStatistics) {
            return Ok((Amount::ZERO, false));
        }
        let ledger = &self.guard.ledger;
        let (kind, name) = (one.made.kind, &*one.made.name);
        let all = ledger.followed(&one.upstream, kind, name).await?;
        let mut earlier = Amount::ZERO;
        for other in all.iter().filter(|other| other.request < one.request) {
            if let Some(record) = ledger.record(other.request).await? {
                earlier = earlier.saturating_add(counted_pu(&record));
            }
        }
        let started_again = all.iter().any(|other| other.request > one.request);
        Ok((earlier, started_again))
    }

    async fn correct(
        &self,
        one: &Followed,
        record: &Record,
        evidence: &Evidence,
    ) -> Result<(), LedgerError> {
        let now = self.guard.clock.now();
        let corrected = self
            .guard
            .ledger
            .reconcile(one.request, evidence, now)
            .await;
        match corrected {
            Ok(_) => {}
            // somebody was first
            Err(LedgerError::NotInDoubt(_)) => return Ok(()),
            Err(cause) => return Err(cause),
        }
        let before = match &record.state {
            State::Settled(charge) => charge.amounts.clone(),
            _ => Amounts::default(),
        };
        let correction = Correction {
            predicted: record.predicted.clone(),
            before,
            after: evidence.amounts.clone(),
        };
        let api: Api = record.api.parse().unwrap_or(Api::Unknown);
        self.guard
            .metrics
            .count_corrected(api, &record.team, &correction);
        let (kind, name, why) = (one.made.kind.name(), &*one.made.name, &*evidence.why);
        let (predicted, charged) = (&record.predicted, &evidence.amounts);
        info!(request.id = %one.request, kind, name, %predicted, %charged, why, "corrected");
        Ok(())
    }

    async fn see(
        &self,
        one: &Followed,
        course: &Course,
        over: bool,
        why: Option<&str>,
    ) -> Result<(), LedgerError> {
        let seen = Seen {
            state: course.state.clone(),
            over,
            note: why.map(|why| stands(one, why)),
        };
        let now = self.guard.clock.now();
        self.guard.ledger.seen(one.request, &seen, now).await?;
        if over {
            self.guard.lent.give_back(one.request);
        }
        Ok(())
    }

    /// Nobody asks about it any more; what was predicted stays spent.
    async fn let_go(&self, one: &Followed, days: i64) {
        let state = one.state.as_deref().unwrap_or("never seen");
        let why = format!("it was still '{state}' after {days} days, and is followed no longer");
        let (kind, name) = (one.made.kind.name(), &*one.made.name);
        warn!(request.id = %one.request, kind, name, state, days, "let go; what was predicted stays spent");
        let course = Course {
            state: state.to_owned(),
            end: None,
        };
        if let Err(cause) = self.see(one, &course, true, Some(&why)).await {
            not_now(&cause);
        }
    }
}

/// After how many days something has been open for longer than anybody waits.
fn too_long(one: &Followed, now: UtcTime) -> Option<i64> {
    let longest = match one.made.kind {
        Kind::Subscription | Kind::Subscriptions => LONGEST_OF_SUBSCRIPTIONS,
        _ => LONGEST,
    };
    let open = now.duration_since(one.since);
    let too_long = !open.is_negative() && open.unsigned_abs() > longest;
    too_long.then(|| open.as_hours() / 24)
}

/// What a request counts as charged.
fn counted_pu(record: &Record) -> Amount {
    let charged = record.state.charged_of(Unit::Pu);
    let predicted = record.predicted.get(Unit::Pu);
    charged.or(predicted).unwrap_or_default()
}

fn stands(one: &Followed, why: &str) -> String {
    let (kind, name, request) = (one.made.kind.name(), &one.made.name, one.request);
    format!("{kind} {name} of {request} counts as predicted: {why}")
}

fn not_now(cause: &LedgerError) {
    debug!(%cause, "the books cannot say what is followed; they are asked again");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{NewFollowed, RequestId};
    use crate::planet::Made;

    fn one(kind: Kind) -> Followed {
        let new = NewFollowed {
            request: RequestId::new(UtcTime::UNIX_EPOCH, [1; 10]),
            upstream: "planet".into(),
            made: Made {
                kind,
                name: "a".into(),
                path: "/a".into(),
            },
        };
        new.begin(UtcTime::UNIX_EPOCH)
    }

    #[test]
    fn only_what_is_open_for_very_long_is_let_go() {
        let after = |days: u64| UtcTime::UNIX_EPOCH + Duration::from_hours(24 * days);
        assert_eq!(too_long(&one(Kind::Order), after(60)), None);
        assert_eq!(too_long(&one(Kind::Order), after(61)), Some(61));
        assert_eq!(too_long(&one(Kind::Subscription), after(61)), None);
        assert_eq!(too_long(&one(Kind::Subscription), after(401)), Some(401));
        assert_eq!(too_long(&one(Kind::Order), UtcTime::MIN), None);
    }
}
