//! Asynchronous processing: one large image, delivered to a bucket.
//!
//! The body holds keys of the bucket; nothing of `delivery` but its region is kept or shown.

use serde::Deserialize;

use super::collections::Deployment;
use super::document::Document;
use super::evalscript::Script;
use super::frame::SizeRule;
use super::imagery::{Imagery, Known, Unread, reading};
use super::process::RawProcess;
use super::sources::products;
use super::{Ask, Misread, Reading, json};

/// The longest side of an image made asynchronously.
const MAX_SIDE: u64 = 10_000;

const SIZE: SizeRule = SizeRule {
    place: "output",
    most: MAX_SIDE,
    default: None,
};

/// One large image.
#[derive(Clone, Debug, PartialEq)]
pub struct AsyncAsk {
    pub imagery: Imagery,
    /// Uncompressed bytes that leave for another region than the one that makes them.
    pub leaving_bytes: u64,
}

#[derive(Debug, Deserialize)]
struct RawJob {
    output: Option<RawJobOutput>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RawJobOutput {
    delivery: Option<RawDelivery>,
}

#[derive(Deserialize)]
struct RawDelivery {
    s3: Option<RawBucket>,
}

#[derive(Deserialize)]
struct RawBucket {
    region: Option<String>,
}

/// Buckets are addressed with their keys.
impl std::fmt::Debug for RawDelivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawDelivery(…)")
    }
}

/// Reads the body of an asynchronous request.
pub fn read(document: &Document<'_>, known: &Known<'_>) -> Result<Reading, Misread> {
    let raw: RawProcess = json::read_checked(document.json)?;
    let job: RawJob = json::read_checked(document.json)?;
    let products = products(&raw.input.data)?;
    reading(
        ask(&raw, &job, document, known).map(Ask::AsyncProcess),
        products,
    )
}

fn ask(
    raw: &RawProcess,
    job: &RawJob,
    document: &Document<'_>,
    known: &Known<'_>,
) -> Result<AsyncAsk, Unread> {
    let imagery = raw.imagery(document, known, SIZE)?;
    let script = raw.script(document, known)?;
    let stays = job
        .output
        .as_ref()
        .is_some_and(|output| output.stays_in(known.deployment));
    let leaving_bytes = if stays {
        0
    } else {
        leaving(&imagery, &script)?
    };
    Ok(AsyncAsk {
        imagery,
        leaving_bytes,
    })
}

impl RawJobOutput {
    /// Whether it is delivered where it is made.
    pub(super) fn stays_in(&self, deployment: Deployment) -> bool {
        let region = self
            .delivery
            .as_ref()
            .and_then(|delivery| delivery.s3.as_ref())
            .and_then(|bucket| bucket.region.as_deref());
        match deployment {
            Deployment::Main => region == Some("eu-central-1"),
            Deployment::UsWest2 => region == Some("us-west-2"),
            Deployment::Creodias | Deployment::Cdse => false,
        }
    }
}

fn leaving(imagery: &Imagery, script: &Script) -> Result<u64, Unread> {
    uncompressed(imagery, script).ok_or_else(|| {
        Unread::unbounded(
            "the image is delivered to another region, which is charged by size, and its output bands are not stated; \
             state output.bands as a number in setup(), or the bucket's region, if it is the service's own, in delivery.s3.region",
        )
    })
}

/// Bytes of an image whose script states its outputs.
pub(super) fn uncompressed(imagery: &Imagery, script: &Script) -> Option<u64> {
    let pixel = match script {
        Script::Setup(setup) => setup.output_bytes?,
        _ => return None,
    };
    let pixels = imagery.width.checked_mul(imagery.height)?;
    pixels.checked_mul(pixel)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::planet::{Declared, evalscript};

    fn read_at(deployment: Deployment, body: &Value) -> Result<Ask, Misread> {
        let analysed = |script: &str| Arc::new(evalscript::read(script));
        let known = Known {
            deployment,
            accept: None,
            declared: Declared::default(),
            scripts: &analysed,
        };
        let body = body.to_string();
        Ok(read(
            &Document {
                json: body.as_bytes(),
                script: None,
            },
            &known,
        )?
        .ask)
    }

    fn request(output: &str, region: &str) -> Value {
        json!({
            "input": {"bounds": {"bbox": [0, 0, 1, 1]}, "data": [{"type": "sentinel-2-l2a"}]},
            "output": {"width": 5000, "height": 4000,
                       "delivery": {"s3": {"url": "s3://b", "accessKey": "A", "secretAccessKey": "S", "region": region}}},
            "evalscript": format!("//VERSION=3\nfunction setup() {{ return {{input: ['B04'], output: {output}}} }}"),
        })
    }

    fn leaving_bytes(deployment: Deployment, output: &str, region: &str) -> Option<u64> {
        match read_at(deployment, &request(output, region)).unwrap() {
            Ask::AsyncProcess(ask) => Some(ask.leaving_bytes),
            Ask::Unbounded(_) => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_what_leaves_the_region_is_counted_and_that_uncompressed() {
        let outputs = "[{bands: 3, sampleType: 'UINT16'}, {id: 'q', bands: ['a', 'b'], sampleType: 'FLOAT32'}]";
        for (deployment, region, bytes) in [
            (Deployment::Main, "eu-central-1", 0),
            (Deployment::UsWest2, "us-west-2", 0),
            (Deployment::Main, "us-west-2", 5000 * 4000 * 14),
            (Deployment::Cdse, "eu-central-1", 5000 * 4000 * 14),
        ] {
            assert_eq!(
                leaving_bytes(deployment, outputs, region),
                Some(bytes),
                "{deployment:?} {region}"
            );
        }
        assert_eq!(
            leaving_bytes(Deployment::Main, "bands()", "us-west-2"),
            None
        );
        assert_eq!(
            leaving_bytes(Deployment::Main, "bands()", "eu-central-1"),
            Some(0)
        );
    }

    #[test]
    fn sides_go_to_10000_and_have_no_default() {
        let mut large = request("{bands: 1}", "eu-central-1");
        large["output"]["width"] = json!(10_001);
        assert!(
            read_at(Deployment::Main, &large)
                .unwrap_err()
                .sentence
                .contains("10000")
        );
        let output = large["output"].as_object_mut().unwrap();
        output.retain(|name, _| name == "delivery");
        let Ok(Ask::AsyncProcess(ask)) = read_at(Deployment::Main, &large) else {
            panic!("bounded")
        };
        assert_eq!((ask.imagery.width, ask.imagery.height), (10_000, 10_000));
    }

    #[test]
    fn keys_of_buckets_are_never_printed() {
        let body = request("{bands: 1}", "eu-central-1").to_string();
        let job: RawJob = json::read(body.as_bytes()).unwrap();
        let ask = read_at(Deployment::Main, &request("{bands: 1}", "eu-central-1"));
        let printed = format!("{job:?} {ask:?}");
        assert!(
            !printed.contains("s3://b") && !printed.contains("eu-central-1"),
            "{printed}"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(body in any::<Vec<u8>>()) {
            let analysed = |script: &str| Arc::new(evalscript::read(script));
            let known = Known { deployment: Deployment::Main, accept: None, declared: Declared::default(), scripts: &analysed };
            let _ = read(&Document { json: &body, script: None }, &known);
        }
    }
}
