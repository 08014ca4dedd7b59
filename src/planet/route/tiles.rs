//! The tile servers. Every picture that is a tile spends; thumbnails and provenance do not.

use super::Operation::{BasemapTile, Read, SceneTile, TileService};
use super::Verb::{Get, Post};
use super::{Api, Group, Row, group, row};

pub(super) const GROUPS: &[Group] = &[
    group(Api::Tiles, "/basemaps/v1", BASEMAPS),
    group(Api::Tiles, "/data/v1", SCENES),
];

const BASEMAPS: &[Row] = &[
    row("/planet-tiles/{mosaic}/gmap/{z}/{x}/{y}", &[(Get, BasemapTile)])
        .note("`{y}` carries the file's suffix; past the quota upstream still answers 200, with a watermark"),
    row("/planet-tiles/{mosaic}/thumb", &[(Get, Read)]),
    row("/planet-tiles/{mosaic}/wmts", &[(Get, TileService)]),
    row("/planet-tiles/wmts", &[(Get, TileService)]),
    row("/wmts", &[(Get, TileService)]),
    row("/pixprov/{mosaic}/{z}/{x}/{y}", &[(Get, Read)]),
];

const SCENES: &[Row] = &[
    row("/item-types/{type}/items/{item}/thumb", &[(Get, Read)]),
    row("/layers/{layer}/{z}/{x}/{y}", &[(Get, SceneTile)]),
    row("/layers/wmts/{layer}", &[(Get, TileService)]),
    row("/layers", &[(Post, Read)]).note("names a set of scenes; its tiles spend"),
    row("/wmts", &[(Get, TileService)]),
    row("/{type}/{item}/{z}/{x}/{y}", &[(Get, SceneTile)]),
];
