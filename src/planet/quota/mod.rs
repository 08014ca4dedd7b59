//! The Quota API: what a reservation asks for, and what Planet itself says of its cost.
//!
//! Planet mixes its units: an estimate is in km², a creation in m², some products are counted in hectares,
//! and one number of an answer is a string while its neighbours are not. Everything is km² here.

mod answers;
mod jobs;
mod usage;

use serde::Deserialize;

use super::Misread;
use super::geometry::FeatureRef;
use super::spelling;
use crate::units::SquareKm;

pub use answers::{
    Costs, Listed, Product, Reserved, read_estimate, read_products, read_reservations,
};
pub use jobs::{Job, Started};
pub use usage::{PLANS_PATH, Used, read_downloaded, read_reserved};

/// Where Planet says what a reservation would cost.
pub const ESTIMATE_PATH: &str = "/account/v1/quota-reservations/estimate";
/// Rows of one page of a list.
pub const PAGE: usize = 500;

/// Members that the reserved area hangs on.
const PRICED: &[&str] = &["aoi_refs", "collection_id", "product_id", "quota_units"];

/// A reservation, one by one or in bulk. How many km² it takes, Planet's own estimate says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReservationAsk {
    /// A number of the account's own, from `/my/products`.
    pub product_id: i64,
    /// Features, and collections that stand for each of theirs.
    pub aoi_refs: Vec<FeatureRef>,
    /// A whole collection or only a label: Planet's pages disagree.
    pub collection_id: Option<String>,
    /// Whether it is a job that passes over what is reserved already.
    pub in_bulk: bool,
    /// Planet's word on its cost; `None`: not asked yet.
    pub told: Option<Told>,
}

/// What Planet says that a reservation costs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Told {
    /// What it will take.
    pub cost: SquareKm,
    /// What is reserved already and not taken again.
    pub already: SquareKm,
}

/// What Planet says of an account's right to a product in one area.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Entitlement {
    /// What an area counts at least.
    pub minimum: SquareKm,
    /// What is reserved for the area already.
    pub reserved: SquareKm,
}

#[derive(Deserialize)]
struct RawReservation {
    product_id: i64,
    aoi_refs: Option<Vec<String>>,
    collection_id: Option<String>,
}

/// Reads the body of a create, a bulk create or an estimate.
pub fn read(body: &[u8], in_bulk: bool) -> Result<ReservationAsk, Misread> {
    let RawReservation {
        product_id,
        aoi_refs,
        collection_id,
    } = spelling::read(body, PRICED)?;
    let aoi_refs = aoi_refs
        .unwrap_or_default()
        .iter()
        .enumerate()
        .map(|(place, content)| FeatureRef::read(Some(content), &format!("aoi_refs[{place}]")))
        .collect::<Result<Vec<_>, _>>()?;
    if aoi_refs.is_empty() && collection_id.is_none() {
        return Err(Misread::new(
            "the reservation names no area; give 'aoi_refs' or a 'collection_id'",
        ));
    }
    Ok(ReservationAsk {
        product_id,
        aoi_refs,
        collection_id,
        in_bulk,
        told: None,
    })
}

/// Where the products of an account are listed from the one after `offset`.
pub fn products_path(offset: usize) -> String {
    format!("/account/v1/my/products?limit={PAGE}&offset={offset}")
}

/// Where the reservations of a product are listed from the one after `offset`; of one area alone, if it
/// is given.
pub fn reservations_path(product: i64, area: Option<&FeatureRef>, offset: usize) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("product_id", &product.to_string());
    if let Some(area) = area {
        query.append_pair("aoi_ref", area.as_str());
    }
    let query = query.finish();
    format!("/account/v1/quota-reservations/?{query}&limit={PAGE}&offset={offset}")
}

impl ReservationAsk {
    /// What it takes by Planet's estimate, and no less than the product's minimum for each feature that
    /// it names. What `reserved` proves to be taken is left out of a bulk job, and counted again by a
    /// reservation of its own: nobody says that such a one passes over it.
    pub fn weigh(&self, costs: &Costs, product: &Product, reserved: &[Reserved]) -> Option<Told> {
        let mut already = SquareKm::ZERO;
        let mut left = 0;
        let taken = |area: &FeatureRef| {
            self.in_bulk
                && reserved
                    .iter()
                    .any(|row| row.is_of(area, self.product_id) && row.in_force)
        };
        for (area, cost) in &costs.by_area {
            if taken(area) {
                already = already.checked_add(*cost)?;
            }
        }
        for area in &self.aoi_refs {
            if !taken(area) {
                left += 1;
            }
        }
        let least = product.minimum.checked_mul(left)?;
        let cost = costs.total.amount().checked_sub(already.amount())?;
        Some(Told {
            cost: SquareKm::from(cost).max(least),
            already,
        })
    }

    /// Whether the estimate tells the cost of each feature that is named.
    pub fn is_covered_by(&self, costs: &Costs) -> bool {
        let named = |area: &&FeatureRef| matches!(area.parts(), Some((_, Some(_))));
        let told = |area: &FeatureRef| costs.by_area.iter().any(|(told, _)| told == area);
        costs.by_area.is_empty() || self.aoi_refs.iter().filter(named).all(told)
    }
}

#[cfg(test)]
mod tests;
