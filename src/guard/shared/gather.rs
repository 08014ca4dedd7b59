//! A body gathered for several, within limits: of its own length, of all that is gathered at one time, and
//! of time, since its first reader waits too. One that goes beyond them streams on to that reader alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt, BodyStream, StreamBody};
use tokio::time::{Instant, timeout_at};

use crate::upstream::{Body, counted, full};

/// Room for bodies, in bytes.
#[derive(Debug)]
pub(super) struct Room {
    left: AtomicUsize,
}

/// Some of it, given back when the last who reads the body is done.
#[derive(Debug)]
pub(super) struct Taken {
    room: Arc<Room>,
    bytes: usize,
}

impl Room {
    pub(super) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicUsize::new(bytes),
        })
    }

    pub(super) fn none(self: &Arc<Self>) -> Taken {
        Taken {
            room: Arc::clone(self),
            bytes: 0,
        }
    }
}

#[cfg(test)]
impl Room {
    pub(super) fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }
}

impl Taken {
    /// `false` when there is none left.
    fn take(&mut self, bytes: usize) -> bool {
        let rest = |left: usize| left.checked_sub(bytes);
        let left = &self.room.left;
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest);
        if taken.is_ok() {
            self.bytes += bytes;
        }
        taken.is_ok()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.room.left.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

/// The body of one who shares it; the room is kept until it has been read.
pub(super) fn holding(body: Body, taken: Arc<Taken>) -> Body {
    counted(body, move |_| drop(taken))
}

/// What came of gathering.
pub(super) enum Gathered {
    Whole(Bytes, Taken),
    /// It broke, or came too slowly: the next may not.
    Not(Body),
    /// There is too much of it.
    TooMuch(Body),
}

/// `within`: how long the first reader waits for the end of its own answer.
pub(super) async fn gather(
    mut body: Body,
    largest: usize,
    room: &Arc<Room>,
    within: Duration,
) -> Gathered {
    if usize::try_from(body.size_hint().lower()).is_ok_and(|least| least > largest) {
        return Gathered::TooMuch(body);
    }
    let (mut gathered, mut taken) = (BytesMut::new(), room.none());
    let deadline = Instant::now() + within;
    loop {
        let frame = match timeout_at(deadline, body.frame()).await {
            Ok(None) => return Gathered::Whole(gathered.freeze(), taken),
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            Ok(Some(Err(cause))) => {
                let frames = [Ok(Frame::data(gathered.freeze())), Err(cause)];
                return Gathered::Not(Body::new(StreamBody::new(stream::iter(frames))));
            }
            Err(_) => return Gathered::Not(resumed(gathered, taken, body)),
        };
        let room_left = taken.take(frame.len());
        gathered.extend_from_slice(&frame);
        if gathered.len() > largest {
            return Gathered::TooMuch(resumed(gathered, taken, body));
        }
        if !room_left {
            return Gathered::Not(resumed(gathered, taken, body));
        }
    }
}

/// What was read, which holds its room until it is handed on, and then the rest as it comes.
fn resumed(gathered: BytesMut, taken: Taken, rest: Body) -> Body {
    if gathered.is_empty() {
        return rest;
    }
    let first = stream::once(async move {
        drop(taken);
        Ok(Frame::data(gathered.freeze()))
    });
    Body::new(StreamBody::new(first.chain(BodyStream::new(rest))))
}

/// The whole as a body again.
pub(super) fn whole(bytes: Bytes, taken: Arc<Taken>) -> Body {
    holding(full(bytes), taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::BodyError;

    const A_WHILE: Duration = Duration::from_secs(9);
    const PIECES: [&str; 3] = ["abc", "de", "fgh"];

    fn chunked(pieces: &'static [&'static str], broken: bool) -> Body {
        let frames = pieces
            .iter()
            .map(|data| Ok(Frame::data(Bytes::from(*data))));
        let end = broken.then(|| {
            let waited = Duration::ZERO;
            Err(BodyError::Stalled { waited })
        });
        Body::new(StreamBody::new(stream::iter(frames.chain(end))))
    }

    async fn read(body: Body) -> (Vec<u8>, bool) {
        let (mut bytes, mut body, mut whole) = (Vec::new(), body, true);
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => bytes.extend_from_slice(&frame.into_data().unwrap()),
                Err(_) => whole = false,
            }
        }
        (bytes, whole)
    }

    #[tokio::test]
    async fn a_body_that_fits_is_there_whole_and_its_room_comes_back_with_its_last_reader() {
        let room = Room::new(8);
        let Gathered::Whole(bytes, taken) =
            gather(chunked(&PIECES, false), 8, &room, A_WHILE).await
        else {
            panic!("it fits");
        };
        assert_eq!(bytes, "abcdefgh");
        let taken = Arc::new(taken);
        let readers = [(); 2].map(|()| whole(bytes.clone(), Arc::clone(&taken)));
        drop(taken);
        for reader in readers {
            assert_eq!(room.left(), 0);
            assert_eq!(read(reader).await, (b"abcdefgh".to_vec(), true));
        }
        assert_eq!(room.left(), 8);
    }

    #[tokio::test]
    async fn what_is_too_large_or_has_no_room_or_breaks_reaches_its_first_reader_as_it_came() {
        for (largest, room, broken) in [
            (7, 100, false),
            (100, 7, false),
            (100, 100, true),
            (0, 0, true),
        ] {
            let room = Room::new(room);
            let before = room.left();
            let body = match gather(chunked(&PIECES, broken), largest, &room, A_WHILE).await {
                Gathered::Whole(..) => panic!("{largest} {broken}"),
                Gathered::Not(body) => {
                    assert!(largest == 100);
                    body
                }
                Gathered::TooMuch(body) => {
                    assert!(largest < 100);
                    body
                }
            };
            assert_eq!(read(body).await, (b"abcdefgh".to_vec(), !broken));
            assert_eq!(room.left(), before, "nothing is held");
        }
    }

    #[tokio::test]
    async fn what_says_that_it_is_too_large_is_not_even_begun() {
        let room = Room::new(100);
        let gathered = gather(full("abcdefgh"), 7, &room, A_WHILE).await;
        assert!(matches!(gathered, Gathered::TooMuch(_)));
    }

    #[tokio::test]
    async fn what_comes_too_slowly_is_passed_on_as_it_comes() {
        let first = stream::iter([Ok(Frame::data(Bytes::from("abc")))]);
        let last = stream::once(async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(Frame::data(Bytes::from("de")))
        });
        let slow = Body::new(StreamBody::new(first.chain(last)));
        let Gathered::Not(body) =
            gather(slow, 100, &Room::new(100), Duration::from_millis(20)).await
        else {
            panic!("it came too slowly");
        };
        assert_eq!(read(body).await, (b"abcde".to_vec(), true));
    }
}
