//! Many guards on one PostgreSQL store: together they keep one cap, whichever of them is killed, replaced or
//! told to stop meanwhile.

use std::time::Duration;

use quota_guard::clock::Stopwatch;

use crate::crowd::{Tally, images};
use crate::fleet::{Fleet, cap};

/// 2,560 small images.
const FORTY: &str = "40";
const CAP: u64 = 2_560;

/// How many requests race for the cap: `QUOTA_GUARD_TEST_RACE=10000` for the whole of it, which takes a
/// minute where nothing is optimised.
fn race() -> u64 {
    let asked = std::env::var("QUOTA_GUARD_TEST_RACE");
    asked.map_or(4_000, |number| number.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_guards_on_one_database_admit_exactly_the_cap() {
    let fleet = Fleet::start(3, &cap("20")).await;
    let crowd = fleet.crowd(2_000);
    let tally = crowd.end().await;
    let served = Tally::of(&tally.served);
    assert_eq!(images(served), images(1_280), "{tally:?}");
    assert_eq!(served + Tally::of(&tally.refused), 2_000, "{tally:?}");
    let (audit, bill) = fleet.final_audit().await;
    assert_eq!(bill, images(1_280));
    assert_eq!((audit.known(), audit.unknowns), (bill, Vec::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_that_is_killed_in_a_race_passes_no_cap_and_strands_nothing() {
    let mut fleet = Fleet::start(3, &cap(FORTY)).await;
    let crowd = fleet.crowd(race());
    crowd.answered(800).await;
    fleet.kill(1);
    crowd.answered(1_200).await;
    fleet.start_guard(1);
    let tally = crowd.end().await;
    let (audit, bill) = fleet.final_audit().await;
    assert!(bill <= images(CAP), "{bill} billed");
    let lost = Tally::of(&tally.lost);
    println!(
        "{bill} billed, {} unknown, {lost} without an answer",
        audit.balance.unknown
    );
    let used = audit.known().saturating_add(audit.balance.unknown);
    assert!(used <= images(CAP), "{audit:?}");
    assert!(
        images(CAP).minus(used) < images(1),
        "no unit is left that one more could have had: {audit:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_graceful_shutdown_drops_no_queued_spending() {
    let mut fleet = Fleet::start(2, &cap("1000")).await;
    let crowd = fleet.crowd(u64::MAX);
    crowd.answered(400).await;
    let begun = Stopwatch::start();
    fleet.stop(0);
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "the drain's time"
    );
    crowd.more(|tally| &tally.served, 50).await;
    fleet.stop(1);
    crowd.go_home().await;
    let (audit, bill) = fleet.final_audit().await;
    assert_eq!((audit.known(), audit.unknowns), (bill, Vec::new()));
}
