//! A pretend Planet for tests, the demo and `quota-guard simulate`: api.planet.com, tiles.planet.com and
//! services.sentinel-hub.com behind one listener.
//!
//! It routes and charges from figures of its own and cannot import `planet` or `cost`: that is how it
//! catches their mistakes. Where Planet's texts leave a price open it charges the dearer reading.
//!
//! It fails on request, by the header `Simulator-Fault` or by `POST /_simulator/faults`, and keeps a
//! [`Bill`], also at `GET /_simulator/bill`. What it goes on with ends as `POST /_simulator/fates` says, or well;
//! `POST /_simulator/elsewhere` uses the account behind everybody's back. An item or asset whose id contains `missing` does not exist.

mod answer;
mod api;
mod auth;
mod bill;
mod call;
mod control;
mod fate;
mod faults;
mod figures;
mod geo;
mod hub;
mod options;
mod picture;
mod refusal;
mod routes;
mod serve;
mod sky;
mod storage;
#[cfg(test)]
mod tests;
mod wire;
mod world;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use serve::Shared;
use world::World;

pub use bill::{Bill, Charge};
pub use fate::{Elsewhere, Fate};
pub use faults::{Effect, Fault, InvalidFault};
pub use options::{LinkOrigins, Options};

/// A running pretend Planet; it stops when the last handle goes.
#[derive(Clone)]
pub struct Simulator {
    address: SocketAddr,
    shared: Arc<Shared>,
    running: Arc<Running>,
}

struct Running(Mutex<Option<JoinHandle<std::convert::Infallible>>>);

impl Simulator {
    /// Listens and serves in the background.
    pub async fn start(
        listen: SocketAddr,
        options: Options,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(World::new(options), clock));
        let task = tokio::spawn(serve::accept(listener, Arc::clone(&shared)));
        let running = Arc::new(Running(Mutex::new(Some(task))));
        Ok(Self {
            address,
            shared,
            running,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything charged so far, with the days of subscriptions that are over by now.
    pub fn bill(&self) -> Bill {
        let now = self.shared.clock.now();
        let mut world = self.shared.world();
        api::subscriptions::accrue(&mut world, now);
        world.bill.clone()
    }

    /// Every request that arrived, the latest ten thousand: method, path, query and headers as received.
    pub fn requests(&self) -> Vec<serde_json::Value> {
        self.shared.world().seen.iter().cloned().collect()
    }

    pub fn inject(&self, fault: Fault) {
        self.shared.world().faults.push(fault);
    }

    /// Ends an order, a task or a subscription in this way; whether there is one of that id.
    #[must_use]
    pub fn decide(&self, id: &str, fate: &Fate) -> bool {
        self.shared.world().decide(id, fate).is_ok()
    }

    /// Somebody uses the account without coming by here.
    pub fn use_elsewhere(&self, elsewhere: Elsewhere) {
        self.shared.world().use_elsewhere(elsewhere);
    }

    /// Stops at once, connections included.
    pub async fn stop(self) {
        if let Some(task) = self.running.take() {
            task.abort();
            _ = task.await;
        }
    }
}

impl Running {
    fn take(&self) -> Option<JoinHandle<std::convert::Infallible>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(task) = self.take() {
            task.abort();
        }
    }
}
