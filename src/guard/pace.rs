//! Pacing: requests that come faster than the policy wants are told when to come again, before anything
//! is read, predicted or reserved.

use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::HeaderMap;
use http::header::USER_AGENT;

use super::answer::RetryUnit;
use super::refusal::{Problem, Refusal};
use crate::planet::{Api, UpstreamKind};
use crate::policy::{Caller, Pace, Policy};

/// Every pace of a policy and how far each lane has come. A lane is a team, a key or an API of the policy,
/// never a text of the caller's, so callers cannot make them more.
#[derive(Debug)]
pub struct Pacer(Vec<(Pace, DefaultKeyedRateLimiter<Arc<str>>)>);

impl Pacer {
    pub fn new(policy: &Policy) -> Self {
        let limiter = |pace: &Pace| {
            let quota = Quota::with_period(pace.rate().interval());
            quota.map(|quota| RateLimiter::keyed(quota.allow_burst(pace.burst())))
        };
        let paces = policy.paces().iter();
        Self(
            paces
                .filter_map(|pace| Some((pace.clone(), limiter(pace)?)))
                .collect(),
        )
    }

    /// Counts a call against every pace that means it; the first that is outrun refuses it.
    pub(super) fn admit(&self, caller: &Caller, api: Api) -> Result<(), Refusal> {
        for (pace, limiter) in &self.0 {
            let Some(lane) = pace.lane(caller, api) else {
                continue;
            };
            if let Err(early) = limiter.check_key(&lane) {
                let wait = early.wait_time_from(DefaultClock::default().now());
                return Err(outrun(pace, &lane, wait));
            }
        }
        Ok(())
    }
}

/// The unit in which this client reads `Retry-After`: sentinelhub-py takes it for milliseconds.
pub(super) fn retry_unit(kind: UpstreamKind, headers: &HeaderMap) -> RetryUnit {
    let agent = headers.get(USER_AGENT).map(http::HeaderValue::as_bytes);
    let is_the_sdk = agent.is_some_and(|agent| agent.starts_with(b"sentinelhub-py"));
    if is_the_sdk && kind == UpstreamKind::SentinelHub {
        RetryUnit::Milliseconds
    } else {
        RetryUnit::Seconds
    }
}

fn outrun(pace: &Pace, lane: &str, wait: Duration) -> Refusal {
    let whose = match pace.per() {
        Some(per) => format!(" for {per} '{lane}'"),
        None => String::new(),
    };
    let detail = format!(
        "Requests come faster than the pace '{}' allows{whose}: {}, and {} at once. Nothing was sent or \
         charged; come again in {} ms.",
        pace.name(),
        pace.rate(),
        pace.burst(),
        wait.as_millis() + 1
    );
    Refusal {
        retry_after: Some(wait),
        ..Refusal::new(Problem::TooFast, detail)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn pacer(rest: &str) -> Pacer {
        let text = format!(
            "[upstreams.planet]\nurl = \"https://a\"\nmount = \"/\"\n[[teams]]\nname = \"ag\"\n\
             [[paces]]\nname = \"slow\"\n{rest}\n"
        );
        Pacer::new(&Policy::parse(&text, "p.toml").unwrap())
    }

    fn caller(key: &str) -> Caller {
        Caller {
            team: "ag".into(),
            key: key.into(),
            apis: None,
        }
    }

    #[test]
    fn a_burst_passes_and_what_follows_is_told_when() {
        let pacer = pacer("rate = \"1/h\"\nburst = 2\nper = \"key\"");
        let ask = |key: &str| pacer.admit(&caller(key), Api::Process);
        assert!(ask("one").is_ok() && ask("one").is_ok());
        let refusal = ask("one").unwrap_err();
        assert_eq!(refusal.status.as_u16(), 429);
        let wait = refusal.retry_after.unwrap();
        assert!((3500..=3600).contains(&wait.as_secs()), "{wait:?}");
        for part in ["'slow'", "key 'one'", "1/h", "2 at once"] {
            assert!(refusal.detail.contains(part), "{}", refusal.detail);
        }
        assert!(ask("other").is_ok(), "a key's haste is its own");
    }

    #[test]
    fn without_per_all_share_one_lane_and_other_apis_are_not_meant() {
        let pacer = pacer("rate = \"1/h\"\nmatch = { apis = [\"process\"] }");
        assert!(pacer.admit(&caller("one"), Api::Process).is_ok());
        assert!(pacer.admit(&caller("other"), Api::Process).is_err());
        assert!(pacer.admit(&caller("other"), Api::Orders).is_ok());
    }

    #[test]
    fn only_sentinelhubs_sdk_on_its_own_mount_reads_milliseconds() {
        let unit = |kind, agent: &'static str| {
            let headers = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static(agent))]);
            retry_unit(kind, &headers)
        };
        let sdk = "sentinelhub-py/v3.12.0";
        assert_eq!(
            unit(UpstreamKind::SentinelHub, sdk),
            RetryUnit::Milliseconds
        );
        assert_eq!(unit(UpstreamKind::Planet, sdk), RetryUnit::Seconds);
        assert_eq!(
            unit(UpstreamKind::SentinelHub, "curl/8"),
            RetryUnit::Seconds
        );
        let none = retry_unit(UpstreamKind::SentinelHub, &HeaderMap::new());
        assert_eq!(none, RetryUnit::Seconds);
    }
}
