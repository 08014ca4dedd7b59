//! The storage behind download links: files of any size that nobody has to keep.
//!
//! An address is signed to the last letter and ends; whoever has it needs no key. What leaves is billed as
//! it leaves, by the byte.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use http::header::{ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_RANGE, ETAG};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::answer::{Answer, Content};
use super::call::{Call, Site};
use super::refusal::Refusal;
use super::world::{World, age};
use super::{api, wire};
use crate::units::{Pu, SquareKm};

/// Leaving storage costs so much for every 10⁹ bytes.
const EGRESS_PU_PER_GB: u64 = 200;
const BYTES_PER_MICRO_PU: u64 = 1_000 / EGRESS_PU_PER_GB;

/// Serves `/_storage/…`: `bytes=` says how large the file is.
pub(super) fn answer(call: &Call, rest: &[&str], world: &World) -> Result<Answer, Refusal> {
    if !matches!(call.method.as_str(), "GET" | "HEAD") {
        return Err(Refusal::no_route());
    }
    let is_transport_test = rest == ["blob"];
    if !is_transport_test {
        check_signature(call)?;
    }
    let name = rest.last().copied().unwrap_or("blob");
    let answer = match rest {
        ["compute-orders-live", id, "manifest.json"] => api::orders::manifest(id, world)?,
        _ => file(call, name, world)?,
    };
    if call.method == "HEAD" || is_transport_test || !world.options.charge_egress {
        return Ok(answer);
    }
    Ok(answer.leaving(name))
}

fn file(call: &Call, name: &str, world: &World) -> Result<Answer, Refusal> {
    let size = match call.parameter("bytes") {
        Some(text) => text
            .parse()
            .map_err(|_| Refusal::bad(format!("'{text}' is not a number of bytes")))?,
        None => world.options.asset_bytes,
    };
    let etag = format!("\"{size:x}\"");
    if call.header("if-none-match") == Some(&*etag) {
        return Ok(Answer::empty(StatusCode::NOT_MODIFIED).with(ETAG, &etag));
    }
    let answer = ranged(call, size)?
        .with(ACCEPT_RANGES, "bytes")
        .with(ETAG, &etag)
        .with(
            CONTENT_DISPOSITION,
            &format!("attachment; filename=\"{name}\""),
        );
    Ok(answer)
}

/// What so many bytes cost to leave; rounded up, since no text says otherwise.
pub(super) fn egress_pu(bytes: u64) -> Pu {
    let micros = i64::try_from(bytes.div_ceil(BYTES_PER_MICRO_PU)).unwrap_or(i64::MAX);
    Pu::from_micros(micros).unwrap_or_default()
}

/// What imagery of so many square kilometres costs to be delivered to a cloud.
pub(super) fn delivery_pu(area: SquareKm) -> Pu {
    const BYTES_PER_KM2: u64 = 1_500_000;
    let square_metres = u64::try_from(area.micros()).unwrap_or_default();
    egress_pu(square_metres.saturating_mul(BYTES_PER_KM2) / 1_000_000)
}

/// The digest of a file of this size; `None` where that would take long.
pub(super) fn digest<D: Digest>(size: u64) -> Option<String> {
    const MAX_DIGESTED: u64 = 2 << 20;
    let bytes =
        (size <= MAX_DIGESTED).then(|| (0..size).map(wire::pattern_at).collect::<Vec<u8>>())?;
    Some(hex(&D::digest(bytes)))
}

/// Where a file of this name lies, with the signature that such addresses carry.
pub(super) fn address(call: &Call, path: &str, bytes: u64) -> String {
    let path = format!("/_storage/{path}");
    let date = call.now.strftime("%Y%m%dT%H%M%SZ");
    let lasts = LASTS.as_secs();
    let query = format!("bytes={bytes}&X-Goog-Date={date}&X-Goog-Expires={lasts}");
    let signature = signature(&path, &query);
    call.link(
        Site::Storage,
        &format!("{path}?{query}&{SIGNATURE}={signature}"),
    )
}

/// How long an address is good for.
const LASTS: Duration = Duration::from_hours(1);
const SIGNATURE: &str = "X-Goog-Signature";
/// Characters in it that must arrive as they were written.
const AS_WRITTEN: &str = "%2F~%7e";

fn signature(path: &str, query: &str) -> String {
    let digest = Sha256::digest(format!("the secret of storage {path}?{query}"));
    format!("{}{AS_WRITTEN}", hex(&digest[..16]))
}

/// Refuses an address that differs from the one that was signed, or that has ended.
fn check_signature(call: &Call) -> Result<(), Refusal> {
    let refuse = |why: &str| Err(Refusal::new(StatusCode::FORBIDDEN, why));
    let behind = format!("&{SIGNATURE}=");
    let Some((query, signed)) = call.query_text.split_once(&*behind) else {
        return refuse("Anonymous caller does not have storage.objects.get access");
    };
    if signed != signature(&call.path, query) {
        return refuse("The request signature we calculated does not match");
    }
    let date = call.parameter("X-Goog-Date").unwrap_or_default();
    let date = DateTime::strptime("%Y%m%dT%H%M%SZ", date);
    let date = date.and_then(|date| date.to_zoned(TimeZone::UTC));
    match date {
        Ok(date) if age(date.timestamp(), call.now) < LASTS => Ok(()),
        _ => refuse("The provided token has expired"),
    }
}

fn hex(bytes: &[u8]) -> String {
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    halves
        .filter_map(|half| char::from_digit(half.into(), 16))
        .collect()
}

/// A download token: three parts like a JWT, whose claims can be read and whose signature nobody checks.
pub(super) fn token(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(&json!({"alg": "HS512", "typ": "JWT"}));
    format!("{head}.{}.cHJldGVuZGVk", part(claims))
}

pub(super) fn claims(call: &Call) -> Result<Value, Refusal> {
    let token = call.parameter("token").unwrap_or_default();
    let claims = token.split('.').nth(1).unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('='));
    let read = bytes
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    read.ok_or_else(|| Refusal::new(StatusCode::UNAUTHORIZED, "the download token is not valid"))
}

/// Redirects to the address that the token of an order's file holds.
pub(super) fn follow_token(call: &Call, _world: &World) -> Result<Answer, Refusal> {
    let claims = claims(call)?;
    match claims["url"].as_str() {
        Some(url) => Ok(Answer::redirect(url)),
        None => Err(Refusal::not_found("the file of this token")),
    }
}

fn ranged(call: &Call, size: u64) -> Result<Answer, Refusal> {
    let whole = Content::Pattern {
        start: 0,
        length: size,
    };
    let mut answer = Answer::bytes("application/octet-stream", "");
    let Some(range) = call
        .header("range")
        .and_then(|text| text.strip_prefix("bytes="))
    else {
        answer.content = whole;
        return Ok(answer);
    };
    let Some((first, last)) = bounds(range, size) else {
        let message = format!("range '{range}' is outside of {size} bytes");
        return Err(Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, message));
    };
    answer.content = Content::Pattern {
        start: first,
        length: last - first + 1,
    };
    Ok(answer
        .with_status(StatusCode::PARTIAL_CONTENT)
        .with(CONTENT_RANGE, &format!("bytes {first}-{last}/{size}")))
}

/// First and last byte of `5-9`, `5-` or `-5`.
fn bounds(range: &str, size: u64) -> Option<(u64, u64)> {
    let (first, last) = range.split_once('-')?;
    let end = size.checked_sub(1)?;
    let (first, last) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) => (first, last.min(end)),
        (Ok(first), Err(_)) if last.is_empty() => (first, end),
        (Err(_), Ok(tail)) if first.is_empty() && tail > 0 => (size.saturating_sub(tail), end),
        _ => return None,
    };
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::figures::whole_pu;

    #[test]
    fn ranges_are_read_in_their_three_forms() {
        assert_eq!(bounds("5-9", 100), Some((5, 9)));
        assert_eq!(bounds("5-", 100), Some((5, 99)));
        assert_eq!(bounds("-5", 100), Some((95, 99)));
        assert_eq!(bounds("90-200", 100), Some((90, 99)));
        for wrong in ["100-", "9-5", "-0", "x-1", "", "1-2,4-5"] {
            assert_eq!(bounds(wrong, 100), None, "{wrong}");
        }
        assert_eq!(bounds("0-0", 0), None);
    }

    #[test]
    fn a_gigabyte_costs_200_pu_to_leave() {
        assert_eq!(egress_pu(1_000_000_000), whole_pu(200));
        assert_eq!(egress_pu(0), whole_pu(0));
        assert_eq!(egress_pu(4), Pu::from_micros(1).unwrap());
        let area = SquareKm::from_whole(10).unwrap();
        assert_eq!(delivery_pu(area), whole_pu(3));
    }
}
