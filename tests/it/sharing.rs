//! One answer for several requests: identical ones at the same time ask upstream once, and what upstream
//! lets a cache keep is kept where the policy wants it. Nobody gets what is another's.

use std::time::Duration;

use http::{Method, StatusCode};
use quota_guard::simulator::Fault;
use quota_guard::units::Amount;
use tokio::task::JoinSet;

use crate::harness::{KEY, Reply, World, get, try_call};

const OTHER_KEY: &str = "qg_forestry";
const TILE: &str = "/tiles/basemaps/v1/planet-tiles/global_monthly_2026_07_mosaic/gmap/10/5/7.png";
const MAP: &str = "/sentinel-hub/ogc/wms/0b1c?SERVICE=WMS&REQUEST=GetMap&VERSION=1.3.0&LAYERS=ndvi&FORMAT=image/png\
                   &WIDTH=512&HEIGHT=512&CRS=EPSG:3857&BBOX=0,0,5120,5120&TIME=2026-06-01/2026-06-02";
/// Long enough for fifty requests to arrive.
const SLOW: &str = "delay=1500ms";
/// Long enough for a few.
const A_LITTLE_SLOW: &str = "delay=500ms";
const FRESH: &str = "header=cache-control: public, max-age=600; header=etag: \"a\"";
const STALE: &str =
    "header=cache-control: public, max-age=600; header=etag: \"a\"; header=age: 600";
const KEEPING: &str = "[cache]\nsize = \"8MiB\"\n";

/// Budgets of PU and of requests, a second team, a bound for maps, and whatever else.
fn policy(more: &str) -> String {
    let hash = quota_guard::identity::hash(OTHER_KEY);
    format!(
        "[[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = 100\nwindow = \"month\"\n\
         [[budgets]]\nname = \"calls\"\nunit = \"requests\"\nlimit = 1000\nwindow = \"day\"\n\
         [[bounds]]\nmatch = {{ apis = [\"ogc\"] }}\npu = 4.0\n\
         [[teams]]\nname = \"forestry\"\nkeys = [{{ id = \"fo\", sha256 = \"{hash}\" }}]\n{more}"
    )
}

/// The next so many calls suffer this.
fn next(world: &World, times: u32, fault: &str) {
    let fault = Fault::new(Some("GET"), "/", times, fault).expect("a fault");
    world.simulator.inject(fault);
}

async fn ask(url: String, key: &str, more: &[(&str, &str)]) -> Option<Reply> {
    let authorization = format!("Bearer {key}");
    let mut headers = vec![("authorization", &*authorization)];
    headers.extend_from_slice(more);
    try_call(Method::GET, &url, &headers, bytes::Bytes::new()).await
}

async fn one(world: &World, path: &str, key: &str, more: &[(&str, &str)]) -> Reply {
    let url = format!("{}{path}", world.guard.url);
    ask(url, key, more).await.expect("an answer")
}

/// The same, asked by each of these keys at the same time.
async fn at_once(world: &World, path: &str, keys: &[&'static str]) -> Vec<Option<Reply>> {
    let mut calls = JoinSet::new();
    for key in keys.iter().copied() {
        let url = format!("{}{path}", world.guard.url);
        calls.spawn(async move { ask(url, key, &[]).await });
    }
    calls.join_all().await
}

fn whose(replies: &[Option<Reply>], word: &str) -> usize {
    let replies = replies.iter().flatten();
    replies
        .filter(|reply| reply.header("quota-guard-cache") == word)
        .count()
}

fn all_fine(replies: &[Option<Reply>]) -> bool {
    let fine = |reply: &Option<Reply>| {
        let whole = |reply: &Reply| reply.status == StatusCode::OK && reply.body.len() > 50;
        reply.as_ref().is_some_and(whole)
    };
    replies.iter().all(fine)
}

/// Calls that went upstream.
fn asked(world: &World) -> usize {
    world.simulator.requests().len()
}

fn whole(units: u64) -> Amount {
    Amount::from_whole(units).expect("an amount")
}

async fn calls(world: &World) -> Amount {
    let series = "quota_guard_budget_settled{budget=\"calls\",partition=\"\",unit=\"requests\"}";
    world.metric(series).await
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_who_ask_for_one_tile_at_once_are_charged_for_one() {
    let world = World::start(&policy("")).await;
    next(&world, 1, SLOW);
    let replies = at_once(&world, TILE, &[KEY; 50]).await;
    assert!(all_fine(&replies), "{replies:?}");
    assert_eq!(
        (whose(&replies, "miss"), whose(&replies, "coalesced")),
        (1, 49)
    );
    assert_eq!((asked(&world), world.billed()), (1, whole(1)));
    assert_eq!(world.booked("org-pu").await, whole(1));
    assert_eq!(calls(&world).await, whole(50), "each was a request");
    let first = replies[0].as_ref().expect("an answer");
    for reply in replies.iter().flatten() {
        assert_eq!(reply.body, first.body);
        let charge = reply.header("quota-guard-charge");
        let coalesced = reply.header("quota-guard-cache") == "coalesced";
        assert_eq!(charge.contains("pu=0"), coalesced, "{:?}", reply.headers);
    }
    let saved = "quota_guard_saved_total{api=\"tiles\",cache=\"coalesced\",team=\"agriculture\",unit=\"pu\"}";
    assert_eq!(world.metric(saved).await, whole(49));

    let later = one(&world, TILE, KEY, &[]).await;
    assert_eq!(
        later.header("quota-guard-cache"),
        "miss",
        "nothing was kept"
    );
    assert_eq!(world.billed(), whole(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_in_what_upstream_is_shown_is_asked_apart() {
    let world = World::start(&policy("")).await;
    next(&world, 4, SLOW);
    let paths = [
        TILE.to_owned(),
        TILE.replace("7.png", "8.png"),
        format!("{TILE}?proc=ndvi"),
    ];
    let urls = paths.map(|path| format!("{}{path}", world.guard.url));
    let [first, other, processed] = &urls;
    let webp = [("accept", "image/webp")];
    let agents = [[("user-agent", "a")], [("user-agent", "b")]];
    let replies = tokio::join!(
        ask(first.clone(), KEY, &agents[0]),
        ask(first.clone(), KEY, &agents[1]),
        ask(first.clone(), KEY, &webp),
        ask(other.clone(), KEY, &[]),
        ask(processed.clone(), KEY, &[]),
    );
    let replies = [replies.0, replies.1, replies.2, replies.3, replies.4];
    assert!(all_fine(&replies), "{replies:?}");
    assert_eq!(
        whose(&replies, "coalesced"),
        1,
        "browsers may call themselves what they like"
    );
    assert_eq!(asked(&world), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn teams_share_where_the_guard_shows_its_own_credential() {
    let poor = "[[budgets]]\nname = \"poor\"\nunit = \"pu\"\nlimit = 0.5\nwindow = \"day\"\n\
                match = { teams = [\"forestry\"] }\n";
    let world = World::start(&policy(poor)).await;
    let alone = one(&world, TILE, OTHER_KEY, &[]).await;
    assert_eq!(alone.status, StatusCode::FORBIDDEN, "{}", alone.text());
    next(&world, 1, SLOW);
    let leader = tokio::spawn(ask(format!("{}{TILE}", world.guard.url), KEY, &[]));
    arrived(&world, 1).await;
    let theirs = one(&world, TILE, OTHER_KEY, &[]).await;
    assert_eq!(
        theirs.header("quota-guard-cache"),
        "coalesced",
        "{}",
        theirs.text()
    );
    assert!(leader.await.expect("it ends").is_some());
    assert_eq!(world.billed(), whole(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_of_nothing_lets_not_even_anothers_answer_pass() {
    let nothing = "[[budgets]]\nname = \"none\"\nunit = \"pu\"\nlimit = 0\nwindow = \"day\"\n\
                   match = { teams = [\"forestry\"] }\n";
    let world = World::start(&policy(nothing)).await;
    next(&world, 1, SLOW);
    let keys = [KEY, KEY, OTHER_KEY, OTHER_KEY];
    let replies = at_once(&world, TILE, &keys).await;
    let refused = replies.iter().flatten();
    let refused = refused.filter(|reply| reply.status == StatusCode::FORBIDDEN);
    assert_eq!(refused.count(), 2, "{replies:?}");
    assert_eq!(world.billed(), whole(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_who_show_credentials_of_their_own_never_share() {
    let world = World::start(&policy("")).await;
    next(&world, 2, SLOW);
    let replies = at_once(&world, MAP, &[KEY, KEY, OTHER_KEY, OTHER_KEY]).await;
    assert!(all_fine(&replies), "{replies:?}");
    assert_eq!(
        (whose(&replies, "miss"), whose(&replies, "coalesced")),
        (2, 2)
    );
    assert_eq!(asked(&world), 2, "each credential once");
    assert_eq!(world.booked("org-pu").await, world.billed());
    for reply in replies.iter().flatten() {
        let told = reply.headers.contains_key("x-processunits");
        let paid = reply.header("quota-guard-cache") == "miss";
        assert_eq!(told, paid, "who was not charged is not told of a charge");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_fails_takes_nobody_with_it() {
    for fault in ["status=500", "reset-after-charge", "stall", "truncate"] {
        let world = World::start(&policy("")).await;
        next(&world, 1, &format!("{A_LITTLE_SLOW}; {fault}"));
        let leader = tokio::spawn(ask(format!("{}{TILE}", world.guard.url), KEY, &[]));
        arrived(&world, 1).await;
        let replies = at_once(&world, TILE, &[KEY; 5]).await;
        assert!(all_fine(&replies), "{fault}: {replies:?}");
        let failed = leader.await.expect("it ends");
        let unharmed = failed.is_some_and(|reply| reply.status == StatusCode::OK);
        assert!(!unharmed, "{fault} struck the leader");
        assert_eq!(asked(&world), 6, "{fault}: each went on by itself");
        assert!(world.booked("org-pu").await >= world.billed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_hangs_up_is_no_loss_to_those_behind_it() {
    let world = World::start(&policy("")).await;
    next(&world, 1, SLOW);
    let leader = tokio::spawn(ask(format!("{}{TILE}", world.guard.url), KEY, &[]));
    arrived(&world, 1).await;
    let url = format!("{}{TILE}", world.guard.url);
    let behind = tokio::spawn(ask(url, KEY, &[]));
    tokio::time::sleep(Duration::from_millis(100)).await;
    leader.abort();
    let reply = behind.await.expect("it ends").expect("an answer");
    assert_eq!(
        reply.header("quota-guard-cache"),
        "coalesced",
        "{}",
        reply.text()
    );
    assert_eq!((asked(&world), world.billed()), (1, whole(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_may_not_go_makes_room_for_the_next() {
    let poor = "[[budgets]]\nname = \"poor\"\nunit = \"pu\"\nlimit = 0.5\nwindow = \"day\"\n\
                match = { teams = [\"forestry\"] }\n";
    let world = World::start(&policy(poor)).await;
    next(&world, 1, SLOW);
    let mut keys = vec![OTHER_KEY; 3];
    keys.extend([KEY; 10]);
    let replies = at_once(&world, TILE, &keys).await;
    let fine = replies
        .iter()
        .flatten()
        .filter(|reply| reply.status == StatusCode::OK);
    assert!(fine.count() >= 10, "{replies:?}");
    assert_eq!(world.billed(), whole(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_somebodys_own_or_too_large_is_not_shared() {
    for (more, fault) in [
        ("", "header=cache-control: private, max-age=60"),
        ("", "header=cache-control: no-store"),
        ("", "header=set-cookie: a=b"),
        ("", "header=vary: *"),
        ("", "header=vary: x-forwarded-for"),
        ("[cache]\nmax_body = \"100B\"\n", "header=x-nothing: 1"),
        ("[cache]\ncoalesce = false\n", "header=x-nothing: 1"),
    ] {
        let world = World::start(&policy(more)).await;
        next(&world, 4, &format!("{A_LITTLE_SLOW}; {fault}"));
        let replies = at_once(&world, TILE, &[KEY; 4]).await;
        assert!(all_fine(&replies), "{fault}: {replies:?}");
        assert_eq!(asked(&world), 4, "{more} {fault}");
        assert_eq!(world.booked("org-pu").await, whole(4), "{more} {fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_another_one_is_still_known_permitted_and_paced() {
    let hash = quota_guard::identity::hash("qg_orders");
    let more = format!(
        "[[paces]]\nname = \"slow\"\nper = \"team\"\nrate = \"1/h\"\nmatch = {{ teams = [\"forestry\"] }}\n\
         [[teams]]\nname = \"clerks\"\nkeys = [{{ id = \"cl\", sha256 = \"{hash}\", apis = [\"orders\"] }}]\n\
         {KEEPING}"
    );
    let world = World::start(&policy(&more)).await;
    next(&world, 1, FRESH);
    assert_eq!(
        one(&world, TILE, OTHER_KEY, &[]).await.status,
        StatusCode::OK
    );
    for (key, status) in [
        ("qg_nobody", StatusCode::UNAUTHORIZED),
        ("qg_orders", StatusCode::FORBIDDEN),
        (OTHER_KEY, StatusCode::TOO_MANY_REQUESTS),
        (KEY, StatusCode::OK),
    ] {
        let reply = one(&world, TILE, key, &[]).await;
        assert_eq!(reply.status, status, "{key}: {}", reply.text());
    }
    assert_eq!((asked(&world), calls(&world).await), (1, whole(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_upstream_lets_a_cache_keep_costs_once() {
    let world = World::start(&policy(KEEPING)).await;
    next(&world, 1, FRESH);
    let first = one(&world, TILE, KEY, &[]).await;
    assert_eq!(first.header("quota-guard-cache"), "miss");
    for key in [KEY, OTHER_KEY] {
        let hit = one(&world, TILE, key, &[]).await;
        assert_eq!(hit.header("quota-guard-cache"), "hit");
        assert_eq!(hit.body, first.body);
        assert!(hit.header("age").parse::<u64>().is_ok_and(|age| age < 600));
        assert_eq!(hit.header("quota-guard-charge"), "pu=0, tiles=0");
        assert!(hit.header("ratelimit").starts_with("\"calls\";r="));
    }
    assert_eq!((asked(&world), world.billed()), (1, whole(1)));
    assert_eq!(world.booked("org-pu").await, whole(1));
    assert_eq!(calls(&world).await, whole(3));
    let saved =
        "quota_guard_saved_total{api=\"tiles\",cache=\"hit\",team=\"forestry\",unit=\"pu\"}";
    assert_eq!(world.metric(saved).await, whole(1));
    assert!(!world.metric("quota_guard_cache_bytes").await.is_zero());

    let known = one(&world, TILE, KEY, &[("if-none-match", "\"a\"")]).await;
    assert_eq!(
        (known.status, known.body.len()),
        (StatusCode::NOT_MODIFIED, 0)
    );
    let anew = one(&world, TILE, KEY, &[("cache-control", "no-cache")]).await;
    assert_eq!(anew.header("quota-guard-cache"), "miss");
    assert_eq!(asked(&world), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_upstreams_leave_or_the_policys_nothing_is_kept() {
    for (more, fault) in [
        (KEEPING, "header=cache-control: max-age=600"),
        (KEEPING, "header=cache-control: public"),
        (
            KEEPING,
            "header=cache-control: public, max-age=600, no-store",
        ),
        (KEEPING, "header=cache-control: private, s-maxage=600"),
        ("", FRESH),
    ] {
        let world = World::start(&policy(more)).await;
        next(&world, 2, fault);
        for _ in 0..2 {
            let reply = one(&world, TILE, KEY, &[]).await;
            assert_eq!(reply.header("quota-guard-cache"), "miss", "{fault}");
        }
        assert_eq!((asked(&world), world.billed()), (2, whole(2)), "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_longer_than_the_policy_says() {
    let more = "[cache]\nsize = \"8MiB\"\nmax_age = \"50ms\"\n";
    let world = World::start(&policy(more)).await;
    next(&world, 2, FRESH);
    one(&world, TILE, KEY, &[]).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    let later = one(&world, TILE, KEY, &[]).await;
    assert_eq!(later.header("quota-guard-cache"), "miss");
    assert_eq!(asked(&world), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn upstream_is_asked_whether_a_stale_answer_holds_and_the_books_stay_on_the_safe_side() {
    // whether Planet charges for "not modified" is published for Sentinel Hub alone: it does not
    for (path, charged) in [(MAP, false), (TILE, true)] {
        let world = World::start(&policy(KEEPING)).await;
        next(&world, 2, STALE);
        let first = one(&world, path, KEY, &[]).await;
        assert_eq!(first.status, StatusCode::OK, "{}", first.text());
        let once = world.booked("org-pu").await;
        let held = one(&world, path, KEY, &[]).await;
        assert_eq!(held.status, StatusCode::OK, "{}", held.text());
        assert_eq!(held.header("quota-guard-cache"), "revalidated");
        assert_eq!(held.body, first.body);
        assert!(!held.headers.contains_key("x-processunits"));
        assert_eq!(asked(&world), 2);
        let booked = world.booked("org-pu").await;
        assert_eq!(booked > once, charged, "{path}: {booked}");
        assert_eq!(booked, world.billed(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_varies_by_a_header_serves_those_who_send_the_same() {
    let world = World::start(&policy(KEEPING)).await;
    next(&world, 2, &format!("{FRESH}; header=vary: User-Agent"));
    let as_agent = async |agent| {
        let reply = one(&world, TILE, KEY, &[("user-agent", agent)]).await;
        reply.header("quota-guard-cache").to_owned()
    };
    assert_eq!(as_agent("qgis").await, "miss");
    assert_eq!(as_agent("qgis").await, "hit");
    assert_eq!(as_agent("browser").await, "miss");
    assert_eq!(asked(&world), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_ordered_or_changed_is_never_anothers() {
    let world = World::start(&policy(KEEPING)).await;
    let path = "/compute/ops/orders/v2";
    next(&world, 2, FRESH);
    for _ in 0..2 {
        let reply = one(&world, path, KEY, &[]).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        assert_eq!(reply.header("quota-guard-cache"), "");
    }
    assert_eq!(asked(&world), 2, "what is free is asked for each time");
    let part = one(&world, TILE, KEY, &[("range", "bytes=0-9")]).await;
    assert_eq!(part.header("quota-guard-cache"), "", "a part is one's own");
    let page = get(&format!("{}/metrics", world.guard.admin), &[]).await;
    assert!(!page.text().contains(KEY));
}

/// Waits until so many requests have arrived upstream.
async fn arrived(world: &World, count: usize) {
    for _ in 0..400 {
        if asked(world) >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{count} requests never arrived");
}
