//! What an order costs here: activation of every raster that is not paid for yet, tools and delivery.

use serde_json::Value;

use super::{basemaps, bundles, data, scene_km2};
use crate::simulator::figures::{self, whole_pu};
use crate::simulator::geo;
use crate::simulator::refusal::Refusal;
use crate::simulator::storage;
use crate::simulator::world::World;
use crate::units::{Pu, SquareKm, UtcTime};

const CLIP_PU: u64 = 1;
const MERGE_PU: u64 = 10;
const COREGISTER_PU: u64 = 18;
const OTHER_TOOL_PU: u64 = 2;
const MAX_ITEMS: usize = 500;
/// A basemap's geometry that nobody here can cut into quads is taken to touch so many.
const UNSEEN_QUADS: u64 = 4;
/// 4096 × 4096 pixels of six bytes.
const QUAD_BYTES: u64 = 100_663_296;
/// However small what is clipped, this much is counted.
const LEAST_CLIP_M2: f64 = 10_000.0;

/// What an order asks for, and what that costs.
#[derive(Debug, Default)]
pub(super) struct Priced {
    pub(super) pu: Pu,
    pub(super) km2: SquareKm,
    pub(super) items: u64,
    scenes: Vec<(String, u64)>,
    quads: u64,
    /// The files that it will deliver.
    pub(super) files: Vec<String>,
    rasters: u64,
    /// By item type, item and asset.
    wanted: Vec<[String; 3]>,
}

pub(super) fn price(order: &Value, world: &mut World, now: UtcTime) -> Result<Priced, Refusal> {
    let products = order["products"]
        .as_array()
        .filter(|products| !products.is_empty());
    let products =
        products.ok_or_else(|| Refusal::bad_field("Products", "at least one product is needed"))?;
    let mut priced = Priced::default();
    let mut cost: u64 = 0;
    for product in products {
        match product["mosaic_name"].as_str() {
            Some(mosaic) => cost = cost.saturating_add(quads(product, mosaic, &mut priced)?),
            None => scenes(product, &mut priced)?,
        }
    }
    cost = cost.saturating_add(tools(order, priced.rasters)?);
    for [kind, item, asset] in &priced.wanted {
        if world.data.pay([kind, item, asset], now) {
            cost = cost.saturating_add(data::ACTIVATION_PU);
        }
    }
    priced.pu = whole_pu(cost);
    let clip = clip_area(order).map(|area| figures::square_metres(area.max(LEAST_CLIP_M2)));
    let mut delivered = SquareKm::ZERO;
    for (kind, count) in &priced.scenes {
        // Of a scene, no more than there is of it can be clipped.
        let whole = scene_km2(kind);
        let each = clip.map_or(whole, |clip| clip.min(whole));
        let all = each.checked_mul(*count).unwrap_or_default();
        delivered = delivered.checked_add(all).unwrap_or(delivered);
    }
    // Quads have a price of their own; a download quota pays for scenes.
    priced.km2 = delivered;
    if delivers_to_cloud(order) && world.options.charge_egress {
        let quads = storage::egress_pu(QUAD_BYTES.saturating_mul(priced.quads));
        for egress in [storage::delivery_pu(delivered), quads] {
            priced.pu = priced.pu.checked_add(egress).unwrap_or(priced.pu);
        }
    }
    Ok(priced)
}

/// Nothing is paid for here yet: a later product may be refused.
fn scenes(product: &Value, priced: &mut Priced) -> Result<(), Refusal> {
    let wrong = |message: String| Refusal::bad_field("Products", message);
    let kind = product["item_type"].as_str().unwrap_or_default();
    let bundle = product["product_bundle"].as_str().unwrap_or_default();
    let assets = bundles::assets(kind, bundle);
    let assets = assets.ok_or_else(|| wrong(format!("{kind} has no bundle '{bundle}'")))?;
    let items = product["item_ids"]
        .as_array()
        .filter(|items| !items.is_empty());
    let items = items.ok_or_else(|| wrong("item_ids must name at least one item".to_owned()))?;
    if items.len() > MAX_ITEMS {
        return Err(wrong(format!(
            "{} items are more than {MAX_ITEMS}",
            items.len()
        )));
    }
    let ids: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
    let ids = ids.ok_or_else(|| wrong("item_ids must be strings".to_owned()))?;
    if let Some(missing) = ids
        .iter()
        .find(|id| id.is_empty() || id.contains("missing"))
    {
        let message = format!("Item ID {missing} / Item Type {kind} doesn't exist");
        return Err(Refusal::bad_field("Details", message));
    }
    let count = u64::try_from(ids.len()).unwrap_or_default();
    priced.scenes.push((kind.to_owned(), count));
    for id in ids {
        priced.items += 1;
        for asset in assets {
            priced.files.push(format!("{id}_{asset}.tif"));
            if bundles::is_raster(asset) {
                priced.rasters += 1;
                priced.wanted.push([kind, id, asset].map(str::to_owned));
            }
        }
    }
    Ok(())
}

fn quads(product: &Value, mosaic: &str, priced: &mut Priced) -> Result<u64, Refusal> {
    let listed = product["quad_ids"].as_array().map(Vec::len);
    let count = match (listed, &product["geometry"]) {
        (Some(count), _) => u64::try_from(count).unwrap_or_default(),
        (None, Value::Null) => {
            return Err(Refusal::bad_field(
                "Products",
                "quad_ids or geometry is needed",
            ));
        }
        (None, shape) => geo::bounds(shape).map_or(UNSEEN_QUADS, basemaps::count_of_quads),
    };
    for number in 0..count.min(1_000) {
        priced.files.push(format!("{mosaic}_{number}.tif"));
    }
    priced.items = priced.items.saturating_add(count);
    priced.quads = priced.quads.saturating_add(count);
    priced.rasters = priced.rasters.saturating_add(count);
    Ok(count.saturating_mul(basemaps::quad_pu(mosaic)))
}

fn tools(order: &Value, rasters: u64) -> Result<u64, Refusal> {
    let mut cost: u64 = 0;
    for tool in order["tools"].as_array().into_iter().flatten() {
        let named = tool.as_object().filter(|tool| tool.len() == 1);
        let name = named.and_then(|tool| tool.keys().next());
        let name =
            name.ok_or_else(|| Refusal::bad_field("Tools", "a tool is an object with one key"))?;
        let price = match name.as_str() {
            "clip" => CLIP_PU.saturating_mul(rasters),
            "merge" => MERGE_PU,
            "coregister" => COREGISTER_PU,
            "composite" | "bandmath" | "harmonize" | "reproject" | "tile" | "toar"
            | "file_format" => OTHER_TOOL_PU.saturating_mul(rasters),
            other => {
                return Err(Refusal::bad_field(
                    "Tools",
                    format!("there is no tool '{other}'"),
                ));
            }
        };
        cost = cost.saturating_add(price);
    }
    Ok(cost)
}

/// A collection is no cloud: what goes there does not leave.
fn delivers_to_cloud(order: &Value) -> bool {
    const CLOUDS: [&str; 7] = [
        "amazon_s3",
        "azure_blob_storage",
        "google_cloud_storage",
        "google_earth_engine",
        "oracle_cloud_storage",
        "s3_compatible",
        "destination",
    ];
    CLOUDS
        .iter()
        .any(|cloud| order["delivery"][cloud].is_object())
}

fn clip_area(order: &Value) -> Option<f64> {
    let tools = order["tools"].as_array()?;
    let clip = tools.iter().find_map(|tool| tool.get("clip"))?;
    geo::area(&clip["aoi"])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::simulator::options::Options;

    fn order(tools: &Value) -> Value {
        json!({"name": "x", "products": [{"item_ids": ["20260601_1", "20260601_2"], "item_type": "PSScene",
            "product_bundle": "analytic_8b_sr_udm2"}], "tools": tools})
    }

    fn pu(order: &Value, world: &mut World) -> String {
        price(order, world, UtcTime::UNIX_EPOCH)
            .unwrap()
            .pu
            .to_string()
    }

    #[test]
    fn rasters_are_activated_once_a_day_and_tools_are_paid_every_time() {
        let mut world = World::new(Options::default());
        let with_tools =
            order(&json!([{"clip": {"aoi": {}}}, {"harmonize": {}}, {"coregister": {}}]));
        assert_eq!(pu(&with_tools, &mut world), "110"); // 4 × 20 + 4 × 1 + 4 × 2 + 18
        assert_eq!(pu(&with_tools, &mut world), "30");
    }

    #[test]
    fn quads_cost_by_their_kind() {
        let mut world = World::new(Options::default());
        for (mosaic, expected) in [
            ("global_monthly_2026_07_mosaic", "3010"),
            ("ps_monthly_sr_2026_07", "6010"),
        ] {
            let order = json!({"source_type": "basemaps", "tools": [{"merge": {}}],
                "products": [{"mosaic_name": mosaic, "quad_ids": ["1-1", "1-2"]}]});
            assert_eq!(pu(&order, &mut world), expected);
        }
    }

    #[test]
    fn clipping_lowers_the_area_that_is_counted() {
        let mut world = World::new(Options::default());
        let clip = geo::rectangle([14.0, 46.0, 14.01, 46.01]);
        let clipped = price(
            &order(&json!([{"clip": {"aoi": clip}}])),
            &mut world,
            UtcTime::UNIX_EPOCH,
        );
        let whole = price(&order(&json!([])), &mut world, UtcTime::UNIX_EPOCH);
        assert_eq!(whole.unwrap().km2.to_string(), "1000");
        assert!(clipped.unwrap().km2 < SquareKm::from_whole(2).unwrap());
    }

    #[test]
    fn what_goes_to_a_cloud_pays_for_leaving() {
        let mut world = World::new(Options::default());
        let mut delivered = order(&json!([]));
        delivered["delivery"] = json!({"amazon_s3": {"bucket": "b"}});
        assert_eq!(pu(&delivered, &mut world), "380"); // 4 × 20 and 1000 km² × 0.3
    }

    #[test]
    fn wrong_orders_are_refused_before_anything_is_paid() {
        let mut world = World::new(Options::default());
        for wrong in [
            json!({}),
            json!({"products": []}),
            json!({"products": [{"item_ids": ["a"], "item_type": "Nothing", "product_bundle": "visual"}]}),
            json!({"products": [{"item_ids": [], "item_type": "PSScene", "product_bundle": "visual"}]}),
            json!({"products": [{"item_ids": ["missing"], "item_type": "PSScene", "product_bundle": "visual"}]}),
            order(&json!([{"explode": {}}])),
            order(&json!([{}])),
        ] {
            assert!(
                price(&wrong, &mut world, UtcTime::UNIX_EPOCH).is_err(),
                "{wrong}"
            );
        }
    }
}
