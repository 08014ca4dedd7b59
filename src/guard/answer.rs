//! What the guard answers, before `front` makes HTTP of it.

use http::Response;
use serde::Serialize;

use super::{Refusal, TokenRefusal};
use crate::identity::Issued;
use crate::ledger::{RequestId, Standing};
use crate::units::Amounts;
use crate::upstream::Body;

/// One answer to one request.
pub struct Answer {
    pub reply: Reply,
    pub notes: Notes,
}

pub enum Reply {
    /// An upstream's own answer.
    Forwarded(Response<Body>),
    /// The guard's, in the shape that the caller's client prints.
    Refused(Refusal, Dialect),
    /// What the token endpoint says.
    Token(Result<Issued, TokenRefusal>),
    /// The guard's own, as JSON.
    Document(String),
}

impl Reply {
    pub(super) fn document(content: &impl Serialize) -> Self {
        Self::Document(serde_json::to_string(content).unwrap_or_default())
    }
}

/// The shape of error that a client shows to its user.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dialect {
    /// Problem JSON, which the Planet SDK prints whole.
    Planet,
    /// Problem JSON; sentinelhub-py prints its `error` member.
    SentinelHub,
    /// A `ServiceExceptionReport`: GIS clients show nothing else.
    Ogc,
}

/// What every guarded answer says in its headers.
#[derive(Clone, Debug)]
pub struct Notes {
    pub request: RequestId,
    pub estimate: Option<Amounts>,
    pub charge: Option<Amounts>,
    /// How the budgets that bind the request stand.
    pub standings: Vec<Standing>,
}

impl Notes {
    pub const fn new(request: RequestId) -> Self {
        Self {
            request,
            estimate: None,
            charge: None,
            standings: Vec::new(),
        }
    }
}
