//! [`Outlook`]: a call that goes on spending, priced for each window that it meets.
//!
//! What a window will still see of it is reserved from that window: all of its past, which is charged at once,
//! and its future up to the end of the window. Each window that is yet to begin will be asked for its own share.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::predict::{Predicted, Understood, not_predictable, price};
use super::refusal::Refusal;
use crate::cost::Margin;
use crate::planet::Unbounded;
use crate::policy::{Budget, Call, Caller, Claim, Policy};
use crate::units::{Amount, UtcTime};

/// One call, as far as each of some moments.
pub(super) struct Outlook<'a> {
    policy: &'a Policy,
    understood: Understood,
    margin: Margin,
    now: UtcTime,
    /// All of it, or a year where it has no end.
    whole: Predicted,
    until: BTreeMap<UtcTime, Predicted>,
}

/// What its windows are asked for.
pub(super) struct Shares {
    /// The call as far as the longest window that it claims of.
    pub(super) predicted: Predicted,
    pub(super) claims: Vec<Claim>,
    /// What each claim counts as spent once the call has succeeded.
    pub(super) settles_at: Vec<Amount>,
}

impl<'a> Outlook<'a> {
    pub(super) fn of(
        policy: &'a Policy,
        understood: Understood,
        margin: Margin,
        now: UtcTime,
    ) -> Result<Self, Refusal> {
        Ok(Self {
            whole: price(policy, understood.clone(), None, now)?.with(margin)?,
            policy,
            understood,
            margin,
            now,
            until: BTreeMap::new(),
        })
    }

    /// Asks every budget for the share of its current window.
    pub(super) fn shares(mut self, caller: &Caller, call: Call<'_>) -> Result<Shares, Refusal> {
        let (policy, now) = (self.policy, self.now);
        let mut ends: BTreeMap<Arc<str>, Option<UtcTime>> = BTreeMap::new();
        let claims = policy.judge_each(caller, call, now, |budget, _| {
            let end = self.reach(budget)?;
            let share = self.as_far_as(end)?.totals.get(budget.unit());
            let share = share.unwrap_or_default();
            if !share.is_zero() {
                ends.insert(Arc::clone(budget.name()), end);
            }
            Ok::<_, Refusal>(share)
        })?;
        let settles_at = claims.iter().map(|claim| {
            let end = ends.get(&claim.account.budget).copied().flatten();
            let settled = &self.as_far_as(end)?.settles_at;
            Ok(settled.get(claim.account.unit).unwrap_or(claim.amount))
        });
        Ok(Shares {
            settles_at: settles_at.collect::<Result<_, Refusal>>()?,
            predicted: self.longest(&ends)?,
            claims,
        })
    }

    /// Up to when it spends of the budget's window; `None`: for all of its time.
    fn reach(&self, budget: &Budget) -> Result<Option<UtcTime>, Refusal> {
        let ask = &self.understood.reading.ask;
        let costs = self.whole.totals.get(budget.unit());
        let endless = ask.is_endless() && costs.is_some_and(|costs| !costs.is_zero());
        let stretch = budget.stretch(self.now, endless);
        match stretch.and_then(|stretch| stretch.end) {
            None if endless => Err(never_ends(budget)),
            end => Ok(end),
        }
    }

    fn as_far_as(&mut self, end: Option<UtcTime>) -> Result<&Predicted, Refusal> {
        let Some(end) = end else {
            return Ok(&self.whole);
        };
        if !self.until.contains_key(&end) {
            let understood = self.understood.clone();
            let share = price(self.policy, understood, Some(end), self.now)?.with(self.margin)?;
            self.until.insert(end, share);
        }
        Ok(self.until.get(&end).unwrap_or(&self.whole))
    }

    fn longest(mut self, ends: &BTreeMap<Arc<str>, Option<UtcTime>>) -> Result<Predicted, Refusal> {
        let bounded = ends.values().all(Option::is_some);
        let longest = ends.values().flatten().max().filter(|_| bounded).copied();
        self.as_far_as(longest).cloned()
    }
}

/// Of what runs on for ever, a budget that is never renewed and refuses would need all that there is.
fn never_ends(budget: &Budget) -> Refusal {
    not_predictable(&Unbounded {
        why: format!(
            "the subscription has no end_time, so it never stops spending, and budget '{}' ({}) is not renewed; \
             give an end_time",
            budget.name(),
            budget.unit().label()
        ),
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::super::{Rehearsal, Report, rehearse};
    use super::*;

    const NOW: &str = "2026-11-22T12:00:00Z";

    fn rehearsed(budgets: &str, start: &str, end: Option<&str>) -> Result<Report, Refusal> {
        let text = format!(
            "[upstreams.planet]\nurl = \"https://a\"\nmount = \"/\"\n[plan]\naum = \"area-x-days\"\n{budgets}"
        );
        let end = end.map_or("null".to_owned(), |end| format!("\"{end}\""));
        let body = format!(
            r#"{{"source": {{"parameters": {{"item_types": ["PSScene"], "asset_types": ["ortho_visual"],
                "geometry": {{"type": "Polygon", "coordinates": [[[14, 46], [14.1, 46], [14.1, 46.1], [14, 46]]]}},
                "start_time": "{start}", "end_time": {end}}}}}, "delivery": {{"type": "amazon_s3"}}}}"#
        );
        let rehearsal = Rehearsal {
            caller: Caller {
                team: "agriculture".into(),
                key: "ag".into(),
                apis: None,
            },
            method: Method::POST,
            target: "/subscriptions/v1",
            headers: HeaderMap::new(),
            body: body.as_bytes(),
        };
        let policy = Policy::parse(&text, "p.toml").unwrap();
        rehearse(&policy, &rehearsal, NOW.parse().unwrap())
    }

    fn budget(name: &str, window: &str, limit: &str) -> String {
        format!("[[budgets]]\nname = \"{name}\"\nunit = \"aum\"\nwindow = {window}\n{limit}\n")
    }

    /// How many days each budget is asked for.
    fn days(report: &Report) -> Vec<(&str, i64)> {
        let needed = |name: &str| {
            let mut all = report.budgets.iter();
            all.find(|one| one.budget == name).unwrap().needed.micros()
        };
        let day = needed("a-day");
        let days = |one: &'_ str| needed(one) / day;
        let names = report.budgets.iter().map(|one| &*one.budget);
        names.map(|name| (name, days(name))).collect()
    }

    const ROOMY: &str = "limit = 100000000";

    #[test]
    fn each_window_is_asked_for_what_it_will_still_see() {
        let term = "{ start = 2026-01-01T00:00:00Z, end = 2027-01-01T00:00:00Z }";
        let budgets = [
            ("a-day", "\"day\""),
            ("b-month", "\"month\""),
            ("c-year", "\"year\""),
            ("d-ever", "\"forever\""),
            ("e-term", term),
        ]
        .map(|(name, window)| budget(name, window, ROOMY))
        .concat();
        let forward = rehearsed(&budgets, NOW, Some("2027-02-01T00:00:00Z")).unwrap();
        assert_eq!(
            days(&forward),
            [
                ("a-day", 1),
                ("b-month", 9),
                ("c-year", 40),
                ("d-ever", 71),
                ("e-term", 40)
            ]
        );
        let whole = &forward.budgets[3].needed;
        assert_eq!(forward.estimate.get(crate::units::Unit::Aum), Some(*whole));
    }

    #[test]
    fn all_of_the_past_is_charged_at_once() {
        let budgets = [
            budget("a-day", "\"day\"", ROOMY),
            budget("b-month", "\"month\"", ROOMY),
        ];
        let start = "2026-10-22T00:00:00Z";
        let mixed = rehearsed(&budgets.concat(), start, Some("2027-02-01T00:00:00Z")).unwrap();
        let [day, month] = &mixed.budgets[..] else {
            panic!("{:?}", mixed.budgets);
        };
        // 32 days up to and with today; 40 up to the end of the month
        assert_eq!(day.needed.micros() / 32 * 40, month.needed.micros());
    }

    #[test]
    fn what_begins_behind_a_window_claims_nothing_of_it() {
        let month = budget("b-month", "\"month\"", ROOMY);
        let later = rehearsed(&month, "2026-12-01T00:00:00Z", None).unwrap();
        assert!(later.budgets.is_empty(), "{:?}", later.budgets);
    }

    #[test]
    fn without_an_end_it_passes_where_budgets_are_renewed() {
        let budgets = [
            budget("a-day", "\"day\"", ROOMY),
            budget("b-month", "\"month\"", ROOMY),
            budget("c-tally", "\"forever\"", ""),
            budget("d-over", "\"forever\"", "limit = 1\non_breach = \"allow\""),
        ];
        let endless = rehearsed(&budgets.concat(), NOW, None).unwrap();
        let month = [("a-day", 1), ("b-month", 9), ("c-tally", 9), ("d-over", 9)];
        assert_eq!(days(&endless), month);
    }

    #[test]
    fn without_an_end_it_is_refused_by_a_budget_that_is_not_renewed() {
        let budgets = [
            budget("b-month", "\"month\"", ROOMY),
            budget("all-time", "\"forever\"", ROOMY),
        ];
        let refusal = rehearsed(&budgets.concat(), NOW, None).unwrap_err();
        for part in ["'all-time'", "end_time", "not renewed"] {
            assert!(refusal.detail.contains(part), "{}", refusal.detail);
        }
        let other =
            "[[budgets]]\nname = \"calls\"\nunit = \"requests\"\nwindow = \"forever\"\nlimit = 9\n";
        assert!(rehearsed(other, NOW, None).is_ok(), "it is one request");
    }

    #[test]
    fn a_later_start_is_told_that_fits_into_the_window() {
        let month = budget("b-month", "\"month\"", "limit = 100");
        let report = rehearsed(&month, "2026-10-22T00:00:00Z", None).unwrap();
        let start = report.suggestion.unwrap()["start_time"].clone();
        let start = start.as_str().unwrap();
        assert!(start > "2026-11-22" && start < "2026-12-01", "{start}");
        let fits = rehearsed(&month, start, None).unwrap();
        assert_eq!(fits.decision, crate::policy::Decision::Forward);
    }
}
