//! What is given back when a subscription ends, stands still, or costs less: the days that will not come, and
//! nothing else.
//!
//! Planet's pages disagree about what a cancelled subscription releases. Nothing that has been used is ever
//! given back here: neither backfill nor past days, nor today, nor area that is locked for a year. What lies
//! ahead was never charged by Planet, for that charges as images come in; it was only reserved here.

use std::sync::Arc;

use http::request::Parts;
use jiff::ToSpan;
use tracing::debug;

use super::promise::{Entry, claimed};
use crate::cost::subscriptions::rate;
use crate::guard::pipeline::{Guard, books_away};
use crate::guard::places::Place;
use crate::guard::refusal::Refusal;
use crate::ledger::{Commitment, Course, LedgerError, State, Turn};
use crate::planet::subscriptions::{SubscriptionAsk, ended, read_present};
use crate::planet::{Asked, Kind};
use crate::policy::{Account, Claim};
use crate::units::{Amount, UtcTime, tomorrow};

impl Guard {
    /// What becomes of commitments when the call that ends their subscriptions has succeeded.
    pub(super) async fn ended(
        &self,
        place: &Arc<Place>,
        head: &Parts,
        asked: &Asked<'_>,
        now: UtcTime,
    ) -> Result<Vec<Entry>, Refusal> {
        let Some(ended) = ended(asked) else {
            return Ok(Vec::new());
        };
        let upstream = place.upstream.name();
        let known = self.find_commitments(upstream, &ended.ids).await;
        let known = known.map_err(|cause| books_away(&cause))?;
        let mut entries = Vec::new();
        for (id, known) in ended.ids.iter().zip(known) {
            let known = match known {
                Some(known) => Some(known),
                None => self.by_its_looks(place, head, asked, id).await?,
            };
            let Some(known) = known.filter(|known| known.spends() || ended.for_good) else {
                continue;
            };
            let in_doubt = self.is_in_doubt(&known).await;
            let in_doubt = in_doubt.map_err(|cause| books_away(&cause))?;
            let (how, course) = if ended.for_good {
                ("cancelled", Course::Over)
            } else {
                ("suspended", Course::Suspended)
            };
            entries.push(ending(known, how, course, in_doubt, now));
        }
        Ok(entries)
    }

    /// A subscription was seen to have ended with nobody asking for that here: nothing more of it will come.
    pub async fn ended_by_itself(&self, upstream: &Arc<str>, id: &str) -> Result<(), LedgerError> {
        let known = self.find_commitments(upstream, &[id.to_owned()]).await?;
        let Some(known) = known.into_iter().flatten().next() else {
            return Ok(());
        };
        let in_doubt = self.is_in_doubt(&known).await?;
        let entry = ending(known, "ended", Course::Over, in_doubt, self.clock.now());
        let turn = Turn {
            gives_back: entry.gives_back,
            why: entry.why,
            ..Turn::only(entry.done)
        };
        self.take_further(vec![turn]).await
    }

    /// The commitment of each subscription, by its id or by the request that made it.
    pub(super) async fn find_commitments(
        &self,
        upstream: &Arc<str>,
        ids: &[String],
    ) -> Result<Vec<Option<Commitment>>, LedgerError> {
        let all = self.ledger.commitments().await?;
        let mut found = Vec::new();
        for id in ids {
            let named = |one: &&Commitment| {
                one.upstream == *upstream && one.subscription.as_deref() == Some(id)
            };
            if let Some(one) = all.iter().find(named) {
                found.push(Some(one.clone()));
                continue;
            }
            let followed = self
                .ledger
                .followed(upstream, Kind::Subscription, id)
                .await?;
            let requests: Vec<_> = followed.iter().map(|one| one.request).collect();
            let made = |one: &&Commitment| {
                one.subscription.is_none() && requests.contains(&one.id.request)
            };
            found.push(all.iter().find(made).cloned());
        }
        Ok(found)
    }

    /// The commitment of a subscription that ends and whose id the books do not know: Planet shows what it is.
    async fn by_its_looks(
        &self,
        place: &Arc<Place>,
        head: &Parts,
        asked: &Asked<'_>,
        id: &str,
    ) -> Result<Option<Commitment>, Refusal> {
        let nameless = self.nameless(place.upstream.name()).await;
        let nameless = nameless.map_err(|cause| books_away(&cause))?;
        if nameless.is_empty() {
            return Ok(None);
        }
        let base = asked.path.split("/v1").next().unwrap_or_default();
        let path = format!("{base}/v1/{id}");
        let reader = self.reader(place, (&head.headers, asked.query));
        let shown = match reader.question(&path).await {
            Ok(shown) => shown,
            Err(why) => {
                debug!(%why, "which subscription ends is not known, and nothing is given back for it");
                return Ok(None);
            }
        };
        let present = read_present(&shown).ok();
        Ok(present.and_then(|present| self.alike(nameless, &present.ask, id)))
    }

    /// Those whose ids nobody has told.
    pub(super) async fn nameless(
        &self,
        upstream: &Arc<str>,
    ) -> Result<Vec<Commitment>, LedgerError> {
        let mut all = self.ledger.commitments().await?;
        all.retain(|one| one.subscription.is_none() && one.upstream == *upstream);
        Ok(all)
    }

    /// A bulk call does not tell the ids of what it made: one of those that cost the same and run as long, where
    /// all of them are the same caller's.
    pub(super) fn alike(
        &self,
        mut nameless: Vec<Commitment>,
        ask: &SubscriptionAsk,
        id: &str,
    ) -> Option<Commitment> {
        let rate = rate(ask, self.policy.prices(), self.policy.plan()).ok()?;
        nameless.retain(|one| one.rate == rate && one.start == ask.start && one.end == ask.end);
        let found = nameless.pop()?;
        let same = |one: &Commitment| one.team == found.team && one.key == found.key;
        nameless.iter().all(same).then_some(Commitment {
            subscription: Some(id.into()),
            ..found
        })
    }

    /// Whether it is not known what its create was charged, or was corrected as a whole: then nothing of it can
    /// be given back.
    async fn is_in_doubt(&self, commitment: &Commitment) -> Result<bool, LedgerError> {
        let record = self.ledger.record(commitment.id.request).await?;
        Ok(match record.map(|record| record.state) {
            None | Some(State::Settled(_)) => false,
            Some(State::Reconciled(as_predicted)) => !as_predicted.amounts.is_empty(),
            Some(State::Held | State::Voided | State::Unknown { .. }) => true,
        })
    }
}

/// How a commitment ends, for good or for now.
fn ending(known: Commitment, how: &str, course: Course, in_doubt: bool, now: UtcTime) -> Entry {
    let mut done = known.next();
    done.course = course;
    done.ahead.clear();
    let saved = known.ahead.iter();
    let saved = saved.map(|ahead| (ahead.account.clone(), held(&known, &ahead.account, now)));
    let gives_back: Vec<_> = if in_doubt {
        Vec::new()
    } else {
        saved.filter(|(_, amount)| !amount.is_zero()).collect()
    };
    let has_passed = known.end.is_some_and(|end| end <= now);
    let back = if gives_back.is_empty() {
        "nothing was reserved that could be given back".to_owned()
    } else {
        let from = tomorrow(now);
        format!("what was reserved for days from {from} on is given back")
    };
    Entry {
        why: (!has_passed).then(|| format!("{}: {how}; {back}", known.name())),
        meanwhile: None,
        before: Some(known),
        done,
        gives_back,
    }
}

/// What the account holds for days from tomorrow on.
fn held(commitment: &Commitment, account: &Account, now: UtcTime) -> Amount {
    let own = commitment.ahead.iter();
    let own = own.filter(|ahead| ahead.account == *account && ahead.until > now);
    own.fold(Amount::ZERO, |sum, ahead| {
        let (from, then) = (ahead.from, tomorrow(now));
        let saved = commitment.rate.saved(from, then, ahead.until);
        let saved = saved.and_then(|saved| saved.get(account.unit));
        sum.saturating_add(saved.unwrap_or_default().min(ahead.amount))
    })
}

/// What accounts hold for the future beyond what it costs `done`. Accounts that the change itself claims of
/// have nothing to spare. What `done` holds is brought to what there is.
pub(super) fn no_longer_needed(
    known: &Commitment,
    done: &mut Commitment,
    claims: &[Claim],
    now: UtcTime,
) -> Vec<(Account, Amount)> {
    for ahead in &mut done.ahead {
        let there = held(known, &ahead.account, now);
        let there = there.saturating_add(claimed(claims, &ahead.account));
        ahead.amount = ahead.amount.min(there);
    }
    let needed = |account: &Account| {
        let own = done.ahead.iter().find(|ahead| ahead.account == *account);
        own.map_or(Amount::ZERO, |ahead| ahead.amount)
    };
    let spare = known.ahead.iter().map(|ahead| {
        let account = &ahead.account;
        let spare = if claimed(claims, account).is_zero() {
            held(known, account, now).minus(needed(account))
        } else {
            Amount::ZERO
        };
        (account.clone(), spare)
    });
    spare.filter(|(_, spare)| !spare.is_zero()).collect()
}

/// How it counts while nobody knows whether the change was made: as long and as dear as the dearer of both.
pub(super) fn the_dearer(known: &Commitment, done: &Commitment, now: UtcTime) -> Commitment {
    let mut dearer = known.next();
    dearer.end = known.end.zip(done.end).map(|(one, other)| one.max(other));
    dearer.start = known.start.min(done.start);
    let month = now.saturating_add(720.hours()).unwrap_or(UtcTime::MAX);
    let cost = |one: &Commitment| one.rate.between(now, now, month).unwrap_or_default();
    let (before, after) = (cost(known), cost(done));
    let covers = before
        .iter()
        .all(|(unit, amount)| after.get(unit).is_some_and(|after| after >= amount));
    if covers {
        dearer.rate = done.rate.clone();
    } else if after
        .iter()
        .any(|(unit, amount)| before.get(unit) < Some(amount))
    {
        dearer.rate = dearer.rate.and(&done.rate);
    }
    dearer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{Pace, Rate, Term};
    use crate::ledger::{Ahead, CommitmentId, RequestId};
    use crate::units::{Amounts, Span, Unit};

    fn at(text: &str) -> UtcTime {
        text.parse().expect(text)
    }

    fn now() -> UtcTime {
        at("2026-06-20T12:00:00Z")
    }

    fn whole(units: u64) -> Amount {
        Amount::from_whole(units).unwrap()
    }

    fn month() -> Account {
        Account {
            budget: "month".into(),
            partition: "".into(),
            unit: Unit::Aum,
            window: Span {
                start: at("2026-06-01T00:00:00Z"),
                end: Some(at("2026-07-01T00:00:00Z")),
            },
        }
    }

    /// So much area a day, and so many PU; the rest of June was asked for at its start.
    fn commitment(aum: u64, pu: u64) -> Commitment {
        let (from, until) = (at("2026-06-01T00:00:00Z"), at("2026-07-01T00:00:00Z"));
        let each = [(Unit::Aum, whole(aum)), (Unit::Pu, whole(pu))];
        let each: Amounts = each.into_iter().collect();
        Commitment {
            id: CommitmentId {
                request: RequestId::new(from, [1; 10]),
                number: 0,
            },
            version: 3,
            upstream: "planet".into(),
            subscription: Some("s1".into()),
            team: "agriculture".into(),
            key: "ag".into(),
            products: Vec::new(),
            tag: None,
            rate: Rate {
                terms: vec![Term {
                    pace: Pace::DAILY,
                    each,
                }],
                ..Rate::default()
            },
            start: from,
            end: None,
            since: from,
            course: Course::Running,
            booked_until: from,
            predicted_until: until,
            ahead: vec![Ahead {
                account: month(),
                amount: whole(30 * aum),
                from,
                until,
            }],
        }
    }

    fn given_back(entry: &Entry) -> Vec<i64> {
        let amounts = entry.gives_back.iter();
        amounts.map(|(_, amount)| amount.whole_floor()).collect()
    }

    #[test]
    fn an_end_gives_back_days_from_tomorrow_on_and_no_more_than_is_held() {
        let ends = |known, in_doubt, now| ending(known, "cancelled", Course::Over, in_doubt, now);
        let cancelled = ends(commitment(2, 1), false, now());
        assert_eq!(given_back(&cancelled), [20], "the 21st to the 30th");
        assert!(cancelled.done.ahead.is_empty() && cancelled.done.is_over());
        let mut less = commitment(2, 1);
        less.ahead[0].amount = whole(7);
        assert_eq!(given_back(&ends(less, false, now())), [7]);
        assert!(given_back(&ends(commitment(2, 1), true, now())).is_empty());
        let july = at("2026-07-03T00:00:00Z");
        assert!(given_back(&ends(commitment(2, 1), false, july)).is_empty());
    }

    #[test]
    fn while_nobody_knows_whether_it_was_changed_the_dearer_counts() {
        let a_day = |one: &Commitment| {
            let cost = one.rate.between(now(), now(), tomorrow(now())).unwrap();
            [Unit::Aum, Unit::Pu].map(|unit| cost.get(unit).unwrap().whole_floor())
        };
        let before = commitment(2, 5);
        for (after, both) in [((4, 5), [4, 5]), ((1, 5), [2, 5]), ((4, 1), [6, 6])] {
            let after = commitment(after.0, after.1);
            assert_eq!(a_day(&the_dearer(&before, &after, now())), both);
        }
        let mut bounded = commitment(2, 5);
        bounded.end = Some(now());
        assert_eq!(the_dearer(&before, &bounded, now()).end, None);
    }
}
