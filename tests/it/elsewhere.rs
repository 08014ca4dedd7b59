//! What is spent beside the guard is seen by Planet's own figures, and entered once a day.

use std::time::Duration;

use http::StatusCode;
use quota_guard::simulator::{Elsewhere, Fault, Options};
use quota_guard::units::{Amount, Unit};
use serde_json::{Value, json};

use crate::bench::{Bench, until};

const PRODUCTS: &str = "/account/v1/my/products";
const RESERVATIONS: &str = "/account/v1/quota-reservations/";
const COLLECTIONS: &str = "/features/v1/ogc/my/collections";
const BUDGETS: &str = "[[budgets]]\nname = \"arps\"\nunit = \"quota\"\nlimit = 100\nwindow = \"forever\"\n\
    match = { products = [\"PS_ARD_SR_DAILY\"] }\n\
    [[budgets]]\nname = \"others\"\nunit = \"quota\"\nwindow = \"forever\"\nmatch = { teams = [\"agriculture\"] }\n\
    [[budgets]]\nname = \"calls\"\nunit = \"requests\"\nwindow = \"forever\"\n";
const DAY: Duration = Duration::from_hours(24);
const RATIO: &str = "quota_guard_capture_ratio{unit=\"quota\",upstream=\"planet\"}";

impl Bench {
    async fn reserved(&self) -> Amount {
        self.spent("arps", Unit::Quota).await
    }

    /// Lets time pass until the figures were read once more.
    async fn until_read(&self, time: Duration) {
        let before = self.asked(PRODUCTS);
        self.pass(time);
        until("the figures are read", || async {
            self.asked(PRODUCTS) > before
        })
        .await;
        tokio::time::sleep(Duration::from_millis(500)).await; // and written down
    }

    async fn until_reserved(&self, area: u64) {
        let what = format!("{area} km² are reserved");
        until(&what, || async { self.reserved().await == km2(area) }).await;
    }

    fn elsewhere(&self, quota: f64, stale: bool) {
        self.simulator.use_elsewhere(Elsewhere {
            quota,
            stale,
            ..Elsewhere::default()
        });
    }

    /// Reserves 25 km² through the guard.
    async fn reserve(&self) -> StatusCode {
        let made = self.post(COLLECTIONS, &json!({"title": "Fields"})).await;
        let id = made.json()["id"].as_str().expect("an id").to_owned();
        let field = json!({"type": "Polygon", "coordinates":
            [[[14.0, 46.0], [14.01, 46.0], [14.01, 46.01], [14.0, 46.01], [14.0, 46.0]]]});
        let feature = json!({"type": "Feature", "geometry": field, "properties": {}});
        let items = format!("{COLLECTIONS}/{id}/items");
        let made = self.post(&items, &json!({"features": [feature]})).await;
        let area: Value = made.json()[0].clone();
        let body = json!({"product_id": 290_378, "aoi_refs": [area]});
        self.post(RESERVATIONS, &body).await.status
    }

    async fn said(&self) -> String {
        self.events().await.join("\n")
    }
}

fn km2(area: u64) -> Amount {
    Amount::from_whole(area).expect("small")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_reserved_elsewhere_is_entered_once_a_day_and_people_are_told() {
    let bench = Bench::start(BUDGETS).await;
    bench.elsewhere(1000.0, false);
    bench.until_read(Duration::from_secs(61)).await;
    assert_eq!(
        bench.reserved().await,
        Amount::ZERO,
        "what was there before is the baseline"
    );
    assert_eq!(bench.metric(RATIO).await, Amount::ONE);

    assert_eq!(bench.reserve().await, StatusCode::CREATED);
    bench.elsewhere(75.0, false);
    bench.until_read(DAY).await;
    bench.until_reserved(100).await; // 25 of ours, 75 of somebody else's
    assert_eq!(bench.metric(RATIO).await.to_string(), "0.25");
    let said = bench.said().await;
    assert!(
        said.contains("75 km² reserved of PS_ARD_SR_DAILY were spent elsewhere"),
        "{said}"
    );
    assert!(said.contains("less than 95 %"), "{said}");
    let charged = "quota_guard_charged_total{api=\"account\",source=\"reconciled\",\
        team=\"unattributed\",unit=\"quota\"}";
    assert_eq!(bench.metric(charged).await, km2(75));
    assert_eq!(
        bench.spent("others", Unit::Quota).await,
        km2(25),
        "it is not theirs"
    );
    assert_eq!(
        bench.reserve().await,
        StatusCode::FORBIDDEN,
        "nothing is left"
    );

    bench.elsewhere(10.0, false);
    bench.pass(Duration::from_hours(2));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(bench.reserved().await, km2(100), "it was read today");
    bench.until_read(DAY).await;
    bench.until_reserved(110).await; // no limit refuses what was spent
    let said = bench.said().await;
    bench.until_read(DAY).await;
    assert_eq!(bench.reserved().await, km2(110));
    assert_eq!(bench.said().await, said, "nobody is told twice");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_that_are_missing_stale_or_smaller_change_nothing() {
    let bench = Bench::start(BUDGETS).await;
    bench.until_read(Duration::from_secs(61)).await;
    bench.elsewhere(50.0, false);
    bench.until_read(DAY).await;
    bench.until_reserved(50).await;

    bench.elsewhere(0.0, true);
    assert_eq!(bench.reserve().await, StatusCode::CREATED);
    for _ in 0..2 {
        bench.until_read(DAY).await;
        assert_eq!(bench.reserved().await, km2(75), "a figure stands still");
    }

    let away = Fault::new(Some("GET"), PRODUCTS, 1, "status=500").expect("a fault");
    bench.simulator.inject(away);
    bench.elsewhere(5.0, false);
    bench.until_read(DAY).await;
    assert_eq!(bench.reserved().await, km2(75), "there is no figure");
    bench.until_read(Duration::from_mins(1)).await;
    bench.until_reserved(80).await; // it is asked again soon

    bench.elsewhere(-40.0, false);
    bench.until_read(DAY).await;
    assert_eq!(
        bench.reserved().await,
        km2(80),
        "a smaller one gives nothing back"
    );
    let said = bench.said().await;
    assert!(said.contains("fell from 80 to 40"), "{said}");
    bench.elsewhere(3.0, false);
    bench.until_read(DAY).await;
    bench.until_reserved(83).await; // it is counted from there
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_elsewhere_are_seen_where_they_are_charged() {
    let policy = "[plan]\ncharges = [\"km2\"]\n\
        [[budgets]]\nname = \"downloads\"\nunit = \"km2\"\nlimit = 5000\nwindow = \"forever\"\n";
    let bench = Bench::start_with(Options::default(), policy, |base| base).await;
    let downloaded = || bench.spent("downloads", Unit::Km2);
    bench.until_read(Duration::from_secs(61)).await;
    let order = json!({"name": "o", "products": [{"item_ids": ["20260601_101500_11_24f1"],
        "item_type": "PSScene", "product_bundle": "visual"}]});
    let placed = bench.post("/compute/ops/orders/v2", &order).await;
    assert_eq!(placed.status, StatusCode::ACCEPTED, "{}", placed.text());
    let ours = downloaded().await;
    let billed: Amount = bench.simulator.bill().total_km2().into();
    assert!(ours >= billed && !billed.is_zero(), "{ours} {billed}");
    bench.simulator.use_elsewhere(Elsewhere {
        km2: 900.0,
        ..Elsewhere::default()
    });
    bench.until_read(DAY).await;
    let all = downloaded().await;
    let escaped = billed.saturating_add(km2(900)).minus(ours);
    assert_eq!(all, ours.saturating_add(escaped));
    bench.stop().await;
}
