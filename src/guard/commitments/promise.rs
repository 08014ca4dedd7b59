//! What a call will have spent when it has long been answered: noted before the call is sent, so that nothing
//! that a crash cuts off goes on spending unseen, and made final by the answer.

use std::sync::Arc;

use http::request::Parts;
use tracing::warn;

use super::due::ahead_of;
use super::release;
use crate::cost::{Rate, subscriptions};
use crate::guard::exchange::Exchange;
use crate::guard::pipeline::{Case, Guard, books_away};
use crate::guard::places::Place;
use crate::guard::refusal::Refusal;
use crate::guard::weigh::Weighed;
use crate::ledger::{
    AccountKey, Ahead, Commitment, CommitmentId, Course, LedgerError, Outcome, Turn,
};
use crate::planet::subscriptions::{Presence, Present, Revision, SubscriptionAsk, changed, ended};
use crate::planet::{Ask, Asked};
use crate::policy::{Account, Caller, Claim, Policy};
use crate::units::{Amount, UtcTime};

/// What becomes of commitments when the answer is there.
#[derive(Debug)]
pub(in crate::guard) struct Promise {
    pub(super) entries: Vec<Entry>,
    /// What shorter windows have settled at beyond their own share.
    spare: Vec<(Account, Amount)>,
    now: UtcTime,
}

/// One commitment on its way through a call.
#[derive(Debug)]
pub(super) struct Entry {
    /// `None`: the call makes it.
    pub(super) before: Option<Commitment>,
    /// How it counts from before the call is sent until its answer is known; `None`: as before.
    pub(super) meanwhile: Option<Commitment>,
    /// How it goes on once the call has succeeded.
    pub(super) done: Commitment,
    pub(super) gives_back: Vec<(Account, Amount)>,
    pub(super) why: Option<String>,
}

/// A subscription that a call names, and its commitment where the books have met it.
type Known = (String, Option<Commitment>);

/// What a call is, as far as new commitments say.
struct Maker<'a> {
    policy: &'a Policy,
    upstream: &'a Arc<str>,
    caller: &'a Caller,
    case: &'a Case,
    claims: &'a [Claim],
    now: UtcTime,
}

impl Guard {
    /// Whether the call may leave something to come, or end it.
    pub(in crate::guard) fn may_promise(asked: &Asked<'_>, weighed: &Weighed) -> bool {
        weighed.predicted.reading.ask.goes_on() || ended(asked).is_some()
    }

    /// What the call promises; `None` where it leaves nothing to come.
    pub(in crate::guard) async fn promise(
        &self,
        place: &Arc<Place>,
        head: &Parts,
        asked: &Asked<'_>,
        (caller, case): (&Caller, &Case),
        weighed: &Weighed,
        now: UtcTime,
    ) -> Result<Option<Box<Promise>>, Refusal> {
        let upstream = place.upstream.name();
        let maker = Maker {
            policy: &self.policy,
            upstream,
            caller,
            case,
            claims: &weighed.claims,
            now,
        };
        let entries = match &weighed.predicted.reading.ask {
            Ask::Subscriptions(all) => maker.created(all),
            Ask::Revision(change) => {
                let known = self.known(upstream, asked, &[&change.before]).await?;
                let known = known.into_iter();
                known.map(|known| maker.revised(change, known)).collect()
            }
            Ask::Reactivation(all) => {
                let shown: Vec<_> = all.iter().collect();
                maker.reactivated(all, self.known(upstream, asked, &shown).await?)
            }
            _ => self.ended(place, head, asked, now).await?,
        };
        if entries.is_empty() {
            return Ok(None);
        }
        Ok(Some(Box::new(Promise {
            entries,
            spare: weighed.spare.clone(),
            now,
        })))
    }

    /// The subscriptions that a call names and Planet has shown, each in its place, and their commitments.
    async fn known(
        &self,
        upstream: &Arc<str>,
        asked: &Asked<'_>,
        shown: &[&Present],
    ) -> Result<Vec<Known>, Refusal> {
        let ids = changed(asked);
        let found = self.find_commitments(upstream, &ids).await;
        let found = found.map_err(|cause| books_away(&cause))?;
        let nameless = self.nameless(upstream).await;
        let mut nameless = nameless.map_err(|cause| books_away(&cause))?;
        let mut known = Vec::new();
        for ((found, id), shown) in found.into_iter().zip(ids).zip(shown) {
            let one = found.or_else(|| self.alike(nameless.clone(), &shown.ask, &id));
            nameless.retain(|other| one.as_ref().is_none_or(|one| one.id != other.id));
            known.push((id, one));
        }
        Ok(known)
    }

    /// Takes commitments further; one that somebody else has changed meanwhile, from where it stands now.
    pub(super) async fn take_further(&self, mut turns: Vec<Turn>) -> Result<(), LedgerError> {
        /// So often another may be first.
        const ATTEMPTS: usize = 5;
        for _ in 0..ATTEMPTS {
            turns = self.try_further(turns).await?;
            if turns.is_empty() {
                return Ok(());
            }
        }
        Err(LedgerError::Unavailable(
            "a commitment is being changed by others all the time".into(),
        ))
    }

    /// Gives back those that came too late, made anew.
    async fn try_further(&self, turns: Vec<Turn>) -> Result<Vec<Turn>, LedgerError> {
        let kept = self.keep(&turns).await?;
        let late = turns.into_iter().zip(kept);
        // one that is gone was over long ago
        let late = late.filter_map(|(turn, current)| Some(rebased(turn, &*current??)));
        Ok(late.collect())
    }
}

impl Exchange {
    /// Notes what is promised, before the call is sent.
    pub(in crate::guard) async fn give_word(&mut self) -> Result<(), Refusal> {
        let Some(promise) = &self.promise else {
            return Ok(());
        };
        let meanwhile = promise.entries.iter();
        let meanwhile = meanwhile.filter_map(|entry| entry.meanwhile.clone().map(Turn::only));
        let given = self.guard.take_further(meanwhile.collect()).await;
        given.map_err(|cause| books_away(&cause))?;
        self.guard.catch_up_from(promise.now);
        Ok(())
    }

    /// Makes final what was promised. Should the books not take it, it stands as it was noted, and counts.
    pub(in crate::guard) async fn keep_word(
        &mut self,
        promise: Box<Promise>,
        outcome: &Outcome,
        succeeded: bool,
    ) {
        let named = self.made.take();
        let turns = match outcome {
            _ if succeeded => promise.kept(named.as_deref()),
            Outcome::Unknown { .. } => return,
            _ => promise.taken_back(),
        };
        if let Err(cause) = self.guard.take_further(turns).await {
            let error = &cause as &dyn std::error::Error;
            warn!(request.id = %self.case.request, error, "what goes on spending stands as it was noted");
        }
    }
}

impl Promise {
    /// `named` is what Planet calls the one that was made.
    fn kept(self, named: Option<&str>) -> Vec<Turn> {
        let single = self.entries.len() == 1;
        let mut spare = self.spare;
        let turns = self.entries.into_iter().map(|entry| {
            let mut commitment = entry.done;
            let base = entry.meanwhile.as_ref().or(entry.before.as_ref());
            commitment.version = base.map_or(1, |base| base.version + 1);
            let nameless = commitment.subscription.is_none();
            if let Some(name) = named.filter(|_| single && nameless) {
                commitment.subscription = Some(name.into());
            }
            let mut gives_back = entry.gives_back;
            gives_back.append(&mut spare);
            Turn {
                commitment,
                takes: None,
                gives_back,
                why: entry.why,
            }
        });
        turns.collect()
    }

    fn taken_back(self) -> Vec<Turn> {
        let turns = self.entries.into_iter().filter_map(|entry| {
            let meanwhile = entry.meanwhile?;
            let before = entry.before.unwrap_or_else(|| Commitment {
                course: Course::Over,
                ..meanwhile.clone()
            });
            let version = meanwhile.version + 1;
            Some(Turn::only(Commitment { version, ..before }))
        });
        turns.collect()
    }
}

impl Entry {
    /// The same, of a subscription whose id is known before the call is sent.
    fn called(mut self, id: &str) -> Self {
        for one in self.meanwhile.iter_mut().chain([&mut self.done]) {
            one.subscription = Some(id.into());
        }
        self
    }
}

impl Maker<'_> {
    fn created(&self, all: &[SubscriptionAsk]) -> Vec<Entry> {
        let goes_on = |ask: &&SubscriptionAsk| ask.end.is_none_or(|end| end > self.now);
        let numbered = (0..).zip(all);
        let lasting = numbered.filter(|(_, ask)| goes_on(ask));
        lasting
            .map(|(number, ask)| {
                // land that another has locked counts again as soon as that may be over
                let first = ask.start.max(self.now);
                let since = ask.locked_since.unwrap_or(first).min(first);
                self.begun(number, ask, since)
            })
            .collect()
    }

    /// One that the books have not met.
    fn begun(&self, number: u32, ask: &SubscriptionAsk, since: UtcTime) -> Entry {
        let mut asked = Commitment {
            id: CommitmentId {
                request: self.case.request,
                number,
            },
            version: 1,
            upstream: Arc::clone(self.upstream),
            subscription: None,
            team: Arc::clone(&self.caller.team),
            key: Arc::clone(&self.caller.key),
            products: ask.products().into_iter().map(Arc::from).collect(),
            tag: self.case.wishes.tag.clone(),
            rate: Rate::default(),
            start: ask.start,
            end: ask.end,
            since,
            course: Course::Asked,
            booked_until: self.now,
            predicted_until: self.now,
            ahead: Vec::new(),
        };
        self.price(&mut asked, ask);
        let done = Commitment {
            course: Course::Running,
            ..asked.clone()
        };
        Entry {
            before: None,
            meanwhile: Some(asked),
            done,
            gives_back: Vec::new(),
            why: None,
        }
    }

    /// The one that is changed; one that the books have not met is from now on in them.
    fn revised(&self, change: &Revision, (id, known): Known) -> Entry {
        let Revision { before, after } = change;
        let Some(known) = known else {
            return self.begun(0, after, before.ask.start).called(&id);
        };
        let mut done = known.next();
        (done.start, done.end) = (after.start, after.end);
        done.products = after.products().into_iter().map(Arc::from).collect();
        self.price(&mut done, after);
        match known.course {
            Course::Suspended => done.ahead.clear(),
            _ => done.course = Course::Running,
        }
        let gives_back = release::no_longer_needed(&known, &mut done, self.claims, self.now);
        Entry {
            meanwhile: Some(release::the_dearer(&known, &done, self.now)),
            why: (!gives_back.is_empty())
                .then(|| format!("{} was changed and costs less from now on", known.name())),
            before: Some(known),
            done,
            gives_back,
        }
    }

    fn reactivated(&self, all: &[Present], known: Vec<Known>) -> Vec<Entry> {
        let numbered = (0..).zip(all).zip(known);
        let still = numbered.filter(|((_, present), _)| present.presence != Presence::Live);
        still
            .map(|((number, present), (id, known))| {
                let unheard_of = || {
                    let begun = self.begun(number, &present.ask, present.ask.start);
                    begun.called(&id)
                };
                known.map_or_else(unheard_of, |known| self.goes_on(known))
            })
            .collect()
    }

    fn goes_on(&self, known: Commitment) -> Entry {
        let mut running = known.next();
        running.course = Course::Running;
        running.booked_until = self.now;
        (running.ahead, running.predicted_until) = ahead_of(self.policy, &running, self.now);
        Entry {
            done: running.clone(),
            meanwhile: Some(running),
            before: Some(known),
            gives_back: Vec::new(),
            why: None,
        }
    }

    /// What it costs from now on, and what its windows hold of that.
    fn price(&self, commitment: &mut Commitment, ask: &SubscriptionAsk) {
        let (prices, plan) = (self.policy.prices(), self.policy.plan());
        commitment.rate = subscriptions::rate(ask, prices, plan).unwrap_or_else(|cause| {
            warn!(
                request.id = %self.case.request,
                %cause,
                "nothing bounds what this subscription goes on to cost, and later windows count nothing of it"
            );
            Rate::default()
        });
        let (ahead, until) = ahead_of(self.policy, commitment, self.now);
        commitment.ahead = ahead;
        commitment.predicted_until = commitment.predicted_until.max(until);
    }
}

/// The same turn behind what somebody else has done to its commitment.
fn rebased(mut turn: Turn, current: &Commitment) -> Turn {
    let next = &mut turn.commitment;
    next.version = current.version + 1;
    next.booked_until = next.booked_until.max(current.booked_until);
    next.predicted_until = next.predicted_until.max(current.predicted_until);
    let has = |all: &[Ahead], account: &Account| {
        let key = AccountKey::from(account);
        all.iter().any(|ahead| key.is_of(&ahead.account))
    };
    if next.spends() {
        let others = current.ahead.iter();
        let others = others.filter(|ahead| !has(&next.ahead, &ahead.account));
        let others: Vec<_> = others.cloned().collect();
        next.ahead.extend(others);
    }
    turn
}

/// What a claim is on this account.
pub(super) fn claimed(claims: &[Claim], account: &Account) -> Amount {
    let key = AccountKey::from(account);
    let own = claims.iter().find(|claim| key.is_of(&claim.account));
    own.map_or(Amount::ZERO, |claim| claim.amount)
}
