//! The one type of body that the guard handles, in and out: frames as they come, nothing gathered.
//!
//! A frame is asked for only when the other side has room, so a slow reader slows the sender down and
//! memory stays flat whatever the size.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("the transfer broke off before its end")]
    Broken(#[source] hyper::Error),
    #[error("no data came for {waited:?}")]
    Stalled { waited: Duration },
    /// What a step in between, such as link rewriting, could not do.
    #[error("the body could not be passed on")]
    Unusable(#[source] Box<dyn Error + Send + Sync>),
}

/// A body without content.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body of one piece; its length is known, so it is sent with `Content-Length`.
pub fn full(content: impl Into<Bytes>) -> Body {
    Full::new(content.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A body as it comes off a socket, given up when nothing has come for `idle`.
pub fn from_wire(incoming: Incoming, idle: Duration) -> Body {
    if incoming.is_end_stream() {
        return empty();
    }
    Body::new(Wire {
        incoming,
        idle,
        patience: None,
        waiting: false,
    })
}

/// Trailers are dropped, as RFC 9110 §6.5.1 lets an intermediary do: no Planet API uses them, and a
/// field that arrives after classification would escape it.
struct Wire {
    incoming: Incoming,
    idle: Duration,
    /// Made at the first wait and set anew for each further one.
    patience: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Wire {
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let idle = self.idle;
        let patience = self
            .patience
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        if !self.waiting {
            self.waiting = true;
            patience.as_mut().reset(Instant::now() + idle);
        }
        patience
            .as_mut()
            .poll(cx)
            .map(|()| BodyError::Stalled { waited: idle })
    }
}

impl HttpBody for Wire {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let wire = self.get_mut();
        loop {
            let Poll::Ready(frame) = Pin::new(&mut wire.incoming).poll_frame(cx) else {
                return wire.poll_patience(cx).map(|stalled| Some(Err(stalled)));
            };
            wire.waiting = false;
            match frame {
                Some(Ok(frame)) if frame.is_trailers() => {}
                Some(frame) => return Poll::Ready(Some(frame.map_err(BodyError::Broken))),
                None => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
