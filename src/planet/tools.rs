//! What orders and subscriptions have done to each image, and where they deliver it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Misread;
use super::geometry::{Geometry, RawGeometry};

/// Tools that Planet documents and prices by "2 per tool and data asset"; for the last two no price is
/// published, so they are taken for dear ones.
const OTHER_TOOLS: &[&str] = &[
    "bandmath",
    "composite",
    "harmonize",
    "reproject",
    "tile",
    "toar",
    "file_format",
    "cloud_filter",
];

/// The tools of a request, as far as they are priced.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tools {
    pub clip: Option<Clip>,
    pub merges: u64,
    pub coregisters: u64,
    /// Tools that are priced alike, by name.
    pub others: Vec<&'static str>,
    /// A tool that no rule knows, or one that cannot stand twice.
    pub unknown: Option<String>,
}

/// What images are clipped to.
#[derive(Clone, Debug, PartialEq)]
pub enum Clip {
    /// `{}`: the geometry of the subscription; in an order, nothing at all.
    Source,
    To(Geometry),
}

/// Where results go.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Delivery {
    /// Nowhere: they are downloaded by links, and charged when they are.
    #[default]
    Links,
    /// To a bucket or destination of the customer's.
    Cloud,
    /// To a data collection of Planet's own, which costs no egress.
    Collection,
}

#[derive(Deserialize)]
struct RawClip {
    aoi: Option<RawGeometry>,
}

impl Tools {
    /// Adds a tool by its name and parameters. `at` is where it stands.
    pub(super) fn add(
        &mut self,
        name: &str,
        parameters: Option<&RawValue>,
        at: &str,
    ) -> Result<(), Misread> {
        match name {
            "clip" if self.clip.is_none() => self.clip = Some(Clip::read(parameters, at)?),
            "merge" => self.merges += 1,
            "coregister" => self.coregisters += 1,
            _ => match OTHER_TOOLS.iter().find(|known| **known == name) {
                Some(known) => self.others.push(known),
                None => self.unknown = Some(name.chars().take(60).collect()),
            },
        }
        Ok(())
    }
}

impl Clip {
    fn read(parameters: Option<&RawValue>, at: &str) -> Result<Self, Misread> {
        let text = parameters.map_or("null", RawValue::get);
        let clip: Option<RawClip> = serde_json::from_str(text).map_err(|error| {
            Misread::new(format!("{at}: the clip cannot be understood: {error}"))
        })?;
        match clip.and_then(|clip| clip.aoi) {
            Some(aoi) => Geometry::read(&aoi, &format!("{at}.aoi")).map(Self::To),
            None => Ok(Self::Source),
        }
    }
}

impl Delivery {
    /// Reads the members of an order or subscription. What is not recognised counts as a bucket: the
    /// dearest. Credentials in it are passed over unread.
    pub(super) fn read(
        delivery: Option<&RawValue>,
        hosting: Option<&RawValue>,
    ) -> Result<Self, Misread> {
        const PACKING: [&str; 3] = ["archive_type", "single_archive", "archive_filename"];
        let hosting = members(hosting, "hosting")?;
        let delivery = members(delivery, "delivery")?;
        let leaves = delivery
            .keys()
            .any(|member| !PACKING.contains(&member.as_str()));
        let hosted =
            |text: Option<&&RawValue>| text.is_some_and(|text| text.get() == "\"sentinel_hub\"");
        Ok(if hosting.is_empty() {
            if leaves { Self::Cloud } else { Self::Links }
        } else if leaves {
            Self::Cloud
        } else if hosting.contains_key("sentinel_hub") || hosted(hosting.get("type")) {
            Self::Collection
        } else {
            Self::Cloud
        })
    }
}

/// The members of an object that may be missing. The error shows nothing of what stands in it.
fn members<'a>(
    object: Option<&'a RawValue>,
    name: &str,
) -> Result<BTreeMap<String, &'a RawValue>, Misread> {
    let text = object.map_or("null", RawValue::get);
    serde_json::from_str::<Option<BTreeMap<String, &RawValue>>>(text)
        .map(Option::unwrap_or_default)
        .map_err(|_| Misread::new(format!("'{name}' is not a JSON object")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.into()).expect(text)
    }

    #[test]
    fn tools_are_counted_by_how_they_are_priced() {
        let mut tools = Tools::default();
        let clip = raw(r#"{"aoi":{"type":"ref","content":"pl:features/my/a/b"}}"#);
        tools.add("clip", Some(&clip), "tools[0].clip").unwrap();
        for name in ["harmonize", "file_format", "merge", "coregister"] {
            tools.add(name, None, "tools").unwrap();
        }
        assert!(matches!(tools.clip, Some(Clip::To(Geometry::Reference(_)))));
        assert_eq!(tools.others, ["harmonize", "file_format"]);
        assert_eq!((tools.merges, tools.coregisters), (1, 1));
        assert_eq!(tools.unknown, None);
    }

    #[test]
    fn an_unknown_tool_and_a_second_clip_are_remembered() {
        let mut tools = Tools::default();
        tools.add("upscale", None, "tools").unwrap();
        assert_eq!(tools.unknown.as_deref(), Some("upscale"));
        let mut tools = Tools::default();
        for _ in 0..2 {
            tools.add("clip", None, "tools").unwrap();
        }
        assert_eq!(tools.clip, Some(Clip::Source));
        assert_eq!(tools.unknown.as_deref(), Some("clip"));
    }

    #[test]
    fn a_clip_must_be_readable() {
        for text in [
            "7",
            r#"{"aoi":7}"#,
            r#"{"aoi":{"type":"Point","coordinates":[1,2]}}"#,
        ] {
            assert!(Clip::read(Some(&raw(text)), "clip").is_err(), "{text}");
        }
        assert_eq!(Clip::read(Some(&raw("{}")), "clip"), Ok(Clip::Source));
    }

    #[test]
    fn only_a_collection_is_free_of_egress() {
        let read = |delivery: &str, hosting: &str| {
            Delivery::read(Some(&raw(delivery)), Some(&raw(hosting)))
        };
        let hosted = r#"{"sentinel_hub":{"collection_id":"x"}}"#;
        for (delivery, hosting, expected) in [
            ("null", "null", Delivery::Links),
            (r#"{"archive_type":"zip"}"#, "null", Delivery::Links),
            (
                r#"{"destination":{"ref":"pl:destinations/a"}}"#,
                "null",
                Delivery::Cloud,
            ),
            ("null", hosted, Delivery::Collection),
            (
                "null",
                r#"{"type":"sentinel_hub","parameters":{}}"#,
                Delivery::Collection,
            ),
            ("null", r#"{"type":"elsewhere"}"#, Delivery::Cloud),
            (r#"{"amazon_s3":{"bucket":"b"}}"#, hosted, Delivery::Cloud),
        ] {
            assert_eq!(
                read(delivery, hosting),
                Ok(expected),
                "{delivery} {hosting}"
            );
        }
        let secret = read(r#""hunter2""#, "null").unwrap_err().sentence;
        assert!(!secret.contains("hunter2"), "{secret}");
    }
}
