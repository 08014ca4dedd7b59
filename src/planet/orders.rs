//! `POST /compute/ops/orders/v2`: which items or quads, in which bundle, with which tools, to where.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::basemaps::Touched;
use super::geometry::{Covered, Geometry, RawGeometry, Shape};
use super::spelling::{self, Members};
use super::tools::{Delivery, Tools};
use super::{Misread, bundles};

/// Planet takes no more scenes, and no more quads, in one order.
pub const MAX_ITEMS: usize = 500;

/// Members that a price hangs on.
const PRICED: &[&str] = &[
    "source_type",
    "products",
    "item_ids",
    "item_type",
    "product_bundle",
    "mosaic_name",
    "quad_ids",
    "geometry",
    "tools",
    "clip",
    "aoi",
    "type",
    "coordinates",
    "geometries",
    "content",
    "delivery",
    "hosting",
    "sentinel_hub",
];

/// An order as far as it is priced.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderAsk {
    pub products: Vec<Ordered>,
    pub tools: Tools,
    /// What of each part of the area that it is clipped to is locked already; empty where nobody looked.
    pub covered: Arc<[Covered]>,
    pub delivery: Delivery,
    /// Whether items that cannot be delivered are left out instead of failing the order.
    pub partial: bool,
    /// The plan that is to be charged, when the order names one.
    pub plan_id: Option<u64>,
    /// A member that nothing here understands.
    pub unread: Option<String>,
}

/// One entry of `products`.
#[derive(Clone, Debug, PartialEq)]
pub enum Ordered {
    Scenes(Scenes),
    Quads(Quads),
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Scenes {
    pub item_type: String,
    /// A comma list is a list of fallbacks.
    pub bundle: String,
    /// As listed; one that stands twice is kept twice.
    pub item_ids: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Quads {
    pub mosaic: String,
    pub wanted: Wanted,
    /// How many a geometry touches.
    pub touched: Touched,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    Listed(Vec<String>),
    /// Every quad that the geometry touches; how many they are, the mosaic's grid tells.
    Touching(Geometry),
}

#[derive(Deserialize)]
struct RawOrder {
    source_type: Option<String>,
    #[serde(default)]
    products: Vec<RawProduct>,
    tools: Option<Vec<BTreeMap<String, Box<RawValue>>>>,
    delivery: Option<Box<RawValue>>,
    hosting: Option<Box<RawValue>>,
    order_type: Option<String>,
    subscription_id: Option<u64>,
}

#[derive(Deserialize)]
struct RawProduct {
    item_ids: Option<Vec<String>>,
    item_type: Option<String>,
    product_bundle: Option<String>,
    mosaic_name: Option<String>,
    quad_ids: Option<Vec<String>>,
    geometry: Option<RawGeometry>,
    #[serde(flatten)]
    rest: Members,
}

/// Reads the body of a create.
pub fn read(body: &[u8]) -> Result<OrderAsk, Misread> {
    let RawOrder {
        source_type,
        products: raw_products,
        tools: raw_tools,
        delivery,
        hosting,
        order_type,
        subscription_id,
    } = spelling::read(body, PRICED)?;
    if raw_products.is_empty() {
        return Err(Misread::new(
            "the order has no products; list at least one in 'products'",
        ));
    }
    let basemaps = match source_type.as_deref() {
        None | Some("scenes") => false,
        Some("basemaps") => true,
        Some(other) => {
            return Err(Misread::new(format!(
                "the source_type '{}' is neither 'scenes' nor 'basemaps'",
                other.chars().take(60).collect::<String>()
            )));
        }
    };
    let mut unread = None;
    let mut products = Vec::with_capacity(raw_products.len());
    for (place, raw) in raw_products.into_iter().enumerate() {
        let (product, rest) = raw.prove(basemaps, &format!("products[{place}]"))?;
        products.push(product);
        unread = unread.or(rest);
    }
    bound_items(&products)?;
    let mut tools = Tools::default();
    for (place, tool) in raw_tools.into_iter().flatten().enumerate() {
        for (name, parameters) in tool {
            tools.add(&name, Some(&parameters), &format!("tools[{place}].{name}"))?;
        }
    }
    Ok(OrderAsk {
        products,
        tools,
        covered: Arc::default(),
        delivery: Delivery::read(delivery.as_deref(), hosting.as_deref())?,
        partial: order_type.as_deref() == Some("partial"),
        plan_id: subscription_id,
        unread,
    })
}

impl RawProduct {
    /// The product, and the name of a member that was not read.
    fn prove(self, basemaps: bool, at: &str) -> Result<(Ordered, Option<String>), Misread> {
        let Self {
            item_ids,
            item_type,
            product_bundle,
            mosaic_name,
            quad_ids,
            geometry,
            rest,
        } = self;
        let missing = |member: &str| Misread::new(format!("{at} has no '{member}'"));
        let ordered = if basemaps {
            if item_ids.is_some() {
                return Err(Misread::new(format!(
                    "{at} lists item_ids in an order of basemaps; order scenes and basemaps apart"
                )));
            }
            let wanted = match (quad_ids, geometry) {
                (Some(quads), None) => Wanted::Listed(quads),
                (None, Some(geometry)) => {
                    Wanted::Touching(Geometry::read(&geometry, &format!("{at}.geometry"))?)
                }
                (Some(_), Some(_)) => {
                    return Err(Misread::new(format!(
                        "{at} has both 'quad_ids' and 'geometry'; keep one"
                    )));
                }
                (None, None) => return Err(missing("quad_ids")),
            };
            Ordered::Quads(Quads {
                mosaic: mosaic_name.ok_or_else(|| missing("mosaic_name"))?,
                wanted,
                touched: Touched::NotAsked,
            })
        } else {
            if mosaic_name.is_some() || quad_ids.is_some() {
                return Err(Misread::new(format!(
                    "{at} names a mosaic; write \"source_type\": \"basemaps\" to order basemaps"
                )));
            }
            Ordered::Scenes(Scenes {
                item_type: item_type.ok_or_else(|| missing("item_type"))?,
                bundle: product_bundle.ok_or_else(|| missing("product_bundle"))?,
                item_ids: item_ids.ok_or_else(|| missing("item_ids"))?,
            })
        };
        Ok((ordered, rest.one()))
    }
}

fn bound_items(products: &[Ordered]) -> Result<(), Misread> {
    let mut total = 0;
    for product in products {
        let count = match product {
            Ordered::Scenes(scenes) => scenes.item_ids.len(),
            Ordered::Quads(Quads {
                wanted: Wanted::Listed(quads),
                ..
            }) => quads.len(),
            Ordered::Quads(Quads {
                wanted: Wanted::Touching(_),
                ..
            }) => continue,
        };
        if count == 0 {
            return Err(Misread::new(
                "a product of the order lists nothing; name at least one item or quad",
            ));
        }
        total += count;
    }
    if total > MAX_ITEMS {
        return Err(Misread::new(format!(
            "the order lists {total} items and Planet takes {MAX_ITEMS}; split it into several orders"
        )));
    }
    Ok(())
}

impl OrderAsk {
    /// Item types and mosaics, each once.
    pub fn products(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .products
            .iter()
            .map(|product| match product {
                Ordered::Scenes(scenes) => {
                    bundles::item_type(&scenes.item_type).unwrap_or(&scenes.item_type)
                }
                Ordered::Quads(quads) => &quads.mosaic,
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Scenes and listed quads.
    pub fn item_count(&self) -> usize {
        self.products
            .iter()
            .map(|product| match product {
                Ordered::Scenes(scenes) => scenes.item_ids.len(),
                Ordered::Quads(Quads {
                    wanted: Wanted::Listed(quads),
                    ..
                }) => quads.len(),
                Ordered::Quads(_) => 0,
            })
            .sum()
    }

    /// The same order with its first `count` items alone.
    #[must_use]
    pub fn first_items(&self, count: usize) -> Self {
        let mut left = count;
        let mut shorter = self.clone();
        for product in &mut shorter.products {
            let items = match product {
                Ordered::Scenes(scenes) => &mut scenes.item_ids,
                Ordered::Quads(Quads {
                    wanted: Wanted::Listed(quads),
                    ..
                }) => quads,
                Ordered::Quads(_) => continue,
            };
            items.truncate(left);
            left -= items.len();
        }
        shorter
    }
}

impl Quads {
    /// The area whose quads are wanted, once its outline is known.
    pub fn area(&self) -> Option<&Shape> {
        match &self.wanted {
            Wanted::Touching(geometry) => geometry.shape(),
            Wanted::Listed(_) => None,
        }
    }
}

impl Scenes {
    /// Whether some item is listed twice: Planet may charge it once, nobody says.
    pub fn repeats(&self) -> bool {
        let mut seen = HashSet::with_capacity(self.item_ids.len());
        !self.item_ids.iter().all(|item| seen.insert(item))
    }
}

#[cfg(test)]
mod tests;
