//! Areas that a request only names: which they are, and the request with their outlines in their place.

use std::collections::HashMap;
use std::sync::Arc;

use super::features::Feature;
use super::geometry::{FeatureRef, Geometry, Shape};
use super::orders::{Ordered, Quads, Wanted};
use super::subscriptions::{MAX_BULK, SubscriptionAsk};
use super::tools::{Clip, Tools};
use super::{Ask, Unbounded};

/// The features that stand behind each reference.
pub type Outlines = HashMap<FeatureRef, Arc<[Feature]>>;

impl Ask {
    /// What the price hangs on and the request only names, each once.
    pub fn references(&self) -> Vec<FeatureRef> {
        let mut found: Vec<&FeatureRef> = Vec::new();
        match self {
            Self::Order(order) => {
                found.extend(clip_reference(&order.tools));
                found.extend(order.products.iter().filter_map(touched_reference));
            }
            Self::Subscriptions(all) => {
                for one in all {
                    found.extend(one.geometry.reference());
                    found.extend(clip_reference(&one.tools));
                }
            }
            _ => {}
        }
        let mut each = Vec::with_capacity(found.len());
        for reference in found {
            if !each.contains(reference) {
                each.push(reference.clone());
            }
        }
        each
    }

    /// Puts outlines in the place of references. A subscription to a collection is one to each of its
    /// features; what is clipped to a collection is clipped to all of them.
    pub fn resolve(&mut self, known: &Outlines) -> Result<(), Unbounded> {
        match self {
            Self::Order(order) => {
                resolve_clip(&mut order.tools, known)?;
                for product in &mut order.products {
                    resolve_touched(product, known)?;
                }
            }
            Self::Subscriptions(all) => {
                let mut resolved = Vec::with_capacity(all.len());
                for mut one in all.drain(..) {
                    resolve_clip(&mut one.tools, known)?;
                    spread(one, known, &mut resolved)?;
                }
                *all = resolved;
            }
            _ => {}
        }
        Ok(())
    }
}

fn clip_reference(tools: &Tools) -> Option<&FeatureRef> {
    match &tools.clip {
        Some(Clip::To(aoi)) => aoi.reference(),
        Some(Clip::Source) | None => None,
    }
}

/// The area whose quads an order wants.
fn touched_reference(product: &Ordered) -> Option<&FeatureRef> {
    match product {
        Ordered::Quads(Quads {
            wanted: Wanted::Touching(area),
            ..
        }) => area.reference(),
        Ordered::Quads(_) | Ordered::Scenes(_) => None,
    }
}

fn resolve_clip(tools: &mut Tools, known: &Outlines) -> Result<(), Unbounded> {
    if let Some(all) = outline(clip_reference(tools), known)? {
        tools.clip = Some(Clip::To(all));
    }
    Ok(())
}

fn resolve_touched(product: &mut Ordered, known: &Outlines) -> Result<(), Unbounded> {
    let all = outline(touched_reference(product), known)?;
    if let (Some(all), Ordered::Quads(quads)) = (all, product) {
        quads.wanted = Wanted::Touching(all);
    }
    Ok(())
}

/// All that stands behind a reference, as one; `None` where it is not known: then it stays a reference, which
/// nobody can price.
fn outline(
    reference: Option<&FeatureRef>,
    known: &Outlines,
) -> Result<Option<Geometry>, Unbounded> {
    let known = reference.and_then(|reference| Some((reference, known.get(reference)?)));
    let Some((reference, features)) = known else {
        return Ok(None);
    };
    let all = Shape::all(features.iter().map(|feature| &feature.shape));
    let all = all.ok_or_else(|| empty(reference))?;
    Ok(Some(Geometry::Shape(all)))
}

/// One subscription for each feature that its geometry stands for.
fn spread(
    one: SubscriptionAsk,
    known: &Outlines,
    resolved: &mut Vec<SubscriptionAsk>,
) -> Result<(), Unbounded> {
    let features = one
        .geometry
        .reference()
        .and_then(|reference| Some((reference, known.get(reference)?)));
    let Some((reference, features)) = features else {
        resolved.push(one);
        return Ok(());
    };
    if features.is_empty() {
        return Err(empty(reference));
    }
    if resolved.len() + features.len() > MAX_BULK {
        return Err(Unbounded {
            why: format!(
                "it creates more than {MAX_BULK} subscriptions, one for each feature of its collections"
            ),
        });
    }
    resolved.extend(features.iter().map(|feature| SubscriptionAsk {
        geometry: Geometry::Shape(feature.shape.clone()),
        feature: Some(feature.reference.clone()),
        ..one.clone()
    }));
    Ok(())
}

fn empty(collection: &FeatureRef) -> Unbounded {
    Unbounded {
        why: format!("the collection {} holds no feature", collection.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planet::geometry::samples::{shape, square};
    use serde_json::{Value, json};

    fn reference(name: &str) -> FeatureRef {
        FeatureRef::read(Some(&format!("pl:features/my/{name}")), "").expect(name)
    }

    fn outlines(of: &[(&str, &[&str])]) -> Outlines {
        let feature = |name: &&str| Feature {
            reference: reference(name),
            shape: shape(square(20_000)),
        };
        of.iter()
            .map(|(name, features)| (reference(name), features.iter().map(feature).collect()))
            .collect()
    }

    fn subscription(geometry: &str, clip: &Value) -> Value {
        json!({"tools": [{"type": "clip", "parameters": clip}], "source": {"parameters": {
            "item_types": ["PSScene"], "asset_types": ["ortho_visual"],
            "geometry": {"type": "ref", "content": format!("pl:features/my/{geometry}")},
            "start_time": "2026-03-01T00:00:00Z"}}})
    }

    fn bulk(subscriptions: &[Value]) -> Ask {
        let body = json!({ "subscriptions": subscriptions }).to_string();
        let all = crate::planet::subscriptions::read_bulk(body.as_bytes());
        Ask::Subscriptions(all.expect("subscriptions"))
    }

    #[test]
    fn each_reference_is_asked_for_once() {
        let clip = json!({"aoi": {"type": "ref", "content": "pl:features/my/blocks/2"}});
        let ask = bulk(&[
            subscription("blocks/1", &json!({})),
            subscription("blocks/1", &clip),
            subscription("farms", &clip),
        ]);
        let names = ["blocks/1", "blocks/2", "farms"].map(reference);
        assert_eq!(ask.references(), names);
        assert_eq!(Ask::Nothing.references(), []);
    }

    #[test]
    fn a_collection_is_a_subscription_for_each_of_its_features() {
        let clip = json!({"aoi": {"type": "ref", "content": "pl:features/my/farms"}});
        let mut ask = bulk(&[
            subscription("blocks/1", &json!({})),
            subscription("farms", &clip),
        ]);
        let known = outlines(&[
            ("blocks/1", &["blocks/1"]),
            ("farms", &["farms/a", "farms/b", "farms/c"]),
        ]);
        ask.resolve(&known).unwrap();
        assert_eq!(ask.references(), []);
        let Ask::Subscriptions(all) = &ask else {
            panic!("{ask:?}");
        };
        let features: Vec<_> = all.iter().filter_map(|one| one.feature.clone()).collect();
        let names = ["blocks/1", "farms/a", "farms/b", "farms/c"].map(reference);
        assert_eq!(features, names);
        for one in &all[1..] {
            assert!(
                matches!(&one.tools.clip, Some(Clip::To(Geometry::Shape(all)))
                if all.parts().len() == 3)
            );
        }
    }

    #[test]
    fn an_order_is_clipped_to_what_its_reference_stands_for() {
        let body = json!({"products": [{"item_type": "PSScene", "product_bundle": "visual",
            "item_ids": ["a"]}], "tools": [{"clip": {"aoi":
                {"type": "ref", "content": "pl:features/my/blocks/1"}}}]});
        let order = crate::planet::orders::read(body.to_string().as_bytes()).unwrap();
        let mut ask = Ask::Order(order);
        assert_eq!(ask.references(), [reference("blocks/1")]);
        ask.resolve(&Outlines::default()).unwrap();
        assert_eq!(ask.references().len(), 1, "what is not known stays a name");
        ask.resolve(&outlines(&[("blocks/1", &["blocks/1"])]))
            .unwrap();
        assert_eq!(ask.references(), []);
    }

    #[test]
    fn quads_are_wanted_of_all_that_a_reference_stands_for() {
        let body = json!({"source_type": "basemaps", "products": [{"mosaic_name": "m", "geometry":
            {"type": "ref", "content": "pl:features/my/farms"}}]});
        let mut ask = Ask::Order(crate::planet::orders::read(body.to_string().as_bytes()).unwrap());
        assert_eq!(ask.references(), [reference("farms")]);
        ask.resolve(&outlines(&[("farms", &["farms/a", "farms/b"])]))
            .unwrap();
        let Ask::Order(order) = &ask else {
            panic!("{ask:?}")
        };
        assert!(matches!(&order.products[0], Ordered::Quads(quads)
            if quads.area().unwrap().parts().len() == 2));
    }

    #[test]
    fn an_empty_collection_and_a_huge_one_have_no_price() {
        let mut empty = bulk(&[subscription("farms", &json!({}))]);
        let why = empty.resolve(&outlines(&[("farms", &[])])).unwrap_err().why;
        assert!(why.contains("holds no feature"), "{why}");
        let many: Vec<String> = (0..600).map(|farm| format!("farms/{farm}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let twice = subscription("farms", &json!({}));
        let why = bulk(&[twice.clone(), twice])
            .resolve(&outlines(&[("farms", &many)]))
            .unwrap_err()
            .why;
        assert!(why.contains("more than 1000"), "{why}");
    }
}
