//! The collections that a request draws on: the bands, and the samples of each pixel.

use std::collections::HashSet;
use std::sync::Arc;

use serde::Deserialize;

use super::Misread;
use super::collections::Collection;
use super::evalscript::{Input, Mosaicking, Script, Setup, Simple};
use super::extent::{Extent, Ground};
use super::imagery::{Known, Notes, Source, Unread};
use super::period::{Period, RawPeriod};

/// The band that says which pixels hold data; Planet charges for it only when it stands alone.
const MASK: &str = "dataMask";

/// The most collections that one request may fuse here; published requests fuse three.
const MAX_SOURCES: usize = 50;

/// Names of JavaScript's own, which are no bands.
const BUILT_IN: &[&str] = &[
    "Array",
    "Boolean",
    "Date",
    "Infinity",
    "JSON",
    "Math",
    "NaN",
    "Number",
    "Object",
    "String",
    "console",
    "isFinite",
    "isNaN",
    "parseFloat",
    "parseInt",
    "undefined",
];

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
        if let Script::Setup(setup) = script
            && !setup.exact
        {
            notes.add("of what setup() may return, the dearest counts");
        }
        (0..data.len())
            .map(|index| self.source(data, index, script, notes))
            .collect()
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
        let (bands, samples) = match script {
            Script::Setup(setup) => {
                let inputs = inputs_of(data, index, setup, notes);
                let mosaicking = inputs.iter().filter_map(|input| input.mosaicking).max();
                let inherits = inputs.iter().any(|input| input.mosaicking.is_none());
                let dearest = match mosaicking {
                    Some(own) if inherits => own.max(setup.mosaicking),
                    Some(own) => own,
                    None => setup.mosaicking,
                };
                (
                    one.listed_bands(&inputs, notes)?,
                    one.samples(dearest, notes)?,
                )
            }
            Script::Simple(simple) => (
                one.used_bands(simple, notes)?,
                one.samples(Mosaicking::Simple, notes)?,
            ),
            Script::Unreadable(why) => {
                notes.add(format!("{why}, so it may ask for anything"));
                (one.all_bands(why)?, one.unreadable_samples(notes)?)
            }
        };
        let remote = data.len() > 1
            && !one
                .collection
                .is_some_and(|collection| collection.is_local_to(self.known.deployment));
        Ok(Source {
            bands,
            samples: samples.max(1),
            remote,
            collection: name,
        })
    }
}

/// The inputs of a script that draw on one element of `input.data`. An input that names none draws on
/// each; one that names what is not there is counted with the first.
fn inputs_of<'s>(
    data: &[RawData],
    index: usize,
    setup: &'s Setup,
    notes: &mut Notes,
) -> Vec<&'s Input> {
    let stands_for = |datasource: &str| {
        data.iter()
            .position(|data| data.id.as_deref() == Some(datasource))
    };
    let drawn = setup.inputs.iter().filter(|input| match &input.datasource {
        None => true,
        Some(datasource) => stands_for(datasource).unwrap_or(0) == index,
    });
    let drawn: Vec<&Input> = drawn.collect();
    if data.len() > 1 && drawn.iter().any(|input| input.datasource.is_none()) {
        notes.add("the evalscript does not say which collection its bands are of");
    }
    drawn
}

/// One collection as the request draws on it.
struct Drawn<'a> {
    setting: &'a Setting<'a>,
    collection: Option<&'static Collection>,
    name: &'a str,
    period: Option<Period>,
}

impl Drawn<'_> {
    fn listed_bands(&self, inputs: &[&Input], notes: &mut Notes) -> Result<u64, Unread> {
        let mut total = 0;
        for input in inputs {
            total += if let Some(bands) = &input.bands {
                count(bands, notes)
            } else {
                notes.add(
                    "the bands are computed while the script runs, so all of the collection count",
                );
                self.all_bands("its bands are computed while the script runs")?
            };
        }
        Ok(total)
    }

    /// The names that a script without `setup()` uses as if they were variables.
    fn used_bands(&self, simple: &Simple, notes: &mut Notes) -> Result<u64, Unread> {
        let free = |name: &str| {
            simple
                .declared
                .binary_search_by(|own| (**own).cmp(name))
                .is_err()
        };
        let Some(collection) = self.collection else {
            notes.add("every name that the script uses is taken for a band");
            let names = simple.names.iter().map(|name| &**name);
            let names = names.filter(|name| free(name) && !BUILT_IN.contains(name));
            return Ok(u64::try_from(names.count()).unwrap_or(u64::MAX).max(1));
        };
        let names = simple.names.iter().map(|name| &**name);
        let used: Vec<&str> = names
            .filter(|name| collection.bands.contains(name))
            .collect();
        if used.is_empty() {
            notes.add("the script names no band, so all of the collection count");
            return self.all_bands("its evalscript names no band");
        }
        if !used.iter().all(|name| free(name)) {
            notes.add("the script declares names that bands have");
        }
        Ok(u64::try_from(used.len()).unwrap_or(u64::MAX))
    }

    fn all_bands(&self, why: &str) -> Result<u64, Unread> {
        let declared = self.setting.known.declared.bands;
        let listed = || Some(u64::try_from(self.collection?.bands.len()).unwrap_or(u64::MAX));
        declared.or_else(listed).ok_or_else(|| {
            Unread::unbounded(format!(
                "the bands of '{}' are not published, and {why}; list the bands in setup(), \
                 or declare them under [[bounds]] in the policy",
                self.name
            ))
        })
    }

    fn unreadable_samples(&self, notes: &mut Notes) -> Result<u64, Unread> {
        match self.setting.known.declared.samples {
            Some(samples) => Ok(samples),
            None => self.samples(Mosaicking::Tile, notes),
        }
    }

    fn samples(&self, mosaicking: Mosaicking, notes: &mut Notes) -> Result<u64, Unread> {
        let Sampling { simple, period } = self.setting.sampling;
        if mosaicking == Mosaicking::Simple || self.collection.is_some_and(Collection::is_timeless)
        {
            return Ok(simple);
        }
        let bound = match (mosaicking, period.or(self.period)) {
            (_, None) => Err("ORBIT and TILE mosaicking without a time range take the whole archive; add a timeRange"),
            (Mosaicking::Tile, Some(period)) => self
                .scenes_a_day()
                .and_then(|scenes| scenes.checked_mul(period.days()))
                .ok_or("TILE mosaicking counts every scene, and how many cover the area is not published"),
            (_, Some(period)) => Ok(period.days()),
        };
        match (bound, self.setting.known.declared.samples) {
            (Ok(samples), _) => {
                notes.add(match mosaicking {
                    Mosaicking::Tile => "every scene that could touch the area counts as a sample",
                    _ => "every day counts as a sample, whether or not it has an acquisition",
                });
                Ok(samples)
            }
            (Err(_), Some(declared)) => {
                notes.add("the samples are those that the policy declares");
                Ok(declared)
            }
            (Err(why), None) => Err(Unread::unbounded(why)),
        }
    }

    fn scenes_a_day(&self) -> Option<u64> {
        let (extent, ground) = self.setting.area?;
        self.collection?.scenes_a_day(&extent, ground)
    }
}

fn count(bands: &[Box<str>], notes: &mut Notes) -> u64 {
    let mut seen = HashSet::with_capacity(bands.len());
    if !bands.iter().all(|band| seen.insert(band)) {
        notes.add("a band is listed twice");
    }
    let counted = bands.iter().filter(|band| &***band != MASK).count();
    u64::try_from(counted).unwrap_or(u64::MAX).max(1)
}
