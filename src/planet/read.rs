//! From a classified call to what it asks: one line for each operation, each read in its own file.

use std::sync::Arc;

use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, Method};

use super::basemaps::{Quad, Tile};
use super::data::Asset;
use super::document::{self, Document};
use super::route::OgcRequest;
use super::subscriptions::SubscriptionAsk;
use super::{
    Ask, Declared, Deployment, Known, Misread, Operation, Query, Reading, Route, Unbounded,
    catalog, evalscript, jobs, ogc, orders, process, quota, statistics, subscriptions,
};

/// A classified call, as far as its cost may depend on it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub method: &'a Method,
    pub route: &'a Route,
    /// Canonical, behind the mount.
    pub path: &'a str,
    pub query: Query<'a>,
    pub headers: &'a HeaderMap,
    /// Empty where [`Operation::needs_body`] says that it is not looked at.
    pub body: &'a [u8],
    /// Which of Sentinel Hub's sites is called: what counts as local.
    pub deployment: Deployment,
}

/// What the call asks for. `declared` is the operator's word for what it does not show.
pub fn read(asked: &Asked<'_>, declared: Declared) -> Result<Reading, Misread> {
    match asked.route.operation {
        Operation::Read
        | Operation::Change
        | Operation::OrganisationChange
        | Operation::Release
        | Operation::CancelOrders
        | Operation::SuspendSubscriptions
        | Operation::IssueToken
        | Operation::CreateBatch
        // its bytes are counted as they pass, or were predicted with the order
        | Operation::DownloadOrder
        // only the policy lets an unknown call come this far
        | Operation::Unknown => Ok(nothing()),
        Operation::Process => process::read(&asked.document()?, &asked.known(declared)),
        Operation::Statistics => statistics::read(&asked.document()?, &asked.known(declared)),
        Operation::AsyncProcess => jobs::read(&asked.document()?, &asked.known(declared)),
        Operation::Ogc if asked.method == Method::POST => {
            let form = ogc::form(asked.header(&CONTENT_TYPE), asked.query, asked.body)?;
            ogc::read(form, &asked.known(declared))
        }
        Operation::Ogc => ogc::read(asked.query, &asked.known(declared)),
        Operation::CatalogSearch if asked.method == Method::POST => {
            catalog::search(&asked.document()?)
        }
        Operation::CatalogSearch => catalog::search_by_query(asked.query),
        Operation::CatalogItems => catalog::items(asked.param("collection"), asked.query),
        Operation::CatalogItem => Ok(catalog::item(asked.param("collection"))),
        Operation::CollectionWrite => Ok(of_no_product(Ask::CollectionWrite)),
        Operation::StartBatch => Ok(unbounded(
            "the call that starts a batch names its task alone, and the guard does not follow tasks yet",
        )),
        Operation::ReviseSubscription
        | Operation::ReactivateSubscription
        | Operation::ReactivateSubscriptions => Ok(unbounded(
            "what is left of the subscription does not stand in the request, and the guard does not \
             follow subscriptions yet",
        )),
        Operation::CreateOrder => ordered(asked.body),
        Operation::CreateSubscription => Ok(subscribed(vec![subscriptions::read(asked.body)?])),
        Operation::CreateSubscriptions => Ok(subscribed(subscriptions::read_bulk(asked.body)?)),
        Operation::ActivateAsset => Ok(asset(Asset::of_id(asked.param("asset")), Ask::Activation)),
        Operation::DownloadAsset => {
            let token = asked.query.single("token")?.unwrap_or_default();
            Ok(asset(Asset::of_token(&token), Ask::Download))
        }
        Operation::DownloadQuad => {
            let mosaic = asked.param("mosaic").to_owned();
            Ok(Reading {
                products: named(&[&mosaic]),
                ask: Ask::Quad(Quad { mosaic }),
            })
        }
        Operation::BasemapTile => Ok(tile(asked.param("mosaic"))),
        Operation::SceneTile => Ok(tile(asked.param("type"))),
        Operation::TileService => match OgcRequest::read_tile_service(asked.query)? {
            OgcRequest::Description => Ok(nothing()),
            _ => Ok(tile(asked.param("mosaic"))),
        },
        Operation::ReserveQuota | Operation::ReserveQuotaInBulk => {
            let reservation = quota::read(asked.body)?;
            Ok(Reading {
                ask: Ask::Reservation(reservation),
                products: Vec::new(),
            })
        }
        Operation::Unpriced(why) | Operation::Refused(why) => Ok(unbounded(why)),
    }
}

impl<'a> Asked<'a> {
    fn document(&self) -> Result<Document<'a>, Misread> {
        document::read(
            self.header(&CONTENT_TYPE),
            self.header(&CONTENT_ENCODING),
            self.body,
        )
    }

    /// A part of the path, as the route's pattern names it; empty where the pattern has none.
    fn param(&self, name: &str) -> &'a str {
        self.route.param(self.path, name).unwrap_or_default()
    }

    fn known(&self, declared: Declared) -> Known<'a> {
        Known {
            deployment: self.deployment,
            accept: self.header(&ACCEPT),
            declared,
            scripts: &evalscript::remembered,
        }
    }

    /// A header that stands once, as the way in has made sure; what is no text counts as unreadable.
    fn header(&self, name: &HeaderName) -> Option<&'a str> {
        Some(self.headers.get(name)?.to_str().unwrap_or("?"))
    }
}

fn ordered(body: &[u8]) -> Result<Reading, Misread> {
    let order = orders::read(body)?;
    Ok(Reading {
        products: named(&order.products()),
        ask: Ask::Order(order),
    })
}

fn subscribed(all: Vec<SubscriptionAsk>) -> Reading {
    let mut products: Vec<&str> = all.iter().flat_map(SubscriptionAsk::products).collect();
    products.sort_unstable();
    products.dedup();
    Reading {
        products: named(&products),
        ask: Ask::Subscriptions(all),
    }
}

fn asset(named_asset: Result<Asset, Unbounded>, ask: fn(Asset) -> Ask) -> Reading {
    match named_asset {
        Ok(asset) => Reading {
            products: named(&[&asset.item_type]),
            ask: ask(asset),
        },
        Err(Unbounded { why }) => unbounded(why),
    }
}

fn tile(product: &str) -> Reading {
    let product = product.to_owned();
    Reading {
        products: named(&[&product]),
        ask: Ask::Tile(Tile { product }),
    }
}

fn named(products: &[&str]) -> Vec<Arc<str>> {
    products.iter().map(|name| Arc::from(*name)).collect()
}

fn nothing() -> Reading {
    of_no_product(Ask::Nothing)
}

fn unbounded(why: impl Into<String>) -> Reading {
    of_no_product(Ask::Unbounded(Unbounded { why: why.into() }))
}

fn of_no_product(ask: Ask) -> Reading {
    Reading {
        ask,
        products: Vec::new(),
    }
}
