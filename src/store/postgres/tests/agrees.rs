//! Random steps leave PostgreSQL and the model equal: every answer, every balance, the whole journal.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::*;
use crate::store::contract::random::{self, Step};

async fn agree(steps: Vec<Step>, restart: usize) -> Result<(), TestCaseError> {
    let (mut store, fresh) = empty_store().await;
    let model: Books = Arc::new(crate::ledger::Model::default());
    for (position, step) in steps.iter().enumerate() {
        if position == restart {
            let_go(store).await;
            store = fresh.open().await;
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
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn postgres_agrees_with_the_model(steps in random::steps(), restart in 0..60_usize) {
        block_on(agree(steps, restart))?;
    }
}
