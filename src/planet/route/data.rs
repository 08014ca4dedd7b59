//! The Data and Basemaps APIs on `api.planet.com`. Reading is free; activation and downloads spend, and
//! both are plain GETs.

use super::Operation::{ActivateAsset, Change, DownloadAsset, DownloadQuad, Read, TileService};
use super::Verb::{Delete, Get, Post, Put};
use super::{Api, Group, Row, group, row};

pub(super) const GROUPS: &[Group] = &[
    group(Api::Data, "/data/v1", DATA),
    group(Api::Basemaps, "/basemaps/v1", BASEMAPS),
];

const DATA: &[Row] = &[
    row("/item-types/{type}/items/{item}/assets", &[(Get, Read)]),
    row("/item-types/{type}/items/{item}", &[(Get, Read)]),
    row("/item-types/{type}/items/{item}/coverage", &[(Post, Read)]),
    row("/quick-search", &[(Post, Read)]),
    row("/stats", &[(Post, Read)]),
    row("/assets/{asset}/activate", &[(Get, ActivateAsset), (Post, ActivateAsset)])
        .note("`{asset}` is base64url JSON that names item type, item and asset"),
    row("/assets/{asset}", &[(Get, Read)]),
    row("/download", &[(Get, DownloadAsset)])
        .note("`token` is a JWT that names item type, item and asset; charged for the whole item, ranges and HEAD included"),
    row("/searches", &[(Get, Read), (Post, Change)]),
    row("/searches/{search}", &[(Get, Read), (Put, Change), (Delete, Change)]),
    row("/searches/{search}/results", &[(Get, Read)]),
    row("", &[(Get, Read)]),
    row("/spec", &[(Get, Read)]),
    row("/item-types", &[(Get, Read)]),
    row("/item-types/{type}", &[(Get, Read)]),
    row("/item-types/{type}/asset-types", &[(Get, Read)]),
    row("/asset-types", &[(Get, Read)]),
    row("/asset-types/{asset_type}", &[(Get, Read)]),
];

const BASEMAPS: &[Row] = &[
    row(
        "/mosaics/{mosaic}/quads/{quad}/full",
        &[(Get, DownloadQuad)],
    )
    .note("links to it usually lead to `link.planet.com`; counted even if only headers are read"),
    row("/mosaics/{mosaic}/quads/search", &[(Post, Read)]),
    row("/mosaics/{mosaic}/quads/{quad}", &[(Get, Read)]),
    row("/mosaics/{mosaic}/quads/{quad}/items", &[(Get, Read)]),
    row("/mosaics/{mosaic}/quads/{quad}/thumb", &[(Get, Read)]),
    row("/mosaics/{mosaic}/quads", &[(Get, Read)]),
    row("/mosaics/{mosaic}/grid", &[(Get, Read)]),
    row("/mosaics/{mosaic}/wmts", &[(Get, TileService)]),
    row("/mosaics/wmts", &[(Get, TileService)]),
    row("/mosaics/{mosaic}", &[(Get, Read)]),
    row("/mosaics", &[(Get, Read)]),
    row("/series/{series}/mosaics", &[(Get, Read)]),
    row("/series/{series}/wmts", &[(Get, TileService)]),
    row("/series/{series}", &[(Get, Read)]),
    row("/series", &[(Get, Read)]),
];
