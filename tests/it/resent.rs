//! Creates that are sent again because their answer was lost: one order is billed, however often.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use quota_guard::simulator::Fault;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{KEY, Reply, World, post, try_call};
use crate::sdk::tell;

const ORDERS: &str = "/compute/ops/orders/v2";
const ROOMY: &str =
    "[[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = 50000\nwindow = \"month\"\n";

fn order() -> Value {
    json!({"name": "o", "products": [{"item_ids": ["20260601_101500_11_24f1"],
           "item_type": "PSScene", "product_bundle": "analytic_8b_sr_udm2"}]})
}

/// Sends the order with one more header; `None` when the connection broke.
async fn send(url: String, name: &'static str, value: &'static str) -> Option<Reply> {
    let authorization = format!("api-key {KEY}");
    let headers = [
        ("authorization", &*authorization),
        ("content-type", "application/json"),
        (name, value),
    ];
    try_call(
        Method::POST,
        &url,
        &headers,
        Bytes::from(order().to_string()),
    )
    .await
}

fn orders_url(world: &World) -> String {
    format!("{}{ORDERS}", world.guard.url)
}

/// How many orders reached the pretend Planet.
fn arrived(world: &World) -> usize {
    let is_order = |request: &&Value| request["method"] == "POST" && request["path"] == ORDERS;
    world.simulator.requests().iter().filter(is_order).count()
}

async fn until_arrived(world: &World) {
    while arrived(world) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn next_order_suffers(world: &World, fault: &str) {
    world
        .simulator
        .inject(Fault::new(Some("POST"), ORDERS, 1, fault).expect("a fault"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_its_client_did_not_wait_for_is_given_to_the_next() {
    let world = World::start(ROOMY).await;
    next_order_suffers(&world, "delay=700ms");
    let impatient = tokio::spawn(send(orders_url(&world), "accept", "*/*"));
    until_arrived(&world).await;
    impatient.abort();
    let meanwhile = post(&orders_url(&world), &order()).await;
    assert_eq!(
        meanwhile.status,
        StatusCode::ACCEPTED,
        "{}",
        meanwhile.text()
    );
    assert_eq!(meanwhile.header("quota-guard-replayed").len(), 32);
    assert!(meanwhile.json()["id"].is_string());
    assert_eq!(arrived(&world), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_delivered_answer_the_same_again_is_another_order() {
    let world = World::start(ROOMY).await;
    for number in 1..=20 {
        let reply = post(&orders_url(&world), &order()).await;
        assert_eq!(reply.status, StatusCode::ACCEPTED, "{}", reply.text());
        assert_eq!(reply.header("quota-guard-replayed"), "");
        assert_eq!(arrived(&world), number);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_taken_effect_is_not_sent_again() {
    let world = World::start(ROOMY).await;
    next_order_suffers(&world, "reset-after-charge");
    let lost = post(&orders_url(&world), &order()).await;
    assert_eq!(lost.status, StatusCode::GATEWAY_TIMEOUT, "{}", lost.text());
    let again = post(&orders_url(&world), &order()).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.text());
    let problem = again.json();
    let kind = problem["type"].as_str().expect("a type");
    assert!(kind.ends_with("/outcome-unknown"), "{problem}");
    assert!(again.text().contains("Look for its result"), "{problem}");
    assert_eq!(arrived(&world), 1);
    let booked = world.booked("org-pu").await;
    assert!(booked >= world.billed() && !world.billed().is_zero());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_for_free_may_be_tried_again() {
    let world = World::start(ROOMY).await;
    next_order_suffers(&world, "status=429");
    let slow = post(&orders_url(&world), &order()).await;
    assert_eq!(slow.status, StatusCode::TOO_MANY_REQUESTS);
    let again = post(&orders_url(&world), &order()).await;
    assert_eq!(again.status, StatusCode::ACCEPTED, "{}", again.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_forgets_no_create() {
    let mut world = World::start(ROOMY).await;
    next_order_suffers(&world, "stall");
    let cut_off = tokio::spawn(send(orders_url(&world), "accept", "*/*"));
    until_arrived(&world).await;
    world.kill_and_restart();
    assert!(cut_off.await.expect("it ends").is_none());
    let again = post(&orders_url(&world), &order()).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.text());
    assert_eq!(arrived(&world), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_says_what_is_the_same() {
    let world = World::start(ROOMY).await;
    let with_key = |key| send(orders_url(&world), "idempotency-key", key);
    let first = with_key("a").await.expect("an answer");
    let same = with_key("a").await.expect("an answer");
    assert_eq!(
        (first.status, &first.body),
        (StatusCode::ACCEPTED, &same.body)
    );
    assert_eq!(
        same.header("quota-guard-replayed"),
        first.header("quota-guard-request")
    );
    let other = with_key("b").await.expect("an answer");
    assert_eq!(other.header("quota-guard-replayed"), "");
    assert_eq!(arrived(&world), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_planet_sdk_orders_once_through_a_network_that_drops_its_connection() {
    let world = World::start(ROOMY).await;
    next_order_suffers(&world, "delay=700ms");
    let network = bad_network(&world.guard.url).await;
    let told = tell(
        "planet_stories.py",
        "resent",
        format!("http://{network}"),
        KEY,
    )
    .await;
    assert!(told["id"].is_string(), "{told}");
    assert_eq!(told["sent"], 2, "the SDK sent it again: {told}");
    assert_eq!(arrived(&world), 1);
}

/// A way to the guard on which the first order's connection dies before its answer comes.
async fn bad_network(guard: &str) -> SocketAddr {
    let guard = guard.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut cut = false;
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(&guard).await.expect("the guard");
            let mut head = vec![0; 16 * 1024];
            let length = client.read(&mut head).await.unwrap_or(0);
            if !cut && head.starts_with(b"POST /compute/ops/orders") {
                cut = true;
                // the body may come in a piece of its own
                server.write_all(&head[..length]).await.expect("sent");
                let body = tokio::time::timeout(Duration::from_millis(200), client.read(&mut head));
                if let Ok(Ok(more)) = body.await {
                    server.write_all(&head[..more]).await.expect("sent");
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue; // both ends are dropped
            }
            tokio::spawn(async move {
                _ = server.write_all(&head[..length]).await;
                _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}
