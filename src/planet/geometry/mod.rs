//! Areas of interest: GeoJSON in, proven rings with an area out.
//!
//! An area is never too little. The parts of a collection are added up, so that overlapping parts count
//! twice: an upper bound, and marked as one. A hole is taken off where it is proven to lie inside its
//! shell and apart from other holes; otherwise it counts as if it were filled.

mod area;
mod geojson;
mod grid;
mod locked;
mod ring;

use std::sync::Arc;

use geo::{Contains, Coord, LineString, Polygon};

use super::Misread;
use crate::units::SquareKm;
use geojson::Coordinates;

pub use geojson::RawGeometry;
pub use locked::{Covered, Locked, Sector};

/// Upstream takes 1,500; what is far beyond cannot pass and is not worth measuring.
pub const MAX_POSITIONS: usize = 20_000;
/// Proving holes apart compares them with each other.
const MAX_HOLES: usize = 100;

/// Where something is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Geometry {
    Shape(Shape),
    /// A feature or collection that Planet keeps; its area is not known until it is fetched.
    Reference(FeatureRef),
}

/// A `pl:features/…` reference, as it was written.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct FeatureRef(String);

/// One or more polygons that have passed every check. Clones share them.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    parts: Arc<[Part]>,
    /// Whether the parts' areas add up to the area that is covered.
    exact: bool,
}

/// One polygon and its measures.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    polygon: Polygon<f64>,
    area: SquareKm,
    bounds: Bounds,
    /// Whether its holes are known to be holes.
    proven: bool,
}

/// A box in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bounds {
    min: Coord<f64>,
    max: Coord<f64>,
}

/// East-west and north-south, in whole metres, never too little.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Extent {
    pub east_m: u64,
    pub north_m: u64,
}

impl Geometry {
    /// Proves what stands in a body. `at` is where: `source.parameters.geometry`.
    pub fn read(raw: &RawGeometry, at: &str) -> Result<Self, Misread> {
        if raw.kind == "ref" {
            return FeatureRef::read(raw.content.as_deref(), at).map(Self::Reference);
        }
        Shape::read(raw, at).map(Self::Shape)
    }

    /// The area as Planet's `union` rules count it; `None` for a reference.
    pub fn shape(&self) -> Option<&Shape> {
        match self {
            Self::Shape(shape) => Some(shape),
            Self::Reference(_) => None,
        }
    }

    /// The name that it was given by, while its outline is not known.
    pub fn reference(&self) -> Option<&FeatureRef> {
        match self {
            Self::Shape(_) => None,
            Self::Reference(reference) => Some(reference),
        }
    }
}

impl FeatureRef {
    pub fn read(content: Option<&str>, at: &str) -> Result<Self, Misread> {
        match content {
            Some(content) if content.starts_with("pl:features/") => Ok(Self(content.to_owned())),
            _ => Err(Misread::new(format!(
                "{at} is a reference without a content such as 'pl:features/my/fields-8vdGGZe/12-amXKR50'"
            ))),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Collection and feature of `pl:features/my/COLLECTION[/FEATURE]`; `None` for what is in another
    /// dataset, or could mean something else once it stands in a path.
    pub fn parts(&self) -> Option<(&str, Option<&str>)> {
        let mut parts = self.0.strip_prefix("pl:features/my/")?.split('/');
        let collection = parts.next().filter(|name| is_plain(name))?;
        let feature = parts.next();
        let fits = parts.next().is_none() && feature.is_none_or(is_plain);
        fits.then_some((collection, feature))
    }
}

/// Whether a name is made of characters that mean themselves in a path, and is no step up in it.
pub(super) fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    !name.is_empty() && name.bytes().all(plain) && !name.bytes().all(|byte| byte == b'.')
}

impl Shape {
    /// Proves an area that is no reference.
    pub(super) fn read(raw: &RawGeometry, at: &str) -> Result<Self, Misread> {
        let mut polygons = Vec::new();
        collect(raw, at, &mut polygons)?;
        let positions: usize = polygons
            .iter()
            .flat_map(|polygon| polygon.iter())
            .map(|ring| ring.list().map_or(1, <[_]>::len))
            .sum();
        if positions > MAX_POSITIONS {
            return Err(Misread::new(format!(
                "{at} has {positions} positions and Planet takes 1500; simplify the shape"
            )));
        }
        let mut parts = Vec::with_capacity(polygons.len());
        let mut all_exact = polygons.len() == 1;
        for (place, rings) in polygons.iter().enumerate() {
            let (part, exact) = Part::read(rings, &format!("{at}, polygon {place}"))?;
            parts.push(part);
            all_exact &= exact;
        }
        if parts.is_empty() {
            return Err(Misread::new(format!("{at} holds no polygon")));
        }
        Ok(Self {
            parts: parts.into(),
            exact: all_exact,
        })
    }

    /// All of them as one; `None` of none. What overlaps counts as often as it does.
    pub fn all<'a>(shapes: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let shapes: Vec<&Self> = shapes.into_iter().collect();
        match shapes.as_slice() {
            [] => None,
            [one] => Some((*one).clone()),
            several => Some(Self {
                parts: several
                    .iter()
                    .flat_map(|shape| shape.parts.iter().cloned())
                    .collect(),
                exact: false,
            }),
        }
    }

    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// As upstream takes it.
    pub fn to_geojson(&self) -> serde_json::Value {
        let ring = |ring: &LineString<f64>| -> Vec<[f64; 2]> {
            ring.coords().map(|point| [point.x, point.y]).collect()
        };
        let part = |part: &Part| -> Vec<Vec<[f64; 2]>> { part.rings().map(ring).collect() };
        let parts: Vec<_> = self.parts.iter().map(part).collect();
        serde_json::json!({"type": "MultiPolygon", "coordinates": parts})
    }

    /// What [`Self::to_geojson`] has written.
    pub fn from_geojson(text: &str) -> Result<Self, Misread> {
        let raw = serde_json::from_str(text);
        let raw =
            raw.map_err(|cause| Misread::new(format!("the outline is no GeoJSON: {cause}")))?;
        Self::read(&raw, "the outline")
    }

    /// Its first parts, with no more positions than are read of one shape; `None` where no part is as small.
    #[must_use]
    pub fn readable(&self) -> Option<Self> {
        let mut positions = 0;
        let fitting = self.parts.iter().take_while(|part| {
            positions += part.positions();
            positions <= MAX_POSITIONS
        });
        let parts: Vec<_> = fitting.cloned().collect();
        (!parts.is_empty()).then(|| Self {
            parts: parts.into(),
            exact: self.exact,
        })
    }

    /// How many positions its outlines have.
    pub fn positions(&self) -> usize {
        self.parts.iter().map(Part::positions).sum()
    }

    /// Whether [`Self::area`] is what is covered, and not only no less.
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    /// The sum of the parts, in whole square metres, each rounded up.
    pub fn area(&self) -> SquareKm {
        self.parts
            .iter()
            .try_fold(SquareKm::ZERO, |sum, part| sum.checked_add(part.area))
            .unwrap_or(SquareKm::from(crate::units::Amount::MAX))
    }

    /// Of the box around all parts.
    pub fn extent(&self) -> Extent {
        self.bounds().extent()
    }

    fn bounds(&self) -> Bounds {
        let mut parts = self.parts.iter().map(|part| part.bounds);
        let first = parts.next().unwrap_or(Bounds {
            min: Coord::zero(),
            max: Coord::zero(),
        });
        parts.fold(first, Bounds::around)
    }
}

impl Part {
    fn read(raw: &[Coordinates], at: &str) -> Result<(Self, bool), Misread> {
        let mut rings = Vec::with_capacity(raw.len());
        for (place, ring) in raw.iter().enumerate() {
            rings.push(ring::read(ring, &format!("{at}, ring {place}"))?);
        }
        let Some(shell) = rings.first() else {
            return Err(Misread::new(format!("{at} has no ring")));
        };
        let bounds = Bounds::of(shell);
        let filled = area::enclosed_m2(shell);
        let proven = rings.len() == 1 || holes_are_proven(&rings);
        let open = if proven {
            let holes = rings.iter().skip(1).map(|hole| area::enclosed_m2(hole));
            filled - holes.sum::<f64>()
        } else {
            filled
        };
        let micros = i64::try_from(whole_up(open.max(1.0))).ok();
        let area = micros
            .and_then(SquareKm::from_micros)
            .ok_or_else(|| Misread::new(format!("{at} is larger than the planet")))?;
        let mut rings = rings.into_iter().map(LineString::new);
        let shell = rings.next().unwrap_or(LineString::new(Vec::new()));
        let polygon = Polygon::new(shell, rings.collect());
        Ok((
            Self {
                polygon,
                area,
                bounds,
                proven,
            },
            proven,
        ))
    }

    pub fn area(&self) -> SquareKm {
        self.area
    }

    pub fn extent(&self) -> Extent {
        self.bounds.extent()
    }

    pub fn polygon(&self) -> &Polygon<f64> {
        &self.polygon
    }

    fn rings(&self) -> impl Iterator<Item = &LineString<f64>> {
        std::iter::once(self.polygon.exterior()).chain(self.polygon.interiors())
    }

    fn positions(&self) -> usize {
        self.rings().map(|ring| ring.0.len()).sum()
    }
}

impl Bounds {
    fn of(ring: &[Coord<f64>]) -> Self {
        let first = ring.first().copied().unwrap_or(Coord::zero());
        let start = Self {
            min: first,
            max: first,
        };
        ring.iter()
            .map(|point| Self {
                min: *point,
                max: *point,
            })
            .fold(start, Self::around)
    }

    fn around(self, other: Self) -> Self {
        Self {
            min: Coord {
                x: self.min.x.min(other.min.x),
                y: self.min.y.min(other.min.y),
            },
            max: Coord {
                x: self.max.x.max(other.max.x),
                y: self.max.y.max(other.max.y),
            },
        }
    }

    fn meets(self, other: Self) -> bool {
        self.min.x <= other.max.x
            && other.min.x <= self.max.x
            && self.min.y <= other.max.y
            && other.min.y <= self.max.y
    }

    fn extent(self) -> Extent {
        let (east, north) = area::extent_m(self.min, self.max);
        Extent {
            east_m: whole_up(east),
            north_m: whole_up(north),
        }
    }
}

/// Gathers the ring lists of every polygon inside `raw`.
fn collect<'a>(
    raw: &'a RawGeometry,
    at: &str,
    polygons: &mut Vec<&'a [Coordinates]>,
) -> Result<(), Misread> {
    let missing =
        |member: &str| Misread::new(format!("{at} is a GeoJSON {} without '{member}'", raw.kind));
    if raw.has_foreign_crs() {
        return Err(Misread::new(format!(
            "{at} names a coordinate system of its own; give longitude and latitude in WGS 84 and leave 'crs' out"
        )));
    }
    let list = || {
        raw.coordinates
            .as_ref()
            .and_then(Coordinates::list)
            .ok_or_else(|| missing("coordinates"))
    };
    match raw.kind.as_str() {
        "Polygon" => polygons.push(list()?),
        "MultiPolygon" => {
            for polygon in list()? {
                polygons.push(polygon.list().ok_or_else(|| missing("coordinates"))?);
            }
        }
        "GeometryCollection" => {
            for part in raw
                .geometries
                .as_deref()
                .ok_or_else(|| missing("geometries"))?
            {
                collect(part, at, polygons)?;
            }
        }
        "FeatureCollection" => {
            for part in raw.features.as_deref().ok_or_else(|| missing("features"))? {
                collect(part, at, polygons)?;
            }
        }
        "Feature" => {
            let inner = raw.geometry.as_deref().ok_or_else(|| missing("geometry"))?;
            collect(inner, at, polygons)?;
        }
        other => {
            return Err(Misread::new(format!(
                "{at} is of the type '{}', which has no area; send a Polygon or a MultiPolygon",
                other.chars().take(40).collect::<String>()
            )));
        }
    }
    Ok(())
}

/// Whether every hole lies inside the shell and outside of every other hole.
fn holes_are_proven(rings: &[Vec<Coord<f64>>]) -> bool {
    if rings.len() > MAX_HOLES || ring::touch(rings) {
        return false;
    }
    let solid: Vec<_> = rings
        .iter()
        .map(|ring| Polygon::new(LineString::new(ring.clone()), Vec::new()))
        .collect();
    let inside = |inner: usize, outer: usize| {
        let corner = rings.get(inner).and_then(|ring| ring.first());
        let outer = solid.get(outer);
        matches!((corner, outer), (Some(corner), Some(outer)) if outer.contains(corner))
    };
    (1..rings.len()).all(|hole| {
        inside(hole, 0) && (1..rings.len()).all(|other| other == hole || !inside(hole, other))
    })
}

/// Rounded up to a whole number; nothing on the planet comes near the end of the range.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and measures are never negative"
)]
fn whole_up(measure: f64) -> u64 {
    measure.max(0.0).ceil() as u64
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
