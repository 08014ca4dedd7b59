//! What a budget in the file must keep to, so that it means one thing and does something.

use std::collections::BTreeSet;

use super::budgets::{BreachStatus, Budget, Dimension, OnBreach};
use super::fault::{Fault, Path};
use super::people::People;
use super::raw::RawBudget;
use super::{matching, windows};
use crate::cost::{Charged, Plan};
use crate::units::{Percent, Unit};

/// All budgets, in order of name.
pub(super) fn budgets(
    raw: Vec<RawBudget>,
    people: &People,
    plan: &Plan,
) -> Result<Vec<Budget>, Fault> {
    let mut all: Vec<Budget> = Vec::with_capacity(raw.len());
    for (position, raw) in raw.into_iter().enumerate() {
        let here = Path::to("budgets").item(position);
        if all.iter().any(|other| other.name == raw.name.0) {
            return Err(Fault::new(
                here.key("name"),
                format!("there is a budget '{}' already", raw.name.0),
                "each budget needs a name of its own: the books are kept under it",
            ));
        }
        charged_at_all(raw.unit, plan, &here)?;
        all.push(budget(raw, people, &here)?);
    }
    all.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(all)
}

fn budget(raw: RawBudget, people: &People, here: &Path) -> Result<Budget, Fault> {
    consistent(&raw, here)?;
    let RawBudget {
        name,
        unit,
        limit,
        window,
        timezone,
        anchor,
        per,
        matching,
        on_breach,
        status,
        alerts,
    } = raw;
    Ok(Budget {
        name: name.0,
        unit,
        limit,
        window: windows::window(&window, timezone.as_deref(), anchor.as_ref(), here)?,
        per: dimensions(&per, &here.key("per"))?,
        matching: matching::matching(matching, people, &here.key("match"))?,
        on_breach: on_breach.unwrap_or_default(),
        status: breach_status(status, &here.key("status"))?,
        alerts: rising(alerts, &here.key("alerts"))?,
    })
}

fn charged_at_all(unit: Unit, plan: &Plan, here: &Path) -> Result<(), Fault> {
    if unit != Unit::Km2 || plan.charges.contains(&Charged::Km2) {
        return Ok(());
    }
    Err(Fault::new(
        here.key("unit"),
        "this plan never charges km², so the budget would limit nothing",
        "choose another unit, or add \"km2\" to [plan] charges if Planet charges your account so",
    ))
}

/// Refuses what only means something together with what is not there.
fn consistent(raw: &RawBudget, here: &Path) -> Result<(), Fault> {
    let unlimited = raw.limit.is_none();
    let without_limit = [
        ("on_breach", raw.on_breach.is_some()),
        ("status", raw.status.is_some()),
        ("alerts", !raw.alerts.is_empty()),
    ];
    if let Some((key, _)) = without_limit.iter().find(|(_, set)| *set && unlimited) {
        return Err(Fault::new(
            here.key(key),
            format!("a budget without a limit is never breached, so {key} would do nothing"),
            format!("add a limit, or remove {key}"),
        ));
    }
    if raw.status.is_some() && raw.on_breach == Some(OnBreach::Allow) {
        return Err(Fault::new(
            here.key("status"),
            "a budget with on_breach = \"allow\" refuses nothing, so its status would never be sent",
            "remove status, or write on_breach = \"reject\"",
        ));
    }
    Ok(())
}

fn dimensions(written: &[Dimension], here: &Path) -> Result<BTreeSet<Dimension>, Fault> {
    let mut all = BTreeSet::new();
    for (position, dimension) in written.iter().enumerate() {
        if !all.insert(*dimension) {
            return Err(Fault::new(
                here.item(position),
                format!("'{dimension}' is listed twice"),
                "name each dimension once",
            ));
        }
    }
    Ok(all)
}

fn breach_status(written: Option<u16>, here: &Path) -> Result<BreachStatus, Fault> {
    match written {
        None => Ok(BreachStatus::default()),
        Some(403) => Ok(BreachStatus::Forbidden),
        Some(402) => Ok(BreachStatus::PaymentRequired),
        Some(429) => Ok(BreachStatus::TooManyRequests),
        Some(other) => Err(Fault::new(
            here.clone(),
            format!("a refusal cannot have the status {other}"),
            "write 403, 402, or 429 (which SDKs answer by trying again)",
        )),
    }
}

fn rising(alerts: Vec<Percent>, here: &Path) -> Result<Vec<Percent>, Fault> {
    const HIGHEST: Percent = Percent(1000);
    for (position, alert) in alerts.iter().enumerate() {
        let above = position
            .checked_sub(1)
            .map_or(Percent(0), |before| alerts[before]);
        if *alert <= above || *alert > HIGHEST {
            return Err(Fault::new(
                here.item(position),
                format!("an alert cannot stand at {} here", alert.0),
                format!("write rising percentages from 1 to {}", HIGHEST.0),
            ));
        }
    }
    Ok(alerts)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_refused, policy, read};
    use super::*;
    use crate::units::Amount;

    fn budget(rest: &str) -> String {
        format!("[[budgets]]\nname = \"b\"\nunit = \"pu\"\n{rest}")
    }

    #[test]
    fn a_budget_is_read_whole() {
        let policy = policy(
            "[[budgets]]\nname = \"b\"\nunit = \"aum\"\nlimit = 0.25\nwindow = \"month\"\n\
             timezone = \"Europe/Berlin\"\nper = [\"key\", \"team\"]\non_breach = \"reject\"\n\
             status = 429\nalerts = [50, 90, 100, 120]\nmatch = { teams = [\"forest\"] }\n",
        );
        let budget = policy.budget("b").unwrap();
        assert_eq!(budget.limit(), Amount::from_micros(250_000));
        assert_eq!(budget.window().zone.iana_name(), Some("Europe/Berlin"));
        assert_eq!(
            budget.per().iter().copied().collect::<Vec<_>>(),
            [Dimension::Team, Dimension::Key]
        );
        assert_eq!(budget.status().code(), 429);
        assert_eq!(budget.alerts().last(), Some(&Percent(120)));
        assert!(budget.is_enforced());
    }

    #[test]
    fn a_limit_of_nothing_is_not_no_limit() {
        let limited = policy(&budget("limit = 0\nwindow = \"day\""));
        assert_eq!(limited.budget("b").unwrap().limit(), Some(Amount::ZERO));
        assert!(limited.budget("b").unwrap().is_enforced());
        let open = policy(&budget("window = \"day\""));
        assert_eq!(open.budget("b").unwrap().limit(), None);
        assert!(!open.budget("b").unwrap().is_enforced());
    }

    #[test]
    fn limits_are_exact_amounts() {
        assert_refused(&[
            (
                &budget("window = \"day\"\nlimit = -5"),
                "-5",
                "not a plain decimal",
            ),
            (
                &budget("window = \"day\"\nlimit = 0.1234567"),
                "0.1234567",
                "6 decimals",
            ),
            (
                &budget("window = \"day\"\nlimit = nan"),
                "nan",
                "not a plain decimal",
            ),
            (
                &budget("window = \"day\"\nlimit = inf"),
                "inf",
                "not a plain decimal",
            ),
            (
                &budget("window = \"day\"\nlimit = 1e300"),
                "1e300",
                "larger than",
            ),
            (
                &budget("window = \"day\"\nlimit = \"5\""),
                "\"5\"",
                "a text cannot stand here",
            ),
        ]);
    }

    #[test]
    fn what_would_do_nothing_is_refused() {
        assert_refused(&[
            (
                &budget("window = \"day\"\non_breach = \"reject\""),
                "\"reject\"",
                "never breached",
            ),
            (
                &budget("window = \"day\"\nstatus = 403"),
                "403",
                "never breached",
            ),
            (
                &budget("window = \"day\"\nalerts = [90]"),
                "[90]",
                "never breached",
            ),
            (
                &budget("window = \"day\"\nlimit = 1\non_breach = \"allow\"\nstatus = 402"),
                "402",
                "refuses nothing",
            ),
            (
                &budget("window = \"day\"\n").replace("\"pu\"", "\"km2\""),
                "\"km2\"",
                "never charges km²",
            ),
        ]);
        let charged = "[plan]\ncharges = [\"km2\"]\n".to_owned() + &budget("window = \"day\"\n");
        assert!(read(&charged.replace("\"pu\"", "\"km2\"")).is_ok());
    }

    #[test]
    fn lists_and_statuses_are_checked_item_by_item() {
        let limited = |rest: &str| budget(&format!("window = \"day\"\nlimit = 1\n{rest}"));
        assert_refused(&[
            (
                &limited("alerts = [90, 50]"),
                "50",
                "an alert cannot stand at 50",
            ),
            (&limited("alerts = [0]"), "0", "an alert cannot stand at 0"),
            (&limited("alerts = [1001]"), "1001", "cannot stand at 1001"),
            (
                &limited("per = [\"team\", \"team\"]"),
                "\"team\"",
                "listed twice",
            ),
            (
                &limited("per = [\"user\"]"),
                "\"user\"",
                "'user' is not a choice",
            ),
            (&limited("status = 500"), "500", "the status 500"),
        ]);
    }

    #[test]
    fn names_are_unique() {
        let twice = budget("window = \"day\"\n") + &budget("window = \"year\"\n");
        assert_refused(&[(&twice, "\"b\"", "a budget 'b' already")]);
    }
}
