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
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn course(kind: Kind, answer: &Value) -> Course {
        Course::read(kind, StatusCode::OK, answer.to_string().as_bytes()).unwrap()
    }

    fn end(kind: Kind, answer: &Value) -> Option<End> {
        course(kind, answer).end
    }

    fn ordered(state: &str, tools: &Value, files: &[&str]) -> Value {
        let files: Vec<_> = files.iter().map(|name| json!({"name": name})).collect();
        json!({"state": state, "tools": tools, "_links": {"results": files},
            "products": [{"item_type": "PSScene", "product_bundle": "visual", "item_ids": ["a1", "b2"]}]})
    }

    #[test]
    fn an_order_that_delivers_nothing_costs_no_pu_and_keeps_its_square_kilometres() {
        for state in ["failed", "cancelled"] {
            let end = end(Kind::Order, &json!({"state": state}));
            let Some(End::Nothing { units, .. }) = end else {
                panic!("{state}: {end:?}");
            };
            assert_eq!(units, [Unit::Pu]);
        }
        for state in ["queued", "running", "a word of tomorrow"] {
            let course = course(Kind::Order, &json!({"state": state}));
            assert_eq!((course.end, &*course.state), (None, state));
        }
    }

    #[test]
    fn an_order_names_the_items_that_it_left_out() {
        let none = json!([]);
        let whole = ordered("success", &none, &["o/PSScene/a1_3B.tif", "o/b2_3B.tif"]);
        assert_eq!(end(Kind::Order, &whole), Some(End::AsAsked));
        let part = ordered("partial", &none, &["o/a1_3B.tif", "o/manifest.json"]);
        let Some(End::Without(ask, missing)) = end(Kind::Order, &part) else {
            panic!("{part}");
        };
        assert_eq!(missing, ["b2"]);
        assert_eq!(ask.products.len(), 1);
    }

    #[test]
    fn where_files_are_not_named_by_their_items_nothing_is_concluded() {
        let fused = ordered("partial", &json!([{"composite": {}}]), &["o/a1_3B.tif"]);
        let strange = ordered("partial", &json!([]), &["o/one.zip"]);
        let hidden = ordered("success", &json!([]), &[]);
        for order in [fused, strange, hidden, json!({"state": "partial"})] {
            let end = end(Kind::Order, &order);
            assert!(matches!(end, Some(End::Untold(_))), "{order}: {end:?}");
        }
    }

    #[test]
    fn a_task_tells_its_cost_by_either_name() {
        for (status, cost) in [
            ("DONE", "costPU"),
            ("FAILED", "costPu"),
            ("STOPPED", "costPU"),
        ] {
            let course = course(Kind::Batch, &json!({"status": status, cost: 120.25}));
            assert_eq!(
                course.end,
                Some(End::Took(Pu::from_micros(120_250_000).unwrap()))
            );
            assert_eq!(course.state, format!("{status}, 120.25 PU"));
        }
        let silent = end(Kind::BatchStatistics, &json!({"status": "CANCELED"}));
        assert!(matches!(silent, Some(End::Untold(_))), "{silent:?}");
        let working = json!({"status": "PROCESSING", "costPU": 3});
        assert_eq!(end(Kind::Batch, &working), None);
        let wrong = json!({"status": "DONE", "costPU": -1}).to_string();
        assert!(Course::read(Kind::Batch, StatusCode::OK, wrong.as_bytes()).is_err());
    }

    #[test]
    fn a_subscription_gives_back_only_what_is_charged_at_delivery() {
        let summary = |status: &str, success: u64| {
            json!({"subscription": {"status": status},
                "results": {"created": 0, "queued": 0, "processing": 0, "failed": 3, "success": success}})
        };
        for status in ["failed", "invalid", "completed"] {
            let empty = end(Kind::Subscription, &summary(status, 0));
            let Some(End::Nothing { units, .. }) = empty else {
                panic!("{status}: {empty:?}");
            };
            assert_eq!(units, [Unit::Pu, Unit::Km2]);
            let some = end(Kind::Subscription, &summary(status, 1));
            assert!(matches!(some, Some(End::Untold(_))), "{status}: {some:?}");
        }
        let cancelled = end(Kind::Subscription, &summary("cancelled", 0));
        assert!(matches!(cancelled, Some(End::Untold(_))), "{cancelled:?}");
        for status in ["preparing", "pending", "running", "suspended"] {
            assert_eq!(end(Kind::Subscription, &summary(status, 0)), None);
        }
        let uncounted = json!({"subscription": {"status": "failed"}, "results": {"failed": 0}});
        let uncounted = end(Kind::Subscription, &uncounted);
        assert!(matches!(uncounted, Some(End::Untold(_))), "{uncounted:?}");
    }

    #[test]
    fn what_was_made_in_bulk_is_over_when_all_of_it_is() {
        let list = |states: &[&str]| {
            let all: Vec<_> = states
                .iter()
                .map(|status| json!({"status": status}))
                .collect();
            course(Kind::Subscriptions, &json!({"subscriptions": all}))
        };
        assert_eq!(list(&[]).end, None);
        assert_eq!(list(&["completed", "running"]).state, "running");
        assert!(list(&["completed", "failed"]).end.is_some());
    }

    #[test]
    fn an_asynchronous_image_is_gone_when_it_is_over() {
        let running = json!({"id": "a", "status": "RUNNING"});
        assert_eq!(end(Kind::AsyncProcess, &running), None);
        let gone = Course::read(Kind::AsyncProcess, StatusCode::NOT_FOUND, b"").unwrap();
        assert!(matches!(gone.end, Some(End::Untold(_))), "{gone:?}");
        assert!(Course::read(Kind::Order, StatusCode::NOT_FOUND, b"").is_err());
    }

    #[test]
    fn a_job_that_reserved_nothing_takes_no_quota() {
        let job = |status: &str, processed: u64| {
            end(
                Kind::Reservations,
                &json!({"id": 1, "status": status,
                "processed_items": processed, "total_items": 2}),
            )
        };
        assert!(matches!(
            job("completed", 0),
            Some(End::Nothing {
                units: [Unit::Quota],
                ..
            })
        ));
        assert!(matches!(job("completed", 1), Some(End::Untold(_))));
        assert_eq!(job("completed", 2), Some(End::AsAsked));
        assert_eq!(job("pending", 0), None);
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_a_panic(answer in any::<Vec<u8>>()) {
            for kind in Kind::ALL {
                let _ = Course::read(kind, StatusCode::OK, &answer);
            }
        }
    }
}
