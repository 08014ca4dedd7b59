//! Windows are the calendar's, and a new one needs nobody to begin it.

use jiff::tz::TimeZone;

use super::words::*;
use crate::policy::Account;
use crate::units::{UtcTime, Window, WindowKind};

/// A budget of the month as people in Berlin have it, at this moment.
fn of_the_month(now: &str) -> (Account, UtcTime) {
    let window = Window {
        kind: WindowKind::Month,
        zone: TimeZone::get("Europe/Berlin").unwrap(),
    };
    let now = at(now);
    let account = Account {
        window: window.at(now).unwrap(),
        ..account("org")
    };
    (account, now)
}

/// Claims so much of a cap of 50 at this moment; whether it was granted.
async fn asks(books: &Books, number: u64, amount: u64, now: &str) -> bool {
    let (account, now) = of_the_month(now);
    let new = request(number, vec![claim_on(account, amount, 50)]);
    let answer = books.reserve(&new, now).await.unwrap();
    matches!(answer, crate::ledger::Reserved::Granted(_))
}

pub(in crate::store) async fn windows_do_not_start_at_the_first_request(books: Books) {
    assert!(asks(&books, 1, 50, "2026-11-20T12:00:00Z").await);
    assert!(!asks(&books, 2, 1, "2026-11-30T22:59:59Z").await);
    assert!(
        asks(&books, 3, 50, "2026-12-02T12:00:00Z").await,
        "12 days later it is another month"
    );
    assert!(!asks(&books, 4, 1, "2026-12-20T12:00:01Z").await);
}

pub(in crate::store) async fn a_month_is_not_thirty_days(books: Books) {
    assert!(asks(&books, 1, 50, "2026-01-01T12:00:00Z").await);
    assert!(
        !asks(&books, 2, 1, "2026-01-31T12:00:01Z").await,
        "30 days later it is still January"
    );
    assert!(asks(&books, 3, 50, "2026-02-01T12:00:00Z").await);
    assert!(
        asks(&books, 4, 50, "2026-03-01T12:00:00Z").await,
        "28 days later it is March"
    );
}

pub(in crate::store) async fn resets_are_not_off_by_the_utc_offset(books: Books) {
    assert!(asks(&books, 1, 50, "2026-11-30T22:59:59Z").await);
    assert!(
        asks(&books, 2, 50, "2026-11-30T23:00:00Z").await,
        "midnight of Berlin in winter"
    );
    assert!(!asks(&books, 3, 1, "2026-12-01T00:00:00Z").await);
    assert!(asks(&books, 4, 50, "2026-06-30T21:59:59Z").await);
    assert!(
        asks(&books, 5, 50, "2026-06-30T22:00:00Z").await,
        "midnight of Berlin in summer"
    );
}

pub(in crate::store) async fn resets_happen_without_anybody_to_reset(books: Books) {
    for (number, month) in (1..).zip(["2026-10", "2026-11", "2027-03"]) {
        let noon = format!("{month}-10T12:00:00Z");
        assert!(asks(&books, number * 2, 50, &noon).await, "{month}");
        assert!(!asks(&books, number * 2 + 1, 1, &noon).await, "{month}");
    }
    let kept = books.balances().await.unwrap();
    assert_eq!(kept.len(), 3, "what was spent before is still there");
}
