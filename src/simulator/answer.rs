//! What the pretend Planet says back, before it becomes HTTP, and what saying it costs.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

use super::bill::Charge;
use super::figures;

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) content: Content,
    pub(super) charges: Vec<Charge>,
    /// The cost as the header will state it.
    pub(super) spent: Option<String>,
    /// The file whose bytes are billed as they leave.
    pub(super) leaving: Option<String>,
}

pub(super) enum Content {
    /// Sent with its length.
    Whole(Bytes),
    /// Sent as chunks, without a length: as upstream sends pictures.
    Chunked(Bytes),
    /// So many bytes of the pattern that storage is full of, made while they are sent.
    Pattern { start: u64, length: u64 },
}

impl Answer {
    pub(super) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            content: Content::Whole(Bytes::new()),
            charges: Vec::new(),
            spent: None,
            leaving: None,
        }
    }

    pub(super) fn json(body: &Value) -> Self {
        Self::bytes("application/json", body.to_string())
    }

    pub(super) fn created(body: &Value) -> Self {
        Self::json(body).with_status(StatusCode::CREATED)
    }

    pub(super) fn bytes(media_type: &str, body: impl Into<Bytes>) -> Self {
        let answer = Self {
            content: Content::Whole(body.into()),
            ..Self::empty(StatusCode::OK)
        };
        answer.with(CONTENT_TYPE, media_type)
    }

    pub(super) fn chunked(media_type: &str, body: impl Into<Bytes>) -> Self {
        let answer = Self {
            content: Content::Chunked(body.into()),
            ..Self::empty(StatusCode::OK)
        };
        answer.with(CONTENT_TYPE, media_type)
    }

    pub(super) fn redirect(location: &str) -> Self {
        Self::empty(StatusCode::FOUND).with(LOCATION, location)
    }

    pub(super) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// A value that no header can hold is left out: it came from the wire, and must not bring us down.
    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    pub(super) fn charging(mut self, charge: Charge) -> Self {
        self.charges.push(charge);
        self
    }

    pub(super) fn leaving(self, file: &str) -> Self {
        Self {
            leaving: Some(file.to_owned()),
            ..self
        }
    }

    /// Charges what the cost header will say, to the last digit of it.
    pub(super) fn spending(self, api: &'static str, cost: f64, what: impl Into<String>) -> Self {
        let text = figures::header_text(cost);
        let charge = Charge::of(api, what).pu(figures::pu_of_text(&text));
        Self {
            spent: Some(text),
            ..self
        }
        .charging(charge)
    }

    /// What states its cost costs so many percent of it, and says so.
    pub(super) fn at_percent(mut self, percent: u32) -> Self {
        let cost: Option<f64> = self.spent.as_ref().and_then(|text| text.parse().ok());
        let Some((cost, charge)) = cost.zip(self.charges.last_mut()) else {
            return self;
        };
        let text = figures::header_text(cost * f64::from(percent) / 100.0);
        charge.pu = figures::pu_of_text(&text);
        self.spent = Some(text);
        self
    }

    /// Only what succeeds is charged.
    pub(super) fn succeeds(&self) -> bool {
        self.status.is_success() || self.status.is_redirection()
    }
}
