//! Products, quota and reservations, with the units as mixed as Planet mixes them: an estimate in km², a
//! creation in m² with one number as a string, a list in km², and ids of jobs as both.

use serde_json::{Value, json};

use super::page;
use crate::simulator::answer::Answer;
use crate::simulator::bill::Charge;
use crate::simulator::call::{Call, Site};
use crate::simulator::fate::Elsewhere;
use crate::simulator::figures;
use crate::simulator::geo;
use crate::simulator::refusal::Refusal;
use crate::simulator::world::World;
use crate::units::UtcTime;

const PRODUCT: u64 = 290_378;
const TOTAL_KM2: f64 = 100_000.0;
/// However small an area, this much is reserved for it.
const LEAST_KM2: f64 = 25.0;
const M2: f64 = 1e6;

#[derive(Default)]
pub(in crate::simulator) struct State {
    reservations: Vec<Value>,
    jobs: Vec<Value>,
    used_km2: f64,
    elsewhere: Elsewhere,
    /// What the account shows where its figures stand still: reserved and downloaded.
    stale: Option<[f64; 2]>,
}

impl State {
    /// `downloaded`: what has come by here.
    pub(in crate::simulator) fn use_elsewhere(&mut self, more: Elsewhere, downloaded: f64) {
        self.stale = more.stale.then(|| self.shown(downloaded));
        self.elsewhere.quota += more.quota;
        self.elsewhere.km2 += more.km2;
    }

    /// Reserved and downloaded, by everybody.
    fn shown(&self, downloaded: f64) -> [f64; 2] {
        let now = [
            self.used_km2 + self.elsewhere.quota,
            downloaded + self.elsewhere.km2,
        ];
        self.stale.unwrap_or(now)
    }
}

pub(in crate::simulator) fn answer(
    call: &Call,
    rest: &[&str],
    world: &mut World,
) -> Result<Answer, Refusal> {
    match (call.method.as_str(), rest) {
        ("GET", ["my", "products"]) => Ok(listed(call, &[product(world)])),
        ("GET", ["my", "subscriptions"]) => Ok(Answer::json(&json!([plan(call, world)]))),
        ("GET", ["my", "subscriptions", "1"]) => Ok(Answer::json(&plan(call, world))),
        (_, ["quota-reservations", tail @ ..]) => reservations(call, tail, world),
        _ => Err(Refusal::no_route()),
    }
}

fn reservations(call: &Call, tail: &[&str], world: &mut World) -> Result<Answer, Refusal> {
    match (call.method.as_str(), tail) {
        ("GET", []) => Ok(listed(call, &filtered(call, &world.account.reservations))),
        ("POST", []) => reserve(call, world),
        ("POST", ["bulk-reserve"]) => reserve_many(call, world),
        ("POST", ["estimate"]) => estimate(call, world),
        ("GET", ["jobs"]) => Ok(listed(call, &world.account.jobs)),
        ("GET", ["jobs", id]) => found(&world.account.jobs, id),
        ("GET", ["spec"]) => Ok(Answer::json(&json!({"openapi": "3.0.0"}))),
        ("GET", [id]) => found(&world.account.reservations, id),
        _ => Err(Refusal::no_route()),
    }
}

fn found(list: &[Value], id: &str) -> Result<Answer, Refusal> {
    let wanted = id.parse::<u64>().ok();
    let row = list
        .iter()
        .find(|row| wanted.is_some() && row["id"].as_u64() == wanted);
    row.map(Answer::json).ok_or_else(|| Refusal::not_found(id))
}

/// The areas that a request names: their references, and what each would take.
fn wanted(call: &Call, world: &World) -> Result<Vec<(String, f64)>, Refusal> {
    let body = call.json()?;
    if body["product_id"].as_u64() != Some(PRODUCT) {
        return Err(Refusal::bad(format!(
            "product_id {} is not yours",
            body["product_id"]
        )));
    }
    let listed = body["aoi_refs"].as_array();
    let named = listed
        .into_iter()
        .flatten()
        .chain(body.get("collection_id"));
    let mut areas = Vec::new();
    for reference in named {
        let reference = reference
            .as_str()
            .ok_or_else(|| Refusal::bad("a reference must be a string"))?;
        let features = match world.features.references_in(call, reference) {
            features if features.is_empty() => vec![reference.to_owned()],
            features => features,
        };
        for feature in features {
            let geometry = world.features.geometry(call, &feature);
            let area = geometry.and_then(|geometry| geo::area(&geometry));
            let area = area.ok_or_else(|| Refusal::bad(format!("'{feature}' was not found")))?;
            areas.push((feature, (area / M2).max(LEAST_KM2)));
        }
    }
    if areas.is_empty() {
        return Err(Refusal::bad("aoi_refs or collection_id must name an area"));
    }
    Ok(areas)
}

/// Whether quota was reserved for an area before.
fn is_reserved(reference: &str, world: &World) -> bool {
    let mut rows = world.account.reservations.iter();
    rows.any(|row| row["aoi_ref"] == reference)
}

/// The rows whose fields are what the query says they are.
fn filtered(call: &Call, rows: &[Value]) -> Vec<Value> {
    const FIELDS: [&str; 3] = ["product_id", "aoi_ref", "state"];
    let is = |row: &Value, field: &str, value: &str| match &row[field] {
        Value::String(written) => written == value,
        other => json!(value.parse::<u64>().ok()) == *other,
    };
    let wanted = |row: &&Value| {
        let mut fields = FIELDS.iter();
        fields.all(|field| {
            call.parameter(field)
                .is_none_or(|value| is(row, field, value))
        })
    };
    rows.iter().filter(wanted).cloned().collect()
}

fn total(areas: &[(String, f64)]) -> f64 {
    areas.iter().map(|(_, km2)| km2).sum()
}

/// What is reserved already costs as much as anything else here, though it says so.
fn estimate(call: &Call, world: &World) -> Result<Answer, Refusal> {
    let areas = wanted(call, world)?;
    let remaining = TOTAL_KM2 - world.account.used_km2;
    let in_square_metres = world.options.estimate_in_square_metres;
    let written = |km2: f64| {
        if in_square_metres {
            json!(format!("{:.1}", km2 * M2))
        } else {
            json!(km2)
        }
    };
    let costs = areas.iter().map(|(aoi, km2)| {
        json!({"aoi_ref": aoi, "cost": written(*km2), "reserved": is_reserved(aoi, world)})
    });
    Ok(Answer::json(&json!({
        "estimated_costs": costs.collect::<Vec<_>>(), "quota_remaining": written(remaining),
        "quota_total": written(TOTAL_KM2), "total_cost": written(total(&areas)),
        "quota_units": if in_square_metres { "sqm" } else { "sqkm" },
    })))
}

fn reserve(call: &Call, world: &mut World) -> Result<Answer, Refusal> {
    let areas = wanted(call, world)?;
    let charge = take(call, world, &areas);
    let used = world.account.used_km2;
    let count = world.account.reservations.len();
    let rows = world
        .account
        .reservations
        .get(count - areas.len()..)
        .unwrap_or_default();
    let answer = json!({
        "product_id": PRODUCT, "quota_units": "sqm", "quota_total": TOTAL_KM2 * M2,
        "quota_used": used * M2, "quota_remaining": format!("{:.1}", (TOTAL_KM2 - used) * M2),
        "quota_reservations": rows,
    });
    Ok(Answer::created(&answer).charging(charge))
}

/// A job passes over what is reserved already, and ends all the same.
fn reserve_many(call: &Call, world: &mut World) -> Result<Answer, Refusal> {
    let all = wanted(call, world)?;
    let areas: Vec<_> = all
        .iter()
        .filter(|(area, _)| !is_reserved(area, world))
        .cloned()
        .collect();
    let charge = take(call, world, &areas);
    let id = 8_000 + world.account.jobs.len();
    let percentage = 100.0 * figures::float(areas.len()) / figures::float(all.len());
    world.account.jobs.push(json!({
        "collection_id": call.json()?["collection_id"], "id": id, "organization_id": 1,
        "percentage": percentage, "processed_items": areas.len(), "product_access_id": PRODUCT,
        "status": "completed", "total_items": all.len(), "type": "quota:reserve",
    }));
    let answer = json!({"job_id": id.to_string(), "status": "pending"});
    Ok(Answer::created(&answer).charging(charge))
}

fn take(call: &Call, world: &mut World, areas: &[(String, f64)]) -> Charge {
    for (reference, km2) in areas {
        let id = 100 + world.account.reservations.len();
        let at = timestamp(call.now);
        let url = format!("/auth/v1/experimental/public/quota-reservations/{id}");
        world.account.reservations.push(json!({
            "id": id, "aoi_ref": reference, "amount": km2, "product_id": PRODUCT, "state": "reserved",
            "created_at": at, "updated_at": at, "reserved_at": at, "url": call.link(Site::Api, &url),
        }));
    }
    let km2 = total(areas);
    world.account.used_km2 += km2;
    let what = format!("reservation of {} areas", areas.len());
    Charge::of("quota", what).quota(figures::square_metres(km2 * M2))
}

fn product(world: &World) -> Value {
    let [reserved, _] = world.account.shown(0.0);
    json!({
        "id": PRODUCT, "name": "PS_ARPS_SR_DAILY_ALL_TIME", "title": "Analysis-Ready PlanetScope",
        "quota_total": TOTAL_KM2, "quota_used": reserved, "quota_units": "sqkm",
        "unlimited_quota": false, "supports_reservation": true, "resource_ids": ["PS_ARD_SR_DAILY"],
        "state": "active", "term_start_date": "2026-01-01", "term_end_date": "2026-12-31",
        "billable_id": 1, "organization_id": 1,
        "area": {"description": "Minimum AOI spend.", "op": "gte", "units": "sqkm", "value": LEAST_KM2},
    })
}

fn plan(call: &Call, world: &World) -> Value {
    let [_, downloaded] = world
        .account
        .shown(figures::square_km(world.bill.total_km2()));
    json!({
        "id": 1, "plan": {"id": 1, "name": "Pretended", "state": "active"}, "quota_enabled": true,
        "quota_sqkm": TOTAL_KM2, "quota_used": downloaded, "quota_style": "premium", "quota_interval": "year",
        "quota_reset_at": null, "active_from": "2026-01-01T00:00:00", "active_to": "2026-12-31T00:00:00",
        "basemap_quad_quota": null, "basemap_tile_quota": null, "reference": "PL-0000001",
        "state": "active", "url": call.link(Site::Api, "/auth/v1/experimental/public/my/subscriptions/1"),
    })
}

fn listed(call: &Call, all: &[Value]) -> Answer {
    let (limit, offset) = (
        call.number("limit").unwrap_or(50),
        call.number("offset").unwrap_or(0),
    );
    let (shown, next) = page(call, all, 50, ["limit", "offset"]);
    Answer::json(&json!({
        "meta": {"args": {"limit": limit, "offset": offset}, "count": all.len(), "next": next, "prev": null},
        "results": shown,
    }))
}

/// Microseconds, and no word about the time zone.
fn timestamp(now: UtcTime) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}
