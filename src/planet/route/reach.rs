//! Whom a call reaches. Behind one key of the organisation, "all of the caller's" is everybody's.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Operation;
use crate::planet::{Misread, Query, json};

impl Operation {
    /// Whether this very call touches what other people of the organisation keep.
    pub fn reaches_everybody(self, query: Query<'_>, body: &[u8]) -> Result<bool, Misread> {
        Ok(match self {
            Self::OrganisationChange => true,
            Self::CancelOrders => Named::read(body)?.order_ids.is_empty(),
            Self::SuspendSubscriptions | Self::ReactivateSubscriptions => {
                let of_others = query.single("user_id")?.is_some();
                of_others || Named::read(body)?.subscription_ids.is_empty()
            }
            _ => false,
        })
    }
}

/// What a bulk call names; naming nothing means all.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    order_ids: Vec<IgnoredAny>,
    subscription_ids: Vec<IgnoredAny>,
}

impl Named {
    fn read(body: &[u8]) -> Result<Self, Misread> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        json::read(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(operation: Operation, query: &str, body: &str) -> Result<bool, Misread> {
        operation.reaches_everybody(Query::new(Some(query)), body.as_bytes())
    }

    #[test]
    fn a_bulk_call_that_names_nothing_reaches_everybody() {
        use Operation::{CancelOrders, ReactivateSubscriptions, SuspendSubscriptions};
        for (operation, query, body, everybody) in [
            (CancelOrders, "", r#"{"order_ids":["a"]}"#, false),
            (CancelOrders, "", "{}", true),
            (CancelOrders, "", "", true),
            (CancelOrders, "", r#"{"subscription_ids":["a"]}"#, true),
            (
                SuspendSubscriptions,
                "",
                r#"{"subscription_ids":["a"]}"#,
                false,
            ),
            (SuspendSubscriptions, "", "", true),
            (
                ReactivateSubscriptions,
                "user_id=all",
                r#"{"subscription_ids":["a"]}"#,
                true,
            ),
            (Operation::OrganisationChange, "", "", true),
            (Operation::CreateOrder, "user_id=all", "", false),
        ] {
            let found = reach(operation, query, body);
            assert_eq!(found, Ok(everybody), "{operation:?} {query} {body}");
        }
    }

    #[test]
    fn a_bulk_call_that_cannot_be_read_is_refused() {
        let twice = r#"{"order_ids":["a"],"order_ids":[]}"#;
        assert!(reach(Operation::CancelOrders, "", twice).is_err());
        assert!(reach(Operation::CancelOrders, "", "[").is_err());
        assert!(reach(Operation::SuspendSubscriptions, "user_id=1&user_id=2", "").is_err());
    }
}
