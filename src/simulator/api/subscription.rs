//! One subscription: what it asks for, up to when it is paid for, and how it looks from outside.

use std::time::Duration;

use serde_json::{Value, json};

use super::subscription_price::{self, Cost};
use crate::simulator::call::{Call, Site};
use crate::simulator::geo;
use crate::simulator::refusal::Refusal;
use crate::simulator::world::{age, later};
use crate::units::UtcTime;

const DAY_SECONDS: u64 = 86_400;

/// As it was created or last edited.
pub(super) struct Subscription {
    pub(super) request: Value,
    /// With references resolved.
    pub(super) geometry: Value,
    pub(super) created: UtcTime,
    pub(super) updated: UtcTime,
    pub(super) start: UtcTime,
    pub(super) end: Option<UtcTime>,
    /// Up to when it was paid for.
    pub(super) paid_until: UtcTime,
    pub(super) scenes: u64,
    /// What somebody did to it; `None`: time decides.
    pub(super) stopped: Option<&'static str>,
    pub(super) polled: bool,
}

impl Subscription {
    pub(super) fn read(request: &Value, geometry: Value, now: UtcTime) -> Result<Self, Refusal> {
        if request["name"].as_str().is_none_or(str::is_empty) {
            return Err(Refusal::bad("name is required"));
        }
        let parameters = &request["source"]["parameters"];
        let is_catalog = parameters["item_types"].is_array();
        if !is_catalog && !parameters["id"].is_string() {
            return Err(Refusal::bad("source.parameters needs item_types or id"));
        }
        if is_catalog && request["delivery"].is_null() && request["hosting"].is_null() {
            return Err(Refusal::bad("delivery or hosting is required"));
        }
        if geo::vertices(&geometry) > geo::MAX_VERTICES {
            return Err(Refusal::bad(format!(
                "the geometry has more than {} vertices",
                geo::MAX_VERTICES
            )));
        }
        let instant = |name: &str| match &parameters[name] {
            Value::Null => Ok(None),
            text => {
                let parsed = text.as_str().and_then(|text| text.parse::<UtcTime>().ok());
                parsed
                    .map(Some)
                    .ok_or_else(|| Refusal::bad(format!("{name} is not a date-time: {text}")))
            }
        };
        let start = instant("start_time")?.ok_or_else(|| Refusal::bad("start_time is required"))?;
        let end = instant("end_time")?;
        if end.is_some_and(|end| end < start) {
            return Err(Refusal::bad("end_time is before start_time"));
        }
        Ok(Self {
            request: request.clone(),
            geometry,
            created: now,
            updated: now,
            start,
            end,
            paid_until: start,
            scenes: 0,
            stopped: None,
            polled: false,
        })
    }

    /// Pays for the whole days up to now that are not paid for yet.
    pub(super) fn pay(&mut self, now: UtcTime) -> Result<Cost, Refusal> {
        let until = self.end.map_or(now, |end| end.min(now));
        let days = age(self.paid_until, until).as_secs() / DAY_SECONDS;
        if days == 0 {
            return Ok(Cost::default());
        }
        let paid = later(self.paid_until, Duration::from_secs(days * DAY_SECONDS));
        let cost =
            subscription_price::price(&self.request, &self.geometry, self.paid_until, paid, days)?;
        self.paid_until = paid;
        self.scenes = self.scenes.saturating_add(cost.scenes);
        Ok(cost)
    }

    /// Pays for the first whole day that is over and not paid for yet: when it was over, and what it cost.
    pub(super) fn pay_a_day(&mut self, now: UtcTime) -> Option<(UtcTime, Cost)> {
        let over = later(self.paid_until, Duration::from_secs(DAY_SECONDS));
        if over > now || over <= self.paid_until {
            return None;
        }
        let before = self.paid_until;
        let cost = self.pay(over).unwrap_or_default();
        (self.paid_until > before).then_some((over, cost))
    }

    pub(super) fn status(&self, now: UtcTime) -> &'static str {
        match self.stopped {
            Some(stopped) => stopped,
            None if !self.polled => "preparing",
            None if now < self.start => "pending",
            None if self.end.is_some_and(|end| end <= now) => "completed",
            None => "running",
        }
    }

    pub(super) fn to_json(&self, call: &Call, id: &str) -> Value {
        let link = call.link(Site::Api, &format!("/subscriptions/v1/{id}"));
        let mut shown = json!({
            "id": id, "status": self.status(call.now), "created": self.created.to_string(),
            "updated": self.updated.to_string(),
            "_links": {"_self": link, "results": format!("{link}/results")},
        });
        for member in ["name", "source", "tools", "notifications"] {
            shown[member] = self.request[member].clone();
        }
        if self.request["delivery"].is_object() {
            shown["delivery"] = json!({"type": self.request["delivery"]["type"], "parameters": {"credentials": "<REDACTED>"}});
        }
        if self.request["hosting"].is_object() {
            shown["hosting"] = self.request["hosting"].clone();
        }
        let parameters = &mut shown["source"]["parameters"];
        let is_catalog = parameters["item_types"].is_array();
        let kind = if is_catalog {
            "catalog"
        } else {
            "analysis_ready_ps"
        };
        if parameters["geometry"]["type"] == "ref" {
            parameters["geom_ref"] = parameters["geometry"]["content"].clone();
            parameters["geometry"] = self.geometry.clone();
        }
        if shown["source"]["type"].is_null() {
            shown["source"]["type"] = kind.into();
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parameters: &Value) -> Result<Subscription, Refusal> {
        let request = json!({"name": "x", "source": {"parameters": parameters}});
        let field = geo::rectangle([14.0, 46.0, 14.01, 46.01]);
        Subscription::read(&request, field, UtcTime::UNIX_EPOCH)
    }

    #[test]
    fn a_day_is_paid_for_once_and_only_when_it_is_over() {
        let mut subscription = read(
            &json!({"id": "PS_ARD", "start_time": "2026-01-01T00:00:00Z",
            "end_time": "2026-01-03T12:00:00Z"}),
        )
        .unwrap();
        let mut days = |now: &str| {
            let aum = subscription.pay(now.parse().unwrap()).unwrap().aum.micros();
            aum / 860_000
        };
        assert_eq!(days("2026-01-01T23:59:59Z"), 0);
        assert_eq!(days("2026-01-02T00:00:00Z"), 1);
        assert_eq!(days("2026-01-02T00:00:00Z"), 0);
        assert_eq!(days("2026-02-01T00:00:00Z"), 1);
    }

    #[test]
    fn each_day_is_paid_for_when_it_is_over() {
        let mut subscription = read(
            &json!({"id": "PS_ARD", "start_time": "2026-01-01T06:00:00Z",
            "end_time": "2026-01-04T00:00:00Z"}),
        )
        .unwrap();
        let now = "2026-03-01T00:00:00Z".parse().unwrap();
        let mut over = Vec::new();
        while let Some((when, cost)) = subscription.pay_a_day(now) {
            assert!(!cost.aum.amount().is_zero());
            over.push(when.to_string());
        }
        assert_eq!(over, ["2026-01-02T06:00:00Z", "2026-01-03T06:00:00Z"]);
    }

    #[test]
    fn what_is_missing_or_backwards_is_refused() {
        for parameters in [
            json!({}),
            json!({"id": "PS_ARD"}),
            json!({"id": "PS_ARD", "start_time": "2026"}),
            json!({"id": "PS_ARD", "start_time": "2026-01-02T00:00:00Z", "end_time": "2026-01-01T00:00:00Z"}),
            json!({"item_types": ["PSScene"], "start_time": "2026-01-02T00:00:00Z"}),
        ] {
            assert!(read(&parameters).is_err(), "{parameters}");
        }
    }
}
