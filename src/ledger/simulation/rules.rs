//! What a replica's policy says in a run: nested budgets with small limits, so that they are really met.

use std::sync::Arc;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use super::dice::Dice;
use crate::ledger::{Cap, NewReservation, NewTopUp, RequestId};
use crate::policy::{Account, Claim};
use crate::units::{Amount, Amounts, Unit, UtcTime, Window, WindowKind};

pub(super) const TEAMS: [&str; 2] = ["a", "b"];

#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// About what the widest budget allows, in micro-units; requests are small and large beside it.
    scale: u64,
    /// Nearly all requests are tiny, as tiles are, so that leases give nearly all of them.
    tiles: bool,
    budgets: Vec<Budget>,
}

#[derive(Clone, Debug)]
struct Budget {
    name: Arc<str>,
    unit: Unit,
    per_team: bool,
    window: Window,
    limit: Option<Amount>,
    enforced: bool,
}

impl Rules {
    pub(super) fn of(dice: &mut Dice, start: UtcTime) -> Self {
        let scale = dice.pick(&[3, 20, 100, 1000]) * 1_000_000;
        let tiles = dice.chance(500);
        let mut budgets = vec![Budget::of("org", Unit::Pu, false, scale, dice, start)];
        if dice.chance(700) {
            let limit = dice.between(scale / 3, scale);
            budgets.push(Budget::of("team", Unit::Pu, true, limit, dice, start));
        }
        if dice.chance(if tiles { 200 } else { 500 }) {
            let limit = dice.pick(&[5, 40, 200, 1000]) * 1_000_000;
            budgets.push(Budget::of(
                "calls",
                Unit::Requests,
                false,
                limit,
                dice,
                start,
            ));
        }
        Self {
            scale,
            tiles,
            budgets,
        }
    }

    /// The same with another limit, or with a budget more or less.
    pub(super) fn edited(&self, dice: &mut Dice) -> Self {
        let mut next = self.clone();
        let place = dice.index(next.budgets.len());
        let budget = &mut next.budgets[place];
        let before = budget.limit.map_or(self.scale, micros);
        match dice.below(10) {
            0 => budget.enforced = !budget.enforced,
            1 => budget.limit = None,
            2 => budget.limit = Some(Amount::ZERO),
            3..=5 => budget.limit = Some(amount(dice.between(before / 2, before))),
            6 => {
                let team = next.budgets.iter().position(|budget| budget.per_team);
                if let Some(place) = team {
                    drop(next.budgets.remove(place));
                } else {
                    let limit = dice.between(self.scale / 3, self.scale);
                    let start = UtcTime::UNIX_EPOCH;
                    let added = Budget::of("team", Unit::Pu, true, limit, dice, start);
                    next.budgets.push(added);
                }
            }
            _ => budget.limit = Some(amount(dice.between(before, before * 2 + 1_000_000))),
        }
        next
    }

    pub(super) fn caps(&self) -> Vec<Cap> {
        let cap = |budget: &Budget| Cap {
            budget: Arc::clone(&budget.name),
            unit: budget.unit,
            limit: budget.limit.filter(|_| budget.enforced),
        };
        self.budgets.iter().map(cap).collect()
    }

    /// A request as a client sends it and as this policy judges it.
    pub(super) fn request(
        &self,
        dice: &mut Dice,
        request: RequestId,
        now: UtcTime,
    ) -> NewReservation {
        let team = dice.pick(&TEAMS);
        let size = match dice.below(if self.tiles { 1000 } else { 100 }) {
            86..95 => dice.between(self.scale / 200, self.scale / 20),
            95..99 => dice.between(self.scale / 20, self.scale),
            99 => dice.between(self.scale, self.scale * 3),
            _ => dice.between(1, self.scale / 300),
        };
        let mut predicted = Amounts::of(Unit::Pu, amount(size));
        predicted.set(Unit::Requests, Amount::ONE);
        NewReservation {
            request,
            team: team.into(),
            key: "key".into(),
            api: "process",
            product: None,
            tag: None,
            fingerprint: None,
            claims: self.claims(team, &predicted, now),
            predicted,
            certain: dice.chance(if self.tiles { 10 } else { 80 }),
        }
    }

    pub(super) fn top_up(&self, dice: &mut Dice, now: UtcTime) -> NewTopUp {
        let budget = &self.budgets[dice.index(self.budgets.len())];
        let most = budget.limit.map_or(self.scale, micros) / 2 + 1;
        let life = jiff::SignedDuration::from_secs(dice.pick(&[1, 20, 7200]));
        let partition = if budget.per_team {
            format!("team={}", dice.pick(&TEAMS)).into()
        } else {
            "".into()
        };
        NewTopUp {
            budget: Arc::clone(&budget.name),
            partition,
            unit: budget.unit,
            amount: amount(dice.between(1, most)),
            expires_at: dice.chance(600).then_some(now + life),
            reason: "harvest".into(),
            by: "ops".into(),
            key: None,
        }
    }

    /// In the order of their accounts, as the policy makes them.
    fn claims(&self, team: &str, predicted: &Amounts, now: UtcTime) -> Vec<Claim> {
        let claim = |budget: &Budget| {
            let amount = predicted.get(budget.unit).filter(|some| !some.is_zero())?;
            let account = Account {
                budget: Arc::clone(&budget.name),
                partition: if budget.per_team {
                    format!("team={team}").into()
                } else {
                    "".into()
                },
                unit: budget.unit,
                window: budget.window.at(now)?,
            };
            Some(Claim {
                account,
                amount,
                limit: budget.limit,
                enforced: budget.enforced,
            })
        };
        let mut claims: Vec<Claim> = self.budgets.iter().filter_map(claim).collect();
        claims.sort_by(|one, other| one.account.cmp(&other.account));
        claims
    }
}

impl Budget {
    fn of(
        name: &str,
        unit: Unit,
        per_team: bool,
        limit: u64,
        dice: &mut Dice,
        start: UtcTime,
    ) -> Self {
        let zone = dice.pick(&["UTC", "Europe/Berlin"]);
        let end = start + jiff::SignedDuration::from_secs(dice.pick(&[5, 60, 10_000]));
        let term = WindowKind::Term { start, end };
        let (day, month) = (WindowKind::Day, WindowKind::Month(1));
        let week = WindowKind::Week(Weekday::Sunday); // as the run begins, so does one
        let kind = dice.pick(&[day, day, day, week, month, WindowKind::Forever, term]);
        Self {
            name: name.into(),
            unit,
            per_team,
            window: Window {
                kind,
                zone: TimeZone::get(zone).expect("a zone of the bundle"),
            },
            limit: dice.chance(970).then(|| amount(limit)),
            enforced: dice.chance(950),
        }
    }
}

pub(super) fn amount(micros: u64) -> Amount {
    let micros = i64::try_from(micros).expect("small");
    Amount::from_micros(micros).expect("not negative")
}

pub(super) fn micros(amount: Amount) -> u64 {
    amount.micros().unsigned_abs()
}
