//! `[[bounds]]`: the operator's word for what a request does not show, such as a layer that is configured
//! with Planet, a stored script, or the bands of a collection of one's own.

use serde::Deserialize;

use super::fault::{Fault, Path};
use super::raw::{RawBound, RawBoundMatch};
use crate::planet::{Api, Declared, Target};
use crate::units::Amount;

/// The APIs whose cost may depend on what does not stand in a request.
const BOUNDED: [Api; 6] = [
    Api::Process,
    Api::AsyncProcess,
    Api::BatchProcess,
    Api::Statistics,
    Api::BatchStatistics,
    Api::Ogc,
];

/// What is declared of some requests.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bound {
    apis: Vec<Api>,
    /// Canonical, behind the mount: the path itself and all that lies below it.
    path: Option<String>,
    word: Word,
}

/// What the operator vouches for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Word {
    /// The most that one request costs, in PU.
    Pu(Amount),
    /// What its images are made of.
    Imagery(Declared),
}

/// The sample types of an evalscript's `setup()`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum SampleType {
    Uint8,
    Uint16,
    Float32,
}

impl Bound {
    pub fn apis(&self) -> &[Api] {
        &self.apis
    }

    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    pub const fn word(&self) -> Word {
        self.word
    }

    fn covers(&self, api: Api, path: &str) -> bool {
        let below = |start: &str| {
            let rest = path.strip_prefix(start);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.apis.contains(&api) && self.path().is_none_or(below)
    }
}

/// The bound for a call: the one with the longest path, and of two alike the first.
pub(super) fn find<'b>(bounds: &'b [Bound], api: Api, path: &str) -> Option<&'b Bound> {
    let length = |bound: &Bound| bound.path().map_or(0, str::len);
    let covering = bounds.iter().rev().filter(|bound| bound.covers(api, path));
    covering.max_by_key(|bound| length(bound))
}

pub(super) fn bounds(raw: Vec<RawBound>) -> Result<Vec<Bound>, Fault> {
    let places = raw.into_iter().enumerate();
    places
        .map(|(position, raw)| bound(raw, &Path::to("bounds").item(position)))
        .collect()
}

fn bound(raw: RawBound, here: &Path) -> Result<Bound, Fault> {
    let RawBound {
        matching: RawBoundMatch { apis, path },
        pu,
        bands,
        sample_type,
        samples,
    } = raw;
    let apis: Vec<Api> = apis.into_iter().map(|api| api.0).collect();
    let matching = here.key("match");
    some_that_can_be_bounded(&apis, &matching.key("apis"))?;
    let imagery = Declared {
        bands,
        float32: sample_type.map(|sample_type| sample_type == SampleType::Float32),
        samples,
    };
    let word = match pu {
        Some(pu) if imagery == Declared::default() => Word::Pu(pu),
        None if imagery != Declared::default() => Word::Imagery(imagery),
        _ => {
            return Err(Fault::new(
                here.clone(),
                "a bound says one thing of a request",
                "write pu = 4.0, or any of bands = 4, sample_type = \"UINT8\" and samples = 1",
            ));
        }
    };
    let zero = [
        ("pu", pu == Some(Amount::ZERO)),
        ("bands", bands == Some(0)),
        ("samples", samples == Some(0)),
    ];
    if let Some((key, _)) = zero.iter().find(|(_, zero)| *zero) {
        return Err(Fault::new(
            here.key(key),
            "a bound of nothing would let requests pass for free",
            "write the most that one request can be",
        ));
    }
    Ok(Bound {
        apis,
        path: path
            .map(|path| canonical(path, &matching.key("path")))
            .transpose()?,
        word,
    })
}

fn some_that_can_be_bounded(apis: &[Api], here: &Path) -> Result<(), Fault> {
    let names: Vec<&str> = BOUNDED.iter().map(|api| api.name()).collect();
    let rule = format!("a bound can be declared for {}", names.join(", "));
    if apis.is_empty() {
        return Err(Fault::new(
            here.clone(),
            "an empty list matches nothing",
            rule,
        ));
    }
    match apis.iter().position(|api| !BOUNDED.contains(api)) {
        None => Ok(()),
        Some(position) => Err(Fault::new(
            here.item(position),
            format!("the cost of {} stands in its requests", apis[position]),
            rule,
        )),
    }
}

fn canonical(path: String, here: &Path) -> Result<String, Fault> {
    let read = Target::parse(&path);
    if path.len() > 1 && !path.ends_with('/') && read.is_ok_and(|read| read.path() == path) {
        return Ok(path);
    }
    Err(Fault::new(
        here.clone(),
        format!("'{path}' is no path that a call can have"),
        "write it as Planet knows it, without the mount, a slash at its end or a query: \"/ogc/wms/INSTANCE\"",
    ))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_refused, policy};
    use super::*;

    fn bound(matching: &str, rest: &str) -> String {
        format!("[[bounds]]\nmatch = {{ {matching} }}\n{rest}\n")
    }

    #[test]
    fn the_longest_path_that_a_call_is_under_speaks_for_it() {
        let text = bound("apis = [\"ogc\"]", "pu = 9.0")
            + &bound("apis = [\"ogc\"], path = \"/ogc/wms/a\"", "pu = 4.0")
            + &bound("apis = [\"ogc\"], path = \"/ogc/wms/a\"", "pu = 5.0")
            + &bound(
                "apis = [\"process\"], path = \"/api/v1/process\"",
                "bands = 4\nsample_type = \"FLOAT32\"",
            );
        let policy = policy(&text);
        let word = |api, path: &str| policy.bound(api, path).map(Bound::word);
        let pu = |whole: u64| Some(Word::Pu(Amount::from_whole(whole).unwrap()));
        assert_eq!(word(Api::Ogc, "/ogc/wms/a"), pu(4));
        assert_eq!(word(Api::Ogc, "/ogc/wms/a/deeper"), pu(4));
        assert_eq!(word(Api::Ogc, "/ogc/wms/abc"), pu(9));
        assert_eq!(word(Api::Statistics, "/ogc/wms/a"), None);
        let declared = Declared {
            bands: Some(4),
            float32: Some(true),
            samples: None,
        };
        assert_eq!(
            word(Api::Process, "/api/v1/process"),
            Some(Word::Imagery(declared))
        );
    }

    #[test]
    fn a_bound_is_refused_where_it_would_mean_nothing_or_too_much() {
        let ogc = "apis = [\"ogc\"]";
        let at = |path: &str| bound(&format!("{ogc}, path = \"{path}\""), "pu = 1.0");
        assert_refused(&[
            (&bound(ogc, ""), "[[bounds]]", "one thing"),
            (
                &bound(ogc, "pu = 1.0\nbands = 3"),
                "[[bounds]]",
                "one thing",
            ),
            (&bound(ogc, "pu = 0"), "0", "for free"),
            (&bound(ogc, "samples = 0"), "0", "for free"),
            (&bound(ogc, "pu = -1.0"), "-1.0", ""),
            (
                &bound(ogc, "sample_type = \"INT8\""),
                "\"INT8\"",
                "not a choice",
            ),
            (&bound("apis = []", "pu = 1.0"), "[]", "matches nothing"),
            (
                &bound("apis = [\"ogc\", \"orders\"]", "pu = 1.0"),
                "\"orders\"",
                "stands in its requests",
            ),
            (&at("ogc/wms"), "\"ogc/wms\"", "no path"),
            (&at("/ogc/wms/"), "\"/ogc/wms/\"", "no path"),
            (&at("/ogc?x=1"), "\"/ogc?x=1\"", "no path"),
            (&at("/a/../ogc"), "\"/a/../ogc\"", "no path"),
        ]);
    }
}
