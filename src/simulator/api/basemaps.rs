//! The Basemaps API: mosaics cut into quads, and the links that carry the caller's own key.

use http::StatusCode;
use serde_json::{Value, json};

use super::{page, tiles};
use crate::simulator::answer::Answer;
use crate::simulator::auth;
use crate::simulator::bill::Charge;
use crate::simulator::call::{Call, Site};
use crate::simulator::figures::{nearest, whole_pu};
use crate::simulator::geo::{self, Bounds};
use crate::simulator::refusal::Refusal;
use crate::simulator::storage;
use crate::simulator::world::World;

const VISUAL_QUAD_PU: u64 = 1_500;
const REFLECTANCE_QUAD_PU: u64 = 3_000;
/// The world is 2048 quads wide and high.
const GRID: f64 = 2_048.0;
const DEFAULT_PAGE: usize = 50;
const MAX_QUADS: u32 = 4_000;

const MOSAICS: [(&str, &str); 3] = [
    (
        "09462e5a-0001-4000-8000-000000000001",
        "global_monthly_2026_07_mosaic",
    ),
    (
        "09462e5a-0001-4000-8000-000000000002",
        "global_monthly_2026_08_mosaic",
    ),
    (
        "09462e5a-0001-4000-8000-000000000003",
        "ps_monthly_sr_2026_08_mosaic",
    ),
];
const SERIES: &str = "431b62a0-0001-4000-8000-000000000001";

pub(in crate::simulator) fn answer(
    call: &Call,
    rest: &[&str],
    world: &mut World,
) -> Result<Answer, Refusal> {
    match (call.method.as_str(), rest) {
        ("GET", ["mosaics"] | ["series", _, "mosaics"]) => Ok(mosaics(call)),
        ("GET", ["series"]) => Ok(Answer::json(
            &json!({"_links": {}, "series": [series(call)]}),
        )),
        ("GET", ["series", _]) => Ok(Answer::json(&series(call))),
        ("GET", ["mosaics", id]) => Ok(Answer::json(&mosaic(call, known(id)?))),
        ("GET", ["mosaics", id, "quads"]) => {
            let text = call.parameter("bbox").unwrap_or_default();
            let numbers: Vec<Value> = text
                .split(',')
                .filter_map(|part| part.parse::<f64>().ok())
                .map(Value::from)
                .collect();
            let bounds = geo::bbox(&Value::Array(numbers));
            let bounds = bounds.ok_or_else(|| Refusal::bad("bbox must be four numbers"))?;
            quads(call, known(id)?, bounds)
        }
        ("POST", ["mosaics", id, "quads", "search"]) => {
            let bounds = geo::bounds(&call.json()?);
            let bounds = bounds.ok_or_else(|| Refusal::bad("the body must be a polygon"))?;
            quads(call, known(id)?, bounds)
        }
        ("GET", ["mosaics", id, "quads", quad]) => {
            Ok(Answer::json(&self::quad(call, known(id)?, quad)?))
        }
        ("GET", ["mosaics", id, "quads", quad, "items"]) => {
            known(id)?;
            let link = format!("/data/v1/item-types/PSScene/items/20260801_{quad}");
            Ok(Answer::json(
                &json!({"_links": {}, "items": [{"link": call.link(Site::Api, &link)}]}),
            ))
        }
        ("GET" | "HEAD", ["mosaics", id, "quads", quad, "full"]) => {
            full(call, known(id)?, quad, world)
        }
        ("GET", ["mosaics", _, "quads", _, "thumb"]) => Ok(tiles::thumbnail()),
        _ => tiles::basemaps(call, rest),
    }
}

/// What one quad of a mosaic of this name costs.
pub(super) fn quad_pu(mosaic: &str) -> u64 {
    let reflectance = ["_sr", "surface_reflectance", "analytic", "normalized"];
    if reflectance.iter().any(|word| mosaic.contains(word)) {
        REFLECTANCE_QUAD_PU
    } else {
        VISUAL_QUAD_PU
    }
}

pub(super) fn count_of_quads(bounds: Bounds) -> u64 {
    let [left, bottom, right, top] = grid_range(bounds);
    u64::from(right - left + 1) * u64::from(top - bottom + 1)
}

/// The columns and rows of the grid that a box touches, on the Mercator map.
fn grid_range([west, south, east, north]: Bounds) -> [u32; 4] {
    let column = |longitude: f64| (longitude + 180.0) / 360.0 * GRID;
    let row = |latitude: f64| {
        let latitude = latitude.clamp(-85.05, 85.05).to_radians();
        f64::midpoint(latitude.tan().asinh() / std::f64::consts::PI, 1.0) * GRID
    };
    let cell = |place: f64| nearest(place.floor().clamp(0.0, GRID - 1.0));
    let (left, bottom) = (cell(column(west)), cell(row(south)));
    [
        left,
        bottom,
        cell(column(east)).max(left),
        cell(row(north)).max(bottom),
    ]
}

fn quad_bounds(column: u32, row: u32) -> Bounds {
    let longitude = |column: u32| f64::from(column) / GRID * 360.0 - 180.0;
    let latitude = |row: u32| {
        let y = (f64::from(row) / GRID * 2.0 - 1.0) * std::f64::consts::PI;
        y.sinh().atan().to_degrees()
    };
    [
        longitude(column),
        latitude(row),
        longitude(column + 1),
        latitude(row + 1),
    ]
}

fn known(id: &str) -> Result<(&'static str, &'static str), Refusal> {
    let mosaic = MOSAICS
        .into_iter()
        .find(|(known, name)| *known == id || *name == id);
    mosaic.ok_or_else(|| Refusal::not_found(format!("mosaic {id}")))
}

/// A link with the key that was presented, as upstream makes them.
pub(super) fn keyed(call: &Call, site: Site, path: &str) -> String {
    let key = auth::presented(call).unwrap_or_default();
    let key: String = form_urlencoded::byte_serialize(key.as_bytes()).collect();
    call.link(site, &format!("{path}?api_key={key}"))
}

fn mosaics(call: &Call) -> Answer {
    let wanted = |name: &str| {
        call.parameter("name__is")
            .is_none_or(|wanted| wanted == name)
            && call
                .parameter("name__contains")
                .is_none_or(|part| name.contains(part))
    };
    let all: Vec<Value> = MOSAICS
        .into_iter()
        .filter(|(_, name)| wanted(name))
        .map(|one| mosaic(call, one))
        .collect();
    let (shown, next) = page(call, &all, DEFAULT_PAGE, ["_page_size", "_page"]);
    let mut links = json!({"_self": keyed(call, Site::Api, "/basemaps/v1/mosaics")});
    if let Some(next) = next {
        links["_next"] = next.into();
    }
    Answer::json(&json!({"_links": links, "mosaics": shown}))
}

fn mosaic(call: &Call, (id, name): (&str, &str)) -> Value {
    let base = format!("/basemaps/v1/mosaics/{id}");
    let tiles = format!("/basemaps/v1/planet-tiles/{name}/gmap/{{z}}/{{x}}/{{y}}.png");
    let quads = keyed(call, Site::Api, &format!("{base}/quads"));
    json!({
        "id": id, "name": name, "bbox": [-180, -85.05, 180, 85.05], "coordinate_system": "EPSG:3857",
        "datatype": if quad_pu(name) == VISUAL_QUAD_PU { "byte" } else { "uint16" },
        "first_acquired": "2026-07-01T00:00:00.000Z", "last_acquired": "2026-08-31T00:00:00.000Z",
        "grid": {"quad_size": 4096, "resolution": 4.777_314_267_823_516}, "interval": "1 mon", "level": 15,
        "product_type": "timelapse", "quad_download": true,
        "_links": {
            "_self": keyed(call, Site::Api, &base),
            "quads": format!("{quads}&bbox={{lx}},{{ly}},{{ux}},{{uy}}"),
            "tiles": keyed(call, Site::Tiles, &tiles),
        },
    })
}

fn series(call: &Call) -> Value {
    let base = format!("/basemaps/v1/series/{SERIES}");
    json!({
        "id": SERIES, "name": "Global Monthly", "interval": "1 mon",
        "first_acquired": "2026-07-01T00:00:00.000Z", "last_acquired": "2026-08-31T00:00:00.000Z",
        "_links": {
            "_self": keyed(call, Site::Api, &base),
            "mosaics": keyed(call, Site::Api, &format!("{base}/mosaics")),
        },
    })
}

fn quads(call: &Call, mosaic: (&str, &str), bounds: Bounds) -> Result<Answer, Refusal> {
    let [left, bottom, right, top] = grid_range(bounds);
    let total = count_of_quads(bounds);
    if total > u64::from(MAX_QUADS) && call.parameter("summary").is_none() {
        return Err(Refusal::bad(format!(
            "{total} quads are more than {MAX_QUADS}"
        )));
    }
    let ids =
        (bottom..=top).flat_map(|row| (left..=right).map(move |column| format!("{column}-{row}")));
    let ids: Vec<Value> = ids
        .take(usize::try_from(MAX_QUADS).unwrap_or(1))
        .map(Value::String)
        .collect();
    let (shown, next) = page(call, &ids, DEFAULT_PAGE, ["_page_size", "_page"]);
    let shown: Result<Vec<Value>, Refusal> = shown
        .iter()
        .map(|id| quad(call, mosaic, id.as_str().unwrap_or_default()))
        .collect();
    let base = format!("/basemaps/v1/mosaics/{}/quads", mosaic.0);
    let mut links = json!({"_self": keyed(call, Site::Api, &base)});
    if let Some(next) = next {
        links["_next"] = next.into();
    }
    let mut body = json!({"_links": links, "items": shown?});
    if call.parameter("summary").is_some() {
        body["summary"] = json!({"total_quads": total});
    }
    Ok(Answer::json(&body))
}

fn quad(call: &Call, (mosaic, _): (&str, &str), id: &str) -> Result<Value, Refusal> {
    let place = id.split_once('-').and_then(|(column, row)| {
        let (column, row) = (column.parse::<u32>().ok()?, row.parse::<u32>().ok()?);
        (f64::from(column) < GRID && f64::from(row) < GRID).then_some((column, row))
    });
    let (column, row) = place.ok_or_else(|| Refusal::not_found(format!("quad {id}")))?;
    let base = format!("/basemaps/v1/mosaics/{mosaic}/quads/{id}");
    Ok(json!({
        "id": id, "bbox": quad_bounds(column, row), "percent_covered": 100,
        "_links": {
            "_self": keyed(call, Site::Api, &base),
            "download": keyed(call, Site::Link, &format!("{base}/full")),
            "items": keyed(call, Site::Api, &format!("{base}/items")),
            "thumbnail": keyed(call, Site::Api, &format!("{base}/thumb")),
        },
    }))
}

fn full(call: &Call, mosaic: (&str, &str), id: &str, world: &World) -> Result<Answer, Refusal> {
    quad(call, mosaic, id)?;
    let file = format!("planet-mosaics-prod/{}/{id}_quad.tif", mosaic.1);
    let address = storage::address(call, &file, world.options.asset_bytes);
    let charge = Charge::of("basemaps", format!("quad {id} of {}", mosaic.1));
    let charge = charge.pu(whole_pu(quad_pu(mosaic.1)));
    Ok(Answer::redirect(&address)
        .with_status(StatusCode::FOUND)
        .charging(charge))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quads_of_a_box_cover_it() {
        let bounds = [14.0, 46.0, 14.5, 46.2];
        let [left, bottom, right, top] = grid_range(bounds);
        let (low, high) = (quad_bounds(left, bottom), quad_bounds(right, top));
        assert!(low[0] <= 14.0 && low[1] <= 46.0 && high[2] >= 14.5 && high[3] >= 46.2);
        assert_eq!(
            count_of_quads(bounds),
            u64::from((right - left + 1) * (top - bottom + 1))
        );
        assert_eq!(count_of_quads(geo::WORLD), 2_048 * 2_048);
    }
}
