//! Documents that lead viewers on: every address in them is the guard's, and Planet's key is in none.

use bytes::Bytes;
use http::{Method, StatusCode};
use quota_guard::planet::{Operation, Target, UpstreamKind, classify};
use quota_guard::simulator::{Fault, LinkOrigins, Options};
use serde_json::{Value, json};

use crate::harness::{KEY, Reply, UPSTREAM_KEY, World, call, post};

const ROOMY: &str =
    "[[budgets]]\nname = \"org-pu\"\nunit = \"pu\"\nlimit = 100\nwindow = \"month\"\n";
const CAPABILITIES: &str =
    "/tiles/basemaps/v1/planet-tiles/wmts?service=WMTS&request=GetCapabilities";

async fn get(url: &str) -> Reply {
    let authorization = format!("api-key {KEY}");
    let headers = [("authorization", &*authorization)];
    call(Method::GET, url, &headers, Bytes::new()).await
}

/// As a viewer fills a template in, with no more than stands in it.
async fn tile(template: &str) -> Reply {
    let mut url = template.to_owned();
    for (name, value) in [("z", "3"), ("x", "1"), ("y", "2")] {
        url = url.replace(&format!("{{{name}}}"), value);
    }
    for (name, value) in [("TileMatrix", "3"), ("TileCol", "1"), ("TileRow", "2")] {
        url = url.replace(&format!("{{{name}}}"), value);
    }
    call(Method::GET, &url, &[], Bytes::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_reads_capabilities_stays_inside_with_its_own_key() {
    let world = World::start(ROOMY).await;
    let url = &world.guard.url;
    let document = get(&format!("{url}{CAPABILITIES}")).await;
    let text = document.text();
    assert_eq!(document.status, StatusCode::OK, "{text}");
    assert!(!text.contains(UPSTREAM_KEY), "{text}");
    let template = text.split("template=\"").nth(1).expect("a template");
    let template = template.split('"').next().expect("its end");
    assert!(
        template.starts_with(&format!("{url}/tiles/basemaps/")),
        "{text}"
    );
    assert_eq!(tile(template).await.status, StatusCode::OK, "{template}");
    assert_eq!(world.booked("org-pu").await, world.billed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_reads_the_links_of_a_mosaic_stays_inside_too() {
    let world = World::start(ROOMY).await;
    let url = &world.guard.url;
    let mosaic = get(&format!(
        "{url}/basemaps/v1/mosaics/global_monthly_2026_07_mosaic"
    ))
    .await;
    assert!(!mosaic.text().contains(UPSTREAM_KEY), "{}", mosaic.text());
    let template = mosaic.json()["_links"]["tiles"].clone();
    let template = template.as_str().expect("a template").to_owned();
    // all hosts are one here; in the world tiles have a mount of their own
    let template = template.replace(&format!("{url}/basemaps"), &format!("{url}/tiles/basemaps"));
    assert!(template.ends_with(&format!("?api_key={KEY}")), "{template}");
    assert_eq!(tile(&template).await.status, StatusCode::OK, "{template}");
    assert_eq!(world.booked("org-pu").await, world.billed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_says_that_it_is_xml_comes_through_as_it_is() {
    let world = World::start(ROOMY).await;
    let url = &world.guard.url;
    let picture = "/tiles/basemaps/v1/planet-tiles/global_monthly_2026_07_mosaic/thumb";
    let as_it_is = get(&format!("{url}{picture}")).await;
    assert!(as_it_is.header("content-type").starts_with("image/"));
    for says in [
        "application/xml",
        "text/xml",
        "application/json",
        "text/html",
    ] {
        let fault = Fault::new(None, "/basemaps", 1, &format!("media-type={says}"));
        world.simulator.inject(fault.expect(says));
        let renamed = get(&format!("{url}{picture}")).await;
        assert_eq!(renamed.header("content-type"), says);
        assert_eq!(renamed.body, as_it_is.body, "{says}");
    }
    // and a document that says it is a table still hides Planet's key
    let fault = Fault::new(None, "/basemaps", 1, "media-type=text/csv");
    world.simulator.inject(fault.expect("a fault"));
    let document = get(&format!("{url}{CAPABILITIES}")).await;
    assert!(
        !document.text().contains(UPSTREAM_KEY),
        "{}",
        document.text()
    );
}

/// Documents whose links lead on: they are of every kind that a link stands in.
const DOCUMENTS: [&str; 14] = [
    "/data/v1",
    "/data/v1/item-types",
    "/data/v1/searches",
    "/data/v1/item-types/PSScene/items/20260601_101500_11_24f1",
    "/data/v1/item-types/PSScene/items/20260601_101500_11_24f1/assets",
    "/compute/ops/orders/v2",
    "/subscriptions/v1",
    "/features/v1/ogc/my",
    "/basemaps/v1/mosaics?_page_size=1",
    "/basemaps/v1/series",
    "/basemaps/v1/mosaics/global_monthly_2026_07_mosaic/quads?bbox=14,46,14.1,46.1",
    "/basemaps/v1/mosaics/global_monthly_2026_07_mosaic/quads/1103-1319/items",
    "/account/v1/my/subscriptions",
    "/sentinel-hub/api/v1/catalog/1.0.0",
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_an_answer_links_to_is_a_call_that_the_guard_knows() {
    let options = Options {
        link_origins: LinkOrigins::of_planet(),
        ..Options::default()
    };
    let known_as = [
        (
            "planet",
            r#""https://api.planet.com", "https://link.planet.com""#,
        ),
        ("tiles", r#""https://tiles.planet.com""#),
        ("sentinel-hub", r#""https://services.sentinel-hub.com""#),
    ];
    let world = World::start_with(options, &ROOMY.replace("100", "100000"), |base| {
        known_as.iter().fold(base, |base, (name, origins)| {
            let table = format!("[upstreams.{name}]\n");
            base.replace(&table, &format!("{table}also_known_as = [{origins}]\n"))
        })
    })
    .await;
    let url = &world.guard.url;
    let search = json!({"item_types": ["PSScene"], "name": "farm"});
    let order = json!({"name": "farm", "products": [{"item_ids": ["20260601_101500_11_24f1"],
        "item_type": "PSScene", "product_bundle": "visual"}]});
    let mut documents = vec![
        post(&format!("{url}/data/v1/searches"), &search).await,
        post(&format!("{url}/data/v1/quick-search"), &search).await,
        post(&format!("{url}/compute/ops/orders/v2"), &order).await,
    ];
    for path in DOCUMENTS {
        documents.push(get(&format!("{url}{path}")).await);
    }
    let mut found = Vec::new();
    for document in &documents {
        assert!(document.status.is_success(), "{}", document.text());
        assert!(
            !document.text().contains(".planet.com"),
            "{}",
            document.text()
        );
        links(&document.json(), &mut found);
    }
    assert!(found.len() > 300, "{} links", found.len());
    for link in &found {
        let inside = link
            .strip_prefix(&**url)
            .expect("what does not lead out leads to the guard");
        let mounts = [
            ("/tiles", UpstreamKind::Tiles),
            ("/sentinel-hub", UpstreamKind::SentinelHub),
            ("", UpstreamKind::Planet),
        ];
        let mut behind = mounts
            .iter()
            .filter_map(|(mount, kind)| Some((*kind, inside.strip_prefix(mount)?)));
        let (kind, path) = behind.next().expect("the last mount is everywhere");
        let filled = path.replace(['{', '}'], "");
        let target = Target::parse(&filled).expect(link);
        let known =
            |method: &Method| classify(kind, method, target.path()).operation != Operation::Unknown;
        assert!(known(&Method::GET) || known(&Method::POST), "{link}");
    }
}

/// Every address in a document.
fn links(document: &Value, found: &mut Vec<String>) {
    match document {
        Value::String(text) if text.starts_with("http") => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| links(item, found)),
        Value::Object(members) => members.values().for_each(|member| links(member, found)),
        _ => {}
    }
}
