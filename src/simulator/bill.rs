//! What the pretend Planet has charged. A charge is written down before its answer is sent, once a request.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::figures;
use crate::units::{Amount, Pu, SquareKm, UtcTime};

/// So many different paths are counted one by one; the rest share a line.
const MAX_ROUTES: usize = 10_000;

/// One entry of the bill.
#[derive(Clone, Debug, Serialize)]
pub struct Charge {
    pub time: UtcTime,
    pub method: String,
    pub path: String,
    pub api: &'static str,
    pub pu: Pu,
    /// Area times days under management.
    pub aum: SquareKm,
    /// Downloaded area, as plans with a download quota count it.
    pub km2: SquareKm,
    /// Area reserved for a product.
    pub quota: SquareKm,
    pub tiles: u64,
    pub what: String,
}

impl Charge {
    pub(super) fn of(api: &'static str, what: impl Into<String>) -> Self {
        Self {
            time: UtcTime::UNIX_EPOCH,
            method: String::new(),
            path: String::new(),
            api,
            pu: Pu::ZERO,
            aum: SquareKm::ZERO,
            km2: SquareKm::ZERO,
            quota: SquareKm::ZERO,
            tiles: 0,
            what: what.into(),
        }
    }

    pub(super) fn pu(self, pu: Pu) -> Self {
        Self { pu, ..self }
    }

    pub(super) fn aum(self, aum: SquareKm) -> Self {
        Self { aum, ..self }
    }

    pub(super) fn km2(self, km2: SquareKm) -> Self {
        Self { km2, ..self }
    }

    pub(super) fn quota(self, quota: SquareKm) -> Self {
        Self { quota, ..self }
    }

    pub(super) fn tiles(self, tiles: u64) -> Self {
        Self { tiles, ..self }
    }
}

/// Every charge so far, and how often each route was called.
#[derive(Clone, Debug, Default)]
pub struct Bill {
    pub charges: Vec<Charge>,
    requests: BTreeMap<String, u64>,
}

impl Bill {
    pub fn total_pu(&self) -> Pu {
        sum(self.charges.iter().map(|charge| charge.pu.amount())).into()
    }

    pub fn total_aum(&self) -> SquareKm {
        sum(self.charges.iter().map(|charge| charge.aum.amount())).into()
    }

    pub fn total_km2(&self) -> SquareKm {
        sum(self.charges.iter().map(|charge| charge.km2.amount())).into()
    }

    pub fn total_quota(&self) -> SquareKm {
        sum(self.charges.iter().map(|charge| charge.quota.amount())).into()
    }

    pub fn total_tiles(&self) -> u64 {
        self.charges.iter().map(|charge| charge.tiles).sum()
    }

    /// What one API cost, by the name that policies use for it.
    pub fn pu_of(&self, api: &str) -> Pu {
        let charges = self.charges.iter().filter(|charge| charge.api == api);
        sum(charges.map(|charge| charge.pu.amount())).into()
    }

    /// How many requests came to `POST /api/v1/process`, for instance, whatever became of them.
    pub fn requests_to(&self, route: &str) -> u64 {
        self.requests.get(route).copied().unwrap_or_default()
    }

    pub fn total_requests(&self) -> u64 {
        self.requests.values().sum()
    }

    pub(super) fn saw(&mut self, method: &str, path: &str) {
        let route = format!("{method} {path}");
        let known = self.requests.len() < MAX_ROUTES || self.requests.contains_key(&route);
        let route = if known { route } else { "other".to_owned() };
        *self.requests.entry(route).or_default() += 1;
    }

    /// Puts another price on the latest charge whose words have this in them.
    pub(super) fn reprice(&mut self, words: &str, price: impl FnOnce(f64) -> f64) {
        let mut latest_first = self.charges.iter_mut().rev();
        if let Some(charge) = latest_first.find(|charge| charge.what.contains(words)) {
            charge.pu = figures::pu(price(figures::processing_units(charge.pu)));
        }
    }

    /// What all charges but the latest cost whose words have this in them.
    pub(super) fn pu_behind(&self, words: &str) -> f64 {
        let own = self.charges.iter().rev();
        let own = own.filter(|charge| charge.what.contains(words)).skip(1);
        own.map(|charge| figures::processing_units(charge.pu)).sum()
    }

    pub(super) fn to_json(&self) -> Value {
        let apis: BTreeMap<_, _> = self
            .charges
            .iter()
            .map(|charge| (charge.api, self.pu_of(charge.api).to_string()))
            .collect();
        json!({
            "totals": {
                "pu": self.total_pu().to_string(),
                "aum": self.total_aum().to_string(),
                "km2": self.total_km2().to_string(),
                "quota": self.total_quota().to_string(),
                "tiles": self.total_tiles(),
                "requests": self.total_requests(),
            },
            "pu_by_api": apis,
            "requests": self.requests,
            "charges": self.charges.iter().map(charge_json).collect::<Vec<_>>(),
        })
    }
}

/// Amounts are strings here, so that no reader makes a double of them.
fn charge_json(charge: &Charge) -> Value {
    json!({
        "time": charge.time.to_string(),
        "method": charge.method,
        "path": charge.path,
        "api": charge.api,
        "pu": charge.pu.to_string(),
        "aum": charge.aum.to_string(),
        "km2": charge.km2.to_string(),
        "quota": charge.quota.to_string(),
        "tiles": charge.tiles,
        "what": charge.what,
    })
}

fn sum(amounts: impl Iterator<Item = Amount>) -> Amount {
    amounts.fold(Amount::ZERO, Amount::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_exact_and_apart_for_each_api() {
        let pu = |micros| Pu::from_micros(micros).unwrap();
        let bill = Bill {
            charges: vec![
                Charge::of("process", "a").pu(pu(100_000)),
                Charge::of("process", "b").pu(pu(200_000)),
                Charge::of("orders", "c").pu(pu(1)),
            ],
            ..Bill::default()
        };
        assert_eq!(bill.total_pu(), pu(300_001));
        assert_eq!(bill.pu_of("process"), pu(300_000));
        assert_eq!(bill.to_json()["totals"]["pu"], "0.300001");
        assert_eq!(bill.to_json()["pu_by_api"]["orders"], "0.000001");
    }

    #[test]
    fn the_count_of_routes_is_bounded_but_no_request_is_lost() {
        let mut bill = Bill::default();
        for number in 0..MAX_ROUTES + 5 {
            bill.saw("GET", &format!("/{number}"));
        }
        assert_eq!(bill.requests_to("other"), 5);
        assert_eq!(bill.total_requests(), 10_005);
    }
}
