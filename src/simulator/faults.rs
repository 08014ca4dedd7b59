//! Things that go wrong on request: by the `Simulator-Fault` header, or queued for calls to come.

use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;

/// The header that asks for a fault of its own request.
pub(super) const HEADER: &str = "simulator-fault";

/// Longer than any test would wait.
const MAX_WAIT: Duration = Duration::from_hours(1);

/// What goes wrong with the next calls that match.
#[derive(Clone, Debug)]
pub struct Fault {
    /// `None`: any method.
    pub method: Option<String>,
    pub path_prefix: String,
    pub times: u32,
    pub effects: Vec<Effect>,
}

/// One thing that goes wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Effect {
    /// Charged, then answered this much later.
    Delay(Duration),
    /// Charged, and never answered.
    Stall,
    /// Neither charged nor answered.
    StallBeforeCharge,
    ResetBeforeCharge,
    ResetAfterCharge,
    /// Refused with this status, and so not charged.
    Status(StatusCode),
    NoCostHeader,
    CostHeader(String),
    /// It costs so many percent of what it would.
    Dearer(u32),
    /// Half the body, then the connection breaks.
    Truncate,
    /// The body takes about this long.
    SlowBody(Duration),
    Gzip,
    /// The answer has this header too.
    Header(HeaderName, HeaderValue),
    /// Charged, and answered with a redirect to this address.
    Redirect(String),
    /// A body whose length is not announced.
    NoLength,
    /// A body that says it is something else.
    MediaType(String),
}

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidFault {
    #[error(
        "'{0}' is not a fault: use delay=2s, stall, stall-before-charge, reset-before-charge, \
         reset-after-charge, status=429, no-cost-header, cost-header=NAME, dearer=120, header=NAME:VALUE, \
         truncate, slow-body=2s, gzip, redirect=URL, no-length or media-type=TYPE"
    )]
    Unknown(String),
    #[error("'{0}' is not a wait such as 250ms, 2s or 1m, of an hour at most")]
    Wait(String),
    #[error("'{0}' is not a status from 400 to 599")]
    Status(String),
    #[error("'{0}' is not a number of percent")]
    Percent(String),
    #[error("'{0}' is not a header such as age: 60")]
    Header(String),
    #[error("the fault is not understood: {0}")]
    Json(String),
}

impl Fault {
    /// The next `times` calls of `method` (or of any) under `path_prefix` suffer `spec`.
    pub fn new(
        method: Option<&str>,
        path_prefix: &str,
        times: u32,
        spec: &str,
    ) -> Result<Self, InvalidFault> {
        Ok(Self {
            method: method.map(str::to_owned),
            path_prefix: path_prefix.to_owned(),
            times,
            effects: effects(spec)?,
        })
    }

    /// One fault, or a list of them, as `POST /_simulator/faults` takes them.
    pub(super) fn read(body: &[u8]) -> Result<Vec<Self>, InvalidFault> {
        let raw: OneOrMany =
            serde_json::from_slice(body).map_err(|error| InvalidFault::Json(error.to_string()))?;
        let faults = match raw {
            OneOrMany::One(fault) => vec![fault],
            OneOrMany::Many(faults) => faults,
        };
        faults.into_iter().map(Self::try_from).collect()
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        let same = |wanted: &String| wanted.eq_ignore_ascii_case(method);
        self.times > 0
            && self.method.as_ref().is_none_or(same)
            && path.starts_with(&self.path_prefix)
    }
}

/// Takes the effects of the first fault in the queue that matches, and counts it down.
pub(super) fn take(queue: &mut Vec<Fault>, method: &str, path: &str) -> Vec<Effect> {
    let Some(fault) = queue.iter_mut().find(|fault| fault.matches(method, path)) else {
        return Vec::new();
    };
    fault.times -= 1;
    let effects = fault.effects.clone();
    queue.retain(|fault| fault.times > 0);
    effects
}

/// Reads `delay=2s; no-cost-header`.
pub(super) fn effects(spec: &str) -> Result<Vec<Effect>, InvalidFault> {
    let parts = spec.split(';').map(str::trim);
    parts.filter(|part| !part.is_empty()).map(effect).collect()
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<RawFault>),
    One(RawFault),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFault {
    method: Option<String>,
    #[serde(default = "everywhere")]
    path: String,
    #[serde(default = "once")]
    times: u32,
    fault: String,
}

fn everywhere() -> String {
    "/".to_owned()
}

fn once() -> u32 {
    1
}

impl TryFrom<RawFault> for Fault {
    type Error = InvalidFault;

    fn try_from(raw: RawFault) -> Result<Self, InvalidFault> {
        let RawFault {
            method,
            path,
            times,
            fault,
        } = raw;
        Self::new(method.as_deref(), &path, times, &fault)
    }
}

fn effect(part: &str) -> Result<Effect, InvalidFault> {
    let (name, value) = part.split_once('=').unwrap_or((part, ""));
    Ok(match (name.trim(), value.trim()) {
        ("delay", text) => Effect::Delay(wait(text)?),
        ("stall", "") => Effect::Stall,
        ("stall-before-charge", "") => Effect::StallBeforeCharge,
        ("reset-before-charge", "") => Effect::ResetBeforeCharge,
        ("reset-after-charge", "") => Effect::ResetAfterCharge,
        ("status", text) => Effect::Status(status(text)?),
        ("no-cost-header", "") => Effect::NoCostHeader,
        ("cost-header", name) if !name.is_empty() => Effect::CostHeader(name.to_owned()),
        ("dearer", text) => Effect::Dearer(percent(text)?),
        ("header", text) => header(text)?,
        ("truncate", "") => Effect::Truncate,
        ("slow-body", "") => Effect::SlowBody(Duration::from_secs(2)),
        ("slow-body", text) => Effect::SlowBody(wait(text)?),
        ("gzip", "") => Effect::Gzip,
        ("redirect", address) if !address.is_empty() => Effect::Redirect(address.to_owned()),
        ("no-length", "") => Effect::NoLength,
        ("media-type", name) if !name.is_empty() => Effect::MediaType(name.to_owned()),
        _ => return Err(InvalidFault::Unknown(part.to_owned())),
    })
}

fn wait(text: &str) -> Result<Duration, InvalidFault> {
    let wrong = || InvalidFault::Wait(text.to_owned());
    let unit_at = text.find(|character: char| !character.is_ascii_digit());
    let (count, unit) = text.split_at(unit_at.ok_or_else(wrong)?);
    let count: u64 = count.parse().map_err(|_| wrong())?;
    let millis = match unit {
        "ms" => Some(count),
        "s" => count.checked_mul(1_000),
        "m" => count.checked_mul(60_000),
        _ => None,
    };
    let waited = millis.map(Duration::from_millis).ok_or_else(wrong)?;
    if waited > MAX_WAIT {
        return Err(wrong());
    }
    Ok(waited)
}

fn percent(text: &str) -> Result<u32, InvalidFault> {
    let percent = text.parse().ok().filter(|percent| *percent > 0);
    percent.ok_or_else(|| InvalidFault::Percent(text.to_owned()))
}

fn header(text: &str) -> Result<Effect, InvalidFault> {
    let wrong = || InvalidFault::Header(text.to_owned());
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| wrong())?;
    let value = HeaderValue::from_str(value.trim()).map_err(|_| wrong())?;
    Ok(Effect::Header(name, value))
}

fn status(text: &str) -> Result<StatusCode, InvalidFault> {
    let status = StatusCode::from_bytes(text.as_bytes()).ok();
    status
        .filter(|status| status.is_client_error() || status.is_server_error())
        .ok_or_else(|| InvalidFault::Status(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_effects_stand_in_one_header() {
        assert_eq!(
            effects("delay=250ms; cost-header=x-processingunits-spent ;status=502; header=Age: 7")
                .unwrap(),
            [
                Effect::Delay(Duration::from_millis(250)),
                Effect::CostHeader("x-processingunits-spent".to_owned()),
                Effect::Status(StatusCode::BAD_GATEWAY),
                Effect::Header(http::header::AGE, HeaderValue::from_static("7")),
            ]
        );
    }

    #[test]
    fn what_is_no_fault_is_refused_with_the_list_of_those_that_are() {
        for spec in [
            "explode",
            "delay",
            "delay=2",
            "delay=2h",
            "delay=99999m",
            "status=200",
            "stall=1",
            "header=age",
            "dearer=0",
            "header=a b: c",
        ] {
            assert!(effects(spec).is_err(), "{spec}");
        }
        let error = effects("explode").unwrap_err().to_string();
        assert!(error.contains("reset-after-charge"), "{error}");
    }

    #[test]
    fn a_queued_fault_strikes_as_often_as_it_says_and_only_where_it_says() {
        let body = br#"{"method": "post", "path": "/compute", "times": 2, "fault": "stall"}"#;
        let mut queue = Fault::read(body).unwrap();
        assert!(take(&mut queue, "GET", "/compute/ops").is_empty());
        assert!(take(&mut queue, "POST", "/data/v1").is_empty());
        assert_eq!(take(&mut queue, "POST", "/compute/ops"), [Effect::Stall]);
        assert_eq!(take(&mut queue, "POST", "/compute/ops"), [Effect::Stall]);
        assert!(take(&mut queue, "POST", "/compute/ops").is_empty());
        assert!(queue.is_empty());
    }
}
