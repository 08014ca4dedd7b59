//! What the end of something that was followed says of its request's charge: pure.

use crate::cost::{Plan, Prices, delivered};
use crate::ledger::{Evidence, Followed, Record, State, TRUE_UP};
use crate::planet::{Course, End};
use crate::units::{Amount, Amounts, Unit};

/// What is to be done about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It goes on, or its figure may yet move.
    Open,
    Correct(Evidence),
    /// What is in the books stands; why, where people want to read it.
    Stands(Option<String>),
}

/// Everything else that a verdict hangs on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms<'a> {
    pub(super) prices: &'a Prices,
    pub(super) plan: &'a Plan,
    /// What earlier requests were charged for the same thing.
    pub(super) earlier: Amount,
    /// Whether a later request has started it again.
    pub(super) started_again: bool,
}

/// Judges what was seen of a request's thing.
pub(super) fn judge(one: &Followed, course: &Course, record: &Record, terms: Terms<'_>) -> Verdict {
    let Some(end) = &course.end else {
        return Verdict::Open;
    };
    let booked = match &record.state {
        State::Held => return Verdict::Open,
        State::Unknown { .. } => Amounts::default(),
        State::Settled(charge) if record.state.is_only_predicted() => charge.amounts.clone(),
        State::Settled(_) | State::Voided | State::Reconciled(_) => return Verdict::Stands(None),
    };
    let doubtful = record.is_unknown();
    match end {
        End::Took(_) if one.state.as_deref() != Some(&course.state) => Verdict::Open,
        End::Took(_) if terms.started_again => untold(
            doubtful,
            "the task was started again before its cost was seen",
        ),
        End::Took(total) => {
            let pu = total.amount().minus(terms.earlier);
            let why = format!("Planet shows it as {}", course.state);
            Verdict::Correct(evidence(with(booked, Unit::Pu, pu), why))
        }
        End::Nothing { units, why } => {
            let free = units
                .iter()
                .filter(|unit| record.predicted.get(**unit).is_some());
            let amounts = free.fold(booked, |amounts, unit| with(amounts, *unit, Amount::ZERO));
            Verdict::Correct(evidence(amounts, (*why).to_owned()))
        }
        End::Without(ask, missing) => {
            let charged = booked.get(Unit::Pu).or(record.predicted.get(Unit::Pu));
            let left = charged.and_then(|charged| {
                delivered::without(ask, missing, charged, terms.prices, terms.plan)
            });
            let Some(left) = left else {
                return untold(doubtful, "what was delivered of it has no price");
            };
            let why = format!("{} of its items were not delivered", missing.len());
            Verdict::Correct(evidence(with(booked, Unit::Pu, left), why))
        }
        End::AsAsked if doubtful => {
            let why = "it was done as it was asked for".to_owned();
            Verdict::Correct(evidence(booked, why))
        }
        End::AsAsked => Verdict::Stands(None),
        End::Untold(why) => untold(doubtful, why),
    }
}

/// What was in doubt is not any more: it happened, and costs what was predicted. What was not in doubt stands.
fn untold(doubtful: bool, why: &str) -> Verdict {
    if doubtful {
        let why = format!("it took effect, and costs what was predicted: {why}");
        return Verdict::Correct(evidence(Amounts::default(), why));
    }
    Verdict::Stands(Some(why.to_owned()))
}

fn evidence(amounts: Amounts, why: String) -> Evidence {
    Evidence {
        amounts,
        by: TRUE_UP.to_owned(),
        why,
    }
}

fn with(mut amounts: Amounts, unit: Unit, amount: Amount) -> Amounts {
    amounts.set(unit, amount);
    amounts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ledger::{Charge, ChargeSource, NewFollowed, NewReservation, RequestId};
    use crate::planet::{Kind, Made, orders};
    use crate::units::{Pu, UtcTime};

    const NOW: UtcTime = UtcTime::UNIX_EPOCH;

    fn whole(units: u64) -> Amount {
        Amount::from_whole(units).unwrap()
    }

    fn predicted() -> Amounts {
        [(Unit::Pu, whole(100)), (Unit::Aum, whole(7))]
            .into_iter()
            .collect()
    }

    fn record(state: State) -> Record {
        let new = NewReservation {
            request: RequestId::new(NOW, [1; 10]),
            team: "agriculture".into(),
            key: "ag".into(),
            api: "orders",
            product: None,
            tag: None,
            fingerprint: None,
            predicted: predicted(),
            claims: Vec::new(),
            certain: true,
        };
        Record {
            state,
            ..new.held(NOW)
        }
    }

    fn settled() -> Record {
        record(State::Settled(Charge {
            amounts: predicted(),
            source: ChargeSource::Predicted,
        }))
    }

    fn unknown() -> Record {
        record(State::Unknown { why: "lost".into() })
    }

    fn seen_as(state: &str) -> Followed {
        let new = NewFollowed {
            request: RequestId::new(NOW, [1; 10]),
            upstream: "planet".into(),
            made: Made {
                kind: Kind::Order,
                name: "a".into(),
                path: "/a".into(),
            },
        };
        Followed {
            state: Some(state.to_owned()),
            ..new.begin(NOW)
        }
    }

    fn course(end: End) -> Course {
        let state = "DONE".to_owned();
        let end = Some(end);
        Course { state, end }
    }

    fn verdict(end: End, record: &Record, earlier: u64, started_again: bool) -> Verdict {
        let (prices, plan) = (Prices::default(), Plan::default());
        let terms = Terms {
            prices: &prices,
            plan: &plan,
            earlier: whole(earlier),
            started_again,
        };
        judge(&seen_as("DONE"), &course(end), record, terms)
    }

    fn corrected(verdict: Verdict) -> (Option<Amount>, Option<Amount>) {
        match verdict {
            Verdict::Correct(evidence) => {
                assert_eq!(evidence.by, TRUE_UP);
                (
                    evidence.amounts.get(Unit::Pu),
                    evidence.amounts.get(Unit::Aum),
                )
            }
            other => panic!("{other:?}"),
        }
    }

    fn took(pu: u64) -> End {
        End::Took(Pu::from_whole(pu).unwrap())
    }

    #[test]
    fn a_figure_counts_once_it_stands_still() {
        let (prices, plan) = (Prices::default(), Plan::default());
        let terms = Terms {
            prices: &prices,
            plan: &plan,
            earlier: Amount::ZERO,
            started_again: false,
        };
        let moving = judge(
            &seen_as("PROCESSING"),
            &course(took(120)),
            &settled(),
            terms,
        );
        assert_eq!(moving, Verdict::Open);
        let still = verdict(took(120), &settled(), 0, false);
        assert_eq!(corrected(still), (Some(whole(120)), Some(whole(7))));
    }

    #[test]
    fn a_task_that_was_resumed_costs_each_start_its_own_part() {
        let second = verdict(took(250), &settled(), 120, false);
        assert_eq!(corrected(second).0, Some(whole(130)));
        let more_than_all = verdict(took(50), &settled(), 120, false);
        assert_eq!(corrected(more_than_all).0, Some(Amount::ZERO));
        let first = verdict(took(250), &settled(), 0, true);
        assert!(matches!(first, Verdict::Stands(Some(_))), "{first:?}");
    }

    #[test]
    fn what_is_free_is_given_back_in_its_units_alone() {
        let nothing = |record: &Record| {
            let end = End::Nothing {
                units: &[Unit::Pu, Unit::Quota],
                why: "it failed",
            };
            corrected(verdict(end, record, 0, false))
        };
        assert_eq!(nothing(&settled()), (Some(Amount::ZERO), Some(whole(7))));
        assert_eq!(nothing(&unknown()), (Some(Amount::ZERO), None));
    }

    #[test]
    fn an_order_without_an_item_costs_less() {
        let body = json!({"products": [
            {"item_type": "PSScene", "product_bundle": "visual", "item_ids": ["a", "b"]}]});
        let ask = orders::read(body.to_string().as_bytes()).unwrap();
        let part = End::Without(Box::new(ask), vec!["b".into()]);
        let part = verdict(part, &settled(), 0, false);
        assert_eq!(corrected(part), (Some(whole(50)), Some(whole(7))));
    }

    #[test]
    fn without_a_figure_the_prediction_stands_and_doubt_ends() {
        let told = verdict(End::AsAsked, &settled(), 0, false);
        assert_eq!(told, Verdict::Stands(None));
        let untold = verdict(End::Untold("nobody says"), &settled(), 0, false);
        assert_eq!(untold, Verdict::Stands(Some("nobody says".into())));
        for end in [End::AsAsked, End::Untold("nobody says")] {
            assert_eq!(corrected(verdict(end, &unknown(), 0, false)), (None, None));
        }
    }

    #[test]
    fn what_was_cleared_up_otherwise_stays_so() {
        for state in [
            State::Voided,
            State::Reconciled(evidence(Amounts::default(), "seen".into())),
            State::Settled(Charge {
                amounts: predicted(),
                source: ChargeSource::Header,
            }),
        ] {
            let verdict = verdict(took(5), &record(state), 0, false);
            assert_eq!(verdict, Verdict::Stands(None));
        }
        assert_eq!(
            verdict(took(5), &record(State::Held), 0, false),
            Verdict::Open
        );
    }
}
