//! How something that was made goes on, as Planet shows it; and, once it is over, what that says of its charge.
//!
//! Only what Planet's texts say is taken for a figure. A state that is not known here is not taken for an end.

use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::answer::Doubt;
use super::made::Kind;
use super::orders::{self, OrderAsk, Ordered};
use super::quota::Job;
use crate::units::{Amount, Pu, Unit};

/// Of a word of Planet's, what is kept.
const LONGEST_STATE: usize = 40;

/// How it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// As Planet words it.
    pub state: String,
    /// Once it is over.
    pub end: Option<End>,
}

/// What its end says of its charge.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// Nothing of these units was charged.
    Nothing {
        units: &'static [Unit],
        why: &'static str,
    },
    /// What the whole of it has cost, from its first start to now.
    Took(Pu),
    /// An order without some of its items.
    Without(Box<OrderAsk>, Vec<String>),
    /// As it was asked for.
    AsAsked,
    /// Planet gives no figure.
    Untold(&'static str),
}

impl Course {
    /// Reads the answer at [`Made::path`](super::Made::path).
    pub fn read(kind: Kind, status: StatusCode, answer: &[u8]) -> Result<Self, Doubt> {
        match (kind, status) {
            (Kind::AsyncProcess, StatusCode::NOT_FOUND) => Ok(Self {
                state: "gone".into(),
                // services.sentinel-hub.com: 404 once it is finished, whether it worked or not; the cost is
                // written into the customer's bucket alone
                end: Some(End::Untold(
                    "an asynchronous image says what it cost in the customer's bucket alone",
                )),
            }),
            (_, StatusCode::OK) => match kind {
                Kind::Order => order(answer),
                Kind::Subscription => subscription(answer),
                Kind::Subscriptions => subscriptions(answer),
                Kind::Batch | Kind::BatchStatistics => task(answer),
                Kind::AsyncProcess => Ok(Self::open(&read::<RawStatus>(answer)?.status)),
                Kind::Reservations => reservations(answer),
            },
            (_, status) => Err(Doubt::new(format!("Planet answered {status}"))),
        }
    }

    fn open(state: &str) -> Self {
        Self {
            state: kept(state),
            end: None,
        }
    }

    fn over(state: &str, end: End) -> Self {
        Self {
            state: kept(state),
            end: Some(end),
        }
    }
}

/// The charge of an order "accrues after the create response": 20 PU for each asset that is activated, more for
/// what is done with it and delivered (docs.planet.com/platform/processing-units). Its km² are charged when it is
/// placed (support.planet.com 4414022365201), and no text gives them back.
const ORDER_ACCRUES: &[Unit] = &[Unit::Pu];
/// "Subscriptions at delivery" (support.planet.com 4414022365201). Area under management is not among it.
const SUBSCRIPTION_AT_DELIVERY: &[Unit] = &[Unit::Pu, Unit::Km2];

#[derive(Deserialize)]
struct RawStatus {
    status: String,
}

#[derive(Deserialize)]
struct RawOrder {
    state: String,
    #[serde(default, rename = "_links")]
    links: RawLinks,
}

#[derive(Default, Deserialize)]
struct RawLinks {
    #[serde(default)]
    results: Vec<RawResult>,
}

#[derive(Deserialize)]
struct RawResult {
    name: Option<String>,
}

fn order(answer: &[u8]) -> Result<Course, Doubt> {
    let RawOrder { state, links } = read(answer)?;
    let end = match &*state {
        "cancelled" => End::Nothing {
            units: ORDER_ACCRUES,
            why: "the order was cancelled, which Planet lets happen only while it is queued",
        },
        "failed" => End::Nothing {
            units: ORDER_ACCRUES,
            why: "the order failed and delivered nothing",
        },
        "success" | "partial" => delivered(answer, &links.results),
        _ => return Ok(Course::open(&state)),
    };
    Ok(Course::over(&state, end))
}

/// Which items are missing among the files. Files are named by their items, unless a tool makes one of many; so
/// the names say something only where those of other items are found.
fn delivered(answer: &[u8], files: &[RawResult]) -> End {
    const FUSES: &str = "composite";
    let Ok(ask) = orders::read(answer) else {
        return End::Untold("the order as Planet shows it cannot be understood");
    };
    let fused = ask.tools.merges > 0 || ask.tools.others.contains(&FUSES);
    let listed = |item: &&String| {
        let files = files.iter().filter_map(|file| file.name.as_deref());
        let mut names = files.map(|name| name.rsplit('/').next().unwrap_or(name));
        names.any(|name| name.starts_with(item.as_str()))
    };
    let ordered = ask.products.iter().flat_map(|product| match product {
        Ordered::Scenes(scenes) => scenes.item_ids.as_slice(),
        Ordered::Quads(_) => &[],
    });
    let (found, missing): (Vec<&String>, Vec<&String>) = ordered.partition(listed);
    if missing.is_empty() {
        return End::AsAsked;
    }
    if fused || found.is_empty() {
        return End::Untold("the order does not show which of its items were delivered");
    }
    let missing = missing.into_iter().cloned().collect();
    End::Without(Box::new(ask), missing)
}

#[derive(Deserialize)]
struct RawSummary {
    subscription: RawStatus,
    results: Option<serde_json::Map<String, Value>>,
}

/// Of a summary: the state, and how many results are in which state.
fn subscription(answer: &[u8]) -> Result<Course, Doubt> {
    let RawSummary {
        subscription: RawStatus { status },
        results,
    } = read(answer)?;
    let end = match &*status {
        "failed" | "invalid" | "completed" if nothing_came(results.as_ref()) => End::Nothing {
            units: SUBSCRIPTION_AT_DELIVERY,
            why: "the subscription is over and delivered nothing",
        },
        "failed" | "invalid" | "completed" => {
            End::Untold("Planet gives no figure for a subscription")
        }
        // what it has committed to is not given back: support.planet.com 4414022365201, forum t/6570
        "cancelled" => End::Untold("a subscription that is cancelled is not refunded"),
        _ => return Ok(Course::open(&status)),
    };
    Ok(Course::over(&status, end))
}

/// Whether every count but that of failures is there and zero.
fn nothing_came(results: Option<&serde_json::Map<String, Value>>) -> bool {
    const COME: [&str; 4] = ["created", "queued", "processing", "success"];
    results.is_some_and(|counts| {
        COME.iter()
            .all(|state| counts.get(*state).and_then(Value::as_u64) == Some(0))
    })
}

#[derive(Deserialize)]
struct RawSubscriptions {
    subscriptions: Vec<RawStatus>,
}

fn subscriptions(answer: &[u8]) -> Result<Course, Doubt> {
    const ENDS: [&str; 4] = ["completed", "cancelled", "failed", "invalid"];
    let RawSubscriptions { subscriptions } = read(answer)?;
    let open = subscriptions
        .iter()
        .find(|one| !ENDS.contains(&&*one.status));
    Ok(match (open, subscriptions.len()) {
        (Some(open), _) => Course::open(&open.status),
        (None, 0) => Course::open("none is shown yet"),
        (None, _) => Course::over(
            "all are over",
            End::Untold("Planet gives no figure for subscriptions made in bulk"),
        ),
    })
}

#[derive(Deserialize)]
struct RawTask {
    status: String,
    #[serde(rename = "costPU", alias = "costPu")]
    cost: Option<serde_json::Number>,
}

/// Planet bills a task while it works, feature by feature, and shows the sum. One that was stopped can be resumed
/// by another start, which is a request of its own.
fn task(answer: &[u8]) -> Result<Course, Doubt> {
    const ENDS: [&str; 6] = [
        "DONE",
        "FAILED",
        "STOPPED",
        "CANCELED",
        "CANCELLED",
        "PARTIAL",
    ];
    let RawTask { status, cost } = read(answer)?;
    if !ENDS.contains(&&*status) {
        return Ok(Course::open(&status));
    }
    let Some(cost) = cost else {
        return Ok(Course::over(
            &status,
            End::Untold("the task does not show what it cost"),
        ));
    };
    let cost = Amount::parse_ceil(&cost.to_string()).map_err(|error| Doubt::new(error.to_string()));
    let cost = cost?;
    Ok(Course {
        state: format!("{}, {cost} PU", kept(&status)),
        end: Some(End::Took(cost.into())),
    })
}

fn reservations(answer: &[u8]) -> Result<Course, Doubt> {
    let job = Job::read(answer)?;
    if !job.is_over() {
        return Ok(Course::open(&job.status));
    }
    let end = match (job.processed, job.total) {
        (Some(0), _) => End::Nothing {
            units: &[Unit::Quota],
            why: "the job reserved no area",
        },
        (Some(processed), Some(total)) if processed == total => End::AsAsked,
        _ => End::Untold("the job reserved some of its areas, and does not say which"),
    };
    Ok(Course::over(&job.status, end))
}

fn read<T: serde::de::DeserializeOwned>(answer: &[u8]) -> Result<T, Doubt> {
    serde_json::from_slice(answer)
        .map_err(|error| Doubt::new(format!("its state cannot be read: {error}")))
}

fn kept(state: &str) -> String {
    state
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_STATE)
        .collect()
}

#[cfg(test)]
mod tests;
