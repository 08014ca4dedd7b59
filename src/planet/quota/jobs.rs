//! Jobs of bulk reservations: how they are named when they start, and how they end.

use serde::Deserialize;
use serde_json::Value;

use super::answers::read;
use crate::planet::answer::Doubt;

/// A job that was just started.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Started {
    pub id: u64,
}

/// A job as it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Job {
    pub id: u64,
    /// As Planet words it.
    pub status: String,
    /// How many areas it has reserved; those that were reserved before are not among them.
    pub processed: Option<u64>,
    pub total: Option<u64>,
    pub product: Option<i64>,
}

#[derive(Deserialize)]
struct RawStarted {
    job_id: Value,
}

#[derive(Deserialize)]
struct RawJob {
    id: Value,
    status: String,
    processed_items: Option<u64>,
    total_items: Option<u64>,
    product_access_id: Option<i64>,
}

impl Started {
    /// Reads the answer to a bulk reservation.
    pub fn read(answer: &[u8]) -> Result<Self, Doubt> {
        let RawStarted { job_id } = read(answer)?;
        let id = number(&job_id).ok_or_else(|| Doubt::new("its job_id is no number"))?;
        Ok(Self { id })
    }
}

impl Job {
    /// Where the job is looked up.
    pub fn path(id: u64) -> String {
        format!("/account/v1/quota-reservations/jobs/{id}")
    }

    /// Reads the answer at [`Self::path`].
    pub fn read(answer: &[u8]) -> Result<Self, Doubt> {
        let raw: RawJob = read(answer)?;
        Ok(Self {
            id: number(&raw.id).ok_or_else(|| Doubt::new("the job's id is no number"))?,
            status: raw.status,
            processed: raw.processed_items,
            total: raw.total_items,
            product: raw.product_access_id,
        })
    }

    /// Whether it will do nothing more. A status that is not known here is not taken for an end.
    pub fn is_over(&self) -> bool {
        const ENDS: [&str; 5] = ["completed", "failed", "cancelled", "canceled", "error"];
        ENDS.contains(&&*self.status)
    }
}

/// Planet writes the id of a job as a text here and as a number there.
fn number(id: &Value) -> Option<u64> {
    id.as_u64().or_else(|| id.as_str()?.parse().ok())
}
