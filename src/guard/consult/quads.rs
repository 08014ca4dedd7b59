//! How many quads of a mosaic an area touches: by Planet's own count, else at most by the mosaic's grid.

use super::errand::{Errand, Mishap, Visit};
use crate::planet::basemaps::{self, Mosaic, Touched};
use crate::planet::geometry::Shape;
use crate::planet::orders::{OrderAsk, Ordered, Quads};

/// Products of one order that are looked up.
const MOST_PRODUCTS: usize = 10;

/// Writes into the products of an order how many quads they are of.
pub(super) async fn count(order: &mut OrderAsk, visit: &Visit<'_>) {
    let by_area = order
        .products
        .iter_mut()
        .filter_map(|product| match product {
            Ordered::Quads(quads) if quads.area().is_some() => Some(quads),
            Ordered::Quads(_) | Ordered::Scenes(_) => None,
        });
    for (place, quads) in by_area.enumerate() {
        let counted = match quads.area() {
            Some(area) if place < MOST_PRODUCTS => touched(quads, area, visit).await,
            _ => Err(Mishap::TooMany),
        };
        quads.touched = counted.unwrap_or_else(|mishap| Touched::Unknown(mishap.to_string()));
    }
}

/// Whether some product is of quads that an area touches.
pub(super) fn is_asked_for(order: &OrderAsk) -> bool {
    let by_area =
        |product: &Ordered| matches!(product, Ordered::Quads(quads) if quads.area().is_some());
    order.products.iter().any(by_area)
}

async fn touched(quads: &Quads, area: &Shape, visit: &Visit<'_>) -> Result<Touched, Mishap> {
    let named = Errand::get(basemaps::mosaics_path(&quads.mosaic));
    let mosaic = basemaps::read_mosaic(&visit.run(named).await?, &quads.mosaic)?;
    match counted(&mosaic, area, visit).await {
        Ok(count) => Ok(Touched::Counted(count)),
        Err(mishap) => mosaic.most_quads(area).map(Touched::AtMost).ok_or(mishap),
    }
}

async fn counted(mosaic: &Mosaic, area: &Shape, visit: &Visit<'_>) -> Result<u64, Mishap> {
    let body = area.to_geojson().to_string();
    let answer = visit.run(Errand::post(&mosaic.count_path(), body)).await?;
    Ok(basemaps::read_quad_count(&answer)?)
}
