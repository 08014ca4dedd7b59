//! The stories of subscriptions that go on for months. A field of `size` 10 is about ten square kilometres, so
//! that a day of it counts about ten.

use http::{Method, StatusCode};
use quota_guard::simulator::Fault;
use serde_json::json;

use super::months::{Months, aum, subscription};

const MID_JUNE: &str = "2026-06-15T12:00:00Z";
/// From the 15th on.
const REST_OF_JUNE: i64 = 16;

/// What a day of a field of `size` 10 counts, in hundredths.
const A_DAY: i64 = 1_000;

fn days(days: i64) -> std::ops::RangeInclusive<i64> {
    let about = days * A_DAY / 100;
    about - days..=about
}

fn endless() -> serde_json::Value {
    subscription(10.0, MID_JUNE, None)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_end_it_takes_the_rest_of_the_month_and_then_each_month_as_it_begins() {
    let months = Months::start(MID_JUNE, &aum("month", "month", 400)).await;
    months.subscribe(&endless()).await;
    let june = months.used("month").await;
    assert!(days(REST_OF_JUNE).contains(&june[0]), "{june:?}");
    months.set("2026-07-01T00:00:00Z");
    // ten days of forty a day: that would fit into July, were it not for what is promised
    let other = subscription(40.0, "2026-07-01T00:00:00Z", Some("2026-07-10T00:00:00Z"));
    let refused = months.post("/subscriptions/v1", &other).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
    let july = months.used("month").await;
    assert!(
        days(31).contains(&july[0]) && july[1] == june[0],
        "{july:?}"
    );
    let smaller = subscription(5.0, "2026-07-01T00:00:00Z", Some("2026-07-10T00:00:00Z"));
    months.subscribe(&smaller).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_is_not_renewed_refuses_what_never_ends() {
    let budgets = aum("month", "month", 400) + &aum("all-time", "forever", 9_000);
    let months = Months::start(MID_JUNE, &budgets).await;
    let refused = months.post("/subscriptions/v1", &endless()).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let text = refused.text();
    for part in ["cost-not-predictable", "all-time", "end_time"] {
        assert!(text.contains(part), "{text}");
    }
    months
        .subscribe(&subscription(10.0, MID_JUNE, Some("2026-08-15T00:00:00Z")))
        .await;
    let whole = months.used("all-time").await;
    assert!(days(61).contains(&whole[0]), "{whole:?}");
    let june = months.used("month").await;
    assert!(days(REST_OF_JUNE).contains(&june[0]), "{june:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_that_was_off_for_two_months_catches_up() {
    let mut months = Months::start(MID_JUNE, &aum("month", "month", 400)).await;
    months.subscribe(&endless()).await;
    let june = months.used("month").await[0];
    months.stop().await;
    months.set("2026-08-20T08:00:00Z");
    months.start_again().await;
    let refused = months
        .post(
            "/subscriptions/v1",
            &subscription(15.0, "2026-08-20T08:00:00Z", None),
        )
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
    let all = months.used("month").await;
    assert_eq!(all.len(), 3, "{all:?}");
    assert!(
        days(31).contains(&all[0]) && days(31).contains(&all[1]),
        "{all:?}"
    );
    assert_eq!(all[2], june);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_is_booked_even_where_it_does_not_fit() {
    let months = Months::start(MID_JUNE, &aum("month", "month", 200)).await;
    months.subscribe(&endless()).await;
    months.set("2026-07-01T00:00:00Z");
    let july = months.used("month").await[0];
    assert!(days(31).contains(&july), "over the limit of 200: {july}");
    let small = subscription(1.0, "2026-07-01T00:00:00Z", Some("2026-07-02T00:00:00Z"));
    let refused = months.post("/subscriptions/v1", &small).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_gives_back_the_future_of_the_month_and_nothing_else() {
    let months = Months::start(MID_JUNE, &aum("month", "month", 900)).await;
    let with_backfill = subscription(10.0, "2026-06-01T00:00:00Z", None);
    let path = months.subscribe(&with_backfill).await;
    let june = months.used("month").await[0];
    assert!(days(30).contains(&june), "{june}");
    months.set("2026-06-20T12:00:00Z");
    let cancelled = months.post(&format!("{path}/cancel"), &json!(null)).await;
    assert_eq!(cancelled.status, StatusCode::OK, "{}", cancelled.text());
    let left = months.used("month").await[0];
    assert!(days(20).contains(&left), "up to and with the 20th: {left}");
    months.set("2026-07-02T00:00:00Z");
    let other = subscription(20.0, "2026-07-02T00:00:00Z", Some("2026-07-30T00:00:00Z"));
    months.subscribe(&other).await;
    let all = months.used("month").await;
    assert!(
        (540..=560).contains(&all[0]),
        "July owes it nothing: {all:?}"
    );
    assert_eq!(all[1], left);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_cancelled_past_the_guard_ends_when_somebody_looks_at_it() {
    let months = Months::start(MID_JUNE, &aum("month", "month", 900)).await;
    let path = months.subscribe(&endless()).await;
    months.set("2026-06-20T12:00:00Z");
    months.behind_its_back(&format!("{path}/cancel")).await;
    let look = format!("{path}/summary");
    months.send(0, Method::GET, &look, &json!(null)).await;
    for _ in 0..200 {
        if days(6).contains(&months.used("month").await[0]) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let june = months.used("month").await[0];
    assert!(days(6).contains(&june), "the 15th to the 20th: {june}");
    months.set("2026-07-01T00:00:00Z");
    assert_eq!(months.used("month").await, [june]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_still_takes_nothing_until_it_goes_on() {
    let months = Months::start(MID_JUNE, &aum("month", "month", 900)).await;
    let path = months.subscribe(&endless()).await;
    months.set("2026-06-20T12:00:00Z");
    let suspended = months
        .post(&format!("{path}/suspend"), &json!({"details": "x"}))
        .await;
    assert_eq!(
        suspended.status,
        StatusCode::ACCEPTED,
        "{}",
        suspended.text()
    );
    let june = months.used("month").await[0];
    assert!(days(6).contains(&june), "the 15th to the 20th: {june}");
    months.set("2026-07-21T00:00:00Z");
    let reactivated = months
        .post(&format!("{path}/reactivate"), &json!(null))
        .await;
    assert_eq!(
        reactivated.status,
        StatusCode::ACCEPTED,
        "{}",
        reactivated.text()
    );
    let all = months.used("month").await;
    // since it stood still, which Planet may deliver yet, and the rest of July
    assert!(days(42).contains(&all[0]), "{all:?}");
    months.set("2026-08-01T00:00:00Z");
    let later = months.used("month").await;
    assert!(days(31).contains(&later[0]), "{later:?}");
    assert_eq!(later[1..], [all[0], june]);
}

#[tokio::test(flavor = "multi_thread")]
async fn twice_the_area_takes_twice_as_much_from_then_on() {
    let months = Months::start(MID_JUNE, &aum("month", "month", 900)).await;
    let path = months.subscribe(&endless()).await;
    let june = months.used("month").await[0];
    months.set("2026-06-21T12:00:00Z");
    let wider = subscription(20.0, MID_JUNE, None);
    let changed = months.send(0, Method::PUT, &path, &wider).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
    let all = months.used("month").await[0];
    let added = all - june;
    assert!(
        days(11).contains(&added),
        "ten days more of ten, and today of both: {added}"
    );
    months.set("2026-07-01T00:00:00Z");
    months.post("/subscriptions/v1", &endless()).await;
    let july = months.used("month").await;
    let promised = july[0];
    assert!(
        days(62).contains(&promised) || days(93).contains(&promised),
        "{july:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_smaller_area_gives_back_what_it_saves_of_the_future() {
    let months = Months::start(MID_JUNE, &aum("month", "month", 900)).await;
    let path = months.subscribe(&subscription(20.0, MID_JUNE, None)).await;
    let june = months.used("month").await[0];
    months.set("2026-06-20T12:00:00Z");
    let smaller = subscription(10.0, MID_JUNE, None);
    let changed = months.send(0, Method::PUT, &path, &smaller).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
    let left = june - months.used("month").await[0];
    // ten days of twenty, less eleven of ten, for today may count as both
    assert!((85..=92).contains(&left), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_knows_to_have_failed_goes_on_at_the_dearer_of_both() {
    let months = Months::start(MID_JUNE, &aum("month", "month", 900)).await;
    let path = months.subscribe(&endless()).await;
    let fails = |method, path: &str| {
        let fault = Fault::new(Some(method), path, 1, "status=502").expect("a fault");
        months.simulator.inject(fault);
    };
    fails("PUT", "/subscriptions/v1/");
    let wider = subscription(20.0, MID_JUNE, None);
    let changed = months.send(0, Method::PUT, &path, &wider).await;
    assert_eq!(changed.status, StatusCode::BAD_GATEWAY);
    fails("POST", "/subscriptions/v1");
    let small = subscription(1.0, MID_JUNE, None);
    let created = months.post("/subscriptions/v1", &small).await;
    assert_eq!(created.status, StatusCode::BAD_GATEWAY);
    months.set("2026-07-01T00:00:00Z");
    let july = months.used("month").await[0];
    assert!((21 * 31 - 10..=21 * 31).contains(&july), "{july}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_promised_by_nobody() {
    let months = Months::start(MID_JUNE, &aum("month", "month", 900)).await;
    let fault = Fault::new(Some("POST"), "/subscriptions/v1", 1, "status=400");
    months.simulator.inject(fault.expect("a fault"));
    let created = months.post("/subscriptions/v1", &endless()).await;
    assert_eq!(created.status, StatusCode::BAD_REQUEST);
    months.set("2026-07-01T00:00:00Z");
    assert!(months.used("month").await.iter().all(|used| *used == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_has_passed_cannot_be_changed() {
    let months = Months::start(MID_JUNE, &aum("month", "month", 900)).await;
    let path = months.subscribe(&endless()).await;
    months.set("2026-06-20T12:00:00Z");
    let later = json!({"source": {"parameters": {"start_time": "2026-06-25T00:00:00Z"}}});
    let refused = months.send(0, Method::PATCH, &path, &later).await;
    assert_eq!(
        refused.status,
        StatusCode::BAD_REQUEST,
        "{}",
        refused.text()
    );
    assert!(refused.text().contains("start_time"), "{}", refused.text());
    let bill = months.simulator.bill();
    assert_eq!(bill.requests_to(&format!("PATCH {path}")), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_call_promises_each_and_each_ends_by_itself() {
    let months = Months::start(MID_JUNE, &aum("month", "month", 1_900)).await;
    let bulk = json!({"subscriptions": [endless(), subscription(20.0, MID_JUNE, None)]});
    let created = months.post("/subscriptions/v1/bulk", &bulk).await;
    assert!(created.status.is_success(), "{}", created.text());
    let june = months.used("month").await[0];
    assert!(days(48).contains(&june), "{june}");
    let all = months
        .send(0, Method::GET, "/subscriptions/v1", &json!(null))
        .await
        .json();
    let larger = all["subscriptions"].as_array().expect("a list").iter();
    let mut larger =
        larger.filter(|one| one["source"]["parameters"]["geometry"] == super::months::field(20.0));
    let id = larger.next().expect("it is there")["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    months.set("2026-06-20T12:00:00Z");
    let cancelled = months
        .post(&format!("/subscriptions/v1/{id}/cancel"), &json!(null))
        .await;
    assert_eq!(cancelled.status, StatusCode::OK);
    let left = months.used("month").await[0];
    assert!(
        days(28).contains(&left),
        "16 of ten and 6 of twenty: {left}"
    );
    months.set("2026-07-01T00:00:00Z");
    let july = months.used("month").await;
    assert!(days(31).contains(&july[0]), "{july:?}");
    assert_eq!(july[1], left);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_guards_book_a_new_month_once() {
    let months = Months::start_many(MID_JUNE, &aum("month", "month", 900), 3).await;
    months.subscribe(&endless()).await;
    let june = months.used("month").await[0];
    months.set("2026-07-01T00:00:00Z");
    let small = subscription(1.0, "2026-07-01T00:00:00Z", Some("2026-07-02T00:00:00Z"));
    let creates = (0..3).map(|guard| months.send(guard, Method::POST, "/subscriptions/v1", &small));
    for created in futures_util::future::join_all(creates).await {
        assert!(created.status.is_success(), "{}", created.text());
    }
    let july = months.used("month").await;
    assert!((30 * 10 + 2..=313).contains(&july[0]), "{july:?}");
    assert_eq!(july[1], june);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_on_postgres_keeps_what_was_promised() {
    let mut months = Months::start_many(MID_JUNE, &aum("month", "month", 900), 1).await;
    let path = months.subscribe(&endless()).await;
    let june = months.used("month").await[0];
    months.stop().await;
    months.start_again().await;
    months.set("2026-07-01T00:00:00Z");
    let july = months.used("month").await;
    assert!(days(31).contains(&july[0]), "{july:?}");
    assert_eq!(july[1], june);
    months.set("2026-07-01T12:00:00Z");
    let cancelled = months.post(&format!("{path}/cancel"), &json!(null)).await;
    assert_eq!(cancelled.status, StatusCode::OK);
    let left = months.used("month").await;
    assert!(days(1).contains(&left[0]), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn over_three_months_the_books_are_never_below_the_bill_and_the_cap_holds_for_others() {
    let budgets = aum("month", "month", 760)
        + "[[budgets]]\nname = \"pu\"\nunit = \"pu\"\nlimit = 9000\nwindow = \"month\"\n";
    let months = Months::start(MID_JUNE, &budgets).await;
    let path = months
        .subscribe(&subscription(10.0, "2026-06-05T00:00:00Z", None))
        .await;
    months
        .subscribe(&subscription(
            2.0,
            "2026-07-10T00:00:00Z",
            Some("2026-08-05T00:00:00Z"),
        ))
        .await;
    let mut day = months.clock_now();
    for passed in 0..92 {
        day += jiff::SignedDuration::from_hours(24);
        months.clock.set(day);
        match passed {
            40 => {
                let wider = subscription(12.0, "2026-06-05T00:00:00Z", None);
                let changed = months.send(0, Method::PUT, &path, &wider).await;
                assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
            }
            70 | 80 => {
                let change = if passed == 70 {
                    "suspend"
                } else {
                    "reactivate"
                };
                let changed = months.post(&format!("{path}/{change}"), &json!(null)).await;
                assert_eq!(changed.status, StatusCode::ACCEPTED, "{}", changed.text());
            }
            _ => {}
        }
        if passed % 7 == 0 {
            let other = subscription(
                30.0,
                &day.to_string(),
                Some(&(day + jiff::SignedDuration::from_hours(48)).to_string()),
            );
            months.post("/subscriptions/v1", &other).await;
        }
        months.send(0, Method::GET, &path, &json!(null)).await;
        let bill = months.simulator.bill();
        let booked: i64 = months.used("month").await.iter().sum();
        let billed = quota_guard::units::Amount::from(bill.total_aum()).whole_floor();
        assert!(
            booked >= billed,
            "after {passed} days {booked} km² are booked and {billed} billed"
        );
        let booked: i64 = months.used("pu").await.iter().sum();
        let billed = quota_guard::units::Amount::from(bill.total_pu()).whole_floor();
        assert!(
            booked >= billed,
            "after {passed} days {booked} PU are booked and {billed} billed"
        );
    }
    for (budget, limit) in [("month", 760), ("pu", 9_000)] {
        let used = months.used(budget).await;
        assert!(used.len() >= 4, "{used:?}");
        assert!(used.iter().all(|used| *used <= limit), "{budget}: {used:?}");
    }
}
