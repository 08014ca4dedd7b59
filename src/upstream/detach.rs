//! Work that goes on when the client has hung up: hyper drops a request's future then, and what was
//! forwarded must still be booked.

use std::future::Future;
use std::panic::resume_unwind;
use std::sync::Arc;

use tokio::sync::watch;
use tracing::Instrument;

/// The exchanges under way, so that a drain can wait for them. Clones count together.
#[derive(Clone, Debug)]
pub struct Exchanges(Arc<watch::Sender<usize>>);

impl Default for Exchanges {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Exchanges {
    /// Starts `exchange` at once, in a task of its own. Dropping the future returned leaves it running;
    /// awaiting it gives the result, or goes on with its panic.
    pub fn detach<F>(&self, exchange: F) -> impl Future<Output = F::Output> + Send + use<F>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let counted = Counted::new(self);
        let task = tokio::spawn(
            async move {
                let _counted = counted;
                exchange.await
            }
            .in_current_span(),
        );
        async move {
            match task.await {
                Ok(result) => result,
                Err(lost) if lost.is_panic() => resume_unwind(lost.into_panic()),
                // the runtime is going down, and whoever waits here with it
                Err(_) => std::future::pending().await,
            }
        }
    }

    pub fn under_way(&self) -> usize {
        *self.0.borrow()
    }

    /// Waits until none is under way.
    pub async fn finished(&self) {
        let mut count = self.0.subscribe();
        // the sender lives in `self`, so the wait cannot fail
        _ = count.wait_for(|under_way| *under_way == 0).await;
    }
}

struct Counted(Exchanges);

impl Counted {
    fn new(exchanges: &Exchanges) -> Self {
        exchanges.0.send_modify(|under_way| *under_way += 1);
        Self(exchanges.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.send_modify(|under_way| *under_way -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn an_exchange_goes_on_when_nobody_waits_for_it() {
        let exchanges = Exchanges::default();
        let (answer, answered) = oneshot::channel();
        let (done, booked) = oneshot::channel();
        let waiting = exchanges.detach(async move {
            let answer: u32 = answered.await.unwrap();
            done.send(answer).unwrap();
        });
        drop(waiting);
        assert_eq!(exchanges.under_way(), 1);
        answer.send(7).unwrap();
        exchanges.finished().await;
        assert_eq!(booked.await, Ok(7));
        assert_eq!(exchanges.under_way(), 0);
    }

    #[tokio::test]
    async fn its_result_comes_back_to_who_waits() {
        assert_eq!(Exchanges::default().detach(async { 7 }).await, 7);
    }

    #[tokio::test]
    #[should_panic(expected = "in the exchange")]
    async fn its_panic_goes_on_where_it_is_awaited() {
        Exchanges::default()
            .detach(async { panic!("in the exchange") })
            .await;
    }

    #[tokio::test]
    async fn a_panic_ends_it_all_the_same() {
        let exchanges = Exchanges::default();
        drop(exchanges.detach(async { panic!("unseen") }));
        exchanges.finished().await;
    }
}
