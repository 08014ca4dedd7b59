//! What has ended long ago is rolled up beside the guard.

use super::*;
use crate::store::retain::tests::{
    commitments_go_when_they_are_over, old_days_are_rolled_up_and_nothing_else_changes,
};
use crate::store::sqlite::roll_up;

#[tokio::test]
async fn balances_stay_and_what_is_open_goes_on() {
    let (store, folder) = empty_store().await;
    let path = file(&folder);
    let rolled = |before| {
        let path = path.clone();
        async move { roll_up(&path, before).await.unwrap() }
    };
    old_days_are_rolled_up_and_nothing_else_changes(store, rolled).await;
    let dangling: Vec<(String, i64)> =
        sqlx::query_as("SELECT \"table\", fkid FROM pragma_foreign_key_check")
            .fetch_all(&mut behind_its_back(&folder).await)
            .await
            .unwrap();
    assert_eq!(dangling, []);
}

#[tokio::test]
async fn what_goes_on_spending_stays() {
    let (store, folder) = empty_store().await;
    let path = file(&folder);
    let rolled = |before| {
        let path = path.clone();
        async move { roll_up(&path, before).await.unwrap() }
    };
    commitments_go_when_they_are_over(store, rolled).await;
}

#[tokio::test]
async fn a_number_that_somebody_has_read_never_stands_for_another_line() {
    let (store, folder) = empty_store().await;
    let books: Books = store;
    for number in 0..9 {
        grant(&books, number, vec![claim("org", 1, 100)]).await;
        close(&books, number, charged(1)).await;
    }
    let last = books.entries(17, 9).await.unwrap();
    assert_eq!(last.len(), 1);
    let long_after = at("2027-11-22T00:00:00Z");
    let rolled_up = roll_up(&file(&folder), long_after).await.unwrap();
    assert_eq!((rolled_up.lines, rolled_up.requests), (15, 8));
    assert_eq!(books.entries(17, 9).await.unwrap(), last);
    grant(&books, 10, vec![claim("org", 1, 100)]).await;
    let next = books.entries(18, 9).await.unwrap();
    assert_eq!((next.len(), next[0].sequence), (1, 19));
}

#[tokio::test]
async fn a_file_that_is_not_there_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    roll_up(&file(&folder), noon()).await.unwrap_err();
    assert!(!file(&folder).exists());
}
