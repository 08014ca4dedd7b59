use std::io::Write as _;

use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body_util::BodyExt;
use proptest::prelude::*;

use super::*;
use crate::clock::ManualClock;
use crate::guard::answer::Provenance;
use crate::guard::margins::Margins;
use crate::guard::places::Places;
use crate::guard::predict::understand;
use crate::guard::weigh::weigh;
use crate::identity::Presented;
use crate::planet::{self, Asked, Deployment, Target, UpstreamKind, classify};
use crate::upstream::{Body, full};

const NOON: &str = "2026-11-22T12:00:00Z";
const TILE: &str = "/basemaps/v1/planet-tiles/m/gmap/1/1/1.png";
const MAP: &str =
    "/ogc/wms/a?REQUEST=GetMap&LAYERS=l&FORMAT=image/png&WIDTH=9&HEIGHT=9&BBOX=0,0,9,9";

fn policy(more: &str) -> Policy {
    let text = format!(
        "[upstreams.tiles]\nurl = \"https://tiles.planet.com\"\nmount = \"/tiles\"\n\
         credential = {{ api_key = {{ file = \"KEY_FILE\" }} }}\n\
         [upstreams.sentinel-hub]\nurl = \"https://a\"\nmount = \"/hub\"\n\
         [[bounds]]\nmatch = {{ apis = [\"ogc\"] }}\npu = 4.0\n\
         [[budgets]]\nname = \"none\"\nunit = \"pu\"\nlimit = 0\nwindow = \"day\"\nmatch = {{ keys = [\"poor-1\"] }}\n\
         [[teams]]\nname = \"poor\"\nkeys = [{{ id = \"poor-1\", sha256 = \"{}\" }}]\n{more}",
        "1".repeat(64)
    );
    let file = KEY_FILE.path().to_str().expect("a path");
    Policy::parse(&text.replace("KEY_FILE", file), "p.toml")
        .unwrap_or_else(|error| panic!("{error}"))
}

static KEY_FILE: std::sync::LazyLock<tempfile::NamedTempFile> = std::sync::LazyLock::new(|| {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(b"PLAK-upstream").expect("written");
    file
});

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::from_static(name);
        headers.append(name, HeaderValue::from_str(value).expect("a value"));
    }
    headers
}

/// The key of a request by `caller`, who shows `presented`.
fn key_of(
    method: &Method,
    mount: &str,
    target: &str,
    more: &[(&'static str, &str)],
    who: &str,
) -> Option<Key> {
    let policy = policy("");
    let places = Places::open(&policy).expect("places");
    let whole = format!("{mount}{target}");
    let target = Target::parse(&whole).expect("a target");
    let (place, path) = places.find(target.path()).expect("a place");
    let kind = match mount {
        "/tiles" => UpstreamKind::Tiles,
        _ => UpstreamKind::SentinelHub,
    };
    let request = headers(more);
    let asked = Asked {
        method,
        route: &classify(kind, method, path),
        path,
        query: target.query(),
        headers: &request,
        body: &[],
        deployment: Deployment::Main,
        found: planet::Found::default(),
    };
    let shown = headers(&[("authorization", &format!("Bearer {who}"))]);
    let presented = Presented::find(&shown, None).expect("a key");
    let caller = Caller {
        team: "team".into(),
        key: who.into(),
        apis: None,
    };
    let margins = Margins::new(&policy, []);
    let now = NOON.parse().expect("a time");
    let understood = understand(&policy, &asked, now).ok()?;
    let weighed = weigh(&policy, &margins, &caller, asked.route.api, understood, now).ok()?;
    Key::of(&Asking::new(place, &asked, &presented, &weighed, true))
}

fn tile(target: &str, more: &[(&'static str, &str)]) -> Option<Key> {
    key_of(&Method::GET, "/tiles", target, more, "one")
}

#[test]
fn two_requests_are_the_same_if_upstream_could_not_tell_them_apart() {
    let plain = tile(TILE, &[]);
    assert!(plain.is_some());
    for same in [
        tile(TILE, &[("user-agent", "a")]),
        tile(
            TILE,
            &[("sec-fetch-mode", "cors"), ("x-forwarded-for", "10.0.0.1")],
        ),
        tile(
            TILE,
            &[("authorization", "Bearer one"), ("if-none-match", "\"a\"")],
        ),
        tile(&format!("{TILE}?api_key=one"), &[]),
        key_of(&Method::GET, "/tiles", TILE, &[], "two"),
    ] {
        assert_eq!(same, plain);
    }
    for other in [
        tile(TILE, &[("accept", "image/webp")]),
        tile(TILE, &[("accept-encoding", "gzip")]),
        tile(TILE, &[("origin", "https://a")]),
        tile(TILE, &[("x-anything", "1")]),
        tile(&TILE.replace("/m/", "/n/"), &[]),
        tile(&format!("{TILE}?proc=ndvi"), &[]),
    ] {
        assert!(other.is_some() && other != plain);
    }
}

#[test]
fn where_each_shows_its_own_credential_only_the_same_one_is_the_same() {
    let map = |more, who| key_of(&Method::GET, "/hub", MAP, more, who);
    assert_eq!(
        map(&[], "one"),
        map(&[("accept-encoding", "gzip")], "one"),
        "it is sent to nobody"
    );
    assert!(map(&[], "one").is_some());
    assert_ne!(map(&[], "one"), map(&[], "two"));
}

#[test]
fn what_is_answered_for_itself_alone_has_no_key() {
    for (method, target, more, who) in [
        (Method::HEAD, TILE, None, "one"),
        (Method::GET, TILE, Some(("range", "bytes=0-1")), "one"),
        (Method::GET, TILE, Some(("cookie", "a=b")), "one"),
        (
            Method::GET,
            "/basemaps/v1/planet-tiles/m/thumb",
            None,
            "one",
        ),
        (
            Method::GET,
            "/basemaps/v1/wmts?REQUEST=GetCapabilities",
            None,
            "one",
        ),
        (Method::GET, TILE, None, "poor-1"),
    ] {
        let more = more.into_iter().collect::<Vec<_>>();
        let key = key_of(&method, "/tiles", target, &more, who);
        assert_eq!(key, None, "{method} {target} {more:?} {who}");
    }
}

struct World {
    sharing: Arc<Sharing>,
    clock: Arc<ManualClock>,
}

impl World {
    fn new(more: &str) -> Self {
        let clock = ManualClock::starting(NOON.parse().expect("a time"));
        Self {
            sharing: Sharing::new(&policy(more)),
            clock: Arc::new(clock),
        }
    }

    async fn find(&self, request: &[(&'static str, &str)]) -> Found {
        let request = headers(request);
        let terms = Terms::of(&request);
        let key = tile(TILE, &[]).expect("a key");
        self.sharing.find(key, &request, &terms, &*self.clock).await
    }

    async fn lead(&self) -> Box<Lead> {
        match self.find(&[]).await {
            Found::Nothing(Part::Lead(lead)) => lead,
            _ => panic!("there was something"),
        }
    }

    async fn land(
        &self,
        lead: Box<Lead>,
        response: Response<Body>,
    ) -> (Response<Body>, Provenance) {
        lead.land(response, self.clock.now()).await
    }
}

fn answer(status: u16, more: &[(&'static str, &str)], body: &'static str) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    *response.headers_mut() = headers(more);
    response
}

async fn text(response: Response<Body>) -> String {
    let bytes = response
        .into_body()
        .collect()
        .await
        .expect("whole")
        .to_bytes();
    String::from_utf8(bytes.to_vec()).expect("text")
}

const KEEPING: &str = "[cache]\nsize = \"1MiB\"\n";
const FRESH: [(&str, &str); 3] = [
    ("cache-control", "public, max-age=60"),
    ("etag", "\"a\""),
    ("x-processunits", "1"),
];

#[tokio::test]
async fn what_is_kept_is_given_while_it_is_fresh_and_then_asked_about() {
    let world = World::new(KEEPING);
    let lead = world.lead().await;
    let (response, provenance) = world.land(lead, answer(200, &FRESH, "tile")).await;
    assert!(
        response.headers().contains_key("x-processunits"),
        "its own cost"
    );
    assert_eq!(
        (text(response).await.as_str(), provenance),
        ("tile", Provenance::Miss)
    );

    world.clock.advance(Duration::from_secs(59));
    let Found::Fresh(kept) = world.find(&[]).await else {
        panic!("it is fresh");
    };
    let hit = Handed::kept(kept, world.clock.now());
    assert_eq!(hit.response.headers()["age"], "59");
    assert!(!hit.response.headers().contains_key("x-processunits"));
    assert!(matches!(
        world.find(&[("cache-control", "max-age=58")]).await,
        Found::Nothing(_)
    ));

    world.clock.advance(Duration::from_secs(1));
    let mut part = Part::Lead(world.lead().await);
    let mut question = HeaderMap::new();
    part.ask(&mut question);
    assert_eq!(question["if-none-match"], "\"a\"");
    let Part::Lead(lead) = part else { panic!() };
    let news = [
        ("cache-control", "public, max-age=30"),
        ("content-length", "0"),
    ];
    let (response, provenance) = world.land(lead, answer(304, &news, "")).await;
    assert_eq!(
        (response.status(), provenance),
        (StatusCode::OK, Provenance::Revalidated)
    );
    assert!(
        !response.headers().contains_key("content-length"),
        "that was another's"
    );
    assert_eq!(text(response).await, "tile");

    world.clock.advance(Duration::from_secs(29));
    assert!(matches!(world.find(&[]).await, Found::Fresh(_)));
    world.clock.advance(Duration::from_secs(1));
    assert!(matches!(world.find(&[]).await, Found::Nothing(_)));
}

#[tokio::test]
async fn an_answer_that_may_no_longer_be_kept_takes_its_forerunner_with_it() {
    let world = World::new(KEEPING);
    let stale = [("cache-control", "public, max-age=0"), ("etag", "\"a\"")];
    let lead = world.lead().await;
    world.land(lead, answer(200, &stale, "old")).await;
    let lead = world.lead().await;
    world.land(lead, answer(200, &[], "new")).await;
    let mut part = Part::Lead(world.lead().await);
    let mut question = HeaderMap::new();
    part.ask(&mut question);
    assert!(question.is_empty(), "nothing is left to ask about");
}

#[tokio::test]
async fn a_question_or_a_wish_for_news_never_waits_behind_another() {
    let world = World::new("");
    let lead = world.lead().await;
    for (request, alone) in [
        (("if-none-match", "\"a\""), true),
        (("cache-control", "no-store"), true),
        (("cache-control", "no-cache"), false),
    ] {
        let Found::Nothing(part) = world.find(&[request]).await else {
            panic!("{request:?}");
        };
        assert_eq!(matches!(part, Part::Alone), alone, "{request:?}");
    }
    drop(lead);
}

#[tokio::test]
async fn nobody_waits_behind_another_for_ever_or_behind_what_is_never_shared() {
    let world = World::new("[server.limits]\nupstream_timeout = \"50ms\"\n");
    let lead = world.lead().await;
    assert!(matches!(world.find(&[]).await, Found::Nothing(Part::Alone)));
    world
        .land(lead, answer(200, &[("cache-control", "private")], "tile"))
        .await;
    let next = world.find(&[]).await;
    assert!(
        matches!(next, Found::Nothing(Part::Alone)),
        "such answers are for one alone"
    );
}

/// What a leader does with its lead.
#[derive(Clone, Copy, Debug)]
enum Does {
    Lands,
    IsRefused,
    Fails,
    GetsAnError,
    GetsWhatIsPrivate,
}

fn does() -> impl Strategy<Value = Does> {
    prop_oneof![
        Just(Does::Lands),
        Just(Does::IsRefused),
        Just(Does::Fails),
        Just(Does::GetsAnError),
        Just(Does::GetsWhatIsPrivate),
    ]
}

/// What one is given that was another's.
async fn asks(world: &World, number: u64, does: Does) -> Option<String> {
    // the first come together, the others while those are under way
    tokio::time::sleep(Duration::from_millis(number % 3)).await;
    let lead = match world.find(&[]).await {
        Found::Landed((shared, _)) => return Some(text(shared.response(None)).await),
        Found::Fresh(_) => panic!("nothing is kept"),
        Found::Nothing(Part::Lead(lead)) => lead,
        Found::Nothing(_) => return None,
    };
    tokio::time::sleep(Duration::from_millis(2)).await;
    match does {
        Does::IsRefused => drop(lead),
        Does::Lands => drop(world.land(lead, answer(200, &[], "shared")).await),
        Does::GetsAnError => drop(world.land(lead, answer(500, &[], "broken")).await),
        Does::GetsWhatIsPrivate => {
            let private = [("cache-control", "private")];
            drop(world.land(lead, answer(200, &private, "private")).await);
        }
        Does::Fails => lead.fail(),
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_becomes_of_leaders_nobody_hangs_and_only_what_landed_is_shared(
        all in proptest::collection::vec(does(), 1..30)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let ended = runtime.block_on(async {
            let world = World::new("");
            let all = (0..).zip(all.iter().copied());
            let asking = all.map(|(number, does)| asks(&world, number, does));
            let all = futures_util::future::join_all(asking);
            let ended = tokio::time::timeout(Duration::from_secs(5), all).await;
            (ended, world.sharing.room.left())
        });
        let (ended, left) = ended;
        prop_assert_eq!(left, 64 << 20, "all room came back");
        for shared in ended.expect("nobody hangs") {
            prop_assert!(shared.is_none_or(|body| body == "shared"));
        }
    }
}
