//! `GET /api/v1/audit`: who did what, and what changed by itself, oldest first.

use http::Uri;
use serde::Serialize;

use super::Admin;
use super::problem::Problem;
use super::query::{Page, Query};
use crate::ledger::Event;
use crate::units::UtcTime;

#[derive(Serialize)]
pub(super) struct Document {
    sequence: u64,
    at: UtcTime,
    /// The name of an admin's token, or which guard.
    by: String,
    what: String,
}

impl From<Event> for Document {
    fn from(event: Event) -> Self {
        let Event {
            sequence,
            at,
            by,
            what,
        } = event;
        Self {
            sequence,
            at,
            by,
            what,
        }
    }
}

impl Admin {
    pub(super) async fn audit(&self, uri: &Uri) -> Result<Page<Document>, Problem> {
        let query = Query::read(uri, &[])?;
        let limit = query.limit()?;
        let after = query.value("after", "the sequence number of an event")?;
        let most = u32::try_from(limit).unwrap_or(u32::MAX).saturating_add(1);
        let events = self.ledger.events(after.unwrap_or(0), most).await?;
        let items = events.into_iter().map(Document::from).collect();
        Ok(query.page(items, limit, |last: &Document| last.sequence.to_string()))
    }
}
