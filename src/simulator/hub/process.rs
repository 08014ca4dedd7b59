//! The Processing API: a picture, sent in chunks, with its cost in the header.

use serde_json::Value;

use super::script::Script;
use super::{body, price};
use crate::simulator::answer::Answer;
use crate::simulator::call::Call;
use crate::simulator::picture::{self, Depth, Shape};
use crate::simulator::refusal::Refusal;

const MAX_SIDE: u32 = 2_500;
const DEFAULT_TYPE: &str = "image/png";

pub(super) fn answer(call: &Call) -> Result<Answer, Refusal> {
    if call.method != "POST" {
        return Err(Refusal::no_route());
    }
    let body = body::read(call, "/evalscript")?;
    let script = Script::read(&body.script);
    let input = &body.json["input"];
    let planar = body::planar_box(input)?;
    let size = body::size(&body.json["output"], planar, MAX_SIDE)?;
    let sources = body::sources(input, &script)?;
    let responses = responses(&body.json);
    let accepted = accepted(call);
    let floats = script.floats.unwrap_or_default();
    let types = responses.iter().map(|(_, kind)| accepted.unwrap_or(kind));
    let format = types
        .map(|kind| price::format(kind, floats))
        .fold(1.0, f64::max);
    let raw = price::picture(input, &sources, size, planar, call.now)? * format;
    let shape = Shape {
        width: size.0,
        height: size.1,
        bands: script.output_bands,
        depth: depth(&body.script, floats),
    };
    let answer = pictures(call, &responses, accepted, shape);
    let what = format!(
        "{} x {} pixels of {}",
        size.0,
        size.1,
        sources_text(&sources)
    );
    Ok(answer.spending("process", raw.max(price::LEAST_PROCESS), what))
}

/// Each response that is asked for, with its media type.
pub(super) fn responses(json: &Value) -> Vec<(String, String)> {
    let listed = json["output"]["responses"].as_array();
    let responses: Vec<_> = listed
        .into_iter()
        .flatten()
        .map(|response| {
            let id = response["identifier"].as_str().unwrap_or("default");
            let kind = response["format"]["type"].as_str().unwrap_or(DEFAULT_TYPE);
            (id.to_owned(), kind.to_owned())
        })
        .collect();
    if responses.is_empty() {
        vec![("default".to_owned(), DEFAULT_TYPE.to_owned())]
    } else {
        responses
    }
}

pub(super) fn sources_text(sources: &[body::Source<'_>]) -> String {
    let names: Vec<&str> = sources.iter().map(|source| source.collection).collect();
    names.join(" and ")
}

pub(super) fn depth(script: &str, floats: bool) -> Depth {
    match floats {
        true => Depth::Float,
        false if script.contains("INT16") => Depth::Short,
        false => Depth::Byte,
    }
}

/// The one picture format that `Accept` names, which beats the body's.
fn accepted(call: &Call) -> Option<&str> {
    let accept = call.header("accept")?;
    (accept.starts_with("image/") || accept.starts_with("application/octet-stream"))
        .then_some(accept)
}

fn pictures(
    call: &Call,
    responses: &[(String, String)],
    accepted: Option<&str>,
    shape: Shape,
) -> Answer {
    let wants_tar = call
        .header("accept")
        .is_some_and(|accept| accept.contains("tar"));
    if let ([(_, kind)], false) = (responses, wants_tar) {
        let kind = accepted.unwrap_or(kind);
        return Answer::chunked(kind, picture::of_type(kind, shape));
    }
    let files: Vec<(String, Vec<u8>)> = responses
        .iter()
        .map(|(id, kind)| {
            (
                format!("{id}{}", extension(kind)),
                picture::of_type(kind, shape),
            )
        })
        .collect();
    Answer::chunked("application/tar", picture::tar(&files))
}

fn extension(kind: &str) -> &'static str {
    match kind {
        kind if kind.starts_with("image/tiff") => ".tif",
        kind if kind.starts_with("image/jpeg") => ".jpg",
        kind if kind.contains("json") => ".json",
        kind if kind.starts_with("application/octet-stream") => ".dat",
        _ => ".png",
    }
}
