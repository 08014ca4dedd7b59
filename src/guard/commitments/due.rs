//! Which windows have begun since a commitment was last asked, and what they take of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::ledger::{Ahead, Commitment, NewReservation, Turn};
use crate::planet::Api;
use crate::policy::{Account, Budget, Call, Caller, Claim, Policy};
use crate::units::{Amounts, Span, UtcTime, WindowKind};

/// Windows that one pass looks at; a guard that was off for longer goes on in the next.
const MOST_WINDOWS: usize = 1_000;

/// When the next window of any budget begins; `None` where none ever does.
pub(super) fn next_window(policy: &Policy, now: UtcTime) -> Option<UtcTime> {
    let next = policy.budgets().iter().filter_map(|budget| {
        let stretch = budget.stretch(now, true);
        stretch.map_or_else(|| term_after(budget, now), |stretch| stretch.end)
    });
    next.min()
}

/// How a commitment goes on at each moment, up to `now`, at which windows have begun; one turn behind the other.
/// What stands still or is over is asked for nothing.
pub(super) fn turns(policy: &Policy, commitment: &Commitment, now: UtcTime) -> Vec<Turn> {
    let mut turns = Vec::new();
    let mut latest = commitment.clone();
    if !latest.spends() {
        return turns;
    }
    for moment in moments(policy, commitment, now) {
        let Some(turn) = at(policy, &latest, moment, now) else {
            continue;
        };
        latest = turn.commitment.clone();
        turns.push(turn);
    }
    turns
}

fn moments(policy: &Policy, commitment: &Commitment, now: UtcTime) -> BTreeSet<UtcTime> {
    let (since, endless) = (commitment.booked_until, commitment.end.is_none());
    let until = commitment.end.map_or(now, |end| end.min(now));
    let mut moments = BTreeSet::new();
    for budget in policy.budgets() {
        if !commitment.rate.counts(budget.unit()) {
            continue;
        }
        let begins = |at| match budget.stretch(at, endless) {
            Some(stretch) => stretch.end,
            None => term_after(budget, at),
        };
        // nothing is due before the window in which it starts
        let first = budget.stretch(commitment.start, endless);
        let first = first.map(|stretch| stretch.start);
        let mut next = first
            .filter(|first| *first > since)
            .or_else(|| begins(since));
        for _ in 0..MOST_WINDOWS {
            let Some(moment) = next.filter(|moment| *moment <= until) else {
                break;
            };
            moments.insert(moment);
            next = begins(moment);
        }
    }
    moments.into_iter().take(MOST_WINDOWS).collect()
}

/// When a fixed term begins that is yet to come.
fn term_after(budget: &Budget, now: UtcTime) -> Option<UtcTime> {
    match budget.window().kind {
        WindowKind::Term { start, .. } => Some(start).filter(|start| *start > now),
        _ => None,
    }
}

/// What windows take that begin at `moment`; `None` where they take nothing.
fn at(policy: &Policy, before: &Commitment, moment: UtcTime, now: UtcTime) -> Option<Turn> {
    let claims = claims(policy, before, moment, |stretch| stretch.start == moment);
    if claims.is_empty() {
        return None;
    }
    let endless = before.end.is_none();
    let mut next = before.next();
    next.booked_until = moment;
    next.ahead.retain(|ahead| ahead.until > now);
    let mut longest = moment;
    for claim in &claims {
        let stretch = policy
            .budget(&claim.account.budget)?
            .stretch(moment, endless)?;
        let until = stretch_end(before, stretch.end);
        longest = longest.max(until);
        if until > now {
            let from = moment.max(before.start);
            next.ahead
                .extend(ahead(before, &claim.account, from, until));
        }
    }
    let predicted = before.share(moment.max(before.predicted_until), longest);
    next.predicted_until = longest.max(before.predicted_until);
    let takes = NewReservation {
        request: next.id.request_at(next.version, now),
        team: Arc::clone(&next.team),
        key: Arc::clone(&next.key),
        api: Api::Subscriptions.name(),
        product: next.products.first().cloned(),
        tag: next.tag.clone(),
        fingerprint: None,
        predicted: predicted.unwrap_or_default(),
        claims,
        certain: true,
    };
    Some(Turn {
        takes: Some(takes),
        ..Turn::only(next)
    })
}

/// What windows hold for its days to come when they are asked at `now`, and the end of the longest of them.
pub(super) fn ahead_of(
    policy: &Policy,
    commitment: &Commitment,
    now: UtcTime,
) -> (Vec<Ahead>, UtcTime) {
    let (from, endless) = (now.max(commitment.start), commitment.end.is_none());
    let (mut all, mut longest) = (Vec::new(), now);
    for claim in claims(policy, commitment, now, |_| true) {
        let budget = policy.budget(&claim.account.budget);
        let Some(stretch) = budget.and_then(|budget| budget.stretch(now, endless)) else {
            continue;
        };
        let until = stretch_end(commitment, stretch.end);
        longest = longest.max(until);
        all.extend(ahead(commitment, &claim.account, from, until));
    }
    (all, longest)
}

/// What it takes of windows around `moment` that are `wanted`.
fn claims(
    policy: &Policy,
    commitment: &Commitment,
    moment: UtcTime,
    wanted: impl Fn(&Span) -> bool,
) -> Vec<Claim> {
    let caller = Caller {
        team: Arc::clone(&commitment.team),
        key: Arc::clone(&commitment.key),
        apis: None,
    };
    let call = Call {
        api: Api::Subscriptions,
        products: &commitment.products,
    };
    let endless = commitment.end.is_none();
    let share = |budget: &Budget, _: Span| {
        let stretch = budget.stretch(moment, endless).filter(&wanted);
        let amount = stretch.and_then(|stretch| {
            let until = stretch_end(commitment, stretch.end);
            let share = commitment.share(stretch.start, until);
            // what is past counting takes all that there is
            share.map_or(budget.limit(), |share| share.get(budget.unit()))
        });
        Ok::<_, std::convert::Infallible>(amount.unwrap_or_default())
    };
    let claims = policy.judge_each(&caller, call, moment, share);
    let mut claims = claims.unwrap_or_else(|never| match never {});
    claims.retain(|claim| !claim.counts_requests());
    claims
}

/// The part of a window's share that is for days from `from` on.
fn ahead(
    commitment: &Commitment,
    account: &Account,
    from: UtcTime,
    until: UtcTime,
) -> Option<Ahead> {
    let future: Amounts = commitment.rate.saved(from, from, until)?;
    let amount = future.get(account.unit)?;
    Some(Ahead {
        account: account.clone(),
        amount,
        from,
        until,
    })
}

/// Where a window ends for a commitment.
fn stretch_end(commitment: &Commitment, end: Option<UtcTime>) -> UtcTime {
    match (commitment.end, end) {
        (Some(one), Some(other)) => one.min(other),
        (one, other) => one.or(other).unwrap_or(UtcTime::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{Pace, Rate, Term};
    use crate::ledger::{CommitmentId, Course, RequestId};
    use crate::units::{Amount, Unit};

    fn at(text: &str) -> UtcTime {
        text.parse().expect(text)
    }

    fn policy(budgets: &[(&str, &str)]) -> Policy {
        let budgets = budgets.iter().map(|(name, window)| {
            let limit = if name.starts_with("tally") {
                ""
            } else {
                "limit = 1000\n"
            };
            format!("[[budgets]]\nname = \"{name}\"\nunit = \"aum\"\nwindow = {window}\n{limit}")
        });
        let upstream = "[upstreams.planet]\nurl = \"https://a\"\nmount = \"/\"\n".to_owned();
        let text: String = std::iter::once(upstream).chain(budgets).collect();
        Policy::parse(&text, "p.toml").unwrap()
    }

    /// 2 km² a day, asked last at noon of the 30th of November.
    fn commitment(start: &str, end: Option<&str>) -> Commitment {
        let asked = at("2026-11-30T12:00:00Z");
        let each = Amounts::of(Unit::Aum, Amount::from_whole(2).unwrap());
        let pace = Pace::DAILY;
        Commitment {
            id: CommitmentId {
                request: RequestId::new(asked, [1; 10]),
                number: 0,
            },
            version: 4,
            upstream: "planet".into(),
            subscription: None,
            team: "agriculture".into(),
            key: "ag".into(),
            products: vec!["PSScene".into()],
            tag: None,
            rate: Rate {
                terms: vec![Term { pace, each }],
                ..Rate::default()
            },
            start: at(start),
            end: end.map(at),
            since: asked,
            course: Course::Running,
            booked_until: asked,
            predicted_until: at("2026-12-01T00:00:00Z"),
            ahead: Vec::new(),
        }
    }

    /// `budget day=days` of each claim.
    fn taken(turns: &[Turn]) -> Vec<String> {
        let claims = turns
            .iter()
            .flat_map(|turn| &turn.takes.as_ref().unwrap().claims);
        let claims = claims.map(|claim| {
            let day = claim.account.window.start.strftime("%m-%d");
            let days = claim.amount.whole_floor() / 2;
            format!("{} {day}={days}", claim.account.budget)
        });
        claims.collect()
    }

    const LONG_AGO: &str = "2026-01-01T00:00:00Z";

    #[test]
    fn each_window_that_has_begun_is_asked_once_and_in_its_turn() {
        let policy = policy(&[("day", "\"day\""), ("month", "\"month\"")]);
        let running = commitment(LONG_AGO, None);
        assert!(turns(&policy, &running, at("2026-11-30T23:59:59Z")).is_empty());
        let due = turns(&policy, &running, at("2026-12-02T00:00:00Z"));
        assert_eq!(
            taken(&due),
            ["day 12-01=1", "month 12-01=31", "day 12-02=1"]
        );
        assert_eq!(
            [due[0].commitment.version, due[1].commitment.version],
            [5, 6]
        );
        let latest = &due[1].commitment;
        assert!(turns(&policy, latest, at("2026-12-02T23:00:00Z")).is_empty());
        assert_ne!(
            due[0].takes.as_ref().unwrap().request,
            due[1].takes.as_ref().unwrap().request
        );
    }

    #[test]
    fn the_end_and_the_start_cut_a_window_short() {
        let policy = policy(&[("month", "\"month\"")]);
        let short = commitment("2026-12-20T00:00:00Z", Some("2027-01-03T00:00:00Z"));
        let due = turns(&policy, &short, at("2027-03-01T00:00:00Z"));
        assert_eq!(taken(&due), ["month 12-01=12", "month 01-01=2"]);
        let over = &due[1].commitment;
        assert!(over.ahead.is_empty(), "what is past is not ahead: {over:?}");
    }

    #[test]
    fn one_that_starts_in_some_years_is_asked_then_and_not_day_by_day_before() {
        let policy = policy(&[("day", "\"day\""), ("month", "\"month\"")]);
        let late = commitment("2036-03-10T00:00:00Z", None);
        let due = turns(&policy, &late, at("2036-03-11T00:00:00Z"));
        let [month, first, second] = &taken(&due)[..] else {
            panic!("{due:?}");
        };
        assert_eq!(
            [&**month, &**first, &**second],
            ["month 03-01=22", "day 03-10=1", "day 03-11=1"]
        );
    }

    #[test]
    fn what_is_asked_for_days_to_come_is_remembered_as_that() {
        let policy = policy(&[("month", "\"month\"")]);
        let due = turns(
            &policy,
            &commitment(LONG_AGO, None),
            at("2026-12-03T00:00:00Z"),
        );
        let [ahead] = &due[0].commitment.ahead[..] else {
            panic!("{due:?}");
        };
        assert_eq!(ahead.amount, Amount::from_whole(62).unwrap());
        assert_eq!(ahead.until, at("2027-01-01T00:00:00Z"));
    }

    #[test]
    fn days_are_in_one_prediction_however_many_windows_they_are_in() {
        let policy = policy(&[("day", "\"day\""), ("month", "\"month\"")]);
        let due = turns(
            &policy,
            &commitment(LONG_AGO, None),
            at("2026-12-02T00:00:00Z"),
        );
        let predicted = |turn: &Turn| {
            let predicted = &turn.takes.as_ref().unwrap().predicted;
            predicted.get(Unit::Aum).unwrap_or_default().whole_floor()
        };
        assert_eq!((predicted(&due[0]), predicted(&due[1])), (62, 0));
    }

    #[test]
    fn what_stands_still_or_costs_nothing_of_the_kind_is_not_asked() {
        let policy = policy(&[("month", "\"month\"")]);
        let now = at("2026-12-03T00:00:00Z");
        for course in [Course::Suspended, Course::Over] {
            let still = Commitment {
                course,
                ..commitment(LONG_AGO, None)
            };
            assert!(turns(&policy, &still, now).is_empty());
        }
        let free = Commitment {
            rate: Rate::default(),
            ..commitment(LONG_AGO, None)
        };
        assert!(turns(&policy, &free, now).is_empty());
    }

    #[test]
    fn a_budget_for_ever_that_refuses_nothing_is_asked_by_the_month() {
        let tally = policy(&[("tally", "\"forever\"")]);
        let due = turns(
            &tally,
            &commitment(LONG_AGO, None),
            at("2027-01-01T00:00:00Z"),
        );
        assert_eq!(taken(&due), ["tally 01-01=31", "tally 01-01=31"]);
        let bounded = commitment(LONG_AGO, Some("2027-02-01T00:00:00Z"));
        assert!(turns(&tally, &bounded, at("2027-01-01T00:00:00Z")).is_empty());
    }

    #[test]
    fn what_is_past_counting_takes_all_that_there_is() {
        let policy = policy(&[("month", "\"month\""), ("tally", "\"year\"")]);
        let mut boundless = commitment(LONG_AGO, None);
        boundless.rate.terms[0].pace.times = u128::MAX;
        let due = turns(&policy, &boundless, at("2027-01-01T00:00:00Z"));
        let months = [("12-01", 500), ("01-01", 500)];
        let months = months.map(|(day, days)| format!("month {day}={days}"));
        assert_eq!(
            taken(&due),
            months,
            "its limit, and nothing of what has none"
        );
    }

    #[test]
    fn a_term_is_asked_when_it_begins() {
        let term = policy(&[(
            "term",
            "{ start = 2026-12-10T00:00:00Z, end = 2026-12-20T00:00:00Z }",
        )]);
        let running = commitment(LONG_AGO, None);
        assert!(turns(&term, &running, at("2026-12-09T00:00:00Z")).is_empty());
        let due = turns(&term, &running, at("2026-12-12T00:00:00Z"));
        assert_eq!(taken(&due), ["term 12-10=10"]);
        let begins = next_window(&term, at("2026-12-01T00:00:00Z"));
        assert_eq!(begins, Some(at("2026-12-10T00:00:00Z")));
    }

    #[test]
    fn after_a_long_time_a_pass_goes_on_where_the_last_one_ended() {
        let policy = policy(&[("day", "\"day\"")]);
        let now = at("2031-12-01T00:00:00Z");
        let first = turns(&policy, &commitment(LONG_AGO, None), now);
        assert_eq!(first.len(), MOST_WINDOWS);
        let rest = turns(&policy, &first[MOST_WINDOWS - 1].commitment, now);
        assert_eq!(first.len() + rest.len(), 5 * 365 + 2);
    }
}
