//! Every policy in `config/` is one that the guard would start with.

use std::fs;
use std::path::Path;

use quota_guard::clock::{Clock, SystemClock};
use quota_guard::policy::{Policy, RequestBody, describe};

#[test]
fn every_policy_in_config_is_accepted_and_can_be_described() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut read = 0;
    for entry in fs::read_dir(&folder).expect("config/") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a text");
        let policy = Policy::parse(&text, &path.display().to_string())
            .unwrap_or_else(|error| panic!("{error}"));
        for expectation in policy.expectations() {
            if let RequestBody::File(body) = &expectation.body {
                assert!(folder.join(body).is_file(), "{} is missing", body.display());
            }
        }
        let told = describe(&policy, SystemClock.now());
        for budget in policy.budgets() {
            assert!(
                told.contains(&**budget.name()),
                "{} is not told",
                budget.name()
            );
        }
        read += 1;
    }
    assert!(
        read >= 2,
        "config/ has the example and the demo, found {read}"
    );
}
