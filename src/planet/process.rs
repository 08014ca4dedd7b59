//! The Processing API: one image for one request.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::document::Document;
use super::evalscript::Script;
use super::format::{RawResponse, Unstated, Wanted};
use super::frame::{RawBounds, RawSize, Side, SizeRule};
use super::imagery::{Imagery, Known, Notes, Unread, reading};
use super::sources::{RawData, Sampling, Setting, products};
use super::{Ask, Misread, Reading, correction, format, json};

/// The longest side of an image.
pub(super) const MAX_SIDE: u64 = 2500;

/// The side of an image where a request states none.
pub(super) const DEFAULT_SIDE: u64 = 256;

const SIZE: SizeRule = SizeRule {
    place: "output",
    most: MAX_SIDE,
    default: Some(DEFAULT_SIDE),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawProcess {
    pub(super) input: RawInput,
    pub(super) output: Option<RawOutput>,
    pub(super) evalscript: Option<String>,
    /// Where a script is stored that the guard does not see.
    evalscript_reference: Option<IgnoredAny>,
    data_product: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RawInput {
    pub(super) bounds: Option<RawBounds>,
    pub(super) data: Vec<RawData>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct RawOutput {
    width: Option<Side>,
    height: Option<Side>,
    resx: Option<f64>,
    resy: Option<f64>,
    pub(super) responses: Option<Vec<RawResponse>>,
}

/// Reads the body of a processing request.
pub fn read(document: &Document<'_>, known: &Known<'_>) -> Result<Reading, Misread> {
    let raw: RawProcess = json::read_checked(document.json)?;
    let products = products(&raw.input.data)?;
    reading(
        raw.imagery(document, known, SIZE).map(Ask::Process),
        products,
    )
}

impl RawOutput {
    fn size(&self) -> RawSize {
        RawSize {
            width: self.width,
            height: self.height,
            resx: self.resx,
            resy: self.resy,
        }
    }
}

impl RawProcess {
    pub(super) fn imagery(
        &self,
        document: &Document<'_>,
        known: &Known<'_>,
        rule: SizeRule,
    ) -> Result<Imagery, Unread> {
        let mut notes = Notes::default();
        let script = self.script(document, known)?;
        let output = self.output.as_ref();
        let size = output.map_or_else(RawSize::default, RawOutput::size);
        let frame = size.frame(self.input.bounds.as_ref(), rule, &mut notes)?;
        let setting = Setting {
            area: Some((frame.extent, frame.ground)),
            sampling: Sampling::once(None),
            known,
        };
        let sources = setting.sources(&self.input.data, &script, &mut notes)?;
        let (correction, speckle_filter) = correction::read(&self.input.data, &mut notes)?;
        let responses = output
            .and_then(|output| output.responses.as_deref())
            .unwrap_or_default();
        let wanted = Wanted::read(known.accept, responses);
        Ok(Imagery {
            width: frame.width,
            height: frame.height,
            format: format::read(
                &script,
                wanted,
                Unstated::EightBit,
                known.declared,
                &mut notes,
            ),
            sources,
            correction,
            speckle_filter,
            bounded: notes.into_clauses(),
        })
    }

    /// The script, wherever it stands; two of them leave open which one runs.
    pub(super) fn script(
        &self,
        document: &Document<'_>,
        known: &Known<'_>,
    ) -> Result<Arc<Script>, Misread> {
        let stored = self.evalscript_reference.is_some() || self.data_product.is_some();
        script(self.evalscript.as_deref(), document.script, stored, known)
    }
}

pub(super) fn script(
    inside: Option<&str>,
    beside: Option<&str>,
    stored: bool,
    known: &Known<'_>,
) -> Result<Arc<Script>, Misread> {
    let inside = inside.filter(|script| !script.trim().is_empty());
    match (inside, beside) {
        (Some(_), Some(_)) => Err(Misread::new(
            "the evalscript stands both in the request and in a part of its own; send it once",
        )),
        (Some(_), None) | (None, Some(_)) if stored => Ok(Arc::new(Script::Unreadable(
            Cow::Borrowed("the request holds one evalscript and refers to another"),
        ))),
        (Some(script), None) | (None, Some(script)) => Ok((known.scripts)(script)),
        (None, None) if stored => Ok(Arc::new(Script::Unreadable(Cow::Borrowed(
            "the evalscript is stored elsewhere and cannot be seen",
        )))),
        (None, None) => Err(Misread::new("the request has no evalscript; send one")),
    }
}

#[cfg(test)]
mod tests;
