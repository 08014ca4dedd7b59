use super::*;
use crate::planet::wild;
use proptest::prelude::*;
use serde_json::{Value, json};

const ONE: &str = "pl:features/my/cairo-Kr7JYmq/1-owL5RyP";
const OTHER: &str = "pl:features/my/cairo-Kr7JYmq/0-gAbBZDk";

fn km2(text: &str) -> SquareKm {
    text.parse::<crate::units::Amount>().expect(text).into()
}

fn estimate(answer: &Value) -> Result<Costs, crate::planet::answer::Doubt> {
    read_estimate(answer.to_string().as_bytes())
}

/// As Planet's own notebook shows it.
fn planets_estimate() -> Value {
    json!({"estimated_costs": [{"aoi_ref": ONE, "cost": 25.0, "reserved": true}],
        "quota_remaining": 99950.0, "quota_total": 100_000.0, "quota_units": "sqkm", "total_cost": 25.0})
}

fn product(answer: &Value) -> Product {
    let page = json!({"meta": {"next": null}, "results": [answer]});
    let mut page = read_products(page.to_string().as_bytes()).expect("a page");
    page.rows.remove(0)
}

fn arps() -> Product {
    product(
        &json!({"area": {"op": "gte", "units": "sqkm", "value": 25}, "id": 290_378,
        "name": "PS_ARPS_SR_DAILY_ALL_TIME", "quota_total": 100_000.0, "quota_units": "sqkm",
        "resource_ids": ["PS_ARD_SR_DAILY"], "unlimited_quota": false}),
    )
}

#[test]
fn a_reservation_is_read() {
    let ask = read(
        br#"{"product_id":290378,"aoi_refs":["pl:features/my/blocks-8v/12-am"]}"#,
        false,
    );
    let ask = ask.unwrap();
    assert_eq!((ask.product_id, ask.aoi_refs.len()), (290_378, 1));
    let whole = read(br#"{"product_id":1,"collection_id":"blocks-8v"}"#, true).unwrap();
    assert_eq!(whole.collection_id.as_deref(), Some("blocks-8v"));
}

#[test]
fn what_is_not_one_is_refused() {
    for (body, expected) in [
        ("{}", "product_id"),
        (r#"{"product_id":1}"#, "no area"),
        (r#"{"product_id":1,"aoi_refs":[]}"#, "no area"),
        (r#"{"product_id":1,"aoi_refs":["x"]}"#, "aoi_refs[0]"),
        (r#"{"product_id":"1","aoi_refs":[]}"#, "product_id"),
        (r#"{"product_id":1,"AOI_refs":[]}"#, "write 'aoi_refs'"),
        (r#"{"product_id":1,"product_id":2}"#, "stands twice"),
    ] {
        let sentence = read(body.as_bytes(), false).expect_err(body).sentence;
        assert!(sentence.contains(expected), "{body}: {sentence}");
    }
}

#[test]
fn an_estimate_is_in_square_kilometres_whatever_it_came_in() {
    for (units, cost) in [
        ("sqkm", json!(25.0)),
        ("sqkm", json!("25.0")),
        ("sqm", json!(25_000_000)),
        ("sqm", json!("25000000.0")),
        ("sqm", json!(2.5e7)),
        ("hectare", json!(2500)),
    ] {
        let answer = json!({"quota_units": units, "total_cost": cost,
            "estimated_costs": [{"aoi_ref": ONE, "cost": cost}]});
        let costs = estimate(&answer).unwrap();
        assert_eq!(
            (costs.total, costs.by_area[0].1),
            (km2("25"), km2("25")),
            "{answer}"
        );
    }
    let tiny = json!({"quota_units": "sqm", "total_cost": 0.4});
    assert_eq!(
        estimate(&tiny).unwrap().total,
        km2("0.000001"),
        "rounded up"
    );
    let contradicting = json!({"quota_units": "sqkm", "total_cost": 1,
        "estimated_costs": [{"aoi_ref": ONE, "cost": 25}, {"aoi_ref": OTHER, "cost": 30}]});
    assert_eq!(estimate(&contradicting).unwrap().total, km2("55"));
}

#[test]
fn an_estimate_without_a_figure_is_none() {
    for (member, value) in [
        ("total_cost", Value::Null),
        ("total_cost", json!(-25)),
        ("total_cost", json!("a lot")),
        ("total_cost", json!(1e300)),
        ("quota_units", Value::Null),
        ("quota_units", json!("acres")),
        ("estimated_costs", json!([{"aoi_ref": ONE}])),
        ("estimated_costs", json!([{"aoi_ref": "x", "cost": 1}])),
    ] {
        let mut answer = planets_estimate();
        answer[member] = value;
        assert!(estimate(&answer).is_err(), "{answer}");
    }
}

#[test]
fn a_product_has_a_minimum_and_goes_by_several_names() {
    let product = arps();
    assert_eq!((product.minimum, product.in_square_km), (km2("25"), true));
    assert!(product.is("PS_ARD_SR_DAILY") && !product.is("PS_ARPS_SR_DAILY_ALL_TIME"));
    let names: Vec<String> = product.names().collect();
    assert_eq!(
        names,
        ["PS_ARD_SR_DAILY", "PS_ARPS_SR_DAILY_ALL_TIME", "290378"]
    );
    let older = super::tests::product(&json!({"id": 1234, "quota_total": null,
        "product": {"name": "BMP_10M"}}));
    assert_eq!(
        (older.name.as_deref(), older.minimum),
        (Some("BMP_10M"), SquareKm::ZERO)
    );
    let in_hectares = super::tests::product(&json!({"id": 147, "quota_units": "hectare"}));
    assert!(!in_hectares.in_square_km);
}

/// What reserving `areas` would cost, where the first is reserved already if `state` says so.
fn told(in_bulk: bool, areas: &[&str], state: &str, product_id: i64) -> Told {
    let body = json!({"product_id": 290_378, "aoi_refs": areas});
    let ask = read(body.to_string().as_bytes(), in_bulk).unwrap();
    let costs: Vec<_> = areas
        .iter()
        .map(|area| json!({"aoi_ref": area, "cost": 25.0}))
        .collect();
    let costs = estimate(&json!({"quota_units": "sqkm", "estimated_costs": costs,
        "total_cost": 25.0 * f64::from(u32::try_from(areas.len()).unwrap())}));
    let rows = json!({"meta": {"next": null}, "results": [{"amount": 25.0, "aoi_ref": ONE,
        "collection_id": "Kr7JYmq", "id": 1_413_740, "product_id": product_id, "state": state}]});
    let rows = read_reservations(rows.to_string().as_bytes()).unwrap().rows;
    let costs = costs.unwrap();
    assert!(ask.is_covered_by(&costs));
    ask.weigh(&costs, &arps(), &rows).unwrap()
}

#[test]
fn a_job_passes_over_what_is_proven_to_be_reserved() {
    let both = [ONE, OTHER];
    let cost = |in_bulk, state, product| told(in_bulk, &both, state, product).cost;
    assert_eq!(cost(true, "reserved", 290_378), km2("25"));
    assert_eq!(told(true, &both, "reserved", 290_378).already, km2("25"));
    assert_eq!(told(true, &[ONE], "reserved", 290_378).cost, SquareKm::ZERO);
    for (in_bulk, state, product) in [
        (false, "reserved", 290_378),
        (true, "released", 290_378),
        (true, "reserved", 1),
    ] {
        assert_eq!(
            cost(in_bulk, state, product),
            km2("50"),
            "{in_bulk} {state} {product}"
        );
    }
}

#[test]
fn an_estimate_below_the_products_minimum_is_not_believed() {
    let body = json!({"product_id": 290_378, "aoi_refs": [ONE, OTHER]});
    let ask = read(body.to_string().as_bytes(), false).unwrap();
    let costs = estimate(&json!({"quota_units": "sqkm", "total_cost": 3.1})).unwrap();
    assert_eq!(ask.weigh(&costs, &arps(), &[]).unwrap().cost, km2("50"));
    assert!(!ask.is_covered_by(&estimate(&planets_estimate()).unwrap()));
}

#[test]
fn jobs_are_named_by_texts_and_numbers_and_an_unknown_status_is_no_end() {
    let started = Started::read(br#"{"job_id": "8016", "status": "pending"}"#).unwrap();
    assert_eq!(
        Job::path(started.id),
        "/account/v1/quota-reservations/jobs/8016"
    );
    let job = json!({"collection_id": "pl:features/my/cairo-Kr7JYmq", "id": 8016,
        "organization_id": 776_979, "percentage": 50.0, "processed_items": 1,
        "product_access_id": 290_378, "status": "completed", "total_items": 2, "type": "quota:reserve"});
    let job = Job::read(job.to_string().as_bytes()).unwrap();
    assert_eq!((job.id, job.processed, job.total), (8016, Some(1), Some(2)));
    for (status, over) in [
        ("completed", true),
        ("failed", true),
        ("pending", false),
        ("odd", false),
    ] {
        let job = Job {
            status: status.into(),
            ..job.clone()
        };
        assert_eq!(job.is_over(), over, "{status}");
    }
    assert!(Started::read(br#"{"job_id": []}"#).is_err());
}

#[test]
fn a_list_is_asked_for_by_what_stands_in_it() {
    let area = FeatureRef::read(Some(ONE), "").unwrap();
    assert_eq!(
        reservations_path(7, Some(&area), 500),
        "/account/v1/quota-reservations/?product_id=7&aoi_ref=pl%3Afeatures%2Fmy%2Fcairo-Kr7JYmq%2F1-owL5RyP\
         &limit=500&offset=500"
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        _ = read(&body, false);
        prop_assert!(read_estimate(&body).is_err() && read_products(&body).is_err());
        prop_assert!(read_reservations(&body).is_err() && Job::read(&body).is_err());
    }

    #[test]
    fn whatever_stands_in_a_body_names_an_area_or_is_refused(
        body in wild::variations(json!(
            {"product_id": 1, "aoi_refs": ["pl:features/my/a/b"], "collection_id": "c"})),
    ) {
        if let Ok(ask) = read(body.to_string().as_bytes(), true) {
            prop_assert!(ask.collection_id.is_some() || !ask.aoi_refs.is_empty());
        }
    }

    #[test]
    fn whatever_planet_estimates_covers_its_parts_or_is_a_doubt(
        answer in wild::variations(planets_estimate()),
    ) {
        if let Ok(costs) = estimate(&answer) {
            prop_assert!(costs.by_area.iter().all(|(_, cost)| *cost <= costs.total));
        }
    }
}
