//! What a script draws from one collection: bands, and samples of each pixel.
//!
//! Where the script hides it, every band of the collection counts, and every scene of the period.

use std::collections::HashSet;

use super::collections::Collection;
use super::evalscript::{Input, Mosaicking, Script, Setup, Simple};
use super::imagery::{Notes, Unread};
use super::period::Period;
use super::sources::{Sampling, Setting};

/// The band that says which pixels hold data; Planet charges for it only when it stands alone.
const MASK: &str = "dataMask";

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

/// One collection as the request draws on it.
pub(super) struct Drawn<'a> {
    pub(super) setting: &'a Setting<'a>,
    pub(super) collection: Option<&'static Collection>,
    pub(super) name: &'a str,
    pub(super) period: Option<Period>,
}

impl Drawn<'_> {
    /// Bands, and samples of each pixel. `inputs` picks those of a script's inputs that are of this
    /// collection.
    pub(super) fn drawn<'s>(
        &self,
        script: &'s Script,
        inputs: impl FnOnce(&'s Setup, &mut Notes) -> Vec<&'s Input>,
        notes: &mut Notes,
    ) -> Result<(u64, u64), Unread> {
        let (bands, samples) = match script {
            Script::Setup(setup) => {
                let inputs = inputs(setup, notes);
                let bands = self.listed_bands(&inputs, notes)?;
                (bands, self.samples(dearest(&inputs, setup), notes)?)
            }
            Script::Simple(simple) => {
                let bands = self.used_bands(simple, notes)?;
                (bands, self.samples(Mosaicking::Simple, notes)?)
            }
            Script::Unreadable(why) => {
                notes.add(format!("{why}, so it may ask for anything"));
                (self.all_bands(why)?, self.unreadable_samples(notes)?)
            }
        };
        Ok((bands, samples.max(1)))
    }

    fn listed_bands(&self, inputs: &[&Input], notes: &mut Notes) -> Result<u64, Unread> {
        let mut total: u64 = 0;
        for input in inputs {
            let bands = if let Some(bands) = &input.bands {
                count(bands, notes)
            } else {
                notes.add(
                    "the bands are computed while the script runs, so all of the collection count",
                );
                self.all_bands("its bands are computed while the script runs")?
            };
            total = total.saturating_add(bands);
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
        let Sampling {
            simple,
            period,
            split_days,
        } = self.setting.sampling;
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
            (_, Some(period)) => Ok(period.days().saturating_add(split_days)),
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

/// The mosaicking of most samples among the inputs; one that states none has that of the script.
fn dearest(inputs: &[&Input], setup: &Setup) -> Mosaicking {
    let own = inputs
        .iter()
        .map(|input| input.mosaicking.unwrap_or(setup.mosaicking));
    own.max().unwrap_or(setup.mosaicking)
}

fn count(bands: &[Box<str>], notes: &mut Notes) -> u64 {
    let mut seen = HashSet::with_capacity(bands.len());
    if !bands.iter().all(|band| seen.insert(band)) {
        notes.add("a band is listed twice");
    }
    let counted = bands.iter().filter(|band| &***band != MASK).count();
    u64::try_from(counted).unwrap_or(u64::MAX).max(1)
}
