//! Downloads: their links are the guard's own, their bytes pass through it, and each is charged once.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use quota_guard::simulator::{Fault, Options};
use quota_guard::units::Amount;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::harness::{KEY, Reply, UPSTREAM_KEY, World, call, get, post, try_call};

/// What an order of one item reserves; 40 of it are settled, and 20 left for its files.
const SIXTY: &str =
    "[[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = 60\nwindow = \"month\"\n";
/// A file of so many bytes costs two PU.
const TWO_PU: u64 = 10_000_000;
/// One of so many costs 80.
const HUGE: u64 = 400_000_000;
const STORAGE: &str = "/_storage";

fn micros(micros: i64) -> Amount {
    Amount::from_micros(micros).expect("an amount")
}

/// Leaves 120 for files.
fn roomy() -> String {
    SIXTY.replace("60", "160")
}

fn two_pu_files() -> Options {
    Options {
        asset_bytes: TWO_PU,
        ..Options::default()
    }
}

/// Where the files of a new order lie, its manifest last.
async fn order(world: &World) -> Vec<String> {
    let orders = format!("{}/compute/ops/orders/v2", world.guard.url);
    let placed = post(
        &orders,
        &json!({"name": "one", "products": [{"item_ids": ["20260601_101500_11_24f1"],
            "item_type": "PSScene", "product_bundle": "analytic_8b_sr_udm2"}]}),
    )
    .await;
    assert_eq!(placed.status, StatusCode::ACCEPTED, "{}", placed.text());
    let link = placed.json()["_links"]["_self"].clone();
    let link = link.as_str().expect("a link");
    loop {
        let order = with_key(Method::GET, link, &[]).await.json();
        if let Some(results) = order["_links"]["results"].as_array() {
            let location = |result: &Value| result["location"].as_str().map(str::to_owned);
            return results.iter().filter_map(location).collect();
        }
    }
}

async fn with_key(method: Method, url: &str, more: &[(&str, &str)]) -> Reply {
    let authorization = format!("api-key {KEY}");
    let mut headers = vec![("authorization", &*authorization)];
    headers.extend(more);
    call(method, url, &headers, Bytes::new()).await
}

fn fault(world: &World, path: &str, times: u32, spec: &str) {
    world
        .simulator
        .inject(Fault::new(None, path, times, spec).expect(spec));
}

/// Requests that have come to storage.
fn at_storage(world: &World) -> Vec<Value> {
    let mut seen = world.simulator.requests();
    seen.retain(|request| {
        request["path"]
            .as_str()
            .is_some_and(|path| path.starts_with(STORAGE))
    });
    seen
}

/// What Planet has billed for bytes.
fn billed_egress(world: &World) -> Amount {
    world.simulator.bill().pu_of("egress").into()
}

async fn metered(world: &World, api: &str) -> Amount {
    let labels = format!("api=\"{api}\",source=\"metered\",team=\"agriculture\",unit=\"pu\"");
    // a sum of doubles: off by less than a millionth, and read as if it were rounded up
    let sum = world
        .metric(&format!("quota_guard_charged_total{{{labels}}}"))
        .await;
    let billed = billed_egress(world);
    if sum.minus(billed) <= micros(1) {
        sum.min(billed)
    } else {
        sum
    }
}

async fn column(world: &World, column: &str) -> Amount {
    let labels = "budget=\"org-pu\",partition=\"\",unit=\"pu\"";
    world
        .metric(&format!("quota_guard_budget_{column}{{{labels}}}"))
        .await
}

/// Waits until nothing is held any more: a download is settled right after its last byte.
async fn settled(world: &World) {
    for _ in 0..400 {
        if column(world, "held").await.is_zero() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a reservation was never settled");
}

#[track_caller]
fn assert_is_file(reply: &Reply, start: u64, length: u64) {
    assert!(
        reply.status.is_success(),
        "{} {}",
        reply.status,
        reply.text()
    );
    assert_eq!(reply.header("content-length"), length.to_string());
    assert_eq!(reply.body.len() as u64, length);
    for (offset, byte) in (start..).zip(reply.body.iter()).step_by(997) {
        assert_eq!(u64::from(*byte), offset % 251, "at {offset}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_an_order_pass_through_the_guard_and_cost_what_planet_bills() {
    let world = World::start(SIXTY).await;
    let files = order(&world).await;
    for file in &files {
        let url = &world.guard.url;
        assert!(
            file.starts_with(&format!("{url}/compute/ops/download/?token=qgd_")),
            "{file}"
        );
        // as Planet's own documents do it: the link alone
        let reply = get(file, &[]).await;
        assert!(reply.status.is_success(), "{}", reply.text());
        if file != files.last().expect("a manifest") {
            assert_is_file(&reply, 0, 1 << 20);
            assert_eq!(reply.header("etag"), "\"100000\"");
            assert_eq!(reply.header("accept-ranges"), "bytes");
            assert!(
                reply
                    .header("content-disposition")
                    .contains("20260601_101500")
            );
            assert_eq!(reply.header("quota-guard-estimate"), "pu=0.209716");
        }
    }
    settled(&world).await;
    assert_eq!(metered(&world, "orders").await, billed_egress(&world));
    assert_eq!(world.booked("org-pu").await, world.billed());
    let egress = "quota_guard_egress_bytes_total{api=\"orders\",team=\"agriculture\"}";
    assert!(world.metric(egress).await >= Amount::from_whole(3 << 20).expect("an amount"));
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_hears_nothing_of_who_asks() {
    let world = World::start(SIXTY).await;
    let files = order(&world).await;
    let more = [
        ("cookie", "session=1"),
        ("x-planet-app", "python-sdk"),
        ("quota-guard-tag", "campaign-7"),
        ("user-agent", "planet-client-python/3.7.0"),
    ];
    with_key(Method::GET, &files[0], &more).await;
    let seen = at_storage(&world);
    let mut names: Vec<String> = seen[0]["headers"]
        .as_array()
        .expect("headers")
        .iter()
        .map(|header| header[0].as_str().expect("a name").to_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["host", "user-agent"]);
    let text = format!("{seen:?}");
    assert!(
        !text.contains(KEY) && !text.contains(UPSTREAM_KEY),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_costs_its_part_and_a_look_costs_nothing() {
    let world = World::start(SIXTY).await;
    let file = &order(&world).await[0];
    let part = get(file, &[("range", "bytes=1000-50999")]).await;
    assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.header("content-range"), "bytes 1000-50999/1048576");
    assert_is_file(&part, 1000, 50_000);
    settled(&world).await;
    assert_eq!(metered(&world, "orders").await, micros(10_000));
    let look = call(Method::HEAD, file, &[], Bytes::new()).await;
    assert_eq!(look.status, StatusCode::OK);
    assert_eq!(look.header("content-length"), "1048576");
    let etag = look.header("etag");
    let known = get(file, &[("if-none-match", etag)]).await;
    assert_eq!(known.status, StatusCode::NOT_MODIFIED);
    let outside = get(file, &[("range", "bytes=2000000-")]).await;
    assert_eq!(outside.status, StatusCode::RANGE_NOT_SATISFIABLE);
    settled(&world).await;
    assert_eq!(metered(&world, "orders").await, billed_egress(&world));
    assert_eq!(world.booked("org-pu").await, world.billed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_refused_in_a_sentence_and_not_passed_on() {
    let large = Options {
        asset_bytes: 1 << 30,
        ..Options::default()
    };
    let world = World::start_before(large, SIXTY).await;
    let files = order(&world).await;
    let before = world.booked("org-pu").await;
    let reply = get(&files[0], &[]).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    let problem = reply.json();
    let text = problem["message"].as_str().expect("a sentence");
    for part in [
        "would cost up to 214.748365 PU",
        "'org-pu' has 20 of 60 PU left",
        "download of 1073741824 bytes",
        "none of which was passed on",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert_eq!(problem["violated-policies"], json!(["org-pu"]));
    assert_eq!(world.booked("org-pu").await, before);
    // what storage had sent by the time that it was hung up on fits into the sockets between
    assert!(billed_egress(&world) < micros(10_000_000));
    let manifest = get(files.last().expect("a manifest"), &[]).await;
    assert_eq!(manifest.status, StatusCode::OK, "a smaller one fits");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_margin_is_over_what_was_predicted_and_not_over_bytes_that_are_counted() {
    let policy = SIXTY.replace("60", "90");
    let policy = format!("{policy}[policy]\nsafety_margin = 1.5\n[prices]\negress_gb = 2500\n");
    let world = World::start_before(two_pu_files(), &policy).await;
    let files = order(&world).await; // 90 are reserved and 40 settled: 50 are left, for two files of 25
    for _ in 0..2 {
        assert_is_file(&get(&files[0], &[]).await, 0, TWO_PU);
        settled(&world).await;
    }
    assert_eq!(world.booked("org-pu").await, micros(90_000_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_left_storage_is_not_even_asked() {
    let world = World::start_before(two_pu_files(), SIXTY).await;
    let files = order(&world).await;
    for _ in 0..10 {
        assert_is_file(&get(&files[0], &[]).await, 0, TWO_PU);
    }
    settled(&world).await;
    assert_eq!(world.booked("org-pu").await, micros(60_000_000));
    let asked = at_storage(&world).len();
    let reply = get(&files[1], &[]).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    let text = reply.text();
    assert!(
        text.contains("has 0 of 60 PU left; more comes at"),
        "{text}"
    );
    assert_eq!(at_storage(&world).len(), asked);
    let look = call(Method::HEAD, &files[1], &[], Bytes::new()).await;
    assert_eq!(look.status, StatusCode::OK, "headers are free");
    assert_eq!(world.billed(), micros(60_000_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_at_once_for_the_last_of_a_cap_get_exactly_what_is_left() {
    let world = World::start_before(two_pu_files(), SIXTY).await;
    let file = order(&world).await[0].clone();
    let mut calls = JoinSet::new();
    for _ in 0..30 {
        let file = file.clone();
        calls.spawn(async move { get(&file, &[]).await.status });
    }
    let statuses = calls.join_all().await;
    let count = |status| statuses.iter().filter(|seen| **seen == status).count();
    assert_eq!(count(StatusCode::OK), 10, "{statuses:?}");
    assert_eq!(count(StatusCode::FORBIDDEN), 20);
    settled(&world).await;
    assert_eq!(world.booked("org-pu").await, micros(60_000_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_half_way_pays_for_what_had_left() {
    let large = Options {
        asset_bytes: HUGE,
        ..Options::default()
    };
    let world = World::start_before(large, &roomy()).await;
    let file = order(&world).await[0].clone();
    let before = world.booked("org-pu").await;
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::get(&file).body(Empty::new()).expect("a request");
    let mut body = client
        .request(request)
        .await
        .expect("an answer")
        .into_body();
    let mut read = 0;
    while read < 10_000_000 {
        let frame = body.frame().await.expect("more").expect("a frame");
        read += frame.into_data().map_or(0, |data| data.len());
    }
    assert_eq!(column(&world, "held").await, micros(80_000_000));
    drop((body, client));
    settled(&world).await;
    let charged = world.booked("org-pu").await.minus(before);
    assert!(charged >= billed_egress(&world), "{charged}");
    assert!(
        charged >= micros(2_000_000) && charged < micros(40_000_000),
        "{charged}"
    );
    assert!(column(&world, "unknown").await.is_zero());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_storage_breaks_off_is_not_taken_for_whole() {
    let world = World::start_before(two_pu_files(), SIXTY).await;
    let file = order(&world).await[0].clone();
    fault(&world, STORAGE, 1, "truncate");
    let cut = try_call(Method::GET, &file, &[], Bytes::new()).await;
    assert!(cut.is_none(), "it ended as if it were whole");
    settled(&world).await;
    let charged = metered(&world, "orders").await;
    assert!(charged >= billed_egress(&world) && charged <= micros(2_000_000));
    assert_is_file(&get(&file, &[]).await, 0, TWO_PU);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_in_the_middle_leaves_what_was_held_in_doubt() {
    let mut world = World::start_before(
        Options {
            asset_bytes: HUGE,
            ..Options::default()
        },
        &roomy(),
    )
    .await;
    let file = order(&world).await[0].clone();
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::get(&file).body(Empty::new()).expect("a request");
    let mut body = client
        .request(request)
        .await
        .expect("an answer")
        .into_body();
    body.frame().await.expect("more").expect("a frame");
    world.kill_and_restart();
    drop(body);
    assert_eq!(column(&world, "unknown").await, micros(80_000_000));
    assert!(world.booked("org-pu").await >= world.billed());
    // the same credentials, so the link is known still; it names the old port
    let path = &file[file.find("/compute").expect("a path")..];
    let part = get(
        &format!("{}{path}", world.guard.url),
        &[("range", "bytes=0-9")],
    )
    .await;
    assert_is_file(&part, 0, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_outlasts_the_drain_is_cut_off_and_settled() {
    let large = Options {
        asset_bytes: HUGE,
        ..Options::default()
    };
    let hurried = "[server.limits]\ndrain_timeout = \"200ms\"";
    let mut world = World::start_with(large, &roomy(), |base| {
        base.replace("[server.limits]", hurried)
    })
    .await;
    let file = order(&world).await[0].clone();
    let before = world.booked("org-pu").await;
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::get(&file).body(Empty::new()).expect("a request");
    let answer = client.request(request).await.expect("an answer");
    let mut body = answer.into_body();
    body.frame().await.expect("more").expect("a frame");
    world.stop_and_restart();
    drop(body);
    assert!(column(&world, "unknown").await.is_zero());
    let charged = world.booked("org-pu").await.minus(before);
    let billed = billed_egress(&world);
    assert!(
        charged >= billed && charged < micros(80_000_000),
        "{charged}, {billed} billed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_length_the_policy_decides() {
    let world = World::start_before(two_pu_files(), SIXTY).await;
    let file = order(&world).await[0].clone();
    let before = world.booked("org-pu").await;
    fault(&world, STORAGE, 1, "no-length");
    let reply = get(&file, &[]).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    assert!(reply.text().contains("Content-Length"), "{}", reply.text());
    assert!(
        reply.json()["type"]
            .to_string()
            .contains("cost-not-predictable")
    );
    assert_eq!(world.booked("org-pu").await, before);

    let allowing = format!("{SIXTY}[policy]\nunpredictable = \"allow\"\n");
    let world = World::start_before(two_pu_files(), &allowing).await;
    let file = order(&world).await[0].clone();
    fault(&world, STORAGE, 1, "no-length");
    let reply = get(&file, &[]).await;
    assert_eq!(reply.body.len() as u64, TWO_PU);
    settled(&world).await;
    assert_eq!(metered(&world, "orders").await, micros(2_000_000));
    assert_eq!(
        world.booked("org-pu").await,
        world.billed(),
        "counted all the same"
    );
    assert_eq!(column(&world, "overrun").await, micros(1_999_999));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_is_followed_to_named_hosts_and_nowhere_else() {
    let world = World::start(SIXTY).await;
    let file = order(&world).await[0].clone();
    let before = world.booked("org-pu").await;
    let port = world.simulator.address().port();
    for elsewhere in [
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "http://metadata.google.internal/computeMetadata/v1/".to_owned(),
        format!("http://[::1]:{port}/_storage/blob?bytes=9"),
        format!("https://localhost:{port}/_storage/blob?bytes=9"),
        format!("http://user@localhost:{port}/_storage/blob?bytes=9"),
        format!("http://localhost.evil.org:{port}/x"),
        "http://localhost/x".to_owned(),
        "file:///etc/passwd".to_owned(),
    ] {
        // from Planet, and from storage itself
        for from in ["/compute/ops/download", STORAGE] {
            fault(&world, from, 1, &format!("redirect={elsewhere}"));
            let reply = get(&file, &[]).await;
            let text = reply.text();
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{elsewhere}: {text}");
            assert!(text.contains("download-not-followed"), "{text}");
            assert!(reply.headers.get("location").is_none());
        }
    }
    assert_eq!(world.booked("org-pu").await, before, "nothing was charged");
    assert_eq!(world.billed(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_may_lead_on_a_few_times_but_not_in_circles() {
    let world = World::start(SIXTY).await;
    let file = order(&world).await[0].clone();
    let port = world.simulator.address().port();
    fault(&world, STORAGE, 3, "redirect=/_storage/blob?bytes=1000");
    let reply = get(&file, &[]).await;
    assert_is_file(&reply, 0, 1000);
    fault(
        &world,
        STORAGE,
        50,
        &format!("redirect=http://localhost:{port}/_storage/blob"),
    );
    let reply = get(&file, &[]).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    assert!(reply.text().contains("on and on"), "{}", reply.text());
    assert!(at_storage(&world).len() < 15, "it gives up early");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_back_to_planet_comes_back_to_the_guard() {
    let world = World::start(SIXTY).await;
    let file = order(&world).await[0].clone();
    let planet = format!(
        "http://{}/orders/v2/download?token=a.b.c",
        world.simulator.address()
    );
    fault(
        &world,
        "/compute/ops/download",
        1,
        &format!("redirect={planet}"),
    );
    let reply = get(&file, &[]).await;
    assert_eq!(reply.status, StatusCode::FOUND);
    let home = format!("{}/orders/v2/download?token=qgd_", world.guard.url);
    assert!(
        reply.header("location").starts_with(&home),
        "{:?}",
        reply.headers
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_not_ours_or_has_ended_is_refused_and_leads_nowhere() {
    let world = World::start(SIXTY).await;
    let files = order(&world).await;
    let (base, token) = files[0].split_once("token=").expect("a token");
    let mut forged = token.to_owned();
    forged.replace_range(20..21, if &token[20..21] == "A" { "B" } else { "A" });
    let asked = world.simulator.requests().len();
    let page = format!("{}/quota-guard/v1/downloads", world.guard.url);
    for link in [
        format!("{base}token={forged}"),
        format!("{base}token={}", &token[..token.len() / 2]),
        format!("{base}token=qgd_"),
        format!("{page}/planet/{token}/file.tif"),
        format!("{page}/planet/{forged}"),
        format!("{page}/planet/x"),
    ] {
        let reply = get(&link, &[]).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{link}");
        assert!(reply.text().contains("link-ended"), "{}", reply.text());
    }
    for link in [
        format!("{page}/elsewhere/{token}"),
        format!("{page}/planet"),
        format!("{page}/"),
    ] {
        let reply = with_key(Method::GET, &link, &[]).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{link}");
    }
    let twice = get(&format!("{}&token=x", files[0]), &[]).await;
    assert_eq!(twice.status, StatusCode::BAD_REQUEST);
    let posted = call(
        Method::POST,
        &format!("{page}/planet/{token}"),
        &[],
        Bytes::new(),
    )
    .await;
    assert_eq!(posted.status, StatusCode::FORBIDDEN);
    assert_eq!(world.simulator.requests().len(), asked, "nobody was asked");
    let wrong_key = get(&files[0], &[("authorization", "api-key qg_nobody")]).await;
    assert_eq!(wrong_key.status, StatusCode::UNAUTHORIZED);
    let no_link = get(&format!("{base}token=e30.e30.x"), &[]).await;
    assert_eq!(
        no_link.status,
        StatusCode::UNAUTHORIZED,
        "a key or a link of ours"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_in_storage_become_pages_of_the_guards_own() {
    let bare = Options {
        bare_locations: true,
        ..Options::default()
    };
    let world = World::start_before(bare, SIXTY).await;
    let files = order(&world).await;
    let page = format!("{}/quota-guard/v1/downloads/planet/qgd_", world.guard.url);
    assert!(files[0].starts_with(&page), "{}", files[0]);
    assert!(files[0].contains("/20260601_101500_11_24f1_") && !files[0].contains(STORAGE));
    assert_is_file(&get(&files[0], &[]).await, 0, 1 << 20);
    let part = get(&files[1], &[("range", "bytes=5-9")]).await;
    assert_is_file(&part, 5, 5);
    settled(&world).await;
    assert_eq!(metered(&world, "orders").await, billed_egress(&world));
    let dry = get(&files[0], &[("quota-guard-dry-run", "1")]).await;
    assert_eq!(dry.json()["api"], "orders");
    let forbidding = [("quota-guard-max", "pu=0.1")];
    let over = get(&files[0], &forbidding).await;
    assert_eq!(over.status, StatusCode::FORBIDDEN);
    assert!(over.text().contains("ceiling-exceeded"), "{}", over.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asset_is_activated_and_downloaded_by_its_own_link() {
    let world = World::start(&SIXTY.replace("60", "600")).await;
    let assets = format!(
        "{}/data/v1/item-types/PSScene/items/20260601_101500_11_24f1/assets",
        world.guard.url
    );
    let listed = with_key(Method::GET, &assets, &[]).await.json();
    let activate = listed["ortho_visual"]["_links"]["activate"].clone();
    let activate = activate.as_str().expect("a link");
    while with_key(Method::GET, activate, &[]).await.status != StatusCode::NO_CONTENT {}
    let active = with_key(Method::GET, &assets, &[]).await.json();
    let location = active["ortho_visual"]["location"].clone();
    let location = location.as_str().expect("a location");
    let dry = with_key(Method::GET, location, &[("quota-guard-dry-run", "1")]).await;
    let estimate = dry.json();
    assert_eq!(estimate["decision"], "forward");
    assert_eq!(estimate["exact"], false);
    assert!(
        estimate["lines"].to_string().contains("200 PU for each GB"),
        "{estimate}"
    );
    let reply = get(location, &[]).await;
    assert_is_file(&reply, 0, 1 << 20);
    settled(&world).await;
    assert_eq!(metered(&world, "data").await, billed_egress(&world));
    let path = location.strip_prefix(&*world.guard.url).expect("ours");
    let question = json!({"method": "GET", "path": path});
    let asked = post(
        &format!("{}/quota-guard/v1/estimate", world.guard.url),
        &question,
    )
    .await;
    assert_eq!(asked.json()["api"], "data", "{}", asked.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quad_is_charged_when_it_is_asked_for_so_its_bytes_are_reserved_with_it() {
    let policy =
        "[[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = 3100\nwindow = \"month\"\n";
    let world = World::start(policy).await;
    let quads = format!(
        "{}/basemaps/v1/mosaics/global_monthly_2026_07_mosaic/quads?bbox=14,46,14.1,46.1",
        world.guard.url
    );
    let listed = with_key(Method::GET, &quads, &[]).await;
    let text = listed.text();
    assert!(!text.contains(UPSTREAM_KEY) && text.contains(KEY), "{text}");
    let link = listed.json()["items"][0]["_links"]["download"].clone();
    let link = link.as_str().expect("a link");
    assert_is_file(&get(link, &[]).await, 0, 1 << 20);
    settled(&world).await;
    let once = world.booked("org-pu").await;
    assert!(once >= world.billed());
    assert!(
        once < micros(3_001_000_000),
        "the quad and its megabyte: {once}"
    );
    // there is no room for a second one and its bytes, so it is not even asked for
    let billed = world.billed();
    let refused = get(link, &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
    assert_eq!(world.billed(), billed);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_metering_redirects_pass_on_and_the_order_reserves_the_bytes() {
    let roomy = "[[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = 1000\nwindow = \"month\"\n\
                 [policy]\nmeter_egress = false\n";
    let unfollowed = |base: String| {
        let lines = base.lines();
        let kept = lines.filter(|line| !line.starts_with("download_hosts"));
        kept.collect::<Vec<_>>().join("\n") + "\n"
    };
    let world = World::start_changed(roomy, unfollowed).await;
    let file = order(&world).await[0].clone();
    assert!(!file.contains("qgd_"), "{file}");
    let booked = world.booked("org-pu").await;
    assert!(
        booked > micros(300_000_000),
        "the most that its bytes may cost: {booked}"
    );
    let reply = with_key(Method::GET, &file, &[]).await;
    assert_eq!(reply.status, StatusCode::FOUND);
    let storage = reply.header("location").to_owned();
    assert!(storage.contains(STORAGE), "{storage}");
    assert_is_file(&get(&storage, &[]).await, 0, 1 << 20);
    assert_eq!(world.booked("org-pu").await, booked);
}

/// A storage host that answers with these bytes, whatever it is asked.
async fn lying(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            _ = stream.read(&mut head).await;
            _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_that_lies_neither_cheats_the_books_nor_the_client() {
    let short = lying("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabcde").await;
    let long = lying("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcdeWELL, MORE").await;
    let twice =
        lying("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 9\r\n\r\nabcdefghi").await;
    let world = World::start_changed(SIXTY, |base| {
        let listed = format!("download_hosts = [\"{short}\", \"{long}\", \"{twice}\", ");
        base.replace("download_hosts = [", &listed)
    })
    .await;
    let file = order(&world).await[0].clone();
    let lead = |to: &str| {
        let download = "/compute/ops/download";
        fault(&world, download, 1, &format!("redirect={to}/x"));
    };
    lead(&short);
    let cut = try_call(Method::GET, &file, &[], Bytes::new()).await;
    assert!(cut.is_none(), "half of it was taken for all");
    lead(&long);
    let reply = get(&file, &[]).await;
    assert_eq!(&*reply.body, b"abcde", "no more than was announced");
    lead(&twice);
    let refused = get(&file, &[]).await;
    assert!(
        refused.status.is_server_error(),
        "{} {}",
        refused.status,
        refused.text()
    );
    settled(&world).await;
    // ten bytes and five, each a millionth for five
    assert_eq!(metered(&world, "orders").await, micros(3));
}
