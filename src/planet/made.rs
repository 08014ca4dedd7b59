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
    #[serde(rename = "_links")]
    links: RawList,
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
        let (kind, name, endings): (_, _, &[&str]) = match route.api {
            Api::Orders => (Self::Order, "order", &["/{order}"]),
            Api::Subscriptions => {
                let summary = "/{subscription}/summary";
                (Self::Subscription, "subscription", &[summary])
            }
            Api::BatchProcess => (Self::Batch, "task", &["/{task}"]),
            Api::BatchStatistics => {
                let shown = &["/{task}", "/{task}/status"];
                (Self::BatchStatistics, "task", shown)
            }
            Api::AsyncProcess => (Self::AsyncProcess, "job", &["/{job}"]),
            Api::Quota => (Self::Reservations, "job", &["/jobs/{job}"]),
            _ => return None,
        };
        let pattern = route.pattern.to_string();
        let shows = endings.iter().any(|ending| pattern.ends_with(ending));
        Some((kind, route.param(path, name).filter(|_| shows)?))
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
    let RawMade { id } = serde_json::from_slice(answer).map_err(|cause| unreadable(&cause))?;
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
    let RawBulk { links } = serde_json::from_slice(answer).map_err(|cause| unreadable(&cause))?;
    let list = Url::parse(&links.list).map_err(|_| Doubt::new("its list is no address"))?;
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

fn unreadable(cause: &serde_json::Error) -> Doubt {
    Doubt::new(format!("it names nothing that it made: {cause}"))
}

#[cfg(test)]
mod tests;
