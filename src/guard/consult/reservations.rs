//! What reservations of quota take by Planet's own estimate, and what is reserved already.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future;
use moka::future::Cache;
use serde_json::json;
use tokio::time::timeout_at;

use super::errand::{Errand, Mishap, Visit};
use super::{Owner, REMEMBERED};
use crate::planet::Unbounded;
use crate::planet::answer::Doubt;
use crate::planet::geometry::FeatureRef;
use crate::planet::quota::{self, Entitlement, Listed, Product, ReservationAsk, Reserved};
use crate::planet::subscriptions::{self, Source, SubscriptionAsk};
use crate::policy::Policy;
use crate::units::SquareKm;

/// Callers whose products are remembered.
const MOST_CALLERS: u64 = 10_000;
/// Pages of one list that are read.
const MOST_PAGES: usize = 10;

/// The products that callers may reserve quota for. What is reserved is never remembered.
pub(super) struct Reservations {
    products: Cache<Owner, Arc<[Product]>>,
}

impl Default for Reservations {
    fn default() -> Self {
        let products = Cache::builder()
            .max_capacity(MOST_CALLERS)
            .time_to_live(REMEMBERED)
            .build();
        Self { products }
    }
}

impl Reservations {
    /// Lets Planet say what a reservation takes, and of which product.
    pub(super) async fn tell(
        &self,
        ask: &mut ReservationAsk,
        visit: &Visit<'_>,
    ) -> Result<Product, Unbounded> {
        let id = ask.product_id;
        let unknown = |why: String| Unbounded {
            why: format!("Planet's own estimate of the reservation cannot be had: {why}"),
        };
        let (products, costs) = future::join(self.products(visit), estimate(ask, visit)).await;
        let products = products.map_err(|mishap| unknown(mishap.to_string()))?;
        let product = products.iter().find(|product| product.id == id);
        let product = product.ok_or_else(|| {
            unknown(format!(
                "the product {id} is not among those that this caller may reserve"
            ))
        })?;
        let costs = costs.map_err(|mishap| unknown(mishap.to_string()))?;
        if !ask.is_covered_by(&costs) {
            return Err(unknown(
                "it leaves out an area that the reservation names".into(),
            ));
        }
        let reserved = if ask.in_bulk && product.in_square_km {
            reserved(id, None, visit).await.unwrap_or_default()
        } else {
            Vec::new()
        };
        let told = ask.weigh(&costs, product, &reserved);
        ask.told = Some(told.ok_or_else(|| unknown("it is more than can be counted".into()))?);
        Ok(product.clone())
    }

    /// Writes into subscriptions to products what is reserved for their areas already. Without Planet's word
    /// nothing is.
    pub(super) async fn entitle(&self, all: &mut [SubscriptionAsk], visit: &Visit<'_>) {
        let areas = || {
            all.iter()
                .filter_map(|one| Some((product_of(one)?, one.feature.as_ref()?)))
        };
        if areas().next().is_none() {
            return;
        }
        let Ok(products) = self.products(visit).await else {
            return;
        };
        let mut wanted: HashMap<i64, Vec<&FeatureRef>> = HashMap::new();
        for (id, area) in areas() {
            if let Some(product) = the_one(&products, id) {
                wanted.entry(product.id).or_default().push(area);
            }
        }
        let mut rows = Vec::new();
        for (product, areas) in wanted {
            let area = Some(areas.as_slice()).filter(|areas| areas.len() == 1);
            let area = area.and_then(|areas| areas.first().copied());
            rows.extend(reserved(product, area, visit).await.unwrap_or_default());
        }
        for one in all {
            let (Source::Product(subscribed), Some(area)) = (&mut one.source, &one.feature) else {
                continue;
            };
            let minimum = products
                .iter()
                .filter(|product| product.is(&subscribed.id))
                .map(|product| product.minimum)
                .max();
            let taken = the_one(&products, &subscribed.id)
                .map_or(SquareKm::ZERO, |product| amount(&rows, area, product.id));
            subscribed.entitlement = minimum.map(|minimum| Entitlement {
                minimum,
                reserved: taken,
            });
        }
    }

    async fn products(&self, visit: &Visit<'_>) -> Result<Arc<[Product]>, Arc<Mishap>> {
        let listed = async {
            let rows = pages(visit, quota::products_path, quota::read_products).await?;
            Ok::<Arc<[Product]>, Mishap>(rows.into())
        };
        let listed = self.products.try_get_with(visit.rights.key(), listed);
        let listed = timeout_at(visit.deadline, listed).await;
        listed.unwrap_or_else(|_| Err(Arc::new(Mishap::Late(visit.patience))))
    }
}

/// The names by which budgets may know a product: those that the policy uses, else those of subscriptions.
pub(super) fn names(product: &Product, policy: &Policy) -> Vec<Arc<str>> {
    let used: Vec<Arc<str>> = product
        .names()
        .filter(|name| policy.names_product(name))
        .map(Arc::from)
        .collect();
    if !used.is_empty() {
        return used;
    }
    product.names().take(1).map(Arc::from).collect()
}

/// Asks with what the reservation itself will be made with: a member that it leaves out must not be there.
async fn estimate(ask: &ReservationAsk, visit: &Visit<'_>) -> Result<quota::Costs, Mishap> {
    let mut body = json!({"product_id": ask.product_id});
    if !ask.aoi_refs.is_empty() {
        let refs = ask.aoi_refs.iter().map(FeatureRef::as_str);
        body["aoi_refs"] = refs.collect::<Vec<_>>().into();
    }
    if let Some(collection) = &ask.collection_id {
        body["collection_id"] = collection.as_str().into();
    }
    let errand = Errand::post(quota::ESTIMATE_PATH, body.to_string());
    Ok(quota::read_estimate(&visit.run(errand).await?)?)
}

async fn reserved(
    product: i64,
    area: Option<&FeatureRef>,
    visit: &Visit<'_>,
) -> Result<Vec<Reserved>, Mishap> {
    let path = |offset| quota::reservations_path(product, area, offset);
    pages(visit, path, quota::read_reservations).await
}

/// The rows of a list, as far as it is read; what stands behind is not known.
async fn pages<T>(
    visit: &Visit<'_>,
    path: impl Fn(usize) -> String,
    read: impl Fn(&[u8]) -> Result<Listed<T>, Doubt>,
) -> Result<Vec<T>, Mishap> {
    let mut rows = Vec::new();
    for _ in 0..MOST_PAGES {
        let page = read(&visit.run(Errand::get(path(rows.len()))).await?)?;
        let done = !page.more || page.rows.is_empty();
        rows.extend(page.rows);
        if done {
            break;
        }
    }
    Ok(rows)
}

fn product_of(one: &SubscriptionAsk) -> Option<&str> {
    match &one.source {
        Source::Product(subscriptions::Product { id, .. }) => Some(id),
        Source::Catalog(_) => None,
    }
}

/// The only product of that name whose quota is counted as its reservations are.
fn the_one<'a>(products: &'a [Product], id: &str) -> Option<&'a Product> {
    let mut meant = products.iter().filter(|product| product.is(id));
    let first = meant.next().filter(|product| product.in_square_km)?;
    meant.next().is_none().then_some(first)
}

/// What is reserved for one area; rows that stand twice count once.
fn amount(rows: &[Reserved], area: &FeatureRef, product: i64) -> SquareKm {
    let of_area = rows
        .iter()
        .filter(|row| row.in_force && row.is_of(area, product));
    of_area.map(|row| row.amount).max().unwrap_or_default()
}
