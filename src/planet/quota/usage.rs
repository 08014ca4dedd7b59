//! What an account has used, by Planet's own figures: of products that quota is reserved for, and of plans that
//! count what is downloaded.

use serde::Deserialize;
use serde_json::Value;

use super::answers::{RawList, named, read, square_km};
use crate::planet::answer::Doubt;
use crate::units::SquareKm;

/// Where the plans of an account are shown, though not documented for good.
pub const PLANS_PATH: &str = "/auth/v1/experimental/public/my/subscriptions";

/// One of Planet's figures.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Used {
    /// Everything that it is known by; the first is told to people.
    pub names: Vec<String>,
    pub area: SquareKm,
}

#[derive(Deserialize)]
struct RawProduct {
    id: i64,
    name: Option<String>,
    product: Option<Value>,
    #[serde(default)]
    resource_ids: Vec<String>,
    quota_units: Option<String>,
    quota_used: Option<Value>,
}

#[derive(Deserialize)]
struct RawPlan {
    quota_enabled: Option<bool>,
    quota_sqkm: Option<Value>,
    quota_used: Option<Value>,
    quota_style: Option<String>,
    state: Option<String>,
}

/// Reads a page of `/my/products`: what was reserved, in km². A product without such a figure is left out.
/// Whether there are more pages is the other half.
pub fn read_reserved(answer: &[u8]) -> Result<(Vec<Used>, bool), Doubt> {
    let RawList { meta, results } = read::<RawList<RawProduct>>(answer)?;
    let mut all = Vec::new();
    for product in results {
        let unit = product.quota_units.as_deref().unwrap_or("sqkm");
        let Some(used) = product.quota_used.as_ref().filter(|used| !used.is_null()) else {
            continue;
        };
        let Ok(area) = square_km(used, unit) else {
            continue; // counted in something else
        };
        let name = product.name.or_else(|| named(product.product));
        let mut names = product.resource_ids;
        names.extend(name);
        names.push(product.id.to_string());
        all.push(Used { names, area });
    }
    Ok((all, meta.more()))
}

/// Reads the list of plans: what was downloaded under all that are in force and count it; `None` where none does.
pub fn read_downloaded(answer: &[u8]) -> Result<Option<SquareKm>, Doubt> {
    let plans: Vec<RawPlan> = read(answer)?;
    let mut sum = None;
    for plan in plans.iter().filter(|plan| plan.counts_downloads()) {
        let Some(used) = plan.quota_used.as_ref().filter(|used| !used.is_null()) else {
            continue;
        };
        let more = square_km(used, "sqkm")?;
        let before = sum.unwrap_or(SquareKm::ZERO);
        let both = before.checked_add(more);
        sum = Some(both.ok_or_else(|| Doubt::new("it adds up to more than can be counted"))?);
    }
    Ok(sum)
}

impl RawPlan {
    /// Area under management is another thing than what is downloaded.
    fn counts_downloads(&self) -> bool {
        let style = self.quota_style.as_deref().unwrap_or_default();
        let style = style.to_ascii_lowercase();
        self.quota_enabled != Some(false)
            && self
                .quota_sqkm
                .as_ref()
                .is_some_and(|quota| !quota.is_null())
            && self.state.as_deref().is_none_or(|state| state == "active")
            && !style.contains("management")
            && !style.contains("aum")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn micros(area: SquareKm) -> i64 {
        area.amount().micros()
    }

    #[test]
    fn what_is_reserved_is_read_in_its_unit() {
        let page = json!({"meta": {"next": "https://api.planet.com/next"}, "results": [
            {"id": 1, "name": "A", "resource_ids": ["A_1"], "quota_used": 25.5, "quota_units": "sqkm"},
            {"id": 2, "product": {"name": "B"}, "quota_used": "2.5e7", "quota_units": "sqm"},
            {"id": 3, "name": "C", "quota_used": null},
            {"id": 4, "name": "D"},
            {"id": 5, "name": "E", "quota_used": 7, "quota_units": "scenes"},
        ]});
        let (all, more) = read_reserved(page.to_string().as_bytes()).unwrap();
        let all: Vec<_> = all
            .iter()
            .map(|used| (&used.names[..], micros(used.area)))
            .collect();
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(more);
        assert_eq!(
            all,
            [
                (&names(&["A_1", "A", "1"])[..], 25_500_000),
                (&names(&["B", "2"])[..], 25_000_000),
            ]
        );
    }

    #[test]
    fn plans_in_force_that_count_downloads_are_added_up() {
        let plan = |used: Value, style: &str, state: &str| {
            json!({"quota_enabled": true, "quota_sqkm": 1000.0, "quota_used": used,
                "quota_style": style, "state": state})
        };
        let read = |plans: Value| {
            let sum = read_downloaded(plans.to_string().as_bytes()).unwrap();
            sum.map(micros)
        };
        let both = json!([
            plan(json!(1.5), "premium", "active"),
            plan(json!("2"), "starter", "active"),
            plan(json!(99), "premium", "expired"),
            plan(json!(99), "Area Under Management", "active")
        ]);
        assert_eq!(read(both), Some(3_500_000));
        assert_eq!(read(json!([])), None);
        assert_eq!(read(json!([plan(Value::Null, "premium", "active")])), None);
        assert_eq!(read(json!([{"quota_sqkm": null, "quota_used": 5}])), None);
        assert!(read_downloaded(br#"{"detail": "none"}"#).is_err());
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_a_panic(answer in any::<Vec<u8>>()) {
            let _ = (read_reserved(&answer), read_downloaded(&answer));
        }
    }
}
