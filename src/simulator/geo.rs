//! Areas and boxes of GeoJSON geometries on the WGS84 ellipsoid.

use ::geo::{Coord, GeodesicArea, LineString, Polygon};
use serde_json::Value;

/// More corners than this, and Planet refuses the geometry.
pub(super) const MAX_VERTICES: usize = 1_500;

/// West, south, east, north.
pub(super) type Bounds = [f64; 4];

pub(super) const WORLD: Bounds = [-180.0, -90.0, 180.0, 90.0];

/// The polygons of a `Polygon`, `MultiPolygon`, `Feature`, `FeatureCollection` or `GeometryCollection`.
pub(super) fn polygons(shape: &Value) -> Option<Vec<Polygon<f64>>> {
    match shape["type"].as_str()? {
        "Polygon" => Some(vec![polygon(&shape["coordinates"])?]),
        "MultiPolygon" => shape["coordinates"]
            .as_array()?
            .iter()
            .map(polygon)
            .collect(),
        "Feature" => polygons(&shape["geometry"]),
        "FeatureCollection" => all(&shape["features"]),
        "GeometryCollection" => all(&shape["geometries"]),
        _ => None,
    }
}

/// Square metres; overlapping parts count once each.
pub(super) fn area(shape: &Value) -> Option<f64> {
    let polygons = polygons(shape)?;
    Some(
        polygons
            .iter()
            .map(GeodesicArea::geodesic_area_unsigned)
            .sum(),
    )
}

pub(super) fn bounds(shape: &Value) -> Option<Bounds> {
    let polygons = polygons(shape)?;
    let corners = polygons
        .iter()
        .flat_map(|polygon| polygon.exterior().coords());
    corners.fold(None, |bounds: Option<Bounds>, corner| {
        let [west, south, east, north] = bounds.unwrap_or([corner.x, corner.y, corner.x, corner.y]);
        Some([
            west.min(corner.x),
            south.min(corner.y),
            east.max(corner.x),
            north.max(corner.y),
        ])
    })
}

pub(super) fn vertices(shape: &Value) -> usize {
    let polygons = polygons(shape).unwrap_or_default();
    let rings = polygons
        .iter()
        .flat_map(|polygon| std::iter::once(polygon.exterior()).chain(polygon.interiors().iter()));
    rings.map(|ring| ring.0.len()).sum()
}

/// The square kilometres of a box of longitudes and latitudes, on a sphere.
pub(super) fn box_km2([west, south, east, north]: Bounds) -> f64 {
    const EARTH_RADIUS_KM: f64 = 6_371.008_8;
    let width = if east < west {
        east - west + 360.0
    } else {
        east - west
    };
    let height = north.to_radians().sin() - south.to_radians().sin();
    EARTH_RADIUS_KM.powi(2) * height.abs() * width.to_radians().abs()
}

pub(super) fn rectangle([west, south, east, north]: Bounds) -> Value {
    serde_json::json!({"type": "Polygon", "coordinates":
        [[[west, south], [east, south], [east, north], [west, north], [west, south]]]})
}

/// Four finite numbers.
pub(super) fn bbox(value: &Value) -> Option<Bounds> {
    let numbers: Option<Vec<f64>> = value.as_array()?.iter().map(Value::as_f64).collect();
    match *numbers? {
        [west, south, east, north] | [west, south, _, east, north, _] => {
            Some([west, south, east, north])
        }
        _ => None,
    }
}

fn all(list: &Value) -> Option<Vec<Polygon<f64>>> {
    let nested: Option<Vec<_>> = list.as_array()?.iter().map(polygons).collect();
    Some(nested?.into_iter().flatten().collect())
}

fn polygon(rings: &Value) -> Option<Polygon<f64>> {
    let rings: Option<Vec<LineString<f64>>> = rings.as_array()?.iter().map(ring).collect();
    let mut rings = rings?.into_iter();
    let exterior = rings.next().filter(|ring| ring.0.len() >= 4)?;
    Some(Polygon::new(exterior, rings.collect()))
}

fn ring(corners: &Value) -> Option<LineString<f64>> {
    let corners = corners.as_array()?.iter().map(|corner| {
        let (x, y) = (corner.get(0)?.as_f64()?, corner.get(1)?.as_f64()?);
        Some(Coord { x, y })
    });
    corners.collect::<Option<Vec<_>>>().map(LineString::new)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_degree_at_the_equator_has_its_known_area() {
        let area = area(&rectangle([0.0, 0.0, 1.0, 1.0])).unwrap();
        assert!((area / 1e6 - 12_308.8).abs() < 1.0, "{area}");
        let sphere = box_km2([0.0, 0.0, 1.0, 1.0]);
        assert!((sphere - 12_363.7).abs() < 1.0, "{sphere}");
    }

    #[test]
    fn what_is_no_area_has_none() {
        for shape in [
            json!(null),
            json!({"type": "Point", "coordinates": [1, 2]}),
            json!({"type": "Polygon", "coordinates": []}),
            json!({"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}),
            json!({"type": "Polygon", "coordinates": [[["a", 0], [1, 1], [2, 2], [0, 0]]]}),
        ] {
            assert_eq!(area(&shape), None, "{shape}");
        }
    }

    #[test]
    fn a_feature_has_the_bounds_of_its_geometry() {
        let feature = json!({"type": "Feature", "geometry": rectangle([1.0, 2.0, 3.0, 4.0])});
        assert_eq!(bounds(&feature), Some([1.0, 2.0, 3.0, 4.0]));
        assert_eq!(vertices(&feature), 5);
    }
}
