//! The listener, and the life of one request: read → see → fail if asked to → answer and charge → send.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::ETAG;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::answer::Answer;
use super::call::Call;
use super::faults::{self, Effect};
use super::refusal::{Refusal, Style};
use super::wire::{self, WireBody};
use super::world::{Leaving, World};
use super::{control, routes};
use crate::clock::Clock;
use crate::units::UtcTime;

const MAX_BODY_BYTES: usize = 64 << 20;

/// How long to wait when no connection can be accepted, because there are too many.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Shared {
    world: Mutex<World>,
    pub(super) clock: Arc<dyn Clock>,
}

/// The connection is to be dropped without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is dropped on request")]
struct Dropped;

impl Shared {
    pub(super) fn new(world: World, clock: Arc<dyn Clock>) -> Self {
        let world = Mutex::new(world);
        Self { world, clock }
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers and charges under one lock: nobody sees one without the other.
    fn answer(&self, call: &Call, effects: &[Effect]) -> (Answer, Option<Leaving>) {
        let mut world = self.world();
        let answer = refused_on_request(call, effects).unwrap_or_else(|| {
            let answer = at_another_price(routes::answer(call, &mut world), effects);
            unless_known(call, led_elsewhere(answer, effects), effects)
        });
        let leaving = world.charge(call, &answer);
        (answer, leaving)
    }
}

pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    connections.spawn(serve(socket, Arc::clone(&shared)));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A connection that breaks is the client's affair, or was asked for.
async fn serve(socket: TcpStream, shared: Arc<Shared>) {
    _ = socket.set_nodelay(true);
    let service = service_fn(move |request| handle(Arc::clone(&shared), request));
    _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(socket), service)
        .await;
}

async fn handle(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<WireBody>, Dropped> {
    let (call, too_large) = read(&shared, request).await?;
    if call.segments().first() == Some(&"_simulator") {
        let answer = control::answer(&call, &mut shared.world());
        return Ok(wire::respond(answer, "", &[]));
    }
    let effects = effects_for(&shared, &call);
    let (effects, refusal) = match effects {
        _ if too_large => (Vec::new(), Some(too_large_refusal())),
        Ok(effects) => (effects, None),
        Err(error) => (Vec::new(), Some(Refusal::bad(error.to_string()))),
    };
    if effects.contains(&Effect::StallBeforeCharge) {
        std::future::pending::<()>().await;
    }
    if effects.contains(&Effect::ResetBeforeCharge) {
        return Err(Dropped);
    }
    let (answer, leaving) = match refusal {
        Some(refusal) => (refusal.into_answer(Style::of(&call.segments())), None),
        None => shared.answer(&call, &effects),
    };
    after_charge(&effects).await?;
    let cost_header = shared.world().options.cost_header.clone();
    let response = wire::respond(answer, &cost_header, &effects);
    Ok(response.map(|body| match leaving {
        Some(leaving) => billed(body, leaving, shared),
        None => body,
    }))
}

/// The body, whose bytes are on the bill before they are sent.
fn billed(body: WireBody, mut leaving: Leaving, shared: Arc<Shared>) -> WireBody {
    let write_down = move |frame: Frame<Bytes>| {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        shared.world().let_leave(&mut leaving, bytes);
        frame
    };
    body.map_frame(write_down).boxed_unsync()
}

/// Reads the whole request; the second value says that its body was too large to be read.
async fn read(shared: &Shared, request: Request<Incoming>) -> Result<(Call, bool), Dropped> {
    let (head, body) = request.into_parts();
    let links = shared.world().options.link_origins.clone();
    let now = to_the_millisecond(shared.clock.now());
    let mut call = Call::new(head.method, &head.uri, head.headers, links, now);
    let mut too_large = false;
    match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(read) => call.body = read.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            call.body = Bytes::new();
            too_large = true;
        }
        Err(_) => return Err(Dropped),
    }
    if call.segments().first() != Some(&"_simulator") {
        shared.world().see(&call);
    }
    Ok((call, too_large))
}

/// Planet writes no finer times, and Python reads no finer ones.
fn to_the_millisecond(now: UtcTime) -> UtcTime {
    UtcTime::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

fn effects_for(shared: &Shared, call: &Call) -> Result<Vec<Effect>, faults::InvalidFault> {
    let mut world = shared.world();
    let mut effects = faults::take(&mut world.faults, call.method.as_str(), &call.path);
    for spec in call.headers.get_all(faults::HEADER) {
        effects.extend(faults::effects(&String::from_utf8_lossy(spec.as_bytes()))?);
    }
    let accepts_gzip = call
        .header("accept-encoding")
        .is_some_and(|accepted| accepted.contains("gzip"));
    if world.options.gzip && accepts_gzip {
        effects.push(Effect::Gzip);
    }
    Ok(effects)
}

fn refused_on_request(call: &Call, effects: &[Effect]) -> Option<Answer> {
    let status = effects.iter().find_map(|effect| match effect {
        Effect::Status(status) => Some(*status),
        _ => None,
    })?;
    let refusal = Refusal::new(status, "failed on request");
    Some(refusal.into_answer(Style::of(&call.segments())))
}

fn at_another_price(answer: Answer, effects: &[Effect]) -> Answer {
    let percent = effects.iter().find_map(|effect| match effect {
        Effect::Dearer(percent) => Some(*percent),
        _ => None,
    });
    match percent {
        Some(percent) => answer.at_percent(percent),
        None => answer,
    }
}

/// The answer, or a redirect in its stead that costs as much.
fn led_elsewhere(answer: Answer, effects: &[Effect]) -> Answer {
    let elsewhere = effects.iter().find_map(|effect| match effect {
        Effect::Redirect(location) => Some(location),
        _ => None,
    });
    match elsewhere {
        Some(location) => Answer {
            charges: answer.charges,
            ..Answer::redirect(location)
        },
        None => answer,
    }
}

/// Who has it already, by a tag that was asked for, is told so. Whether Planet charges for that is published
/// for what states its cost alone: only success is charged.
fn unless_known(call: &Call, answer: Answer, effects: &[Effect]) -> Answer {
    let known = call.header("if-none-match");
    let is_known = effects.iter().any(|effect| match effect {
        Effect::Header(name, tag) => *name == ETAG && known.is_some_and(|known| known == tag),
        _ => false,
    });
    if !is_known {
        return answer;
    }
    let charges = match answer.spent {
        Some(_) => Vec::new(),
        None => answer.charges,
    };
    Answer {
        charges,
        ..Answer::empty(StatusCode::NOT_MODIFIED)
    }
}

async fn after_charge(effects: &[Effect]) -> Result<(), Dropped> {
    for effect in effects {
        match effect {
            Effect::Delay(wait) => tokio::time::sleep(*wait).await,
            Effect::Stall => std::future::pending().await,
            Effect::ResetAfterCharge => return Err(Dropped),
            _ => {}
        }
    }
    Ok(())
}

fn too_large_refusal() -> Refusal {
    let message = format!("the body has more than {MAX_BODY_BYTES} bytes");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
}
