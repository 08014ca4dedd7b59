//! What every request that renders pixels has in common.
//!
//! A quantity that the request does not show is taken for the most that it could be, and a clause in
//! [`Imagery::bounded`] says so. Where there is no most, the request is [`Unbounded`].

use std::borrow::Cow;
use std::sync::Arc;

use super::collections::Deployment;
use super::evalscript::Script;
use super::{Ask, Misread, Reading, Unbounded};

/// Pixels to render, in the quantities that Planet charges for.
#[derive(Clone, Debug, PartialEq)]
pub struct Imagery {
    pub width: u64,
    pub height: u64,
    /// One for each collection that the request fuses.
    pub sources: Vec<Source>,
    pub format: Format,
    pub correction: Correction,
    pub speckle_filter: bool,
    /// Why the cost may be less than these quantities make it; empty when they are exact.
    pub bounded: Vec<Cow<'static, str>>,
}

/// One collection of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Source {
    pub collection: Arc<str>,
    pub bands: u64,
    /// Data samples for each pixel.
    pub samples: u64,
    /// Stored in another deployment than the one that is called.
    pub remote: bool,
}

/// What the encoding of the answer does to the price.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Format {
    #[default]
    UpTo16Bit,
    Float32,
    OctetStream,
    /// Planet names no factor for it; the two are multiplied.
    Float32OctetStream,
}

/// Corrections of radar images, cheapest first.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Correction {
    #[default]
    None,
    Orthorectified,
    RadiometricTerrain,
}

/// What is known besides the request itself.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// Where the request goes.
    pub deployment: Deployment,
    /// The `Accept` header, several joined by commas.
    pub accept: Option<&'a str>,
    pub declared: Declared,
    /// Reads an evalscript, or remembers having read it.
    pub scripts: &'a dyn Fn(&str) -> Arc<Script>,
}

/// The operator's word for what a request does not show.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Declared {
    pub bands: Option<u64>,
    pub float32: Option<bool>,
    pub samples: Option<u64>,
}

/// Clauses that say why a quantity is only a bound, each once.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<Cow<'static, str>>);

/// Why a request has no known cost.
#[derive(Debug)]
pub(super) enum Unread {
    Wrong(Misread),
    Unbounded(Unbounded),
}

impl From<Misread> for Unread {
    fn from(misread: Misread) -> Self {
        Self::Wrong(misread)
    }
}

impl Unread {
    pub(super) fn unbounded(why: impl Into<String>) -> Self {
        Self::Unbounded(Unbounded { why: why.into() })
    }
}

impl Notes {
    pub(super) fn add(&mut self, why: impl Into<Cow<'static, str>>) {
        let why = why.into();
        if !self.0.contains(&why) {
            self.0.push(why);
        }
    }

    pub(super) fn into_clauses(self) -> Vec<Cow<'static, str>> {
        self.0
    }
}

/// Each product once, in the order in which they come.
pub(super) fn distinct(products: impl Iterator<Item = Arc<str>>) -> Vec<Arc<str>> {
    let mut found = Vec::new();
    for product in products {
        if !found.contains(&product) {
            found.push(product);
        }
    }
    found
}

/// A request without a bound is still a reading: it touches the products that it names.
pub(super) fn reading(
    ask: Result<Ask, Unread>,
    products: Vec<Arc<str>>,
) -> Result<Reading, Misread> {
    let ask = match ask {
        Ok(ask) => ask,
        Err(Unread::Unbounded(unbounded)) => Ask::Unbounded(unbounded),
        Err(Unread::Wrong(misread)) => return Err(misread),
    };
    Ok(Reading { ask, products })
}
