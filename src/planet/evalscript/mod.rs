//! What an evalscript asks for, read without running it.
//!
//! A script is code that somebody else wrote, so it is parsed, never executed. What the text proves is
//! reported as it stands; what only running it would tell is reported as the dearest thing it could be,
//! and marked as such. Nothing here knows which collections the script will meet: that is for the caller.

mod memory;
mod names;
mod outputs;
mod room;
mod setup;
mod value;

pub use memory::remembered;

use std::borrow::Cow;

use oxc_allocator::Allocator;
use oxc_parser::{ParseOptions, Parser};
use oxc_span::SourceType;

use names::Names;

/// The longest script that is read; Sentinel Hub's own limit for inline scripts is far below.
pub const MAX_SCRIPT_BYTES: usize = 256 * 1024;

/// What is known of a script.
#[derive(Clone, Debug, PartialEq)]
pub enum Script {
    /// It has a `setup()` that says what it reads (version 3, or 2).
    Setup(Setup),
    /// It has none: it uses bands as if they were variables.
    Simple(Simple),
    /// Only running it would tell. The reason is a clause that fits behind "because ".
    Unreadable(Cow<'static, str>),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Setup {
    pub inputs: Vec<Input>,
    /// Of every input that does not state its own.
    pub mosaicking: Mosaicking,
    pub sample_types: SampleTypes,
    /// Bytes of one pixel over all outputs; `None` when they are computed.
    pub output_bytes: Option<u64>,
    /// Whether the script can mean nothing else: no branch was taken, nothing computed was guessed.
    pub exact: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// The `id` of the collection in the request that these bands are of; none: the only one.
    pub datasource: Option<Box<str>>,
    /// As listed, repetitions and `dataMask` included; `None` when they are computed.
    pub bands: Option<Vec<Box<str>>>,
    pub mosaicking: Option<Mosaicking>,
}

/// How the acquisitions of a period become samples of a pixel, cheapest first.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Mosaicking {
    #[default]
    Simple,
    /// One sample a day.
    Orbit,
    /// One sample a scene.
    Tile,
}

/// The sample types that the outputs of a script declare.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SampleTypes {
    pub float32: bool,
    pub up_to_16_bit: bool,
    /// Some output leaves it to the service.
    pub unstated: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Simple {
    /// Every name that is used, sorted, each once.
    pub names: Vec<Box<str>>,
    /// Those of them that the script declares itself somewhere.
    pub declared: Vec<Box<str>>,
}

/// Reads any text; what cannot be read is [`Script::Unreadable`].
pub fn read(script: &str) -> Script {
    if script.len() > MAX_SCRIPT_BYTES {
        return Script::Unreadable(
            format!(
                "the evalscript is {} KiB long, and at most {} KiB are read",
                script.len() / 1024,
                MAX_SCRIPT_BYTES / 1024
            )
            .into(),
        );
    }
    let script = script.trim_start_matches('\u{feff}').trim_start();
    room::with_room_for(script, || parse(script))
        .unwrap_or_else(|too_nested| Script::Unreadable(too_nested.into()))
}

fn parse(script: &str) -> Script {
    let arena = Allocator::default();
    let parsed = Parser::new(&arena, script, SourceType::script())
        .with_options(ParseOptions {
            allow_return_outside_function: true,
            preserve_parens: false,
            ..ParseOptions::default()
        })
        .parse();
    if parsed.panicked || !parsed.diagnostics.is_empty() {
        return Script::Unreadable("the evalscript is not JavaScript that can be parsed".into());
    }
    let program = arena.alloc(parsed.program);
    let names = Names::of(program);
    if names.builds_code {
        return Script::Unreadable("the evalscript builds code while it runs".into());
    }
    match names.setups.as_slice() {
        [] => Script::Simple(names.into_simple()),
        [setup] => setup::read(*setup, &names),
        _ => Script::Unreadable("the evalscript defines setup() more than once".into()),
    }
}

#[cfg(test)]
mod tests;
