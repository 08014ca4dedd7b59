//! What a request asks of Planet, in the quantities that decide its cost.

use std::sync::Arc;

use super::basemaps::{Quad, Tile};
use super::batch::BatchAsk;
use super::catalog::SearchAsk;
use super::data::Asset;
use super::imagery::Imagery;
use super::jobs::AsyncAsk;
use super::orders::OrderAsk;
use super::quota::ReservationAsk;
use super::subscriptions::{Present, Revision, SubscriptionAsk};

/// One understood request. Each variant holds what the cost rules need and nothing else.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// Known to cost nothing.
    Nothing,
    /// One image of the Processing API.
    Process(Imagery),
    /// Figures of the Statistical API, in one request.
    Statistics(Imagery),
    /// One image of an OGC service.
    OgcImage(Imagery),
    /// One large image, delivered to a bucket.
    AsyncProcess(AsyncAsk),
    /// Images of all tiles of an area.
    Batch(BatchAsk),
    /// A query of the Catalog, or by WFS.
    Search(SearchAsk),
    /// One change to a collection of the caller's own.
    CollectionWrite,
    /// Spends, but how much cannot be told from the request.
    Unbounded(Unbounded),
    /// An order of scenes or basemap quads.
    Order(OrderAsk),
    /// One subscription or, by a bulk call, several.
    Subscriptions(Vec<SubscriptionAsk>),
    /// A subscription changed, which may widen what it will cost.
    Revision(Box<Revision>),
    /// Subscriptions that stood still and go on.
    Reactivation(Vec<Present>),
    /// One asset made ready for download.
    Activation(Asset),
    /// The same, within the time in which somebody has paid for it.
    ActivatedBefore(Asset),
    /// One asset downloaded.
    Download(Asset),
    /// One basemap quad downloaded.
    Quad(Quad),
    /// One tile of a basemap or a scene.
    Tile(Tile),
    /// Quota reserved for good.
    Reservation(ReservationAsk),
}

impl Ask {
    /// Whether it goes on spending when it has been answered: what is created, changed or let go on.
    pub const fn goes_on(&self) -> bool {
        matches!(
            self,
            Self::Subscriptions(_) | Self::Revision(_) | Self::Reactivation(_)
        )
    }

    /// Whether some of it spends until somebody stops it.
    pub fn is_endless(&self) -> bool {
        match self {
            Self::Subscriptions(all) => all.iter().any(|one| one.end.is_none()),
            Self::Revision(change) => change.after.end.is_none(),
            Self::Reactivation(all) => all.iter().any(Present::goes_on_without_end),
            _ => false,
        }
    }
}

/// Why no upper bound can be given, as a clause that fits behind "the cost cannot be predicted: ".
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{why}")]
pub struct Unbounded {
    pub why: String,
}

/// A body or query that is not what the API takes: the caller's mistake, answered with 400.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{sentence}")]
pub struct Misread {
    /// What is wrong, where, and what to write instead.
    pub sentence: String,
}

impl Misread {
    pub fn new(sentence: impl Into<String>) -> Self {
        Self {
            sentence: sentence.into(),
        }
    }
}

/// An ask and the products (item types, collections, mosaics) it touches, for `per` and `match`.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub ask: Ask,
    pub products: Vec<Arc<str>>,
}
