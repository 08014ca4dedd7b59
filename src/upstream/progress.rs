//! Notices that a request's body is still on its way, so that the wait for the answer begins when the
//! last byte has gone and a long upload is not taken for a silent upstream.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::watch;

use super::body::{Body, BodyError};

pub(super) struct Progress(watch::Receiver<()>);

impl Progress {
    /// Waits until another piece has been taken; for ever once there are no more.
    pub(super) async fn moved(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The request, and word of how its body moves.
pub(super) fn watch_progress(request: Request<Body>) -> (Request<Body>, Progress) {
    let (moved, progress) = watch::channel(());
    if request.body().is_end_stream() {
        return (request, Progress(progress));
    }
    let watched = request.map(|inner| Body::new(Watched { inner, moved }));
    (watched, Progress(progress))
}

struct Watched {
    inner: Body,
    moved: watch::Sender<()>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let watched = self.get_mut();
        let polled = Pin::new(&mut watched.inner).poll_frame(cx);
        if polled.is_ready() {
            watched.moved.send_replace(());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::body::{empty, full};
    use futures_util::FutureExt;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn each_piece_is_a_move_and_the_end_is_none() {
        let (request, mut progress) = watch_progress(Request::new(full("abc")));
        assert!(progress.moved().now_or_never().is_none());
        let mut body = request.into_body();
        body.frame().await.unwrap().unwrap();
        assert!(progress.moved().now_or_never().is_some());
        assert!(progress.moved().now_or_never().is_none());
        drop(body);
        assert!(progress.moved().now_or_never().is_none());
    }

    #[tokio::test]
    async fn a_request_without_a_body_never_moves() {
        let (_, mut progress) = watch_progress(Request::new(empty()));
        assert!(progress.moved().now_or_never().is_none());
    }
}
