use super::*;
use crate::clock::ManualClock;
use crate::guard::answer::{Answer, Notes, Reply};
use crate::ledger::{Model, NewReservation, Outcome};
use crate::units::Amounts;
use crate::upstream::full;
use http::Response;
use http_body_util::BodyExt;

const WINDOW: Duration = Duration::from_mins(15);

fn resends() -> (Arc<Resends>, Arc<ManualClock>, Arc<Model>) {
    let clock = Arc::new(ManualClock::starting(
        "2026-11-22T12:00:00Z".parse().expect("a time"),
    ));
    let ledger = Arc::new(Model::default());
    let books: Arc<dyn Ledger> = ledger.clone();
    let resends = Resends::new(books, clock.clone(), Exchanges::default(), WINDOW);
    (resends, clock, ledger)
}

fn id(number: u128) -> RequestId {
    RequestId::from_uuid(uuid::Uuid::from_u128(number))
}

fn order() -> Fingerprint {
    Fingerprint::of(&[b"a key", b"POST", b"/compute/ops/orders/v2", b"{}"])
}

async fn turn(resends: &Arc<Resends>, number: u128) -> Turn {
    match resends.meet(order(), id(number)).await {
        Ok(Met::New(turn)) => turn,
        Ok(_) => panic!("it was met before"),
        Err(error) => panic!("{error}"),
    }
}

fn answer(body: &'static str) -> Answer {
    Answer::new(
        Reply::Forwarded(Response::new(full(body))),
        Notes::new(id(1)),
    )
}

fn body_of(answer: Answer) -> crate::upstream::Body {
    let answer = answer.hand_on(&crate::guard::wishes::Wishes::default());
    match answer.reply {
        Reply::Forwarded(response) => response.into_body(),
        _ => panic!("another reply"),
    }
}

#[tokio::test]
async fn an_answer_that_was_not_taken_is_given_again_until_it_is() {
    let (resends, ..) = resends();
    let answered = turn(&resends, 1)
        .await
        .end(Ending::TookEffect, answer("an order"))
        .await;
    drop(body_of(answered));
    for taken in [false, true] {
        let Ok(Met::Answered(first, kept)) = resends.meet(order(), id(2)).await else {
            panic!("not answered as before");
        };
        assert_eq!((first, &*kept.body), (id(1), b"an order".as_slice()));
        let delivery = resends.delivery(order(), first);
        let body = delivery.watch(full(kept.body.clone()));
        if taken {
            body.collect().await.unwrap();
        }
    }
    drop(turn(&resends, 3).await);
}

#[tokio::test]
async fn one_that_comes_meanwhile_waits_for_the_first() {
    let (resends, ..) = resends();
    let first = turn(&resends, 1).await;
    let waiting = tokio::spawn({
        let resends = Arc::clone(&resends);
        async move { resends.meet(order(), id(2)).await }
    });
    tokio::task::yield_now().await;
    let answered = first.end(Ending::TookEffect, answer("an order")).await;
    body_of(answered).collect().await.unwrap();
    let met = waiting.await.unwrap();
    assert!(
        matches!(&met, Ok(Met::Answered(_, kept)) if kept.body == "an order"),
        "delivered to the first, and answered to the second too"
    );
}

#[tokio::test]
async fn after_nothing_came_of_the_first_the_next_takes_its_turn() {
    let (resends, ..) = resends();
    drop(turn(&resends, 1).await);
    let refused = turn(&resends, 2)
        .await
        .end(Ending::Nothing, answer(""))
        .await;
    drop(refused);
    drop(turn(&resends, 3).await);
}

#[tokio::test]
async fn what_is_not_known_is_not_tried_again_before_the_window_has_passed() {
    let (resends, clock, _) = resends();
    drop(
        turn(&resends, 1)
            .await
            .end(Ending::Unknown, answer(""))
            .await,
    );
    let met = resends.meet(order(), id(2)).await;
    assert!(matches!(
        met,
        Ok(Met::Sent {
            took_effect: false,
            ..
        })
    ));
    clock.advance(WINDOW + Duration::from_millis(1));
    drop(turn(&resends, 3).await);
}

#[tokio::test]
async fn an_answer_too_large_to_keep_is_passed_on_whole_and_not_given_again() {
    let (resends, ..) = resends();
    let large = vec![b'x'; memory::LARGEST_ANSWER + 1];
    let reply = Reply::Forwarded(Response::new(full(large.clone())));
    let answered = turn(&resends, 1)
        .await
        .end(Ending::TookEffect, Answer::new(reply, Notes::new(id(1))))
        .await;
    let mut body = body_of(answered);
    assert_eq!(
        body.frame().await.unwrap().unwrap().into_data().unwrap(),
        large
    );
    drop(body);
    let met = resends.meet(order(), id(2)).await;
    assert!(matches!(
        met,
        Ok(Met::Sent {
            took_effect: true,
            ..
        })
    ));
}

#[tokio::test]
async fn after_a_crash_the_books_remember() {
    let (resends, clock, ledger) = resends();
    let new = NewReservation {
        request: id(1),
        team: "agriculture".into(),
        key: "ag".into(),
        api: "orders",
        product: None,
        tag: None,
        fingerprint: Some(order()),
        predicted: Amounts::default(),
        claims: Vec::new(),
        certain: true,
    };
    ledger.reserve(&new, clock.now()).await.unwrap();
    let why = "the guard stopped".to_owned();
    ledger
        .close(id(1), &Outcome::Unknown { why }, clock.now())
        .await
        .unwrap();
    let met = resends.meet(order(), id(2)).await;
    assert!(matches!(met, Ok(Met::Sent { first, took_effect: false }) if first == id(1)));
}

#[tokio::test]
async fn memory_is_bounded() {
    let (resends, ..) = resends();
    let mut turns = Vec::new();
    for number in 0..memory::MOST_CREATES {
        let different = Fingerprint::of(&[number.to_string().as_bytes()]);
        match resends.meet(different, id(1)).await {
            Ok(Met::New(turn)) => turns.push(turn),
            _ => panic!("{number} is not new"),
        }
    }
    assert!(matches!(
        resends.meet(order(), id(2)).await,
        Ok(Met::TooMany)
    ));
    let ended = turns.pop().expect("a turn");
    drop(ended.end(Ending::Unknown, answer("")).await);
    drop(turn(&resends, 3).await);
}
