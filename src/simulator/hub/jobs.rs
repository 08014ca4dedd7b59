//! Work that goes on after the answer: async pictures, batch and batch statistics.
//!
//! A task is charged in full by the call that starts it, also when that resumes a stopped one.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Value, json};

use super::script::Script;
use super::{body, grids, listed, price, process};
use crate::simulator::answer::Answer;
use crate::simulator::bill::Charge;
use crate::simulator::call::Call;
use crate::simulator::fate::Fate;
use crate::simulator::figures;
use crate::simulator::options::Options;
use crate::simulator::refusal::Refusal;
use crate::simulator::world::{MAX_KEPT, Progress, Stage, World};
use crate::units::UtcTime;

const MAX_ASYNC_SIDE: u32 = 10_000;
/// From so many pixels on, async and batch are cheaper.
const DISCOUNT_PIXELS: u64 = 10_000;
/// A bucket that nobody here can look into is taken to hold so many features of that size.
const UNSEEN_FEATURES: f64 = 10.0;
const UNSEEN_SIDE: u32 = 512;

#[derive(Default)]
pub(in crate::simulator) struct State {
    pictures: BTreeMap<String, Progress>,
    tasks: BTreeMap<String, Task>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Batch,
    BatchStatistics,
}

struct Task {
    kind: Kind,
    /// Whether it is shown as version 1 does: the members of its request among its own.
    spread: bool,
    request: Value,
    created: UtcTime,
    status: Status,
    cost: f64,
    charged: f64,
}

enum Status {
    Created,
    Analysing(Progress),
    Processing(Progress),
    Stopped,
    /// As somebody has decided.
    Ended(String),
}

impl State {
    /// Ends a task; whether there is one of that id.
    pub(in crate::simulator) fn decide(&mut self, id: &str, fate: &Fate) -> bool {
        let Some(task) = self.tasks.get_mut(id) else {
            return false;
        };
        task.status = Status::Ended(fate.state.clone());
        task.charged = fate.cost_pu.unwrap_or(task.charged);
        true
    }
}

pub(super) fn answer_async(
    call: &Call,
    rest: &[&str],
    world: &mut World,
) -> Result<Answer, Refusal> {
    match (call.method.as_str(), rest) {
        ("POST", []) => create_async(call, world),
        ("GET", [id]) => {
            let options = world.options.clone();
            let job = world.jobs.pictures.get_mut(*id);
            match job.map(|job| job.poll(&options, call.now)) {
                // A finished job is gone, whether it worked or not.
                None | Some(Stage::Done) => Err(Refusal::not_found(format!("request {id}"))),
                Some(_) => Ok(Answer::json(&json!({"id": id, "status": "RUNNING"}))),
            }
        }
        _ => Err(Refusal::no_route()),
    }
}

pub(super) fn answer_batch(
    call: &Call,
    rest: &[&str],
    world: &mut World,
    kind: Kind,
) -> Result<Answer, Refusal> {
    match (call.method.as_str(), rest) {
        ("POST", []) => create(call, world, kind),
        ("GET", []) => {
            let options = &world.options;
            let tasks = world
                .jobs
                .tasks
                .iter()
                .filter(|(_, task)| task.kind == kind);
            let data: Vec<Value> = tasks
                .map(|(id, task)| task.to_json(id, options, call.now))
                .collect();
            Ok(listed(call, &data))
        }
        ("GET", [id, "tiles"]) => {
            world.task(id)?;
            Ok(Answer::json(&json!({"data": []})))
        }
        ("GET", [id] | [id, "status"]) => {
            let (options, now) = (world.options.clone(), call.now);
            let task = world.task(id)?;
            task.poll(&options, now);
            Ok(Answer::json(&task.to_json(id, &options, now)))
        }
        ("PUT", [id]) => {
            let task = world.task(id)?;
            task.request["description"] = call.json()?["description"].clone();
            Ok(Answer::empty(StatusCode::NO_CONTENT))
        }
        ("DELETE", [id]) => {
            world.task(id)?;
            world.jobs.tasks.remove(*id);
            Ok(Answer::empty(StatusCode::NO_CONTENT))
        }
        ("POST", [id, action, ..]) => act(call, id, action, world),
        _ => Err(Refusal::no_route()),
    }
}

impl World {
    fn task(&mut self, id: &str) -> Result<&mut Task, Refusal> {
        let task = self.jobs.tasks.get_mut(id);
        task.ok_or_else(|| Refusal::not_found(format!("task {id}")))
    }
}

impl Task {
    fn poll(&mut self, options: &Options, now: UtcTime) {
        if let Status::Analysing(progress) | Status::Processing(progress) = &mut self.status {
            progress.poll(options, now);
        }
    }

    fn status(&self, options: &Options, now: UtcTime) -> (&str, u8) {
        match &self.status {
            Status::Ended(how) => (how, 100),
            Status::Created => ("CREATED", 0),
            Status::Stopped => ("STOPPED", 50),
            Status::Analysing(progress) => match progress.stage(options, now) {
                Stage::Done => ("ANALYSIS_DONE", 0),
                _ => ("ANALYSING", 0),
            },
            Status::Processing(progress) => match progress.stage(options, now) {
                Stage::Done => ("DONE", 100),
                _ => ("PROCESSING", 50),
            },
        }
    }

    fn to_json(&self, id: &str, options: &Options, now: UtcTime) -> Value {
        let (status, per_cent) = self.status(options, now);
        let mut shown = json!({
            "id": id, "status": status, "created": self.created.to_string(),
            "completionPercentage": per_cent, "costPU": self.charged, "userAction": "NONE",
            "description": self.request["description"], "domainAccountId": "pretended",
        });
        match (&self.request, self.spread) {
            (Value::Object(members), true) => {
                for (name, member) in members {
                    shown[name] = member.clone();
                }
                shown["valueEstimate"] = (self.cost * 3.0).into();
            }
            (request, _) => shown["request"] = request.clone(),
        }
        shown
    }
}

fn create_async(call: &Call, world: &mut World) -> Result<Answer, Refusal> {
    let body = body::read(call, "/evalscript")?;
    if body.json["output"]["delivery"].is_null() {
        return Err(Refusal::bad("output.delivery is required"));
    }
    let script = Script::read(&body.script);
    let input = &body.json["input"];
    let planar = body::planar_box(input)?;
    let size = body::size(&body.json["output"], planar, MAX_ASYNC_SIDE)?;
    let sources = body::sources(input, &script)?;
    let raw =
        price::picture(input, &sources, size, planar, call.now)? * dearest(&body.json, &script);
    let discount = if pixels(size) >= DISCOUNT_PIXELS {
        2.0 / 3.0
    } else {
        1.0
    };
    let cost = (raw * discount).max(price::LEAST_ASYNC);
    let id = world.next_id();
    let jobs = &mut world.jobs.pictures;
    if jobs.len() >= MAX_KEPT {
        jobs.pop_first();
    }
    jobs.insert(id.clone(), Progress::starting(call.now));
    let charge = Charge::of("async-process", format!("request {id}")).pu(figures::pu(cost));
    Ok(Answer::json(&json!({"id": id, "status": "RUNNING"})).charging(charge))
}

fn create(call: &Call, world: &mut World, kind: Kind) -> Result<Answer, Refusal> {
    let (holder, script_at) = match kind {
        Kind::Batch => ("/processRequest", "/processRequest/evalscript"),
        Kind::BatchStatistics => ("", "/aggregation/evalscript"),
    };
    let body = body::read(call, script_at)?;
    let script = Script::read(&body.script);
    let request = body.json.pointer(holder).unwrap_or(&Value::Null);
    let sources = body::sources(&request["input"], &script)?;
    let size = (UNSEEN_SIDE, UNSEEN_SIDE);
    let planar = body::planar_box(&request["input"]).unwrap_or([14.0, 46.0, 14.1, 46.1]);
    let one = price::picture(&request["input"], &sources, size, planar, call.now)?;
    let one = one * dearest(request, &script);
    let discount = if kind == Kind::Batch { 1.0 / 3.0 } else { 1.0 };
    let place = body::place(&request["input"], planar);
    let (grid, old_grid) = (&body.json["input"], &body.json["tilingGrid"]);
    let tiles = match (grid["type"].as_str(), old_grid) {
        (_, Value::Object(_)) => grids::tiles(old_grid, place, UNSEEN_SIDE),
        (Some("tiling-grid"), _) => grids::tiles(grid, place, UNSEEN_SIDE),
        _ => UNSEEN_FEATURES,
    };
    let task = Task {
        kind,
        spread: kind == Kind::Batch && call.path.contains("/v1/"),
        request: with_script(body.json.clone(), script_at, &body.script),
        created: call.now,
        status: Status::Created,
        cost: (one * tiles * discount).max(price::LEAST_BATCH),
        charged: 0.0,
    };
    let id = world.next_id();
    let shown = task.to_json(&id, &world.options, call.now);
    if world.jobs.tasks.len() >= MAX_KEPT {
        world.jobs.tasks.pop_first();
    }
    world.jobs.tasks.insert(id, task);
    Ok(Answer::created(&shown))
}

/// A script that came in a part of its own is shown where it could have stood.
fn with_script(mut request: Value, script_at: &str, script: &str) -> Value {
    let holder = script_at.rsplit_once('/').map(|(holder, _)| holder);
    if let Some(Value::Object(holder)) = holder.and_then(|holder| request.pointer_mut(holder))
        && !script.is_empty()
    {
        holder.insert("evalscript".to_owned(), script.into());
    }
    request
}

fn act(call: &Call, id: &str, action: &str, world: &mut World) -> Result<Answer, Refusal> {
    let task = world.task(id)?;
    let done = Answer::empty(StatusCode::NO_CONTENT);
    let api = match task.kind {
        Kind::Batch => "batch-process",
        Kind::BatchStatistics => "batch-statistics",
    };
    match action {
        "analyse" => {
            task.status = Status::Analysing(Progress::starting(call.now));
            Ok(done)
        }
        "start" | "restartpartial" | "tiles" => {
            if matches!(task.status, Status::Processing(_)) && action == "start" {
                return Err(Refusal::bad(format!("task {id} has already been started")));
            }
            task.status = Status::Processing(Progress::starting(call.now));
            task.charged += task.cost;
            let charge = Charge::of(api, format!("{action} of task {id}"));
            Ok(done.charging(charge.pu(figures::pu(task.cost))))
        }
        "stop" | "cancel" => {
            task.status = Status::Stopped;
            Ok(done)
        }
        _ => Err(Refusal::no_route()),
    }
}

fn dearest(request: &Value, script: &Script) -> f64 {
    let floats = script.floats.unwrap_or_default();
    let responses = process::responses(request);
    let factors = responses
        .iter()
        .map(|(_, kind)| price::format(kind, floats));
    factors.fold(1.0, f64::max)
}

fn pixels((width, height): (u32, u32)) -> u64 {
    u64::from(width) * u64::from(height)
}
