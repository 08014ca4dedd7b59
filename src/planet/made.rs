//! What a create has made, and where Planet shows how that goes on: read from the answer to the create, or from
//! its path where the answer is empty.
//!
//! An answer that does not say it is no mistake of anybody's: what it made is only not followed.

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::answer::Doubt;
use super::quota::{Job, Started};
use super::{Api, Operation, Route};

/// The longest name that Planet is taken to give to anything.
const LONGEST_NAME: usize = 128;
/// The longest address at which many things are listed together.
const LONGEST_ADDRESS: usize = 2048;

/// What kind of thing it is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    Order,
    Subscription,
    /// All that one bulk call has made, which Planet names by a list alone.
    Subscriptions,
    /// A task of batch processing that was started.
    Batch,
    BatchStatistics,
    AsyncProcess,
    /// A job that reserves quota for many areas.
    Reservations,
}

/// One thing that Planet goes on with after it has answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Made {
    pub kind: Kind,
    /// As Planet names it.
    pub name: String,
    /// Where it is shown, behind the mount: a GET that costs nothing.
    pub path: String,
}

#[derive(Deserialize)]
struct RawMade {
    id: Value,
}

#[derive(Deserialize)]
struct RawBulk {
    _links: RawList,
}

#[derive(Deserialize)]
struct RawList {
    list: String,
}

impl Kind {
    pub const ALL: [Self; 7] = [
        Self::Order,
        Self::Subscription,
        Self::Subscriptions,
        Self::Batch,
        Self::BatchStatistics,
        Self::AsyncProcess,
        Self::Reservations,
    ];

    /// What a call makes when it succeeds.
    pub const fn made_by(operation: Operation) -> Option<Self> {
        Some(match operation {
            Operation::CreateOrder => Self::Order,
            Operation::CreateSubscription => Self::Subscription,
            Operation::CreateSubscriptions => Self::Subscriptions,
            Operation::StartBatch => Self::Batch,
            Operation::AsyncProcess => Self::AsyncProcess,
            Operation::ReserveQuotaInBulk => Self::Reservations,
            _ => return None,
        })
    }

    /// Which thing a call shows, if it is one of these kinds, and its name.
    pub fn shown_by<'p>(route: &Route, path: &'p str) -> Option<(Self, &'p str)> {
        if route.operation != Operation::Read {
            return None;
        }
        let pattern = route.pattern.to_string();
        let (kind, name) = match route.api {
            Api::Orders if pattern.ends_with("/{order}") => (Self::Order, "order"),
            Api::Subscriptions if pattern.ends_with("/{subscription}/summary") => {
                (Self::Subscription, "subscription")
            }
            Api::BatchProcess if pattern.ends_with("/{task}") => (Self::Batch, "task"),
            Api::BatchStatistics if pattern.contains("/{task}") => (Self::BatchStatistics, "task"),
            Api::AsyncProcess => (Self::AsyncProcess, "job"),
            Api::Quota if pattern.ends_with("/jobs/{job}") => (Self::Reservations, "job"),
            _ => return None,
        };
        Some((kind, route.param(path, name)?))
    }

    /// As the store keeps it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Subscription => "subscription",
            Self::Subscriptions => "subscriptions",
            Self::Batch => "batch",
            Self::BatchStatistics => "batch-statistics",
            Self::AsyncProcess => "async",
            Self::Reservations => "reservations",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl Made {
    /// What a call that has succeeded made; `None` where it makes nothing that goes on. `path` is its own,
    /// behind the mount.
    pub fn read(route: &Route, path: &str, answer: &[u8]) -> Result<Option<Self>, Doubt> {
        let Some(kind) = Kind::made_by(route.operation) else {
            return Ok(None);
        };
        let below = |id: String| (format!("{}/{id}", path.trim_end_matches('/')), id);
        let (path, name) = match kind {
            Kind::Order | Kind::AsyncProcess => below(named_in(answer)?),
            // which also counts what it has delivered
            Kind::Subscription => {
                let (path, name) = below(named_in(answer)?);
                (format!("{path}/summary"), name)
            }
            Kind::Subscriptions => listed_in(answer, path)?,
            Kind::Batch | Kind::BatchStatistics => return started(route, path).map(Some),
            Kind::Reservations => {
                let Started { id } = Started::read(answer)?;
                (Job::path(id), id.to_string())
            }
        };
        Ok(Some(Self { kind, name, path }))
    }
}

/// A task is named by the call that starts it; the answer is empty.
fn started(route: &Route, path: &str) -> Result<Made, Doubt> {
    let address = route.address_of(path, "task");
    let address = address.ok_or_else(|| Doubt::new("its path names no task"))?;
    let name = address.rsplit('/').next().unwrap_or_default();
    let name = plain(name)?;
    Ok(match route.api {
        Api::BatchStatistics => Made {
            kind: Kind::BatchStatistics,
            path: format!("{address}/status"),
            name,
        },
        _ => Made {
            kind: Kind::Batch,
            path: address.to_owned(),
            name,
        },
    })
}

fn named_in(answer: &[u8]) -> Result<String, Doubt> {
    let RawMade { id } = serde_json::from_slice(answer).map_err(unreadable)?;
    plain(id.as_str().unwrap_or_default())
}

/// A name that can stand in a path as it is.
fn plain(name: &str) -> Result<String, Doubt> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(plain) {
        return Err(Doubt::new("it gives no id that can be asked for"));
    }
    Ok(name.to_owned())
}

/// The list that a bulk call leads to: only one of subscriptions is believed.
fn listed_in(answer: &[u8], path: &str) -> Result<(String, String), Doubt> {
    let RawBulk { _links } = serde_json::from_slice(answer).map_err(unreadable)?;
    let list = Url::parse(&_links.list).map_err(|_| Doubt::new("its list is no address"))?;
    let base = path.trim_end_matches('/');
    let base = base.strip_suffix("/bulk").unwrap_or(base);
    let query = list.query().unwrap_or_default();
    if list.path().trim_end_matches('/') != base || query.is_empty() {
        return Err(Doubt::new("it leads to no list of subscriptions"));
    }
    if query.len() > LONGEST_ADDRESS {
        return Err(Doubt::new("it leads to an address that is too long"));
    }
    Ok((format!("{base}?{query}"), query.to_owned()))
}

fn unreadable(cause: serde_json::Error) -> Doubt {
    Doubt::new(format!("it names nothing that it made: {cause}"))
}

#[cfg(test)]
mod tests {
    use http::Method;
    use proptest::prelude::*;

    use super::*;
    use crate::planet::{UpstreamKind, classify};

    fn read(kind: UpstreamKind, path: &str, answer: &str) -> Result<Option<Made>, Doubt> {
        let route = classify(kind, &Method::POST, path);
        Made::read(&route, path, answer.as_bytes())
    }

    fn made(kind: UpstreamKind, path: &str, answer: &str) -> (&'static str, String, String) {
        let made = read(kind, path, answer).unwrap().expect(path);
        (made.kind.name(), made.name, made.path)
    }

    #[test]
    fn each_create_names_what_it_made() {
        use UpstreamKind::{Planet, SentinelHub};
        for (kind, path, answer, wanted) in [
            (
                Planet,
                "/compute/ops/orders/v2",
                r#"{"id": "5f-1", "state": "queued"}"#,
                ("order", "5f-1", "/compute/ops/orders/v2/5f-1"),
            ),
            (
                Planet,
                "/subscriptions/v1/",
                r#"{"id": "s1", "status": "preparing"}"#,
                ("subscription", "s1", "/subscriptions/v1/s1/summary"),
            ),
            (
                Planet,
                "/subscriptions/v1/bulk",
                r#"{"_links": {"list": "https://api.planet.com/subscriptions/v1?created=2026-01-01&name=a"}}"#,
                (
                    "subscriptions",
                    "created=2026-01-01&name=a",
                    "/subscriptions/v1?created=2026-01-01&name=a",
                ),
            ),
            (
                Planet,
                "/account/v1/quota-reservations/bulk-reserve",
                r#"{"job_id": "8016", "status": "pending"}"#,
                (
                    "reservations",
                    "8016",
                    "/account/v1/quota-reservations/jobs/8016",
                ),
            ),
            (
                SentinelHub,
                "/api/v1/async/process",
                r#"{"id": "a1", "status": "RUNNING"}"#,
                ("async", "a1", "/api/v1/async/process/a1"),
            ),
            (
                SentinelHub,
                "/batch/v2/process/t1/start",
                "",
                ("batch", "t1", "/batch/v2/process/t1"),
            ),
            (
                SentinelHub,
                "/api/v1/batch/process/t1/tiles/9/restart",
                "",
                ("batch", "t1", "/api/v1/batch/process/t1"),
            ),
            (
                SentinelHub,
                "/statistics/batch/v1/t2/start",
                "",
                ("batch-statistics", "t2", "/statistics/batch/v1/t2/status"),
            ),
        ] {
            let (kind, name, shown_at) = made(kind, path, answer);
            assert_eq!((kind, &*name, &*shown_at), wanted, "{path}");
        }
    }

    #[test]
    fn what_makes_nothing_that_goes_on_is_not_followed() {
        let free = "/batch/v2/process";
        assert_eq!(read(UpstreamKind::SentinelHub, free, "{}"), Ok(None));
        let search = "/data/v1/quick-search";
        assert_eq!(read(UpstreamKind::Planet, search, "{}"), Ok(None));
    }

    #[test]
    fn a_name_that_would_lead_elsewhere_is_not_asked_for() {
        for answer in [
            "",
            "[]",
            r#"{"id": 7}"#,
            r#"{"id": ""}"#,
            r#"{"id": "../../account/v1/my"}"#,
            r#"{"id": "a?b"}"#,
        ] {
            let order = read(UpstreamKind::Planet, "/compute/ops/orders/v2", answer);
            assert!(order.is_err(), "{answer}");
        }
        for list in [
            "https://api.planet.com/data/v1/searches?x=1",
            "https://api.planet.com/subscriptions/v1",
        ] {
            let answer = format!(r#"{{"_links": {{"list": "{list}"}}}}"#);
            let bulk = read(UpstreamKind::Planet, "/subscriptions/v1/bulk", &answer);
            assert!(bulk.is_err(), "{list}");
        }
    }

    #[test]
    fn what_a_read_shows_is_known_in_every_spelling() {
        use UpstreamKind::{Planet, SentinelHub};
        for (upstream, path, wanted) in [
            (
                Planet,
                "/compute/ops/orders/v2/o1",
                Some((Kind::Order, "o1")),
            ),
            (Planet, "/compute/ops/orders/v2", None),
            (
                Planet,
                "/subscriptions/v1/s1/summary",
                Some((Kind::Subscription, "s1")),
            ),
            (Planet, "/subscriptions/v1/s1", None),
            (
                Planet,
                "/auth/v1/experimental/public/quota-reservations/jobs/7",
                Some((Kind::Reservations, "7")),
            ),
            (
                SentinelHub,
                "/api/v2/batch/process/t1",
                Some((Kind::Batch, "t1")),
            ),
            (SentinelHub, "/api/v1/batch/process/t1/tiles", None),
            (
                SentinelHub,
                "/statistics/batch/v1/t1/status",
                Some((Kind::BatchStatistics, "t1")),
            ),
            (
                SentinelHub,
                "/async/v1/process/a1",
                Some((Kind::AsyncProcess, "a1")),
            ),
        ] {
            let route = classify(upstream, &Method::GET, path);
            assert_eq!(Kind::shown_by(&route, path), wanted, "{path}");
        }
        let path = "/compute/ops/orders/v2/o1";
        let cancel = classify(Planet, &Method::PUT, path);
        assert_eq!(Kind::shown_by(&cancel, path), None);
    }

    #[test]
    fn kinds_are_known_by_their_names() {
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.name()), Some(kind));
        }
        assert_eq!(Kind::named("picture"), None);
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_a_panic(answer in any::<Vec<u8>>()) {
            for path in ["/compute/ops/orders/v2", "/subscriptions/v1/bulk"] {
                let route = classify(UpstreamKind::Planet, &Method::POST, path);
                let _ = Made::read(&route, path, &answer);
            }
        }
    }
}
