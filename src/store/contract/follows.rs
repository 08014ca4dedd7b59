//! What requests have made upstream is followed: by one guard at a time, more and more seldom, to its end.

use std::time::Duration;

use super::words::*;
use crate::ledger::{Followed, LedgerError, NewFollowed, Seen};
use crate::planet::{Kind, Made};
use crate::units::UtcTime;

pub(super) fn order(number: u64) -> NewFollowed {
    NewFollowed {
        request: id(number),
        upstream: "planet".into(),
        made: Made {
            kind: Kind::Order,
            name: format!("order-{number}"),
            path: format!("/compute/ops/orders/v2/order-{number}"),
        },
    }
}

pub(super) fn seen(state: &str, over: bool) -> Seen {
    Seen {
        state: state.to_owned(),
        over,
        note: over.then(|| "it is over".to_owned()),
    }
}

pub(super) fn after(seconds: u64) -> UtcTime {
    noon() + Duration::from_secs(seconds)
}

/// Reserves, and follows from `at` on.
async fn followed_from(books: &Books, number: u64, at: UtcTime) {
    grant(books, number, vec![claim("org", 1, 50)]).await;
    books.follow(&order(number), at).await.unwrap();
}

async fn due(books: &Books, limit: u32, now: UtcTime) -> Vec<Followed> {
    books.due(limit, now).await.unwrap()
}

fn names(all: &[Followed]) -> Vec<&str> {
    all.iter().map(|one| &*one.made.name).collect()
}

pub(in crate::store) async fn what_is_followed_is_due_again_and_again(books: Books) {
    assert_eq!(books.next_due().await.unwrap(), None);
    followed_from(&books, 1, noon()).await;
    assert_eq!(books.next_due().await.unwrap(), Some(after(10)));
    assert_eq!(due(&books, 9, after(9)).await, []);
    let first = due(&books, 9, after(10)).await;
    assert_eq!(names(&first), ["order-1"]);
    assert_eq!((first[0].tries, first[0].next_at), (1, after(30)));
    assert_eq!(due(&books, 9, after(29)).await, [], "one asks");
    let second = due(&books, 9, after(30)).await;
    assert_eq!((second[0].tries, second[0].next_at), (2, after(70)));
    assert_eq!(books.next_due().await.unwrap(), Some(after(70)));
}

pub(in crate::store) async fn the_longest_overdue_are_due_first(books: Books) {
    for (number, seconds) in [(1, 3), (2, 2), (3, 1), (4, 900)] {
        followed_from(&books, number, after(seconds)).await;
    }
    let two = due(&books, 2, after(60)).await;
    assert_eq!(names(&two), ["order-3", "order-2"]);
    assert_eq!(names(&due(&books, 9, after(60)).await), ["order-1"]);
}

pub(in crate::store) async fn of_many_who_ask_at_once_one_gets_it(books: Books) {
    for number in 1..=20 {
        followed_from(&books, number, noon()).await;
    }
    let asking = (0..4).map(|_| {
        let books = Books::clone(&books);
        tokio::spawn(async move { due(&books, 20, after(10)).await })
    });
    let mut taken = Vec::new();
    for asked in asking.collect::<Vec<_>>() {
        taken.extend(asked.await.unwrap());
    }
    taken.extend(due(&books, 20, after(10)).await);
    let mut taken = names(&taken);
    taken.sort_unstable();
    let before = taken.len();
    taken.dedup();
    assert_eq!((before, taken.len()), (20, 20));
}

pub(in crate::store) async fn what_was_seen_is_kept_and_the_end_is_final(books: Books) {
    followed_from(&books, 1, noon()).await;
    let running = seen("running", false);
    books.seen(id(1), &running, after(10)).await.unwrap();
    let kept = due(&books, 9, after(10)).await;
    assert_eq!(kept[0].state.as_deref(), Some("running"));
    let success = seen("success", true);
    books.seen(id(1), &success, after(20)).await.unwrap();
    books.seen(id(1), &running, after(30)).await.unwrap();
    assert_eq!(due(&books, 9, after(9_999_999)).await, []);
    assert_eq!(books.next_due().await.unwrap(), None);
    let ended = books.followed("planet", Kind::Order, "order-1").await;
    let ended = ended.unwrap();
    assert_eq!(ended[0].state.as_deref(), Some("success"));
    assert_eq!(ended[0].over_at, Some(after(20)));
    books.seen(id(1), &success, after(40)).await.unwrap();
    let events = books.events(0, 9).await.unwrap();
    let events: Vec<_> = events
        .iter()
        .map(|event| (&*event.what, event.at))
        .collect();
    assert_eq!(events, [("it is over", after(20))]);
}

pub(in crate::store) async fn following_twice_changes_nothing(books: Books) {
    followed_from(&books, 1, noon()).await;
    due(&books, 9, after(10)).await;
    let other = NewFollowed {
        request: id(1),
        ..order(2)
    };
    books.follow(&other, after(20)).await.unwrap();
    let kept = due(&books, 9, after(30)).await;
    assert_eq!(names(&kept), ["order-1"]);
    assert_eq!((kept[0].tries, kept[0].since), (2, noon()));
    assert_eq!(kept[0].made, order(1).made);
}

pub(in crate::store) async fn only_what_reserved_is_followed(books: Books) {
    let unreserved = books.follow(&order(7), noon()).await;
    assert!(
        matches!(unreserved, Err(LedgerError::NotReserved(request)) if request == id(7)),
        "{unreserved:?}"
    );
    let unknown = books.seen(id(7), &seen("running", false), noon()).await;
    assert!(
        matches!(unknown, Err(LedgerError::NotFollowed(request)) if request == id(7)),
        "{unknown:?}"
    );
}

pub(in crate::store) async fn what_is_followed_is_found_by_its_name(books: Books) {
    for number in [2, 1] {
        grant(&books, number, vec![claim("org", 1, 50)]).await;
        let started = NewFollowed {
            request: id(number),
            ..order(5)
        };
        books.follow(&started, noon()).await.unwrap();
    }
    let found = books.followed("planet", Kind::Order, "order-5").await;
    let found: Vec<_> = found.unwrap().iter().map(|one| one.request).collect();
    assert_eq!(found, [id(1), id(2)]);
    for (upstream, kind, name) in [
        ("other", Kind::Order, "order-5"),
        ("planet", Kind::Batch, "order-5"),
        ("planet", Kind::Order, "order-6"),
    ] {
        assert_eq!(books.followed(upstream, kind, name).await.unwrap(), []);
    }
}
