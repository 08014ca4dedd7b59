//! What a call leaves unsaid: the things that it only names, and what must be asked of Planet about them
//! before its cost can be told.
//!
//! A call that starts a batch names its task, one that revises a subscription says what changes. What the
//! task renders and what the subscription was stands with Planet, and reading it there is free.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;

use super::read::Asked;
use super::{Misread, Operation, spelling, subscriptions};

/// A bulk call that names more things than this is not looked up one by one.
const MOST_QUESTIONS: usize = 20;

/// What Planet shows of one thing, or why it is not known, as a clause that fits behind ", for ".
pub type Shown = Result<Bytes, Cow<'static, str>>;

/// What was found out besides the request itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Found<'a> {
    /// An answer to each of [`questions`], in their order; none where nobody asked.
    pub shown: &'a [Shown],
    /// Whether this very asset was activated and charged within 24 hours.
    pub activated: bool,
}

impl<'a> Found<'a> {
    /// What is known of the one thing that a call names.
    pub(super) fn of_one(self) -> Result<&'a [u8], Cow<'a, str>> {
        match self.shown {
            [shown] => shown
                .as_ref()
                .map(|text| &**text)
                .map_err(|why| Cow::Borrowed(&**why)),
            _ => Err(Cow::Borrowed(NOBODY_ASKED)),
        }
    }
}

/// Why an estimate that contacts nobody cannot know.
pub(super) const NOBODY_ASKED: &str = "Planet was not asked; 'estimate --live' asks it, and so does the call itself, with 'Quota-Guard-Dry-Run: 1' to see its cost only";

/// The paths to read, each by a GET, before the call can be priced. They are of the upstream that is called,
/// and reading them costs nothing.
pub fn questions(asked: &Asked<'_>) -> Result<Vec<String>, Misread> {
    let of = |name| {
        let address = asked.route.address_of(asked.path, name);
        address.map(ToOwned::to_owned).into_iter().collect()
    };
    Ok(match asked.route.operation {
        Operation::StartBatch => of("task"),
        Operation::ReviseSubscription if subscriptions::is_free(asked.method, asked.body)? => {
            Vec::new()
        }
        Operation::ReviseSubscription | Operation::ReactivateSubscription => of("subscription"),
        Operation::ReactivateSubscriptions => {
            let ids = named_subscriptions(asked.body)?;
            let base = asked.path.trim_end_matches('/');
            let base = base.strip_suffix("/reactivate").unwrap_or(base);
            ids.iter().map(|id| format!("{base}/{id}")).collect()
        }
        _ => Vec::new(),
    })
}

/// What is not known could reach more than what is named.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawNamed {
    subscription_ids: Vec<String>,
}

/// The subscriptions that a bulk call names; none means all.
pub(super) fn named_subscriptions(body: &[u8]) -> Result<Vec<String>, Misread> {
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let RawNamed { subscription_ids } = spelling::read(body, &["subscription_ids"])?;
    if subscription_ids.len() > MOST_QUESTIONS {
        return Err(Misread::new(format!(
            "the call names {} subscriptions, and each must be looked up for its cost; name at most \
             {MOST_QUESTIONS} at a time",
            subscription_ids.len()
        )));
    }
    let plain = |id: &String| {
        !id.is_empty()
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    match subscription_ids.iter().find(|id| !plain(id)) {
        None => Ok(subscription_ids),
        Some(odd) => Err(Misread::new(format!(
            "'{}' is no id of a subscription; list ids as Planet shows them",
            odd.chars().take(60).collect::<String>()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;
    use crate::planet::{Deployment, Query, UpstreamKind, classify};

    fn asks(
        kind: UpstreamKind,
        method: &Method,
        path: &str,
        body: &str,
    ) -> Result<Vec<String>, Misread> {
        questions(&Asked {
            method,
            route: &classify(kind, method, path),
            path,
            query: Query::default(),
            headers: &HeaderMap::new(),
            body: body.as_bytes(),
            deployment: Deployment::Main,
            found: Found::default(),
        })
    }

    #[track_caller]
    fn asks_for(kind: UpstreamKind, call: &str, body: &str, expected: &[&str]) {
        let (method, path) = call.split_once(' ').unwrap();
        let asked = asks(kind, &method.parse().unwrap(), path, body).unwrap();
        assert_eq!(asked, expected, "{call}");
    }

    #[test]
    fn what_is_only_named_is_asked_for_by_its_own_address() {
        use UpstreamKind::{Planet, SentinelHub};
        for (call, address) in [
            ("POST /batch/v2/process/7/start", "/batch/v2/process/7"),
            (
                "POST /api/v1/batch/process/7/tiles/1/restart",
                "/api/v1/batch/process/7",
            ),
            (
                "POST /statistics/batch/v1/7/start/",
                "/statistics/batch/v1/7",
            ),
        ] {
            asks_for(SentinelHub, call, "", &[address]);
        }
        asks_for(SentinelHub, "POST /batch/v2/process", "{}", &[]);
        let one = "/subscriptions/v1/a-1";
        for (call, body) in [
            ("POST /subscriptions/v1/a-1/reactivate", ""),
            ("PUT /subscriptions/v1/a-1/", "{}"),
            ("PATCH /subscriptions/v1/a-1", r#"{"tools":[]}"#),
        ] {
            asks_for(Planet, call, body, &[one]);
        }
        for (call, body) in [
            ("PATCH /subscriptions/v1/a-1", r#"{"name":"x"}"#),
            ("POST /subscriptions/v1/reactivate", ""),
            ("GET /subscriptions/v1/a-1", ""),
        ] {
            asks_for(Planet, call, body, &[]);
        }
        let two = r#"{"subscription_ids":["a","b"]}"#;
        let both = ["/subscriptions/v1/a", "/subscriptions/v1/b"];
        asks_for(Planet, "POST /subscriptions/v1/reactivate", two, &both);
    }

    #[test]
    fn ids_that_would_lead_elsewhere_are_refused() {
        let path = "/subscriptions/v1/reactivate";
        for id in ["", "..", "a/b", "a?b", "a%2Fb", "a#b", "a b"] {
            let body = serde_json::json!({"subscription_ids": [id]}).to_string();
            let refused = asks(UpstreamKind::Planet, &Method::POST, path, &body);
            assert!(refused.unwrap_err().sentence.contains("no id"), "{id}");
        }
        let many = serde_json::json!({"subscription_ids": vec!["a"; 21]}).to_string();
        let refused = asks(UpstreamKind::Planet, &Method::POST, path, &many).unwrap_err();
        assert!(refused.sentence.contains("at most 20"), "{refused}");
        for body in [
            "[",
            r#"{"subscription_ids":["a"],"all":true}"#,
            r#"{"subscription_ids":["a"],"subscription_ids":[]}"#,
            r#"{"subscription_IDs":[]}"#,
        ] {
            assert!(
                asks(UpstreamKind::Planet, &Method::POST, path, body).is_err(),
                "{body}"
            );
        }
    }
}
