//! Areas of interest: GeoJSON in, proven rings with an area out.
//!
//! An area is never too little. The parts of a collection are added up, so that overlapping parts count
//! twice: an upper bound, and marked as one. A hole is taken off where it is proven to lie inside its
//! shell and apart from other holes; otherwise it counts as if it were filled.

mod area;
mod geojson;
mod ring;

use geo::{Contains, Coord, LineString, Polygon};

use super::Misread;
use crate::units::SquareKm;
use geojson::Coordinates;

pub use geojson::RawGeometry;

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

/// One or more polygons that have passed every check.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    parts: Vec<Part>,
    /// Whether the parts' areas add up to the area that is covered.
    exact: bool,
}

/// One polygon and its measures.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    polygon: Polygon<f64>,
    area: SquareKm,
    bounds: Bounds,
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

    /// Whether it names a whole collection rather than one feature of it.
    pub fn is_collection(&self) -> bool {
        self.0.trim_end_matches('/').split('/').count() < 4
    }
}

impl Shape {
    fn read(raw: &RawGeometry, at: &str) -> Result<Self, Misread> {
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
        let mut shape = Self {
            parts: Vec::with_capacity(polygons.len()),
            exact: polygons.len() == 1,
        };
        for (place, rings) in polygons.iter().enumerate() {
            let (part, exact) = Part::read(rings, &format!("{at}, polygon {place}"))?;
            shape.parts.push(part);
            shape.exact &= exact;
        }
        if shape.parts.is_empty() {
            return Err(Misread::new(format!("{at} holds no polygon")));
        }
        Ok(shape)
    }

    pub fn parts(&self) -> &[Part] {
        &self.parts
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
        let mut parts = self.parts.iter().map(|part| part.bounds);
        let first = parts.next().unwrap_or(Bounds {
            min: Coord::zero(),
            max: Coord::zero(),
        });
        parts.fold(first, Bounds::around).extent()
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Geometry, Misread> {
        Geometry::read(&serde_json::from_str(text).expect(text), "geometry")
    }

    fn shape(text: &str) -> Shape {
        read(text).unwrap().shape().expect("a shape").clone()
    }

    fn square(west: f64, south: f64, side: f64) -> String {
        let (east, north) = (west + side, south + side);
        format!(
            "[[{west},{south}],[{east},{south}],[{east},{north}],[{west},{north}],[{west},{south}]]"
        )
    }

    fn polygon(rings: &[String]) -> String {
        format!(
            r#"{{"type":"Polygon","coordinates":[{}]}}"#,
            rings.join(",")
        )
    }

    #[test]
    fn a_degree_on_the_equator_has_its_known_area() {
        let cell = shape(&polygon(&[square(0.0, 0.0, 1.0)]));
        // Karney's planimeter gives 12308778361.469 m² for this cell.
        assert_eq!(cell.area().micros(), 12_308_778_362);
        assert!(cell.is_exact());
    }

    #[test]
    fn every_wrapping_of_one_polygon_measures_the_same() {
        let plain = polygon(&[square(14.5, 46.0, 0.02)]);
        let area = shape(&plain).area();
        for wrapped in [
            format!(r#"{{"type":"Feature","properties":{{"type":"x"}},"geometry":{plain}}}"#),
            format!(r#"{{"type":"GeometryCollection","geometries":[{plain}]}}"#),
            format!(
                r#"{{"type":"FeatureCollection","features":[{{"type":"Feature","geometry":{plain}}}]}}"#
            ),
            format!(
                r#"{{"type":"MultiPolygon","coordinates":[[{}]]}}"#,
                square(14.5, 46.0, 0.02)
            ),
        ] {
            assert_eq!(shape(&wrapped).area(), area, "{wrapped}");
        }
    }

    #[test]
    fn holes_count_off_only_where_they_are_proven() {
        let full = shape(&polygon(&[square(0.0, 0.0, 1.0)])).area();
        let hole = shape(&polygon(&[square(0.2, 0.2, 0.1)])).area();
        let ring = shape(&polygon(&[square(0.0, 0.0, 1.0), square(0.2, 0.2, 0.1)]));
        assert!(ring.is_exact());
        assert!((full.micros() - hole.micros() - ring.area().micros()).abs() <= 1);
        for doubtful in [
            vec![square(3.0, 3.0, 0.1)],
            vec![square(0.9, 0.9, 0.5)],
            vec![square(0.2, 0.2, 0.5), square(0.3, 0.3, 0.1)],
            vec![square(0.2, 0.2, 0.1), square(0.25, 0.25, 0.1)],
        ] {
            let mut rings = vec![square(0.0, 0.0, 1.0)];
            rings.extend(doubtful);
            let measured = shape(&polygon(&rings));
            assert_eq!(measured.area(), full, "{rings:?}");
            assert!(!measured.is_exact());
        }
    }

    #[test]
    fn overlapping_parts_count_twice_and_say_so() {
        let one = square(14.5, 46.0, 0.02);
        let twice = shape(&format!(
            r#"{{"type":"MultiPolygon","coordinates":[[{one}],[{one}]]}}"#
        ));
        let once = shape(&polygon(&[one]));
        assert_eq!(Some(twice.area()), once.area().checked_mul(2));
        assert!(!twice.is_exact());
        assert_eq!(twice.extent(), once.extent());
    }

    #[test]
    fn a_reference_is_kept_as_it_stands() {
        let reference = read(r#"{"type":"ref","content":"pl:features/my/blocks-8v/12-am"}"#);
        assert!(matches!(&reference, Ok(Geometry::Reference(feature)) if !feature.is_collection()));
        let collection = read(r#"{"type":"ref","content":"pl:features/my/blocks-8v"}"#);
        assert!(
            matches!(&collection, Ok(Geometry::Reference(features)) if features.is_collection())
        );
        assert!(read(r#"{"type":"ref"}"#).is_err());
        assert!(read(r#"{"type":"ref","content":"s3://bucket"}"#).is_err());
    }

    #[test]
    fn what_has_no_area_is_refused() {
        for text in [
            r#"{"type":"Point","coordinates":[1,2]}"#,
            r#"{"type":"Polygon"}"#,
            r#"{"type":"Polygon","coordinates":[]}"#,
            r#"{"type":"Polygon","coordinates":3}"#,
            r#"{"type":"MultiPolygon","coordinates":[]}"#,
            r#"{"type":"MultiPolygon","coordinates":[[]]}"#,
            r#"{"type":"MultiPolygon","coordinates":[3]}"#,
            r#"{"type":"GeometryCollection","geometries":[]}"#,
            r#"{"type":"Feature","geometry":null}"#,
            r#"{"type":"polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_gigantic_shape_is_refused_by_its_count() {
        let many = vec![square(0.0, 0.0, 0.1); MAX_POSITIONS / 5 + 1].join("],[");
        let text = format!(r#"{{"type":"MultiPolygon","coordinates":[[{many}]]}}"#);
        let sentence = read(&text).unwrap_err().sentence;
        assert!(sentence.contains("simplify"), "{sentence}");
    }

    proptest! {
        #[test]
        fn a_larger_square_never_measures_less(
            x in -170.0..160.0, y in -85.0..75.0, side in 0.0001..5.0, more in 0.0..5.0,
        ) {
            let area = |side| shape(&polygon(&[square(x, y, side)])).area();
            prop_assert!(area(side + more) >= area(side));
        }

        #[test]
        fn any_numbers_give_a_shape_or_a_sentence(
            points in prop::collection::vec((any::<f64>(), any::<f64>()), 0..9),
            near in prop::collection::vec((-3i32..3, -3i32..3), 0..9),
        ) {
            let near = near.into_iter().map(|(x, y)| (f64::from(x), f64::from(y)));
            for points in [points, near.collect()] {
                let ring: Vec<_> = points
                    .iter()
                    .chain(points.first())
                    .map(|(x, y)| serde_json::json!([x, y]))
                    .collect();
                let body = serde_json::json!({"type": "Polygon", "coordinates": [ring]});
                if let Ok(raw) = serde_json::from_value(body) {
                    let _ = Geometry::read(&raw, "geometry");
                }
            }
        }
    }
}
