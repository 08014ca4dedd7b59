//! The Features API: collections of areas that other APIs refer to as `pl:features/my/COLLECTION/FEATURE`.
//! A collection is its maker's, by the key that came with it; others see it once it is shared.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Value, json};

use super::page;
use crate::simulator::answer::Answer;
use crate::simulator::auth;
use crate::simulator::call::{Call, Site};
use crate::simulator::geo;
use crate::simulator::refusal::Refusal;
use crate::simulator::world::{MAX_KEPT, World};

const DEFAULT_PAGE: usize = 10;

#[derive(Default)]
pub(in crate::simulator) struct State(BTreeMap<String, Collection>);

struct Collection {
    owner: Option<String>,
    shared: bool,
    about: Value,
    features: BTreeMap<String, Value>,
}

impl State {
    /// The geometry that a reference to one feature stands for, to whoever calls.
    pub(super) fn geometry(&self, call: &Call, reference: &str) -> Option<Value> {
        let (collection, feature) = parts(reference)?;
        let collection = self.0.get(collection).filter(|one| one.is_seen_by(call))?;
        let feature = collection.features.get(feature?)?;
        Some(feature["geometry"].clone())
    }

    /// The features of a reference to a whole collection; none for a reference to one feature.
    pub(super) fn references_in(&self, call: &Call, reference: &str) -> Vec<String> {
        let Some((id, None)) = parts(reference) else {
            return Vec::new();
        };
        let features = self
            .0
            .get(id)
            .filter(|one| one.is_seen_by(call))
            .into_iter()
            .flat_map(|collection| collection.features.keys());
        features
            .map(|feature| format!("pl:features/my/{id}/{feature}"))
            .collect()
    }
}

impl Collection {
    fn is_seen_by(&self, call: &Call) -> bool {
        self.shared || self.owner == auth::presented(call)
    }
}

/// The collection of `pl:features/my/COLLECTION[/FEATURE]`, and the feature.
fn parts(reference: &str) -> Option<(&str, Option<&str>)> {
    let mut parts = reference.strip_prefix("pl:features/my/")?.split('/');
    let collection = parts.next()?;
    Some((collection, parts.next()))
}

pub(in crate::simulator) fn answer(
    call: &Call,
    rest: &[&str],
    world: &mut World,
) -> Result<Answer, Refusal> {
    let base = "/features/v1/ogc/my/collections";
    match (call.method.as_str(), rest) {
        ("GET", [] | ["my"]) => Ok(Answer::json(&json!({"title": "Features", "links": [
            {"href": call.link(Site::Api, base), "rel": "data", "type": "application/json"}]}))),
        ("GET", ["conformance"]) => Ok(Answer::json(&json!({"conformsTo": []}))),
        (_, ["my", "collections", "validate" | "alternates"]) => {
            Ok(Answer::json(&json!({"errors": [], "description": "valid"})))
        }
        ("GET", ["my", "collections"]) => {
            let all: Vec<Value> = world
                .features
                .0
                .values()
                .filter(|one| one.is_seen_by(call))
                .map(|one| one.about.clone())
                .collect();
            Ok(listed(call, &all, "collections"))
        }
        ("POST", ["my", "collections"]) => create_collection(call, world),
        (method, ["my", "collections", id, tail @ ..]) => {
            let collection = world.features.0.get_mut(*id);
            let collection = collection.filter(|one| one.is_seen_by(call));
            let collection =
                collection.ok_or_else(|| Refusal::not_found(format!("collection {id}")))?;
            match (method, tail) {
                ("GET", []) => Ok(Answer::json(&collection.about)),
                ("PUT" | "PATCH", []) => {
                    collection.about["title"] = call.json()?["title"].clone();
                    Ok(Answer::json(&collection.about))
                }
                ("DELETE", []) => {
                    world.features.0.remove(*id);
                    Ok(Answer::empty(StatusCode::NO_CONTENT))
                }
                ("POST" | "DELETE", ["permission"]) => {
                    collection.shared = method == "POST";
                    Ok(Answer::empty(StatusCode::NO_CONTENT))
                }
                ("GET", ["items"]) => {
                    let all: Vec<Value> = collection.features.values().cloned().collect();
                    Ok(listed(call, &all, "features"))
                }
                ("POST", ["items"]) => add_items(call, id, world),
                (_, ["items", feature]) => item(call, feature, collection),
                _ => Err(Refusal::no_route()),
            }
        }
        _ => Err(Refusal::no_route()),
    }
}

fn create_collection(call: &Call, world: &mut World) -> Result<Answer, Refusal> {
    let body = call.json()?;
    let title = body["title"].as_str().filter(|title| !title.is_empty());
    let title = title.ok_or_else(|| Refusal::bad("a title is required"))?;
    let serial = world.next_id();
    let slug: String = title.chars().filter(char::is_ascii_alphanumeric).collect();
    let id = format!(
        "{}-{}",
        slug.to_lowercase(),
        serial.get(..7).unwrap_or("0000000")
    );
    let link = call.link(Site::Api, &format!("/features/v1/ogc/my/collections/{id}"));
    let about = json!({
        "id": id, "title": title, "description": body["description"], "item_type": "feature",
        "links": [{"href": link, "rel": "self", "title": "collection", "type": "application/json"}],
    });
    if world.features.0.len() >= MAX_KEPT {
        world.features.0.pop_first();
    }
    let features = BTreeMap::new();
    let shown = about.clone();
    let collection = Collection {
        owner: auth::presented(call),
        shared: false,
        about,
        features,
    };
    world.features.0.insert(id, collection);
    Ok(Answer::created(&shown))
}

fn add_items(call: &Call, id: &str, world: &mut World) -> Result<Answer, Refusal> {
    let body = call.json()?;
    let features: Vec<Value> = match body["features"].as_array() {
        Some(features) => features.clone(),
        None => vec![body],
    };
    let mut references = Vec::new();
    for mut feature in features {
        let area = geo::area(&feature["geometry"]);
        let area = area.ok_or_else(|| Refusal::bad("a feature must be a polygon"))?;
        if geo::vertices(&feature["geometry"]) > geo::MAX_VERTICES {
            return Err(Refusal::bad(format!(
                "a feature has more than {} vertices",
                geo::MAX_VERTICES
            )));
        }
        let serial = world.next_id();
        let name = serial.get(..7).unwrap_or_default().to_owned();
        let reference = format!("pl:features/my/{id}/{name}");
        feature["id"] = name.clone().into();
        if !feature["properties"].is_object() {
            feature["properties"] = json!({});
        }
        feature["properties"]["pl:ref"] = reference.clone().into();
        feature["properties"]["pl:area"] = area.into();
        if let Some(collection) = world.features.0.get_mut(id) {
            collection.features.insert(name, feature);
        }
        references.push(reference);
    }
    Ok(Answer::created(&json!(references)))
}

fn item(call: &Call, feature: &str, collection: &mut Collection) -> Result<Answer, Refusal> {
    let found = collection.features.get_mut(feature);
    let found = found.ok_or_else(|| Refusal::not_found(format!("feature {feature}")))?;
    match call.method.as_str() {
        "GET" => Ok(Answer::json(found)),
        "PUT" => {
            let geometry = call.json()?["geometry"].clone();
            let area = geo::area(&geometry);
            let area = area.ok_or_else(|| Refusal::bad("a feature must be a polygon"))?;
            found["geometry"] = geometry;
            found["properties"]["pl:area"] = area.into();
            Ok(Answer::json(found))
        }
        "DELETE" => {
            collection.features.remove(feature);
            Ok(Answer::empty(StatusCode::NO_CONTENT))
        }
        _ => Err(Refusal::no_route()),
    }
}

fn listed(call: &Call, all: &[Value], name: &str) -> Answer {
    let (shown, next) = page(call, all, DEFAULT_PAGE, ["limit", "offset"]);
    let mut links = vec![json!({"href": call.link(Site::Api, &call.path), "rel": "self"})];
    if let Some(next) = next {
        links.push(
            json!({"href": next, "rel": "next", "title": "next", "type": "application/json"}),
        );
    }
    Answer::json(
        &json!({name: shown, "numberMatched": all.len(), "links": links, "type": "FeatureCollection"}),
    )
}
