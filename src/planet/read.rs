//! From a classified call to what it asks: one line for each operation, each read in its own file.

use std::sync::Arc;

use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, Method};

use super::basemaps::{Quad, Tile};
use super::data::Asset;
use super::document::{self, Document};
use super::imagery::Unread;
use super::route::OgcRequest;
use super::subscriptions::SubscriptionAsk;
use super::{
    Api, Ask, Declared, Deployment, Found, Known, Misread, Operation, Query, Reading, Route,
    Unbounded, batch, catalog, evalscript, found, jobs, ogc, orders, process, quota, statistics,
    subscriptions,
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
    /// What the guard has found out besides.
    pub found: Found<'a>,
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
        Operation::StartBatch => Ok(asked.started(declared)),
        Operation::ReviseSubscription => asked.revised(),
        Operation::ReactivateSubscription | Operation::ReactivateSubscriptions => {
            Ok(asked.reactivated())
        }
        Operation::CreateOrder => ordered(asked.body),
        Operation::CreateSubscription => Ok(subscribed(vec![subscriptions::read(asked.body)?])),
        Operation::CreateSubscriptions => Ok(subscribed(subscriptions::read_bulk(asked.body)?)),
        Operation::ActivateAsset => {
            let ask = if asked.found.activated {
                Ask::ActivatedBefore
            } else {
                Ask::Activation
            };
            Ok(asset(Asset::of_id(asked.param("asset")), ask))
        }
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
            let in_bulk = asked.route.operation == Operation::ReserveQuotaInBulk;
            let reservation = quota::read(asked.body, in_bulk)?;
            Ok(Reading {
                ask: Ask::Reservation(reservation),
                products: Vec::new(),
            })
        }
        Operation::Unpriced(why) | Operation::Refused(why) => Ok(unbounded(why)),
    }
}

impl<'a> Asked<'a> {
    /// The asset that the path of an activation names; `None` for other calls.
    pub fn activated_asset(&self) -> Option<Result<Asset, Unbounded>> {
        (self.route.operation == Operation::ActivateAsset)
            .then(|| Asset::of_id(self.param("asset")))
    }

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

    /// The call that starts, resumes or restarts a batch names its task alone.
    fn started(&self, declared: Declared) -> Reading {
        match self.found.of_one() {
            Err(why) => unbounded(format!(
                "the call names its task alone, and what that will render is not known: {why}"
            )),
            Ok(task) if self.route.api == Api::BatchStatistics => batch::read_statistics_task(task),
            Ok(task) => batch::read_task(task, &self.known(declared)),
        }
    }

    fn revised(&self) -> Result<Reading, Misread> {
        if subscriptions::is_free(self.method, self.body)? {
            return Ok(nothing());
        }
        let shown = match self.found.of_one() {
            Ok(shown) => shown,
            Err(why) => return Ok(unbounded(not_shown(&why))),
        };
        let revision = match subscriptions::read_revision(self.method, shown, self.body) {
            Ok(revision) => revision,
            Err(Unread::Unbounded(Unbounded { why })) => return Ok(unbounded(why)),
            Err(Unread::Wrong(misread)) => return Err(misread),
        };
        let products = products_of([&revision.before.ask, &revision.after]);
        Ok(Reading {
            ask: Ask::Revision(Box::new(revision)),
            products,
        })
    }

    fn reactivated(&self) -> Reading {
        if self
            .query
            .pairs()
            .any(|(name, _)| !name.eq_ignore_ascii_case("api_key"))
        {
            return unbounded(
                "its query may reach more subscriptions than 'subscription_ids' names; leave it out",
            );
        }
        if self.found.shown.is_empty() {
            return unbounded(match self.route.operation {
                Operation::ReactivateSubscription => not_shown(found::NOBODY_ASKED),
                _ => "what would go on cannot be told unless the call names it; list ids in \
                      'subscription_ids'"
                    .to_owned(),
            });
        }
        let mut all = Vec::with_capacity(self.found.shown.len());
        for shown in self.found.shown {
            let present = match shown {
                Ok(text) => subscriptions::read_present(text).map_err(|unbounded| unbounded.why),
                Err(why) => Err(not_shown(why)),
            };
            match present {
                Ok(present) => all.push(present),
                Err(why) => return unbounded(why),
            }
        }
        Reading {
            products: products_of(all.iter().map(|present| &present.ask)),
            ask: Ask::Reactivation(all),
        }
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
    Reading {
        products: products_of(&all),
        ask: Ask::Subscriptions(all),
    }
}

/// Of all of them together, each once.
fn products_of<'a>(all: impl IntoIterator<Item = &'a SubscriptionAsk>) -> Vec<Arc<str>> {
    let mut products: Vec<&str> = all
        .into_iter()
        .flat_map(SubscriptionAsk::products)
        .collect();
    products.sort_unstable();
    products.dedup();
    named(&products)
}

fn not_shown(why: &str) -> String {
    format!("what the subscription is now does not stand in the request, and is not known: {why}")
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
