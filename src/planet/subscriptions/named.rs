//! Which subscriptions a call names that are there already, and whether it ends them.

use serde::Deserialize;

use crate::planet::found::named_subscriptions;
use crate::planet::{Api, Asked, Operation, json};

/// Subscriptions that stand still when the call has succeeded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ended {
    pub ids: Vec<String>,
    /// Cancelled, and not only suspended.
    pub for_good: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Listed {
    subscription_ids: Vec<String>,
}

/// The subscriptions that a call changes or lets go on, in the order in which they are looked up.
pub fn changed(asked: &Asked<'_>) -> Vec<String> {
    match asked.route.operation {
        Operation::ReviseSubscription | Operation::ReactivateSubscription => in_path(asked),
        Operation::ReactivateSubscriptions => named_subscriptions(asked.body).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// What a call ends; `None` for others, and for one that names nothing: whom that reaches is not known, so
/// everything it may have ended still counts.
pub fn ended(asked: &Asked<'_>) -> Option<Ended> {
    if asked.route.api != Api::Subscriptions {
        return None;
    }
    let path = asked.path.trim_end_matches('/');
    let ids = match asked.route.operation {
        Operation::Release => in_path(asked),
        Operation::SuspendSubscriptions => {
            let listed: Listed = json::read(asked.body).unwrap_or_default();
            listed.subscription_ids
        }
        _ => return None,
    };
    let for_good = path.ends_with("/cancel");
    (!ids.is_empty()).then_some(Ended { ids, for_good })
}

fn in_path(asked: &Asked<'_>) -> Vec<String> {
    let id = asked.route.param(asked.path, "subscription");
    id.map(str::to_owned).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;
    use crate::planet::{Deployment, Found, Query, UpstreamKind, classify};

    fn of<T>(method: &Method, path: &str, body: &str, read: impl Fn(&Asked<'_>) -> T) -> T {
        read(&Asked {
            method,
            route: &classify(UpstreamKind::Planet, method, path),
            path,
            query: Query::default(),
            headers: &HeaderMap::new(),
            body: body.as_bytes(),
            deployment: Deployment::Main,
            found: Found::default(),
        })
    }

    #[test]
    fn what_ends_is_named_by_the_path_or_the_body() {
        let list = r#"{"subscription_ids": ["a", "b"]}"#;
        for (path, body, ids, for_good) in [
            ("/subscriptions/v1/a/cancel", "", &["a"][..], true),
            ("/subscriptions/v1/a/cancel/", "", &["a"], true),
            (
                "/subscriptions/v1/a/suspend",
                "{\"details\": \"x\"}",
                &["a"],
                false,
            ),
            ("/subscriptions/v1/suspend", list, &["a", "b"], false),
        ] {
            let ended = of(&Method::POST, path, body, ended).expect(path);
            assert_eq!(
                (&*ended.ids, ended.for_good),
                (
                    &ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>()[..],
                    for_good
                )
            );
        }
        for (path, body) in [
            ("/subscriptions/v1/suspend", "[1"),
            ("/subscriptions/v1/suspend", "{}"),
            ("/subscriptions/v1/a/reactivate", ""),
            ("/compute/ops/orders/v2/a", ""),
        ] {
            assert_eq!(of(&Method::POST, path, body, ended), None, "{path}");
        }
    }

    #[test]
    fn what_changes_is_named_in_the_order_in_which_it_is_looked_up() {
        let list = r#"{"subscription_ids": ["b", "a"]}"#;
        let many = of(&Method::POST, "/subscriptions/v1/reactivate", list, changed);
        assert_eq!(many, ["b", "a"]);
        assert_eq!(
            of(&Method::PATCH, "/subscriptions/v1/a", "{}", changed),
            ["a"]
        );
        assert!(of(&Method::POST, "/subscriptions/v1", "{}", changed).is_empty());
    }
}
