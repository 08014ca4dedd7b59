//! Many guards on one PostgreSQL store: together they keep one cap, whichever of them is killed, replaced or
//! told to stop meanwhile.

use std::time::Duration;

use quota_guard::clock::Stopwatch;

use crate::crowd::{Tally, images};
use crate::fleet::{Fleet, cap};

/// How many requests race for the cap. Set `QUOTA_GUARD_TEST_RACE=10000` for a long race; where nothing is
/// optimised and the machine is busy with other tests that takes minutes.
fn race() -> u64 {
    let asked = std::env::var("QUOTA_GUARD_TEST_RACE");
    asked.map_or(1_500, |number| number.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_guards_on_one_database_admit_exactly_the_cap() {
    let fleet = Fleet::start(3, &cap(10)).await;
    let crowd = fleet.crowd(900);
    let tally = crowd.end().await;
    let served = Tally::of(&tally.served);
    assert_eq!(served, 640, "{tally:?}");
    assert_eq!(served + Tally::of(&tally.refused), 900, "{tally:?}");
    let (audit, bill) = fleet.final_audit().await;
    assert_eq!(bill, images(640));
    assert_eq!((audit.known(), audit.unknowns), (bill, Vec::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_that_is_killed_in_a_race_passes_no_cap_and_strands_nothing() {
    let pu = race() / 160; // two of five requests find room
    let room = images(pu * 64);
    let mut fleet = Fleet::start(3, &cap(pu)).await;
    let crowd = fleet.crowd(race());
    crowd.answered(race() / 5).await;
    fleet.kill(1);
    crowd.answered(race() / 4).await;
    fleet.start_guard(1);
    let tally = crowd.end().await;
    let (audit, bill) = fleet.final_audit().await;
    assert!(bill <= room, "{bill} billed");
    let (unknown, lost) = (audit.balance.unknown, Tally::of(&tally.lost));
    println!("{bill} of {room} billed, {unknown} unknown, {lost} requests without an answer");
    let used = audit.known().saturating_add(unknown);
    assert!(used <= room, "{audit:?}");
    let left = room.minus(used);
    assert!(
        left < images(1),
        "{left} is left, and was refused to those who asked: {audit:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_graceful_shutdown_drops_no_queued_spending() {
    let mut fleet = Fleet::start(2, &cap(1000)).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guards_that_are_replaced_one_by_one_turn_nobody_away() {
    let mut fleet = Fleet::start(2, &cap(1000)).await;
    let crowd = fleet.crowd(u64::MAX);
    crowd.answered(100).await;
    for number in [0, 1] {
        // as a balancer does that sends nobody to a guard that is about to stop
        fleet.doors.close(number);
        // whoever was on the way there has arrived
        crowd.more(|tally| &tally.served, 40).await;
        fleet.stop(number);
        fleet.start_guard(number);
        crowd.more(|tally| &tally.served, 50).await;
    }
    let tally = crowd.go_home().await;
    let (audit, bill) = fleet.final_audit().await;
    assert_eq!((audit.known(), audit.unknowns), (bill, Vec::new()));
    let turned_away = [&tally.refused, &tally.sent_away, &tally.lost].map(Tally::of);
    assert_eq!(turned_away, [0; 3], "{tally:?}");
}
