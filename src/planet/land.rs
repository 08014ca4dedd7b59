//! The land that a request is charged for by its area: where it lies, what of it is locked already, and what
//! it locks once it has succeeded.

use super::Ask;
use super::geometry::{Covered, Locked, Sector, Shape};
use super::orders::{OrderAsk, Ordered};
use super::subscriptions::SubscriptionAsk;
use super::tools::Clip;
use crate::units::UtcTime;

impl Ask {
    /// What lies around all of it; `None` where no land is known that would count.
    pub fn sector(&self) -> Option<Sector> {
        let all = Shape::all(self.land());
        all.as_ref().map(Shape::sector)
    }

    /// Notes what is locked of it, at the earliest since then. Of several subscriptions each is locked for those
    /// behind it.
    pub fn cover(&mut self, locked: &mut Locked, since: Option<UtcTime>) {
        match self {
            Self::Order(order) => {
                order.covered = clipped_to(order)
                    .map(|clip| locked.cover(clip))
                    .unwrap_or_default();
            }
            Self::Subscriptions(all) => all.iter_mut().for_each(|one| one.cover(locked, since)),
            Self::Revision(change) => change.after.cover(locked, since),
            Self::Reactivation(all) => all.iter_mut().for_each(|one| one.ask.cover(locked, since)),
            _ => {}
        }
    }

    /// What is locked by it once it has succeeded, as far as it is new and not gigantic. A change of a
    /// subscription may have been charged for less than its area, and locks nothing.
    pub fn locks(&self) -> Option<Shape> {
        let new: Vec<Shape> = match self {
            Self::Order(order) => {
                let clip = clipped_to(order);
                clip.and_then(|clip| clip.uncovered(&order.covered))
                    .into_iter()
                    .collect()
            }
            Self::Subscriptions(all) => {
                let new = |one: &SubscriptionAsk| one.geometry.shape()?.uncovered(&one.covered);
                all.iter().filter_map(new).collect()
            }
            _ => Vec::new(),
        };
        Shape::all(&new)?.readable()
    }

    fn land(&self) -> Vec<&Shape> {
        match self {
            Self::Order(order) => clipped_to(order).into_iter().collect(),
            Self::Subscriptions(all) => all.iter().filter_map(|one| one.geometry.shape()).collect(),
            Self::Revision(change) => change.after.geometry.shape().into_iter().collect(),
            Self::Reactivation(all) => {
                let shapes = all.iter().filter_map(|one| one.ask.geometry.shape());
                shapes.collect()
            }
            _ => Vec::new(),
        }
    }
}

impl SubscriptionAsk {
    fn cover(&mut self, locked: &mut Locked, since: Option<UtcTime>) {
        let shape = self.geometry.shape();
        self.covered = shape.map(|shape| locked.cover(shape)).unwrap_or_default();
        let any = self
            .covered
            .iter()
            .any(|covered| *covered != Covered::default());
        self.locked_since = since.filter(|_| any);
    }
}

/// The area that scenes of an order are clipped to: what is not clipped may lie anywhere, and basemaps count
/// no area.
fn clipped_to(order: &OrderAsk) -> Option<&Shape> {
    let has_scenes = order
        .products
        .iter()
        .any(|product| matches!(product, Ordered::Scenes(_)));
    match &order.tools.clip {
        Some(Clip::To(aoi)) if has_scenes => aoi.shape(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planet::geometry::samples::{shape, square, square_east};
    use crate::planet::{orders, subscriptions};
    use serde_json::{Value, json};

    fn bulk(areas: &[Value]) -> Ask {
        let all: Vec<_> = areas
            .iter()
            .map(|area| {
                json!({"source": {"parameters": {
            "item_types": ["PSScene"], "asset_types": ["ortho_visual"], "geometry": area,
            "start_time": "2026-11-01T00:00:00Z"}}})
            })
            .collect();
        let body = json!({"subscriptions": all}).to_string();
        Ask::Subscriptions(subscriptions::read_bulk(body.as_bytes()).unwrap())
    }

    fn order(tools: &Value) -> Ask {
        let body = json!({"products": [{"item_type": "PSScene", "product_bundle": "visual",
            "item_ids": ["a"]}], "tools": tools});
        Ask::Order(orders::read(body.to_string().as_bytes()).unwrap())
    }

    #[test]
    fn one_of_several_locks_the_area_for_those_behind_it() {
        let mut ask = bulk(&[square(20_000), square_east(90_000, 5_000), square(20_000)]);
        ask.cover(&mut Locked::default(), None);
        let Ask::Subscriptions(all) = &ask else {
            panic!("{ask:?}")
        };
        let wholly: Vec<_> = all.iter().map(|one| one.covered[0].wholly).collect();
        assert_eq!(wholly, [false, false, true]);
        assert_eq!(ask.locks().unwrap().parts().len(), 2);
        ask.cover(&mut Locked::default(), None);
        assert_eq!(
            ask.locks().unwrap().parts().len(),
            2,
            "it may be looked at again"
        );
    }

    #[test]
    fn what_is_covered_knows_since_when() {
        let since = "2026-01-01T00:00:00Z".parse().ok();
        let mut locked = Locked::default();
        let mut ask = bulk(&[square(20_000), square_east(90_000, 5_000)]);
        locked.add(&shape(square(20_000)));
        ask.cover(&mut locked, since);
        let Ask::Subscriptions(all) = &ask else {
            panic!("{ask:?}")
        };
        let times: Vec<_> = all.iter().map(|one| one.locked_since).collect();
        assert_eq!(times, [since, None]);
    }

    #[test]
    fn an_order_locks_what_it_is_clipped_to() {
        let mut locked = Locked::default();
        let mut ask = order(&json!([{"clip": {"aoi": square(20_000)}}]));
        assert_eq!(ask.sector(), Some(shape(square(20_000)).sector()));
        ask.cover(&mut locked, None);
        assert_eq!(ask.locks().unwrap(), shape(square(20_000)));
        ask.cover(&mut locked, None);
        assert_eq!(ask.locks(), None);
        let whole = order(&json!([]));
        assert_eq!((whole.sector(), whole.locks()), (None, None));
    }
}
