//! Searching the Data API: the calendar's scenes as items, by page and by count.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::bundles;
use crate::simulator::answer::Answer;
use crate::simulator::call::{Call, Site};
use crate::simulator::geo::{self, Bounds};
use crate::simulator::refusal::Refusal;
use crate::simulator::sky::{self, Revisit, Scene};
use crate::simulator::world::{MAX_KEPT, World, age, later};
use crate::units::UtcTime;

const DEFAULT_PAGE: usize = 250;
const ARCHIVE_START: &str = "2016-01-01T00:00:00Z";
/// A scene is finalized when it is this old.
const FINALIZED_AFTER: Duration = Duration::from_hours(10 * 24);
/// Filters nest, but not deeper than this.
const MAX_DEPTH: u8 = 32;

/// What a filter leaves.
pub(super) struct Found {
    pub(super) from: UtcTime,
    pub(super) to: UtcTime,
    max_cloud: f64,
    place: Option<Value>,
    stages: Option<Vec<String>>,
}

pub(super) fn answer(call: &Call, rest: &[&str], world: &mut World) -> Result<Answer, Refusal> {
    match (call.method.as_str(), rest) {
        ("POST", ["quick-search"]) => {
            let id = save(call, world, "quick")?;
            results(call, &id, world)
        }
        ("POST", ["stats"]) => stats(call, world),
        ("GET", ["searches"]) => {
            let saved: Vec<Value> = world
                .data
                .searches
                .values()
                .filter(|search| search["__kind"] == "saved")
                .map(shown)
                .collect();
            let (shown, next) = super::page(call, &saved, DEFAULT_PAGE, ["_page_size", "_page"]);
            let mut links = json!({"_self": call.link(Site::Api, "/data/v1/searches")});
            if let Some(next) = next {
                links["_next"] = next.into();
            }
            Ok(Answer::json(&json!({"_links": links, "searches": shown})))
        }
        ("POST", ["searches"]) => {
            let id = save(call, world, "saved")?;
            Ok(Answer::json(&shown(known(&id, world)?)))
        }
        ("GET", ["searches", id]) => Ok(Answer::json(&shown(known(id, world)?))),
        ("GET", ["searches", id, "results"]) => results(call, id, world),
        ("PUT", ["searches", id]) => {
            known(id, world)?;
            let body = search_body(call)?;
            let saved = entry(call, id, &body, "saved");
            world.data.searches.insert((*id).to_owned(), saved.clone());
            Ok(Answer::json(&shown(&saved)))
        }
        ("DELETE", ["searches", id]) => {
            known(id, world)?;
            world.data.searches.remove(*id);
            Ok(Answer::empty(StatusCode::NO_CONTENT))
        }
        _ => Err(Refusal::no_route()),
    }
}

/// One item of a search, or of its own address.
pub(super) fn item(
    call: &Call,
    kind: &str,
    id: &str,
    scene: Option<&Scene>,
    place: &Value,
) -> Value {
    let link = call.link(Site::Api, &format!("/data/v1/item-types/{kind}/items/{id}"));
    let thumbnail = format!("/data/v1/item-types/{kind}/items/{id}/thumb");
    let acquired = scene.map_or(call.now, |scene| scene.at).to_string();
    let cloud = scene.map_or(0.0, |scene| f64::from(scene.cloud) / 100.0);
    json!({
        "type": "Feature", "id": id, "geometry": place,
        "_links": {
            "_self": link, "assets": format!("{link}/assets/"),
            "thumbnail": call.link(Site::Tiles, &thumbnail),
        },
        "_permissions": ["assets:download"],
        "assets": bundles::assets_of_type(kind),
        "properties": {
            "item_type": kind, "acquired": acquired, "published": acquired, "updated": acquired,
            "cloud_cover": cloud, "clear_percent": 100.0 - cloud * 100.0, "instrument": "PSB.SD",
            "publishing_stage": scene.map_or("finalized", |scene| stage(scene, call.now)), "quality_category": "standard", "pixel_resolution": 3,
        },
    })
}

/// Those that are published by now.
fn listed(kind: &str, found: &Found, place: Bounds, call: &Call, world: &World) -> Vec<Scene> {
    let lag = world.options.publication_lag;
    let mut scenes = scenes(kind, found, place);
    scenes.retain(|scene| {
        let stage = stage(scene, call.now);
        let wanted = |stages: &Vec<String>| stages.iter().any(|wanted| wanted == stage);
        later(scene.at, lag) <= call.now && found.stages.as_ref().is_none_or(wanted)
    });
    scenes
}

fn stage(scene: &Scene, now: UtcTime) -> &'static str {
    if age(scene.at, now) < FINALIZED_AFTER {
        "standard"
    } else {
        "finalized"
    }
}

pub(super) fn scenes(kind: &str, found: &Found, place: Bounds) -> Vec<Scene> {
    sky::scenes(Revisit::of(kind), place, found.from, found.to)
        .filter(|scene| f64::from(scene.cloud) / 100.0 <= found.max_cloud)
        .collect()
}

/// What a search filter leaves of the archive.
pub(super) fn read_filter(filter: &Value, geometry: &Value, now: UtcTime) -> Found {
    let mut found = Found {
        from: ARCHIVE_START.parse().unwrap_or_default(),
        to: now,
        max_cloud: 1.0,
        place: Some(geometry.clone()).filter(Value::is_object),
        stages: None,
    };
    narrow(filter, &mut found, MAX_DEPTH);
    found
}

fn narrow(filter: &Value, found: &mut Found, depth: u8) {
    let config = &filter["config"];
    let instant = |name: &str| {
        config[name]
            .as_str()
            .and_then(|text| text.parse::<UtcTime>().ok())
    };
    match (filter["type"].as_str(), filter["field_name"].as_str()) {
        (Some("AndFilter"), _) if depth > 0 => {
            for inner in config.as_array().into_iter().flatten() {
                narrow(inner, found, depth - 1);
            }
        }
        (Some("GeometryFilter"), _) => found.place = Some(config.clone()),
        (Some("StringInFilter"), Some("publishing_stage")) => {
            found.stages = Some(strings(config).into_iter().map(str::to_owned).collect());
        }
        (Some("DateRangeFilter"), Some("acquired" | "published")) => {
            let starts = [instant("gt"), instant("gte")].into_iter().flatten();
            found.from = starts.fold(found.from, UtcTime::max);
            let ends = [instant("lt"), instant("lte")].into_iter().flatten();
            found.to = ends.fold(found.to, UtcTime::min);
        }
        (Some("RangeFilter"), Some("cloud_cover")) => {
            let most = [&config["lt"], &config["lte"]]
                .into_iter()
                .filter_map(Value::as_f64);
            found.max_cloud = most.fold(found.max_cloud, f64::min);
        }
        _ => {}
    }
}

fn search_body(call: &Call) -> Result<Value, Refusal> {
    let body = call.json()?;
    let types = body["item_types"]
        .as_array()
        .filter(|types| !types.is_empty());
    if types.is_none() {
        return Err(Refusal::bad_field(
            "item_types",
            "at least one item type is needed",
        ));
    }
    Ok(body)
}

fn save(call: &Call, world: &mut World, kind: &str) -> Result<String, Refusal> {
    let body = search_body(call)?;
    let id = world.next_id().replace('-', "");
    if world.data.searches.len() >= MAX_KEPT {
        world.data.searches.pop_first();
    }
    world
        .data
        .searches
        .insert(id.clone(), entry(call, &id, &body, kind));
    Ok(id)
}

fn entry(call: &Call, id: &str, body: &Value, kind: &str) -> Value {
    let link = call.link(Site::Api, &format!("/data/v1/searches/{id}"));
    json!({
        "__kind": kind, "__sort": call.parameter("_sort"), "id": id, "name": body["name"],
        "item_types": body["item_types"], "filter": body["filter"], "geometry": body["geometry"],
        "search_type": "saved", "created": call.now.to_string(), "updated": call.now.to_string(),
        "_links": {"_self": link, "results": format!("{link}/results")},
    })
}

fn shown(search: &Value) -> Value {
    let mut shown = search.clone();
    if let Value::Object(members) = &mut shown {
        members.retain(|name, value| {
            !(name.starts_with("__") || name == "geometry" && value.is_null())
        });
    }
    shown
}

fn known<'a>(id: &str, world: &'a World) -> Result<&'a Value, Refusal> {
    let search = world.data.searches.get(id);
    search.ok_or_else(|| Refusal::not_found(format!("search {id}")))
}

fn results(call: &Call, id: &str, world: &World) -> Result<Answer, Refusal> {
    let search = known(id, world)?;
    let found = read_filter(&search["filter"], &search["geometry"], call.now);
    let place = found
        .place
        .clone()
        .filter(|place| geo::bounds(place).is_some());
    let place = place.unwrap_or_else(|| geo::rectangle([14.0, 46.0, 14.4, 46.16]));
    let bounds = geo::bounds(&place).unwrap_or(geo::WORLD);
    let types: Vec<&str> = strings(&search["item_types"]);
    let mut all: Vec<(&str, Scene)> = types
        .iter()
        .flat_map(|kind| {
            listed(kind, &found, bounds, call, world)
                .into_iter()
                .map(|scene| (*kind, scene))
        })
        .collect();
    all.sort_by_key(|(_, scene)| scene.at);
    let sort = call.parameter("_sort").or(search["__sort"].as_str());
    if !sort.is_some_and(|sort| sort.ends_with("asc")) {
        all.reverse();
    }
    let size = call
        .number("_page_size")
        .unwrap_or(DEFAULT_PAGE)
        .clamp(1, DEFAULT_PAGE);
    let start = call.number("_page").unwrap_or_default().min(all.len());
    let end = start.saturating_add(size).min(all.len());
    let page = all.get(start..end).unwrap_or_default();
    let features: Vec<Value> = page
        .iter()
        .map(|(kind, scene)| item(call, kind, &item_id(scene), Some(scene), &place))
        .collect();
    let at = |page: usize| {
        let sort = sort
            .map(|sort| format!("&_sort={}", sort.replace(' ', "+")))
            .unwrap_or_default();
        call.link(
            Site::Api,
            &format!("/data/v1/searches/{id}/results?_page={page}&_page_size={size}{sort}"),
        )
    };
    let mut links = json!({"_first": at(0), "_self": at(start)});
    if end < all.len() {
        links["_next"] = at(end).into();
    }
    Ok(Answer::json(
        &json!({"type": "FeatureCollection", "features": features, "_links": links}),
    ))
}

/// As PlanetScope scenes are named: when they were seen, and by which satellite.
fn item_id(scene: &Scene) -> String {
    let at = scene.at.to_zoned(TimeZone::UTC);
    format!(
        "{}_{:02}_24{:x}",
        at.strftime("%Y%m%d_%H%M%S"),
        scene.cloud % 100,
        16 + scene.number
    )
}

fn stats(call: &Call, world: &World) -> Result<Answer, Refusal> {
    let body = search_body(call)?;
    let interval = body["interval"].as_str().unwrap_or("day");
    let digits = match interval {
        "hour" => 13,
        "day" | "week" => 10,
        "month" => 7,
        "year" => 4,
        _ => {
            return Err(Refusal::bad_field(
                "interval",
                "must be hour, day, week, month or year",
            ));
        }
    };
    let found = read_filter(&body["filter"], &body["geometry"], call.now);
    let bounds = found
        .place
        .as_ref()
        .and_then(geo::bounds)
        .unwrap_or([14.0, 46.0, 14.4, 46.16]);
    let mut buckets: BTreeMap<String, u64> = BTreeMap::new();
    for kind in strings(&body["item_types"]) {
        for scene in listed(kind, &found, bounds, call, world) {
            let start: String = scene.at.to_string().chars().take(digits).collect();
            *buckets.entry(start).or_default() += 1;
        }
    }
    let rest = "2000-01-01T00:00:00.000000Z";
    let buckets: Vec<Value> = buckets
        .iter()
        .map(|(start, count)| {
            let start = format!("{start}{}", rest.get(digits..).unwrap_or_default());
            json!({"start_time": start, "count": count})
        })
        .collect();
    Ok(Answer::json(
        &json!({"interval": interval, "utc_offset": "+0h", "buckets": buckets}),
    ))
}

fn strings(list: &Value) -> Vec<&str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_narrow_the_archive_however_they_nest() {
        let filter = json!({"type": "AndFilter", "config": [
            {"type": "DateRangeFilter", "field_name": "acquired",
             "config": {"gte": "2026-01-01T00:00:00Z", "lt": "2026-02-01T00:00:00Z"}},
            {"type": "AndFilter", "config": [
                {"type": "RangeFilter", "field_name": "cloud_cover", "config": {"lte": 0.1}}]}]});
        let now = "2026-06-01T00:00:00Z".parse().unwrap();
        let found = read_filter(&filter, &Value::Null, now);
        assert_eq!(found.to.to_string(), "2026-02-01T00:00:00Z");
        let place = [14.0, 46.0, 14.1, 46.1];
        let clear = scenes("PSScene", &found, place).len();
        let everything = scenes(
            "PSScene",
            &Found {
                max_cloud: 1.0,
                ..found
            },
            place,
        )
        .len();
        assert!(
            clear < everything && everything <= 62,
            "{clear} {everything}"
        );
    }
}
