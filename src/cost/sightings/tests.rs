use std::sync::Arc;

use super::*;
use crate::cost::SceneTable;
use crate::planet::counts;
use crate::planet::geometry::samples::{shape, square};
use crate::planet::subscriptions::{self, Source};
use proptest::prelude::*;
use serde_json::json;

fn at(text: &str) -> UtcTime {
    text.parse().expect(text)
}

fn stretch(start: &str, end: &str) -> Stretch {
    Stretch::between(at(start), at(end)).expect("some days")
}

/// Two scenes on each first of a month, as counted on 2026-11-22 of what began in 2025.
fn counted(by_publication: bool) -> Count {
    let kind = if by_publication {
        "published"
    } else {
        "acquired"
    };
    let body = json!({"source": {"parameters": {"item_types": ["PSScene"],
        "asset_types": ["ortho_visual"], "geometry": square(7_200), "time_range_type": kind,
        "start_time": "2025-01-01T00:00:00Z", "publishing_stages": ["finalized"]}}});
    let ask = subscriptions::read(body.to_string().as_bytes()).unwrap();
    assert!(matches!(ask.source, Source::Catalog(_)));
    let question = &counts::questions(&ask, at("2026-11-22T12:00:00Z")).unwrap()[0];
    let buckets: Vec<_> = (1..=12)
        .map(|month| json!({"start_time": format!("2025-{month:02}-01T00:00:00Z"), "count": 2}))
        .collect();
    let answer = json!({"interval": "day", "buckets": buckets}).to_string();
    let all = counts::read(answer.as_bytes(), question.days).unwrap();
    Count::Counted(Arc::new(question.deliveries(all, 24, None).unwrap()))
}

fn seen(count: Option<&Count>, by_publication: bool, stretch: Stretch) -> Result<Seen, Unbounded> {
    let (table, shape) = (SceneTable::default(), shape(square(7_200)));
    let sightings = Sightings {
        item_type: "PSScene",
        figures: table.of("PSScene"),
        shape: &shape,
        times: 1,
        by_publication,
        count,
    };
    sightings.during(stretch)
}

#[test]
fn a_day_that_is_touched_counts() {
    for (start, end, days) in [
        ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", 1),
        ("2026-03-01T23:59:59Z", "2026-03-02T00:00:01Z", 2),
        ("2026-03-01T12:00:00Z", "2026-03-01T12:00:01Z", 1),
        ("2024-02-28T00:00:00Z", "2024-03-01T00:00:00Z", 2),
        ("2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z", 0),
        ("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z", 365),
    ] {
        let touched = Stretch::between(at(start), at(end)).map_or(0, Stretch::days);
        assert_eq!(touched, days, "{start} {end}");
    }
}

#[test]
fn what_planet_counted_is_all_there_was() {
    let count = counted(false);
    let year = stretch("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
    let whole = seen(Some(&count), false, year).unwrap();
    assert_eq!((whole.scenes, whole.basis), (24, Basis::Planet));
    assert!(
        whole
            .quantity
            .contains("24 of them counted by Planet in 365 days")
    );
    let half = stretch("2025-06-15T12:00:00Z", "2026-01-01T00:00:00Z");
    assert_eq!(seen(Some(&count), false, half).unwrap().scenes, 12);
}

#[test]
fn what_planet_cannot_know_yet_stays_bounded() {
    let count = counted(false);
    let until_now = stretch("2025-01-01T00:00:00Z", "2026-11-22T12:00:00Z");
    let all = seen(Some(&count), false, until_now).unwrap();
    let recent = stretch("2026-10-23T00:00:00Z", "2026-11-22T12:00:00Z");
    let bound = seen(None, false, recent).unwrap();
    assert_eq!(all.scenes, 24 + bound.scenes);
    assert!(
        all.quantity.contains("at most in 31 more"),
        "{}",
        all.quantity
    );
    assert_eq!(
        seen(Some(&count), false, recent).unwrap().scenes,
        bound.scenes
    );
}

#[test]
fn a_count_that_failed_is_the_bound_and_says_so() {
    let year = stretch("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
    let failed = Count::Failed("it took too long".into());
    let fallen_back = seen(Some(&failed), false, year).unwrap();
    assert_eq!(fallen_back.scenes, seen(None, false, year).unwrap().scenes);
    assert!(
        fallen_back
            .quantity
            .ends_with("not counted by Planet: it took too long")
    );
}

#[test]
fn by_publication_only_a_count_has_a_bound() {
    let count = counted(true);
    let year = stretch("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
    assert_eq!(seen(Some(&count), true, year).unwrap().scenes, 24);
    let until_now = stretch("2025-01-01T00:00:00Z", "2026-11-22T12:00:00Z");
    for (count, stretch) in [(None, year), (Some(&count), until_now)] {
        let why = seen(count, true, stretch).unwrap_err().why;
        assert!(why.contains("published"), "{why}");
    }
}

proptest! {
    #[test]
    fn a_later_start_or_an_earlier_end_never_meets_more(
        start in 0i64..700, days in 1i64..700, later in 0i64..700,
    ) {
        let count = counted(false);
        let first = at("2025-01-01T06:00:00Z");
        let day = |days: i64| first + SignedDuration::from_hours(24 * days);
        let whole = Stretch::between(day(start), day(start + days)).unwrap();
        let Some(part) = Stretch::between(day(start + later), day(start + days)) else {
            return Ok(());
        };
        let scenes = |stretch| seen(Some(&count), false, stretch).unwrap().scenes;
        prop_assert!(scenes(part) <= scenes(whole));
    }
}
