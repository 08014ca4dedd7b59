//! What guards do while one of them stands still, or while they cannot reach their books: the cap holds, and
//! afterwards the books are whole.

use std::time::Duration;

use crate::crowd::{Crowd, Tally, images};
use crate::database::{Database, Network};
use crate::fleet::{Fleet, cap, server, store_on, until};

/// Longer than a guard may be silent before the others give it up, and than they take to look.
const GIVEN_UP_WITHIN: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_that_stood_still_is_given_up_and_clears_up_what_it_left_in_doubt() {
    let fleet = Fleet::start(3, &cap(10)).await;
    // nothing is under way when it stops: what nobody knows of its lease is what it had to spend
    fleet.crowd(300).end().await;
    fleet.doors.close(1);
    fleet.guard(1).signal("STOP");
    let lost = async || {
        let audit = fleet.audit().await;
        let lease = |record: &&quota_guard::ledger::Record| &*record.api == "lease";
        audit
            .unknowns
            .iter()
            .find(lease)
            .map(|_| audit.balance.unknown)
    };
    let unknown = until("it is given up", GIVEN_UP_WITHIN, lost).await;
    assert!(
        unknown >= images(1),
        "the whole of its lease is in doubt: {unknown}"
    );
    // the others spend all that is left, and no more
    fleet.crowd(800).end().await;
    assert!(fleet.billed() <= images(640));
    let used = fleet.audit().await.balance.used().expect("a sum");
    assert!(images(640).minus(used) < images(1), "{used} is used");

    fleet.guard(1).signal("CONT");
    fleet.doors.open(1, &fleet.guard(1).url);
    let cleared = async || {
        let audit = fleet.audit().await;
        let lease = audit.unknowns.iter().any(|record| &*record.api == "lease");
        (!lease).then_some(())
    };
    until("it clears up", Duration::from_secs(30), cleared).await;
    // what the lease held and was not spent can be had again
    fleet.crowd(640).end().await;
    let (audit, bill) = fleet.final_audit().await;
    assert!(bill <= images(640), "{bill} billed");
    let used = audit.known().saturating_add(audit.balance.unknown);
    assert!(images(640).minus(used) < images(1), "{audit:?}");
    fleet_is_whole(&audit);
}

/// What is still in doubt are single requests whose answer came too late for a guard that stood still.
fn fleet_is_whole(audit: &crate::fleet::Audit) {
    let single = audit
        .unknowns
        .iter()
        .all(|record| &*record.api == "process");
    assert!(single, "{:?}", audit.unknowns);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_database_goes_guards_serve_inside_their_leases_then_send_away_then_go_on() {
    let database = Database::start();
    let books = store_on(database.url());
    let mut fleet = Fleet::without_guards(books.clone(), &cap(1000)).await;
    fleet.add_guard(&books);
    fleet.add_guard(&books);
    let crowd = fleet.crowd(u64::MAX);
    crowd.answered(300).await;
    database.crash();
    crowd.more(|tally| &tally.served, 10).await;
    nothing_is_served_any_more(&crowd).await;
    crowd.more(|tally| &tally.sent_away, 20).await;
    database.go_on();
    crowd.more(|tally| &tally.served, 100).await;
    let tally = crowd.go_home().await;
    let (audit, bill) = fleet.final_audit().await;
    assert_eq!(
        (audit.known(), audit.unknowns),
        (bill, Vec::new()),
        "{tally:?}"
    );
}

/// Waits until leases are over: two seconds in which nothing was served.
async fn nothing_is_served_any_more(crowd: &Crowd) {
    let quiet = async || {
        let before = Tally::of(&crowd.tally.served);
        tokio::time::sleep(Duration::from_secs(2)).await;
        (Tally::of(&crowd.tally.served) == before).then_some(())
    };
    until("leases end", Duration::from_secs(40), quiet).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_drops_and_delays_loses_nothing_and_passes_no_cap() {
    let books = store_on(server());
    let network = Network::before(&books).await;
    let mut fleet = Fleet::without_guards(books.clone(), &cap(10)).await;
    fleet.add_guard(&network.url());
    fleet.add_guard(&books);
    let crowd = fleet.crowd(900);
    crowd.answered(100).await;
    network.storm(true);
    crowd.answered(500).await;
    network.storm(false);
    let tally = crowd.end().await;
    // whoever was sent away comes again
    fleet.crowd(640).end().await;
    let (audit, bill) = fleet.final_audit().await;
    assert_eq!(
        (audit.known(), audit.unknowns),
        (bill, Vec::new()),
        "{tally:?}"
    );
    assert_eq!(bill, images(640));
}
