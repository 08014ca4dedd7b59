//! Batch processing: one image for each tile of a grid that an area touches.
//!
//! The body of the request that creates a task says what starting it will cost; the one that starts it
//! names the task alone, which is read back for it (`task`). Bodies hold keys of buckets, and nothing of
//! them is kept but what is listed here.

mod task;

pub use task::{read_statistics_task, read_task};

use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::document::Document;
use super::evalscript::Script;
use super::extent::{Extent, Ground};
use super::format::{self, RawResponse, Unstated, Wanted};
use super::frame::RawBounds;
use super::imagery::{Imagery, Known, Notes, Unread, reading};
use super::jobs::{self, RawJobOutput};
use super::sources::{RawData, Sampling, Setting, products};
use super::{Ask, Misread, Reading, correction, json, number, process};

/// What starting a batch will render.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchAsk {
    /// One tile.
    pub tile: Imagery,
    pub tiles: u64,
    pub leaving: Leaving,
}

/// What all tiles together deliver to another region than the one that makes them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Leaving {
    Nothing,
    /// Uncompressed.
    Bytes(u64),
    /// How much cannot be told, as a clause.
    Unknown(String),
}

/// Tiles of a grid; a degree counts as one where the grid is one of degrees.
struct Grid {
    id: u64,
    edge: f64,
    ground: Ground,
    /// Whether each UTM zone has tiles of its own.
    zoned: bool,
}

#[rustfmt::skip]
const GRIDS: &[Grid] = &[
    Grid { id: 0, edge: 20_040.0, ground: Ground::Metres, zoned: true },
    Grid { id: 1, edge: 10_000.0, ground: Ground::Metres, zoned: true },
    Grid { id: 2, edge: 100_080.0, ground: Ground::Metres, zoned: true },
    Grid { id: 3, edge: 1.0, ground: Ground::Degrees, zoned: false },
    Grid { id: 6, edge: 100_000.0, ground: Ground::Metres, zoned: false },
    Grid { id: 7, edge: 20_000.0, ground: Ground::Metres, zoned: false },
];

/// Lengths on a map may be larger than on the ground by less than this.
const MAP_STRETCH: f64 = 1.02;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawBatch {
    process_request: RawRequest,
    /// Version 2.
    input: Option<RawTiling>,
    /// Version 1.
    tiling_grid: Option<RawTiling>,
    /// Version 1, before it had a `tilingGrid`.
    tiling_grid_id: Option<u64>,
    resolution: Option<f64>,
    output: Option<RawJobOutput>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawRequest {
    input: RawInput,
    output: Option<RawOutput>,
    evalscript: Option<String>,
    evalscript_reference: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct RawInput {
    bounds: Option<RawBounds>,
    data: Vec<RawData>,
}

#[derive(Debug, Deserialize)]
struct RawOutput {
    responses: Option<Vec<RawResponse>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawTiling {
    r#type: Option<String>,
    id: Option<u64>,
    resolution: Option<f64>,
    buffer_x: Option<u64>,
    buffer_y: Option<u64>,
}

/// Reads the body that creates a task, for what starting it will cost.
pub fn read(document: &Document<'_>, known: &Known<'_>) -> Result<Reading, Misread> {
    let raw: RawBatch = json::read_checked(document.json)?;
    let products = products(&raw.process_request.input.data)?;
    let ask = raw.ask(document, Stored::Inside, known).map(Ask::Batch);
    reading(ask, products)
}

/// Where the script of a batch is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stored {
    /// In the request, or it has none.
    Inside,
    /// Perhaps elsewhere: a task may be shown without it.
    Elsewhere,
}

impl RawBatch {
    fn tiling(&self) -> Result<RawTiling, Misread> {
        let stated = self.input.as_ref().or(self.tiling_grid.as_ref());
        let old = || RawTiling {
            id: self.tiling_grid_id,
            resolution: self.resolution,
            ..RawTiling::default()
        };
        let old = self.tiling_grid_id.map(|_| old());
        match (stated, old) {
            (Some(_), Some(_)) => Err(Misread::new(
                "the batch names a tiling grid twice; keep the one in input or tilingGrid",
            )),
            (Some(stated), None) => Ok(stated.clone()),
            (None, Some(old)) => Ok(old),
            (None, None) => Err(Misread::new(
                "the batch has no tiling grid; write one in input",
            )),
        }
    }

    fn ask(
        &self,
        document: &Document<'_>,
        stored: Stored,
        known: &Known<'_>,
    ) -> Result<BatchAsk, Unread> {
        let request = &self.process_request;
        let tiling = self.tiling()?;
        let grid = tiling.grid()?;
        let bounds = request
            .input
            .bounds
            .as_ref()
            .ok_or_else(super::frame::no_bounds)?;
        let tiles = grid.touched_by(bounds.read()?)?;
        let mut notes = Notes::default();
        notes.add("every tile of the grid that the area's box could touch counts");
        let script = request.script(document, stored, known)?;
        let setting = Setting {
            area: Some((grid.tile(), grid.ground)),
            sampling: Sampling::once(None),
            known,
        };
        let sources = setting.sources(&request.input.data, &script, &mut notes)?;
        let (correction, speckle_filter) = correction::read(&request.input.data, &mut notes)?;
        let responses = request
            .output
            .as_ref()
            .and_then(|output| output.responses.as_deref());
        let wanted = Wanted::read(None, responses.unwrap_or_default());
        let (width, height) = tiling.pixels(grid)?;
        let tile = Imagery {
            width,
            height,
            sources,
            format: format::read(
                &script,
                wanted,
                Unstated::EightBit,
                known.declared,
                &mut notes,
            ),
            correction,
            speckle_filter,
            bounded: notes.into_clauses(),
        };
        let leaving = self.leaving(&tile, tiles, &script, known);
        Ok(BatchAsk {
            tile,
            tiles,
            leaving,
        })
    }

    fn leaving(&self, tile: &Imagery, tiles: u64, script: &Script, known: &Known<'_>) -> Leaving {
        if self
            .output
            .as_ref()
            .is_some_and(|job| job.stays_in(known.deployment))
        {
            return Leaving::Nothing;
        }
        let bytes = jobs::uncompressed(tile, script).and_then(|one| one.checked_mul(tiles));
        bytes.map_or_else(
            || {
                Leaving::Unknown(
                    "the batch delivers to another region, and its output bands are not stated; state \
                     output.bands as a number in setup(), or the bucket's region in delivery.s3.region"
                        .to_owned(),
                )
            },
            Leaving::Bytes,
        )
    }
}

impl RawRequest {
    fn script(
        &self,
        document: &Document<'_>,
        stored: Stored,
        known: &Known<'_>,
    ) -> Result<Arc<Script>, Misread> {
        let inside = self.evalscript.as_deref();
        let missing = inside.is_none() && document.script.is_none();
        let elsewhere =
            self.evalscript_reference.is_some() || (missing && stored == Stored::Elsewhere);
        process::script(inside, document.script, elsewhere, known)
    }
}

impl RawTiling {
    fn grid(&self) -> Result<&'static Grid, Unread> {
        if self.r#type.as_deref() == Some("geopackage") {
            return Err(Unread::unbounded(
                "the features of the batch lie in a bucket and cannot be seen; use a tiling grid, or have the most \
                 that a task may cost declared under [[bounds]]",
            ));
        }
        let known = GRIDS.iter().find(|grid| Some(grid.id) == self.id);
        known.ok_or_else(|| {
            Unread::unbounded("the tiling grid of the batch is not one that is published")
        })
    }

    fn pixels(&self, grid: &Grid) -> Result<(u64, u64), Misread> {
        let resolution = self.resolution.filter(|resolution| *resolution > 0.0);
        let edge = resolution.and_then(|resolution| number::ceil(grid.edge / resolution));
        let edge = edge.ok_or_else(|| {
            Misread::new("the tiling grid has no resolution; write one that it offers, such as 10")
        })?;
        let buffered =
            |buffer: Option<u64>| edge.saturating_add(buffer.unwrap_or(0).saturating_mul(2));
        Ok((buffered(self.buffer_x), buffered(self.buffer_y)))
    }
}

impl Grid {
    fn tile(&self) -> Extent {
        Extent {
            west: 0.0,
            south: 0.0,
            east: self.edge,
            north: self.edge,
        }
    }

    /// Tiles that a box can touch. It may lie askew on the map of the grid, so its diagonal counts in both
    /// directions, and each zone that it reaches into adds a column of its own.
    fn touched_by(&self, (extent, ground): (Extent, Ground)) -> Result<u64, Unread> {
        let unknown = || {
            Unread::unbounded(
                "how many tiles of the grid the area touches cannot be told; write its bounds in CRS84",
            )
        };
        let (across, along) = match (self.ground, ground) {
            (Ground::Degrees, Ground::Degrees) => {
                (extent.width() / self.edge, extent.height() / self.edge)
            }
            (Ground::Degrees, Ground::Metres) => return Err(unknown()),
            (Ground::Metres, _) => {
                let (width, height) = extent.km(ground);
                let diagonal = width.hypot(height) * MAP_STRETCH * 1000.0 / self.edge;
                (diagonal, diagonal)
            }
        };
        let zones = match (self.zoned, ground) {
            (false, _) => 1,
            (true, Ground::Degrees) => {
                number::round((extent.east / 6.0).floor() - (extent.west / 6.0).floor() + 1.0)
                    .ok_or_else(unknown)?
            }
            (true, Ground::Metres) => number::ceil(across * self.edge / 1000.0 / 100.0)
                .ok_or_else(unknown)?
                .saturating_add(2),
        };
        let touched = |tiles: f64, more: u64| number::ceil(tiles)?.checked_add(more);
        touched(across, zones.saturating_mul(2))
            .and_then(|across| across.checked_mul(touched(along, 2)?))
            .ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests;
