//! Counting what a subscription will find in the past: which free call of the Data API to make, and how
//! its answer is read.
//!
//! Only days that are long over are counted, for scenes of later ones are still to be published or to
//! change: those stay bounded. A scene that upstream may deliver at several stages of processing counts
//! once if it has reached the last, and otherwise once for each.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Doubt;
use super::bundles;
use super::subscriptions::{Catalog, Source, SubscriptionAsk};
use crate::units::UtcTime;

/// Where scenes are counted.
pub const PATH: &str = "/data/v1/stats";
/// For so many days after a scene was acquired it may still be published, or published anew.
const SETTLED_AFTER_DAYS: i64 = 30;
/// A scene is found as published when it is, give or take a day.
const LISTED_AFTER_DAYS: i64 = 1;
/// A sum over years that exceeds the sum of the days by no more than this share has scenes in it that were
/// published between two calls; by more, and days are missing.
const DRIFT: u64 = 100;
/// The last stage that a scene reaches.
const LAST_STAGE: &str = "finalized";
/// Upstream delivers the stages 'standard' and 'finalized' unless it is told otherwise, and a scene may
/// come at each.
const DEFAULT_STAGES: u64 = 2;

/// Planet's word on the scenes of one item type.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Count {
    Counted(Arc<Counted>),
    /// Why there is none, as a clause.
    Failed(Arc<str>),
}

/// Deliveries by the day on which their scenes were acquired, or published.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Counted {
    by_day: BTreeMap<Date, u64>,
    until: Date,
}

/// Days in UTC: the first, and the one before which they end.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Days {
    from: Date,
    until: Date,
}

/// What to ask about one item type of a subscription.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    pub days: Days,
    /// At how many stages a scene may be delivered.
    pub times: u64,
    /// Counts every scene, by day.
    pub all: Vec<u8>,
    /// Counts them by year: so few that none can be left out, should there be a limit to them.
    pub sum: Vec<u8>,
    /// Counts those that are at their last stage; `None` where no scene comes twice.
    pub last_stage: Option<Vec<u8>>,
}

#[derive(Deserialize)]
struct RawAnswer {
    interval: Option<String>,
    buckets: Vec<RawBucket>,
}

#[derive(Deserialize)]
struct RawBucket {
    start_time: String,
    count: u64,
}

/// What to ask about each item type, in their order; nothing where no day is long enough over.
pub fn questions(ask: &SubscriptionAsk, now: UtcTime) -> Result<Vec<Question>, Doubt> {
    let Source::Catalog(catalog) = &ask.source else {
        return Ok(Vec::new());
    };
    let Some(shape) = ask.geometry.shape() else {
        return Ok(Vec::new());
    };
    let wait = if catalog.by_publication {
        LISTED_AFTER_DAYS
    } else {
        SETTLED_AFTER_DAYS
    };
    let today = day(now);
    let settled = today.checked_sub(wait.days()).unwrap_or(today);
    let (days, end) = match ask.end {
        Some(end) if day_after(end) <= settled => (Days::of(ask.start, day_after(end)), Some(end)),
        _ => (Days::of(ask.start, settled), None),
    };
    if days.from >= days.until {
        return Ok(Vec::new());
    }
    let place = json!({"type": "GeometryFilter", "field_name": "geometry",
        "config": shape.to_geojson()});
    let mut filters = vec![place, range(catalog, ask.start, days.until, end)];
    match &catalog.filter {
        None | Some(Value::Null) => {}
        Some(filter @ Value::Object(_)) => filters.push(filter.clone()),
        Some(_) => return Err(Doubt::new("the subscription's filter is no object")),
    }
    let times = catalog.times();
    Ok(catalog
        .item_types
        .iter()
        .map(|name| Question {
            days,
            times,
            all: body(name, "day", &filters),
            sum: body(name, "year", &filters),
            last_stage: (times > 1).then(|| {
                let stage = json!({"type": "StringInFilter", "field_name": "publishing_stage",
                    "config": [LAST_STAGE]});
                body(name, "day", &[filters.as_slice(), &[stage]].concat())
            }),
        })
        .collect())
}

/// Reads the sum of all counts.
pub fn read_sum(answer: &[u8]) -> Result<u64, Doubt> {
    let mut counts = buckets(answer, "year")?
        .into_iter()
        .map(|bucket| bucket.count);
    counts.try_fold(0, u64::checked_add).ok_or_else(too_many)
}

/// Reads the counts of the days that were asked about.
pub fn read(answer: &[u8], days: Days) -> Result<BTreeMap<Date, u64>, Doubt> {
    let mut by_day = BTreeMap::new();
    for RawBucket { start_time, count } in buckets(answer, "day")? {
        let counted = start_time
            .parse::<UtcTime>()
            .map(day)
            .map_err(|_| Doubt::new("it counts a day that is no time"))?;
        // the end of a subscription may count as its last moment
        let counted = if counted == days.until {
            days.last()
        } else {
            counted
        };
        if counted < days.from || counted > days.last() {
            return Err(Doubt::new(format!(
                "it counts {counted}, which was not asked about"
            )));
        }
        let sum: &mut u64 = by_day.entry(counted).or_default();
        *sum = sum.checked_add(count).ok_or_else(too_many)?;
    }
    Ok(by_day)
}

fn buckets(answer: &[u8], by: &str) -> Result<Vec<RawBucket>, Doubt> {
    let RawAnswer { interval, buckets } = serde_json::from_slice(answer)
        .map_err(|error| Doubt::new(format!("it is not what the Data API answers: {error}")))?;
    if interval.is_some_and(|interval| interval != by) {
        return Err(Doubt::new(format!("it does not count by {by}")));
    }
    Ok(buckets)
}

fn too_many() -> Doubt {
    Doubt::new("it counts more than can be counted")
}

impl Question {
    /// How often scenes are delivered at most: those at their last stage once, the others at each. The days
    /// must add up to `sum`.
    pub fn deliveries(
        &self,
        all: BTreeMap<Date, u64>,
        sum: u64,
        last_stage: Option<&BTreeMap<Date, u64>>,
    ) -> Result<Counted, Doubt> {
        let mut by_day = all;
        let days = by_day.values().copied().try_fold(0, u64::checked_add);
        let days = days.ok_or_else(too_many)?;
        let missing = sum.saturating_sub(days);
        if missing > days / DRIFT + 1 {
            return Err(Doubt::new(format!(
                "it counts {sum} scenes by year and {days} by day"
            )));
        }
        if missing > 0 {
            *by_day.entry(self.days.last()).or_default() += missing;
        }
        let none = BTreeMap::new();
        let last_stage = last_stage.unwrap_or(&none);
        for (date, count) in last_stage {
            by_day
                .entry(*date)
                .and_modify(|all| *all = (*all).max(*count))
                .or_insert(*count);
        }
        for (date, count) in &mut by_day {
            let once = last_stage.get(date).copied().unwrap_or_default();
            let often = count.saturating_sub(once).checked_mul(self.times);
            let deliveries = often.and_then(|often| often.checked_add(once));
            *count = deliveries.ok_or_else(too_many)?;
        }
        Ok(Counted {
            by_day,
            until: self.days.until,
        })
    }
}

impl Counted {
    /// The day from which on nothing was counted.
    pub const fn until(&self) -> Date {
        self.until
    }

    /// Deliveries from one day up to and without another.
    pub fn between(&self, from: Date, until: Date) -> Option<u64> {
        if from >= until {
            return Some(0);
        }
        let counts = self.by_day.range(from..until);
        counts
            .map(|(_, count)| *count)
            .try_fold(0, u64::checked_add)
    }
}

impl Days {
    fn of(start: UtcTime, until: Date) -> Self {
        Self {
            from: day(start),
            until,
        }
    }

    fn last(self) -> Date {
        self.until.yesterday().unwrap_or(self.until)
    }
}

impl Catalog {
    /// At how many stages of processing a scene may be delivered.
    pub fn times(&self) -> u64 {
        if self.stages == 0 {
            DEFAULT_STAGES
        } else {
            self.stages
        }
    }
}

fn range(catalog: &Catalog, start: UtcTime, until: Date, end: Option<UtcTime>) -> Value {
    let field = if catalog.by_publication {
        "published"
    } else {
        "acquired"
    };
    let mut config = json!({"gte": start.to_string()});
    match end {
        // nobody says whether a subscription's end is part of it
        Some(end) => config["lte"] = end.to_string().into(),
        None => config["lt"] = format!("{until}T00:00:00Z").into(),
    }
    json!({"type": "DateRangeFilter", "field_name": field, "config": config})
}

fn body(name: &str, interval: &str, filters: &[Value]) -> Vec<u8> {
    let item_type = bundles::item_type(name).unwrap_or(name);
    json!({"item_types": [item_type], "interval": interval,
        "filter": {"type": "AndFilter", "config": filters}})
    .to_string()
    .into_bytes()
}

fn day(time: UtcTime) -> Date {
    time.to_zoned(TimeZone::UTC).date()
}

/// The first day of which no moment comes before `end`.
fn day_after(end: UtcTime) -> Date {
    let last = end
        .checked_sub(SignedDuration::from_nanos(1))
        .unwrap_or(end);
    let last = day(last);
    last.tomorrow().unwrap_or(last)
}

#[cfg(test)]
mod tests;
