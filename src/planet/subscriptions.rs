//! Subscriptions: what is watched, where, from when until when, with which tools, to where.
//!
//! `source.type` may be left out, as Planet's own SDK does: a source with item types is a catalog, one
//! with an id is a product.

mod named;
mod revision;

pub use named::{Ended, changed, ended};
pub(super) use revision::read_revision;
pub use revision::{Presence, Present, Revision, is_free, read_present};

use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use super::Misread;
use super::bundles::{self, AssetCounts};
use super::counts::Count;
use super::geometry::{Covered, FeatureRef, Geometry, RawGeometry};
use super::quota::Entitlement;
use super::spelling::{self, Members};
use super::tools::{Delivery, Tools};
use crate::units::UtcTime;

/// More subscriptions than this in one bulk call are not worth reading.
pub const MAX_BULK: usize = 1_000;
/// What a scene and an area may have to do with each other: all that touch it, or fewer.
const RELATIONS: [&str; 3] = ["intersects", "contains", "within"];

/// Members that a price hangs on.
const PRICED: &[&str] = &[
    "subscriptions",
    "source",
    "parameters",
    "item_types",
    "asset_types",
    "id",
    "geometry",
    "start_time",
    "end_time",
    "publishing_stages",
    "time_range_type",
    "filter",
    "geometry_relation",
    "tools",
    "aoi",
    "type",
    "coordinates",
    "geometries",
    "content",
    "delivery",
    "hosting",
    "sentinel_hub",
];

/// A subscription as far as it is priced.
#[derive(Clone, Debug, PartialEq)]
pub struct SubscriptionAsk {
    pub source: Source,
    pub geometry: Geometry,
    /// What of each part of its area is locked already; empty where nobody looked.
    pub covered: Arc<[Covered]>,
    /// When that was locked, at the earliest; `None` where nothing is.
    pub locked_since: Option<UtcTime>,
    /// The feature that [`Self::geometry`] is the outline of, once that is known.
    pub feature: Option<FeatureRef>,
    pub start: UtcTime,
    /// None: it runs until somebody cancels it.
    pub end: Option<UtcTime>,
    pub tools: Tools,
    pub delivery: Delivery,
    /// A member that nothing here understands.
    pub unread: Option<String>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    Catalog(Catalog),
    /// A Planetary Variable or an analysis-ready product.
    Product(Product),
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Product {
    pub id: String,
    /// What Planet says of this account's right to it; `None`: nobody asked, or nobody knows.
    pub entitlement: Option<Entitlement>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Catalog {
    /// One, in practice.
    pub item_types: Vec<String>,
    pub assets: AssetCounts,
    /// At how many stages of processing a scene may be delivered anew; 0: as upstream defaults.
    pub stages: u64,
    /// Whether the time range is one of publication, in which years of scenes may fall into one day.
    pub by_publication: bool,
    /// As the Data API takes it: leaves scenes out.
    pub filter: Option<Value>,
    /// What Planet counts of each item type in the past; empty where nobody asked.
    pub counts: Vec<Count>,
}

#[derive(Deserialize)]
struct RawBulk {
    subscriptions: Vec<RawSubscription>,
}

#[derive(Deserialize)]
struct RawSubscription {
    source: RawSource,
    tools: Option<Vec<RawTool>>,
    delivery: Option<Box<RawValue>>,
    hosting: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct RawSource {
    parameters: RawParameters,
}

#[derive(Deserialize)]
struct RawTool {
    #[serde(rename = "type")]
    kind: String,
    parameters: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct RawParameters {
    item_types: Option<Vec<String>>,
    asset_types: Option<Vec<String>>,
    id: Option<String>,
    geometry: Option<RawGeometry>,
    start_time: Option<String>,
    end_time: Option<String>,
    publishing_stages: Option<Vec<String>>,
    time_range_type: Option<String>,
    filter: Option<Value>,
    geometry_relation: Option<String>,
    /// These only ever leave scenes out, or repeat what stands elsewhere.
    #[serde(rename = "rrule")]
    _rrule: Option<IgnoredAny>,
    #[serde(rename = "geom_ref")]
    _geom_ref: Option<IgnoredAny>,
    #[serde(flatten)]
    rest: Members,
}

/// Reads the body of a create, or of a PUT, which takes the whole of it.
pub fn read(body: &[u8]) -> Result<SubscriptionAsk, Misread> {
    spelling::read::<RawSubscription>(body, PRICED)?.prove("")
}

/// Reads the body of a bulk create.
pub fn read_bulk(body: &[u8]) -> Result<Vec<SubscriptionAsk>, Misread> {
    let RawBulk { subscriptions } = spelling::read(body, PRICED)?;
    if subscriptions.is_empty() || subscriptions.len() > MAX_BULK {
        return Err(Misread::new(format!(
            "the call creates {} subscriptions; send from 1 to {MAX_BULK} in 'subscriptions'",
            subscriptions.len()
        )));
    }
    subscriptions
        .into_iter()
        .enumerate()
        .map(|(place, raw)| raw.prove(&format!("subscriptions[{place}].")))
        .collect()
}

impl RawSubscription {
    /// `within` is the path to the subscription, with its dot, for errors.
    fn prove(self, within: &str) -> Result<SubscriptionAsk, Misread> {
        let Self {
            source,
            tools: raw_tools,
            delivery,
            hosting,
        } = self;
        let at = format!("{within}source.parameters");
        let mut raw = source.parameters;
        let (start, end) = raw.period(&at)?;
        let geometry = raw.geometry.as_ref().ok_or_else(|| {
            Misread::new(format!(
                "{at} has no 'geometry'; give a Polygon or a reference"
            ))
        })?;
        let geometry = Geometry::read(geometry, &format!("{at}.geometry"))?;
        let mut tools = Tools::default();
        for (place, tool) in raw_tools.into_iter().flatten().enumerate() {
            let at = format!("{within}tools[{place}].parameters");
            tools.add(&tool.kind, tool.parameters.as_deref(), &at)?;
        }
        Ok(SubscriptionAsk {
            source: raw.source(&at)?,
            covered: Arc::default(),
            locked_since: None,
            unread: raw.odd_relation().or(raw.rest.one()),
            geometry,
            feature: None,
            start,
            end,
            tools,
            delivery: Delivery::read(delivery.as_deref(), hosting.as_deref())?,
        })
    }
}

impl RawParameters {
    fn period(&self, at: &str) -> Result<(UtcTime, Option<UtcTime>), Misread> {
        let start = self.start_time.as_deref().ok_or_else(|| {
            Misread::new(format!(
                "{at} has no 'start_time'; give one such as 2026-03-01T00:00:00Z"
            ))
        })?;
        let start = instant(start, &format!("{at}.start_time"))?;
        let end = self
            .end_time
            .as_deref()
            .map(|end| instant(end, &format!("{at}.end_time")))
            .transpose()?;
        if let Some(end) = end.filter(|end| *end <= start) {
            return Err(Misread::new(format!(
                "{at} ends at {end}, which is not after its start at {start}; swap or correct them"
            )));
        }
        Ok((start, end))
    }

    /// A relation by which scenes are chosen that may not touch the area at all.
    fn odd_relation(&self) -> Option<String> {
        let relation = self.geometry_relation.as_deref()?;
        (!RELATIONS.contains(&relation)).then(|| "geometry_relation".to_owned())
    }

    fn source(&mut self, at: &str) -> Result<Source, Misread> {
        let Some(item_types) = &self.item_types else {
            let id = self.id.clone().ok_or_else(|| {
                Misread::new(format!(
                    "{at} has neither 'item_types' nor a product's 'id'"
                ))
            })?;
            let entitlement = None;
            return Ok(Source::Product(Product { id, entitlement }));
        };
        let asset_types = self.asset_types.as_deref().unwrap_or_default();
        if item_types.is_empty() || asset_types.is_empty() {
            return Err(Misread::new(format!(
                "{at} needs at least one of 'item_types' and one of 'asset_types'"
            )));
        }
        if self.id.is_some() {
            return Err(Misread::new(format!(
                "{at} has both 'item_types' and 'id'; keep the one that is meant"
            )));
        }
        let mut assets = AssetCounts::default();
        for asset_type in asset_types {
            assets.add_named(asset_type);
        }
        let stages = self.publishing_stages.as_deref().map_or(0, <[_]>::len);
        Ok(Source::Catalog(Catalog {
            item_types: item_types.clone(),
            assets,
            stages: u64::try_from(stages).unwrap_or(u64::MAX),
            by_publication: self
                .time_range_type
                .as_deref()
                .is_some_and(|kind| kind != "acquired"),
            filter: self.filter.take(),
            counts: Vec::new(),
        }))
    }
}

/// An RFC 3339 time of the space age.
pub(super) fn instant(text: &str, at: &str) -> Result<UtcTime, Misread> {
    let shown: String = text.chars().take(40).collect();
    let is_rfc_3339 =
        text.len() >= 20 && text.as_bytes().get(10) == Some(&b'T') && !text.contains('[');
    let time = is_rfc_3339
        .then(|| text.parse::<UtcTime>().ok())
        .flatten()
        .ok_or_else(|| {
            Misread::new(format!(
                "{at} '{shown}' is not a time such as 2026-03-01T00:00:00Z, with its zone"
            ))
        })?;
    if time < UtcTime::UNIX_EPOCH {
        return Err(Misread::new(format!(
            "{at} {shown} lies before 1970, and no satellite image does"
        )));
    }
    Ok(time)
}

impl SubscriptionAsk {
    /// Item types, or the product's id.
    pub fn products(&self) -> Vec<&str> {
        match &self.source {
            Source::Catalog(catalog) => catalog
                .item_types
                .iter()
                .map(|name| bundles::item_type(name).unwrap_or(name))
                .collect(),
            Source::Product(product) => vec![&product.id],
        }
    }
}

#[cfg(test)]
mod tests;
