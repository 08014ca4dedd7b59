//! Random steps leave SQLite and the model equal: every answer, every balance, the whole journal.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::*;
use crate::store::contract::random::{self, Step};

/// Where the random steps are interrupted by a restart of the store.
fn restart() -> impl Strategy<Value = usize> {
    0..60_usize
}

async fn agree(steps: Vec<Step>, restart: usize) -> Result<(), TestCaseError> {
    let (mut store, folder) = empty_store().await;
    let model: Books = Arc::new(crate::ledger::Model::default());
    for (position, step) in steps.iter().enumerate() {
        if position == restart {
            let_go(store).await;
            store = open(&folder).await;
            model.begin(None, noon()).await.unwrap();
        }
        let books: Books = store.clone();
        prop_assert_eq!(
            step.take(&books).await,
            step.take(&model).await,
            "{:?}",
            step
        );
    }
    random::compare(&*store, &*model).await
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_agrees_with_the_model(steps in random::steps(), restart in restart()) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(agree(steps, restart))?;
    }
}
