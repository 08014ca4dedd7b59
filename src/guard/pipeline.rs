//! The life of one guarded request, read top to bottom in [`Guard::pass`].
//!
//! A refusal is an ordinary answer; `?` carries it out. From the reservation on the rest runs in a task
//! of its own ([`Exchange`]), so a client that hangs up leaves the books whole.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::uri::Authority;
use http::{Method, Request};
use tracing::{error, info};

use super::answer::{Answer, Dialect, Notes, Reply, RetryUnit};
use super::consult::{Consultant, Rights};
use super::exchange::Exchange;
use super::look_up::LookedUp;
use super::pace::{Pacer, retry_unit};
use super::places::Places;
use super::predict::{Predicted, understand};
use super::refusal::{Problem, Refusal};
use super::rehearse::Report;
use super::relay::Relay;
use super::repeat::Passage;
use super::resent::{self, Resends, Turn};
use super::revising::Revising;
use super::service::Service;
use super::weigh::{Weighed, over_budget, weigh};
use super::wishes::Wishes;
use crate::clock::{Clock, Stopwatch};
use crate::identity::{self, Presented, Tokens};
use crate::ledger::{
    Admission, Ledger, LedgerError, NewReservation, RequestId, Reservation, Standing,
};
use crate::planet::{Api, Asked, Found, Operation, Route, Target, classify};
use crate::policy::{Caller, Policy, Unclassified};
use crate::telemetry::{Decision, Metrics};
use crate::upstream::{Body, Exchanges, Pool, admit, collect_request, full};

/// Everything that a request needs on its way.
pub struct Guard {
    pub policy: Arc<Policy>,
    pub places: Places,
    pub relay: Relay,
    pub consultant: Consultant,
    pub tokens: Tokens,
    pub pacer: Pacer,
    pub ledger: Arc<dyn Ledger>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    pub pool: Pool,
    pub exchanges: Exchanges,
    pub resends: Arc<Resends>,
    pub revising: Revising,
    /// The authorities by which clients know the guard.
    pub own: Vec<Authority>,
}

/// What is known of a request so far, for its answer, its log line and its metrics.
pub(super) struct Case {
    pub(super) request: RequestId,
    pub(super) api: Api,
    pub(super) team: Option<Arc<str>>,
    pub(super) dialect: Dialect,
    pub(super) wishes: Wishes,
    pub(super) retry_unit: RetryUnit,
    pub(super) own_time: Stopwatch,
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
        let origin_form = origin_form(&head);
        let target = Target::parse(&origin_form)?;
        if let Some(service) = Service::at(&head.method, target.path()) {
            return self.serve(service, &head, body, &target, case).await;
        }
        let (place, path) = self.places.find(target.path()).ok_or_else(nothing_here)?;
        let route = classify(place.upstream.kind(), &head.method, path);
        (case.api, case.dialect) = (route.api, place.dialect(&route));
        case.retry_unit = retry_unit(place.upstream.kind(), &head.headers);
        let now = self.clock.now();
        if place.issues_tokens(&route) {
            return Ok(self.exchange_token(&head, body, case, now).await);
        }
        let presented = Presented::find(&head.headers, target.query().raw())?;
        let caller = self.tokens.recognise(&self.policy, &presented, now)?;
        case.team = Some(Arc::clone(&caller.team));
        case.wishes = Wishes::read(&head.headers)?;
        permit(&self.policy, &caller, &route, &head.method, path)?;
        self.pacer.admit(&caller, route.api)?;
        let (body, text) = self.understandable(&route, &head, body).await?;
        let mut asked = Asked {
            method: &head.method,
            route: &route,
            path,
            query: target.query(),
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
        let looked_up = self.look_up(place, &head, &presented, &asked, now).await?;
        asked.found = looked_up.found();
        let understood = understand(&self.policy, &asked, now)?;
        let rights = Rights::of(place, &head.headers, target.query(), Some(&presented));
        let understood = self.consult(understood, &rights, now).await?;
        let weighed = weigh(&self.policy, &caller, route.api, understood, now)?;
        if case.wishes.dry_run {
            return self.dry_run(weighed, case, now).await;
        }
        case.wishes.allow(&weighed.predicted)?;
        let exchange = Exchange {
            guard: Arc::clone(self),
            place: Arc::clone(place),
            request: place.address(head, path, target.query(), route.operation, body)?,
            presented,
            terms: weighed.terms(route.operation),
            route,
            remembered: looked_up.remembered_by().is_some(),
            holding: holding(
                case,
                &caller,
                route.operation,
                &weighed,
                turn.as_ref(),
                &looked_up,
            ),
            alone: looked_up.alone,
            predicted: weighed.predicted,
            turn,
            reservation: None,
            standings: Vec::new(),
            team: caller.team,
            request_id: case.request,
            dialect: case.dialect,
            own_time: case.own_time,
        };
        let answer = self.exchanges.detach(exchange.run()).await?;
        Ok(answer.hand_on(&case.wishes))
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

fn origin_form(head: &Parts) -> String {
    let whole = head.uri.path_and_query();
    whole.map_or("/", |whole| whole.as_str()).to_owned()
}

/// What the books will keep of a request; `None` where no budget counts it, it costs nothing and creates
/// nothing.
fn holding(
    case: &Case,
    caller: &Caller,
    operation: Operation,
    weighed: &Weighed,
    turn: Option<&Turn>,
    looked_up: &LookedUp,
) -> Option<NewReservation> {
    let fingerprint = turn.map(Turn::fingerprint).or(looked_up.remembered_by());
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
        predicted: predicted.totals.clone(),
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
