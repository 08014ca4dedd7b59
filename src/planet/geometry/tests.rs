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
    let ring = square(14.5, 46.0, 0.02);
    let twice = shape(&format!(
        r#"{{"type":"MultiPolygon","coordinates":[[{ring}],[{ring}]]}}"#
    ));
    let once = shape(&polygon(&[ring]));
    assert_eq!(Some(twice.area()), once.area().checked_mul(2));
    assert!(!twice.is_exact());
    assert_eq!(twice.extent(), once.extent());
}

#[test]
fn a_reference_is_kept_as_it_stands() {
    let parts = |content: &str| match read(&format!(r#"{{"type":"ref","content":"{content}"}}"#)) {
        Ok(Geometry::Reference(reference)) => reference
            .parts()
            .map(|(collection, feature)| format!("{collection} {}", feature.unwrap_or("-"))),
        other => panic!("{content}: {other:?}"),
    };
    let feature = parts("pl:features/my/blocks-8v/12-am");
    assert_eq!(feature.as_deref(), Some("blocks-8v 12-am"));
    let collection = parts("pl:features/my/blocks-8v");
    assert_eq!(collection.as_deref(), Some("blocks-8v -"));
    for odd in [
        "pl:features/other/a/b",
        "pl:features/my/",
        "pl:features/my/a/",
        "pl:features/my/a/b/c",
        "pl:features/my/../b",
        "pl:features/my/a/b?x=1",
        "pl:features/my/a/%2e%2e",
    ] {
        assert_eq!(parts(odd), None, "{odd}");
    }
    assert!(read(r#"{"type":"ref"}"#).is_err());
    assert!(read(r#"{"type":"ref","content":"s3://bucket"}"#).is_err());
}

#[test]
fn a_shape_written_out_measures_the_same() {
    let ring = shape(&polygon(&[square(0.0, 0.0, 1.0), square(0.2, 0.2, 0.1)]));
    let field = shape(&polygon(&[square(14.5, 46.0, 0.02)]));
    let both = Shape::all([&ring, &field]).expect("two shapes");
    let again = shape(&both.to_geojson().to_string());
    assert_eq!((again.area(), again.extent()), (both.area(), both.extent()));
    assert_eq!((again.parts().len(), again.positions()), (2, 15));
    assert_eq!(Shape::all([]), None);
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
