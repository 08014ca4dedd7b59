//! api.planet.com and tiles.planet.com.

pub(super) mod account;
pub(super) mod basemaps;
mod bundles;
pub(super) mod data;
mod data_search;
pub(super) mod features;
mod order_price;
pub(super) mod orders;
pub(super) mod others;
mod subscription;
mod subscription_price;
pub(super) mod subscriptions;
mod tiles;

use serde_json::Value;

use super::call::{Call, Site};
use crate::units::SquareKm;

/// The square kilometres that one scene of a type covers.
fn scene_km2(kind: &str) -> SquareKm {
    let whole = match kind {
        "SkySatScene" => 2,
        "SkySatCollect" => 100,
        _ => 500,
    };
    SquareKm::from_whole(whole).unwrap_or_default()
}

/// A page of a list, and the address of the next one where there is more.
fn page<'a>(
    call: &Call,
    all: &'a [Value],
    default_size: usize,
    [size_name, marker_name]: [&str; 2],
) -> (&'a [Value], Option<String>) {
    let size = call.number(size_name).filter(|size| *size > 0);
    let size = size.unwrap_or(default_size).min(10_000);
    let start = call.number(marker_name).unwrap_or_default().min(all.len());
    let end = start.saturating_add(size).min(all.len());
    let shown = all.get(start..end).unwrap_or_default();
    let next = (end < all.len()).then(|| {
        let kept = call.query.iter().filter(|(name, _)| name != marker_name);
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(kept)
            .append_pair(marker_name, &end.to_string())
            .finish();
        call.link(Site::Api, &format!("{}?{query}", call.path))
    });
    (shown, next)
}
