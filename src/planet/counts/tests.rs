use super::*;
use crate::planet::geometry::samples::square;
use proptest::prelude::*;

const NOW: &str = "2026-11-22T12:00:00Z";

fn at(text: &str) -> UtcTime {
    text.parse().expect(text)
}

fn date(text: &str) -> Date {
    text.parse().expect(text)
}

fn ask(changes: &Value) -> SubscriptionAsk {
    let mut parameters = json!({"item_types": ["psscene"], "asset_types": ["ortho_visual"],
        "geometry": square(7_200), "start_time": "2024-03-01T06:00:00Z"});
    for (name, value) in changes.as_object().expect("changes") {
        parameters[name] = value.clone();
    }
    let body = json!({"source": {"parameters": parameters}});
    crate::planet::subscriptions::read(body.to_string().as_bytes()).expect("a subscription")
}

fn asked(changes: &Value) -> Vec<Question> {
    questions(&ask(changes), at(NOW)).expect("a question or none")
}

fn filters(body: &[u8]) -> Vec<Value> {
    let body: Value = serde_json::from_slice(body).expect("JSON");
    assert_eq!(
        (&body["item_types"][0], &body["interval"]),
        (&json!("PSScene"), &json!("day"))
    );
    body["filter"]["config"]
        .as_array()
        .expect("filters")
        .clone()
}

fn counts(days: &[(&str, u64)]) -> BTreeMap<Date, u64> {
    days.iter()
        .map(|(day, count)| (date(day), *count))
        .collect()
}

#[test]
fn what_still_runs_is_counted_up_to_a_month_ago_with_its_own_filter() {
    let cloud = json!({"type": "RangeFilter", "field_name": "cloud_cover", "config": {"lte": 0.3}});
    let questions = asked(&json!({"filter": cloud}));
    let [question] = questions.as_slice() else {
        panic!("{questions:?}");
    };
    let expected = (date("2024-03-01"), date("2026-10-23"));
    assert_eq!((question.days.from, question.days.until), expected);
    let all = filters(&question.all);
    assert_eq!(all[0]["config"]["type"], "MultiPolygon");
    assert_eq!(all[1]["field_name"], "acquired");
    let range = json!({"gte": "2024-03-01T06:00:00Z", "lt": "2026-10-23T00:00:00Z"});
    assert_eq!(all[1]["config"], range);
    assert_eq!(all[2..], [cloud]);
    let last = filters(question.last_stage.as_ref().expect("two stages by default"));
    assert_eq!(last[..3], all);
    assert_eq!(last[3]["config"], json!(["finalized"]));
}

#[test]
fn what_has_ended_is_counted_up_to_its_end_and_a_single_stage_once() {
    let changes = json!({"end_time": "2025-03-01T00:00:00Z", "publishing_stages": ["finalized"],
        "filter": null});
    let question = &asked(&changes)[0];
    assert_eq!(question.days.until, date("2025-03-01"));
    let range = json!({"gte": "2024-03-01T06:00:00Z", "lte": "2025-03-01T00:00:00Z"});
    assert_eq!(filters(&question.all)[1]["config"], range);
    assert_eq!((question.times, &question.last_stage), (1, &None));
}

#[test]
fn by_publication_yesterday_is_known() {
    let question = &asked(&json!({"time_range_type": "published"}))[0];
    assert_eq!(question.days.until, date("2026-11-21"));
    assert_eq!(filters(&question.all)[1]["field_name"], "published");
}

#[test]
fn nothing_is_asked_where_nothing_is_long_over() {
    for changes in [
        json!({"start_time": "2026-10-23T00:00:00Z"}),
        json!({"start_time": "2027-01-01T00:00:00Z"}),
        json!({"item_types": null, "asset_types": null, "id": "PS_ARD_SR_DAILY"}),
        json!({"geometry": {"type": "ref", "content": "pl:features/my/a/b"}}),
    ] {
        assert_eq!(asked(&changes), [], "{changes}");
    }
    let odd = ask(&json!({"filter": "cloudless"}));
    assert!(questions(&odd, at(NOW)).is_err());
}

#[test]
fn buckets_are_days_that_were_asked_about() {
    let days = asked(&json!({"end_time": "2024-03-04T00:00:00Z"}))[0].days;
    let read = |buckets: Value| {
        let answer = json!({"interval": "day", "utc_offset": "+0h", "buckets": buckets});
        read(answer.to_string().as_bytes(), days)
    };
    let bucket = |start: &str, count: i64| json!({"start_time": start, "count": count});
    let two = [
        bucket("2024-03-01T00:00:00.000000Z", 3),
        bucket("2024-03-04T00:00:00.000000Z", 1), // of its very end
        bucket("2024-03-03T00:00:00.000000Z", 2),
    ];
    let expected = counts(&[("2024-03-01", 3), ("2024-03-03", 3)]);
    assert_eq!(read(json!(two)), Ok(expected));
    assert_eq!(read(json!([])), Ok(BTreeMap::new()));
    for buckets in [
        json!([bucket("2024-02-29T00:00:00Z", 1)]),
        json!([bucket("2024-03-05T00:00:00Z", 1)]),
        json!([bucket("March", 1)]),
        json!([bucket("2024-03-01T00:00:00Z", -1)]),
        json!([{"start_time": "2024-03-01T00:00:00Z", "count": 1.5}]),
        json!([{"start_time": "2024-03-01T00:00:00Z"}]),
        json!([{"start_time": "2024-03-01T00:00:00Z", "count": u64::MAX},
               bucket("2024-03-01T00:00:00Z", 1)]),
        json!(null),
    ] {
        assert!(read(buckets.clone()).is_err(), "{buckets}");
    }
    assert!(super::read(br#"{"interval":"week","buckets":[]}"#, days).is_err());
}

#[test]
fn a_scene_at_its_last_stage_comes_once_and_another_at_each() {
    let question = &asked(&json!({"publishing_stages": ["preview", "standard", "finalized"]}))[0];
    let all = counts(&[("2024-03-01", 5), ("2024-03-02", 2), ("2024-03-04", 1)]);
    // more than all were a moment before: none of them is lost
    let last = counts(&[("2024-03-01", 3), ("2024-03-03", 1), ("2024-03-04", 2)]);
    let counted = question.deliveries(all.clone(), 8, Some(&last)).unwrap();
    let per_day = |day: &str| counted.between(date(day), date(day).tomorrow().unwrap());
    let days = [
        "2024-03-01",
        "2024-03-02",
        "2024-03-03",
        "2024-03-04",
        "2024-03-05",
    ];
    assert_eq!(days.map(per_day), [9, 6, 1, 2, 0].map(Some));
    assert_eq!(
        counted.between(date("2024-03-01"), date("2024-04-01")),
        Some(18)
    );
    assert_eq!(
        counted.between(date("2024-04-01"), date("2024-03-01")),
        Some(0)
    );
    let without = question.deliveries(all.clone(), 0, None).unwrap();
    assert_eq!(
        without.between(date("2024-03-01"), date("2024-04-01")),
        Some(24)
    );
    let endless = counts(&[("2024-03-01", u64::MAX)]);
    assert!(question.deliveries(endless, 0, None).is_err());
}

#[test]
fn days_that_do_not_add_up_are_no_count() {
    let question = &asked(&json!({"publishing_stages": ["finalized"]}))[0];
    let by_year = |counts: Value| {
        let buckets: Vec<_> = counts
            .as_array()
            .expect("counts")
            .iter()
            .map(|count| json!({"start_time": "2024-01-01T00:00:00Z", "count": count}))
            .collect();
        let answer = json!({"interval": "year", "buckets": buckets}).to_string();
        read_sum(answer.as_bytes())
    };
    assert_eq!(by_year(json!([300, 4])), Ok(304));
    assert!(by_year(json!([u64::MAX, 1])).is_err() && by_year(json!([-1])).is_err());
    assert!(read_sum(br#"{"interval": "day", "buckets": []}"#).is_err());
    let sum: Value = serde_json::from_slice(&question.sum).expect("JSON");
    assert_eq!(sum["interval"], "year");
    let all = counts(&[("2024-03-01", 300)]);
    let counted = |sum| question.deliveries(all.clone(), sum, None);
    let last_days = |sum| {
        let counted: Counted = counted(sum).expect("a count");
        counted.between(date("2024-03-02"), date("2026-10-23"))
    };
    assert_eq!(last_days(299), Some(0));
    assert_eq!(last_days(304), Some(4), "published a moment ago");
    let why = counted(305).expect_err("five are missing").why;
    assert!(why.contains("305 scenes by year and 300 by day"), "{why}");
}

proptest! {
    #[test]
    fn whatever_planet_answers_is_a_count_or_a_doubt(
        answer in crate::planet::wild::variations(json!({"interval": "day", "buckets": [
            {"start_time": "2024-03-01T00:00:00Z", "count": 1},
            {"start_time": "2024-03-02T00:00:00Z", "count": 2}]})),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let question = &asked(&json!({}))[0];
        if let Ok(all) = read(answer.to_string().as_bytes(), question.days) {
            let sum = all.values().copied().try_fold(0, u64::checked_add);
            let counted = question.deliveries(all, 0, None).ok();
            let counted = counted.and_then(|all| all.between(date("2024-03-01"), date("2026-11-22")));
            prop_assert!(counted.is_none() || sum.is_none() || counted >= sum);
        }
        prop_assert!(read(&bytes, question.days).is_err());
    }
}
