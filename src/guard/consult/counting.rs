//! How many scenes subscriptions will find in the past, by Planet's own statistics.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, future, stream};
use moka::future::Cache;
use tokio::time::timeout_at;

use super::errand::{Errand, Mishap, Visit};
use super::{AT_A_TIME, Owner, REMEMBERED};
use crate::planet::answer::Doubt;
use crate::planet::counts::{self, Count, Counted, Question};
use crate::planet::subscriptions::{Source, SubscriptionAsk};
use crate::units::UtcTime;

/// Bytes of questions and counts that are remembered.
const MEMORY_BYTES: u64 = 16 * 1024 * 1024;
/// What is kept of one count, roughly: ten years of days.
const COUNT_BYTES: usize = 64 * 1024;
/// More counts than this are not asked for by one request; each is three calls at most.
const MOST_COUNTS: usize = 20;

/// What was counted.
pub(super) struct Counting {
    memory: Cache<Key, Arc<Counted>>,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Key {
    owner: Owner,
    asked: Bytes,
    times: u64,
}

impl Default for Counting {
    fn default() -> Self {
        let weight = |key: &Key, _: &Arc<Counted>| {
            u32::try_from(key.asked.len() + COUNT_BYTES).unwrap_or(u32::MAX)
        };
        let memory = Cache::builder()
            .weigher(weight)
            .max_capacity(MEMORY_BYTES)
            .time_to_live(REMEMBERED)
            .build();
        Self { memory }
    }
}

impl Counting {
    /// Writes Planet's counts, or why there are none, into the subscriptions that have a past.
    pub(super) async fn count(&self, all: &mut [SubscriptionAsk], visit: &Visit<'_>, now: UtcTime) {
        let asked: Vec<_> = all.iter().map(|one| counts::questions(one, now)).collect();
        let many: usize = asked.iter().flatten().map(Vec::len).sum();
        let mut counted = Vec::with_capacity(asked.len());
        if many > MOST_COUNTS {
            let none = |questions: Vec<Question>| vec![failed(&Mishap::TooMany); questions.len()];
            counted.extend(asked.into_iter().map(|one| one.map(none)));
        } else {
            let each = asked.into_iter().map(|one| self.answers(one, visit));
            counted = stream::iter(each).buffered(AT_A_TIME).collect().await;
        }
        for (one, counted) in all.iter_mut().zip(counted) {
            let Source::Catalog(catalog) = &mut one.source else {
                continue;
            };
            catalog.counts = counted.unwrap_or_else(|doubt| {
                vec![failed(&Mishap::Doubtful(doubt)); catalog.item_types.len()]
            });
        }
    }

    /// One count for each question.
    async fn answers(
        &self,
        questions: Result<Vec<Question>, Doubt>,
        visit: &Visit<'_>,
    ) -> Result<Vec<Count>, Doubt> {
        let each = questions?
            .into_iter()
            .map(|question| self.answer(question, visit));
        Ok(future::join_all(each).await)
    }

    async fn answer(&self, question: Question, visit: &Visit<'_>) -> Count {
        let key = Key {
            owner: visit.rights.key(),
            asked: question.all.clone().into(),
            times: question.times,
        };
        let asked = Box::pin(ask(question, visit));
        let counted = self.memory.try_get_with(key, asked);
        match timeout_at(visit.deadline, counted).await {
            Ok(Ok(counted)) => Count::Counted(counted),
            Ok(Err(mishap)) => failed(&mishap),
            Err(_) => failed(&Mishap::Late(visit.patience)),
        }
    }
}

/// The calls of a question. Should that for the last stage fail every scene may come at every stage.
async fn ask(question: Question, visit: &Visit<'_>) -> Result<Arc<Counted>, Mishap> {
    let run = |body: Vec<u8>| visit.run(Errand::post(counts::PATH, body));
    let (all, sum) = (run(question.all.clone()), run(question.sum.clone()));
    let last_stage = future::OptionFuture::from(question.last_stage.clone().map(run));
    let (all, sum, last_stage) = future::join3(all, sum, last_stage).await;
    let (all, sum) = (
        counts::read(&all?, question.days)?,
        counts::read_sum(&sum?)?,
    );
    let last_stage = last_stage
        .and_then(Result::ok)
        .and_then(|answer| counts::read(&answer, question.days).ok());
    Ok(Arc::new(question.deliveries(
        all,
        sum,
        last_stage.as_ref(),
    )?))
}

fn failed(mishap: &Mishap) -> Count {
    Count::Failed(mishap.to_string().into())
}
