//! What has ended long ago is rolled up beside the guards, by one of them at a time.

use super::*;
use crate::store::postgres::roll_up;
use crate::store::retain::tests::{
    commitments_go_when_they_are_over, old_days_are_rolled_up_and_nothing_else_changes,
};

#[tokio::test]
async fn balances_stay_and_what_is_open_goes_on() {
    let fresh = Fresh::schema();
    let store = fresh.open().await;
    let rolled = |before| {
        let url = fresh.url();
        async move { roll_up(&url, before).await.unwrap().expect("its turn") }
    };
    old_days_are_rolled_up_and_nothing_else_changes(store, rolled).await;
}

#[tokio::test]
async fn what_goes_on_spending_stays() {
    let fresh = Fresh::schema();
    let store = fresh.open().await;
    let rolled = |before| {
        let url = fresh.url();
        async move { roll_up(&url, before).await.unwrap().expect("its turn") }
    };
    commitments_go_when_they_are_over(store, rolled).await;
}

#[tokio::test]
async fn one_guard_at_a_time_rolls_up() {
    let fresh = Fresh::schema();
    let _store = fresh.open().await;
    let url = fresh.url();
    let both = tokio::join!(roll_up(&url, noon()), roll_up(&url, noon()));
    let done = [both.0.unwrap(), both.1.unwrap()];
    assert!(done.iter().any(Option::is_some), "{done:?}");
    assert!(roll_up(&url, noon()).await.unwrap().is_some());
}
