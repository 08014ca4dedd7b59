//! What the Quota API answers: estimates, products, reservations.

use std::num::NonZeroU128;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::planet::answer::Doubt;
use crate::planet::geometry::FeatureRef;
use crate::units::{Amount, SquareKm};

/// Planet's estimate of one reservation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Costs {
    /// No less than the sum of what follows.
    pub total: SquareKm,
    pub by_area: Vec<(FeatureRef, SquareKm)>,
}

/// A product that an account may reserve quota for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Product {
    pub id: i64,
    pub name: Option<String>,
    /// What subscriptions call it.
    pub resource_ids: Vec<String>,
    /// What an area counts at least; zero where Planet does not say.
    pub minimum: SquareKm,
    /// Whether its quota is counted in km², as its reservations are without saying so.
    pub in_square_km: bool,
}

/// A reservation that was made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reserved {
    pub area: String,
    pub product: i64,
    pub amount: SquareKm,
    /// Whether it stands, and was not released.
    pub in_force: bool,
}

/// One page of a list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listed<T> {
    pub rows: Vec<T>,
    pub more: bool,
}

#[derive(Deserialize)]
struct RawEstimate {
    total_cost: Option<Value>,
    quota_units: Option<String>,
    estimated_costs: Option<Vec<RawCost>>,
}

#[derive(Deserialize)]
struct RawCost {
    aoi_ref: String,
    cost: Value,
}

#[derive(Deserialize)]
pub(super) struct RawList<T> {
    pub(super) meta: Meta,
    pub(super) results: Vec<T>,
}

#[derive(Deserialize)]
pub(super) struct Meta {
    next: Option<String>,
}

#[derive(Deserialize)]
struct RawProduct {
    id: i64,
    name: Option<String>,
    /// Where older answers keep the name.
    product: Option<Named>,
    #[serde(default)]
    resource_ids: Vec<String>,
    quota_units: Option<String>,
    area: Option<RawMinimum>,
}

#[derive(Deserialize)]
struct Named {
    name: Option<String>,
}

#[derive(Deserialize)]
struct RawMinimum {
    units: Option<String>,
    value: Value,
}

#[derive(Deserialize)]
struct RawReserved {
    aoi_ref: String,
    product_id: i64,
    amount: Option<Value>,
    state: Option<String>,
}

impl Meta {
    pub(super) const fn more(&self) -> bool {
        self.next.is_some()
    }
}

/// Reads an estimate. Where its sum and its parts differ the larger counts.
pub fn read_estimate(answer: &[u8]) -> Result<Costs, Doubt> {
    let RawEstimate {
        total_cost,
        quota_units,
        estimated_costs,
    } = read(answer)?;
    let units = quota_units.ok_or_else(|| Doubt::new("it does not say in which unit it counts"))?;
    let mut by_area = Vec::new();
    let mut sum = Some(SquareKm::ZERO);
    for RawCost { aoi_ref, cost } in estimated_costs.unwrap_or_default() {
        let area = FeatureRef::read(Some(&aoi_ref), "aoi_ref")
            .map_err(|misread| Doubt::new(misread.sentence))?;
        let cost = square_km(&cost, &units)?;
        sum = sum.and_then(|sum| sum.checked_add(cost));
        by_area.push((area, cost));
    }
    let sum = sum.ok_or_else(|| Doubt::new("it adds up to more than can be counted"))?;
    let total = total_cost.ok_or_else(|| Doubt::new("it has no 'total_cost'"))?;
    let total = square_km(&total, &units)?.max(sum);
    Ok(Costs { total, by_area })
}

/// Reads a page of `/my/products`.
pub fn read_products(answer: &[u8]) -> Result<Listed<Product>, Doubt> {
    let RawList { meta, results } = read::<RawList<RawProduct>>(answer)?;
    let rows = results.into_iter().map(RawProduct::prove);
    Ok(Listed {
        rows: rows.collect::<Result<_, Doubt>>()?,
        more: meta.more(),
    })
}

/// Reads a page of reservations, whose amounts are km².
pub fn read_reservations(answer: &[u8]) -> Result<Listed<Reserved>, Doubt> {
    let RawList { meta, results } = read::<RawList<RawReserved>>(answer)?;
    let rows = results.into_iter().map(|row| {
        let amount = match &row.amount {
            None | Some(Value::Null) => SquareKm::ZERO,
            Some(amount) => square_km(amount, "sqkm")?,
        };
        Ok(Reserved {
            area: row.aoi_ref,
            product: row.product_id,
            amount,
            in_force: row.state.as_deref() == Some("reserved"),
        })
    });
    Ok(Listed {
        rows: rows.collect::<Result<_, Doubt>>()?,
        more: meta.more(),
    })
}

impl RawProduct {
    fn prove(self) -> Result<Product, Doubt> {
        let in_square_km = self
            .quota_units
            .as_deref()
            .is_none_or(|unit| unit == "sqkm");
        let minimum = match &self.area {
            None => SquareKm::ZERO,
            Some(RawMinimum { units, value }) => {
                square_km(value, units.as_deref().unwrap_or("sqkm"))?
            }
        };
        Ok(Product {
            id: self.id,
            name: self.name.or(self.product.and_then(|product| product.name)),
            resource_ids: self.resource_ids,
            minimum,
            in_square_km,
        })
    }
}

impl Product {
    /// Whether a subscription means this product by `id`.
    pub fn is(&self, id: &str) -> bool {
        self.resource_ids.iter().any(|known| known == id)
    }

    /// Every name that it goes by.
    pub fn names(&self) -> impl Iterator<Item = String> + '_ {
        let number = self.id.to_string();
        let names = self.resource_ids.iter().chain(&self.name).cloned();
        names.chain([number])
    }
}

impl Reserved {
    pub fn is_of(&self, area: &FeatureRef, product: i64) -> bool {
        self.area == area.as_str() && self.product == product
    }
}

/// A number, or one in quotes, in a unit that Planet counts areas in.
pub(super) fn square_km(value: &Value, unit: &str) -> Result<SquareKm, Doubt> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return Err(Doubt::new("it has an area that is no number")),
    };
    let per_square_km: u128 = match unit {
        "sqkm" => 1,
        "hectare" | "hectares" | "ha" => 100,
        "sqm" => 1_000_000,
        _ => {
            let unit: String = unit.chars().take(40).collect();
            return Err(Doubt::new(format!(
                "it counts in '{unit}', which is no area known here"
            )));
        }
    };
    let amount = Amount::parse_ceil(&text).map_err(|error| Doubt::new(error.to_string()))?;
    NonZeroU128::new(per_square_km)
        .and_then(|per_square_km| amount.checked_scale_ceil(1, per_square_km))
        .map(SquareKm::from)
        .ok_or_else(|| Doubt::new("it has an area that is more than can be counted"))
}

/// The name that older answers nest.
pub(super) fn named(product: Option<Value>) -> Option<String> {
    let name = product?.get("name")?.as_str()?.to_owned();
    Some(name)
}

pub(super) fn read<T: DeserializeOwned>(answer: &[u8]) -> Result<T, Doubt> {
    serde_json::from_slice(answer)
        .map_err(|error| Doubt::new(format!("it is not what the Quota API answers: {error}")))
}
