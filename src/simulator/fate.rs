//! What somebody decides about things that the pretend Planet goes on with, where time alone would end them well;
//! and what the account uses elsewhere. The bill follows.

use serde::Deserialize;

use super::figures;
use super::refusal::Refusal;
use super::world::World;

/// How an order, a task or a subscription ends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fate {
    /// In the words of its API.
    pub state: String,
    /// Items of an order that are not delivered.
    #[serde(default)]
    pub missing: Vec<String>,
    /// What a task has cost in all.
    pub cost_pu: Option<f64>,
}

/// What others use of the account, beside all that comes by here. Less than nothing takes it back.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Elsewhere {
    /// km² of reserved quota.
    pub quota: f64,
    /// km² of downloads.
    pub km2: f64,
    /// Whether the account's figures stand still from now on, whatever is used.
    pub stale: bool,
}

#[derive(Deserialize)]
struct Decided {
    id: String,
    #[serde(flatten)]
    fate: Fate,
}

impl World {
    /// Ends the thing that has this id.
    pub(super) fn decide(&mut self, id: &str, fate: &Fate) -> Result<(), Refusal> {
        if let Some(share) = self.orders.decide(id, fate) {
            self.bill
                .reprice(&format!("order {id} of"), |pu| pu * share);
            return Ok(());
        }
        if self.jobs.decide(id, fate) {
            if let Some(cost) = fate.cost_pu {
                let start = format!("of task {id}");
                // the last start of several has cost what is left
                let before = self.bill.pu_behind(&start);
                self.bill.reprice(&start, |_| (cost - before).max(0.0));
            }
            return Ok(());
        }
        if self.subscriptions.decide(id, &fate.state) {
            self.bill
                .reprice(&format!("backfill of subscription {id}:"), |_| 0.0);
            return Ok(());
        }
        Err(Refusal::not_found(id))
    }

    /// A decision, as `POST /_simulator/fates` takes it.
    pub(super) fn read_fate(&mut self, body: &[u8]) -> Result<(), Refusal> {
        let Decided { id, fate } =
            serde_json::from_slice(body).map_err(|error| Refusal::bad(error.to_string()))?;
        self.decide(&id, &fate)
    }

    /// What is used elsewhere, as `POST /_simulator/elsewhere` takes it.
    pub(super) fn read_elsewhere(&mut self, body: &[u8]) -> Result<(), Refusal> {
        let elsewhere: Elsewhere =
            serde_json::from_slice(body).map_err(|error| Refusal::bad(error.to_string()))?;
        self.use_elsewhere(elsewhere);
        Ok(())
    }

    pub(super) fn use_elsewhere(&mut self, elsewhere: Elsewhere) {
        let downloaded = figures::square_km(self.bill.total_km2());
        self.account.use_elsewhere(elsewhere, downloaded);
    }
}
