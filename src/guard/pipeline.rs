//! The life of one guarded request, read top to bottom in [`Guard::pass`].
//!
//! A refusal is an ordinary answer; `?` carries it out. From the reservation on the rest runs in a task
//! of its own ([`Exchange`]), so a client that hangs up leaves the books whole.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{Method, Request, Uri};
use http_body::Body as _;
use tracing::{error, info};

use super::answer::{Answer, Dialect, Notes, Reply, RetryUnit};
use super::commitments::Commitments;
use super::consult::{Consultant, Rights};
use super::downloads::{Downloads, Page, Unsealed};
use super::exchange::Exchange;
use super::lent::Lending;
use super::look_up::LookedUp;
use super::margins::Margins;
use super::pace::{Pacer, retry_unit};
use super::places::{Place, Places};
use super::predict::{Predicted, understand};
use super::refusal::{Problem, Refusal};
use super::rehearse::Report;
use super::relay::Relay;
use super::repeat::Passage;
use super::resent::{self, Resends, Turn};
use super::revising::Revising;
use super::service::Service;
use super::shared::{Asking, Part, Share, Sharing};
use super::trail::{Sightings, Trail};
use super::weigh::{Weighed, over_budget, weigh};
use super::wishes::Wishes;
use crate::clock::{Clock, Stopwatch};
use crate::identity::{self, Presented, Tokens};
use crate::ledger::{
    Admission, Fingerprint, Ledger, LedgerError, NewReservation, RequestId, Reservation, Standing,
};
use crate::planet::{Api, Asked, Found, Operation, Route, Target, classify};
use crate::policy::{Caller, Policy, Unclassified};
use crate::telemetry::{Decision, Metrics};
use crate::units::UtcTime;
use crate::upstream::{Body, Exchanges, Pool, admit, collect_request, empty, full};

/// Everything that a request needs on its way.
pub struct Guard {
    pub policy: Arc<Policy>,
    pub places: Places,
    pub downloads: Downloads,
    pub relay: Relay,
    pub consultant: Consultant,
    pub tokens: Tokens,
    pub pacer: Pacer,
    pub margins: Margins,
    pub ledger: Arc<dyn Ledger>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    pub pool: Pool,
    pub exchanges: Exchanges,
    pub resends: Arc<Resends>,
    pub revising: Revising,
    pub commitments: Commitments,
    pub lent: Lending,
    pub sightings: Sightings,
    pub sharing: Arc<Sharing>,
    /// The authorities by which clients know the guard.
    pub own: Vec<Authority>,
}

/// What is known of a request so far, for its answer, its log line and its metrics.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) request: RequestId,
    pub(super) api: Api,
    pub(super) team: Option<Arc<str>>,
    pub(super) dialect: Dialect,
    pub(super) wishes: Wishes,
    pub(super) retry_unit: RetryUnit,
    pub(super) own_time: Stopwatch,
}

impl Case {
    /// The call and its upstream are known, and so how their answers are told.
    fn classified(&mut self, place: &Place, route: &Route, head: &Parts) {
        (self.api, self.dialect) = (route.api, place.dialect(route));
        self.retry_unit = retry_unit(place.upstream.kind(), &head.headers);
    }
}

impl Guard {
    /// Answers one request; what leaves here is a value that `front` turns into HTTP.
    pub async fn handle(self: &Arc<Self>, id: RequestId, request: Request<Body>) -> Answer {
        let mut case = Case {
            request: id,
            api: Api::Unknown,
            team: None,
            dialect: Dialect::Planet,
            wishes: Wishes::default(),
            retry_unit: RetryUnit::Seconds,
            own_time: Stopwatch::start(),
        };
        match self.pass(request, &mut case).await {
            Ok(answer) => answer,
            Err(refusal) if case.wishes.dry_run && refusal.problem.is_verdict() => {
                self.tell(Report::refused(&refusal), &case)
            }
            Err(refusal) => self.refuse(refusal, &case),
        }
    }

    /// The whole story: know the caller, understand the call, ask Planet what it does not say, predict,
    /// reserve, forward, settle.
    async fn pass(
        self: &Arc<Self>,
        request: Request<Body>,
        case: &mut Case,
    ) -> Result<Answer, Refusal> {
        let (mut head, body) = request.into_parts();
        admit(&mut head, &self.own)?;
        let origin_form = origin_form(&head.uri);
        let target = Target::parse(&origin_form)?;
        if let Some(page) = Page::at(target.path()) {
            return self.follow(page, &head, &target, case).await;
        }
        if let Some(service) = Service::at(&head.method, target.path()) {
            return self.serve(service, &head, body, &target, case).await;
        }
        let (place, path) = self.places.find(target.path()).ok_or_else(nothing_here)?;
        let route = classify(place.upstream.kind(), &head.method, path);
        case.classified(place, &route, &head);
        let now = self.clock.now();
        if place.issues_tokens(&route) {
            return Ok(self.exchange_token(&head, body, case, now).await);
        }
        let unsealed = self.downloads.unseal(place, &route, target.query(), now)?;
        let ticket = unsealed.as_ref().map(|unsealed| &unsealed.ticket);
        let query = unsealed.as_ref().map_or(target.query(), Unsealed::query);
        let (presented, caller) = self.caller(&head.headers, target.query(), ticket, now)?;
        case.team = Some(Arc::clone(&caller.team));
        case.wishes = Wishes::read(&head.headers)?;
        permit(&self.policy, &caller, &route, &head.method, path)?;
        self.pacer.admit(&caller, route.api)?;
        let (body, text) = self.understandable(&route, &head, body).await?;
        let asked = Asked {
            method: &head.method,
            route: &route,
            path,
            query,
            headers: &head.headers,
            body: &text,
            deployment: place.upstream.deployment(),
            found: Found::default(),
        };
        let create = resent::fingerprint(&asked, &origin_form, &caller, &presented, &case.wishes);
        let turn = match self.in_turn(create, case).await? {
            Passage::First(turn) => turn,
            Passage::Answered(answer) => return Ok(*answer),
        };
        let alone = self.revising.alone(place.upstream.name(), &asked)?;
        let appraised = self.appraise(place, &head, (&presented, &caller, case), &asked, now);
        let (looked_up, weighed) = appraised.await?;
        if case.wishes.dry_run {
            return self.dry_run(weighed, case, now).await;
        }
        case.wishes.allow(&weighed.predicted)?;
        let asking = Asking::new(place, &asked, &presented, &weighed, body.is_end_stream());
        let part = match self.share(&asking, &caller, case).await? {
            Share::Go(part) => part,
            Share::Answered(answer) => return Ok(*answer),
        };
        let (found_by, whose) = (looked_up.remembered_by(), (presented, caller));
        let fingerprint = turn.as_ref().map(Turn::fingerprint).or(found_by);
        let exchange = Exchange {
            turn,
            trail: Trail::of(place, &asked),
            part,
            remembered: found_by.is_some(),
            alone,
            download: self.downloads.download(&route, &head, &case.wishes),
            request: place.address(head, path, query, route.operation, body)?,
            ..self.exchange(case, place, route, weighed, whose, fingerprint)
        };
        let answer = self.exchanges.detach(exchange.run()).await?;
        Ok(answer.hand_on(&case.wishes))
    }

    /// An exchange that has not begun, with nothing to send yet.
    pub(super) fn exchange(
        self: &Arc<Self>,
        case: &Case,
        place: &Arc<Place>,
        route: Route,
        weighed: Weighed,
        (presented, caller): (Presented, Caller),
        fingerprint: Option<Fingerprint>,
    ) -> Exchange {
        Exchange {
            guard: Arc::clone(self),
            place: Arc::clone(place),
            request: Request::new(empty()),
            presented,
            terms: weighed.terms(route.operation),
            route,
            holding: holding(case, &caller, route.operation, &weighed, fingerprint),
            predicted: weighed.predicted,
            turn: None,
            promise: weighed.promise,
            made: None,
            trail: None,
            remembered: false,
            alone: None,
            part: Part::None,
            download: None,
            reservation: None,
            standings: Vec::new(),
            team: Arc::clone(&caller.team),
            caller,
            case: case.clone(),
            waited: Duration::ZERO,
        }
    }

    /// What a call would take: what it only names is looked up, what it does not say is asked of Planet, what
    /// is locked already is noted, and then it is priced and judged.
    async fn appraise(
        &self,
        place: &Arc<Place>,
        head: &Parts,
        (presented, caller, case): (&Presented, &Caller, &Case),
        asked: &Asked<'_>,
        now: UtcTime,
    ) -> Result<(LookedUp, Weighed), Refusal> {
        let rights = (&head.headers, asked.query);
        let looked_up = self.look_up(place, rights, presented, asked, now).await?;
        let found = looked_up.found();
        let understood = understand(&self.policy, &Asked { found, ..*asked }, now)?;
        let rights = Rights::of(place, &head.headers, asked.query, Some(presented));
        let understood = self.consult(understood, &rights, now).await?;
        let api = asked.route.api;
        let understood = self
            .survey(understood, place, (presented, caller), api, now)
            .await;
        let mut weighed = weigh(&self.policy, &self.margins, caller, api, understood, now)?;
        if Self::may_promise(asked, &weighed) {
            // aside, so that the requests of everybody else are no larger for it
            let promised = self.promise(place, head, asked, (caller, case), &weighed, now);
            weighed.promise = Box::pin(promised).await?;
        }
        Ok((looked_up, weighed))
    }

    /// The body twice where it must be understood, as bytes and as what goes on; else it streams unread.
    async fn understandable(
        &self,
        route: &Route,
        head: &Parts,
        body: Body,
    ) -> Result<(Body, Bytes), Refusal> {
        if !route.operation.needs_body() {
            return Ok((body, Bytes::new()));
        }
        let limits = &self.policy.server().limits;
        let most = usize::try_from(limits.max_body.0).unwrap_or(usize::MAX);
        let text = collect_request(&head.headers, body, most, limits.upstream_timeout).await?;
        Ok((full(text.clone()), text))
    }

    /// Holds what a request claims, or says why not.
    pub(super) async fn reserve(
        &self,
        holding: &NewReservation,
        predicted: &Predicted,
    ) -> Result<(Reservation, Vec<Standing>), Refusal> {
        if !self.is_booked() {
            let booked = Box::pin(self.book_what_is_due()).await;
            booked.map_err(|cause| books_away(&cause))?;
        }
        let now = self.clock.now();
        let commit = Stopwatch::start();
        let admission = Reservation::make(&self.ledger, holding, now).await;
        self.metrics.observe_commit(commit.elapsed());
        match admission {
            Ok(Admission::Granted(reservation, standings)) => Ok((reservation, standings)),
            Ok(Admission::Full(breaches)) => {
                Err(over_budget(&self.policy, predicted, breaches, now))
            }
            Err(cause) => Err(books_away(&cause)),
        }
    }

    /// A refusal as an answer, counted and logged once.
    fn refuse(&self, refusal: Refusal, case: &Case) -> Answer {
        let decision = match refusal.problem {
            Problem::Unauthenticated => Decision::Unauthenticated,
            Problem::TemporaryReducedCapacity | Problem::Internal => Decision::Error,
            _ => Decision::Rejected,
        };
        let team = case.team.as_deref().unwrap_or_default();
        self.metrics.count_request(case.api, team, decision);
        self.metrics.observe_overhead(case.own_time.elapsed());
        info!(
            api = %case.api,
            team.id = team,
            decision = decision.name(),
            problem = refusal.problem.name(),
            status = refusal.status.as_u16(),
            "refused"
        );
        let notes = Notes {
            estimate: refusal.estimate.clone(),
            standings: refusal.breaches.iter().map(Standing::from).collect(),
            retry_unit: case.retry_unit,
            ..Notes::new(case.request)
        };
        Answer::new(Reply::Refused(refusal, case.dialect), notes)
    }
}

fn origin_form(uri: &Uri) -> String {
    let whole = uri.path_and_query();
    whole.map_or("/", PathAndQuery::as_str).to_owned()
}

/// What the books will keep of a request; `None` where no budget counts it, it costs nothing and nothing must
/// be found by its fingerprint.
fn holding(
    case: &Case,
    caller: &Caller,
    operation: Operation,
    weighed: &Weighed,
    fingerprint: Option<Fingerprint>,
) -> Option<NewReservation> {
    let Weighed {
        predicted, claims, ..
    } = weighed;
    if claims.is_empty() && predicted.totals.is_empty() && fingerprint.is_none() {
        return None;
    }
    Some(NewReservation {
        request: case.request,
        team: Arc::clone(&caller.team),
        key: Arc::clone(&caller.key),
        api: case.api.name(),
        product: predicted.reading.products.first().cloned(),
        tag: case.wishes.tag.clone(),
        fingerprint,
        // the margin stands in the claims: it is reserved, and no part of the prediction's quality
        predicted: predicted.published.clone(),
        claims: claims.clone(),
        certain: operation.reserves_for_itself(),
    })
}

/// Whether this caller may make this call at all, before anybody asks what it costs.
pub(super) fn permit(
    policy: &Policy,
    caller: &Caller,
    route: &Route,
    method: &Method,
    path: &str,
) -> Result<(), Refusal> {
    identity::permit(caller, route.api)?;
    match (route.operation, policy.unclassified()) {
        (Operation::Refused(why), _) => Err(Refusal::new(
            Problem::NotClassified,
            format!("{method} {path} is never forwarded: {why}."),
        )),
        (Operation::Unknown, Unclassified::Reject) => Err(unclassified(method, path)),
        (Operation::Unknown, Unclassified::AllowReads) if !method.is_safe() => {
            Err(unclassified(method, path))
        }
        _ => Ok(()),
    }
}

/// The refusal while the books cannot be read or written, or do not know this guard any more.
pub(super) fn books_away(cause: &LedgerError) -> Refusal {
    error!(
        error = cause as &dyn std::error::Error,
        "the books admit nothing"
    );
    let detail = match cause {
        LedgerError::Restored => {
            "The guard's books were put back to an earlier moment, so it cannot know what was spent since, and \
             admits nothing. Nothing was sent; your platform admin must run `quota-guard doctor`."
        }
        _ => {
            "The guard cannot reach its books, and it admits nothing that it cannot record. Nothing was \
             sent; try again in a minute."
        }
    };
    Refusal::new(Problem::TemporaryReducedCapacity, detail)
}

pub(super) fn nothing_here() -> Refusal {
    Refusal::new(
        Problem::NotFound,
        "No upstream is mounted at this path; check the base URL that your client uses.",
    )
}

fn unclassified(method: &Method, path: &str) -> Refusal {
    Refusal::new(
        Problem::NotClassified,
        format!(
            "{method} {path} is not a call that this guard knows, and unknown calls may spend, so it was \
             not forwarded. Check the method and the path, or ask your platform admin."
        ),
    )
}
