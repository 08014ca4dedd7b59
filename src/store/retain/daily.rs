//! A guard rolls up once a day what is older than its policy keeps.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tracing::{error, info};

use crate::clock::Clock;
use crate::policy;
use crate::store::{RolledUp, roll_up};

/// A guard that has just started has other things to do.
const AT_FIRST: Duration = Duration::from_mins(10);
const EVERY: Duration = Duration::from_hours(24);
const AGAIN: Duration = Duration::from_hours(1);

/// Does so until it is aborted, which may be at any time; `None` where everything is kept.
pub fn roll_up_daily(store: policy::Store, clock: Arc<dyn Clock>) -> Option<JoinHandle<()>> {
    let keep = store.keep()?;
    Some(tokio::spawn(async move {
        let mut pause = AT_FIRST;
        loop {
            tokio::time::sleep(pause).await;
            pause = match roll_up(&store, keep, clock.now()).await {
                Ok(done) => {
                    tell(done);
                    EVERY
                }
                Err(cause) => {
                    let error = &cause as &dyn std::error::Error;
                    error!(error, "what is older than store.keep cannot be rolled up");
                    AGAIN
                }
            };
        }
    }))
}

fn tell(done: Option<RolledUp>) {
    match done {
        Some(RolledUp { lines, requests }) if lines + requests > 0 => {
            info!(lines, requests, "rolled up what is older than store.keep");
        }
        _ => {}
    }
}
