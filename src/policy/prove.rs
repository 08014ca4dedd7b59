//! From the text of a policy file to a [`Policy`]: syntax, keys, values, and then what they say of each
//! other.

use std::sync::Arc;
use std::time::Duration;

use toml::de::DeTable;

use super::fault::{Fault, Path, Source};
use super::raw::{RawPolicy, RawRules};
use super::{
    Policy, PolicyError, Store, Upstream, admins, bounds as bound_rules, budget_rules,
    cache as cache_rules, expectation, not_yet, paces, people, server, upstreams,
};
use crate::cost::Plan;
use crate::planet::UpstreamKind;

/// An SDK that meets nothing but time-outs sends its last copy some 14 minutes after the first.
const RESEND_WINDOW: Duration = Duration::from_mins(15);

pub(super) fn parse(text: &str, file: &str) -> Result<Policy, PolicyError> {
    let source = Source { file, text };
    let tree = DeTable::parse(text).map_err(|error| PolicyError::from_toml(&error, &source))?;
    let located = |fault: Fault| PolicyError::from_fault(&fault, tree.get_ref(), &source);
    if let Some(fault) = not_yet::find(tree.get_ref()) {
        return Err(located(fault));
    }
    let raw: RawPolicy =
        toml::from_str(text).map_err(|error| PolicyError::from_toml(&error, &source))?;
    Policy::try_from(raw).map_err(located)
}

impl TryFrom<RawPolicy> for Policy {
    type Error = Fault;

    fn try_from(raw: RawPolicy) -> Result<Self, Fault> {
        let RawPolicy {
            server,
            admin,
            store,
            upstreams,
            mut plan,
            teams,
            identity,
            budgets,
            paces,
            bounds,
            policy:
                RawRules {
                    unclassified,
                    unpredictable,
                    resend_window,
                    safety_margin,
                    meter_egress,
                    max_backfill,
                    live_estimates,
                },
            cache,
            prices,
            tests,
        } = raw;
        charges_something(&plan)?;
        let store = server::store(store)?;
        let resend_window = resend_window.map_or(RESEND_WINDOW, |span| span.0);
        keeps_what_may_be_sent_again(&store, resend_window)?;
        plan.meters_downloads = meter_egress.unwrap_or(true);
        let people = people::people(teams, &identity)?;
        let budgets = budget_rules::budgets(budgets, &people, &plan)?;
        let paces = paces::paces(paces, &people)?;
        let upstreams = upstreams::upstreams(upstreams, plan.meters_downloads)?;
        if max_backfill.is_some() {
            leads_to_planet(&upstreams, "max_backfill")?;
        }
        if live_estimates {
            leads_to_planet(&upstreams, "live_estimates")?;
        }
        let has_budget = |name: &str| budgets.iter().any(|budget| &**budget.name() == name);
        Ok(Self {
            server: server::server(server)?,
            store,
            upstreams,
            plan,
            prices,
            expectations: expectation::expectations(tests, &people, has_budget)?,
            admins: admins::admins(admin, &people)?,
            teams: people.teams,
            keys: people.keys,
            unknown_keys: people.unknown_keys,
            budgets,
            paces,
            bounds: bound_rules::bounds(bounds)?,
            unclassified,
            unpredictable,
            resend_window,
            max_backfill: max_backfill.map(|span| span.0),
            live_estimates,
            safety_margin,
            cache: cache_rules::cache(&cache)?,
        })
    }
}

fn charges_something(plan: &Plan) -> Result<(), Fault> {
    if plan.charges.is_empty() {
        return Err(Fault::new(
            Path::to("plan").key("charges"),
            "an account that is charged in nothing needs no guard",
            "write [\"pu\"], [\"km2\"] or both",
        ));
    }
    Ok(())
}

/// A create that is forgotten while its copies may still come would be forwarded twice.
fn keeps_what_may_be_sent_again(store: &Store, resend_window: Duration) -> Result<(), Fault> {
    if store.keep().is_some_and(|keep| keep <= resend_window) {
        return Err(Fault::new(
            Path::to("store").key("keep"),
            format!("creates may be sent again for {resend_window:?}, longer than they are kept"),
            "keep them longer, or make policy.resend_window shorter",
        ));
    }
    Ok(())
}

/// Subscriptions are made at api.planet.com and nowhere else.
fn leads_to_planet(upstreams: &[Arc<Upstream>], key: &str) -> Result<(), Fault> {
    let mut kinds = upstreams.iter().map(|upstream| upstream.kind());
    if kinds.any(|kind| kind == UpstreamKind::Planet) {
        return Ok(());
    }
    Err(Fault::new(
        Path::to("policy").key(key),
        "this is about subscriptions, and no upstream takes any",
        "remove it, or add an upstream of kind \"planet\"",
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{assert_refused, complaint, policy, read};
    use super::*;

    const EXAMPLE: &str = include_str!("../../config/quota-guard.toml");

    #[test]
    fn the_smallest_policy_guards_planet_and_knows_nobody() {
        let text = "[upstreams.planet]\nurl = \"https://api.planet.com\"\nmount = \"/\"\n";
        let policy = parse(text, "p.toml").unwrap();
        assert_eq!(policy.server().public_url, "http://127.0.0.1:8080");
        assert_eq!(policy.upstream_for("/data/v1").unwrap().1, "/data/v1");
        assert_eq!(policy.teams().count(), 0);
    }

    #[test]
    fn a_policy_without_upstreams_is_refused() {
        let error = parse("", "p.toml").unwrap_err();
        assert_eq!((error.line(), error.column()), (1, 1));
        assert!(error.message().contains("no upstream"), "{error}");
    }

    #[test]
    fn an_error_is_told_in_full() {
        let text = "[upstreams.planet]\nurl = \"https://a\"\nmount = \"/\"\ncredentials = \"x\"\n";
        assert_eq!(
            parse(text, "conf/p.toml").unwrap_err().to_string(),
            "conf/p.toml:4:1: unknown key 'credentials'\n  \
             |\n4 | credentials = \"x\"\n  | ^^^^^^^^^^^\n  \
             = did you mean `credential`? keys here are \
             url, mount, kind, credential, also_known_as, download_hosts, deployment"
        );
    }

    #[test]
    fn what_the_file_cannot_say_is_refused_where_it_stands() {
        assert_refused(&[
            ("[sever]\nlisten = \"a\"", "sever", "unknown key 'sever'"),
            ("[server]\nlimits = 3", "3", "integer 3 cannot stand here"),
            (
                "[[budgets]]\nname = \"b\"",
                "[[budgets]]",
                "'unit' is missing",
            ),
            ("[plan]\ncharges = []", "[]", "charged in nothing"),
            (
                "[plan]\ncharges = [\"eur\"]",
                "\"eur\"",
                "'eur' is not a choice",
            ),
            ("[plan]\naum = \"union-\"", "\"union-\"", "not a choice"),
            (
                "[store]\nkeep = \"1d\"\n[policy]\nresend_window = \"24h\"",
                "\"1d\"",
                "longer than they are kept",
            ),
            ("[prices]\nclips = 1", "clips", "unknown key 'clips'"),
            ("[prices]\nclip = -1", "-1", "not a plain decimal"),
            (
                "[policy]\nunclassified = \"alow\"",
                "\"alow\"",
                "not a choice",
            ),
        ]);
    }

    #[test]
    fn a_file_that_is_no_toml_is_refused_in_the_same_form() {
        for (more, words) in [
            ("[[budgets]", ""),
            ("a = ", ""),
            ("a = \"open", ""),
            (
                "[policy]\nunclassified = \"reject\"\nunclassified = \"allow\"",
                "duplicate key",
            ),
            ("\u{0}", ""),
        ] {
            let (marked, message) = complaint(more);
            assert!(
                message.contains(words) && !message.is_empty(),
                "{more}: {message} ({marked})"
            );
        }
    }

    #[test]
    fn prices_and_rules_are_what_the_file_says() {
        let policy = policy(
            "[prices]\nclip = 0.5\n[policy]\nunclassified = \"allow-reads\"\nresend_window = \"90s\"\n\
             max_backfill = \"90d\"\nlive_estimates = true",
        );
        assert_eq!(policy.resend_window(), Duration::from_secs(90));
        assert_eq!(policy.max_backfill(), Some(Duration::from_hours(90 * 24)));
        assert!(policy.live_estimates());
        assert_eq!(policy.prices().clip.micros(), 500_000);
        assert_eq!(policy.prices().merge.micros(), 10_000_000);
        assert_eq!(
            policy.unclassified(),
            super::super::Unclassified::AllowReads
        );
    }

    #[test]
    fn what_is_about_subscriptions_needs_an_upstream_that_takes_them() {
        for (key, value) in [("max_backfill", "\"90d\""), ("live_estimates", "true")] {
            let text = format!(
                "[upstreams.tiles]\nurl = \"https://a\"\nmount = \"/\"\n[policy]\n{key} = {value}\n"
            );
            let error = parse(&text, "p.toml").unwrap_err();
            assert_eq!(error.line(), 5, "{error}");
            assert!(error.message().contains("no upstream takes any"), "{error}");
        }
        let off = "[upstreams.tiles]\nurl = \"https://a\"\nmount = \"/\"\n[policy]\nlive_estimates = false\n";
        assert!(parse(off, "p.toml").is_ok());
    }

    #[test]
    fn the_example_says_the_defaults_it_claims_to_say() {
        let example = parse(EXAMPLE, "quota-guard.toml").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(*example.prices(), crate::cost::Prices::default());
        assert_eq!(*example.plan(), Plan::default());
        assert_eq!(example.server(), policy("").server());
        assert_eq!(example.store(), policy("").store());
        assert_eq!(example.resend_window(), policy("").resend_window());
        assert_eq!(example.safety_margin(), policy("").safety_margin());
        assert_eq!(example.cache(), policy("").cache());
    }

    #[test]
    fn the_demo_has_three_teams_under_budgets_inside_each_other() {
        let text = include_str!("../../config/demo.toml");
        let demo = parse(text, "demo.toml").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((demo.teams().count(), demo.budgets().len()), (3, 5));
        let now = super::super::testing::at("2026-11-22T12:00:00Z");
        assert_eq!(demo.warnings(now), Vec::<String>::new());
    }

    /// An answer is a policy, or an error with a place in the file.
    fn answers(text: &str) -> Result<(), TestCaseError> {
        if let Err(error) = parse(text, "p.toml") {
            let lines = text.lines().count().max(1);
            prop_assert!((1..=lines).contains(&error.line()), "line {}", error.line());
            prop_assert!(error.column() >= 1);
            prop_assert!(!error.message().is_empty());
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn any_text_has_an_answer(text in "\\PC{0,200}", more in "[\\[\\]{}=\"'.,a-z0-9 \n#-]{0,200}") {
            answers(&text)?;
            answers(&more)?;
            drop(read(&more));
        }

        #[test]
        fn an_example_with_lines_dropped_and_doubled_has_an_answer(
            picks in proptest::collection::vec((any::<prop::sample::Index>(), 0..3usize), 1..6)
        ) {
            let mut lines: Vec<&str> = EXAMPLE.lines().collect();
            for (pick, times) in picks {
                let position = pick.index(lines.len());
                let line = lines.remove(position);
                for _ in 0..times {
                    lines.insert(position, line);
                }
            }
            answers(&lines.join("\n"))?;
        }

        #[test]
        fn an_example_with_a_character_changed_has_an_answer(
            place in any::<prop::sample::Index>(), other in any::<char>()
        ) {
            let mut text: Vec<char> = EXAMPLE.chars().collect();
            let place = place.index(text.len());
            text[place] = other;
            answers(&text.into_iter().collect::<String>())?;
        }
    }
}
