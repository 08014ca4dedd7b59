//! The STAC catalog: what the made-up calendar holds, page by page.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::price;
use crate::simulator::answer::Answer;
use crate::simulator::call::{Call, Site};
use crate::simulator::geo::{self, Bounds};
use crate::simulator::refusal::Refusal;
use crate::simulator::sky::{self, Revisit, Scene};
use crate::units::UtcTime;

const DEFAULT_LIMIT: usize = 10;
const MAX_LIMIT: usize = 100;
const COLLECTIONS: [&str; 7] = [
    "sentinel-2-l2a",
    "sentinel-2-l1c",
    "sentinel-1-grd",
    "landsat-ot-l1",
    "landsat-ot-l2",
    "hls",
    "modis",
];

/// What is searched for, from a body or from parameters.
struct Search {
    collection: String,
    place: Option<Bounds>,
    range: Option<(UtcTime, UtcTime)>,
    limit: usize,
    next: usize,
    distinct: bool,
}

pub(super) fn answer(call: &Call, rest: &[&str]) -> Result<Answer, Refusal> {
    let body = match (call.method.as_str(), rest) {
        ("POST", ["search"]) => call.json()?,
        ("GET", ["search"]) => from_parameters(call, None),
        ("GET", ["collections", id, "items"]) => from_parameters(call, Some(id)),
        ("GET", ["collections", id, "items", item]) => return Ok(one_item(call, id, item)),
        ("GET", []) => return Ok(landing(call)),
        ("GET", ["conformance"]) => return Ok(Answer::json(&json!({"conformsTo": []}))),
        ("GET", ["collections"]) => {
            let all: Vec<Value> = COLLECTIONS.iter().map(|id| collection(call, id)).collect();
            return Ok(Answer::json(&json!({"collections": all, "links": []})));
        }
        ("GET", ["collections", id]) => return Ok(Answer::json(&collection(call, id))),
        ("GET", ["collections", _, "queryables"]) => {
            return Ok(Answer::json(&json!({"type": "object", "properties": {}})));
        }
        _ => return Err(Refusal::no_route()),
    };
    let search = Search::read(&body)?;
    let cost = price::search(search.place, search.range);
    let found = search.scenes(call.now);
    let answer = page(call, &search, &found);
    Ok(answer.spending(
        "catalog",
        cost,
        format!("{} scenes of {}", found.len(), search.collection),
    ))
}

impl Search {
    fn read(body: &Value) -> Result<Self, Refusal> {
        let collection = body["collections"][0].as_str();
        let collection = collection.ok_or_else(|| Refusal::bad("collections must name one"))?;
        let place = match (&body["bbox"], &body["intersects"]) {
            (Value::Null, Value::Null) => None,
            (Value::Null, shape) => {
                Some(geo::bounds(shape).ok_or_else(|| Refusal::bad("intersects is no area"))?)
            }
            (bbox, _) => {
                Some(geo::bbox(bbox).ok_or_else(|| Refusal::bad("bbox must be four numbers"))?)
            }
        };
        let datetime = body["datetime"].as_str();
        let datetime = datetime.ok_or_else(|| Refusal::bad("datetime is required"))?;
        let count = |name: &str| {
            body[name]
                .as_u64()
                .and_then(|count| usize::try_from(count).ok())
        };
        Ok(Self {
            collection: collection.to_owned(),
            place,
            range: range(datetime)?,
            limit: count("limit").unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT),
            next: count("next").unwrap_or_default(),
            distinct: body["distinct"].is_string(),
        })
    }

    fn scenes(&self, now: UtcTime) -> Vec<Scene> {
        let (from, to) = self.range.unwrap_or((UtcTime::UNIX_EPOCH, now));
        let place = self.place.unwrap_or(geo::WORLD);
        sky::scenes(Revisit::of(&self.collection), place, from, to).collect()
    }
}

/// `None` when an end is open.
fn range(datetime: &str) -> Result<Option<(UtcTime, UtcTime)>, Refusal> {
    let instant = |text: &str| {
        let parsed = text.parse::<UtcTime>();
        parsed.map_err(|_| Refusal::bad(format!("datetime '{text}' is not an instant")))
    };
    let Some((from, to)) = datetime.split_once('/') else {
        let at = instant(datetime)?;
        return Ok(Some((at, at)));
    };
    if from.trim_matches('.').is_empty() || to.trim_matches('.').is_empty() {
        return Ok(None);
    }
    let (from, to) = (instant(from)?, instant(to)?);
    if to < from {
        return Err(Refusal::bad("datetime ends before it starts"));
    }
    Ok(Some((from, to)))
}

fn from_parameters(call: &Call, collection: Option<&str>) -> Value {
    let first = |text: &str| text.split(',').next().unwrap_or_default().to_owned();
    let named = call.parameter("collections").map(first);
    let collection = collection.map(str::to_owned).or(named);
    let numbers = |text: &str| -> Vec<f64> {
        text.split(',')
            .filter_map(|part| part.trim().parse().ok())
            .collect()
    };
    json!({
        "collections": [collection],
        "bbox": call.parameter("bbox").map(numbers),
        "datetime": call.parameter("datetime").unwrap_or("../.."),
        "limit": call.number("limit"),
        "next": call.number("next"),
    })
}

fn page(call: &Call, search: &Search, found: &[Scene]) -> Answer {
    let start = search.next.min(found.len());
    let end = start.saturating_add(search.limit).min(found.len());
    let shown = found.get(start..end).unwrap_or_default();
    let features: Vec<Value> = if search.distinct {
        let days: BTreeSet<String> = found.iter().map(|scene| day(scene.at)).collect();
        days.into_iter().map(Value::String).collect()
    } else {
        shown
            .iter()
            .map(|scene| feature(call, search, scene))
            .collect()
    };
    let more = !search.distinct && end < found.len();
    let address = call.link(Site::SentinelHub, "/catalog/v1/search");
    let mut links = vec![json!({"href": address, "rel": "self", "type": "application/json"})];
    let mut context = json!({"limit": search.limit, "returned": features.len()});
    if more {
        context["next"] = end.into();
        links.push(
            json!({"href": address, "rel": "next", "type": "application/geo+json",
            "method": "POST", "body": {"next": end}, "merge": true}),
        );
    }
    let body = json!({"type": "FeatureCollection", "features": features, "links": links, "context": context});
    Answer::bytes("application/geo+json", body.to_string())
}

fn feature(call: &Call, search: &Search, scene: &Scene) -> Value {
    let bounds = search.place.unwrap_or(geo::WORLD);
    let id = format!(
        "{}_{}_{}",
        search.collection,
        scene.at.as_second(),
        scene.number
    );
    let tail = format!("/catalog/v1/collections/{}/items/{id}", search.collection);
    json!({
        "stac_version": "1.0.0", "type": "Feature", "id": id, "collection": search.collection,
        "bbox": bounds, "geometry": geo::rectangle(bounds),
        "properties": {"datetime": scene.at.to_string(), "eo:cloud_cover": scene.cloud},
        "links": [{"href": call.link(Site::SentinelHub, &tail), "rel": "self", "type": "application/json"}],
        "assets": {"data": {"href": format!("s3://pretended/{id}/"), "title": "s3"}},
    })
}

fn one_item(call: &Call, collection: &str, item: &str) -> Answer {
    let href = call.link(
        Site::SentinelHub,
        &format!("/catalog/v1/collections/{collection}/items/{item}"),
    );
    let body = json!({"stac_version": "1.0.0", "type": "Feature", "id": item, "collection": collection,
        "geometry": null, "properties": {}, "assets": {}, "links": [{"href": href, "rel": "self"}]});
    Answer::bytes("application/geo+json", body.to_string()).spending(
        "catalog",
        0.01,
        format!("item {item}"),
    )
}

fn landing(call: &Call) -> Answer {
    let link = |tail: &str| call.link(Site::SentinelHub, &format!("/catalog/v1{tail}"));
    Answer::json(&json!({
        "stac_version": "1.0.0", "type": "Catalog", "id": "sentinel-hub-stac", "description": "",
        "links": [
            {"href": link("/"), "rel": "self"},
            {"href": link("/conformance"), "rel": "conformance"},
            {"href": link("/collections"), "rel": "data"},
            {"href": link("/search"), "rel": "search", "method": "POST"},
        ],
    }))
}

fn collection(call: &Call, id: &str) -> Value {
    let href = call.link(Site::SentinelHub, &format!("/catalog/v1/collections/{id}"));
    json!({
        "stac_version": "1.0.0", "type": "Collection", "id": id, "title": id, "description": "",
        "license": "various", "extent": {"spatial": {"bbox": [geo::WORLD]}, "temporal": {"interval": [["2015-01-01T00:00:00Z", null]]}},
        "links": [{"href": href, "rel": "self", "type": "application/json"}],
    })
}

fn day(at: UtcTime) -> String {
    at.to_string().chars().take(10).collect()
}
