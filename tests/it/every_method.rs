//! Every public method of the real SDKs and every command of their command line, through the guard: the
//! lists come from the SDKs themselves, so that nothing can be left out. And what each says when it is refused.

use std::collections::BTreeMap;
use std::time::Duration;

use quota_guard::units::Amount;
use serde_json::Value;

use crate::harness::{KEY, World};
use crate::sdk::tell;

/// Room for everything, in windows that never end, so that what is to come is counted whole whatever the day;
/// and a word on what no request shows.
const EVERYTHING: &str = r#"
[[budgets]]
name = "org-pu"
unit = "pu"
limit = 100000
window = "forever"
[[budgets]]
name = "org-aum"
unit = "aum"
limit = 100000
window = "forever"
[[budgets]]
name = "org-quota"
unit = "quota"
limit = 1000
window = "forever"
[[bounds]]
match = { apis = ["batch-statistics"] }
pu = 2000
"#;

/// Less than anything costs.
const NOTHING: &str = r#"
[[budgets]]
name = "org-pu"
unit = "pu"
limit = 0.005
window = "month"
[[budgets]]
name = "org-quota"
unit = "quota"
limit = 10
window = "year"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn every_method_of_the_planet_sdks_clients_works() {
    all_of_it("planet_methods.py", "asynchronous", "", 75).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_of_the_planet_sdks_synchronous_face_works() {
    all_of_it("planet_methods.py", "synchronous", "", 75).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_planet_command_line_works() {
    all_of_it("planet_commands.py", "every_command", "", 86).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_of_the_sentinelhub_sdk_works() {
    all_of_it(
        "sentinelhub_methods.py",
        "every_method",
        "/sentinel-hub",
        122,
    )
    .await;
}

/// Runs all stories of a file: no method that the SDK offers may be missing, and none may be made up. Of
/// what Planet billed nothing may be missing in the books.
async fn all_of_it(file: &'static str, story: &'static str, mount: &str, at_least: u64) {
    let world = World::start(EVERYTHING).await;
    let base = format!("{}{mount}", world.guard.url);
    let told = tell(file, story, base, KEY).await;
    assert_eq!(told["not_called"], Value::Array(Vec::new()), "{file}");
    assert_eq!(told["not_offered"], Value::Array(Vec::new()), "{file}");
    assert!(told["offered"].as_u64() >= Some(at_least), "{told}");
    settled(&world).await;
    let billed = world.billed();
    assert!(!billed.is_zero());
    assert!(world.booked("org-pu").await >= billed, "{billed}");
    let bill = world.simulator.bill();
    assert_eq!(
        column(&world, "org-quota", "quota").await,
        bill.total_quota().into()
    );
    assert!(column(&world, "org-aum", "aum").await >= bill.total_aum().into());
}

/// Waits until nothing is under way any more.
async fn settled(world: &World) {
    let held = "quota_guard_budget_held{budget=\"org-pu\",partition=\"\",unit=\"pu\"}";
    while !world.metric(held).await.is_zero() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn column(world: &World, budget: &str, unit: &str) -> Amount {
    let labels = format!("budget=\"{budget}\",partition=\"\",unit=\"{unit}\"");
    world
        .metric(&format!("quota_guard_budget_settled{{{labels}}}"))
        .await
}

/// What its sender could change, for whom there is something.
const SAVINGS: [(&str, &str); 3] = [
    ("create_order", "Fewer items"),
    ("create_subscription", "start_time"),
    ("SentinelHubStatistical", "costs half"),
];

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_refused_reads_why_and_asks_once() {
    for (story, mount) in [("planet_sdk", ""), ("sentinelhub_sdk", "/sentinel-hub")] {
        let world = World::start(NOTHING).await;
        let base = format!("{}{mount}", world.guard.url);
        let told = tell("refusals.py", story, base, KEY).await;
        let told: BTreeMap<String, Value> = serde_json::from_value(told).expect("an object");
        assert!(told.len() >= 7, "{told:?}");
        for (way, ended) in &told {
            let text = ended["text"].as_str().unwrap_or_default();
            for part in [
                "would cost up to",
                "but budget 'org-",
                " left; more comes at ",
            ] {
                assert!(text.contains(part), "{way}: '{part}' is missing in {ended}");
            }
            for (_, saving) in SAVINGS.iter().filter(|(saver, _)| saver == way) {
                assert!(
                    text.contains(saving),
                    "{way}: '{saving}' is missing in {ended}"
                );
            }
            assert_eq!(ended["sent"], 1, "{way}: {ended}");
        }
        let raised: Vec<&str> = told
            .values()
            .filter_map(|ended| ended["exception"].as_str())
            .collect();
        let expected = ["NoPermission", "DownloadFailedException", "exit code 1"];
        assert!(
            raised.iter().all(|name| expected.contains(name)),
            "{raised:?}"
        );
        assert_eq!(
            world.simulator.bill().charges.len(),
            0,
            "nothing was charged"
        );
    }
}
