//! Random steps of two guards leave PostgreSQL and the model equal: every answer, every balance, the whole
//! journal.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::*;
use crate::ledger::Model;
use crate::store::contract::random::{self, Step};

async fn agree(steps: Vec<Step>, by: Vec<bool>, restart: usize) -> Result<(), TestCaseError> {
    let fresh = Fresh::schema();
    let (first, _) = fresh.open_as(0, UtcTime::UNIX_EPOCH).await;
    let (second, _) = fresh.open_as(1, UtcTime::UNIX_EPOCH).await;
    let model = Model::default();
    let models: [Books; 2] = [Arc::new(model.beside(replica(1))), Arc::new(model)];
    let [of_second, of_first] = models;
    let mut first = first;
    for (position, (step, by_second)) in steps.iter().zip(by).enumerate() {
        if position == restart {
            let_go(first).await;
            first = fresh.open_as(0, noon()).await.0;
            of_first.begin(None, noon()).await.unwrap();
        }
        let (books, model): (Books, &Books) = if by_second {
            (second.clone(), &of_second)
        } else {
            (first.clone(), &of_first)
        };
        prop_assert_eq!(
            step.take(&books).await,
            step.take(model).await,
            "{:?}",
            step
        );
    }
    random::compare(&*first, &*of_first).await
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn postgres_agrees_with_the_model(
        steps in random::steps(),
        by in vec(any::<bool>(), 60),
        restart in 0..60_usize,
    ) {
        block_on(agree(steps, by, restart))?;
    }
}
