//! Links to downloads, from the answer that brings one to the request that follows it.
//!
//! Where downloads are metered a caller never gets Planet's token of a download, nor an address in storage,
//! but a [`Ticket`] for it. Nothing is kept of them: what comes back is opened, or refused in a sentence.
//! A ticket is as good as the key that it was given to, so it needs none beside it.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, Method};

use super::answer::Answer;
use super::deliver::Download;
use super::exchange::Exchange;
use super::pipeline::{Case, Guard, permit};
use super::places::Place;
use super::predict::understand;
use super::refusal::{Problem, Refusal};
use super::weigh::weigh;
use super::wishes::Wishes;
use crate::identity::{self, Presented, Seal};
use crate::planet::downloads::TOKEN;
use crate::planet::{Api, Asked, Found, Query, Route, Target, UpstreamKind, classify};
use crate::policy::{Caller, Policy};
use crate::units::UtcTime;
use crate::upstream::{Goal, Onward, Sealing, Ticket};

/// Addresses in storage are behind pages of the guard's own: `PAGES{upstream}/{ticket}/{file name}`.
const PAGES: &str = "/quota-guard/v1/downloads/";
/// The call that an address in storage stands for: the file of an order is nothing else.
const AS_IF: &str = "/compute/ops/download";

/// Makes tickets and takes them.
pub struct Downloads {
    seal: Arc<Seal>,
    /// What the pages begin with, up to the upstream's name.
    pages: String,
    meters: bool,
}

/// A call whose token was a ticket.
pub(super) struct Unsealed {
    pub(super) ticket: Ticket,
    /// As upstream must get it.
    query: String,
}

/// A page of the guard's own, as a path names it.
pub(super) struct Page<'p> {
    upstream: &'p str,
    words: &'p str,
}

impl Downloads {
    pub fn new(seal: Seal, policy: &Policy, public_url: &str) -> Self {
        Self {
            seal: Arc::new(seal),
            pages: format!("{}{PAGES}", public_url.trim_end_matches('/')),
            meters: policy.meters_egress(),
        }
    }

    /// How links are exchanged in an answer for the holder of this key.
    pub(super) fn sealing(&self, place: &Place, holder: &Arc<str>, api: Api) -> Option<Sealing> {
        self.meters.then(|| Sealing {
            seal: Arc::clone(&self.seal),
            hosts: Arc::clone(&place.hosts),
            page: format!("{}{}", self.pages, place.upstream.name()).into(),
            holder: Arc::clone(holder),
            api,
        })
    }

    /// What the bytes of this call need on their way, if they are metered.
    pub(super) fn download(
        &self,
        route: &Route,
        head: &Parts,
        wishes: &Wishes,
    ) -> Option<Download> {
        let is_metered = self.meters && route.operation.is_download();
        is_metered.then(|| Download {
            onward: Onward::of(&head.method, &head.headers),
            wishes: wishes.clone(),
        })
    }

    /// The ticket in a call's query, and the query without it. A token that is none of ours goes on as it
    /// is: its bytes pass here all the same.
    pub(super) fn unseal(
        &self,
        place: &Place,
        route: &Route,
        query: Query<'_>,
        now: UtcTime,
    ) -> Result<Option<Unsealed>, Refusal> {
        if !route.operation.is_opened_by_token() {
            return Ok(None);
        }
        let Some(words) = query.single(TOKEN)?.filter(|words| Ticket::is_meant(words)) else {
            return Ok(None);
        };
        let ticket = self.open(Goal::Token, place, &words, now)?;
        let token = format!("{TOKEN}={}", ticket.goal);
        let rest = query.without(TOKEN);
        let query = rest.map_or_else(|| token.clone(), |rest| format!("{token}&{rest}"));
        Ok(Some(Unsealed { ticket, query }))
    }

    fn open(
        &self,
        goal: Goal,
        place: &Place,
        words: &str,
        now: UtcTime,
    ) -> Result<Ticket, Refusal> {
        let ended = |what: &str| {
            Refusal::new(
                Problem::LinkEnded,
                format!(
                    "This download link {what}. Ask for its order or asset again: the answer brings a new one."
                ),
            )
        };
        let meant = Some(words).filter(|_| self.meters);
        let opened =
            meant.and_then(|words| Ticket::open(&self.seal, goal, place.upstream.name(), words));
        let ticket = opened.ok_or_else(|| {
            ended("is not this guard's, was changed on its way, or is older than the guard's credentials")
        })?;
        match ticket.ends {
            Some(end) if end <= now => Err(ended(&format!("ended at {end}"))),
            _ => Ok(ticket),
        }
    }
}

impl Unsealed {
    pub(super) fn query(&self) -> Query<'_> {
        Query::new(Some(&self.query))
    }
}

impl<'p> Page<'p> {
    pub(super) fn at(path: &'p str) -> Option<Self> {
        let (upstream, rest) = path.strip_prefix(PAGES)?.split_once('/')?;
        let words = rest.split('/').next().filter(|words| !words.is_empty())?;
        Some(Self { upstream, words })
    }
}

impl Guard {
    /// Whose key a request brings, or else whose its ticket is.
    pub(super) fn caller(
        &self,
        headers: &HeaderMap,
        query: Query<'_>,
        ticket: Option<&Ticket>,
        now: UtcTime,
    ) -> Result<(Presented, Caller), Refusal> {
        match (Presented::find(headers, query.raw()), ticket) {
            (Err(identity::Refusal::Missing), Some(ticket)) => {
                let caller = identity::holder(&self.policy, &ticket.holder, now)?;
                Ok((Presented::nothing(), caller))
            }
            (found, _) => {
                let presented = found?;
                let caller = self.tokens.recognise(&self.policy, &presented, now)?;
                Ok((presented, caller))
            }
        }
    }

    /// A path as upstream would get it, for who only asks about it.
    pub(super) fn without_ticket(
        &self,
        path: &str,
        now: UtcTime,
    ) -> Result<Option<String>, Refusal> {
        let target = Target::parse(path)?;
        let Some((place, behind)) = self.places.find(target.path()) else {
            return Ok(None);
        };
        let route = classify(place.upstream.kind(), &Method::GET, behind);
        let unsealed = self.downloads.unseal(place, &route, target.query(), now)?;
        Ok(unsealed.map(|unsealed| format!("{}?{}", target.path(), unsealed.query)))
    }

    /// Fetches what is behind a page.
    pub(super) async fn follow(
        self: &Arc<Self>,
        page: Page<'_>,
        head: &Parts,
        target: &Target<'_>,
        case: &mut Case,
    ) -> Result<Answer, Refusal> {
        if !matches!(head.method, Method::GET | Method::HEAD) {
            return Err(Refusal::new(
                Problem::NotClassified,
                format!("{} does nothing to a download: send GET.", head.method),
            ));
        }
        let now = self.clock.now();
        let place = self.places.named(page.upstream).ok_or_else(nowhere)?;
        let ticket = self.downloads.open(Goal::Address, place, page.words, now)?;
        case.api = ticket.api;
        let (presented, caller) = self.caller(&head.headers, target.query(), Some(&ticket), now)?;
        case.team = Some(Arc::clone(&caller.team));
        case.wishes = Wishes::read(&head.headers)?;
        let route = Route {
            api: ticket.api,
            ..classify(UpstreamKind::Planet, &head.method, AS_IF)
        };
        permit(&self.policy, &caller, &route, &head.method, AS_IF)?;
        self.pacer.admit(&caller, route.api)?;
        let asked = Asked {
            method: &head.method,
            route: &route,
            path: AS_IF,
            query: Query::default(),
            headers: &head.headers,
            body: &[],
            deployment: place.upstream.deployment(),
            found: Found::default(),
        };
        let understood = understand(&self.policy, &asked, now)?;
        let (policy, margins) = (&self.policy, &self.margins);
        let weighed = weigh(policy, margins, &caller, route.api, understood, now)?;
        if case.wishes.dry_run {
            return self.dry_run(weighed, case, now).await;
        }
        case.wishes.allow(&weighed.predicted)?;
        let download = self.downloads.download(&route, head, &case.wishes);
        let download = download.ok_or_else(nowhere)?;
        let exchange = Exchange {
            download: Some(download),
            ..self.exchange(case, place, route, weighed, (presented, caller), None)
        };
        let answer = exchange.run_from(ticket.goal);
        self.exchanges.detach(answer).await
    }
}

fn nowhere() -> Refusal {
    Refusal::new(
        Problem::NotFound,
        "Nothing is downloaded from here; check that the link was copied whole.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::places::Places;
    use crate::identity::Secret;

    const NOON: &str = "2026-11-22T12:00:00Z";

    fn policy(more: &str) -> Policy {
        let text = format!("[upstreams.planet]\nurl = \"https://a\"\nmount = \"/\"\n{more}");
        Policy::parse(&text, "p.toml").unwrap()
    }

    fn downloads(policy: &Policy) -> Downloads {
        let secret = Secret::from_text("upstream").unwrap();
        let seal = Seal::new([secret].iter()).unwrap();
        Downloads::new(seal, policy, "http://guard/")
    }

    fn words(ends: Option<&str>) -> String {
        let ticket = Ticket {
            ends: ends.map(|ends| ends.parse().unwrap()),
            holder: "ag-1".into(),
            api: Api::Data,
            goal: "e30.e30.c2ln".into(),
        };
        let seal = downloads(&policy("")).seal;
        ticket.seal(&seal, Goal::Token, "planet").unwrap()
    }

    /// What upstream is asked when `query` comes to `path`.
    fn unsealed(policy: &Policy, path: &str, query: &str) -> Result<Option<String>, Refusal> {
        let places = Places::open(policy).unwrap();
        let place = places.named("planet").unwrap();
        let route = classify(UpstreamKind::Planet, &Method::GET, path);
        let query = Query::new(Some(query));
        let unsealed = downloads(policy).unseal(place, &route, query, NOON.parse().unwrap());
        unsealed.map(|unsealed| unsealed.map(|unsealed| unsealed.query))
    }

    #[test]
    fn a_ticket_gives_way_to_the_token_behind_it_and_the_rest_of_the_query_stays() {
        let metering = policy("");
        let words = words(Some("2026-11-22T12:00:01Z"));
        let query = format!("a=%7e&token={words}&api_key=K");
        for path in [
            "/data/v1/download",
            "/compute/ops/download/",
            "/orders/v2/download",
        ] {
            let opened = unsealed(&metering, path, &query).unwrap();
            assert_eq!(
                opened.as_deref(),
                Some("token=e30.e30.c2ln&a=%7e&api_key=K"),
                "{path}"
            );
        }
        let planets_own = unsealed(&metering, "/data/v1/download", "token=a.b.c");
        assert_eq!(planets_own.unwrap(), None);
        let elsewhere = unsealed(&metering, "/data/v1/searches", &query);
        assert_eq!(elsewhere.unwrap(), None);
    }

    #[test]
    fn a_ticket_ends_with_its_link_and_with_metering() {
        let refused = |policy: &Policy, words: &str| {
            let query = format!("token={words}");
            let refusal = unsealed(policy, "/data/v1/download", &query).unwrap_err();
            assert_eq!(refusal.problem, Problem::LinkEnded);
            refusal.detail
        };
        let ended = refused(&policy(""), &words(Some(NOON)));
        assert!(ended.contains("ended at 2026-11-22T12:00:00Z"), "{ended}");
        let off = policy("[policy]\nmeter_egress = false");
        assert!(refused(&off, &words(None)).contains("is not this guard's"));
    }

    #[test]
    fn a_page_names_its_upstream_and_its_ticket() {
        let page = |path| Page::at(path).map(|page| (page.upstream, page.words));
        let both = Some(("planet", "qgd_x"));
        assert_eq!(page("/quota-guard/v1/downloads/planet/qgd_x"), both);
        assert_eq!(page("/quota-guard/v1/downloads/planet/qgd_x/a.tif"), both);
        for other in [
            "/quota-guard/v1/downloads",
            "/quota-guard/v1/downloads/planet",
            "/quota-guard/v1/downloads/planet/",
            "/quota-guard/v1/downloads/planet//a.tif",
            "/downloads/planet/qgd_x",
        ] {
            assert_eq!(page(other), None, "{other}");
        }
    }
}
