//! The Data API: items, their assets, activation and downloads. Searching is next door.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use md5::Md5;
use serde_json::{Map, Value, json};

use super::{bundles, data_search, scene_km2, tiles};
use crate::simulator::answer::Answer;
use crate::simulator::bill::Charge;
use crate::simulator::call::{Call, Site};
use crate::simulator::figures;
use crate::simulator::geo;
use crate::simulator::refusal::Refusal;
use crate::simulator::storage;
use crate::simulator::world::{MAX_KEPT, Progress, Stage, World, age, later};
use crate::units::{SquareKm, UtcTime};

/// Activating an asset costs this much, once in so long.
pub(super) const ACTIVATION_PU: u64 = 20;
const ACTIVATION_LASTS: Duration = Duration::from_hours(24);
const LINK_LASTS: Duration = Duration::from_hours(4);

#[derive(Default)]
pub(in crate::simulator) struct State {
    pub(super) searches: BTreeMap<String, Value>,
    /// By item type, item and asset.
    active: HashMap<[String; 3], Activation>,
}

struct Activation {
    progress: Progress,
    charged: UtcTime,
}

impl State {
    /// Marks an asset as paid for; `false` when it already was, within the day.
    pub(super) fn pay(&mut self, asset: [&str; 3], now: UtcTime) -> bool {
        if self.active.len() >= 10 * MAX_KEPT {
            self.active.clear();
        }
        let key = asset.map(str::to_owned);
        let fresh = || Activation {
            progress: Progress::starting(now),
            charged: now,
        };
        match self.active.get_mut(&key) {
            Some(known) if age(known.charged, now) < ACTIVATION_LASTS => false,
            Some(stale) => {
                *stale = fresh();
                true
            }
            None => {
                self.active.insert(key, fresh());
                true
            }
        }
    }
}

pub(in crate::simulator) fn answer(
    call: &Call,
    rest: &[&str],
    world: &mut World,
) -> Result<Answer, Refusal> {
    match (call.method.as_str(), rest) {
        ("GET", []) => {
            let link = call.link(Site::Api, "/data/v1/item-types");
            Ok(Answer::json(&json!({"_links": {"item-types": link}})))
        }
        ("GET", ["spec"]) => Ok(Answer::json(&json!({"openapi": "3.0.0"}))),
        ("GET", ["item-types"]) => {
            let types: Vec<Value> = bundles::item_types()
                .iter()
                .map(|id| item_type(call, id))
                .collect();
            Ok(Answer::json(&json!({"_links": {}, "item_types": types})))
        }
        ("GET", ["item-types", id]) => Ok(Answer::json(&item_type(call, id))),
        ("GET", ["asset-types"] | ["asset-types", _] | ["item-types", _, "asset-types"]) => {
            Ok(Answer::json(&json!({"_links": {}, "asset_types": []})))
        }
        (_, ["quick-search" | "stats" | "searches", ..]) => data_search::answer(call, rest, world),
        (_, ["item-types", kind, "items", item, tail @ ..]) => {
            if item.contains("missing") {
                return Err(Refusal::not_found(format!("item {item}")));
            }
            item_answer(call, kind, item, tail, world)
        }
        (method, ["assets", id, tail @ ..]) => match (method, tail) {
            ("GET", []) => asset_status(call, id, world),
            ("GET" | "POST", ["activate"]) => activate(call, id, world),
            _ => Err(Refusal::no_route()),
        },
        ("GET" | "HEAD", ["download"]) => download(call, world),
        (_, ["layers" | "wmts", ..] | [_, _, _, _, _]) => tiles::scenes(call, rest),
        _ => Err(Refusal::no_route()),
    }
}

fn item_answer(
    call: &Call,
    kind: &str,
    item: &str,
    tail: &[&str],
    world: &mut World,
) -> Result<Answer, Refusal> {
    match (call.method.as_str(), tail) {
        ("GET", []) => {
            let place = geo::rectangle([14.0, 46.0, 14.4, 46.16]);
            Ok(Answer::json(&data_search::item(
                call, kind, item, None, &place,
            )))
        }
        ("GET", ["assets"]) => {
            let listed: Map<String, Value> = bundles::assets_of_type(kind)
                .into_iter()
                .map(|name| (name.to_owned(), asset(call, [kind, item, name], world)))
                .collect();
            Ok(Answer::json(&Value::Object(listed)))
        }
        ("GET", ["thumb"]) => Ok(tiles::thumbnail()),
        ("POST", ["coverage"]) => Ok(Answer::json(
            &json!({"clear_percent": 80, "status": "complete"}),
        )),
        _ => Err(Refusal::no_route()),
    }
}

fn item_type(call: &Call, id: &str) -> Value {
    json!({
        "id": id, "display_name": id, "display_description": id,
        "supported_asset_types": bundles::assets_of_type(id),
        "_links": {"_self": call.link(Site::Api, &format!("/data/v1/item-types/{id}"))},
    })
}

fn asset_status(call: &Call, id: &str, world: &mut World) -> Result<Answer, Refusal> {
    let key = decoded(id)?;
    let options = world.options.clone();
    if let Some(active) = world.data.active.get_mut(&key) {
        active.progress.poll(&options, call.now);
    }
    Ok(Answer::json(&asset(call, borrowed(&key), world)))
}

/// 202 when it starts, 204 when it is there already.
fn activate(call: &Call, id: &str, world: &mut World) -> Result<Answer, Refusal> {
    let key = decoded(id)?;
    let [kind, item, name] = borrowed(&key);
    if item.contains("missing") || !bundles::assets_of_type(kind).contains(&name) {
        return Err(Refusal::not_found(format!("asset {name} of item {item}")));
    }
    if !world.data.pay([kind, item, name], call.now) {
        let options = world.options.clone();
        let known = world.data.active.get_mut(&key);
        let stage = known.map(|known| known.progress.poll(&options, call.now));
        let status = match stage {
            Some(Stage::Done) => StatusCode::NO_CONTENT,
            _ => StatusCode::ACCEPTED,
        };
        return Ok(Answer::empty(status));
    }
    let charge = Charge::of("data", format!("activation of {name} of {item}"));
    let charge = charge.pu(figures::whole_pu(ACTIVATION_PU));
    Ok(Answer::empty(StatusCode::ACCEPTED).charging(charge))
}

fn asset(call: &Call, [kind, item, name]: [&str; 3], world: &World) -> Value {
    let key = [kind, item, name].map(str::to_owned);
    let known = world.data.active.get(&key);
    let known = known.filter(|known| age(known.charged, call.now) < ACTIVATION_LASTS);
    let stage = known.map(|known| known.progress.stage(&world.options, call.now));
    let id = URL_SAFE_NO_PAD
        .encode(json!({"i": item, "c": kind, "t": name, "ct": "item-type"}).to_string());
    let link = call.link(Site::Api, &format!("/data/v1/assets/{id}"));
    let mut shown = json!({
        "_links": {
            "_self": link, "activate": format!("{link}/activate"),
            "type": call.link(Site::Api, &format!("/data/v1/asset-types/{name}")),
        },
        "_permissions": ["download"], "md5_digest": null, "type": name,
        "status": match stage {
            None => "inactive",
            Some(Stage::Done) => "active",
            Some(_) => "activating",
        },
    });
    if stage == Some(Stage::Done) {
        shown["md5_digest"] = storage::digest::<Md5>(world.options.asset_bytes).into();
        let expires = later(call.now, LINK_LASTS);
        let token = storage::token(&json!({
            "sub": "pretended", "item_type_id": kind, "item_id": item, "asset_type": name,
            "token_type": "typed-item", "exp": expires.as_second(),
        }));
        shown["location"] = call
            .link(Site::Api, &format!("/data/v1/download?token={token}"))
            .into();
        shown["expires_at"] = expires.to_string().trim_end_matches('Z').into();
    }
    shown
}

/// The download quota pays for the whole item, however little of it is read, and for its rasters alone.
fn download(call: &Call, world: &World) -> Result<Answer, Refusal> {
    let claims = storage::claims(call)?;
    let claim = |name: &str| claims[name].as_str().unwrap_or_default().to_owned();
    let (item, name) = (claim("item_id"), claim("asset_type"));
    if item.is_empty()
        || claims["exp"]
            .as_i64()
            .is_some_and(|end| end < call.now.as_second())
    {
        return Err(Refusal::not_found("the asset of this token"));
    }
    let file = format!("planet-assets/{item}_{name}.tif");
    let address = storage::address(call, &file, world.options.asset_bytes);
    let area = if bundles::is_raster(&name) {
        scene_km2(&claim("item_type_id"))
    } else {
        SquareKm::ZERO
    };
    let charge = Charge::of("data", format!("download of {name} of {item}")).km2(area);
    Ok(Answer::redirect(&address).charging(charge))
}

fn decoded(id: &str) -> Result<[String; 3], Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(id.trim_end_matches('=')).ok();
    let claims: Option<Value> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let claims = claims.ok_or_else(|| Refusal::not_found("this asset"))?;
    Ok(["c", "i", "t"].map(|name| claims[name].as_str().unwrap_or_default().to_owned()))
}

fn borrowed([kind, item, name]: &[String; 3]) -> [&str; 3] {
    [kind, item, name]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_is_paid_for_once_a_day() {
        let start: UtcTime = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut state = State::default();
        let asset = ["PSScene", "a", "ortho_visual"];
        assert!(state.pay(asset, start));
        assert!(!state.pay(asset, later(start, Duration::from_hours(23))));
        assert!(state.pay(["PSScene", "a", "ortho_udm2"], start));
        assert!(state.pay(asset, later(start, Duration::from_hours(24))));
    }

    #[test]
    fn ids_of_assets_are_read_back_and_nonsense_is_not_found() {
        let id = URL_SAFE_NO_PAD
            .encode(r#"{"i":"1_2","c":"PSScene","t":"ortho_visual","ct":"item-type"}"#);
        assert_eq!(decoded(&id).unwrap(), ["PSScene", "1_2", "ortho_visual"]);
        assert!(decoded("%%%").is_err());
    }
}
