//! What callers can ask of the guard itself, with their own key: how their budgets stand, and what a
//! request would cost. Nothing is forwarded from here, though Planet may be asked what the request does not
//! say; and nobody sees what is another team's.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::answer::{Answer, Notes, Reply};
use super::consult::Rights;
use super::pipeline::{Case, Guard, books_away, nothing_here};
use super::predict::understand;
use super::refusal::{Problem, Refusal};
use super::rehearse::{Addressed, Rehearsal, Report};
use super::weigh::{Weighed, weigh};
use super::wishes::Wishes;
use crate::identity::Presented;
use crate::ledger::Balance;
use crate::planet::{Found, Query, Target, json};
use crate::policy::{Account, Budget, Caller, Dimension};
use crate::units::{Amount, Unit, UtcTime};
use crate::upstream::{Body, collect_request};

/// Every path of the guard's own on the data port begins with this.
const OWN: &str = "/quota-guard/";
/// Windows that a history goes back over, all budgets together.
const LONGEST_HISTORY: usize = 366;

/// A page of the guard's own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Service {
    Quota,
    Daily,
    History,
    Estimate,
    Nothing,
}

impl Service {
    /// `None` for what belongs to an upstream.
    pub(super) fn at(method: &Method, path: &str) -> Option<Self> {
        let page = path.strip_prefix(OWN)?;
        let reads = matches!(*method, Method::GET | Method::HEAD);
        Some(match page {
            "v1/quota" if reads => Self::Quota,
            "v1/quota/daily" if reads => Self::Daily,
            "v1/quota/history" if reads => Self::History,
            "v1/estimate" if *method == Method::POST => Self::Estimate,
            _ => Self::Nothing,
        })
    }
}

/// `{"quota": {"org-pu": 50000}}`; `null` without a limit.
#[derive(Serialize)]
struct Quota<T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<String>,
    quota: BTreeMap<String, T>,
}

#[derive(Serialize)]
struct Usage {
    count: Option<Amount>,
    total: Option<Amount>,
    remaining: Option<Amount>,
    held: Amount,
}

#[derive(Serialize)]
struct Past {
    budget: String,
    unit: Unit,
    start: UtcTime,
    end: Option<UtcTime>,
    #[serde(flatten)]
    usage: Usage,
}

/// A request that somebody only asks about.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    method: String,
    path: String,
    /// As it would be sent; a text is taken as it stands.
    body: Option<Box<RawValue>>,
}

impl Guard {
    pub(super) async fn serve(
        &self,
        service: Service,
        head: &Parts,
        body: Body,
        target: &Target<'_>,
        case: &mut Case,
    ) -> Result<Answer, Refusal> {
        let now = self.clock.now();
        let presented = Presented::find(&head.headers, target.query().raw())?;
        let caller = self.tokens.recognise(&self.policy, &presented, now)?;
        case.team = Some(Arc::clone(&caller.team));
        let reply = match service {
            Service::Quota => Reply::document(&self.quota(&caller)),
            Service::Daily => Reply::document(&self.daily(&caller, now).await?),
            Service::History => Reply::document(&self.history(&caller).await?),
            Service::Estimate => {
                let rights = (&presented, target.query());
                return self.estimate(caller, rights, head, body, case, now).await;
            }
            Service::Nothing => return Err(no_such_page()),
        };
        Ok(Answer::new(reply, Notes::new(case.request)))
    }

    fn quota(&self, caller: &Caller) -> Quota<Option<Amount>> {
        let limits = self.budgets_of(caller);
        Quota {
            day: None,
            quota: limits
                .map(|budget| (budget.name().to_string(), budget.limit()))
                .collect(),
        }
    }

    /// How the current windows stand, whatever their length.
    async fn daily(&self, caller: &Caller, now: UtcTime) -> Result<Quota<Usage>, Refusal> {
        let rows = self.rows_of(caller).await?;
        let mut quota = BTreeMap::new();
        for budget in self.budgets_of(caller) {
            let Some(window) = budget.window().at(now) else {
                continue;
            };
            let untouched = own_partition(budget, caller).map(|partition| {
                Balance::empty(Account {
                    budget: Arc::clone(budget.name()),
                    partition,
                    unit: budget.unit(),
                    window,
                })
            });
            let current = rows
                .iter()
                .filter(|row| is_of(row, budget) && row.account.window.start == window.start);
            for row in untouched.iter().chain(current) {
                quota.insert(name_of(row), usage(row, budget));
            }
        }
        Ok(Quota {
            day: Some(now.strftime("%Y-%m-%d").to_string()),
            quota,
        })
    }

    /// Every window that is in the books, the latest first.
    async fn history(&self, caller: &Caller) -> Result<BTreeMap<&'static str, Vec<Past>>, Refusal> {
        let mut rows = self.rows_of(caller).await?;
        rows.sort_by_key(|row| std::cmp::Reverse(row.account.window.start));
        let past = rows.iter().filter_map(|row| {
            let budget = self.budgets_of(caller).find(|budget| is_of(row, budget))?;
            Some(Past {
                budget: name_of(row),
                unit: row.account.unit,
                start: row.account.window.start,
                end: row.account.window.end,
                usage: usage(row, budget),
            })
        });
        Ok(BTreeMap::from([(
            "history",
            past.take(LONGEST_HISTORY).collect(),
        )]))
    }

    async fn estimate(
        &self,
        caller: Caller,
        (presented, query): (&Presented, Query<'_>),
        head: &Parts,
        body: Body,
        case: &mut Case,
        now: UtcTime,
    ) -> Result<Answer, Refusal> {
        let limits = &self.policy.server().limits;
        let most = usize::try_from(limits.max_body.0).unwrap_or(usize::MAX);
        let text = collect_request(&head.headers, body, most, limits.upstream_timeout).await?;
        let question: Question = json::read(&text)?;
        let wishes = Wishes::read(&head.headers)?;
        let method = question.method.parse().map_err(|_| {
            Refusal::new(
                Problem::NotUnderstood,
                format!("'{}' is no method", question.method),
            )
        })?;
        let plain = self.without_ticket(&question.path, now)?;
        let sent = question.body.as_deref().map(as_sent).unwrap_or_default();
        let json = (CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let rehearsal = Rehearsal {
            caller,
            method,
            target: plain.as_deref().unwrap_or(&question.path),
            headers: HeaderMap::from_iter([json]),
            body: &sent,
        };
        let report = match self
            .weigh_rehearsal(&rehearsal, head, presented, query, now)
            .await
        {
            Ok(weighed) => {
                case.api = weighed.api;
                self.foretell(weighed, &wishes, now).await?
            }
            Err(refusal) if refusal.problem.is_verdict() => Report::refused(&refusal),
            Err(refusal) => return Err(refusal),
        };
        Ok(self.tell(report, case))
    }

    /// Prices a request that is not sent as one that is, with the rights of whoever asks.
    async fn weigh_rehearsal(
        &self,
        rehearsal: &Rehearsal<'_>,
        head: &Parts,
        presented: &Presented,
        query: Query<'_>,
        now: UtcTime,
    ) -> Result<Weighed, Refusal> {
        let addressed = Addressed::find(&self.policy, rehearsal)?;
        let (place, _) = self
            .places
            .find(addressed.target.path())
            .ok_or_else(nothing_here)?;
        let asked = addressed.asked(Found::default());
        let looked_up = self.look_up(place, (&head.headers, query), presented, &asked, now);
        let looked_up = looked_up.await?;
        let asked = addressed.asked(looked_up.found());
        let understood = understand(&self.policy, &asked, now)?;
        let rights = Rights::of(place, &head.headers, query, Some(presented));
        let understood = self.consult(understood, &rights, now).await?;
        let api = addressed.route.api;
        let whose = (presented, &rehearsal.caller);
        let understood = self.survey(understood, place, whose, api, now).await;
        let (policy, margins) = (&self.policy, &self.margins);
        weigh(policy, margins, &rehearsal.caller, api, understood, now)
    }

    /// The budgets that some request of this caller may touch.
    fn budgets_of(&self, caller: &Caller) -> impl Iterator<Item = &Budget> {
        self.policy.budgets().iter().filter(|budget| {
            let matching = budget.matching();
            let teams = matching.teams();
            let keys = matching.keys();
            teams.is_none_or(|teams| teams.contains(&caller.team))
                && keys.is_none_or(|keys| keys.contains(&caller.key))
        })
    }

    /// The rows of the books that are about this caller, or about everybody.
    async fn rows_of(&self, caller: &Caller) -> Result<Vec<Balance>, Refusal> {
        let booked = self.book_what_is_due().await;
        booked.map_err(|cause| books_away(&cause))?;
        let rows = self.ledger.balances().await;
        let mut rows = rows.map_err(|cause| books_away(&cause))?;
        rows.retain(|row| is_shown_to(&row.account.partition, caller));
        Ok(rows)
    }
}

fn no_such_page() -> Refusal {
    Refusal::new(
        Problem::NotFound,
        "The guard's own pages here are GET /quota-guard/v1/quota, /quota-guard/v1/quota/daily and \
         /quota-guard/v1/quota/history, and POST /quota-guard/v1/estimate.",
    )
}

fn is_of(row: &Balance, budget: &Budget) -> bool {
    row.account.budget == *budget.name() && row.account.unit == budget.unit()
}

/// The one partition that a caller falls in, where that does not depend on the request.
fn own_partition(budget: &Budget, caller: &Caller) -> Option<Arc<str>> {
    let parts: Option<Vec<String>> = budget
        .per()
        .iter()
        .map(|dimension| match dimension {
            Dimension::Team => Some(format!("{dimension}={}", caller.team)),
            Dimension::Key => Some(format!("{dimension}={}", caller.key)),
            Dimension::Api | Dimension::Product => None,
        })
        .collect();
    parts.map(|parts| parts.join(",").into())
}

/// A partition of another team or key is none of the caller's business.
fn is_shown_to(partition: &str, caller: &Caller) -> bool {
    partition.split(',').all(|part| match part.split_once('=') {
        Some(("team", team)) => *team == *caller.team,
        Some(("key", key)) => *key == *caller.key,
        _ => true,
    })
}

/// `org-pu`, or `org-pu/api=orders` where a budget is kept apart by what is asked for.
fn name_of(row: &Balance) -> String {
    let Account {
        budget, partition, ..
    } = &row.account;
    let callers_own = |part: &&str| part.starts_with("team=") || part.starts_with("key=");
    let others: Vec<_> = partition
        .split(',')
        .filter(|part| !part.is_empty() && !callers_own(part))
        .collect();
    if others.is_empty() {
        return budget.to_string();
    }
    format!("{budget}/{}", others.join(","))
}

fn usage(row: &Balance, budget: &Budget) -> Usage {
    let spent = row
        .settled
        .checked_add(row.overrun)
        .and_then(|sum| sum.checked_add(row.unknown));
    Usage {
        count: spent,
        total: budget.limit(),
        remaining: budget.limit().map(|limit| row.left(limit)),
        held: row.held,
    }
}

fn as_sent(body: &RawValue) -> Vec<u8> {
    let text: Result<String, _> = serde_json::from_str(body.get());
    text.unwrap_or_else(|_| body.get().to_owned()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guards_own_paths_never_lead_to_an_upstream() {
        for (method, path, service) in [
            (Method::GET, "/quota-guard/v1/quota", Some(Service::Quota)),
            (
                Method::GET,
                "/quota-guard/v1/quota/daily",
                Some(Service::Daily),
            ),
            (
                Method::POST,
                "/quota-guard/v1/estimate",
                Some(Service::Estimate),
            ),
            (
                Method::GET,
                "/quota-guard/v1/estimate",
                Some(Service::Nothing),
            ),
            (
                Method::DELETE,
                "/quota-guard/v1/quota",
                Some(Service::Nothing),
            ),
            (Method::GET, "/quota-guard/", Some(Service::Nothing)),
            (Method::GET, "/data/v1", None),
        ] {
            assert_eq!(Service::at(&method, path), service, "{method} {path}");
        }
    }

    #[test]
    fn a_caller_sees_its_own_partitions_and_no_other() {
        let caller = Caller {
            team: "forest".into(),
            key: "fo-1".into(),
            apis: None,
        };
        for (partition, shown) in [
            ("", true),
            ("api=orders", true),
            ("team=forest", true),
            ("team=forest,key=fo-1,api=orders", true),
            ("team=forest,key=fo-2", false),
            ("team=forestry", false),
            ("team=agriculture,api=orders", false),
        ] {
            assert_eq!(is_shown_to(partition, &caller), shown, "{partition}");
        }
    }
}
