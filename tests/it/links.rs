//! Documents that lead viewers on: every address in them is the guard's, and Planet's key is in none.

use bytes::Bytes;
use http::{Method, StatusCode};
use quota_guard::simulator::Fault;

use crate::harness::{KEY, Reply, UPSTREAM_KEY, World, call};

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
