//! The collections that a request draws on: the bands, and the samples of each pixel.

use std::sync::Arc;

use serde::Deserialize;

use super::Misread;
use super::collections::Collection;
use super::drawn::Drawn;
use super::evalscript::{Input, Script, Setup};
use super::extent::{Extent, Ground};
use super::imagery::{Known, Notes, Source, Unread};
use super::period::{Period, RawPeriod};

/// The most collections that one request may fuse here; published requests fuse three.
const MAX_SOURCES: usize = 50;

/// One element of `input.data`, but for its processing options.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawData {
    r#type: Option<String>,
    id: Option<String>,
    data_filter: Option<RawFilter>,
    pub(super) processing: Option<super::correction::RawProcessing>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawFilter {
    time_range: Option<RawPeriod>,
}

/// How the API turns a period into samples.
#[derive(Clone, Copy)]
pub(super) struct Sampling {
    /// Samples under SIMPLE mosaicking.
    pub(super) simple: u64,
    /// The period of the whole request; without one, that of each collection counts.
    pub(super) period: Option<Period>,
    /// Days that fall into two intervals each, and may be a sample of both.
    pub(super) split_days: u64,
}

impl Sampling {
    /// One sample of each pixel under SIMPLE mosaicking, of the collections' own periods or of this.
    pub(super) const fn once(period: Option<Period>) -> Self {
        Self {
            simple: 1,
            period,
            split_days: 0,
        }
    }
}

/// What a reading of sources leans on.
pub(super) struct Setting<'a> {
    /// The box that scenes must touch, where it is known.
    pub(super) area: Option<(Extent, Ground)>,
    pub(super) sampling: Sampling,
    pub(super) known: &'a Known<'a>,
}

impl RawData {
    /// The collection, by its present name.
    pub(super) fn collection(&self) -> Result<Arc<str>, Misread> {
        let name = self.r#type.as_deref().filter(|name| !name.is_empty()).ok_or_else(|| {
            Misread::new("an element of input.data has no type; write the collection, such as sentinel-2-l2a")
        })?;
        Ok(
            Collection::named(name)
                .map_or_else(|| name.into(), |collection| collection.name.into()),
        )
    }

    pub(super) fn is_radar(&self) -> bool {
        self.collection()
            .is_ok_and(|name| &*name == "sentinel-1-grd")
    }

    fn period(&self) -> Result<Option<Period>, Misread> {
        let range = self
            .data_filter
            .as_ref()
            .and_then(|filter| filter.time_range.as_ref());
        range.map_or(Ok(None), |range| range.read("dataFilter.timeRange"))
    }
}

/// The products of a request, however little else of it can be read.
pub(super) fn products(data: &[RawData]) -> Result<Vec<Arc<str>>, Misread> {
    if data.is_empty() {
        return Err(Misread::new(
            "input.data names no collection; write at least one",
        ));
    }
    if data.len() > MAX_SOURCES {
        return Err(Misread::new(format!(
            "input.data has {} elements, and at most {MAX_SOURCES} are read; split the request",
            data.len()
        )));
    }
    let names: Result<Vec<_>, _> = data.iter().map(RawData::collection).collect();
    Ok(super::imagery::distinct(names?.into_iter()))
}

impl Setting<'_> {
    /// One source for each element of `input.data`.
    pub(super) fn sources(
        &self,
        data: &[RawData],
        script: &Script,
        notes: &mut Notes,
    ) -> Result<Vec<Source>, Unread> {
        if data.len() > 1 {
            notes.add("how fused bands add up is not published");
        }
        Self::note_guesses(script, notes);
        (0..data.len())
            .map(|index| self.source(data, index, script, notes))
            .collect()
    }

    fn note_guesses(script: &Script, notes: &mut Notes) {
        if let Script::Setup(setup) = script
            && !setup.exact
        {
            notes.add("of what setup() may return, the dearest counts");
        }
    }

    fn source(
        &self,
        data: &[RawData],
        index: usize,
        script: &Script,
        notes: &mut Notes,
    ) -> Result<Source, Unread> {
        let name = data[index].collection()?;
        let period = data[index].period()?;
        let one = Drawn {
            setting: self,
            collection: Collection::named(&name),
            name: &name,
            period,
        };
        let (bands, samples) = one.drawn(
            script,
            |setup, notes| inputs_of(data, index, setup, notes),
            notes,
        )?;
        let remote = data.len() > 1
            && !one
                .collection
                .is_some_and(|collection| collection.is_local_to(self.known.deployment));
        Ok(Source {
            bands,
            samples,
            remote,
            collection: name,
        })
    }

    /// The one source of a layer, whose collection is configured elsewhere.
    pub(super) fn layer(
        &self,
        name: &Arc<str>,
        script: &Script,
        notes: &mut Notes,
    ) -> Result<Source, Unread> {
        Self::note_guesses(script, notes);
        let one = Drawn {
            setting: self,
            collection: None,
            name,
            period: None,
        };
        let (bands, samples) =
            one.drawn(script, |setup, _| setup.inputs.iter().collect(), notes)?;
        Ok(Source {
            bands,
            samples,
            remote: false,
            collection: name.clone(),
        })
    }
}

/// The inputs of a script that draw on one element of `input.data`. An input that names none draws on
/// each; one that names what is not there is counted with the first; on an element that none names, all do.
fn inputs_of<'s>(
    data: &[RawData],
    index: usize,
    setup: &'s Setup,
    notes: &mut Notes,
) -> Vec<&'s Input> {
    let stands_for = |datasource: &str| {
        data.iter()
            .position(|data| data.id.as_deref().or(data.r#type.as_deref()) == Some(datasource))
    };
    let drawn = setup.inputs.iter().filter(|input| match &input.datasource {
        None => true,
        Some(datasource) => stands_for(datasource).unwrap_or(0) == index,
    });
    let drawn: Vec<&Input> = drawn.collect();
    if drawn.is_empty() {
        notes.add("the evalscript names no band of a collection, so it may draw all that it names");
        return setup.inputs.iter().collect();
    }
    if data.len() > 1 && drawn.iter().any(|input| input.datasource.is_none()) {
        notes.add("the evalscript does not say which collection its bands are of");
    }
    drawn
}
