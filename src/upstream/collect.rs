//! Reading a whole body into memory, for calls that must be understood before they are passed on.
//!
//! Never more than `max` bytes are kept, whatever was announced, and nothing is inflated: a few
//! kilobytes of gzip can hold gigabytes.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, EXPECT};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt, BodyStream, StreamBody};
use tokio::time::timeout;

use super::body::{Body, BodyError, full};

/// Room made before the first byte has come; an announced length alone buys no more.
const FIRST_ROOM: usize = 64 * 1024;
/// What is taken of a body that is refused, so that its sender gets to read why.
const DISCARDED_AT_MOST: usize = 256 * 1024 * 1024;

/// Why a body could not be read; each sentence is fit for the caller.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    #[error(
        "the body is larger than {max} bytes, the most that this guard reads; send less at a time"
    )]
    TooLarge { max: usize },
    #[error("the body ended before its announced end")]
    Truncated(#[source] BodyError),
    #[error("the body did not arrive within {waited:?}")]
    TimedOut { waited: Duration },
    #[error(
        "the body is compressed ('Content-Encoding: {coding}') and its cost cannot be predicted; \
         send it uncompressed"
    )]
    Compressed { coding: String },
}

/// Reads a request's body whole, or says why not. A compressed one is refused unread.
pub async fn collect_request(
    headers: &HeaderMap,
    mut body: Body,
    max: usize,
    within: Duration,
) -> Result<Bytes, CollectError> {
    let collected = match coding(headers) {
        Some(coding) => Err(CollectError::Compressed { coding }),
        None => in_time(within, gather(&mut body, max)).await,
    };
    // who waits for a word before sending its body has sent nothing that could be in the way
    if collected.is_err() && !headers.contains_key(EXPECT) {
        _ = timeout(within, discard(body)).await;
    }
    collected
}

/// Reads a body whole, or says why not.
pub async fn collect(mut body: Body, max: usize, within: Duration) -> Result<Bytes, CollectError> {
    in_time(within, gather(&mut body, max)).await
}

async fn in_time(
    within: Duration,
    gathering: impl Future<Output = Result<Bytes, CollectError>>,
) -> Result<Bytes, CollectError> {
    let late = CollectError::TimedOut { waited: within };
    timeout(within, gathering).await.unwrap_or(Err(late))
}

/// Reads what a client still sends and forgets it: most look for an answer only when they have sent
/// all, and a connection that is closed on them before shows them none.
async fn discard(mut body: Body) {
    let mut passed = 0;
    while let Some(Ok(frame)) = body.frame().await {
        passed += frame.data_ref().map_or(0, Bytes::len);
        if passed > DISCARDED_AT_MOST {
            return;
        }
    }
}

/// What a body is compressed with, as its headers have it; `None` for plain content.
pub fn coding(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|coding| String::from_utf8_lossy(coding.trim_ascii()).into_owned())
        .find(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"))
}

async fn gather(body: &mut Body, max: usize) -> Result<Bytes, CollectError> {
    let announced = body.size_hint().lower();
    if usize::try_from(announced).map_or(true, |announced| announced > max) {
        return Err(CollectError::TooLarge { max });
    }
    let mut gathered = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(CollectError::Truncated)?.into_data() else {
            continue;
        };
        if data.len() > max - gathered.len() {
            return Err(CollectError::TooLarge { max });
        }
        if gathered.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        gathered.reserve(data.len().max(FIRST_ROOM.min(max - gathered.len())));
        gathered.extend_from_slice(&data);
    }
    Ok(gathered.freeze())
}

/// The whole of a body that has at most `max` bytes, and the body as it was.
pub async fn overhear(mut body: Body, max: usize) -> (Option<Bytes>, Body) {
    let mut gathered = BytesMut::new();
    while gathered.len() <= max {
        match body.frame().await {
            None => {
                let whole = gathered.freeze();
                return (Some(whole.clone()), full(whole));
            }
            Some(Ok(frame)) => gathered.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Some(Err(cause)) => {
                let frames = [Ok(Frame::data(gathered.freeze())), Err(cause)];
                return (None, Body::new(StreamBody::new(stream::iter(frames))));
            }
        }
    }
    let first = stream::iter([Ok(Frame::data(gathered.freeze()))]);
    let rest = BodyStream::new(body);
    (None, Body::new(StreamBody::new(first.chain(rest))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::StreamBody;

    const LONG: Duration = Duration::from_mins(1);

    /// A body of unknown length, in the pieces given.
    fn pieces(
        pieces: impl IntoIterator<Item = Result<&'static [u8], BodyError>, IntoIter: Send + 'static>,
    ) -> Body {
        let frames = pieces
            .into_iter()
            .map(|piece| piece.map(|data| Frame::data(Bytes::from_static(data))));
        Body::new(StreamBody::new(stream::iter(frames)))
    }

    #[tokio::test]
    async fn a_body_up_to_the_limit_is_read_whole() {
        let read = collect(pieces([Ok(b"abc".as_slice()), Ok(b""), Ok(b"de")]), 5, LONG).await;
        assert_eq!(read.unwrap(), "abcde");
        assert_eq!(collect(full("abcde"), 5, LONG).await.unwrap(), "abcde");
        assert_eq!(
            collect(crate::upstream::empty(), 0, LONG).await.unwrap(),
            ""
        );
    }

    #[tokio::test]
    async fn one_byte_more_is_refused_announced_or_not() {
        for body in [full("abcdef"), pieces([Ok(b"abc".as_slice()), Ok(b"def")])] {
            let refusal = collect(body, 5, LONG).await.unwrap_err();
            assert!(
                matches!(refusal, CollectError::TooLarge { max: 5 }),
                "{refusal}"
            );
        }
    }

    #[tokio::test]
    async fn an_endless_body_is_left_at_the_limit() {
        let endless = pieces(std::iter::repeat_with(|| Ok([b'x'; 1024].as_slice())));
        let refusal = collect(endless, 1 << 20, LONG).await.unwrap_err();
        assert!(
            matches!(refusal, CollectError::TooLarge { .. }),
            "{refusal}"
        );
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_or_never_comes_has_an_error_of_its_own() {
        let broken = pieces([
            Ok(b"ab".as_slice()),
            Err(BodyError::Stalled { waited: LONG }),
        ]);
        let truncated = collect(broken, 5, LONG).await.unwrap_err();
        assert!(
            matches!(truncated, CollectError::Truncated(_)),
            "{truncated}"
        );

        let never = Body::new(StreamBody::new(stream::pending()));
        let late = collect(never, 5, Duration::from_millis(1))
            .await
            .unwrap_err();
        assert!(matches!(late, CollectError::TimedOut { .. }), "{late}");
    }

    #[tokio::test]
    async fn a_compressed_request_is_refused_unread() {
        for (coding, compressed) in [
            ("gzip", true),
            ("identity, Br", true),
            ("identity", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_ENCODING, coding.parse().unwrap());
            let read = collect_request(&headers, full("x"), 5, LONG).await;
            let refused = matches!(read, Err(CollectError::Compressed { .. }));
            assert_eq!(refused, compressed, "{coding}");
        }
    }
}
