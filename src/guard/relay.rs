//! An upstream's answer on its way back: links lead to the guard again, Planet's own key stays here, and
//! headers that describe the whole organisation are dropped.

use std::borrow::Cow;
use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::write::{GzDecoder, ZlibDecoder};
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE, ETAG, HeaderName,
    HeaderValue, LINK, LOCATION,
};
use http::{HeaderMap, Response};
use http_body::{Body as HttpBody, Frame};
use tracing::error;

use super::places::{Place, answers_with_links};
use super::refusal::{Problem, Refusal};
use crate::identity::Presented;
use crate::planet::Operation;
use crate::policy::{Policy, Upstream};
use crate::upstream::{
    Body, BodyError, Form, LinkError, Linked, Links, Rewrite, Rewriter, Sealing, coding,
};

/// Headers in which upstream speaks of the organisation's whole account: ours stand for the caller.
const ORGANISATIONS: [&str; 5] = [
    "ratelimit",
    "x-ratelimit",
    "x-rate-limit",
    "x-processingunits-remaining",
    "x-processingunits-retry-after",
];

/// The way back.
#[derive(Debug)]
pub struct Relay {
    links: Arc<Links>,
}

impl Relay {
    pub fn new(policy: &Policy, public_url: &str) -> Result<Self, LinkError> {
        let origins = |upstream: &Upstream| -> Vec<String> {
            upstream
                .also_known_as()
                .iter()
                .map(url::Origin::ascii_serialization)
                .collect()
        };
        let upstreams: Vec<_> = policy
            .upstreams()
            .iter()
            .map(|upstream| (upstream, origins(upstream)))
            .collect();
        let linked: Vec<Linked<'_>> = upstreams
            .iter()
            .map(|(upstream, also_known_as)| Linked {
                name: upstream.name(),
                kind: upstream.kind(),
                url: upstream.url().as_str(),
                also_known_as,
                mount: upstream.mount(),
            })
            .collect();
        Ok(Self {
            links: Arc::new(Links::new(public_url, &linked)?),
        })
    }

    /// Whether a location in an answer of this upstream leads to a mount of the guard's.
    pub(super) fn leads_back(&self, location: &str, place: &Place) -> bool {
        self.links
            .in_answer_of(place.upstream.name(), None)
            .leads_back(location)
    }

    /// The answer as the caller gets it.
    pub(super) fn pass_on(
        &self,
        mut response: Response<Body>,
        operation: Operation,
        place: &Place,
        presented: &Presented,
        sealing: Option<Sealing>,
    ) -> Result<Response<Body>, Refusal> {
        let rewrite = self
            .links
            .in_answer_of(place.upstream.name(), place.hidden_key(presented))
            .sealing(sealing);
        let headers = response.headers_mut();
        drop_the_organisations(headers);
        for name in [LOCATION, CONTENT_LOCATION, LINK] {
            rewrite_header(headers, &name, &rewrite);
        }
        let form = content_type(headers).and_then(Form::of);
        match form.filter(|_| answers_with_links(operation)) {
            None => Ok(response),
            Some(form) => {
                let inflate = Inflate::of(headers)?;
                // the length of what is sent is known only at its end
                for name in [CONTENT_LENGTH, CONTENT_ENCODING, ETAG] {
                    headers.remove(name);
                }
                let rewriter = rewrite.streaming(form);
                Ok(response.map(|body| {
                    Body::new(Rewritten {
                        body,
                        inflate,
                        rewriter: Some(rewriter),
                    })
                }))
            }
        }
    }
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE)?.to_str().ok()
}

fn drop_the_organisations(headers: &mut HeaderMap) {
    let speaks_of_it = |name: &HeaderName| {
        ORGANISATIONS
            .iter()
            .any(|prefix| name.as_str().starts_with(prefix))
    };
    let names: Vec<HeaderName> = headers
        .keys()
        .filter(|name| speaks_of_it(name))
        .cloned()
        .collect();
    for name in names {
        headers.remove(name);
    }
}

fn rewrite_header(headers: &mut HeaderMap, name: &HeaderName, rewrite: &Rewrite) {
    let rewritten: Vec<HeaderValue> = headers
        .get_all(name)
        .iter()
        .map(|value| {
            let text = value.to_str().unwrap_or_default();
            let changed = if *name == LINK {
                rewrite.link_header(text)
            } else {
                rewrite.location(text)
            };
            changed
                .and_then(|text| HeaderValue::from_str(&text).ok())
                .unwrap_or_else(|| value.clone())
        })
        .collect();
    headers.remove(name);
    for value in rewritten {
        headers.append(name, value);
    }
}

/// Undoes the compression that upstream chose although it was asked for none.
enum Inflate {
    Plain,
    Gzip(GzDecoder<Vec<u8>>),
    Zlib(ZlibDecoder<Vec<u8>>),
}

impl Inflate {
    fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        match coding(headers)
            .map(|coding| coding.to_ascii_lowercase())
            .as_deref()
        {
            None => Ok(Self::Plain),
            Some("gzip" | "x-gzip") => Ok(Self::Gzip(GzDecoder::new(Vec::new()))),
            Some("deflate") => Ok(Self::Zlib(ZlibDecoder::new(Vec::new()))),
            Some(other) => {
                error!(
                    coding = other,
                    "upstream's answer is compressed in a way that cannot be read"
                );
                Err(Refusal::new(
                    Problem::OutcomeUnknown,
                    "The request took effect, but upstream compressed its answer in a way that the guard \
                     cannot read, so it cannot be passed on. Look for the result before you send it again.",
                ))
            }
        }
    }

    /// The plain bytes that `data` brings.
    fn push<'d>(&mut self, data: &'d [u8]) -> std::io::Result<Cow<'d, [u8]>> {
        match self {
            Self::Plain => Ok(Cow::Borrowed(data)),
            Self::Gzip(decoder) => {
                decoder.write_all(data)?;
                decoder.flush()?;
                Ok(Cow::Owned(std::mem::take(decoder.get_mut())))
            }
            Self::Zlib(decoder) => {
                decoder.write_all(data)?;
                decoder.flush()?;
                Ok(Cow::Owned(std::mem::take(decoder.get_mut())))
            }
        }
    }
}

/// A body whose links are rewritten as it streams.
struct Rewritten {
    body: Body,
    inflate: Inflate,
    /// `None` once the end has been handed on.
    rewriter: Option<Rewriter>,
}

impl Rewritten {
    fn push(&mut self, data: &[u8]) -> Result<Vec<u8>, BodyError> {
        let mut out = Vec::with_capacity(data.len() + data.len() / 8);
        let plain = self
            .inflate
            .push(data)
            .map_err(|cause| BodyError::Unusable(cause.into()))?;
        if let Some(rewriter) = &mut self.rewriter {
            rewriter.push(&plain, &mut out);
        }
        Ok(out)
    }

    fn finish(&mut self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.rewriter.take()?.finish(&mut out);
        (!out.is_empty()).then_some(out)
    }
}

impl HttpBody for Rewritten {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        loop {
            let data = match Pin::new(&mut this.body).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
                Poll::Ready(None) => {
                    return Poll::Ready(this.finish().map(|rest| Ok(Frame::data(rest.into()))));
                }
            };
            match this.push(&data) {
                Ok(out) if out.is_empty() => {}
                Ok(out) => return Poll::Ready(Some(Ok(Frame::data(out.into())))),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}
