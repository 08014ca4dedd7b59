//! What predictions are multiplied by before they are reserved: the policy's number, or what was learned
//! of each API and team from the charges that upstream told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::warn;

use crate::cost::{Factor, Margin, Ratios};
use crate::ledger::Told;
use crate::planet::Api;
use crate::policy::{Policy, SafetyMargin};
use crate::units::Amount;

/// The margins of a policy. What was learned is kept in memory, for as many teams as the policy has; at a start
/// the books tell it again.
#[derive(Debug)]
pub struct Margins {
    rule: SafetyMargin,
    learned: Mutex<HashMap<(Api, Arc<str>), Ratios>>,
}

/// What one request was predicted to cost by the published rule, in PU, and what upstream said it cost.
#[derive(Clone, Debug)]
pub struct PastCharge {
    pub api: Api,
    pub team: Arc<str>,
    pub predicted: Amount,
    pub charged: Amount,
}

impl PastCharge {
    /// `None` of an API that this version does not know.
    pub fn from_the_books(told: Told) -> Option<Self> {
        let Told {
            team,
            api,
            predicted,
            charged,
        } = told;
        Some(Self {
            api: api.parse().ok()?,
            team,
            predicted,
            charged,
        })
    }
}

impl Margins {
    /// Begins with what was charged of late, the oldest first.
    pub fn new(policy: &Policy, past: impl IntoIterator<Item = PastCharge>) -> Self {
        let margins = Self {
            rule: policy.safety_margin(),
            learned: Mutex::default(),
        };
        for charge in past {
            margins.learn(&charge);
        }
        margins
    }

    /// What was learned so far.
    pub fn factors(&self) -> Vec<(Api, Arc<str>, Factor)> {
        let learned = self.learned();
        let factor = |((api, team), ratios): (&(Api, Arc<str>), &Ratios)| {
            (*api, Arc::clone(team), ratios.factor())
        };
        learned.iter().map(factor).collect()
    }

    pub(super) fn of(&self, api: Api, team: &Arc<str>) -> Margin {
        match self.rule {
            SafetyMargin::Fixed(factor) => Margin::fixed(factor),
            SafetyMargin::Learned => {
                let learned = self.learned();
                let ratios = learned.get(&(api, Arc::clone(team)));
                Margin::learned(ratios.map_or(Factor::ONE, Ratios::factor))
            }
        }
    }

    /// Takes note of a charge, and says what it makes of the margin; `None` where nothing is learned.
    pub(super) fn learn(&self, charge: &PastCharge) -> Option<Factor> {
        let PastCharge {
            api,
            team,
            predicted,
            charged,
        } = charge;
        if self.rule != SafetyMargin::Learned || predicted.is_zero() {
            return None;
        }
        let mut learned = self.learned();
        let ratios = learned.entry((*api, Arc::clone(team))).or_default();
        let before = ratios.factor();
        ratios.add(Factor::of(*charged, *predicted));
        let now = ratios.factor();
        if now == Factor::MOST_LEARNED && before < now {
            warn!(%api, team.id = &**team, margin = %now, "predictions are far too low: look at the prices");
        }
        Some(now)
    }

    fn learned(&self) -> MutexGuard<'_, HashMap<(Api, Arc<str>), Ratios>> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn margins(rule: &str, past: impl IntoIterator<Item = PastCharge>) -> Margins {
        let text = format!(
            "[upstreams.planet]\nurl = \"https://a\"\nmount = \"/\"\n[policy]\nsafety_margin = {rule}\n"
        );
        Margins::new(&Policy::parse(&text, "p.toml").unwrap(), past)
    }

    fn charge(api: Api, team: &str, predicted: &str, charged: &str) -> PastCharge {
        PastCharge {
            api,
            team: team.into(),
            predicted: predicted.parse().unwrap(),
            charged: charged.parse().unwrap(),
        }
    }

    fn factor(text: &str) -> Factor {
        Factor::new(text.parse().unwrap()).unwrap()
    }

    #[test]
    fn what_is_learned_of_one_team_and_api_is_said_of_no_other() {
        let past = [
            charge(Api::Process, "ag", "2", "2.5"),
            charge(Api::Process, "ag", "2", "0.1"),
            charge(Api::Process, "forest", "0", "7"),
        ];
        let margins = margins("\"learned\"", past);
        let of = |api, team: &str| margins.of(api, &team.into());
        assert_eq!(of(Api::Process, "ag"), Margin::learned(factor("1.25")));
        for (api, team) in [(Api::Process, "forest"), (Api::Ogc, "ag")] {
            assert_eq!(of(api, team), Margin::learned(Factor::ONE), "{api} {team}");
        }
    }

    #[test]
    fn a_number_is_the_number_whatever_was_charged() {
        let margins = margins("1.5", [charge(Api::Process, "ag", "1", "9")]);
        let fixed = Margin::fixed(factor("1.5"));
        assert_eq!(margins.of(Api::Process, &"ag".into()), fixed);
        assert_eq!(margins.learn(&charge(Api::Ogc, "ag", "1", "9")), None);
    }

    #[test]
    fn what_the_books_tell_is_learned_of_apis_that_are_known() {
        let told = |api: &str| Told {
            team: "ag".into(),
            api: api.into(),
            predicted: "2".parse().unwrap(),
            charged: "3".parse().unwrap(),
        };
        let past = [told("ogc"), told("of tomorrow")];
        let past = past.into_iter().filter_map(PastCharge::from_the_books);
        let learned = margins("\"learned\"", past).factors();
        assert_eq!(learned, [(Api::Ogc, "ag".into(), factor("1.5"))]);
    }
}
