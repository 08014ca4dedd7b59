//! Counting the bytes of a body, reported exactly once: at its end, at an error, or when it is dropped
//! because the other side has gone.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::body::{Body, BodyError};
use crate::units::ByteCount;

/// What became of a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Passed {
    pub bytes: ByteCount,
    /// Whether the last byte was handed on. It says nothing of what the other side has read.
    pub whole: bool,
}

/// Hands every frame on and tells `report` once how much it was.
pub fn counted(body: Body, report: impl FnOnce(Passed) + Send + 'static) -> Body {
    Body::new(CountedBody {
        inner: body,
        bytes: 0,
        ended: false,
        report: Some(Box::new(report)),
    })
}

struct CountedBody {
    inner: Body,
    bytes: u64,
    ended: bool,
    report: Option<Box<dyn FnOnce(Passed) + Send>>,
}

impl HttpBody for CountedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let counted = self.get_mut();
        let polled = Pin::new(&mut counted.inner).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                counted.bytes = counted.bytes.saturating_add(length as u64);
            }
            Poll::Ready(None) => counted.ended = true,
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
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

impl Drop for CountedBody {
    fn drop(&mut self) {
        // hyper does not ask again once the announced length has passed, so both signs count
        let whole = self.ended || self.inner.is_end_stream();
        let bytes = ByteCount(self.bytes);
        if let Some(report) = self.report.take() {
            report(Passed { bytes, whole });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::body::{empty, full};
    use futures_util::{StreamExt, stream};
    use http_body_util::{BodyExt, StreamBody};
    use std::sync::mpsc;

    fn counting(body: Body) -> (Body, mpsc::Receiver<Passed>) {
        let (sender, receiver) = mpsc::channel();
        (
            counted(body, move |passed| sender.send(passed).unwrap()),
            receiver,
        )
    }

    #[tokio::test]
    async fn a_body_read_to_its_end_is_whole() {
        for (body, bytes) in [(full("abcde"), 5), (empty(), 0)] {
            let (mut body, reports) = counting(body);
            while body.frame().await.is_some() {}
            drop(body);
            let bytes = ByteCount(bytes);
            assert_eq!(
                reports.iter().collect::<Vec<_>>(),
                [Passed { bytes, whole: true }]
            );
        }
    }

    #[tokio::test]
    async fn a_body_left_early_reports_what_had_passed() {
        let frames = stream::iter(["abc", "de"]).map(|data| Ok(Frame::data(Bytes::from(data))));
        let (mut body, reports) = counting(Body::new(StreamBody::new(frames)));
        body.frame().await.unwrap().unwrap();
        drop(body);
        let bytes = ByteCount(3);
        assert_eq!(
            reports.iter().collect::<Vec<_>>(),
            [Passed {
                bytes,
                whole: false
            }]
        );
    }

    #[test]
    fn a_body_never_read_reports_too() {
        let (body, reports) = counting(full("abc"));
        drop(body);
        assert_eq!(
            reports.recv(),
            Ok(Passed {
                bytes: ByteCount(0),
                whole: false
            })
        );
    }
}
