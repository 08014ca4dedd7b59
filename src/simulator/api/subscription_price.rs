//! What a subscription costs over a stretch of time: scenes by assets and tools, and area by days.

use jiff::tz::TimeZone;
use serde_json::Value;

use super::{bundles, data, data_search};
use crate::simulator::figures::{self, whole_pu};
use crate::simulator::geo;
use crate::simulator::refusal::Refusal;
use crate::simulator::storage;
use crate::units::{Pu, SquareKm, UtcTime};

const CLIP_PU: u64 = 1;
const OTHER_TOOL_PU: u64 = 2;

/// The PU and the area under management of one stretch of a subscription.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    pub(super) pu: Pu,
    pub(super) aum: SquareKm,
    pub(super) scenes: u64,
}

/// The cost from `from` up to and without `to`; `days` of it are under management.
pub(super) fn price(
    subscription: &Value,
    geometry: &Value,
    from: UtcTime,
    to: UtcTime,
    days: u64,
) -> Result<Cost, Refusal> {
    let area = geo::area(geometry);
    let area = area.ok_or_else(|| Refusal::bad("source.parameters.geometry must be a polygon"))?;
    let aum = figures::square_metres(area).checked_mul(days);
    let aum = aum.ok_or_else(|| Refusal::bad("the area is too large for this period"))?;
    let parameters = &subscription["source"]["parameters"];
    let mut cost = Cost {
        aum,
        ..Cost::default()
    };
    // Products other than the catalog's draw on reservations, not on PU.
    let Some(kind) = parameters["item_types"][0].as_str() else {
        return Ok(cost);
    };
    cost.scenes = scenes(kind, parameters, geometry, from, to);
    let assets = parameters["asset_types"].as_array();
    let rasters = assets.into_iter().flatten().filter_map(Value::as_str);
    let rasters = u64::try_from(rasters.filter(|asset| bundles::is_raster(asset)).count());
    let rasters = rasters.unwrap_or_default();
    let per_raster = data::ACTIVATION_PU + tools(subscription);
    let activated = whole_pu(
        cost.scenes
            .saturating_mul(rasters)
            .saturating_mul(per_raster),
    );
    let delivered = figures::square_metres(area).checked_mul(cost.scenes);
    let egress = match (&subscription["delivery"], delivered) {
        (Value::Object(_), Some(delivered)) => storage::delivery_pu(delivered),
        _ => Pu::ZERO,
    };
    cost.pu = activated.checked_add(egress).unwrap_or(activated);
    Ok(cost)
}

fn tools(subscription: &Value) -> u64 {
    let tools = subscription["tools"].as_array().into_iter().flatten();
    tools
        .filter_map(|tool| tool["type"].as_str())
        .map(|name| {
            if name == "clip" {
                CLIP_PU
            } else {
                OTHER_TOOL_PU
            }
        })
        .sum()
}

fn scenes(kind: &str, parameters: &Value, geometry: &Value, from: UtcTime, to: UtcTime) -> u64 {
    let mut found = data_search::read_filter(&parameters["filter"], &Value::Null, to);
    found.from = found.from.max(from);
    found.to = found.to.min(to);
    let place = geo::bounds(geometry).unwrap_or(geo::WORLD);
    let months = months(parameters["rrule"].as_str());
    let scenes = data_search::scenes(kind, &found, place)
        .into_iter()
        .filter(|scene| {
            let month = scene.at.to_zoned(TimeZone::UTC).month();
            months.as_ref().is_none_or(|months| months.contains(&month))
        });
    u64::try_from(scenes.count()).unwrap_or_default()
}

/// The months that a rule such as `FREQ=MONTHLY;BYMONTH=3,4` names; `None`: all.
fn months(rule: Option<&str>) -> Option<Vec<i8>> {
    let mut parts = rule?.split(';');
    let listed = parts.find_map(|part| part.trim().strip_prefix("BYMONTH="))?;
    Some(
        listed
            .split(',')
            .filter_map(|month| month.trim().parse().ok())
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn month(assets: &Value, tools: &Value, rrule: &Value) -> Cost {
        let subscription = json!({"tools": tools, "source": {"parameters": {
            "item_types": ["PSScene"], "asset_types": assets, "rrule": rrule}}});
        let field = geo::rectangle([14.0, 46.0, 14.01, 46.01]);
        let (from, to) = (
            "2026-03-01T00:00:00Z".parse().unwrap(),
            "2026-03-31T00:00:00Z".parse().unwrap(),
        );
        price(&subscription, &field, from, to, 30).unwrap()
    }

    #[test]
    fn scenes_are_paid_by_raster_and_tool_and_area_by_day() {
        let plain = month(&json!(["ortho_analytic_8b_sr"]), &json!([]), &Value::Null);
        assert!(plain.scenes >= 15, "{plain:?}");
        assert_eq!(plain.pu, whole_pu(20 * plain.scenes));
        let assets = json!([
            "ortho_analytic_8b_sr",
            "ortho_udm2",
            "ortho_analytic_8b_xml"
        ]);
        let dear = month(
            &assets,
            &json!([{"type": "clip"}, {"type": "harmonize"}]),
            &Value::Null,
        );
        assert_eq!(dear.pu, whole_pu(2 * 23 * plain.scenes));
        assert_eq!(plain.aum, dear.aum);
        assert!(
            (25..=26).contains(&plain.aum.amount().whole_floor()),
            "{}",
            plain.aum
        );
    }

    #[test]
    fn months_outside_of_the_rule_deliver_nothing() {
        let rule = json!("FREQ=MONTHLY;BYMONTH=6,7");
        let cost = month(&json!(["ortho_visual"]), &json!([]), &rule);
        assert_eq!((cost.scenes, cost.pu), (0, Pu::ZERO));
    }
}
