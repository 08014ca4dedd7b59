//! How long a connection may keep the guard waiting: for a first request, for the rest of a head, for
//! the next request, or for room to write.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, timeout};

use super::Limits;

/// What a connection is doing. Clones speak of the same connection.
#[derive(Clone, Debug)]
pub(super) struct Activity {
    state: Arc<watch::Sender<State>>,
    protocol: Protocol,
}

/// What bytes between two requests mean.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Protocol {
    /// The next head has begun.
    Http1,
    /// Anything: a sign of life, room for more data.
    Http2,
}

#[derive(Clone, Copy, Debug)]
struct State {
    requests: usize,
    /// Bytes have come since the last request, so a head is on its way.
    heard: bool,
}

impl Activity {
    /// A new connection owes a request at once.
    pub(super) fn new(protocol: Protocol) -> Self {
        let state = watch::Sender::new(State {
            requests: 0,
            heard: true,
        });
        Self {
            state: Arc::new(state),
            protocol,
        }
    }

    /// A request is under way until what this returns is dropped.
    pub(super) fn request(&self) -> UnderWay {
        self.state.send_modify(|state| {
            state.requests += 1;
            state.heard = false;
        });
        UnderWay(self.clone())
    }

    /// Waits until no request is under way and the next one has taken too long to come.
    pub(super) async fn overdue(&self, limits: Limits) {
        let mut changes = self.state.subscribe();
        loop {
            let state = *changes.borrow_and_update();
            let patience = match state {
                State {
                    requests: 0,
                    heard: true,
                } => limits.header_timeout,
                State {
                    requests: 0,
                    heard: false,
                } => limits.idle_timeout,
                State { .. } => Duration::MAX,
            };
            if timeout(patience, changes.changed()).await.is_err() {
                return;
            }
        }
    }

    fn hear(&self) {
        let protocol = self.protocol;
        self.state.send_if_modified(|state| {
            let first = protocol == Protocol::Http1 && state.requests == 0 && !state.heard;
            state.heard |= first;
            first
        });
    }
}

/// See [`Activity::request`].
pub(super) struct UnderWay(Activity);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.requests -= 1);
    }
}

/// A stream that reports what comes in and fails when nothing can be written for `stall`.
pub(super) struct Patient<S> {
    stream: S,
    activity: Activity,
    stall: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S, activity: Activity, stall: Duration) -> Self {
        Self {
            stream,
            activity,
            stall,
            stalled: None,
        }
    }

    fn poll_stall<T>(
        &mut self,
        polled: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let deadline = Instant::now() + self.stall;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        stalled
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::Error::from(io::ErrorKind::TimedOut)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let patient = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut patient.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            patient.activity.hear();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let patient = self.get_mut();
        let polled = Pin::new(&mut patient.stream).poll_write(cx, bytes);
        patient.poll_stall(polled, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let patient = self.get_mut();
        let polled = Pin::new(&mut patient.stream).poll_write_vectored(cx, pieces);
        patient.poll_stall(polled, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let patient = self.get_mut();
        let polled = Pin::new(&mut patient.stream).poll_flush(cx);
        patient.poll_stall(polled, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let patient = self.get_mut();
        let polled = Pin::new(&mut patient.stream).poll_shutdown(cx);
        patient.poll_stall(polled, cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const LIMITS: Limits = Limits {
        max_connections: 1,
        header_timeout: Duration::from_millis(1),
        max_header_bytes: 8192,
        idle_timeout: Duration::from_hours(1),
        stall_timeout: Duration::from_millis(1),
        drain_timeout: Duration::ZERO,
    };
    const SOON: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_new_connection_owes_a_head_and_a_served_one_may_rest() {
        let activity = Activity::new(Protocol::Http1);
        activity.overdue(LIMITS).await;

        let request = activity.request();
        assert!(
            timeout(SOON, activity.overdue(LIMITS)).await.is_err(),
            "under way"
        );
        drop(request);
        assert!(
            timeout(SOON, activity.overdue(LIMITS)).await.is_err(),
            "resting"
        );

        activity.hear();
        activity.overdue(LIMITS).await;
    }

    #[tokio::test]
    async fn a_sign_of_life_in_http2_is_not_the_beginning_of_a_head() {
        let activity = Activity::new(Protocol::Http2);
        activity.overdue(LIMITS).await;

        drop(activity.request());
        activity.hear();
        assert!(timeout(SOON, activity.overdue(LIMITS)).await.is_err());
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (ours, _theirs) = tokio::io::duplex(4);
        let mut patient = Patient::new(ours, Activity::new(Protocol::Http1), LIMITS.stall_timeout);
        let error = patient.write_all(b"more than fits").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn what_comes_in_is_heard_and_passed_on() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let activity = Activity::new(Protocol::Http1);
        drop(activity.request());
        let mut patient = Patient::new(ours, activity.clone(), LIMITS.stall_timeout);
        theirs.write_all(b"GET").await.unwrap();
        let mut read = [0; 3];
        patient.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"GET");
        activity.overdue(LIMITS).await;
    }
}
