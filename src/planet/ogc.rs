//! Images by OGC: WMS, WMTS and WCS; and features by WFS.
//!
//! What a layer shows is configured with Planet and does not stand in the request: its bands and samples
//! are known only where the request brings a script of its own, or where the operator declares them.

mod size;

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::catalog::SearchAsk;
use super::collections::Collection;
use super::evalscript::Script;
use super::extent::Ground;
use super::format::{self, Unstated, Wanted};
use super::imagery::{Correction, Format, Imagery, Known, Notes, Unread, reading};
use super::period::{End, Period, instant};
use super::route::OgcRequest;
use super::sources::{Sampling, Setting};
use super::{Ask, Misread, Query, Reading};

/// Bands that show that a layer is radar.
const RADAR_BANDS: &[&str] = &["VV", "VH", "HH", "HV"];

/// What may stand in the query of a form: it says who asks, not what.
const CREDENTIALS: &[&str] = &["api_key", "token", "access_token"];

/// Reads the parameters of any OGC request, from its query or from its form.
pub fn read(query: Query<'_>, known: &Known<'_>) -> Result<Reading, Misread> {
    let request = OgcRequest::read(query)?;
    let ogc = Parameters { query, known };
    match request {
        OgcRequest::Description => Ok(Reading {
            ask: Ask::Nothing,
            products: vec![],
        }),
        OgcRequest::Features => ogc.features(),
        _ => reading(ogc.image(request).map(Ask::OgcImage), vec![]),
    }
}

/// The parameters of a POST, which stand in a form; in two places at once they would be ambiguous.
pub fn form<'a>(
    content_type: Option<&str>,
    query: Query<'_>,
    body: &'a [u8],
) -> Result<Query<'a>, Misread> {
    let wrong = |why: &str| {
        Misread::new(format!(
            "the OGC request cannot be understood: {why}; send its parameters by GET"
        ))
    };
    if body.is_empty() {
        return Err(wrong("its body is empty"));
    }
    if query
        .pairs()
        .any(|(name, _)| !CREDENTIALS.contains(&&*name))
    {
        return Err(wrong("parameters stand both in the query and in the body"));
    }
    let media: Option<mime::Mime> = content_type.and_then(|content_type| content_type.parse().ok());
    if media.is_none_or(|media| media.essence_str() != "application/x-www-form-urlencoded") {
        return Err(wrong("its body is not a form"));
    }
    let form = std::str::from_utf8(body).map_err(|_| wrong("its body is not UTF-8"))?;
    Ok(Query::new(Some(form)))
}

struct Parameters<'a> {
    query: Query<'a>,
    known: &'a Known<'a>,
}

impl<'a> Parameters<'a> {
    fn value(&self, name: &str) -> Result<Option<Cow<'a, str>>, Misread> {
        let value = self.query.single_any_case(name)?;
        Ok(value.filter(|value| !value.is_empty()))
    }

    fn image(&self, request: OgcRequest) -> Result<Imagery, Unread> {
        let mut notes = Notes::default();
        let (width, height) = match request {
            OgcRequest::Tile => self.tile(&mut notes)?,
            OgcRequest::FeatureInfo => {
                notes.add("one pixel's values count as an image of one pixel");
                (1, 1)
            }
            _ => self.size(&mut notes)?,
        };
        let script = self.script()?;
        let setting = Setting {
            area: None,
            sampling: Sampling::once(self.period()?),
            known: self.known,
        };
        let source = setting.layer(&self.layer()?, &script, &mut notes)?;
        let (correction, speckle_filter) = correction(&script, &mut notes);
        Ok(Imagery {
            width,
            height,
            sources: vec![source],
            format: self.format(&script, &mut notes)?,
            correction,
            speckle_filter,
            bounded: notes.into_clauses(),
        })
    }

    fn layer(&self) -> Result<Arc<str>, Misread> {
        for name in ["LAYERS", "LAYER", "COVERAGE"] {
            if let Some(layer) = self.value(name)? {
                return Ok(layer.chars().take(80).collect::<String>().into());
            }
        }
        Ok("the layer".into())
    }

    /// The script of the request, or why the layer's own cannot be read.
    fn script(&self) -> Result<Arc<Script>, Misread> {
        let unreadable = |why| Ok(Arc::new(Script::Unreadable(Cow::Borrowed(why))));
        match (self.value("EVALSCRIPT")?, self.value("EVALSCRIPTURL")?) {
            (Some(_), Some(_)) => {
                unreadable("the request brings one evalscript and refers to another")
            }
            (None, Some(_)) => unreadable("the evalscript is stored elsewhere and cannot be seen"),
            (None, None) => {
                unreadable("what the layer shows is configured with Planet and cannot be seen")
            }
            (Some(encoded), None) => Ok((self.known.scripts)(&decoded(&encoded)?)),
        }
    }

    /// From and to; a single time means the six months before it.
    fn period(&self) -> Result<Option<Period>, Misread> {
        let Some(time) = self.value("TIME")? else {
            return Ok(None);
        };
        if let Some((from, to)) = time.split_once('/') {
            let (from, to) = (widened(from, End::First), widened(to, End::Last));
            return Period::between(&from, &to, "TIME").map(Some);
        }
        let to = instant(&widened(&time, End::Last), End::Last, "TIME")?;
        let from = to.checked_sub(jiff::SignedDuration::from_hours(24 * 184));
        Ok(from.ok().map(|from| Period { from, to }))
    }

    fn format(&self, script: &Script, notes: &mut Notes) -> Result<Format, Misread> {
        let stated = self.value("FORMAT")?.unwrap_or(Cow::Borrowed("image/png"));
        let wanted = Wanted::read(Some(&stated), &[]);
        let format = format::read(
            script,
            wanted,
            Unstated::EightBit,
            self.known.declared,
            notes,
        );
        let deep = stated.to_ascii_lowercase().contains("32f");
        Ok(match (deep, format) {
            (true, Format::UpTo16Bit) => {
                notes.add("a depth of 32 bits counts, whatever the script says");
                Format::Float32
            }
            (_, format) => format,
        })
    }

    /// WFS. What cannot be read of its box or time counts as the world and all time: a query has a maximum.
    fn features(&self) -> Result<Reading, Misread> {
        let area = self.bbox()?.and_then(|(extent, ground)| match ground {
            // Latitude may come first, and then the box is another one.
            Ground::Degrees => extent.area().max(extent.swapped().area()),
            Ground::Metres => extent.flat_area(),
        });
        let days = self.period().ok().flatten().map(|period| period.days());
        let names = self.value("TYPENAMES")?;
        let names = names.iter().flat_map(|names| names.split(','));
        let products = names.map(|name| {
            Collection::named(name).map_or_else(|| name.into(), |known| known.name.into())
        });
        Ok(Reading {
            ask: Ask::Search(SearchAsk { area, days }),
            products: super::imagery::distinct(products),
        })
    }
}

/// A layer of radar may be corrected in ways that only its configuration shows.
fn correction(script: &Script, notes: &mut Notes) -> (Correction, bool) {
    let names: Vec<&str> = match script {
        Script::Setup(setup) => {
            let bands = setup.inputs.iter().filter_map(|input| input.bands.as_ref());
            bands.flatten().map(|name| &**name).collect()
        }
        Script::Simple(simple) => simple.names.iter().map(|name| &**name).collect(),
        Script::Unreadable(_) => vec![],
    };
    if !names.iter().any(|name| RADAR_BANDS.contains(name)) {
        return (Correction::None, false);
    }
    notes.add("a layer of radar may be terrain corrected and filtered for speckle");
    (Correction::RadiometricTerrain, true)
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

/// A script in any of the dialects of base64; a form turns its plus signs into spaces.
fn decoded(encoded: &str) -> Result<String, Misread> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let plain: String = encoded
        .chars()
        .map(|character| match character {
            ' ' | '-' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    let bytes = GeneralPurpose::new(&alphabet::STANDARD, LENIENT).decode(plain);
    bytes
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| {
            Misread::new(
                "EVALSCRIPT is not base64 of a script; encode it, and URL-encode the result",
            )
        })
}

/// A time of reduced precision, as the day that it begins or ends with.
fn widened(time: &str, end: End) -> Cow<'_, str> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match (time.len(), end) {
        (4, End::First) if digits(time) => format!("{time}-01-01").into(),
        (4, End::Last) if digits(time) => format!("{time}-12-31").into(),
        (7, End::First) => format!("{time}-01").into(),
        (7, End::Last) => {
            let first: Option<jiff::civil::Date> = format!("{time}-01").parse().ok();
            first.map_or(Cow::Borrowed(time), |first| {
                first.last_of_month().to_string().into()
            })
        }
        _ => Cow::Borrowed(time),
    }
}

#[cfg(test)]
mod tests;
