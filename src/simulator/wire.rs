//! An answer becomes HTTP here, with whatever was asked to go wrong on the way.

use std::io::{self, Write};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream::{self, Stream, StreamExt};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};

use super::answer::{Answer, Content};
use super::faults::Effect;

pub(super) type WireBody = UnsyncBoxBody<Bytes, io::Error>;

/// The pattern of storage repeats after so many bytes, a prime, so that a piece out of place shows.
pub(super) const PATTERN_PERIOD: u64 = 251;
const PATTERN_REPEATS: usize = 256;

/// A slow body comes in so many pieces.
const SLOW_PIECES: usize = 16;
const CHUNK_BYTES: usize = 8 * 1024;

/// What the byte at `offset` of a stored file is.
pub(super) fn pattern_at(offset: u64) -> u8 {
    u8::try_from(offset % PATTERN_PERIOD).unwrap_or_default()
}

pub(super) fn respond(
    mut answer: Answer,
    cost_header: &str,
    effects: &[Effect],
) -> Response<WireBody> {
    state_cost(&mut answer, cost_header, effects);
    for effect in effects {
        if let Effect::MediaType(name) = effect {
            answer = answer.with(CONTENT_TYPE, name);
        }
    }
    if effects.contains(&Effect::Gzip) {
        compress(&mut answer);
    }
    let length = match &answer.content {
        Content::Whole(bytes) => u64::try_from(bytes.len()).ok(),
        Content::Chunked(_) => None,
        Content::Pattern { length, .. } => Some(*length),
    };
    let mut response = Response::new(body(answer.content, effects));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    for effect in effects {
        if let Effect::Header(name, value) = effect {
            response.headers_mut().insert(name, value.clone());
        }
    }
    let announces = !effects.contains(&Effect::NoLength) && has_content(answer.status);
    if let Some(length) = length.filter(|_| announces) {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response
}

fn has_content(status: StatusCode) -> bool {
    ![StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status)
}

fn state_cost(answer: &mut Answer, cost_header: &str, effects: &[Effect]) {
    if effects.contains(&Effect::NoCostHeader) || !answer.succeeds() {
        return;
    }
    let renamed = effects.iter().find_map(|effect| match effect {
        Effect::CostHeader(name) => Some(name.as_str()),
        _ => None,
    });
    let name = HeaderName::try_from(renamed.unwrap_or(cost_header));
    let value = answer.spent.take().map(HeaderValue::try_from);
    if let (Ok(name), Some(Ok(value))) = (name, value) {
        answer.headers.insert(name, value);
    }
}

fn compress(answer: &mut Answer) {
    let is_json = answer
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().ends_with(b"json"));
    let Content::Whole(bytes) = &answer.content else {
        return;
    };
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    if let (true, Ok(compressed)) = (is_json, written) {
        answer.content = Content::Whole(compressed.into());
        let gzip = HeaderValue::from_static("gzip");
        answer.headers.insert(CONTENT_ENCODING, gzip);
    }
}

fn body(content: Content, effects: &[Effect]) -> WireBody {
    let slow = effects.iter().find_map(|effect| match effect {
        Effect::SlowBody(wait) => Some(*wait),
        _ => None,
    });
    let truncated = effects.contains(&Effect::Truncate);
    match content {
        Content::Whole(bytes) if slow.is_none() && !truncated => Full::new(bytes)
            .map_err(|never| match never {})
            .boxed_unsync(),
        Content::Whole(bytes) | Content::Chunked(bytes) => pieces(&bytes, slow, truncated),
        Content::Pattern { start, length } => {
            let length = if truncated { length / 2 } else { length };
            broken_off(pattern(start, length), truncated)
        }
    }
}

fn pieces(bytes: &Bytes, slow: Option<Duration>, truncated: bool) -> WireBody {
    let kept = if truncated {
        bytes.len() / 2
    } else {
        bytes.len()
    };
    let bytes = bytes.slice(..kept);
    let size = match slow {
        Some(_) => bytes.len().div_ceil(SLOW_PIECES).max(1),
        None => CHUNK_BYTES,
    };
    let wait = slow.unwrap_or_default() / u32::try_from(SLOW_PIECES).unwrap_or(1);
    let starts: Vec<usize> = (0..bytes.len()).step_by(size).collect();
    let stream = stream::iter(starts).then(move |start| {
        let piece = bytes.slice(start..bytes.len().min(start + size));
        async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            piece
        }
    });
    broken_off(stream, truncated)
}

/// The stream as a body, with an error in place of its end where it is to break off.
fn broken_off(stream: impl Stream<Item = Bytes> + Send + 'static, truncated: bool) -> WireBody {
    let end = truncated.then(|| Err(io::Error::other("broken off on request")));
    let frames = stream.map(|piece| Ok(Frame::data(piece)));
    StreamBody::new(frames.chain(stream::iter(end))).boxed_unsync()
}

fn pattern(start: u64, length: u64) -> impl Stream<Item = Bytes> {
    let period: Vec<u8> = (0..PATTERN_PERIOD).map(pattern_at).collect();
    let block = Bytes::from(period.repeat(PATTERN_REPEATS));
    stream::unfold((start, length), move |(at, left)| {
        let from = usize::from(pattern_at(at));
        let room = block.len() - from;
        let size = usize::try_from(left).unwrap_or(usize::MAX).min(room);
        let piece = (size > 0).then(|| block.slice(from..from + size));
        let taken = u64::try_from(size).unwrap_or_default();
        std::future::ready(piece.map(|piece| (piece, (at + taken, left - taken))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_pattern_is_the_same_from_wherever_it_is_read() {
        let body = body(
            Content::Pattern {
                start: 1_000,
                length: 100_000,
            },
            &[],
        );
        let bytes = body.collect().await.unwrap().to_bytes();
        assert_eq!(bytes.len(), 100_000);
        for (offset, byte) in (1_000..).zip(bytes.iter()).step_by(997) {
            assert_eq!(*byte, pattern_at(offset), "at {offset}");
        }
    }

    #[tokio::test]
    async fn a_truncated_body_ends_in_an_error() {
        let bytes = Bytes::from(vec![7; 20_000]);
        let mut body = body(Content::Whole(bytes), &[Effect::Truncate]);
        let mut read = 0;
        let mut failed = false;
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => read += frame.into_data().map_or(0, |data| data.len()),
                Err(_) => failed = true,
            }
        }
        assert_eq!((read, failed), (10_000, true));
    }

    #[test]
    fn the_cost_header_takes_the_name_that_was_asked_for_or_stays_away() {
        let told = |effects: &[Effect]| {
            let answer = Answer::empty(http::StatusCode::OK).spending("process", 0.5, "x");
            respond(answer, "x-processunits", effects).headers().clone()
        };
        assert_eq!(told(&[])["x-processunits"], "0.5");
        let renamed = told(&[Effect::CostHeader("x-processingunits-spent".to_owned())]);
        assert_eq!(renamed["x-processingunits-spent"], "0.5");
        assert!(!renamed.contains_key("x-processunits"));
        assert!(!told(&[Effect::NoCostHeader]).contains_key("x-processunits"));
    }
}
