//! Outlines of features and collections, fetched once for each caller and remembered for a short while.
//!
//! A feature that the guard lets be changed is fetched anew; one that is changed elsewhere may be
//! remembered as it was for as long as [`REMEMBERED`].

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{StreamExt, stream};
use http::StatusCode;
use moka::future::Cache;
use tokio::task::spawn_blocking;
use tokio::time::timeout_at;

use super::errand::{Errand, Mishap, Visit};
use super::{AT_A_TIME, Owner, REMEMBERED};
use crate::guard::refusal::{Problem, Refusal};
use crate::planet::answer::Doubt;
use crate::planet::features::{self, Feature};
use crate::planet::geometry::FeatureRef;
use crate::planet::{Ask, Outlines, Unbounded};

/// Bytes of outlines that are remembered.
const MEMORY_BYTES: u64 = 64 * 1024 * 1024;
/// What is kept of a feature besides its positions, roughly, and of a position.
const FEATURE_BYTES: usize = 512;
const POSITION_BYTES: usize = 16;
/// More areas than this are not looked up for one request.
const MOST_REFERENCES: usize = 100;
/// Larger collections are not read: there may be 150,000 features in one.
const MOST_FEATURES: usize = 1_000;

/// What was fetched.
pub(super) struct Areas {
    memory: Cache<Key, Arc<[Feature]>>,
    /// How often somebody's features have changed. What was fetched before is not looked at again, even if
    /// it arrives after.
    changes: AtomicU64,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Key {
    owner: Owner,
    changes: u64,
    reference: FeatureRef,
}

impl Default for Areas {
    fn default() -> Self {
        let weight = |_: &Key, features: &Arc<[Feature]>| {
            let each = features
                .iter()
                .map(|feature| FEATURE_BYTES + POSITION_BYTES * feature.shape.positions());
            u32::try_from(FEATURE_BYTES + each.sum::<usize>()).unwrap_or(u32::MAX)
        };
        let memory = Cache::builder()
            .weigher(weight)
            .max_capacity(MEMORY_BYTES)
            .time_to_live(REMEMBERED)
            .build();
        Self {
            memory,
            changes: AtomicU64::new(0),
        }
    }
}

impl Areas {
    /// Draws the outlines of all that the request only names. A reference to nothing is the caller's
    /// mistake; where Planet cannot be asked the request has no bound.
    pub(super) async fn draw(
        &self,
        ask: &mut Ask,
        visit: &Visit<'_>,
    ) -> Result<Result<(), Unbounded>, Refusal> {
        let references = ask.references();
        if references.is_empty() {
            return Ok(Ok(()));
        }
        if references.len() > MOST_REFERENCES {
            return Ok(Err(Unbounded {
                why: format!(
                    "it names {} areas, and no more than {MOST_REFERENCES} are looked up; send fewer at a time",
                    references.len()
                ),
            }));
        }
        let fetched = stream::iter(references)
            .map(|reference| async move {
                let features = self.features(&reference, visit).await;
                (reference, features)
            })
            .buffer_unordered(AT_A_TIME)
            .collect::<Vec<_>>()
            .await;
        let mut known: Outlines = HashMap::with_capacity(fetched.len());
        for (reference, features) in fetched {
            match features {
                Ok(features) => known.insert(reference, features),
                Err(mishap) if is_missing(&mishap) => return Err(missing(&reference)),
                Err(mishap) => {
                    let why = format!("the area of {} is not known: {mishap}", reference.as_str());
                    return Ok(Err(Unbounded { why }));
                }
            };
        }
        Ok(ask.resolve(&known))
    }

    /// Nothing that was fetched so far is what Planet has now.
    pub(super) fn forget(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    async fn features(
        &self,
        reference: &FeatureRef,
        visit: &Visit<'_>,
    ) -> Result<Arc<[Feature]>, Arc<Mishap>> {
        let key = Key {
            owner: visit.rights.key(),
            changes: self.changes.load(Ordering::SeqCst),
            reference: reference.clone(),
        };
        let fetched = self.memory.try_get_with(key, fetch(reference, visit));
        let fetched = timeout_at(visit.deadline, fetched).await;
        fetched.unwrap_or_else(|_| Err(Arc::new(Mishap::Late(visit.patience))))
    }
}

async fn fetch(reference: &FeatureRef, visit: &Visit<'_>) -> Result<Arc<[Feature]>, Mishap> {
    match reference.parts() {
        Some((collection, None)) => Ok(whole(collection, visit).await?.into()),
        Some((collection, Some(feature))) => {
            let one = one(reference, (collection, feature), visit).await?;
            Ok(Arc::new([one]))
        }
        None => Err(Mishap::Unsendable(
            "only areas of the form 'pl:features/my/COLLECTION/FEATURE' can be looked up".into(),
        )),
    }
}

/// One feature by its own address. Planet knows some by another name than the one in their reference, so
/// one that is not there is looked for in its collection.
async fn one(
    reference: &FeatureRef,
    (collection, feature): (&str, &str),
    visit: &Visit<'_>,
) -> Result<Feature, Mishap> {
    let errand = Errand::get(features::feature_path(collection, feature));
    match visit.run(errand).await {
        Ok(answer) => Ok(features::read_feature(&answer, reference)?),
        Err(mishap) if is_missing(&mishap) => {
            let all = whole(collection, visit).await.unwrap_or_default();
            let found = all.into_iter().find(|one| one.reference == *reference);
            found.ok_or(mishap)
        }
        Err(mishap) => Err(mishap),
    }
}

/// Every feature of a collection, page by page.
async fn whole(collection: &str, visit: &Visit<'_>) -> Result<Vec<Feature>, Mishap> {
    let mut all = Vec::new();
    loop {
        let errand = Errand::get(features::page_path(collection, all.len()));
        let answer = visit.run(errand).await?;
        // a page may be megabytes of outlines, whose proof would keep others waiting
        let page = spawn_blocking(move || features::read_page(&answer)).await;
        let page = page.map_err(|_| Doubt::new("its outlines cannot be measured"))??;
        let empty = page.features.is_empty();
        all.extend(page.features);
        if all.len() > MOST_FEATURES || page.total.is_some_and(|total| total > MOST_FEATURES) {
            return Err(Mishap::Unsendable(format!(
                "the collection {collection} has more than {MOST_FEATURES} features, which are too many to be \
                 measured for one request"
            )));
        }
        match page.total {
            _ if page.more && empty => {
                return Err(Doubt::new("a page without features promises further ones").into());
            }
            _ if page.more => {}
            Some(total) if total > all.len() => {
                return Err(Doubt::new("its last page comes before its last feature").into());
            }
            _ => return Ok(all),
        }
    }
}

fn is_missing(mishap: &Mishap) -> bool {
    matches!(
        mishap,
        Mishap::Status(StatusCode::NOT_FOUND | StatusCode::GONE)
    )
}

fn missing(reference: &FeatureRef) -> Refusal {
    Refusal::new(
        Problem::NotUnderstood,
        format!(
            "Planet's Features API has no '{}' that this caller may see. Check the reference, and that the \
             feature is the caller's own or shared with its organisation.",
            reference.as_str()
        ),
    )
}
