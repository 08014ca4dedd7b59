//! tiles.planet.com: basemap tiles at one unit each, tiles of scenes, and the documents about them.

use serde_json::json;

use super::basemaps;
use crate::simulator::answer::Answer;
use crate::simulator::bill::Charge;
use crate::simulator::call::{Call, Site};
use crate::simulator::figures::whole_pu;
use crate::simulator::picture::{self, Depth, Shape};
use crate::simulator::refusal::Refusal;

const TILE: Shape = Shape {
    width: 64,
    height: 64,
    bands: 3,
    depth: Depth::Byte,
};

/// Below `/basemaps/v1`.
pub(super) fn basemaps(call: &Call, rest: &[&str]) -> Result<Answer, Refusal> {
    match rest {
        ["planet-tiles", mosaic, "gmap", z, x, y] => tile(mosaic, z, x, y, whole_pu(1)),
        ["planet-tiles", _, "thumb"] => Ok(thumbnail()),
        ["pixprov", ..] => Ok(Answer::json(&json!({"grid": [], "keys": [], "data": {}}))),
        [.., "wmts"] | ["wmts", ..] => wmts(call, "basemaps", whole_pu(1)),
        _ => Err(Refusal::no_route()),
    }
}

/// Below `/data/v1`.
pub(super) fn scenes(call: &Call, rest: &[&str]) -> Result<Answer, Refusal> {
    match rest {
        ["layers"] => layer(call),
        ["layers", "wmts", _] | ["wmts", ..] => wmts(call, "data", whole_pu(0)),
        ["layers", hash, z, x, y] => tile(hash, z, x, y, whole_pu(0)),
        [kind, item, z, x, y] => tile(&format!("{kind} {item}"), z, x, y, whole_pu(0)),
        _ => Err(Refusal::no_route()),
    }
}

pub(super) fn thumbnail() -> Answer {
    Answer::bytes("image/png", picture::png(TILE))
}

fn tile(layer: &str, z: &str, x: &str, y: &str, pu: crate::units::Pu) -> Result<Answer, Refusal> {
    let y = y.split('.').next().unwrap_or_default();
    let zoom: Option<u32> = z.parse().ok().filter(|zoom| *zoom <= 18);
    let numbers = [x, y].map(|text| text.parse::<u32>().ok());
    let inside = zoom
        .zip(numbers[0].zip(numbers[1]))
        .is_some_and(|(zoom, (x, y))| {
            let side = 1_u32 << zoom;
            x < side && y < side
        });
    if !inside {
        return Err(Refusal::not_found(format!("tile {z}/{x}/{y}")));
    }
    let charge = Charge::of("tiles", format!("tile {z}/{x}/{y} of {layer}"));
    Ok(thumbnail().charging(charge.pu(pu).tiles(1)))
}

fn layer(call: &Call) -> Result<Answer, Refusal> {
    let form = call.form();
    let ids = form.iter().find(|(name, _)| name == "ids");
    let (_, ids) = ids.ok_or_else(|| Refusal::bad("the form field 'ids' is needed"))?;
    let hash = ids.bytes().fold(5_381_u32, |hash, byte| {
        hash.wrapping_mul(33).wrapping_add(byte.into())
    });
    let name = format!("{hash:08x}");
    let tiles = format!("/data/v1/layers/{name}/{{z}}/{{x}}/{{y}}.png");
    Ok(Answer::json(
        &json!({"name": name, "tiles": [call.link(Site::Tiles, &tiles)]}),
    ))
}

fn wmts(call: &Call, root: &str, pu: crate::units::Pu) -> Result<Answer, Refusal> {
    let parameter = |name: &str| call.ogc_parameter(name).unwrap_or_default();
    if parameter("request").eq_ignore_ascii_case("gettile") {
        let (z, x, y) = (
            parameter("tilematrix"),
            parameter("tilecol"),
            parameter("tilerow"),
        );
        return tile(parameter("layer"), z, x, y, pu);
    }
    let template = match root {
        "basemaps" => {
            "/basemaps/v1/planet-tiles/global_monthly_2026_07_mosaic/gmap/{TileMatrix}/{TileCol}/{TileRow}.png"
        }
        _ => "/data/v1/layers/0/{TileMatrix}/{TileCol}/{TileRow}.png",
    };
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Capabilities \
         xmlns=\"http://www.opengis.net/wmts/1.0\" xmlns:ows=\"http://www.opengis.net/ows/1.1\">\n\
         <Contents><Layer><ows:Identifier>pretended</ows:Identifier>\
         <ResourceURL format=\"image/png\" resourceType=\"tile\" template=\"{}\"/></Layer></Contents>\n\
         </Capabilities>\n",
        basemaps::keyed(call, Site::Tiles, template)
    );
    Ok(Answer::bytes("application/xml", body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tiles_that_exist_are_charged() {
        assert!(tile("m", "3", "7", "7.png", whole_pu(1)).is_ok());
        for [z, x, y] in [
            ["3", "8", "0"],
            ["19", "0", "0"],
            ["-1", "0", "0"],
            ["z", "x", "y"],
        ] {
            assert!(tile("m", z, x, y, whole_pu(1)).is_err(), "{z}/{x}/{y}");
        }
    }
}
